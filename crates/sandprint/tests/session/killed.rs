//! SIGKILL of the recorder at any moment: the workload is unharmed or never was, and nothing stays attached.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use sandprint_model::GapKind;

use crate::SANDPRINT;
use crate::privilege::with_capabilities;
use crate::scratch::Scratch;
use crate::sys::owners_of_programs;
use crate::traced::rare;
use testkit::beside::Beside;
use testkit::instants::Instants;
use testkit::process::lives;
use testkit::users::NOBODY;
use testkit::wait::until;

#[test]
fn at_any_instant_the_workload_runs_to_its_end_or_never_ran() {
    kill_at_any_instant("ebpf", &["bpf", "perfmon"]);
}

#[test]
fn at_any_instant_a_guardian_takes_over_what_waits_for_answers() {
    kill_at_any_instant("notify", &[]);
}

#[test]
fn at_any_instant_what_was_traced_goes_on_alone() {
    kill_at_any_instant("ptrace", &[]);
}

fn kill_at_any_instant(recorder: &str, capabilities: &[&str]) {
    const INSTANTS: usize = 120;
    let (Some(scratch), Some(around)) = (Scratch::new(), with_capabilities(capabilities)) else {
        return;
    };
    // Spread over a start, and as long again.
    let mut instants = Instants::up_to(Duration::from_millis(60));
    let mut in_mid_run = 0;
    let mut outputs = Vec::new();
    for number in 0..INSTANTS {
        // Always in the middle of a call, of one process or another.
        let busy = "i=0; while test $i -lt 20; do i=$((i + 1)); (exit 0); done; sleep 0.02";
        let script = format!("echo > begun.{number}; {busy}; echo > ended.{number}");
        let mut command = scratch.program(&around[0], &[]);
        command.args(&around[1..]).args([
            SANDPRINT,
            "profile",
            "run",
            "--recorder",
            recorder,
            "-o",
            scratch.path(&format!("trace.{number}")).to_str().unwrap(),
            "--",
        ]);
        command.args(["sh", "-c", &script]).env("SANDPRINT_CHECKPOINT_MS", "10");
        let mut recorder = Beside::start(command.stdout(Stdio::piped()));
        outputs.push(recorder.output());
        thread::sleep(instants.after_start());
        let before = scratch.path(&format!("begun.{number}")).exists();
        recorder.signal("KILL");
        recorder.wait();
        let began = scratch.path(&format!("begun.{number}")).exists();
        in_mid_run += usize::from(before);
        // About every second kill is to come before the workload began.
        if began { instants.earlier() } else { instants.later() }
    }
    // What began ends, by itself, and what had not begun does not begin any more: nobody is left who could write.
    for output in &mut outputs {
        assert_eq!(output.rest(), "");
    }
    let names = scratch.files();
    let began = names.iter().filter(|name| name.starts_with("begun.")).count();
    let ended = names.iter().filter(|name| name.starts_with("ended.")).count();
    assert_eq!(began, ended);
    assert!(
        (INSTANTS / 10..=INSTANTS * 9 / 10).contains(&began),
        "{began} of {INSTANTS} began: hardly random"
    );
    assert!(in_mid_run > 0, "none was killed in mid-run");
    until("the end of every BPF program", || (!owners_of_programs().contains(&NOBODY)).then_some(()));
    let of_ours = scratch.path("trace").to_str().unwrap().to_owned();
    until("the end of every process of ours", || {
        let mut entries = fs::read_dir("/proc").unwrap();
        let is_ours = |line: Vec<u8>| String::from_utf8_lossy(&line).contains(&of_ours);
        (!entries.any(|entry| fs::read(entry.unwrap().path().join("cmdline")).is_ok_and(is_ours)))
            .then_some(())
    });
}

#[test]
fn the_programs_of_a_live_recorder_are_found() {
    let (Some(scratch), Some(around)) = (Scratch::new(), with_capabilities(&["bpf", "perfmon"])) else {
        return;
    };
    // Another user than the other test's, whose programs may be there at the same time.
    let around: Vec<String> = around.iter().map(|word| word.replace(&NOBODY.to_string(), "61235")).collect();
    let words: Vec<&str> = around.iter().map(String::as_str).collect();
    let arguments = ["run", "--", &scratch.workload(), "wait-rare", "1"];
    let mut command = scratch.profile_under(&words, "", &arguments);
    let mut recorder = Beside::start(command.stdin(Stdio::piped()));
    scratch.until_attached(&mut recorder);
    assert!(owners_of_programs().contains(&61235));
    recorder.go();
    assert_eq!(recorder.wait().code(), Some(0));
    until("the end of every BPF program", || (!owners_of_programs().contains(&61235)).then_some(()));
}

#[test]
fn what_was_saved_last_is_there_and_says_that_it_is_unfinished() {
    let Some(scratch) = Scratch::new() else { return };
    fs::write(scratch.path("trace"), "{}").unwrap();
    let script = "./workload rare 9; read line; echo > ended";
    let mut command = scratch.profile("", &["run", "--", "sh", "-c", script]);
    let mut recorder = Beside::start(command.stdin(Stdio::piped()));
    until("a checkpoint with what was done", || {
        let bytes = fs::read(scratch.path("trace.partial")).ok()?;
        let trace = sandprint_model::wire::decode_trace(&bytes).unwrap();
        (rare(&trace) == 9).then_some(())
    });
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", recorder.pid())).unwrap();
    let comm = |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let mut pids = children.split_whitespace().map(|pid| pid.parse::<u32>().unwrap());
    let workload = pids.find(|pid| !comm(*pid).starts_with("sandprint-")).unwrap();
    recorder.signal("KILL");
    recorder.wait();
    let trace = scratch.trace("trace.partial");
    assert_eq!(rare(&trace), 9);
    assert_eq!(trace.gaps.keys().map(|gap| gap.kind).collect::<Vec<_>>(), [GapKind::Unfinished]);
    assert_eq!(scratch.read("trace"), "{}");
    assert!(lives(workload));
    recorder.go();
    until("the end of the workload", || scratch.path("ended").exists().then_some(()));
}
