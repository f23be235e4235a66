//! A file system that stops answering: the recording goes on and ends, and says what it could not find out; and what
//! nothing can end is named and left.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use sandprint_model::GapKind;

use crate::scratch::Scratch;
use crate::traced::{NOTIFY, PTRACE, RUN_WAYS, gaps, milliseconds};
use testkit::beside::Beside;
use testkit::expect::skip;
use testkit::gcc;
use testkit::mounts::why_no_mounts;
use testkit::process::{children, is_running, lives};
use testkit::signals::send_named;
use testkit::wait::{long_enough, until};

/// A recording in a mount namespace of its own, so that nothing is left mounted, where `mounted/p` is this program; and
/// an instant before its start.
fn beside_a_server(scratch: &Scratch, way: &str, program: &str, arguments: &[&str]) -> (Instant, Beside) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/session/stuck.c");
    gcc::build(&source, &scratch.path("server"), &[]).unwrap();
    fs::create_dir(scratch.path("mounted")).unwrap();
    let script = "./server \"$0\" mounted & server=$!
        while [ ! -e mounted/p ] && kill -0 $server; do sleep 0.01; done; [ -e mounted/p ] || exit 77
        \"$@\"; echo $? > status; kill -9 $server";
    let around = ["unshare", "-m", "sh", "-c", script, program];
    let mut command = scratch.profile_under(&around, way, arguments);
    command.stdout(File::create(scratch.path("ledger")).unwrap());
    (Instant::now(), Beside::start(&mut command))
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
        let arguments = ["run", "--timeout", "100s", "--", "mounted/p"];
        let (_, mut recorder) = beside_a_server(&scratch, way, "/bin/true", &arguments);
        let Some(status) = ended(&scratch, &mut recorder) else { return };
        assert_eq!(status, "0", "{way}: {}", scratch.read("said"));
        // Nor is it the time that was set which ended it.
        assert!(!scratch.read("said").contains("the time "), "{way}: {}", scratch.read("said"));
        let trace = scratch.trace("trace");
        let gaps: Vec<_> = trace
            .gaps
            .keys()
            // Nor can links on the way to it be followed; whether there are such depends on where the test runs.
            .filter(|gap| !matches!(gap.kind, GapKind::CountsInexact | GapKind::LinksUnfollowed))
            .map(|gap| (gap.kind, gap.detail.clone().unwrap_or_default()))
            .collect();
        let path = scratch.path("mounted/p").to_str().unwrap().to_owned();
        assert_eq!(gaps, [(GapKind::ImageUnreadable, format!("the build id of {path}"))], "{way}");
        assert_eq!(crate::traced::count(&trace, "execve"), 1, "{way}");
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
    if name.is_empty() {
        long_enough(Duration::from_millis(1500), |limit| ends_within(limit, way, name, status));
    } else {
        ends_within(Duration::from_secs(1000), way, name, status).unwrap();
    }
}

/// `None` if the time was up before anybody hung.
fn ends_within(limit: Duration, way: &str, name: &str, status: &str) -> Option<()> {
    let Some(scratch) = Scratch::new() else { return Some(()) };
    let script = "echo $PPID > recorder; exec mounted/p 1000";
    let arguments = ["run", "--timeout", &milliseconds(limit), "--", "sh", "-c", script];
    let (begin, mut recorder) = beside_a_server(&scratch, way, "/bin/sleep", &arguments);
    // Whoever looks into the program.
    let hung = until_hung(&scratch, &mut recorder) && begin.elapsed() < limit;
    if hung && !name.is_empty() {
        let own: u32 = scratch.read("recorder").trim().parse().unwrap();
        let pid = until("its execve", || children(own).into_iter().find(|pid| is_running(*pid, "p")));
        send_named(pid, name);
        send_named(own, name);
    }
    let Some(ended) = ended(&scratch, &mut recorder) else { return Some(()) };
    if !hung {
        return None;
    }
    let said = scratch.read("said");
    assert_eq!(ended, status, "{way} {name}: {said}");
    assert_eq!(said.contains("the time was up"), name.is_empty(), "{way} {name}: {said}");
    let trace = scratch.trace("trace");
    assert!(gaps(&trace).contains(&"image-unreadable"), "{way} {name}: {:?}", trace.gaps);
    Some(())
}

/// Waits until somebody waits for the server for ever; false if the recording has ended instead.
fn until_hung(scratch: &Scratch, recorder: &mut Beside) -> bool {
    until("who hangs, or the end", || {
        let ended = recorder.try_wait().is_some();
        if scratch.read("ledger").contains("held") { Some(true) } else { ended.then_some(false) }
    })
}

#[test]
fn what_waits_for_it_for_ever_is_named_and_left() {
    if let Some(why) = why_no_mounts() {
        return skip("root", &why);
    }
    thread::scope(|scope| {
        for way in ["storage", NOTIFY, PTRACE] {
            scope.spawn(move || long_enough(Duration::from_millis(1500), |limit| hangs(way, limit)));
        }
    });
}

/// Of a command that hangs where no signal reaches it: its second open is never answered. `None` if its time was up
/// before.
fn hangs(way: &str, limit: Duration) -> Option<()> {
    let Some(scratch) = Scratch::new() else { return Some(()) };
    let script = "cat mounted/p > /dev/null; echo $$ > begun; exec cat mounted/p";
    let time = milliseconds(limit);
    let arguments = ["run", "--timeout", &time, "--", "sh", "-c", script];
    let (begin, mut recorder) = beside_a_server(&scratch, way, "/bin/true", &arguments);
    let hung = until_hung(&scratch, &mut recorder) && begin.elapsed() < limit;
    let Some(status) = ended(&scratch, &mut recorder) else { return Some(()) };
    if !hung {
        return None;
    }
    let said = scratch.read("said");
    assert_eq!(status, "125", "{way}: {said}");
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
    let told = format!("the time of {}s was up; left running: {whom}", limit.as_secs_f64());
    let details: Vec<_> = trace.gaps.keys().filter_map(|gap| gap.detail.clone()).collect();
    assert!(details.iter().any(|detail| detail.starts_with(&told)), "{way}: {details:?}");
    until("the end of what hung", || (!lives(pid)).then_some(()));
    Some(())
}

#[test]
fn what_the_workloads_own_tracer_has_stopped_is_ended_in_its_time() {
    thread::scope(|scope| {
        for way in ["storage", NOTIFY, PTRACE] {
            scope.spawn(move || long_enough(Duration::from_secs(1), |limit| traced_in_time(way, limit)));
        }
    });
}

/// `None` if its time was up before it had stopped what it traces.
fn traced_in_time(way: &str, limit: Duration) -> Option<()> {
    let Some(scratch) = Scratch::new() else { return Some(()) };
    let arguments = ["run", "--timeout", &milliseconds(limit), "--", &scratch.workload(), "traced"];
    let begin = Instant::now();
    let mut recorder = Beside::start(&mut scratch.profile(way, &arguments));
    let was_ready = until("both, or the end", || {
        let is_ready = scratch.read("pids").contains("tracer ");
        is_ready.then(|| begin.elapsed() < limit).or_else(|| recorder.try_wait().map(|_| false))
    });
    let status = recorder.wait();
    if !was_ready {
        return None;
    }
    let said = scratch.read("said");
    assert_eq!(status.signal(), Some(9), "{way}: {said}");
    assert!(said.contains("the time was up"), "{way}: {said}");
    let text = scratch.read("pids");
    let pids: Vec<u32> = text.lines().map(|line| line.split_once(' ').unwrap().1.parse().unwrap()).collect();
    assert_eq!(pids.len(), 2, "{way}");
    let left = pids.into_iter().filter(|pid| lives(*pid)).collect::<Vec<_>>();
    assert_eq!(left, [0_u32; 0], "{way}: {said}");
    assert!(gaps(&scratch.trace("trace")).contains(&"ended-early"), "{way}");
    Some(())
}
