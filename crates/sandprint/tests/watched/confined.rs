//! Processes that `sandprint run` confined, with every action.

use std::fs;
use std::path::Path;

use sandprint_model::{Action, Policy, wire};
use serde_json::json;

use crate::SANDPRINT;
use crate::caller::{caller, can_see_logged};
use crate::gate::Gate;
use crate::told::Told;
use crate::watching::Watching;
use testkit::bpf;
use testkit::cgroup::Group;
use testkit::expect::skip;
use testkit::hosts::NATIVE;
use testkit::policies::native::all_but;
use testkit::shell::is_root;

/// One call for each action, as `caller.c` makes them.
pub(crate) const EVERY_ACTION: [(&str, Action); 7] = [
    ("sched_get_priority_min", Action::Log),
    ("sched_getparam", Action::Errno(13)),
    ("sched_getscheduler", Action::Trap),
    ("getcpu", Action::KillThread),
    ("sched_rr_get_interval", Action::KillProcess),
    ("get_robust_list", Action::Trace(7)),
    ("personality", Action::Notify),
];

/// What is to be told of a run of the caller under these, `count` times each.
pub(crate) fn expected(count: u64) -> Vec<(&'static str, &'static str, u64)> {
    vec![
        ("sched_get_priority_min", "logged", count),
        ("sched_getparam", "errno EACCES by filter", count),
        ("sched_getscheduler", "trap by filter", count),
        ("getcpu", "kill-thread by filter", count),
        ("sched_rr_get_interval", "kill-process by filter", count),
        ("get_robust_list", "trace 7 by filter", count),
        ("personality", "notify by filter", count),
    ]
}

/// Runs the caller under a policy and a watch of it. `logged`: how many of its calls are logged.
fn watch(policy: &Policy, options: &[&str], words: &[&str], logged: u64) -> Option<Told> {
    if !bpf::can_load() {
        return None;
    }
    let caller = caller()?.to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy");
    fs::write(&path, wire::encode_policy(policy)).unwrap();
    let run = [&[SANDPRINT, "run", "-p", path.to_str().unwrap(), "--", caller][..], words].concat();
    let mut gate = Gate::around(&run);
    let pid = gate.pid().to_string();
    let watching = Watching::start(&[&["--pid", &pid, "--format", "json"][..], options].concat());
    let (status, told) = watching.over(&mut gate, logged);
    assert_eq!(status, 0, "{told:?}");
    Some(told)
}

#[test]
fn every_refused_call_is_told_with_its_action_and_count_and_nothing_else_is() {
    for count in [1, 50] {
        let Some(told) = watch(&all_but(&EVERY_ACTION), &[], &[&count.to_string()], count) else { return };
        told.assert_calls(&format!("{count} of each"), &expected(count));
        for event in told.of_kind("denial") {
            let path = caller().unwrap().canonicalize().unwrap();
            assert_eq!(event["process"]["image"], path.to_str().unwrap(), "{event}");
            assert_eq!(event["process"]["comm"], "watched-caller", "{event}");
            assert_eq!(event["location"]["function"], "syscall", "{event}");
            assert_eq!(event["location"]["module"], path.to_str().unwrap(), "{event}");
            assert_eq!(event["doubt"], json!(null), "{event}");
            assert_eq!(event["rule"]["do"], "allow", "{event}");
            let pids: Vec<u64> = event["ancestry"]
                .as_array()
                .unwrap()
                .iter()
                .map(|up| up["host_pid"].as_u64().unwrap())
                .collect();
            assert_eq!(pids.last(), event["process"]["host_pid"].as_u64().as_ref(), "{event}");
            if matches!(event["name"].as_str(), Some("sched_getparam" | "sched_getscheduler")) {
                assert_eq!(event["args"][0], 0x1234, "{event}");
            }
        }
    }
}

#[test]
fn of_a_policy_that_refuses_nothing_of_what_is_done_nothing_is_told() {
    let Some(told) = watch(&all_but(&EVERY_ACTION), &[], &["quiet"], 0) else { return };
    told.assert_calls("quiet", &[]);
    assert_eq!(told.of_kind("missed"), [] as [serde_json::Value; 0]);
}

#[test]
fn logged_calls_of_processes_that_end_at_once_are_told_too() {
    const PROCESSES: u64 = 60;
    if !bpf::can_load() || !can_see_logged() {
        return;
    }
    let Some(caller) = caller() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy");
    fs::write(&path, wire::encode_policy(&all_but(&[("sched_get_priority_min", Action::Log)]))).unwrap();
    let script = format!("for i in $(seq {PROCESSES}); do \"$0\" 1 & done; wait");
    let run = [SANDPRINT, "run", "-p", path.to_str().unwrap(), "--", "sh", "-c", &script];
    let mut gate = Gate::around(&[&run[..], &[caller.to_str().unwrap()]].concat());
    let watching = Watching::start(&["--pid", &gate.pid().to_string(), "--format", "json"]);
    let (status, told) = watching.over(&mut gate, PROCESSES);
    assert_eq!(status, 0, "{told:?}");
    told.assert_calls("short", &[("sched_get_priority_min", "logged", PROCESSES)]);
    let missed = told.of_kind("missed");
    assert!(!missed.iter().any(|event| event["what"].as_str().unwrap().starts_with("logged")), "{missed:?}");
}

#[test]
fn a_policy_is_asked_what_it_says_of_each_refused_call() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("asked.toml");
    let abi = NATIVE.name();
    let text = format!(
        "version = 1\ndefault = \"errno EPERM\"\nforeign = \"kill-process\"\n\n\
         [[{abi}.getcpu]]\ndo = \"errno EPERM\"\n\n[[{abi}.sched_getparam]]\ndo = \"allow\"\n"
    );
    fs::write(&path, &text).unwrap();
    let asked = path.to_str().unwrap();
    let Some(told) = watch(&all_but(&EVERY_ACTION), &["--suggest", asked], &["2"], 2) else { return };
    told.assert_calls("asked", &expected(2));
    for event in told.of_kind("denial") {
        let name = event["name"].as_str().unwrap();
        let (says, action, at) = match name {
            "sched_getparam" => ("allows", "allow", json!(format!("{asked}:8:1"))),
            "getcpu" => ("refuses", "errno EPERM", json!(format!("{asked}:5:1"))),
            _ => ("lacks", "errno EPERM", json!(null)),
        };
        let suggestion = &event["suggestion"];
        assert_eq!((suggestion["says"].as_str(), suggestion["action"].as_str()), (Some(says), Some(action)));
        assert_eq!(suggestion["at"], at);
        let head = format!("[[{abi}.{name}]]\ndo = \"allow\"\n");
        let starts = suggestion["toml"].as_str().is_some_and(|lines| lines.starts_with(&head));
        assert_eq!(starts, says != "allows", "{event}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "the policy is not touched");
}

#[test]
fn a_cgroup_and_the_whole_machine_are_watched_too() {
    if !bpf::can_load() {
        return;
    }
    if !is_root() {
        return skip("root", "a cgroup is made by root");
    }
    let Some(caller) = caller() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy");
    fs::write(&path, wire::encode_policy(&all_but(&EVERY_ACTION))).unwrap();
    let run = [SANDPRINT, "run", "-p", path.to_str().unwrap(), "--", caller.to_str().unwrap(), "6"];
    let Some(group) = Group::new() else { return };
    // Who is elsewhere makes the same calls.
    let mut other = Gate::before(&run);
    let mut gate = Gate::before(&run);
    group.take(gate.pid());
    let mut of_group = Watching::start(&["--format", "json", "--cgroup", group.path()]);
    let of_all = Watching::start(&["--format", "json", "--system"]);
    assert!(gate.go().success() && other.go().success());
    // Audit records come when they do.
    of_group.until_logged(6);
    let told = of_group.stop("TERM");
    told.assert_calls("a cgroup", &expected(6));
    for event in told.of_kind("denial") {
        let shown = format!("/{}", Path::new(group.path()).file_name().unwrap().to_str().unwrap());
        assert_eq!(event["cgroup"], shown, "{event}");
    }
    // Others of this machine may be refused something meanwhile.
    let told = of_all.stop("INT");
    for gate in [&gate, &other] {
        let mut calls = told.calls_below(gate.pid());
        calls.retain(|(_, answer), _| answer != "logged");
        let mut expected = expected(6);
        expected.retain(|(_, answer, _)| *answer != "logged");
        let expected =
            expected.iter().map(|(name, answer, count)| (((*name).to_owned(), (*answer).to_owned()), *count));
        assert_eq!(calls, expected.collect(), "{}\n{}", told.stdout, told.stderr);
    }
    assert_eq!(told.status.code(), Some(3));
}

#[test]
fn a_cgroup_that_is_made_again_is_watched_on() {
    if !bpf::can_load() {
        return;
    }
    let Some(caller) = caller() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy");
    fs::write(&path, wire::encode_policy(&all_but(&EVERY_ACTION))).unwrap();
    let run = [SANDPRINT, "run", "-p", path.to_str().unwrap(), "--", caller.to_str().unwrap(), "6"];
    let Some(parent) = Group::new() else { return };
    let first = parent.below("unit");
    let mut watching = Watching::start(&["--format", "json", "--cgroup", first.path()]);
    drop(first);
    let again = parent.below("unit");
    let mut gate = Gate::before(&run);
    again.take(gate.pid());
    assert!(gate.go().success());
    watching.until_logged(6);
    watching.stop("TERM").assert_calls("a cgroup that was made again", &expected(6));
}
