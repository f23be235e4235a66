//! What is promised of trace files, held against the file system.

mod shared;

use super::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use sandprint_model::{Abi, CallSeen, Exit, Gap, GapKind, Recorder, Run, RunId, Subject, Syscall};

/// A trace of one run with one call.
fn trace(run: u128) -> Trace {
    let id = RunId::from_bits(run);
    let mut trace = Trace::default();
    trace.runs.insert(
        id,
        Run {
            duration_ms: Some(5),
            exit: Some(Exit::Code(0)),
            name: None,
            command: vec!["true".into()],
            target: None,
            recorder: Recorder::Ebpf,
            started_unix_ms: Some(1),
            host: None,
            tool_version: "0.1.0".to_owned(),
            facts: std::collections::BTreeSet::new(),
            peaks: std::collections::BTreeMap::new(),
        },
    );
    let getpid = Syscall { abi: Abi::X86_64, nr: 39 };
    trace.calls.join(Subject::default(), getpid, id, CallSeen::times(1));
    trace
}

fn unfinished(run: u128) -> Trace {
    let mut trace = trace(run);
    let run = RunId::from_bits(run);
    for run in trace.runs.values_mut() {
        run.exit = None;
        run.duration_ms = Some(1);
    }
    trace.note_gap(Gap { kind: GapKind::Unfinished, run, detail: None }, 0);
    trace
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_trace_reads_back_as_it_was_written() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("t.json");
    TraceOutput::prepare(&path, false).unwrap().write(&trace(1)).unwrap();
    assert_eq!(read(&path).unwrap(), trace(1));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn preparing_changes_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("t.json");
    TraceOutput::prepare(&path, false).unwrap();
    assert_eq!(names(scratch.path()), [] as [&str; 0]);
    fs::write(&path, "old").unwrap();
    TraceOutput::prepare(&path, false).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

#[test]
fn appending_to_something_else_is_refused_before_the_workload_runs() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("t.json");
    for content in ["", "text", "{}"] {
        fs::write(&path, content).unwrap();
        let result = TraceOutput::prepare(&path, true);
        assert!(matches!(result, Err(TraceOutputError::Read(_))), "{content:?}: {result:?}");
        assert_eq!(fs::read(&path).unwrap(), content.as_bytes());
    }
    for path in ["-", "/dev/null"] {
        let result = TraceOutput::prepare(Path::new(path), true);
        assert!(matches!(result, Err(TraceOutputError::NothingToAppendTo(_))), "{path}");
    }
}

#[test]
fn appending_follows_a_link_and_keeps_it() {
    let scratch = tempfile::tempdir().unwrap();
    let link = scratch.path().join("latest");
    symlink("real.json", &link).unwrap();
    for run in [1, 2] {
        TraceOutput::prepare(&link, true).unwrap().write(&trace(run)).unwrap();
    }
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("real.json"));
    assert_eq!(read(&scratch.path().join("real.json")).unwrap().runs.len(), 2);
    assert_eq!(names(scratch.path()), ["latest", "real.json"]);
}

#[test]
fn every_writer_that_appends_gets_in() {
    const WRITERS: u128 = 16;
    const RUNS: u128 = 5;
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("t.json");
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let path = &path;
            scope.spawn(move || {
                for run in 0..RUNS {
                    TraceOutput::prepare(path, true).unwrap().write(&trace(writer * RUNS + run)).unwrap();
                }
            });
        }
    });
    let merged = read(&path).unwrap();
    let expected: Vec<_> = (0..WRITERS * RUNS).map(RunId::from_bits).collect();
    assert_eq!(merged.runs.into_keys().collect::<Vec<_>>(), expected);
    assert_eq!(names(scratch.path()), ["t.json"]);
}

#[test]
fn a_checkpoint_never_replaces_what_was_there_before() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("t.json");
    let output = TraceOutput::prepare(&path, false).unwrap();
    output.checkpoint(&unfinished(1)).unwrap();
    output.checkpoint(&unfinished(1)).unwrap();
    assert_eq!(read(&path).unwrap(), unfinished(1));
    output.write(&trace(1)).unwrap();
    assert_eq!(read(&path).unwrap(), trace(1));
    assert_eq!(names(scratch.path()), ["t.json"]);

    let output = TraceOutput::prepare(&path, false).unwrap();
    output.checkpoint(&unfinished(2)).unwrap();
    assert_eq!(read(&path).unwrap(), trace(1));
    assert_eq!(names(scratch.path()), ["t.json", "t.json.partial"]);
    assert_eq!(read(&scratch.path().join("t.json.partial")).unwrap(), unfinished(2));
    output.write(&trace(2)).unwrap();
    assert_eq!(read(&path).unwrap(), trace(2));
    assert_eq!(names(scratch.path()), ["t.json"]);
}

#[test]
fn the_end_of_a_run_takes_the_place_of_its_appended_checkpoint() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("t.json");
    TraceOutput::prepare(&path, true).unwrap().write(&unfinished(7)).unwrap();
    let output = TraceOutput::prepare(&path, true).unwrap();
    output.checkpoint(&unfinished(1)).unwrap();
    let mut expected = unfinished(7);
    expected.merge(unfinished(1));
    assert_eq!(read(&path).unwrap(), expected);
    output.write(&trace(1)).unwrap();
    let mut expected = unfinished(7);
    expected.merge(trace(1));
    assert_eq!(read(&path).unwrap(), expected);
}

#[test]
fn a_device_is_written_and_stays_a_device() {
    TraceOutput::prepare(Path::new("/dev/null"), false).unwrap().write(&trace(1)).unwrap();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
    let full = TraceOutput::prepare(Path::new("/dev/full"), false).unwrap().write(&trace(1)).unwrap_err();
    assert_eq!(format!("{full:#}"), "failed to write `/dev/full`: No space left on device (os error 28)");
}

/// What is written as it comes is read as it comes; a small trace is read at once.
#[test]
fn traces_of_any_size_are_written_and_read() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("t.json");
    for facts in [1, 100, 40_000] {
        let mut large = trace(1);
        for nr in 0..facts {
            let call = Syscall { abi: Abi::X86_64, nr };
            large.calls.join(Subject::default(), call, RunId::from_bits(1), CallSeen::times(u64::from(nr)));
        }
        Destination::File(path.clone()).write(&large, Privacy::Private).unwrap();
        assert_eq!(read(&path).unwrap(), large);
    }
    // One that ends early is named as such, whichever way it is read.
    let text = fs::read(&path).unwrap();
    fs::write(&path, &text[..text.len() - 3]).unwrap();
    assert!(matches!(
        read(&path),
        Err(ReadError::Decode { source: sandprint_model::wire::DecodeError::Truncated { .. }, .. })
    ));
}
