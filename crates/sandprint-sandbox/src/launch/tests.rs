//! Launching within one process: what the child is while it waits, what errors say, what limits it gets.

use super::*;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;

use sandprint_model::Exit;

use crate::inherited::{Inherited, Limit};
use crate::signals::SignalSet;

fn shell(script: &str) -> Launch {
    Launch::new("/bin/sh", ["-c", script])
}

fn is_there(pid: u32) -> bool {
    fs::exists(format!("/proc/{pid}")).unwrap()
}

#[test]
fn a_workload_ends_with_its_own_status() {
    let cases = [
        ("exit 0", Exit::Code(0)),
        ("exit 7", Exit::Code(7)),
        ("exit 255", Exit::Code(255)),
        ("kill -TERM $$", Exit::Signal(15)),
        ("kill -KILL $$", Exit::Signal(9)),
    ];
    for (script, exit) in cases {
        let mut running = shell(script).suspend().unwrap().release().unwrap();
        let ended = Ended { exit, core_dumped: false };
        assert_eq!(running.wait().unwrap(), ended, "{script}");
        // Asked again, it still knows, though the process is gone.
        assert_eq!(running.wait().unwrap(), ended);
        assert_eq!(running.try_wait().unwrap(), Some(ended));
        assert_eq!(running.stopped().unwrap(), None);
        assert!(!running.signal(Signal::TERM).unwrap());
        assert!(!is_there(running.pid()));
    }
}

#[test]
fn a_suspended_child_has_executed_nothing_and_is_what_will_run() {
    let suspended = shell("exit 3").suspend().unwrap();
    let pid = suspended.pid();
    assert_eq!(process::has_never_executed(pid), Some(true));
    assert_eq!(suspended.program(), Path::new("/bin/sh"));
    let [ended] = poll::readable([suspended.pidfd()], Some(Duration::ZERO)).unwrap();
    assert!(!ended);
    let mut running = suspended.release().unwrap();
    assert_eq!(running.pid(), pid);
    assert_eq!(process::has_never_executed(pid), Some(false));
    let [ended] = poll::readable([running.end()], Some(Duration::from_secs(10))).unwrap();
    assert!(ended);
    assert_eq!(running.wait().unwrap().exit, Exit::Code(3));
}

#[test]
fn a_dropped_suspended_child_is_gone_and_never_executed() {
    let directory = tempfile::tempdir().unwrap();
    let marker = directory.path().join("marker");
    for _ in 0..50 {
        let suspended = Launch::new("touch", [&marker]).suspend().unwrap();
        let pid = suspended.pid();
        assert!(is_there(pid));
        drop(suspended);
        assert!(!is_there(pid), "a zombie, or still waiting");
        assert!(!marker.exists());
    }
    // The same launch, released, does what it is for.
    Launch::new("touch", [&marker]).suspend().unwrap().release().unwrap().wait().unwrap();
    assert!(marker.exists());
}

#[test]
fn a_dropped_running_workload_goes_on() {
    let (mut reader, writer) = io::pipe().unwrap();
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&writer);
    let own = format!("/proc/{}/fd/{descriptor}", std::process::id());
    let (gate, mut go) = io::pipe().unwrap();
    let gate = format!("/proc/{}/fd/{}", std::process::id(), std::os::fd::AsRawFd::as_raw_fd(&gate));
    let script = format!("exec > {own} < {gate}; echo started; read line; echo survived");
    let running = shell(&script).suspend().unwrap().release().unwrap();
    let mut started = [0; 8];
    reader.read_exact(&mut started).unwrap();
    drop(running);
    drop(writer);
    go.write_all(b"\n").unwrap();
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert_eq!((&started, rest.as_str()), (b"started\n", "survived\n"));
}

#[test]
fn a_child_ended_before_its_execve_is_told_apart_from_a_workload_ended_at_once() {
    // Not SIGINT, which whoever runs the tests may have had ignored: the child takes that on.
    for signal in [Signal::TERM, Signal::KILL] {
        let suspended = shell("exit 0").suspend().unwrap();
        suspended.child.process.signal(signal).unwrap();
        assert!(suspended.child.process.wait_ended(Duration::from_secs(10)).unwrap());
        let pid = suspended.pid();
        let error = suspended.release().unwrap_err();
        assert_eq!(error.failure(), Failure::Ended(Exit::Signal(signal.number())), "{error}");
        assert!(!is_there(pid));
    }
    // Killed between the byte that lets it go and its execve, or after that: never both, never neither.
    for _ in 0..200 {
        let suspended = shell("exit 0").suspend().unwrap();
        let killer = Process::open(suspended.pid()).unwrap().unwrap();
        let thread = std::thread::spawn(move || killer.signal(Signal::KILL).unwrap());
        match suspended.release() {
            Ok(mut running) => {
                let exit = running.wait().unwrap().exit;
                assert!(matches!(exit, Exit::Code(0) | Exit::Signal(9)), "{exit:?}");
            }
            Err(error) => assert_eq!(error.failure(), Failure::Ended(Exit::Signal(9)), "{error}"),
        }
        thread.join().unwrap();
    }
}

#[test]
fn a_child_let_go_and_killed_before_its_execve_is_not_taken_for_a_workload() {
    let suspended = shell("exit 0").suspend().unwrap();
    // Stopped, it does not read the byte that lets it go.
    suspended.child.process.signal(Signal::STOP).unwrap();
    while suspended.child.stopped().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let killer = Process::open(suspended.pid()).unwrap().unwrap();
    let thread = std::thread::spawn(move || {
        // So that it most often waits for the execve by then; what comes of it is the same if not.
        std::thread::sleep(Duration::from_millis(100));
        killer.signal(Signal::KILL).unwrap()
    });
    let error = suspended.release().unwrap_err();
    assert_eq!(error.failure(), Failure::Ended(Exit::Signal(9)), "{error}");
    assert!(thread.join().unwrap());
}

#[test]
fn a_stopped_suspended_child_can_be_released_and_runs_when_continued() {
    let suspended = shell("exit 4").suspend().unwrap();
    suspended.child.process.signal(Signal::STOP).unwrap();
    let waker = Process::open(suspended.pid()).unwrap().unwrap();
    let thread = std::thread::spawn(move || {
        // So that it most often waits for the execve by then; what comes of it is the same if not.
        std::thread::sleep(Duration::from_millis(200));
        waker.signal(Signal::CONT).unwrap()
    });
    assert_eq!(suspended.release().unwrap().wait().unwrap().exit, Exit::Code(4));
    assert!(thread.join().unwrap());
}

#[test]
fn a_stop_of_the_workload_is_seen_as_long_as_it_lasts() {
    let mut running = shell("kill -STOP $$; exit 5").suspend().unwrap().release().unwrap();
    while running.stopped().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(running.stopped().unwrap(), Some(Signal::STOP));
    assert_eq!(running.try_wait().unwrap(), None);
    assert!(running.signal(Signal::CONT).unwrap());
    assert!(running.child.process.wait_ended(Duration::from_secs(10)).unwrap());
    assert_eq!(running.stopped().unwrap(), None, "it has ended and was not reaped");
    assert_eq!(running.wait().unwrap().exit, Exit::Code(5));
}

#[test]
fn several_may_wait_at_once_and_start_in_any_order() {
    let mut waiting: Vec<Suspended> =
        (0..20).map(|code| shell(&format!("exit {code}")).suspend().unwrap()).collect();
    let mut codes = Vec::new();
    while let Some(suspended) = if codes.len() % 2 == 0 {
        waiting.pop()
    } else if waiting.is_empty() {
        None
    } else {
        Some(waiting.remove(0))
    } {
        let exit = suspended.release().unwrap().wait().unwrap().exit;
        let Exit::Code(code) = exit else { panic!("{exit:?}") };
        codes.push(code);
    }
    codes.sort_unstable();
    assert_eq!(codes, (0..20).collect::<Vec<u8>>());
}

#[test]
fn threads_that_launch_at_once_do_not_hold_each_other_up() {
    // A waiting child that had a copy of another's socket would keep that one from being heard, for good.
    let (done, waits) = std::sync::mpsc::channel();
    for _ in 0..8 {
        let done = done.clone();
        std::thread::spawn(move || {
            for _ in 0..25 {
                let suspended = shell("exit 2").suspend().unwrap();
                let held = shell("exit 3").suspend().unwrap();
                let exit = suspended.release().unwrap().wait().unwrap().exit;
                done.send((exit, held)).unwrap();
            }
        });
    }
    drop(done);
    let mut all_held = Vec::new();
    for _ in 0..200 {
        let (exit, held) = waits.recv_timeout(Duration::from_mins(1)).expect("a launch that hangs");
        assert_eq!(exit, Exit::Code(2));
        all_held.push(held);
    }
    for held in all_held {
        assert_eq!(held.release().unwrap().wait().unwrap().exit, Exit::Code(3));
    }
}

#[test]
fn argv0_and_variables_are_as_asked_for() {
    let (mut reader, writer) = io::pipe().unwrap();
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&writer);
    let own = format!("/proc/{}/fd/{descriptor}", std::process::id());
    let mut launch = shell(&format!("exec > {own}; echo \"$0 $ADDED ${{HOME-gone}}\"; cat /proc/$$/cmdline"));
    launch.argv0 = Some("another name".into());
    launch.variables = vec![("ADDED".into(), Some("value".into())), ("HOME".into(), None)];
    launch.suspend().unwrap().release().unwrap().wait().unwrap();
    drop(writer);
    let mut output = Vec::new();
    reader.read_to_end(&mut output).unwrap();
    let expected = b"another name value gone\nanother name\0-c\0";
    assert_eq!(&output[..expected.len()], expected, "{}", String::from_utf8_lossy(&output));
}

#[test]
fn limits_and_masks_changed_by_us_are_set_back() {
    let core = libc::RLIMIT_CORE;
    let before = Inherited::get().limits[usize::try_from(core).unwrap()].unwrap();
    assert_eq!(Inherited::get().changed_limits(), []);
    // Nothing in this process dumps core, so other tests do not notice.
    let changed = Limit { soft: if before.soft == 0 { before.hard.min(4096) } else { 0 }, hard: before.hard };
    assert_eq!(sys::set_limit(core, changed), 0);
    assert_eq!(Inherited::get().changed_limits(), [(core, before)]);
    let blocked = SignalSet::of(&[Signal::USR1, Signal::TERM]);
    let mask = crate::signals::sys::block(blocked).unwrap();
    let running = Launch::new("sleep", ["1000"]).suspend().unwrap().release();
    crate::signals::sys::set_mask(mask).unwrap();
    assert_eq!(sys::set_limit(core, before), 0);
    let mut running = running.unwrap();
    let pid = running.pid();
    let [limits, status] =
        ["limits", "status"].map(|file| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap());
    running.signal(Signal::KILL).unwrap();
    running.wait().unwrap();

    let number = |limit: u64| if limit == u64::MAX { "unlimited".to_owned() } else { limit.to_string() };
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let words: Vec<&str> = line.split_whitespace().skip(4).take(2).collect();
    assert_eq!(words, [number(before.soft), number(before.hard)]);
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:\t")).unwrap();
    assert_eq!(blocked, format!("{:016x}", Inherited::get().blocked.0));
}

/// What went wrong, as far as the exit status tells, and with which errno.
fn failure(launch: &Launch) -> (Failure, Option<i32>, String) {
    let error = launch.suspend().and_then(Suspended::release).unwrap_err();
    let errno = std::error::Error::source(&error)
        .and_then(|source| source.downcast_ref::<io::Error>())
        .and_then(io::Error::raw_os_error);
    (error.failure(), errno, error.to_string())
}

#[test]
fn what_cannot_be_executed_says_why() {
    let directory = tempfile::tempdir().unwrap();
    // Written by another process: had we it open for writing, so would the children of other tests, and no
    // execve takes such a file (ETXTBSY).
    let make = |name: &str, content: &str, mode: &str| {
        let path = directory.path().join(name).into_os_string().into_string().unwrap();
        let script = r#"printf %s "$2" > "$1" && chmod "$3" "$1""#;
        let arguments = ["-c", script, "sh", &path, content, mode];
        assert!(std::process::Command::new("sh").args(arguments).status().unwrap().success());
        path
    };
    let plain = make("plain", "#!/bin/sh\n", "644");
    let no_format = make("no-format", "echo hello\n", "755");
    let empty = make("empty", "", "755");
    let bad_interpreter = make("bad-interpreter", "#!/no/such/interpreter\n", "755");
    let damaged = make("damaged", "\x7fELF\x02\x01\x01", "755");
    symlink("loop", directory.path().join("loop")).unwrap();
    let path = |name: &str| format!("{}/{name}", directory.path().display());
    let (this, long) = (path(""), "x".repeat(5000));

    let (run, found) = (Failure::NotRunnable, Failure::NotFound);
    let cases = [
        (path("missing"), found, libc::ENOENT, "execute \"{}\""),
        (format!("{plain}/below"), run, libc::ENOTDIR, "execute \"{}\""),
        (this, run, libc::EACCES, "execute \"{}\""),
        (plain, run, libc::EACCES, "execute \"{}\""),
        (no_format, run, libc::ENOEXEC, "execute \"{}\""),
        (empty, run, libc::ENOEXEC, "execute \"{}\""),
        (damaged, run, libc::ENOEXEC, "execute \"{}\""),
        (bad_interpreter, found, libc::ENOENT, "execute \"{}\": its interpreter was not found"),
        (path("loop"), run, libc::ELOOP, "execute \"{}\""),
        (format!("/{long}"), run, libc::ENAMETOOLONG, "execute \"{}\""),
        ("/dev/null".to_owned(), run, libc::EACCES, "execute \"{}\""),
        ("no-such-command-anywhere".to_owned(), found, libc::ENOENT, "execute \"{}\""),
        (String::new(), found, libc::ENOENT, "execute \"{}\""),
    ];
    for (program, kind, errno, text) in cases {
        let expected = (kind, Some(errno), text.replace("{}", &program));
        assert_eq!(failure(&Launch::new(&program, [""; 0])), expected);
    }
    // In which directory of PATH it is too long is no matter.
    let (kind, errno, _text) = failure(&Launch::new(long, [""; 0]));
    assert_eq!((kind, errno), (run, Some(libc::ENAMETOOLONG)));
}

#[test]
fn arguments_that_no_execve_takes_are_refused() {
    // One string of more than 32 pages: MAX_ARG_STRLEN (execve(2)).
    let long = Launch::new("true", ["x".repeat(32 * 65536 + 1)]);
    let (kind, errno, text) = failure(&long);
    assert_eq!((kind, errno), (Failure::NotRunnable, Some(libc::E2BIG)), "{text}");

    let mut variable = Launch::new("true", [""; 0]);
    variable.variables.push(("A".into(), Some("b\0c".into())));
    let cases = [
        (Launch::new("tr\0ue", [""; 0]), "pass the argument \"tr\\0ue\": it has a NUL byte"),
        (Launch::new("true", ["a\0b"]), "pass the argument \"a\\0b\": it has a NUL byte"),
        (variable, "pass the variable \"A=b\\0c\": it has a NUL byte"),
    ];
    for (launch, text) in cases {
        assert_eq!(failure(&launch), (Failure::Ours, None, text.to_owned()));
    }
}

#[test]
fn a_launch_that_fails_leaves_no_process_behind() {
    let children = || {
        let me = std::process::id();
        fs::read_to_string(format!("/proc/{me}/task/{}/children", gettid())).unwrap()
    };
    let before = children();
    for program in ["/no/such/program", "/dev/null", "no-such-command-anywhere"] {
        failure(&Launch::new(program, [""; 0]));
    }
    assert_eq!(children(), before);
}

/// The number of this thread, whose children the kernel lists apart from those of others.
fn gettid() -> String {
    let link = fs::read_link("/proc/thread-self").unwrap();
    link.file_name().unwrap().to_str().unwrap().to_owned()
}
