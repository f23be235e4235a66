//! The recorder by seccomp notification: it counts what the witnesses say and what eBPF counts, with rights and
//! without, and it says what it disturbs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use sandprint_model::{ByteString, GapKind, Syscall};

use crate::calls::{differences, table};
use crate::header::{Size, Witness};
use crate::recorder::{self, CHOSEN, How, NOTIFIED, Recording, SANDPRINT, TRACED};
use crate::witnesses::{assert_recorded, ready};
use crate::{turns, workshop};
use testkit::expect::skip;
use testkit::gcc;
use testkit::users::{AS_NOBODY, can_become};

/// As whom the recorder and the workload run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// As the tests do.
    Ours,
    /// As a user without any rights.
    Nobodys,
}

/// Witnesses that show what this recorder cannot see: the gap that says so, in place of their own.
const OTHER_GAPS: &[(&str, GapKind)] =
    &[("io_uring_submit", GapKind::IoUringUnseen), ("io_uring_sqpoll", GapKind::IoUringUnseen)];
/// What is known of, and not counted.
const UNCOUNTED: &[&str] = &["rt_sigreturn", "sigreturn"];
/// Witnesses that cannot do under this recorder what they are about, and why.
pub(crate) const OTHER_TESTS: &[(&str, &str)] =
    &[("seccomp_notify", "a process has one listener: a_listener_is_refused_and_the_trace_says_so")];
/// Witnesses that cannot do without the rights of root what they are about, and why.
pub(crate) const FOR_ROOT: &[(&str, &str)] = &[
    ("pid_reuse", "only root can choose the number of a child"),
    ("setuid", "a_program_that_would_gain_rights_gains_none_and_the_trace_says_so"),
];

impl Whose {
    /// What goes before a command; `None` where this machine cannot run the test so.
    pub(crate) fn around(self) -> Option<Vec<&'static str>> {
        if self == Whose::Ours {
            return Some(Vec::new());
        }
        can_become(&AS_NOBODY, SANDPRINT).then(|| AS_NOBODY.to_vec())
    }

    /// The gaps that its recordings by notification have besides others.
    fn gaps(self) -> Option<String> {
        (self == Whose::Nobodys).then(|| GapKind::NoNewPrivileges.name().to_owned())
    }
}

/// Opens a folder of ours to every user.
pub(crate) fn open(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).expect("the folder is ours");
}

/// A witness, recorded; `None` where that cannot be done here.
pub(crate) fn record_witness(
    name: &str,
    how: How,
    whose: Whose,
) -> Option<(Witness, tempfile::TempDir, Recording)> {
    if !how.can_record() {
        return None;
    }
    let around = whose.around()?;
    let (witness, folder) = ready(name, Size::Recorded, &around)?;
    open(folder.path());
    let recording = recorder::record(&around, how, &witness.command(Size::Recorded), folder.path());
    Some((witness, folder, recording))
}

pub(crate) fn check_witness(name: &str, whose: Whose) {
    let _turn = turns::beside_others();
    let elsewhere = if whose == Whose::Nobodys { FOR_ROOT } else { &[] };
    if let Some((_, why)) = OTHER_TESTS.iter().chain(elsewhere).find(|(other, _)| *other == name) {
        return eprintln!("{name}: {why}");
    }
    let Some((witness, folder, recording)) = record_witness(name, NOTIFIED, whose) else { return };
    assert_recorded(&witness, folder.path(), &recording, witness.expected(Size::Recorded), UNCOUNTED);
    let mut expected: BTreeSet<String> = witness.gaps.clone();
    if let Some((_, gap)) = OTHER_GAPS.iter().find(|(other, _)| *other == name) {
        expected = [gap.name().to_owned()].into();
    }
    expected.extend(whose.gaps());
    assert_gaps(&recording, &expected, &witness.possible_gaps);
}

/// Whether a recording has these gaps, and no others but possible ones.
pub(crate) fn assert_gaps(recording: &Recording, expected: &BTreeSet<String>, possible: &BTreeSet<String>) {
    let mut gaps: BTreeSet<String> = recording.trace.gaps().difference(possible).cloned().collect();
    // Signal handlers, whose returns are not counted.
    gaps.remove(GapKind::CountsInexact.name());
    assert_eq!(gaps, *expected, "{}", recording.stderr);
}

#[test]
fn a_listener_is_refused_and_the_trace_says_so() {
    let _turn = turns::beside_others();
    let Some((_, _folder, recording)) = record_witness("seccomp_notify", NOTIFIED, Whose::Ours) else {
        return;
    };
    assert_eq!(recording.status.code(), Some(77), "{}", recording.stderr);
    assert_gaps(&recording, &[GapKind::SeccompRefused.name().to_owned()].into(), &BTreeSet::new());
    assert_eq!(recording.trace.decoded().blocking_gaps().count(), 1);
}

#[test]
fn a_program_that_would_gain_rights_gains_none_and_the_trace_says_so() {
    let _turn = turns::beside_others();
    let Some(around) = Whose::Nobodys.around() else { return };
    let Some((_, folder)) = ready("setuid", Size::Recorded, &[]).filter(|_| NOTIFIED.can_record()) else {
        return;
    };
    open(folder.path());
    let recording =
        recorder::record(&around, NOTIFIED, &["./owned_by_nobody".into(), "again".into()], folder.path());
    // It is not the user that it should have become.
    assert_eq!(recording.status.code(), Some(77), "{}", recording.stderr);
    let expected = [GapKind::PrivilegesWithheld, GapKind::NoNewPrivileges].map(|kind| kind.name().to_owned());
    assert_gaps(&recording, &expected.into(), &BTreeSet::new());
}

/// Counts by program and call.
type Counts = BTreeMap<(String, Syscall), u64>;

fn counts(recording: &Recording) -> Counts {
    let mut counts = Counts::new();
    for (subject, syscall, runs) in recording.trace.decoded().calls.iter() {
        // With the build id: both recorders must have looked into the same file.
        let image = format!("{} {:?}", subject.image, subject.image.build_id);
        if syscall.name().is_some_and(|name| UNCOUNTED.contains(&name)) {
            continue;
        }
        *counts.entry((image, *syscall)).or_default() += runs.values().map(|seen| seen.count).sum::<u64>();
    }
    counts
}

/// Commands of which two runs make the same calls, however they are timed.
const STEADY: &[&[&str]] = &[
    &["ls", "-la", "/usr/bin"],
    &["ls", "-R", "/etc"],
    &["cat", "/etc/passwd"],
    &["true"],
    &["id"],
    &["uname", "-a"],
    &["env"],
    &["stat", "/usr"],
    &["df", "/"],
    &["wc", "/etc/passwd"],
    &["grep", "-rn", "root", "/etc/passwd"],
    &["awk", "{n+=$1}END{print(n)}", "/etc/passwd"],
    &["sha256sum", "/etc/passwd"],
    &["nice", "-n", "1", "true"],
    &["setsid", "true"],
    &["getent", "passwd", "root"],
    &["ldconfig", "-p"],
    &["taskset", "-c", "0", "true"],
    &["sh", "-c", "for i in 1 2 3; do ls /; done; (exit 3); echo $?"],
    &["bash", "-c", "x=$(echo inner); [[ $x == inner ]] && (exit 3); echo $?"],
    &["find", "/etc", "-maxdepth", "1"],
    &["python3", "-c", "import json, sys; json.dump({'a': [1, 2]}, sys.stdout)"],
    &["dpkg", "-L", "coreutils"],
];

/// Those that this machine has; the others are named.
pub(crate) fn steady() -> impl Iterator<Item = Vec<String>> {
    let is_here = |command: &&&[&str]| {
        let there = Command::new("sh").args(["-c", "command -v \"$0\"", command[0]]).output();
        let is_here = there.is_ok_and(|output| output.status.success());
        if !is_here {
            eprintln!("not on this machine: {command:?}");
        }
        is_here
    };
    let words = |command: &&[&str]| command.iter().map(|word| (*word).to_owned()).collect();
    STEADY.iter().filter(is_here).map(words)
}

#[test]
fn all_recorders_agree_on_every_call_of_every_program() {
    let _turn = turns::beside_others();
    if !CHOSEN.can_record() || !NOTIFIED.can_record() || !TRACED.can_record() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut compared = 0;
    for words in steady() {
        // Without random addresses.
        let run = |how| recorder::record(&["setarch", "-R"], how, &words, folder.path());
        let by_ebpf = run(CHOSEN);
        let expected = counts(&by_ebpf);
        for how in [NOTIFIED, TRACED] {
            let other = run(how);
            assert_eq!(by_ebpf.status, other.status);
            assert_eq!(by_ebpf.stdout.lines().count(), other.stdout.lines().count());
            let seen = counts(&other);
            let differing: Vec<_> = expected
                .keys()
                .chain(seen.keys())
                .filter(|key| expected.get(key) != seen.get(key))
                .map(|key| (key, expected.get(key), seen.get(key)))
                .collect();
            assert!(differing.is_empty(), "{words:?}, {how:?}: {differing:#?}");
        }
        compared += 1;
    }
    assert!(compared >= 15, "{compared}");
}

/// What `interrupted.c` says of itself.
fn said(recording: &Recording, what: &str) -> u64 {
    let line = recording.stdout.lines().find_map(|line| line.strip_prefix(what));
    line.unwrap_or_else(|| panic!("{recording:?}")).trim().parse().expect("a number")
}

#[test]
fn calls_among_signals_are_counted_as_often_as_they_are_made() {
    let _turn = turns::beside_others();
    if !NOTIFIED.can_record() {
        return;
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the build folder is ours");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recording/interrupted.c");
    if !gcc::can_build(&source, &folder.path().join("interrupted"), &[]) {
        return;
    }
    let getppid = |recording: &Recording| {
        let rows = recording.trace.totals();
        rows.iter().find(|row| row.name.as_deref() == Some("getppid")).expect("it is called").count
    };
    let run = |how: &str| {
        let recording = recorder::record(&[], NOTIFIED, &["./interrupted".into(), how.into()], folder.path());
        assert_eq!(recording.status.code(), Some(0), "{}", recording.stderr);
        assert!(said(&recording, "handled") > 1000, "{recording:?}");
        recording
    };
    let restarted = run("restart");
    assert_eq!((getppid(&restarted), said(&restarted, "failed")), (said(&restarted, "made"), 0));
    assert_eq!(restarted.trace.decoded().blocking_gaps().count(), 0, "{}", restarted.stderr);
    // Without SA_RESTART a call can fail that never does. It is not counted, since it was not made, and that is said.
    let failing = run("fail");
    assert_eq!(getppid(&failing), said(&failing, "made"));
    let interrupted = GapKind::CallsInterrupted.name();
    assert!(
        said(&failing, "failed") == 0 || failing.trace.gaps().contains(interrupted),
        "{}",
        failing.stderr
    );
}

#[test]
fn threads_and_forks_are_counted_exactly() {
    let _turn = turns::alone();
    if !NOTIFIED.can_record() {
        return;
    }
    let witness = Witness::load("storm");
    let folder = match workshop::stage(&witness) {
        Ok(folder) => folder,
        Err(why) => return skip("gcc", &why),
    };
    let recording = recorder::record(&[], NOTIFIED, &witness.command(Size::Straced), folder.path());
    assert_eq!(recording.status.code(), Some(0), "{}", recording.stderr);
    let expected = crate::calls::totals(&witness.expected(Size::Straced));
    let seen = crate::calls::totals(&table(&recording.trace.totals(), &expected));
    assert_eq!(differences(&expected, &seen), "");
    assert_gaps(&recording, &BTreeSet::new(), &BTreeSet::new());
}

#[test]
fn without_the_right_to_load_bpf_the_recorder_is_the_one_that_needs_none() {
    let _turn = turns::beside_others();
    let Some(around) = Whose::Nobodys.around().filter(|_| NOTIFIED.can_record()) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    open(folder.path());
    let recording = recorder::record(&around, recorder::AUTO, &["true".into()], folder.path());
    assert_eq!(recording.status.code(), Some(0));
    let said = "note: recording by tracing (ptrace), not by eBPF (CAP_BPF and CAP_PERFMON are missing): ";
    assert_eq!(recording.stderr.matches(said).count(), 1, "{}", recording.stderr);
    let recorders: Vec<_> = recording.trace.decoded().runs.into_values().map(|run| run.recorder).collect();
    assert_eq!(recorders, [sandprint_model::Recorder::Ptrace]);
    let images = recording.trace.decoded().images();
    let paths: Vec<&ByteString> = images.iter().map(|image| &image.path).collect();
    assert_eq!(paths.len(), 1, "{paths:?}");
}
