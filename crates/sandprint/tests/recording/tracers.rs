//! Other tools trace the same processes: they work as without us, and we count as without them.

use std::process::Command;

use crate::calls::{Row, differences, table, totals};
use crate::header::{Size, Witness};
use crate::recorder::{self, CHOSEN, Recording};
use testkit::expect;

use crate::{turns, workshop};

#[test]
fn a_process_under_strace_is_recorded_exactly_and_strace_sees_it_all() {
    let log = tempfile::NamedTempFile::new().expect("a temporary file");
    let log_path = log.path().to_str().expect("temporary paths are text");
    let tracer = ["strace", "-f", "-c", "-o", log_path];
    let Some(_) = record_traced(&tracer) else { return };
    let summary = std::fs::read_to_string(log.path()).expect("strace wrote its table");
    let of_getppid = summary.lines().find(|line| line.ends_with("getppid")).expect("strace saw the loop");
    let calls = of_getppid.split_whitespace().nth(3);
    assert_eq!(calls, Some("1000"), "{summary}");
}

#[test]
fn a_process_under_a_debugger_is_recorded_exactly_and_can_be_debugged() {
    let tracer = [
        "gdb",
        "-batch",
        "-nx",
        "-ex",
        "set startup-with-shell off",
        "-ex",
        "break witness",
        "-ex",
        "run",
        "-ex",
        "finish",
        "-ex",
        "continue",
        "--args",
    ];
    let Some(recording) = record_traced(&tracer) else { return };
    assert!(recording.stdout.contains("Breakpoint 1, "), "{}", recording.stdout);
    assert!(recording.stdout.contains("exited normally"), "{}", recording.stdout);
}

/// Records a tool that runs the loop under its eye, and checks the loop's own calls.
fn record_traced(tracer: &[&str]) -> Option<Recording> {
    let _turn = turns::beside_others();
    if !recorder::can_record() {
        return None;
    }
    let mut probe = Command::new(tracer[0]);
    if let Err(error) = probe.arg("--version").output() {
        expect::skip("oracle", &format!("{}: {error}", tracer[0]));
        return None;
    }
    let witness = Witness::load("getppid_loop");
    let folder = workshop::stage(&witness).map_err(|why| expect::skip("gcc", &why)).ok()?;
    let command = witness.command(Size::Recorded);
    let line = tracer.iter().map(|word| (*word).to_owned()).chain(command);
    let recording = recorder::record(&[], CHOSEN, &line.collect::<Vec<_>>(), folder.path());
    assert_eq!(recording.status.code(), Some(0), "{}{}", recording.stdout, recording.stderr);

    let mut expected = totals(&witness.expected(Size::Recorded));
    // The call that started it was the tool's.
    expected.retain(|key, _| !key.to_string().ends_with(" execve"));
    let of_loop = |row: &Row| row.image.ends_with("/getppid_loop");
    let rows: Vec<Row> = recording.trace.by_image().into_iter().filter(of_loop).collect();
    assert_eq!(differences(&expected, &totals(&table(&rows, &expected))), "", "under {}", tracer[0]);
    assert_eq!(recording.trace.gaps(), [].into());
    Some(recording)
}
