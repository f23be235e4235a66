//! Signals that come while calls are reported: no call fails that would not have failed without us, those that do are
//! still interrupted, and each call is counted once.

use std::process::Command;

use sandprint_model::Action;

use crate::SANDPRINT;
use crate::observers::can_notify;
use crate::trial::build;
use testkit::policies::native::all_but;
use testkit::scratch::Scratch;

/// What the program says without us.
const BARE: &str = "asked: 0 interrupted, 0 refused; 20 forks; signals came\nread: -1, interrupted\n";

fn scratch() -> Option<Scratch> {
    let scratch = Scratch::of(SANDPRINT);
    (can_notify() && build(&scratch, "timer")).then_some(scratch)
}

#[test]
fn a_refinement_disturbs_no_program_that_handles_signals() {
    let Some(scratch) = scratch() else { return };
    let bare = Command::new(scratch.path("timer")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&bare.stdout), BARE);
    let words = ["refine", "-p", "p.toml", "--new", "--accept-all", "--timeout", "60s", "--", "./timer"];
    let ended = scratch.profile(&words);
    assert_eq!((ended.status, ended.stdout), (0, BARE.repeat(2)), "{}", ended.stderr);
}

#[test]
fn a_refinement_disturbs_no_shell_whose_children_end() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    let script = "i=0; while [ $i -lt 20 ]; do echo $i | cat | cat; i=$((i+1)); done";
    let bare = Command::new("sh").args(["-c", script]).output().unwrap();
    let bare = String::from_utf8(bare.stdout).unwrap();
    let words =
        ["refine", "-p", "p.toml", "--new", "--accept-all", "--timeout", "60s", "--", "sh", "-c", script];
    let ended = scratch.profile(&words);
    let rounds = if ended.stderr.contains("; 2 runs\n") { 2 } else { 1 };
    assert_eq!((ended.status, ended.stdout), (0, bare.repeat(rounds)), "{}", ended.stderr);
    assert!(!ended.stderr.contains("fork"), "{}", ended.stderr);
}

#[test]
fn a_verification_counts_each_refused_call_once_whatever_signals_come() {
    let Some(scratch) = scratch() else { return };
    scratch.policy(&all_but(&[("sched_getscheduler", Action::Errno(13))]));
    let words = [
        "profile",
        "verify",
        "--observer",
        "notify",
        "--timeout",
        "60s",
        "-p",
        "policy",
        "-f",
        "json",
        "-o",
        "report",
        "--",
    ];
    let output = scratch.sandprint(&[&words[..], &["./timer"]].concat()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let once = "asked: 0 interrupted, 1000 refused; 20 forks; signals came\nread: -1, interrupted\n";
    assert_eq!(said, once.repeat(2));
    let report: serde_json::Value = serde_json::from_str(&scratch.read("report")).unwrap();
    let counts: Vec<_> = report["denials"].as_array().unwrap().iter().map(|one| &one["count"]).collect();
    assert_eq!(counts, [1000], "{report:#}");
}
