//! Signals and time limits in a trial: what was seen is reported, and nothing further is started.

use std::fs;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::SANDPRINT;
use crate::observers::{can_notify, observers};
use testkit::policies::native::all_but;
use testkit::process::lives;
use testkit::scratch::Scratch;
use testkit::signals::send_named_to_group;
use testkit::wait::until_so;
use testkit::wait::{long_enough, until as until_some, within};

/// `profile verify` as the leader of a process group, with its report as JSON.
fn start(scratch: &Scratch, observer: &str, options: &[&str], script: &str) -> Child {
    scratch.policy(&all_but(&[]));
    let words = ["profile", "verify", "-p", "policy", "--observer", observer, "-f", "json", "-o", "report"];
    let mut command = scratch.sandprint(&[&words, options, &["--", "sh", "-c", script]].concat());
    command.process_group(0).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn report(scratch: &Scratch) -> serde_json::Value {
    serde_json::from_str(&scratch.read("report")).unwrap()
}

#[test]
fn a_signal_to_the_group_ends_the_trial_as_it_ends_the_command() {
    for observer in observers() {
        for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1), ("QUIT", 3)] {
            let scratch = Scratch::of(SANDPRINT);
            let mut child = start(&scratch, observer, &[], "ulimit -c 0; echo >> runs; exec sleep 1000");
            until_so("the command", || fs::read(scratch.path("runs")).is_ok_and(|text| !text.is_empty()));
            send_named_to_group(child.id(), name);
            let status: ExitStatus = child.wait().unwrap();
            assert_eq!(status.signal(), Some(number), "{observer} {name}: {status}");
            let report = report(&scratch);
            assert_eq!(report["passes"][0]["exit_signal"], number, "{report}");
            assert_eq!(report["passes"].as_array().unwrap().len(), 1, "{report}");
            assert_eq!(report["clean"], false, "{report}");
            assert_eq!(scratch.read("runs"), "\n");
        }
    }
}

#[test]
fn a_command_that_ends_in_good_order_is_not_run_again() {
    for observer in observers() {
        let scratch = Scratch::of(SANDPRINT);
        let script = "trap 'exit 0' INT; echo >> runs; while :; do sleep 0.02; done";
        let mut child = start(&scratch, observer, &[], script);
        until_so("the command", || fs::read(scratch.path("runs")).is_ok_and(|text| !text.is_empty()));
        send_named_to_group(child.id(), "INT");
        let status = child.wait().unwrap();
        let report = report(&scratch);
        // One pass is the whole trial where refused calls are seen in the kernel.
        assert_eq!(status.code(), Some(if observer == "ebpf" { 0 } else { 3 }), "{report}");
        let caveats = if observer == "ebpf" {
            serde_json::json!([])
        } else {
            serde_json::json!(["the pass under the filter itself was not made: SIGINT came before it"])
        };
        assert_eq!(
            (&report["passes"][0]["exit_code"], &report["caveats"]),
            (&0.into(), &caveats),
            "{report}"
        );
        assert_eq!(scratch.read("runs"), "\n");
    }
}

#[test]
fn a_signal_after_the_command_has_ended_ends_the_wait_for_the_rest_with_a_report() {
    for observer in observers() {
        let scratch = Scratch::of(SANDPRINT);
        // It begins once the other one has left the group: before, the signal would end that too.
        let script = "setsid sh -c 'echo > away; while ! test -e go; do sleep 0.02; done; echo > ended' &
            while ! test -e away; do sleep 0.01; done; echo > begun; exit 0";
        let mut child = start(&scratch, observer, &[], script);
        until_so("the command", || scratch.path("begun").exists());
        // Until its end has been seen, a signal counts as the command's: then another comes.
        let ended = until_some("the end", || {
            send_named_to_group(child.id(), "INT");
            within(Duration::from_secs(5), || child.try_wait().unwrap())
        });
        assert_eq!(ended.signal(), Some(2), "{observer}: {ended}\n{}", scratch.so_far("report"));
        let report = report(&scratch);
        let caveat = report["caveats"][0].as_str().unwrap();
        assert_eq!(
            caveat,
            "in pass 1 SIGINT came after the command had ended, and what it had started was left running"
        );
        assert!(!scratch.path("ended").exists());
        scratch.write("go", "");
        until_so("the rest", || scratch.path("ended").exists());
    }
}

#[test]
fn a_time_limit_ends_the_whole_tree_in_each_pass() {
    for observer in observers() {
        long_enough(Duration::from_millis(1500), |limit| whole_tree_within(limit, observer));
    }
}

/// `None` if the time was up before the tree was there.
fn whole_tree_within(limit: Duration, observer: &str) -> Option<()> {
    let scratch = Scratch::of(SANDPRINT);
    // One that hears, one that does not, and one that nobody is the parent of.
    let script = "sh -c 'trap \"\" TERM; echo $$ >> pids; while :; do sleep 0.05; done' & \
                  sh -c 'setsid sh -c \"echo \\$\\$ >> pids; exec sleep 1000\" & exit' & \
                  echo $$ >> pids; exec sleep 1000";
    let begin = Instant::now();
    let time = format!("{}s", limit.as_secs_f64());
    let status = start(&scratch, observer, &["--timeout", &time], script).wait().unwrap();
    let ended = begin.elapsed();
    let passes = if observer == "ebpf" { 1 } else { 2 };
    let pids = fs::read_to_string(scratch.path("pids")).unwrap_or_default();
    if pids.lines().count() < 3 * passes {
        return None;
    }
    assert_eq!(pids.lines().count(), 3 * passes, "{pids}");
    let report = report(&scratch);
    assert_eq!(report["passes"].as_array().unwrap().len(), passes, "{report}");
    assert_eq!(report["passes"][0]["exit_signal"], 15, "{report}");
    let caveats: Vec<String> = (1..=passes)
        .map(|pass| {
            format!("in pass {pass} the time ({time}) was up, and the command and its descendants were ended")
        })
        .collect();
    assert_eq!(report["caveats"], serde_json::json!(caveats));
    assert_eq!(status.code(), Some(0), "how it ended says nothing");
    // The one that does not hear has its grace, in each pass.
    let grace = (limit + Duration::from_secs(5)) * u32::try_from(passes).unwrap();
    assert!(ended >= grace, "{ended:?}");
    let left: Vec<_> = pids.lines().filter(|pid| lives(pid.parse().unwrap())).collect();
    assert_eq!(left, [""; 0]);
    Some(())
}

#[test]
fn a_time_limit_ends_each_run_of_a_refinement() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    let words =
        ["refine", "-p", "p.toml", "--new", "--accept-all", "--timeout", "500ms", "--", "sleep", "1000"];
    let ended = scratch.profile(&words);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    let told = "note: the time was up in a run, and the command and its descendants were ended\n";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert!(ended.stderr.contains("the last run had no refused call"), "{}", ended.stderr);
}
