//! A recording of what runs already has every task of it, and every child, however it comes in.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use sandprint_model::GapKind;

use crate::calls::{Named, Table, differences, table, totals};
use crate::header::{Size, Witness};
use crate::recorder::{self, SANDPRINT, TraceFile};
use crate::{expect, run, turns, workshop};

#[test]
fn threads_and_descendants_of_a_running_process_are_recorded_exactly() {
    let Some((witness, seen)) = attach("family", Released::WhenRecording) else { return };
    let expected = totals(&witness.expected(Size::Recorded));
    assert_eq!(differences(&expected, &seen), "");
}

#[test]
fn no_child_that_is_born_meanwhile_is_missed() {
    let Some((witness, seen)) = attach("forks_on", Released::WhenItSays("all")) else { return };
    let of = |name: &str| {
        let call = Named::Name(name.to_owned());
        seen.iter().find(|(key, _)| key.call == call).map_or(0, |(_, count)| *count)
    };
    let children = of("getuid");
    assert!((1..children).contains(&of("clone")), "the recording began in the middle: {seen:?}");
    // How many of these were made before it began depends on when that was.
    let before_or_after = ["clone", "nanosleep", "read", "write"].map(|name| Named::Name(name.to_owned()));
    let mut seen = seen;
    seen.retain(|key, _| !before_or_after.contains(&key.call));
    let expected = totals(&witness.expected(Size::Recorded));
    assert_eq!(differences(&expected, &seen), "");
}

/// When the witness learns that it may go on.
#[derive(Clone, Copy)]
enum Released {
    /// Once the recording has begun.
    WhenRecording,
    /// Then, and once it has written this.
    WhenItSays(&'static str),
}

/// Starts a witness, attaches to it, releases it, and gives the calls that were recorded.
fn attach(name: &str, released: Released) -> Option<(Witness, Table)> {
    let _turn = turns::beside_others();
    if !recorder::can_record() {
        return None;
    }
    if let Err(error) = Command::new("script").arg("--version").output() {
        expect::skip("script", &error.to_string());
        return None;
    }
    let witness = Witness::load(name);
    let folder = workshop::stage(&witness).map_err(|why| expect::skip("gcc", &why)).ok()?;
    let said = folder.path().join("said");
    let words = witness.command(Size::Recorded);
    let mut command = Command::new(&words[0]);
    run::prepare(command.args(&words[1..]), folder.path());
    let stdout = File::create(&said).expect("the folder is ours");
    let mut target = command.stdin(Stdio::piped()).stdout(stdout).spawn().expect("it was just built");
    // The family is complete, and the forking has begun.
    thread::sleep(Duration::from_millis(300));

    let trace = folder.path().join("trace.json");
    let screen = folder.path().join("screen");
    let mut recorder = attached(target.id(), &trace, &screen);
    wait_for(&screen, "recording ");
    if let Released::WhenItSays(word) = released {
        wait_for(&said, word);
    }
    drop(target.stdin.take());
    assert_eq!(target.wait().expect("it is our child").code(), Some(0));
    let status = recorder.wait().expect("it is our child");
    assert_eq!(status.code(), Some(0), "{}", fs::read_to_string(&screen).unwrap_or_default());
    let trace_file = TraceFile(trace);
    assert_eq!(trace_file.gaps(), [GapKind::AttachedMidRun.name().to_owned()].into());
    let seen = totals(&table(&trace_file.totals(), &Table::new()));
    Some((witness, seen))
}

/// `sandprint profile attach` on a terminal of its own, whose screen goes to a file: there it says when it
/// records.
fn attached(pid: u32, trace: &Path, screen: &Path) -> Child {
    let line = format!("exec {SANDPRINT} profile attach --pid {pid} -o {}", trace.display());
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--flush", "--command", &line]).arg(screen);
    script.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("it was there a moment ago")
}

/// Waits until a file holds a text.
fn wait_for(file: &Path, text: &str) {
    let begin = Instant::now();
    loop {
        let bytes = fs::read(file).unwrap_or_default();
        if String::from_utf8_lossy(&bytes).contains(text) {
            return;
        }
        let so_far = String::from_utf8_lossy(&bytes);
        assert!(begin.elapsed() < run::DEADLINE, "{text:?} did not come; what came: {so_far}");
        thread::sleep(Duration::from_millis(5));
    }
}
