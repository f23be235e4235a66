//! SIGKILL of the launcher at any instant: what has started lives on, what has not never does.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use testkit::instants::Instants;

use crate::program;

/// Says so when it has started, waits, and says so when it goes on.
const WORKLOAD: &str = "echo started; read line; echo survived $line";

#[test]
fn a_killed_launcher_leaves_a_started_workload_or_none_at_all() {
    let (mut started, mut never) = (0, 0);
    // On an idle machine the fork comes within the first milliseconds, and the execve 4 ms after that; on a busy one
    // later.
    let mut instants = Instants::up_to(Duration::from_millis(15));
    while started + never < 300 || started < 30 || never < 30 {
        if kill_after(instants.after_start()) {
            started += 1;
            instants.earlier();
        } else {
            never += 1;
            instants.later();
        }
        assert!(started + never < 10_000, "{started} started and {never} did not: too few to mean anything");
    }
}

/// Kills a launcher that long after its start; whether its workload had started, and then goes on.
fn kill_after(delay: Duration) -> bool {
    let mut launcher = program::command(&["--pause", "4", "sh", "-c", WORKLOAD])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(delay);
    launcher.kill().unwrap();
    // Only a workload reads this; if there is none, there may be nobody to write to.
    let mut stdin = launcher.stdin.take().unwrap();
    launcher.wait().unwrap();
    let written = stdin.write_all(b"it\n");
    drop(stdin);
    // The end of this comes when the last process that could write to it has ended.
    let output = program::Output::of(launcher.stdout.take().unwrap()).rest();
    match output.as_str() {
        "" => false,
        "started\nsurvived it\n" => {
            written.unwrap();
            true
        }
        other => panic!("after {delay:?}: {other:?}"),
    }
}

#[test]
fn a_suspended_child_ends_when_its_parent_is_killed() {
    for _ in 0..20 {
        let mut launcher =
            program::command(&["--pause", "100000", "sleep", "1000"]).stdout(Stdio::piped()).spawn().unwrap();
        let child = program::wait_for("a child", || program::children(launcher.id()).first().copied());
        let held = sandprint_sandbox::process::Process::open(child).unwrap().expect("it waits");
        launcher.kill().unwrap();
        launcher.wait().unwrap();
        assert!(held.wait_ended(program::PATIENCE).unwrap());
        assert_eq!(program::Output::of(launcher.stdout.take().unwrap()).rest(), "");
    }
}
