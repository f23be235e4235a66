//! Signals while output is written: none loses it, and none leaves anything else behind.

use std::cell::Cell;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::SANDPRINT;
use crate::traces::trace;
use sandprint_model::wire::encode_trace;
use testkit::expect;
use testkit::process::{children, is_running};
use testkit::scratch::Scratch;
use testkit::wait::{long_enough, until};

/// How long an fsync takes at first: long enough for a signal to come meanwhile on most machines.
const FIRST: Duration = Duration::from_millis(700);

fn scratch() -> Scratch {
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("a", encode_trace(&trace(1, "a", &[(0, 3), (1, 2)])));
    scratch.write("b", encode_trace(&trace(2, "b", &[(0, 1), (9, 4)])));
    scratch
}

fn names(scratch: &Scratch) -> Vec<String> {
    scratch.files().into_iter().map(|(name, _)| name).filter(|name| name != "log").collect()
}

/// Signals a command while its fsync lasts, and waits for its end, after `meanwhile` has looked at what is there then.
/// `None` if the fsync was over by then; false where that cannot be had here, which was said.
fn signal_in_fsync(
    scratch: &Scratch,
    delay: Duration,
    words: &[&str],
    signal: &str,
    meanwhile: impl Fn(),
) -> Option<bool> {
    let inject = format!("inject=fsync:delay_enter={}", delay.as_micros());
    let mut command =
        scratch.program("strace", &["-o", "log", "-e", "trace=fsync", "-e", &inject, "--", SANDPRINT]);
    let started = command.args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut strace = match started {
        Ok(strace) => strace,
        Err(error) => {
            expect::skip("strace", &error.to_string());
            return Some(false);
        }
    };
    let log = || fs::read_to_string(scratch.path("log")).unwrap_or_default();
    let child = until("an fsync, or the end", || {
        let ended = strace.try_wait().unwrap().is_some();
        // strace writes the call down when it begins to wait for it.
        let begins = log().contains("fsync(");
        let child = children(strace.id()).into_iter().find(|child| is_running(*child, "sandprint"));
        if begins && child.is_some() { Some(child) } else { ended.then_some(None) }
    });
    let Some(child) = child else {
        // It may have been and gone.
        if log().contains("fsync(") {
            return None;
        }
        expect::skip("strace", "strace cannot trace here, or delays no calls");
        return Some(false);
    };
    meanwhile();
    // It may be gone by now: then the fsync is over.
    Command::new("kill").args([signal, &child.to_string()]).stderr(Stdio::null()).status().unwrap();
    let was_in_it = !log().contains(") = ");
    strace.wait().unwrap();
    was_in_it.then_some(true)
}

#[test]
fn a_signal_while_a_file_is_written_waits() {
    for signal in ["-TERM", "-INT", "-HUP"] {
        for there in [false, true] {
            let done = long_enough(FIRST, |delay| {
                let scratch = scratch();
                if there {
                    scratch.write("out", "old");
                }
                let merge = ["profile", "merge", "a", "b", "-o", "out"];
                let existed = Cell::new(None);
                let look = || existed.set(Some(scratch.path("out").exists()));
                let done = signal_in_fsync(&scratch, delay, &merge, signal, look)?;
                if done {
                    assert_eq!(existed.get(), Some(there), "it has no name before it is whole");
                    assert_eq!(scratch.trace("out").runs.len(), 2, "{signal}");
                    assert_eq!(names(&scratch), ["a", "b", "out"]);
                }
                Some(done)
            });
            if !done {
                return;
            }
        }
    }
}

#[test]
fn a_recording_is_not_lost_by_a_signal_after_its_end() {
    for signal in ["-TERM", "-INT", "-HUP"] {
        let done = long_enough(FIRST, |delay| {
            let scratch = scratch();
            let run = ["profile", "run", "--recorder", "notify", "-o", "out", "--", "true"];
            let done = signal_in_fsync(&scratch, delay, &run, signal, || ())?;
            if done {
                assert_eq!(scratch.trace("out").runs.len(), 1, "{signal}");
                assert_eq!(names(&scratch), ["a", "b", "out"]);
            }
            Some(done)
        });
        if !done {
            return;
        }
    }
}
