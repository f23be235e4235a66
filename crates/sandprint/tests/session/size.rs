//! What a recording costs: its size does not grow with what it saw, and nothing is left over.

use std::fs;

use sandprint_model::Exit;

use crate::scratch::Scratch;
use crate::traced::{RUN_WAYS, count, gaps_by};
use testkit::beside::Beside;
use testkit::wait::until;

/// The most memory that a process ever had, in KiB, as long as it lives.
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// The levels of detail, with the most memory of a recording in MiB: what the kernel sends of files is 8 MiB of it, which
/// are mapped twice.
const MOST: [(&str, u64); 2] = [("calls", 32), ("full", 64)];

#[test]
fn memory_and_trace_stay_small_however_much_happens() {
    for (way, (detail, mib)) in RUN_WAYS.into_iter().flat_map(|way| MOST.map(|most| (way, most))) {
        let Some(scratch) = Scratch::new() else { return };
        let run = ["run", "--detail", detail, "--", &scratch.workload(), "forks", "20000"];
        let mut recorder = Beside::start(&mut scratch.profile(way, &run));
        let mut most = 0;
        let status = until("the end of 20,000 forks", || {
            most = most.max(peak(recorder.pid()).unwrap_or(0));
            recorder.try_wait()
        });
        assert_eq!(status.code(), Some(0));
        assert!(most > 0 && most < mib * 1024, "{way} {detail}: {most} KiB");
        let trace = scratch.trace("trace");
        assert_eq!((count(&trace, "wait4"), gaps_by(way, &trace)), (20_000, vec![]), "{way}");
        assert_eq!(trace.runs.values().map(|run| run.exit).collect::<Vec<_>>(), [Some(Exit::Code(0))]);
        let size = fs::metadata(scratch.path("trace")).unwrap().len();
        assert!(size < 64 * 1024, "{way}: {size} bytes");
        assert_eq!(scratch.files(), ["trace"]);
    }
}
