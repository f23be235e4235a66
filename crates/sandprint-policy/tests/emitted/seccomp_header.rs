//! The C header is compiled, its filter exported through libseccomp, and each answer compared with the policy.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use sandprint_model::{Abi, About, Action, Call, KernelVersion, Policy, Syscall};
use sandprint_policy::emit::{Emitted, by_name};
use sandprint_policy::synth::{DefaultAction, SynthConfig, synthesize};

use crate::bpf::Program;
use testkit::hosts::{self, NATIVE};
use testkit::policies::{allowing, any_policy, call, ls, policy, telling_calls};
use testkit::policies::{grid, losses};

const EXPORT: &str = r#"
#include <stdio.h>
#include "sandprint_filter.h"
int main(void) {
    scmp_filter_ctx filter;
    int result = sandprint_build_filter(&filter);
    if (result == 0)
        result = seccomp_export_bpf(filter, 1);
    if (result != 0)
        fprintf(stderr, "%d\n", result);
    return result != 0;
}
"#;

const STRICT: &[&str] = &["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/// Whether C programs can be linked with libseccomp here.
pub(crate) fn has_libseccomp() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("probe.c");
    hosts::write(&source, "#include <seccomp.h>\nint main(void) { return seccomp_init(0) == 0; }\n");
    hosts::has("libseccomp", compile("cc", &["-std=c99"], &source).map(drop))
}

/// Compiles and links one file; the program's path.
pub(crate) fn compile(compiler: &str, options: &[&str], source: &Path) -> Result<String, String> {
    let program = source.with_extension("out").to_str().unwrap().to_owned();
    let files = [source.to_str().unwrap(), "-o", &program, "-lseccomp"];
    let output = hosts::run(compiler, &[options, &files].concat())?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() && stderr.is_empty() { Ok(program) } else { Err(stderr) }
}

/// The filter that libseccomp makes of a header, compiled as C and, the same, as C++.
pub(crate) fn export_twice(emitted: &Emitted) -> Program {
    export_as(emitted, &[("cc", "-std=c99", "main.c"), ("c++", "-std=c++11", "main.cc")])
}

/// The filter that libseccomp makes of a header, compiled as C.
pub(crate) fn export(emitted: &Emitted) -> Program {
    export_as(emitted, &[("cc", "-std=c99", "main.c")])
}

/// The filter that libseccomp makes of a header, the same with each compiler.
fn export_as(emitted: &Emitted, compilers: &[(&str, &str, &str)]) -> Program {
    let folder = tempfile::tempdir().unwrap();
    hosts::write(&folder.path().join("sandprint_filter.h"), emitted.content.as_text().unwrap());
    let mut exported = Vec::new();
    for (compiler, standard, name) in compilers {
        if !hosts::has("gcc", hosts::run(compiler, &["--version"]).map(drop)) {
            continue;
        }
        let source = folder.path().join(name);
        hosts::write(&source, EXPORT);
        let program = compile(compiler, &[STRICT, &[standard]].concat(), &source)
            .unwrap_or_else(|error| panic!("{error}\n{}", emitted.content.as_text().unwrap()));
        let output = hosts::run_within("20", &program, &[])
            .unwrap_or_else(|| panic!("it has not ended\n{}", emitted.content.as_text().unwrap()));
        assert!(
            output.status.success(),
            "{}\n{}",
            String::from_utf8_lossy(&output.stderr),
            emitted.content.as_text().unwrap()
        );
        exported.push(output.stdout);
    }
    assert!(exported.iter().all(|other| *other == exported[0]), "C and C++ agree");
    Program::parse(&exported[0])
}

/// Every number that could tell the policy and the filter apart.
fn telling_numbers(policy: &Policy) -> impl Iterator<Item = Syscall> {
    let numbers: BTreeSet<u32> = (0..=600)
        .chain([999, 1000, 5000, 0xf_0001, 0xf_0005, 0x3fff_ffff])
        .chain(policy.calls.rules.keys().map(|syscall| syscall.nr))
        .collect();
    let abis = Abi::ALL.into_iter();
    abis.flat_map(move |abi| numbers.clone().into_iter().map(move |nr| Syscall { abi, nr }))
}

/// The calls that the filter and the policy decide differently.
fn differing(policy: &Policy, program: &Program, args: [u64; 6]) -> Vec<(Syscall, Action, Action)> {
    telling_numbers(policy)
        .map(|syscall| Call { syscall, args })
        .map(|call| (call.syscall, policy.calls.decide(&call), program.decide(&call)))
        .filter(|(_, wanted, got)| wanted != got)
        .collect()
}

fn emit(policy: &Policy) -> Emitted {
    by_name("seccomp-h").unwrap().emit(policy).unwrap()
}

fn assert_exact(policy: &Policy) {
    let emitted = emit(policy);
    assert_eq!(emitted.losses, BTreeSet::new());
    let program = export_twice(&emitted);
    assert_eq!(differing(policy, &program, [0; 6]), [], "{}", emitted.content.as_text().unwrap());
}

#[test]
fn the_filter_decides_every_call_of_every_abi_as_the_policy_does() {
    if has_libseccomp() {
        assert_exact(&policy(&ls(NATIVE)));
    }
}

#[test]
fn every_default_action_is_exact() {
    if !has_libseccomp() {
        return;
    }
    for default_action in DefaultAction::ALL {
        let config = SynthConfig { default_action, ..SynthConfig::default() };
        assert_exact(&synthesize(&ls(NATIVE), &config).unwrap());
    }
}

#[test]
fn a_number_without_a_name_is_allowed_by_number() {
    if has_libseccomp() {
        assert_exact(&allowing(&[Syscall { abi: NATIVE, nr: 5000 }, call(NATIVE, "exit_group")]));
    }
}

#[test]
fn calls_that_the_installed_libseccomp_cannot_name_are_allowed_by_number() {
    if !has_libseccomp() {
        return;
    }
    let newest = Syscall::all(NATIVE).filter(|syscall| syscall.nr > 440);
    let calls: Vec<_> = newest.chain([call(NATIVE, "exit_group")]).collect();
    assert!(calls.len() > 20);
    assert_exact(&allowing(&calls));
}

#[test]
fn each_abi_has_rules_of_its_own() {
    if !has_libseccomp() || NATIVE != Abi::X86_64 {
        return;
    }
    let (x86_64, i386, x32) = (Abi::X86_64, Abi::I386, Abi::X32);
    assert_exact(&allowing(&[call(x86_64, "read"), call(i386, "mmap2"), call(i386, "socketcall")]));
    assert_exact(&allowing(&[call(x86_64, "read"), call(x32, "write"), call(x32, "rt_sigaction")]));
    assert_exact(&allowing(&[call(i386, "read"), call(i386, "exit_group")]));
    assert_exact(&allowing(&[call(x32, "read")]));
    let three = [call(x86_64, "open"), call(i386, "openat"), call(x32, "openat2"), call(i386, "ipc")];
    assert_exact(&allowing(&three));
}

/// Names of a further ABI depend on the libseccomp that is there: what it lacks gets the default action, and
/// is listed as a loss.
#[test]
fn three_abis_of_one_program_differ_in_listed_calls_only() {
    if !has_libseccomp() || NATIVE != Abi::X86_64 {
        return;
    }
    let mut everything = ls(Abi::X86_64);
    for abi in [Abi::I386, Abi::X32] {
        everything.merge(ls(abi));
    }
    let policy = policy(&everything);
    let emitted = emit(&policy);
    assert!(emitted.losses.iter().all(|loss| !loss.weaker));
    let about: Vec<_> = emitted.losses.iter().map(|loss| loss.about.to_string()).collect();
    assert_eq!(about, ["i386 calls newer than Linux 5.17", "x32 calls newer than Linux 5.17"]);
    for (syscall, wanted, got) in differing(&policy, &export(&emitted), [0; 6]) {
        assert!(syscall.abi != NATIVE && syscall.since() > Some(KernelVersion::new(5, 17)), "{syscall:?}");
        assert_eq!((wanted, got), (Action::Errno(38), Action::Errno(1)), "{syscall:?}");
    }
}

/// libseccomp allows the multiplexers of i386 together with what they stand for: the header refuses them.
#[test]
fn a_direct_i386_socket_call_does_not_open_the_multiplexer() {
    if !has_libseccomp() || NATIVE != Abi::X86_64 {
        return;
    }
    let names = ["socket", "recvmmsg", "accept4", "semget", "shmat"];
    let policy = allowing(&names.map(|name| call(Abi::I386, name)));
    let emitted = emit(&policy);
    let about: Vec<_> = emitted.losses.iter().map(|loss| (&loss.about, loss.weaker)).collect();
    assert_eq!(about, [(&About::Name("ipc"), false), (&About::Name("socketcall"), false)]);
    let program = export(&emitted);
    for sub_call in 0..30 {
        let multiplexers = ["socketcall", "ipc"].map(|name| call(Abi::I386, name));
        let expected = multiplexers.map(|call| (call, Action::Errno(1), Action::Errno(38)));
        let mut differing = differing(&policy, &program, [sub_call, 0, 0, 0, 0, 0]);
        differing.sort_by_key(|(syscall, ..)| std::cmp::Reverse(syscall.name()));
        assert_eq!(differing, expected, "sub-call {sub_call}");
    }
}

/// Any policy at all: libseccomp takes every header, and what it decides differently is a loss.
#[test]
fn every_difference_from_the_policy_is_a_loss() {
    if !has_libseccomp() {
        return;
    }
    // The same policies on every day.
    let mut runner = TestRunner::deterministic();
    for _ in 0..16 {
        let mut policy = any_policy().new_tree(&mut runner).unwrap().current();
        policy.calls.rules.insert(
            call(NATIVE, "exit_group"),
            allowing(&[call(NATIVE, "read")]).calls.rules.into_values().next().unwrap(),
        );
        let emitted = emit(&policy);
        let program = export(&emitted);
        let calls = telling_calls(&policy, [7; 6]).chain(grid::calls(&policy));
        let here = calls.filter(|call| call.syscall.abi.arch() == NATIVE.arch());
        losses::check(&policy, &emitted.losses, here, |call| program.decide(call));
    }
}
