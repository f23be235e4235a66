//! `profile attach --pid`: everything that belongs to the targets when it begins, and what they start.

use std::process::Stdio;

use crate::SANDPRINT;
use crate::scratch::Scratch;
use crate::traced::{WAYS, gaps, rare};
use testkit::beside::Beside;
use testkit::process::lives;
use testkit::wait::until;

const ATTACHED: [&str; 1] = ["attached-mid-run"];

#[test]
fn threads_and_descendants_that_are_there_belong_to_the_target() {
    for way in WAYS {
        let Some(scratch) = Scratch::new() else { return };
        let mut target = scratch.start_workload(&["tree", "6", "4"]);
        until("the tree", || scratch.path("ready").exists().then_some(()));
        let mut recorder =
            Beside::start(&mut scratch.profile(way, &["attach", "--pid", &target.pid().to_string()]));
        scratch.until_attached(&mut recorder);
        target.go();
        // It ends with the last process, by itself.
        assert_eq!(recorder.wait().code(), Some(0), "{way}: {}", scratch.read("said"));
        assert_eq!(target.wait().code(), Some(0));
        let trace = scratch.trace("trace");
        assert_eq!((rare(&trace), gaps(&trace)), (6 * 5 * 3, ATTACHED.to_vec()), "{way}");
        assert_eq!(scratch.files(), ["ready", "trace"]);
    }
}

#[test]
fn only_the_part_of_a_tree_below_the_target_is_followed() {
    for way in WAYS {
        let Some(scratch) = Scratch::new() else { return };
        let mut outer = scratch.start_workload(&["tree", "3", "1"]);
        until("the tree", || scratch.path("ready").exists().then_some(()));
        let children = format!("/proc/{0}/task/{0}/children", outer.pid());
        let child = std::fs::read_to_string(children).unwrap().trim().to_owned();
        let mut recorder = Beside::start(&mut scratch.profile(way, &["attach", "--pid", &child]));
        scratch.until_attached(&mut recorder);
        outer.go();
        assert_eq!(recorder.wait().code(), Some(0));
        assert_eq!(rare(&scratch.trace("trace")), 2 * 2 * 3, "{way}");
    }
}

#[test]
fn no_child_born_while_it_attaches_is_missed() {
    let mut complete = 0;
    for way in WAYS.into_iter().cycle().take(4) {
        let Some(scratch) = Scratch::new() else { return };
        let mut target = scratch.start_workload(&["breed"]);
        until("the first children", || {
            let tasks = std::fs::read_dir(format!("/proc/{}/task", target.pid())).ok()?;
            (tasks.count() >= 4).then_some(())
        });
        let mut recorder =
            Beside::start(&mut scratch.profile(way, &["attach", "--pid", &target.pid().to_string()]));
        scratch.until_attached(&mut recorder);
        target.go();
        assert_eq!(target.wait().code(), Some(0));
        // A task that was taken in twice would never be given up.
        assert_eq!(recorder.wait().code(), Some(0), "{way}: {}", scratch.read("said"));
        let ledger: u64 = scratch.read("ledger").trim().parse().unwrap();
        let trace = scratch.trace("trace");
        assert!(ledger >= 100 * 7, "only {ledger} calls: hardly a storm");
        // A machine that was out of memory for a moment says so, and only then may a call be missing.
        if gaps(&trace).contains(&"admission-failed") {
            assert!(rare(&trace) <= ledger, "{way}: more than {ledger}");
        } else {
            assert_eq!((rare(&trace), gaps(&trace)), (ledger, ATTACHED.to_vec()), "{way}");
            complete += 1;
        }
    }
    assert!(complete > 0, "no recording was complete");
}

#[test]
fn attaching_to_a_storm_of_short_children_comes_to_its_end() {
    for way in WAYS.into_iter().cycle().take(4) {
        let Some(scratch) = Scratch::new() else { return };
        let mut target = scratch.start_workload(&["churn"]);
        let mut recorder =
            Beside::start(&mut scratch.profile(way, &["attach", "--pid", &target.pid().to_string()]));
        scratch.until_attached(&mut recorder);
        target.go();
        assert_eq!(target.wait().code(), Some(0));
        assert_eq!(recorder.wait().code(), Some(0), "{way}: {}", scratch.read("said"));
        let trace = scratch.trace("trace");
        let unnamed = trace.calls.iter().filter(|(subject, ..)| subject.image.path.as_bytes().is_empty());
        assert_eq!(unnamed.map(|(_, syscall, _)| *syscall).collect::<Vec<_>>(), []);
    }
}

#[test]
fn a_recorder_in_the_tree_does_not_record_itself() {
    for way in WAYS {
        let Some(scratch) = Scratch::new() else { return };
        // The shell is the target, and the recorder its child.
        let script = format!(
            "{SANDPRINT} profile attach --pid $$ -o trace 2> said & \
             while ! test -e trace; do sleep 0.01; done; ./workload rare 5; kill -TERM $!; wait $!"
        );
        let mut shell = scratch.program("sh", &["-c", &script]);
        shell.env("SANDPRINT_TASKS", way).env("SANDPRINT_CHECKPOINT_MS", "50");
        assert_eq!(Beside::start(&mut shell).wait().code(), Some(0), "{}", scratch.read("said"));
        let trace = scratch.trace("trace");
        assert_eq!(rare(&trace), 5, "{way}");
        let is_ours = |image: &sandprint_model::Image| image.path.as_bytes().ends_with(b"/sandprint");
        let ours = trace.calls.iter().filter(|(subject, ..)| is_ours(&subject.image));
        assert_eq!(ours.map(|(_, syscall, _)| *syscall).collect::<Vec<_>>(), []);
    }
}

#[test]
fn its_end_is_the_users_or_the_clocks_and_what_was_recorded_runs_on() {
    for (name, options, said) in [
        ("INT", &[][..], "SIGINT ended the recording; what still runs was left running"),
        ("TERM", &[], "SIGTERM ended the recording; what still runs was left running"),
        ("", &["--duration", "300ms"], ""),
    ] {
        let Some(scratch) = Scratch::new() else { return };
        let mut target = scratch.start_workload(&["wait-rare", "1"]);
        let pid = target.pid().to_string();
        let mut recorder =
            Beside::start(&mut scratch.profile("", &[&["attach", "--pid", &pid], options].concat()));
        scratch.until_attached(&mut recorder);
        if !name.is_empty() {
            recorder.signal(name);
        }
        assert_eq!(recorder.wait().code(), Some(0));
        assert!(scratch.read("said").contains(said), "{}", scratch.read("said"));
        assert!(lives(target.pid()));
        // By a signal: the clock was the plan.
        let early: &[&str] = if name.is_empty() { &[] } else { &["ended-early"] };
        assert_eq!(gaps(&scratch.trace("trace")), [&ATTACHED[..], early].concat());
        assert_eq!(scratch.files(), ["trace"]);
        target.go();
        assert_eq!(target.wait().code(), Some(0));
    }
}

#[test]
fn what_is_no_process_to_record_is_refused_before_anything_is_written() {
    let Some(scratch) = Scratch::new() else { return };
    let mut threads = scratch.start_workload(&["tree", "1", "1"]);
    until("the tree", || scratch.path("ready").exists().then_some(()));
    let tasks = std::fs::read_dir(format!("/proc/{}/task", threads.pid())).unwrap();
    let names = tasks.map(|task| task.unwrap().file_name().into_string().unwrap());
    let thread = names.into_iter().find(|tid| *tid != threads.pid().to_string()).unwrap();
    let gone = {
        let mut ended = Beside::start(&mut scratch.program("true", &[]));
        ended.wait();
        ended.pid().to_string()
    };
    for (pid, status, error) in [
        (
            thread.as_str(),
            1,
            format!("error: {thread} is a thread of process {}, not a process", threads.pid()),
        ),
        (&gone, 1, format!("error: there is no process {gone}")),
        ("0", 2, "error: invalid value '0' for '--pid <PID>...'".to_owned()),
        ("$$", 2, "is the recorder itself, which it does not record".to_owned()),
    ] {
        let script = format!("exec {SANDPRINT} profile attach -o trace --pid {pid}");
        let mut shell = scratch.program("sh", &["-c", &script]);
        shell.stderr(Stdio::piped());
        let output = shell.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{pid}: {said}");
        assert!(said.lines().next().unwrap().contains(&error), "{said}");
        assert!(said.contains("\nhint: ") || status == 2, "{said}");
    }
    assert_eq!(scratch.files(), ["ready"]);
    threads.go();
    threads.wait();
}
