//! Signals to a whole process group: status and trace say how the workload ended, whoever else got the same signal.

use std::fs;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use sandprint_model::Exit;

use crate::scratch::Scratch;
use crate::traced::{NOTIFY, gaps, gaps_by, milliseconds};
use testkit::beside::Beside;
use testkit::expect::skip;
use testkit::process::{is_running, lives};
use testkit::signals::{send_named, send_named_to_group};
use testkit::wait::{long_enough, until};

/// How often each is done: what is lost by a race is lost now and then.
const OFTEN: usize = 4;

/// The exits in a trace.
fn exits(scratch: &Scratch) -> Vec<Option<Exit>> {
    scratch.trace("trace").runs.values().map(|run| run.exit).collect()
}

/// A recorder that leads a process group, with its workload in it.
fn start(scratch: &Scratch, way: &str, arguments: &[&str]) -> Beside {
    Beside::start(scratch.profile(way, arguments).process_group(0).stdin(Stdio::null()))
}

#[test]
fn a_signal_to_the_group_ends_the_recorder_as_it_ends_the_workload() {
    for way in ["storage", NOTIFY] {
        for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1), ("QUIT", 3)] {
            for until_when in ["tree", "main"] {
                let Some(scratch) = Scratch::new() else { return };
                let script = "ulimit -c 0; echo > begun; exec sleep 1000";
                let arguments = ["run", "--until", until_when, "--", "sh", "-c", script];
                let mut recorder = start(&scratch, way, &arguments);
                until("the workload", || scratch.path("begun").exists().then_some(()));
                send_named_to_group(recorder.pid(), name);
                assert_eq!(recorder.wait().signal(), Some(number), "{way} {name}: {}", scratch.read("said"));
                let expected = Exit::Signal(u8::try_from(number).unwrap());
                assert_eq!(exits(&scratch), [Some(expected)], "{way} {name}");
                assert!(!scratch.read("said").contains("left running"), "{}", scratch.read("said"));
                assert_eq!(gaps_by(way, &scratch.trace("trace")), Vec::<&str>::new());
            }
        }
    }
}

#[test]
fn what_the_same_signal_ends_after_the_first_process_was_not_left_running() {
    for way in ["storage", NOTIFY] {
        for _ in 0..OFTEN {
            let Some(scratch) = Scratch::new() else { return };
            // The rest is in the group, and takes its time to end.
            let script = "sh -c 'trap \"sleep 0.1; exit 0\" TERM; echo > begun; while :; do sleep 0.01; done' & exit 7";
            let mut recorder = start(&scratch, way, &["run", "--", "sh", "-c", script]);
            until("word of the rest", || {
                (scratch.read("said").contains(" of its tree go") && scratch.path("begun").exists())
                    .then_some(())
            });
            send_named_to_group(recorder.pid(), "TERM");
            assert_eq!(recorder.wait().code(), Some(7), "{}", scratch.read("said"));
            assert!(!scratch.read("said").contains("left running"), "{}", scratch.read("said"));
            let trace = scratch.trace("trace");
            let gaps = gaps_by(way, &trace);
            let met: Vec<_> = gaps.into_iter().filter(|gap| *gap == "calls-interrupted").collect();
            assert_eq!(
                (exits(&scratch), gaps_by(way, &trace)),
                // Its handler has no SA_RESTART, and a notification may have been met by the signal.
                (vec![Some(Exit::Code(7))], if way == NOTIFY { met } else { vec![] })
            );
        }
    }
}

#[test]
fn a_workload_that_lives_on_is_not_mistaken_for_one_that_ended() {
    for way in ["storage", NOTIFY] {
        let Some(scratch) = Scratch::new() else { return };
        let script =
            "trap 'echo > caught' INT; echo > begun; while ! test -e caught; do sleep 0.01; done; exit 9";
        let mut recorder = start(&scratch, way, &["run", "--", "sh", "-c", script]);
        until("the workload", || scratch.path("begun").exists().then_some(()));
        send_named_to_group(recorder.pid(), "INT");
        assert_eq!(recorder.wait().code(), Some(9), "{}", scratch.read("said"));
        assert_eq!(exits(&scratch), [Some(Exit::Code(9))]);
    }
}

#[test]
fn what_ended_a_recording_before_its_workload_is_in_the_trace() {
    let Some(scratch) = Scratch::new() else { return };
    let mut recorder = Beside::start(
        scratch.profile("", &["run", "--", &scratch.workload(), "daemon"]).stdin(Stdio::piped()),
    );
    until("word of the daemon", || scratch.read("said").contains("goes on").then_some(()));
    recorder.signal("TERM");
    assert_eq!(recorder.wait().code(), Some(0));
    let trace = scratch.trace("trace");
    let details: Vec<_> =
        trace.gaps.keys().map(|gap| (gap.kind.name(), gap.detail.clone().unwrap())).collect();
    assert_eq!(details, [("ended-early", "SIGTERM; 1 left running".to_owned())]);
    recorder.go();
    until("the daemon's end", || scratch.path("daemon-ended").exists().then_some(()));
}

#[test]
fn started_in_the_background_of_a_script_attach_hears_an_interrupt() {
    for (name, ignored) in [("INT", "INT QUIT"), ("QUIT", "INT QUIT"), ("TERM", "INT QUIT HUP TERM")] {
        let Some(scratch) = Scratch::new() else { return };
        let mut target = scratch.start_workload(&["wait-rare", "1"]);
        let pid = target.pid().to_string();
        // What a shell does to what it starts with `&`.
        let script = format!("trap '' {ignored}; exec \"$@\"");
        let around = ["sh", "-c", script.as_str(), "sh"];
        let mut recorder = Beside::start(&mut scratch.profile_under(&around, "", &["attach", "--pid", &pid]));
        scratch.until_attached(&mut recorder);
        if ignored.contains("HUP") {
            // As under nohup.
            recorder.signal("HUP");
        }
        recorder.signal(name);
        assert_eq!(recorder.wait().code(), Some(0), "{}", scratch.read("said"));
        let said = scratch.read("said");
        assert!(said.contains(&format!("SIG{name} ended the recording")), "{said}");
        assert_eq!(gaps(&scratch.trace("trace")), ["attached-mid-run", "ended-early"]);
        target.go();
        assert_eq!(target.wait().code(), Some(0));
    }
}

#[test]
fn an_ignored_signal_stays_ignored_for_a_workload_that_is_started() {
    for way in ["storage", NOTIFY] {
        let Some(scratch) = Scratch::new() else { return };
        let around = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"];
        let script = "echo $$ > begun; while ! test -e go; do sleep 0.01; done; exit 4";
        let mut recorder =
            Beside::start(&mut scratch.profile_under(&around, way, &["run", "--", "sh", "-c", script]));
        let pid = until("the workload", || scratch.read("begun").trim().parse().ok());
        send_named(pid, "INT");
        recorder.signal("INT");
        assert!(lives(pid));
        fs::write(scratch.path("go"), "").unwrap();
        assert_eq!(recorder.wait().code(), Some(4));
    }
}

#[test]
fn what_is_frozen_is_named_and_left_when_its_time_is_up() {
    // Each takes as long as it takes to give up.
    std::thread::scope(|scope| {
        for way in ["storage", NOTIFY] {
            scope.spawn(move || long_enough(Duration::from_secs(1), |limit| frozen_in_its_time(way, limit)));
        }
    });
}

/// `None` if its time was up before it was frozen.
fn frozen_in_its_time(way: &str, limit: Duration) -> Option<()> {
    let Some(scratch) = Scratch::new() else { return Some(()) };
    let name = format!("sandprint-test-{way}-{}", std::process::id());
    let group = Path::new("/sys/fs/cgroup/freezer").join(&name);
    if fs::create_dir(&group).is_err() {
        skip("freezer", "no cgroup of version 1 can be made here that freezes");
        return Some(());
    }
    let script = format!("echo $$ > {}/cgroup.procs; echo $$ > begun; exec sleep 1000", group.display());
    let arguments = ["run", "--timeout", &milliseconds(limit), "--", "sh", "-c", &script];
    let begin = Instant::now();
    let mut recorder = Beside::start(&mut scratch.profile(way, &arguments));
    let sleeper = until("its execve, or the end", || {
        let ended = recorder.try_wait().is_some();
        let pid = scratch.read("begun").trim().parse().ok().filter(|pid| is_running(*pid, "sleep"));
        if pid.is_some() { Some(pid) } else { ended.then_some(None) }
    });
    let state = group.join("freezer.state");
    fs::write(&state, "FROZEN").unwrap();
    until("a frozen cgroup", || (fs::read_to_string(&state).ok()? == "FROZEN\n").then_some(()));
    let was_frozen = begin.elapsed() < limit;
    let status = recorder.wait();
    fs::write(&state, "THAWED").unwrap();
    let Some(pid) = sleeper.filter(|_| was_frozen) else {
        until("an empty cgroup", || fs::remove_dir(&group).ok());
        return None;
    };
    until("the end of what was frozen", || (!lives(pid)).then_some(()));
    until("an empty cgroup", || fs::remove_dir(&group).ok());
    let said = scratch.read("said");
    assert_eq!(status.code(), Some(125), "{said}");
    let whom = format!("process {pid} (sleep): its cgroup /{name} is frozen");
    let waiting = format!("note: the time is up; waiting for what SIGKILL has not ended: {whom}\n");
    let error = format!("error: failed to end the command after its time: SIGKILL did not end {whom}\n");
    assert!(said.contains(&waiting) && said.contains(&error), "{said}");
    let trace = scratch.trace("trace");
    let details: Vec<_> = trace.gaps.keys().filter_map(|gap| gap.detail.clone()).collect();
    let time = limit.as_secs();
    assert!(details.contains(&format!("the time of {time}s was up; left running: {whom}")), "{details:?}");
    assert_eq!(exits(&scratch), [None]);
    Some(())
}
