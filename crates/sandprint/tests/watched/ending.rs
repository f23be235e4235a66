//! How a watch begins and ends: signals, time, a reader that goes, and no rights.

use std::io::pipe;
use std::process::{Command, Stdio};

use crate::SANDPRINT;
use crate::caller::caller;
use crate::gate::Gate;
use crate::watching::Watching;
use testkit::bpf;
use testkit::cgroup::Group;
use testkit::expect::skip;
use testkit::shell::is_root;
use testkit::users::{AS_NOBODY, as_nobody_with};

#[test]
fn signals_and_the_time_end_it_and_nothing_refused_is_success() {
    if !bpf::can_load() {
        return;
    }
    let gate = Gate::before(&["true"]);
    let pid = gate.pid().to_string();
    for signal in ["INT", "TERM"] {
        let told = Watching::start(&["--pid", &pid]).stop(signal);
        assert_eq!((told.status.code(), told.stdout.as_str()), (Some(0), ""), "{}", told.stderr);
        let lines: Vec<&str> = told.stderr.lines().collect();
        let begun = format!("watching pid {pid} and its descendants");
        assert!(lines.contains(&&*begun), "{lines:?}");
        assert_eq!(lines.last(), Some(&"No call was seen refused"));
    }
    let told = Watching::start(&["--pid", &pid, "--duration", "200ms", "--format", "json"]).end();
    assert_eq!(told.status.code(), Some(0), "{}", told.stderr);
    assert_eq!(told.of_kind("summary").len(), 1);
}

#[test]
fn started_in_the_background_of_a_script_it_hears_an_interrupt() {
    if !bpf::can_load() {
        return;
    }
    let gate = Gate::before(&["true"]);
    let pid = gate.pid().to_string();
    for (name, ignored) in [("INT", "INT QUIT"), ("QUIT", "INT QUIT"), ("TERM", "INT QUIT HUP TERM")] {
        // What a shell does to what it starts with `&`, and nohup.
        let script = format!("trap '' {ignored}; exec \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh", SANDPRINT, "watch", "--pid", &pid]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let told = Watching::begin(command).stop(name);
        assert_eq!((told.status.code(), told.stdout.as_str()), (Some(0), ""), "{name}: {}", told.stderr);
        assert_eq!(told.stderr.lines().last(), Some("No call was seen refused"), "{name}");
    }
    // A hangup stays ignored where it was.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh", SANDPRINT, "watch", "--pid", &pid]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let watching = Watching::begin(command);
    watching.signal("HUP");
    // Time to end by it, which would be wrong: too short a time could only hide that.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let told = watching.stop("INT");
    assert_eq!(told.status.code(), Some(0), "{}", told.stderr);
}

#[test]
fn the_end_of_the_process_ends_it() {
    if !bpf::can_load() {
        return;
    }
    let mut gate = Gate::before(&["true"]);
    let watching = Watching::start(&["--pid", &gate.pid().to_string()]);
    assert!(gate.go().success());
    assert_eq!(watching.end().status.code(), Some(0));
}

#[test]
fn a_reader_that_goes_ends_it_quietly() {
    if !bpf::can_load() {
        return;
    }
    let gate = Gate::before(&["true"]);
    let (reader, writer) = pipe().unwrap();
    let mut command = Command::new(SANDPRINT);
    command.args(["watch", "--format", "json", "--pid", &gate.pid().to_string()]);
    command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
    let watching = Watching::begin(command);
    drop(reader);
    // Nothing is refused: it does not wait for something to write.
    let told = watching.end();
    assert_eq!(told.status.code(), Some(0));
    assert!(!told.stderr.contains("error"), "{}", told.stderr);
}

#[test]
fn three_capabilities_suffice() {
    if !bpf::can_load() {
        return;
    }
    let Some(caller) = caller() else { return };
    if !is_root() {
        return skip("root", "capabilities are given away by root");
    }
    let mut gate = Gate::before(&[caller.to_str().unwrap(), "supervised", "3"]);
    let words = as_nobody_with(&["bpf", "perfmon", "audit_read"]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command.args([SANDPRINT, "watch", "--format", "json", "--pid", &gate.pid().to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let watching = Watching::begin(command);
    assert!(gate.go().success());
    let told = watching.end();
    let expected = [("getcpu", "emulated by supervisor", 3), ("personality", "notify by supervisor", 3)];
    told.assert_calls("as nobody", &expected);
    assert_eq!(told.stderr.lines().next(), told.stderr.lines().find(|line| line.starts_with("watching ")));
}

#[test]
fn without_rights_it_says_which_and_how_to_get_them() {
    if !is_root() {
        return skip("root", "capabilities are given away by root");
    }
    let output = Command::new(AS_NOBODY[0])
        .args(&AS_NOBODY[1..])
        .args([SANDPRINT, "watch", "--system"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]), "{said}");
    assert!(said.contains("CAP_BPF and CAP_PERFMON are missing"), "{said}");
    assert!(
        said.contains("\nhint: use sudo, or grant them for good: sudo setcap cap_bpf,cap_perfmon"),
        "{said}"
    );
    assert!(!said.contains("notify"), "{said}");
}

#[test]
fn a_cgroup_that_has_emptied_ends_it_only_when_asked() {
    if !bpf::can_load() {
        return;
    }
    let (Some(used), Some(unused)) = (Group::new(), Group::new()) else { return };
    let mut gate = Gate::before(&["true"]);
    used.take(gate.pid());
    let of = |group: &Group, rest: &[&str]| Watching::start(&[&["--cgroup", group.path()], rest].concat());
    // One that is in use, one that is not yet, and one that is left to go on.
    let ends = of(&used, &["--until", "empty"]);
    let mut waits = of(&unused, &["--until", "empty"]);
    let mut goes_on = of(&used, &[]);
    assert!(gate.go().success());
    assert_eq!(ends.end().status.code(), Some(0));
    assert!(waits.goes_on() && goes_on.goes_on());
    let mut late = Gate::before(&["true"]);
    unused.take(late.pid());
    assert!(late.go().success());
    assert_eq!(waits.end().status.code(), Some(0));
    assert!(goes_on.goes_on());
    assert_eq!(goes_on.stop("INT").status.code(), Some(0));
}
