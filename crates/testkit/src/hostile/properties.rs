//! What must hold of any bytes whatever, one function per reader of outside bytes. The fuzz targets call them
//! for as long as one likes, and `crates/sandprint-model/tests/hostile_input.rs` for a few seconds.
//!
//! No reader panics; what it accepts is written and read back as it was, and can be worked with.

use sandprint_model::import::{ImportConfig, Source, import};
use sandprint_model::wire::{
    PolicyFile, decode_policy as read_policy, decode_trace as read_trace, encode_policy, encode_trace,
};
use sandprint_model::{Arch, Coverage, Trace, TraceDiff};
use sandprint_view::diff::Labelled;
use sandprint_view::{Report as _, coverage};

/// Anything as a trace.
pub fn decode_trace(bytes: &[u8]) {
    match read_trace(bytes) {
        Ok(trace) => check(&trace),
        Err(error) => check_message(&error.to_string()),
    }
}

/// Anything as a policy.
pub fn decode_policy(bytes: &[u8]) {
    match read_policy(bytes) {
        Ok(policy) => {
            let text = encode_policy(&policy);
            assert_eq!(read_policy(text.as_bytes()).as_ref(), Ok(&policy));
        }
        Err(error) => check_message(&error.to_string()),
    }
}

/// Anything as a policy file. What is read means the same when it is written, and its form is one: writing it again
/// changes nothing.
pub fn read_policy_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match PolicyFile::read(text) {
        Ok(file) => {
            let written = file.write();
            let again = PolicyFile::read(&written);
            let again = again.unwrap_or_else(|problems| panic!("{problems:?}\n{written}"));
            assert_eq!(again.policy, file.policy, "{written}");
            assert_eq!(again.write(), written);
            check_message(&written.replace('\t', " "));
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                check_message(&problem.message);
                check_message(problem.hint.as_deref().unwrap_or_default());
                assert!(problem.at.line >= 1 && problem.at.column >= 1, "{problem:?}");
                assert!(problem.at.line <= text.split('\n').count(), "{problem:?}");
            }
        }
    }
}

/// Anything as a log of strace, of one machine or the other.
pub fn import_strace(bytes: &[u8]) {
    let arch = if bytes.len().is_multiple_of(4) { Arch::Aarch64 } else { Arch::X86_64 };
    check_import(Source::Strace, arch, bytes);
}

/// Anything as an audit log.
pub fn import_audit(bytes: &[u8]) {
    check_import(Source::Audit, Arch::X86_64, bytes);
}

/// Anything as a trace of sandprint 0.1.
pub fn import_sandprint01(bytes: &[u8]) {
    check_import(Source::Sandprint01, Arch::X86_64, bytes);
}

fn check_import(source: Source, arch: Arch, bytes: &[u8]) {
    let config = ImportConfig { arch };
    match import(source, bytes, &config) {
        Ok(trace) => {
            assert_eq!(trace.runs.len(), 1);
            check(&trace);
        }
        Err(error) => check_message(&error.to_string()),
    }
}

fn check(trace: &Trace) {
    let text = encode_trace(trace);
    assert_eq!(read_trace(text.as_bytes()).as_ref(), Ok(trace));
    let mut twice = trace.clone();
    twice.merge(trace.clone());
    assert_eq!(twice, *trace);
    assert_eq!(trace.subtract(std::slice::from_ref(trace)).calls.len(), 0);
    let diff = TraceDiff::between(trace, &Trace::default());
    assert_eq!(diff.calls.only_in_a.len(), trace.syscalls().len());
    check_message(&Labelled { diff: &diff, a: "a", b: "b" }.text());
    check_message(&coverage::text(&Coverage::of(&[("a".to_owned(), trace.clone())])));
}

/// Text that reaches a terminal.
pub(super) fn check_message(text: &str) {
    assert!(!text.chars().any(|c| c != '\n' && c.is_control()), "{text:?}");
}
