//! When a recorded tree ends, and what `--timeout`, `--until`, `--no-children` and `--user` do with it.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::scratch::Scratch;
use crate::traced::{NOTIFY, RUN_WAYS, gaps_by, milliseconds, rare};
use testkit::beside::Beside;
use testkit::expect::skip;
use testkit::process::lives;
use testkit::wait::{long_enough, until};

/// The processes of `stubborn`, as they wrote themselves down.
fn stubborn_pids(scratch: &Scratch) -> BTreeMap<String, u32> {
    let text = scratch.read("pids");
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs.map(|(who, pid)| (who.to_owned(), pid.parse().unwrap())).collect()
}

#[test]
fn a_tree_that_does_not_hear_is_killed_after_its_time_with_all_that_hid() {
    thread::scope(|scope| {
        for way in RUN_WAYS {
            scope.spawn(move || {
                long_enough(Duration::from_millis(700), |limit| stubborn_under(way, limit));
            });
        }
    });
}

/// `None` if its time was up before all were there.
fn stubborn_under(way: &str, limit: Duration) -> Option<()> {
    let Some(scratch) = Scratch::new() else { return Some(()) };
    let arguments = ["run", "--timeout", &milliseconds(limit), "--", &scratch.workload(), "stubborn"];
    let begin = Instant::now();
    let mut recorder = Beside::start(&mut scratch.profile(way, &arguments));
    let were_there = until("all five, or the end", || {
        let pids = stubborn_pids(&scratch);
        (pids.len() >= 5 && pids.contains_key("first"))
            .then(|| begin.elapsed() < limit)
            .or_else(|| recorder.try_wait().map(|_| false))
    });
    let status = recorder.wait();
    let ended = begin.elapsed();
    if !were_there {
        return None;
    }
    assert_eq!(status.signal(), Some(9), "{way}: {}", scratch.read("said"));
    assert!(ended >= limit + Duration::from_secs(5), "they had no grace");
    let pids = stubborn_pids(&scratch);
    let names: Vec<&str> = pids.keys().map(String::as_str).collect();
    // The stopped one was continued, so that it could have heard.
    assert_eq!(names, ["child", "continued", "daemon", "first", "session", "stopped"]);
    let left: Vec<_> = pids.into_iter().filter(|(_, pid)| lives(*pid)).collect();
    assert_eq!(left, [], "{way}");
    assert!(scratch.read("said").contains("the time was up"), "{}", scratch.read("said"));
    assert_eq!(gaps_by(way, &scratch.trace("trace")), ["ended-early"]);
    assert_eq!(scratch.files(), ["pids", "trace"]);
    Some(())
}

#[test]
fn a_daemon_is_recorded_until_it_ends_or_left_running_at_will() {
    for way in RUN_WAYS {
        for (until_when, rare_calls) in [("tree", 7), ("main", 2)] {
            let Some(scratch) = Scratch::new() else { return };
            let arguments = ["run", "--until", until_when, "--", &scratch.workload(), "daemon"];
            let mut recorder = Beside::start(scratch.profile(way, &arguments).stdin(Stdio::piped()));
            if until_when == "tree" {
                until("word of the daemon", || {
                    let told = "the command ended and 1 task of its tree goes on";
                    scratch.read("said").contains(told).then_some(())
                });
                assert_eq!(recorder.try_wait(), None);
                recorder.go();
            }
            assert_eq!(recorder.wait().code(), Some(0));
            assert_eq!(scratch.path("daemon-ended").exists(), until_when == "tree");
            let trace = scratch.trace("trace");
            assert_eq!((rare(&trace), gaps_by(way, &trace)), (rare_calls, vec![]), "{way}, {until_when}");
            recorder.go();
            until("the daemon's end", || scratch.path("daemon-ended").exists().then_some(()));
        }
    }
}

#[test]
fn after_the_first_process_a_signal_ends_the_recording_alone() {
    let Some(scratch) = Scratch::new() else { return };
    let arguments = ["run", "--", &scratch.workload(), "daemon"];
    let mut recorder = Beside::start(scratch.profile("", &arguments).stdin(Stdio::piped()));
    until("word of the daemon", || scratch.read("said").contains("goes on").then_some(()));
    recorder.signal("INT");
    assert_eq!(recorder.wait().code(), Some(0));
    assert!(scratch.read("said").contains("SIGINT ended the recording"), "{}", scratch.read("said"));
    assert_eq!(rare(&scratch.trace("trace")), 2);
    assert!(!scratch.path("daemon-ended").exists());
    recorder.go();
    until("the daemon's end", || scratch.path("daemon-ended").exists().then_some(()));
}

#[test]
fn without_children_the_first_process_counts_with_all_its_threads() {
    for way in RUN_WAYS {
        let Some(scratch) = Scratch::new() else { return };
        let arguments = ["run", "--no-children", "--", &scratch.workload(), "tree", "3", "4"];
        let mut recorder = Beside::start(&mut scratch.profile(way, &arguments));
        assert_eq!(recorder.wait().code(), Some(0));
        let trace = scratch.trace("trace");
        assert_eq!((rare(&trace), gaps_by(way, &trace)), (5 * 3, vec![]), "{way}");
    }
}

#[test]
fn another_user_gets_the_command_and_nothing_of_ours_is_in_the_trace() {
    for way in RUN_WAYS {
        let Some(scratch) = Scratch::new() else { return };
        if std::fs::File::options().write(true).open("/proc/self/loginuid").is_err() {
            skip("root", "only root may become another user");
            return;
        }
        let script = "id -u > who; id -G >> who; exec ./workload rare 6";
        let arguments = ["run", "--user", "nobody", "--redact", "--", "sh", "-c", script];
        let mut recorder = Beside::start(&mut scratch.profile(way, &arguments));
        assert_eq!(recorder.wait().code(), Some(0), "{}", scratch.read("said"));
        assert_eq!(scratch.read("who"), "65534\n65534\n");
        let trace = scratch.trace("trace");
        let withheld = if way == NOTIFY { vec!["no-new-privileges"] } else { vec![] };
        assert_eq!((rare(&trace), gaps_by(way, &trace)), (6, withheld), "{way}");
        // What launches it sets groups and ids, and that is ours.
        for call in ["setgroups", "setresuid", "setresgid"] {
            assert_eq!(crate::traced::count(&trace, call), 0, "{call}");
        }
        let commands: Vec<_> = trace.runs.values().map(|run| run.command.clone()).collect();
        assert_eq!(commands, [["sh".into()]]);
        let bytes = scratch.read("trace");
        assert!(!bytes.contains("exec ./workload") && !bytes.contains("who;"), "{bytes}");
    }
}

#[test]
fn no_process_of_ours_is_left_to_who_adopts_orphans() {
    // As the first process of a container may: it adopts, and takes note of no end.
    let script = "\
import ctypes, subprocess, sys
PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
children = open('/proc/self/task/%d/children' % __import__('os').getpid()).read().split()
print(status, [open('/proc/%s/comm' % child).read() for child in children])
";
    for way in RUN_WAYS {
        for arguments in [&["run", "--", "true"][..], &["run", "--", "sh", "-c", "true; true"]] {
            let Some(scratch) = Scratch::new() else { return };
            let mut command = scratch.profile_under(&["python3", "-c", script], way, arguments);
            let output = command.stdout(Stdio::piped()).output().unwrap();
            let printed = String::from_utf8_lossy(&output.stdout);
            assert_eq!(printed, "0 []\n", "{way}: {}", scratch.read("said"));
        }
    }
}
