//! `profile attach --cgroup`: whoever comes into a cgroup2 subtree is followed from then on.

use std::fs;
use std::process::Stdio;

use sandprint_model::GapKind;

use crate::scratch::Scratch;
use crate::traced::{WAYS, rare};
use testkit::beside::Beside;
use testkit::cgroup::Group;
use testkit::wait::until;

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
        let mut recorder = Beside::start(
            &mut scratch.profile(way, &["attach", "--until", "empty", "--cgroup", group.path()]),
        );
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
        let mut recorder = Beside::start(
            &mut scratch.profile(way, &["attach", "--until", "empty", "--cgroup", group.path()]),
        );
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

/// Runs the workload in a cgroup, from its first call on.
fn run_in(scratch: &Scratch, group: &str, calls: &str) {
    let script = format!("echo $$ > {group}/cgroup.procs; exec ./workload rare {calls}");
    assert_eq!(Beside::start(&mut scratch.program("sh", &["-c", &script])).wait().code(), Some(0));
}

#[test]
fn a_cgroup_is_followed_from_one_use_to_the_next_also_when_it_is_made_again() {
    for way in WAYS {
        let (Some(scratch), Some(parent)) = (Scratch::new(), Group::new()) else { return };
        let group = parent.below("unit");
        let path = group.path().to_owned();
        // Others of that name elsewhere are not it.
        let elsewhere = parent.below("other");
        let mut recorder = Beside::start(&mut scratch.profile(way, &["attach", "--cgroup", &path]));
        scratch.until_attached(&mut recorder);
        run_in(&scratch, &path, "3");
        // Now nobody is in it.
        run_in(&scratch, &path, "40");
        drop(group);
        let stranger = elsewhere.below("unit");
        run_in(&scratch, stranger.path(), "5");
        let again = parent.below("unit");
        run_in(&scratch, &path, "100");
        let below = again.below("below");
        run_in(&scratch, below.path(), "2000");
        assert_eq!(recorder.try_wait(), None, "{way}");
        recorder.signal("INT");
        assert_eq!(recorder.wait().code(), Some(0), "{way}: {}", scratch.read("said"));
        let trace = scratch.trace("trace");
        assert_eq!(rare(&trace), 2143, "{way}");
        // Nothing ran there before, so no call can be missing; and nothing ran when it ended.
        assert_eq!(trace.blocking_gaps().collect::<Vec<_>>(), [], "{way}");
    }
}

#[test]
fn what_lies_above_a_cgroup_may_be_made_again_too() {
    for way in WAYS {
        let (Some(scratch), Some(top)) = (Scratch::new(), Group::new()) else { return };
        let slice = top.below("a.slice");
        let unit = slice.below("b.service");
        let path = unit.path().to_owned();
        let arguments = ["attach", "--until", "empty", "--cgroup", &path];
        let mut recorder = Beside::start(&mut scratch.profile(way, &arguments));
        scratch.until_attached(&mut recorder);
        drop(unit);
        drop(slice);
        let slice = top.below("a.slice");
        let _unit = slice.below("b.service");
        run_in(&scratch, &path, "7");
        assert_eq!(recorder.wait().code(), Some(0), "{way}: {}", scratch.read("said"));
        assert_eq!(rare(&scratch.trace("trace")), 7, "{way}");
    }
}

#[test]
fn what_ran_before_in_a_cgroup_is_a_gap() {
    let (Some(scratch), Some(group)) = (Scratch::new(), Group::new()) else { return };
    let mut inside = scratch.start_workload(&["wait-rare", "1"]);
    group.take(inside.pid());
    let arguments = ["attach", "--until", "empty", "--cgroup", group.path()];
    let mut recorder = Beside::start(&mut scratch.profile("", &arguments));
    scratch.until_attached(&mut recorder);
    inside.go();
    assert_eq!(inside.wait().code(), Some(0));
    assert_eq!(recorder.wait().code(), Some(0));
    let gaps: Vec<_> = scratch.trace("trace").blocking_gaps().map(|(gap, _)| gap.kind).collect();
    assert_eq!(gaps, [GapKind::AttachedMidRun]);
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
