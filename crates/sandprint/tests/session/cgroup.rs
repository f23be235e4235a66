//! `profile attach --cgroup`: whoever comes into a cgroup2 subtree is followed from then on.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::support::{Beside, Scratch, WAYS, rare, until};
use testkit::cgroup::Group;

#[test]
fn tasks_in_it_below_it_and_coming_later_are_followed_and_leaving_changes_nothing() {
    for way in WAYS {
        let (Some(scratch), Some(group)) = (Scratch::new(), Group::new()) else { return };
        let below = group.below("below");
        let start = |calls: &str| scratch.start_workload(&["wait-rare", calls]);
        let (mut inside, mut deeper, mut late) = (start("1"), start("10"), start("100"));
        let (mut leaving, mut outside) = (start("1000"), start("5"));
        group.take(inside.pid());
        below.take(deeper.pid());
        let mut recorder = Beside::start(&mut scratch.profile(way, &["attach", "--cgroup", group.path()]));
        scratch.until_attached(&mut recorder);
        group.take(late.pid());
        // It makes a call in the cgroup, and leaves: whoever was once in it stays in the recording.
        let script =
            format!("echo $$ > {}/cgroup.procs; : $(true); exec ./workload wait-rare 10000", group.path());
        let mut shell = scratch.program("sh", &["-c", &script]);
        let mut entering = Beside::start(shell.stdin(Stdio::piped()));
        until("its exec", || {
            let line = fs::read(format!("/proc/{}/cmdline", entering.pid())).ok()?;
            line.starts_with(b"./workload").then_some(())
        });
        group.put_out(entering.pid());
        for process in [&mut inside, &mut deeper, &mut late, &mut outside, &mut entering] {
            process.go();
            assert_eq!(process.wait().code(), Some(0));
        }
        // One that was in it and made no call there was never seen in it.
        group.take(leaving.pid());
        group.put_out(leaving.pid());
        leaving.go();
        leaving.wait();
        assert_eq!(recorder.wait().code(), Some(0), "{way}: {}", scratch.read("said"));
        assert_eq!(rare(&scratch.trace("trace")), 10_111, "{way}");
    }
}

#[test]
fn a_child_born_into_it_is_followed_and_its_parent_is_not() {
    for way in WAYS {
        let (Some(scratch), Some(group)) = (Scratch::new(), Group::new()) else { return };
        // Empty as it is, it may fill; it ends when that is over.
        let mut recorder = Beside::start(&mut scratch.profile(way, &["attach", "--cgroup", group.path()]));
        scratch.until_attached(&mut recorder);
        let status = scratch.start_workload(&["into", group.path()]).wait().code();
        if status == Some(77) {
            eprintln!("this kernel has no CLONE_INTO_CGROUP (5.7)");
            recorder.signal("INT");
        } else {
            assert_eq!(status, Some(0));
            assert_eq!(recorder.wait().code(), Some(0), "{way}: {}", scratch.read("said"));
            assert_eq!(rare(&scratch.trace("trace")), 4, "{way}");
        }
    }
}

#[test]
fn an_empty_cgroup_is_waited_on_until_the_time_is_up_or_it_is_removed() {
    let (Some(scratch), Some(group)) = (Scratch::new(), Group::new()) else { return };
    let enter = |calls: &str| {
        let script = format!("echo $$ > {}/cgroup.procs; exec ./workload rare {calls}", group.path());
        assert_eq!(Beside::start(&mut scratch.program("sh", &["-c", &script])).wait().code(), Some(0));
    };
    let arguments = ["attach", "--cgroup", group.path(), "--duration", "60s"];
    let mut recorder = Beside::start(&mut scratch.profile("", &arguments));
    scratch.until_attached(&mut recorder);
    enter("3");
    thread::sleep(Duration::from_millis(1200));
    enter("4");
    assert_eq!(recorder.try_wait(), None);
    drop(group);
    assert_eq!(recorder.wait().code(), Some(0));
    assert_eq!(rare(&scratch.trace("trace")), 7);
}

#[test]
fn what_is_no_cgroup2_is_refused_with_a_hint() {
    let Some(scratch) = Scratch::new() else { return };
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let v1 = mounts.lines().find(|line| line.contains(" - cgroup ")).and_then(|line| line.split(' ').nth(4));
    for path in [v1, Some("/no/such/cgroup"), Some("/proc")].into_iter().flatten() {
        let mut recorder = Beside::start(&mut scratch.profile("", &["attach", "--cgroup", path]));
        assert_eq!(recorder.wait().code(), Some(1), "{path}");
        let said = scratch.read("said");
        let expected = if Some(path) == v1 {
            format!("error: `{path}` is in a cgroup v1 hierarchy; only cgroup2 can be observed\nhint: ")
        } else {
            format!("error: there is no cgroup `{path}`\nhint: ")
        };
        assert!(said.starts_with(&expected), "{said}");
    }
    assert_eq!(scratch.files(), Vec::<String>::new());
}
