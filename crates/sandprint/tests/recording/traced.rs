//! The recorder by tracing: it counts what the witnesses say, with rights and without; a workload runs as without it,
//! signals or not; and it says what it disturbs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use sandprint_model::GapKind;

use crate::calls::{differences, table};
use crate::header::{Size, Witness};
use crate::notified::{FOR_ROOT, Whose, assert_gaps, open, record_witness};
use crate::recorder::{self, Recording, TRACED};
use crate::witnesses::{assert_recorded, ready};
use crate::{turns, workshop};
use testkit::expect::skip;
use testkit::gcc;

/// Witnesses that cannot do while they are traced what they are about, and why.
pub(crate) const OTHER_TESTS: &[(&str, &str)] =
    &[("changed_by_tracer", LEFT), ("emulated", LEFT), ("tracer", LEFT), ("traces_itself", LEFT)];
const LEFT: &str = "a process has one tracer: who_traces_can_and_the_trace_says_what_is_missing";

pub(crate) fn check_witness(name: &str, whose: Whose) {
    let _turn = turns::beside_others();
    let elsewhere = if whose == Whose::Nobodys { FOR_ROOT } else { &[] };
    if let Some((_, why)) = elsewhere.iter().find(|(other, _)| *other == name) {
        return eprintln!("{name}: {why}");
    }
    let Some((witness, folder, recording)) = record_witness(name, TRACED, whose) else { return };
    if OTHER_TESTS.iter().any(|(other, _)| *other == name) {
        // It does what it does without us, also to whom it traces.
        assert_eq!(recording.status.code(), Some(0), "{}", recording.stderr);
        return assert_gaps(&recording, &[GapKind::LeftToTracer.name().to_owned()].into(), &BTreeSet::new());
    }
    // A tracer comes before filters.
    let expected = witness.expected_of_strace(Size::Recorded);
    assert_recorded(&witness, folder.path(), &recording, expected, &[]);
    let expected = witness.gaps.iter().map(|gap| here(gap).to_owned());
    assert_eq!(recording.trace.gaps(), expected.collect(), "{}", recording.stderr);
}

/// The gap that stands for another recorder's.
fn here(gap: &str) -> &str {
    match GapKind::from_name(gap) {
        Some(GapKind::SeccompInstalled) => GapKind::RefusedCounted.name(),
        Some(GapKind::IoUringOperations) => GapKind::IoUringUnseen.name(),
        _ => gap,
    }
}

#[test]
fn a_program_that_would_gain_rights_gains_none_and_the_trace_says_so() {
    let _turn = turns::beside_others();
    let Some(around) = Whose::Nobodys.around() else { return };
    let Some((_, folder)) = ready("setuid", Size::Recorded, &[]).filter(|_| TRACED.can_record()) else {
        return;
    };
    open(folder.path());
    let recording =
        recorder::record(&around, TRACED, &["./owned_by_nobody".into(), "again".into()], folder.path());
    assert_eq!(recording.status.code(), Some(77), "{}", recording.stderr);
    assert_gaps(&recording, &[GapKind::PrivilegesWithheld.name().to_owned()].into(), &BTreeSet::new());
}

/// A program of these tests, built; `None` where it cannot be.
fn build(name: &str) -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the build folder is ours");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/recording/{name}.c"));
    if !gcc::can_build(&source, &folder.path().join(name), &["-pthread"]) {
        return None;
    }
    open(folder.path());
    Some(folder)
}

/// What a program says of itself: a word, and how often.
fn said(recording: &Recording, what: &str) -> u64 {
    let line = recording.stdout.lines().find_map(|line| line.strip_prefix(what));
    line.unwrap_or_else(|| panic!("{recording:?}")).trim().parse().expect("a number")
}

fn counted(recording: &Recording, call: &str) -> u64 {
    let rows = recording.trace.totals();
    rows.iter().find(|row| row.name.as_deref() == Some(call)).map_or(0, |row| row.count)
}

#[test]
fn calls_among_signals_never_fail_and_are_counted_as_often_as_they_are_made() {
    let _turn = turns::beside_others();
    let Some(folder) = build("interrupted").filter(|_| TRACED.can_record()) else { return };
    for how in ["restart", "fail"] {
        let recording = recorder::record(&[], TRACED, &["./interrupted".into(), how.into()], folder.path());
        assert_eq!(recording.status.code(), Some(0), "{}", recording.stderr);
        assert!(said(&recording, "handled") > 100, "{recording:?}");
        assert_eq!(
            (counted(&recording, "getppid"), said(&recording, "failed")),
            (said(&recording, "made"), 0)
        );
        // Every return of a handler is seen.
        assert!(counted(&recording, "rt_sigreturn") >= said(&recording, "handled"), "{}", recording.stderr);
        assert_eq!(recording.trace.gaps(), BTreeSet::new(), "{}", recording.stderr);
    }
}

#[test]
fn signals_that_are_ignored_interrupt_nothing_and_take_no_time() {
    let _turn = turns::beside_others();
    let Some(folder) = build("ignored").filter(|_| TRACED.can_record()) else { return };
    let (Some(around), both) = (Whose::Nobodys.around(), ["ignore", "default", "handle"]) else { return };
    for how in both {
        let recording = recorder::record(&around, TRACED, &["./ignored".into(), how.into()], folder.path());
        // It says how each call ended, and that its time was kept.
        assert_eq!(recording.stdout, "", "{how}: {}", recording.stderr);
        assert_eq!(recording.status.code(), Some(0), "{how}: {}", recording.stderr);
        for call in
            ["epoll_wait", "epoll_pwait", "rt_sigtimedwait", "semtimedop", "poll", "recvfrom", "epoll_pwait2"]
        {
            assert_eq!(counted(&recording, call), 1, "{how}: {call}\n{}", recording.stderr);
        }
        // What only tracing interrupts is no call more.
        assert_eq!(counted(&recording, "restart_syscall"), 0, "{how}: {}", recording.stderr);
    }
}

#[test]
fn threads_and_forks_are_counted_exactly() {
    let _turn = turns::alone();
    if !TRACED.can_record() {
        return;
    }
    let witness = Witness::load("storm");
    let folder = match workshop::stage(&witness) {
        Ok(folder) => folder,
        Err(why) => return skip("gcc", &why),
    };
    let recording = recorder::record(&[], TRACED, &witness.command(Size::Straced), folder.path());
    assert_eq!(recording.status.code(), Some(0), "{}", recording.stderr);
    let expected = crate::calls::totals(&witness.expected(Size::Straced));
    let seen = crate::calls::totals(&table(&recording.trace.totals(), &expected));
    assert_eq!(differences(&expected, &seen), "");
    assert_eq!(recording.trace.gaps(), BTreeSet::new());
}

#[test]
fn who_traces_can_and_the_trace_says_what_is_missing() {
    let _turn = turns::beside_others();
    let Some(folder) = build("tracing").filter(|_| TRACED.can_record()) else { return };
    for (what, left) in [("me", 1), ("child", 1), ("itself", 0), ("nobody", 0), ("above", 0)] {
        let recording = recorder::record(&[], TRACED, &["./tracing".into(), what.into()], folder.path());
        // It says whether it may as without us.
        assert_eq!(recording.status.code(), Some(0), "{what}: {}", recording.stderr);
        let trace = recording.trace.decoded();
        let gaps: Vec<_> = trace.gaps.iter().map(|(gap, count)| (gap.kind, *count)).collect();
        let expected: &[_] = if left > 0 { &[(GapKind::LeftToTracer, left)] } else { &[] };
        assert_eq!(gaps, expected, "{what}: {}", recording.stderr);
        assert_eq!(trace.blocking_gaps().count(), expected.len(), "{what}");
    }
}

#[test]
fn a_tracer_around_us_leaves_notification() {
    let _turn = turns::beside_others();
    let Some(around) = Whose::Nobodys.around().filter(|_| TRACED.can_record()) else { return };
    if let Err(error) = Command::new("strace").arg("-V").output() {
        return skip("strace", &error.to_string());
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    open(folder.path());
    let log = folder.path().join("log");
    let strace = ["strace", "-f", "-o", log.to_str().expect("text")];
    let around: Vec<&str> = strace.into_iter().chain(around).collect();
    let recording = recorder::record(&around, recorder::AUTO, &["true".into()], folder.path());
    assert_eq!(recording.status.code(), Some(0));
    let said = "note: recording by seccomp notifications, not by eBPF (CAP_BPF and CAP_PERFMON are missing) nor by \
                tracing (the command may not be traced: Operation not permitted (os error 1)): ";
    assert_eq!(recording.stderr.matches(said).count(), 1, "{}", recording.stderr);
    let recorders: Vec<_> = recording.trace.decoded().runs.into_values().map(|run| run.recorder).collect();
    assert_eq!(recorders, [sandprint_model::Recorder::Notify]);
    assert!(fs::read_to_string(log).expect("strace wrote it").contains("execve"));
}
