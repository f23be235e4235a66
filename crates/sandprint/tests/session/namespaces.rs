//! PID namespaces: the recorder's own, and those that the workload makes.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::SANDPRINT;
use crate::scratch::Scratch;
use crate::traced::{RUN_WAYS, WAYS, gaps_by, milliseconds, rare};
use testkit::beside::Beside;
use testkit::expect::skip;
use testkit::wait::{long_enough, until};

const AROUND: [&str; 4] = ["unshare", "-pf", "--mount-proc", "--kill-child"];

fn can_unshare() -> bool {
    let works = Command::new(AROUND[0]).args(&AROUND[1..]).arg("true").output();
    let works = works.is_ok_and(|output| output.status.success());
    if !works {
        skip("root", "`unshare -pf --mount-proc` does not work");
    }
    works
}

#[test]
fn a_recorder_inside_a_pid_namespace_launches() {
    for way in RUN_WAYS {
        let Some(scratch) = Scratch::new().filter(|_| can_unshare()) else { return };
        let run = ["run", "--", &scratch.workload(), "tree", "3", "2"];
        let mut recorder = Beside::start(&mut scratch.profile_under(&AROUND, way, &run));
        assert_eq!(recorder.wait().code(), Some(0), "{}", scratch.read("said"));
        let trace = scratch.trace("trace");
        assert_eq!((rare(&trace), gaps_by(way, &trace)), (3 * 3 * 3, vec![]), "{way}");
    }
}

#[test]
fn a_recorder_inside_a_pid_namespace_attaches() {
    for way in WAYS {
        let Some(scratch) = Scratch::new().filter(|_| can_unshare()) else { return };
        let script = format!(
            "mkfifo go; exec 3<> go; ./workload tree 3 2 < go 3>&- & while ! test -e ready; do sleep 0.01; done; \
             {SANDPRINT} profile attach --pid $! -o trace 2> said 3>&- & \
             while ! test -e trace; do sleep 0.01; done; exec 3>&-; wait $!"
        );
        let mut around = scratch.program(AROUND[0], &AROUND[1..]);
        around.args(["sh", "-c", &script]).env("SANDPRINT_TASKS", way).env("SANDPRINT_CHECKPOINT_MS", "50");
        assert_eq!(Beside::start(&mut around).wait().code(), Some(0), "{}", scratch.read("said"));
        assert_eq!(rare(&scratch.trace("trace")), 3 * 3 * 3, "{way}");
    }
}

#[test]
fn pid_namespaces_of_the_workload_are_followed() {
    for way in RUN_WAYS {
        let Some(scratch) = Scratch::new().filter(|_| can_unshare()) else { return };
        let run = ["run", "--", &scratch.workload(), "namespaces"];
        let mut recorder = Beside::start(&mut scratch.profile(way, &run));
        assert_eq!(recorder.wait().code(), Some(0), "{}", scratch.read("said"));
        let trace = scratch.trace("trace");
        assert_eq!((rare(&trace), gaps_by(way, &trace)), (7, vec![]), "{way}");
    }
}

#[test]
fn the_time_of_a_tree_in_pid_namespaces_comes_too() {
    for (way, around) in RUN_WAYS.into_iter().flat_map(|way| [(way, &AROUND[..]), (way, &[])]) {
        long_enough(Duration::from_millis(600), |limit| heard_in_time(way, around, limit));
    }
}

/// `None` if its time was up before it could hear.
fn heard_in_time(way: &str, around: &[&str], limit: Duration) -> Option<()> {
    let Some(scratch) = Scratch::new().filter(|_| can_unshare()) else { return Some(()) };
    // SIGTERM does not end the first process of a namespace that has no handler, so this one has.
    // A signal may interrupt its open where that is answered by notification (a gap says so): then it tries again.
    let inner = "trap 'until echo heard > heard; do :; done; exit 3' TERM; echo > ready; sleep 1000 & wait";
    let run = ["run", "--timeout", &milliseconds(limit), "--", "unshare", "-pf", "sh", "-c", inner];
    let begin = Instant::now();
    let mut recorder = Beside::start(&mut scratch.profile_under(around, way, &run));
    let was_ready = until("its trap, or the end", || {
        let is_ready = scratch.path("ready").exists();
        is_ready.then(|| begin.elapsed() < limit).or_else(|| recorder.try_wait().map(|_| false))
    });
    recorder.wait();
    if !was_ready {
        return None;
    }
    assert_eq!(scratch.read("heard"), "heard\n", "{way}: {}", scratch.read("said"));
    assert!(scratch.read("said").contains("the time was up"), "{}", scratch.read("said"));
    assert_eq!(scratch.files(), ["heard", "ready", "trace"]);
    Some(())
}
