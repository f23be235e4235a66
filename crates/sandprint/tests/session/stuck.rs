//! A file system that stops answering: the recording goes on and ends, and says what it could not find out; and what
//! nothing can end is named and left.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use sandprint_model::GapKind;

use crate::support::{Beside, NOTIFY, PTRACE, RUN_WAYS, Scratch, gaps, lives, signal, until};
use testkit::expect::skip;
use testkit::mounts::why_no_mounts;

/// A recording in a mount namespace of its own, so that nothing is left mounted, where `mounted/p` is this program.
fn beside_a_server(scratch: &Scratch, way: &str, program: &str, arguments: &[&str]) -> Beside {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/session/stuck.c");
    let mut gcc = Command::new("gcc");
    gcc.args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(scratch.path("server")).arg(&source);
    assert!(gcc.status().unwrap().success());
    fs::create_dir(scratch.path("mounted")).unwrap();
    let script = "./server \"$0\" mounted & server=$!
        while [ ! -e mounted/p ] && kill -0 $server; do sleep 0.01; done; [ -e mounted/p ] || exit 77
        \"$@\"; echo $? > status; kill -9 $server";
    let around = ["unshare", "-m", "sh", "-c", script, program];
    let mut command = scratch.profile_under(&around, way, arguments);
    command.stdout(File::create(scratch.path("ledger")).unwrap());
    Beside::start(&mut command)
}

/// The status that the recorder ended with, as a shell has it; `None` where nothing could be mounted.
fn ended(scratch: &Scratch, recorder: &mut Beside) -> Option<String> {
    let ended = until("the end of the recording", || recorder.try_wait());
    if ended.code() == Some(77) {
        skip("root", "only root can mount a file system");
        return None;
    }
    Some(scratch.read("status").trim().to_owned())
}

#[test]
fn a_file_system_that_stops_answering_holds_nobody_up() {
    if let Some(why) = why_no_mounts() {
        return skip("root", &why);
    }
    for way in RUN_WAYS {
        let Some(scratch) = Scratch::new() else { return };
        let begin = Instant::now();
        let arguments = ["run", "--timeout", "20s", "--", "mounted/p"];
        let mut recorder = beside_a_server(&scratch, way, "/bin/true", &arguments);
        let Some(status) = ended(&scratch, &mut recorder) else { return };
        assert_eq!(status, "0", "{way}: {}", scratch.read("said"));
        // Nor is it the time that was set which ended it.
        assert!(begin.elapsed() < Duration::from_secs(15), "{way}: {:?}", begin.elapsed());
        let trace = scratch.trace("trace");
        let gaps: Vec<_> = trace
            .gaps
            .keys()
            .filter(|gap| gap.kind != GapKind::CountsInexact)
            .map(|gap| (gap.kind, gap.detail.clone().unwrap_or_default()))
            .collect();
        let path = scratch.path("mounted/p").to_str().unwrap().to_owned();
        assert_eq!(gaps, [(GapKind::ImageUnreadable, format!("the build id of {path}"))], "{way}");
        assert_eq!(crate::support::count(&trace, "execve"), 1, "{way}");
    }
}

#[test]
fn while_it_does_not_answer_signals_and_the_time_end_a_recording() {
    if let Some(why) = why_no_mounts() {
        return skip("root", &why);
    }
    // Each waits for what does not come.
    thread::scope(|scope| {
        for way in RUN_WAYS {
            scope.spawn(move || {
                for (how, status) in [("TERM", "143"), ("INT", "130"), ("", "143")] {
                    ends_by(way, how, status);
                }
            });
        }
    });
}

/// By a signal to both, or by its time where that is none.
fn ends_by(way: &str, name: &str, status: &str) {
    let Some(scratch) = Scratch::new() else { return };
    let script = "echo $PPID > recorder; exec mounted/p 1000";
    let time = if name.is_empty() { "1500ms" } else { "100s" };
    let arguments = ["run", "--timeout", time, "--", "sh", "-c", script];
    let mut recorder = beside_a_server(&scratch, way, "/bin/sleep", &arguments);
    let own: u32 = until("the workload", || match recorder.try_wait() {
        Some(_) => Some(0),
        None => scratch.read("recorder").trim().parse().ok(),
    });
    if own != 0 && !name.is_empty() {
        let children = || fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        let is_asleep = |pid: &u32| fs::read(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm == b"p\n");
        let pid = until("its execve", || {
            children().split_whitespace().filter_map(|pid| pid.parse().ok()).find(is_asleep)
        });
        // Whoever looks into the program hangs by then.
        thread::sleep(Duration::from_millis(500));
        signal(pid, name);
        signal(own, name);
    }
    let begin = Instant::now();
    let Some(ended) = ended(&scratch, &mut recorder) else { return };
    assert_eq!(ended, status, "{way} {name}: {}", scratch.read("said"));
    assert!(begin.elapsed() < Duration::from_secs(30), "{way} {name}: {:?}", begin.elapsed());
    let trace = scratch.trace("trace");
    assert!(gaps(&trace).contains(&"image-unreadable"), "{way} {name}: {:?}", trace.gaps);
}

#[test]
fn what_waits_for_it_for_ever_is_named_and_left() {
    if let Some(why) = why_no_mounts() {
        return skip("root", &why);
    }
    thread::scope(|scope| {
        for way in ["storage", NOTIFY, PTRACE] {
            scope.spawn(move || hangs(way));
        }
    });
}

/// Of a command that hangs where no signal reaches it: its second open is never answered.
fn hangs(way: &str) {
    let Some(scratch) = Scratch::new() else { return };
    let script = "cat mounted/p > /dev/null; echo $$ > begun; exec cat mounted/p";
    let arguments = ["run", "--timeout", "1500ms", "--", "sh", "-c", script];
    let mut recorder = beside_a_server(&scratch, way, "/bin/true", &arguments);
    let begin = Instant::now();
    let Some(status) = ended(&scratch, &mut recorder) else { return };
    let said = scratch.read("said");
    assert_eq!(status, "125", "{way}: {said}");
    assert!(begin.elapsed() < Duration::from_secs(30), "{way}: {:?}", begin.elapsed());
    let pid: u32 = scratch.read("begun").trim().parse().unwrap();
    let whom = format!("process {pid} (cat): it waits in the kernel, where no signal reaches it");
    for start in [
        "note: the time is up; waiting for what SIGKILL has not ended: ",
        "error: failed to end the command after its time: SIGKILL did not end ",
    ] {
        assert!(said.contains(&format!("{start}{whom}")), "{way}: {said}");
    }
    assert!(said.contains("\nhint: "), "{way}: {said}");
    let trace = scratch.trace("trace");
    let told = format!("the time of 1.5s was up; left running: {whom}");
    let details: Vec<_> = trace.gaps.keys().filter_map(|gap| gap.detail.clone()).collect();
    assert!(details.iter().any(|detail| detail.starts_with(&told)), "{way}: {details:?}");
    until("the end of what hung", || (!lives(pid)).then_some(()));
}

#[test]
fn what_the_workloads_own_tracer_has_stopped_is_ended_in_its_time() {
    thread::scope(|scope| {
        for way in ["storage", NOTIFY, PTRACE] {
            scope.spawn(move || {
                let Some(scratch) = Scratch::new() else { return };
                let arguments = ["run", "--timeout", "1s", "--", &scratch.workload(), "traced"];
                let mut recorder = Beside::start(&mut scratch.profile(way, &arguments));
                let begin = Instant::now();
                let status = recorder.wait();
                let said = scratch.read("said");
                assert_eq!(status.signal(), Some(9), "{way}: {said}");
                assert!(begin.elapsed() < Duration::from_secs(30), "{way}: {:?}", begin.elapsed());
                assert!(said.contains("the time was up"), "{way}: {said}");
                let pids: Vec<u32> = scratch
                    .read("pids")
                    .lines()
                    .map(|line| line.split_once(' ').unwrap().1.parse().unwrap())
                    .collect();
                assert_eq!(pids.len(), 2, "{way}");
                let left = pids.into_iter().filter(|pid| lives(*pid)).collect::<Vec<_>>();
                assert_eq!(left, [0_u32; 0], "{way}: {said}");
                assert!(gaps(&scratch.trace("trace")).contains(&"ended-early"), "{way}");
            });
        }
    });
}
