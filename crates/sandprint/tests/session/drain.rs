//! Counts that live tasks still have for themselves when they are read: each is in the trace once.

use std::collections::BTreeMap;
use std::time::Duration;

use sandprint_model::Trace;

use crate::scratch::Scratch;
use crate::traced::{RUN_WAYS, WAYS, count, gaps_by, milliseconds, rare};
use testkit::beside::Beside;
use testkit::wait::long_enough;

/// `busy` runs so many processes that churn; each can be between the two calls of a pair.
const CHURNING: u64 = 2;

/// The calls of a pair come together, unless one life was cut between them by the end of the recording.
fn assert_paired(trace: &Trace, lives: u64, words: &str) {
    let (own, shared) = (count(trace, "sched_get_priority_min"), count(trace, "#900"));
    assert!(own >= shared && own <= shared + lives, "{words}: {own} counted by tasks, {shared} in the map");
    assert!(shared > 0, "{words}: hardly anything happened");
}

#[test]
fn threads_that_are_left_running_are_counted_exactly() {
    for way in RUN_WAYS {
        let Some(scratch) = Scratch::new() else { return };
        let arguments = ["run", "--until", "main", "--", &scratch.workload(), "busy", "6"];
        let mut recorder =
            Beside::start(scratch.profile(way, &arguments).stdin(std::process::Stdio::piped()));
        assert_eq!(recorder.wait().code(), Some(0), "{}", scratch.read("said"));
        let trace = scratch.trace("trace");
        recorder.go();
        assert_eq!((rare(&trace), gaps_by(way, &trace)), (6 * 50_000, vec![]), "{way}");
        assert_paired(&trace, CHURNING, way);
    }
}

#[test]
fn tasks_that_exec_or_end_while_they_are_read_are_counted_once() {
    for way in WAYS.into_iter().cycle().take(4) {
        long_enough(Duration::from_millis(800), |time| churned(way, time));
    }
}

/// `None` if hardly anything happened in that time.
fn churned(way: &str, time: Duration) -> Option<()> {
    let Some(scratch) = Scratch::new() else { return Some(()) };
    let mut churns: Vec<Beside> = (0..2).map(|_| scratch.start_workload(&["churn"])).collect();
    let pids: Vec<String> = churns.iter().map(|churn| churn.pid().to_string()).collect();
    let time = milliseconds(time);
    let mut arguments = vec!["attach", "--duration", &time, "--pid"];
    arguments.extend(pids.iter().map(String::as_str));
    let mut command = scratch.profile(way, &arguments);
    let mut recorder = Beside::start(command.env("SANDPRINT_CHECKPOINT_MS", "5"));
    let mut last: BTreeMap<_, u64> = BTreeMap::new();
    while recorder.try_wait().is_none() {
        // What is saved meanwhile takes the place of a file that was not there.
        if let Ok(bytes) = std::fs::read(scratch.path("trace")) {
            let now = sandprint_model::wire::decode_trace(&bytes).unwrap().totals();
            last = now.into_iter().collect();
        }
    }
    let trace = scratch.trace("trace");
    // Begun between the two calls of a life, and ended there.
    let (own, shared) = (count(&trace, "sched_get_priority_min"), count(&trace, "#900"));
    assert!(own + CHURNING >= shared && own <= shared + CHURNING, "{way}: {own} and {shared}");
    let totals: BTreeMap<_, u64> = trace.totals().into_iter().collect();
    for (call, count) in last {
        assert!(count <= totals[&call], "{way}: a checkpoint has {count} of {call:?}, and the end less");
    }
    for churn in &mut churns {
        churn.go();
        churn.wait();
    }
    (shared > 0).then_some(())
}
