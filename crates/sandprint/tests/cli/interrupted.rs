//! Signals while output is written: none loses it, and none leaves anything else behind.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::support::{BINARY, Scratch, encoded, trace};
use testkit::expect;

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("a", encoded(&trace(1, "a", &[(0, 3), (1, 2)])));
    scratch.write("b", encoded(&trace(2, "b", &[(0, 1), (9, 4)])));
    scratch
}

fn names(scratch: &Scratch) -> Vec<String> {
    scratch.files().into_iter().map(|(name, _)| name).filter(|name| name != "log").collect()
}

/// Starts a command whose fsync takes a while, and waits until it is in there; gives the command's number.
fn in_fsync(scratch: &Scratch, words: &[&str]) -> Option<(Child, i32)> {
    let inject = "inject=fsync:delay_enter=700000";
    let mut command =
        scratch.program("strace", &["-o", "log", "-e", "trace=fsync", "-e", inject, "--", BINARY]);
    let started = command.args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut strace = match started {
        Ok(strace) => strace,
        Err(error) => {
            expect::skip("strace", &error.to_string());
            return None;
        }
    };
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        let children = format!("/proc/{0}/task/{0}/children", strace.id());
        let child = fs::read_to_string(children).unwrap_or_default().trim().parse::<i32>().ok();
        let name = child.and_then(|child| fs::read_to_string(format!("/proc/{child}/comm")).ok());
        // strace writes the call down when it begins to wait for it.
        let begins = fs::read_to_string(scratch.path("log")).unwrap_or_default().contains("fsync(");
        if let (Some(child), true, true) = (child, begins, name.as_deref() == Some("sandprint\n")) {
            return Some((strace, child));
        }
        if strace.try_wait().unwrap().is_some() {
            expect::skip("strace", "strace cannot trace here, or delays no calls");
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("no fsync was made");
}

fn kill(child: i32, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_signal_while_a_file_is_written_waits() {
    for signal in ["-TERM", "-INT", "-HUP"] {
        for there in [false, true] {
            let scratch = scratch();
            if there {
                scratch.write("out", "old");
            }
            let merge = ["profile", "merge", "a", "b", "-o", "out"];
            let Some((mut strace, child)) = in_fsync(&scratch, &merge) else { return };
            assert_eq!(scratch.path("out").exists(), there, "it has no name before it is whole");
            kill(child, signal);
            strace.wait().unwrap();
            assert_eq!(scratch.trace("out").runs.len(), 2, "{signal}");
            assert_eq!(names(&scratch), ["a", "b", "out"]);
        }
    }
}

#[test]
fn a_recording_is_not_lost_by_a_signal_after_its_end() {
    for signal in ["-TERM", "-INT", "-HUP"] {
        let scratch = scratch();
        let run = ["profile", "run", "--recorder", "notify", "-o", "out", "--", "true"];
        let Some((mut strace, child)) = in_fsync(&scratch, &run) else { return };
        kill(child, signal);
        strace.wait().unwrap();
        assert_eq!(scratch.trace("out").runs.len(), 1, "{signal}");
        assert_eq!(names(&scratch), ["a", "b", "out"]);
    }
}

#[test]
fn a_profile_and_a_policy_are_written_whole_before_a_signal_is_heard() {
    for signal in ["-TERM", "-INT", "-HUP"] {
        for (words, is_whole) in [
            (&["profile", "generate", "-f", "oci", "-i", "a", "-o", "out"][..], "defaultAction"),
            (&["profile", "generate", "-f", "toml", "-i", "a", "-o", "out"], "version = 1"),
            (&["policy", "import", "oci", "-o", "out"], "version = 1"),
            (&["profile", "refine", "--new", "--accept-all", "-p", "out", "--", "true"], "version = 1"),
        ] {
            let scratch = scratch();
            let oci = ["profile", "generate", "-f", "oci", "-i", "a", "-o", "oci"];
            assert_eq!(scratch.run(&oci).status, 0);
            let Some((mut strace, child)) = in_fsync(&scratch, words) else { return };
            kill(child, signal);
            let ended = strace.wait().unwrap();
            let written = scratch.read("out");
            assert!(
                written.contains(is_whole) && written.ends_with('\n'),
                "{signal} {words:?} {ended}: {written}"
            );
            if words[0] == "profile" && words[1] == "refine" || is_whole == "version = 1" {
                assert_eq!(scratch.run(&["policy", "fmt", "--check", "out"]).status, 0, "{words:?}");
            }
            assert_eq!(names(&scratch), ["a", "b", "oci", "out"], "{signal} {words:?}");
        }
    }
}

#[test]
fn what_nothing_can_hold_leaves_the_old_file_and_nothing_else() {
    for there in [false, true] {
        let scratch = scratch();
        if there {
            scratch.write("out", "old");
        }
        let merge = ["profile", "merge", "a", "b", "-o", "out"];
        let Some((mut strace, child)) = in_fsync(&scratch, &merge) else { return };
        kill(child, "-KILL");
        strace.wait().unwrap();
        let all = fs::read_dir(scratch.path(".")).unwrap().count();
        assert_eq!(all, if there { 4 } else { 3 }, "a, b, strace's log, and the old file");
        if there {
            assert_eq!(scratch.read("out"), "old");
        }
    }
}
