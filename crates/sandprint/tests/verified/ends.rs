//! How the command ended is a part of what `profile verify` says: a command that failed was not tried.

use sandprint_model::Action;
use serde_json::json;

use crate::SANDPRINT;
use crate::observers::{can_notify, observers};
use crate::trial::{build, verify};
use testkit::hosts::NATIVE;
use testkit::policies::native::all_but;
use testkit::scratch::Scratch;

#[test]
fn an_end_that_was_not_expected_is_no_success() {
    let scratch = Scratch::of(SANDPRINT);
    let policy = all_but(&[("socket", Action::Errno(13))]);
    for observer in observers() {
        for (options, script, status, told) in [
            (&[][..], "exit 0", 0, "Nothing was refused; the command ended with status 0\n"),
            (
                &[],
                "exit 1",
                3,
                "Nothing was refused; the command ended with status 1, and 0 was expected (--expect-status)\n",
            ),
            (
                &["--expect-status", "1"],
                "exit 1",
                0,
                "Nothing was refused; the command ended with status 1\n",
            ),
            (
                &["--expect-status", "1"],
                "exit 0",
                3,
                "Nothing was refused; the command ended with status 0, and 1 was expected (--expect-status)\n",
            ),
            (
                &["--expect-status", "any"],
                "exit 7",
                0,
                "Nothing was refused; the command ended with status 7\n",
            ),
            (
                &[],
                "kill -TERM $$",
                3,
                "Nothing was refused; the command was ended by signal 15, and 0 was expected (--expect-status)\n",
            ),
            (
                &["--expect-status", "143"],
                "kill -TERM $$",
                0,
                "Nothing was refused; the command was ended by signal 15\n",
            ),
        ] {
            scratch.policy(&policy);
            let words = ["verify", "-p", "policy", "--observer", observer];
            let ended = scratch.profile(&[&words, options, &["--", "sh", "-c", script]].concat());
            let first = ended.stderr.split_inclusive('\n').next().unwrap_or_default();
            assert_eq!((ended.status, first), (status, told), "{observer} {options:?} {script}");
        }
    }
    let words = ["verify", "-p", "policy", "--expect-status", "256", "--", "true"];
    assert_eq!(scratch.profile(&words).status, 2);
}

#[test]
fn every_form_of_the_report_names_the_end() {
    let scratch = Scratch::of(SANDPRINT);
    if !can_notify() {
        return;
    }
    let policy = all_but(&[("socket", Action::Errno(13))]);
    let (status, report) = verify(&scratch, &policy, "notify", &["--", "sh", "-c", "exit 9"]);
    assert_eq!((status, &report["clean"], &report["denials"]), (3, &json!(false), &json!([])));
    assert_eq!((&report["exit_code"], &report["exit_signal"]), (&json!(9), &json!(null)));
    assert_eq!((&report["expected_status"], &report["ended_as_expected"]), (&json!(0), &json!(false)));
    let (status, report) =
        verify(&scratch, &policy, "notify", &["--expect-status", "any", "--", "sh", "-c", "exit 9"]);
    assert_eq!((status, &report["clean"]), (0, &json!(true)));
    assert_eq!((&report["expected_status"], &report["ended_as_expected"]), (&json!("any"), &json!(true)));
    let summary =
        "Nothing was refused; the command ended with status 9, and 0 was expected (--expect-status)";
    let words = |format| {
        ["verify", "-p", "policy", "-f", format, "-o", "report", "--", "sh", "-c", "exit 9"]
            .map(str::to_owned)
    };
    let written = |format| {
        let words = words(format);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(scratch.profile(&words).status, 3);
        scratch.read("report")
    };
    assert!(written("markdown").starts_with(&format!("**{summary}**\n")));
    let log: serde_json::Value = serde_json::from_str(&written("sarif")).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 1);
    assert_eq!((&results[0]["ruleId"], &results[0]["ruleIndex"]), (&json!("unexpected-end"), &json!(0)));
    assert_eq!(results[0]["message"]["text"], format!("{summary}."));
}

#[test]
fn what_only_a_default_that_logs_lets_run_is_listed() {
    let scratch = Scratch::of(SANDPRINT);
    if !build(&scratch, "caller") || !can_notify() {
        return;
    }
    // Everything that the program and its libc call is in the policy, but the one.
    let mut policy = all_but(&[]);
    policy.calls.default_action = Action::Log;
    let (status, report) = verify(&scratch, &policy, "auto", &["--", "./caller", "sockets", "3"]);
    assert_eq!((status, &report["denials"], &report["exit_code"]), (3, &json!([]), &json!(0)), "{report:#}");
    let row = |report: &serde_json::Value| {
        let outside = report["outside"].as_array().unwrap();
        let row = outside.iter().find(|row| row["name"] == "socket")?;
        Some((row["count"].clone(), row["action"].clone(), row["next"].clone()))
    };
    assert_eq!(row(&report), Some((json!(3), json!("log"), json!("logged"))));
    let allow = policy.calls.rules.values().next().unwrap().clone();
    for call in report["outside"].as_array().unwrap() {
        let name = call["name"].as_str().unwrap();
        let call = sandprint_model::Syscall::from_name(NATIVE, name).unwrap();
        policy.calls.rules.insert(call, allow.clone());
    }
    let (status, report) = verify(&scratch, &policy, "auto", &["--", "./caller", "sockets", "3"]);
    assert_eq!((status, &report["outside"]), (0, &json!([])), "{report:#}");
    let socket = sandprint_model::Syscall::from_name(NATIVE, "socket").unwrap();
    policy.calls.rules.remove(&socket);
    scratch.policy(&policy);
    let ended = scratch.profile(&["verify", "-p", "policy", "--", "./caller", "sockets", "3"]);
    assert_eq!(ended.status, 3);
    assert!(
        ended.stderr.starts_with(
            "Nothing was refused; outside of the policy ran 3 calls, of 1 kind; the command ended with status 0\n\n\
             3x  socket(AF_UNIX, SOCK_STREAM, 0)  -> log\n"
        ),
        "{}",
        ended.stderr
    );
}

/// BPF cannot see what a default that logs lets run, and must not say that there was nothing.
#[test]
fn what_bpf_cannot_see_is_not_called_clean() {
    let scratch = Scratch::of(SANDPRINT);
    let mut policy = all_but(&[("mkdir", Action::Errno(1)), ("mkdirat", Action::Errno(1))]);
    policy.calls.default_action = Action::Log;
    scratch.policy(&policy);
    let words = ["verify", "--observer", "ebpf", "-p", "policy", "--", "sh", "-c", "mkdir made; exit 0"];
    let ended = scratch.profile(&words);
    assert_eq!(ended.status, 125, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("failed to see in the kernel what only a default that logs lets run")
            && ended.stderr.contains("leave out --observer ebpf"),
        "{}",
        ended.stderr
    );
    assert!(!scratch.path("made").exists());
}

/// A rule that logs says so: what it lets run is in the policy, whoever looks.
#[test]
fn what_a_rule_has_logged_is_in_the_policy() {
    let scratch = Scratch::of(SANDPRINT);
    if !can_notify() {
        return;
    }
    let policy = all_but(&[("getppid", Action::Log)]);
    for observer in ["auto", "notify"] {
        let (status, report) = verify(&scratch, &policy, observer, &["--", "sh", "-c", "exit 0"]);
        assert_eq!((status, &report["outside"]), (0, &json!([])), "{report:#}");
    }
}
