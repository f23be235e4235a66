//! What a recording costs besides time: memory of the recorder, of its BPF maps, and the size of the trace.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;

use super::instrument::{Instrument, TRACE, recorded};
use super::workload::full_storm;
use super::workshop::{Workshop, words};

/// One recording, from outside.
pub(super) struct Footprint {
    pub(super) what: String,
    /// Recorded calls.
    pub(super) calls: u64,
    /// Peak resident memory of sandprint and of the largest of its children, whichever is more, in KiB.
    pub(super) peak_kib: u64,
    pub(super) maps: Maps,
    /// Size of the trace, in bytes.
    pub(super) trace: u64,
}

/// The memory of BPF maps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Maps {
    /// What the kernel says they take, in bytes.
    pub(super) bytes: u64,
    /// What each followed task takes besides, in its task storage, in bytes. The kernel's figure is without it.
    pub(super) per_task: u64,
}

/// A short and a long recording of the same behaviour, and a storm.
pub(super) fn measure(workshop: &Workshop) -> anyhow::Result<Vec<Footprint>> {
    let (short, long) = if workshop.quick { (100, 400) } else { (1_000, 60_000) };
    let steady = |milliseconds: u32| {
        let what = format!("calls and new processes for {} s", f64::from(milliseconds) / 1e3);
        (what, words(&["./steady", &milliseconds.to_string()]))
    };
    let storm = ("fork storm, 64 processes at once".to_owned(), full_storm(workshop));
    [steady(short), steady(long), storm]
        .into_iter()
        .map(|(what, argv)| record(workshop, what, argv))
        .collect()
}

fn record(workshop: &Workshop, what: String, argv: Vec<String>) -> anyhow::Result<Footprint> {
    super::progress(&format!("memory and trace: {what}"));
    let mut line = words(&["./peak"]);
    line.extend(Instrument::Sandprint.wrap(workshop, argv));
    let mut running = workshop.start("peak", &line)?;
    let pid = running.first_line()?;
    let pid: u32 = pid.strip_prefix("pid ").and_then(|pid| pid.parse().ok()).context("understand a PID")?;
    let mut maps = Maps::default();
    // Its descriptors are gone when it is.
    while let Some(now) = maps_of(pid) {
        maps = maps.max(now);
        thread::sleep(Duration::from_millis(50));
    }
    let output = running.wait()?.output;
    let peak = output.lines().find_map(|line| line.strip_prefix("peak_kib "));
    let peak_kib = peak.and_then(|peak| peak.parse().ok()).context("understand a peak of memory")?;
    let trace = std::fs::metadata(workshop.directory().join(TRACE)).context("look at the trace")?.len();
    Ok(Footprint { what, calls: recorded(workshop, None)?, peak_kib, maps, trace })
}

/// The maps that a process has descriptors of; none once it has no descriptors at all.
fn maps_of(pid: u32) -> Option<Maps> {
    let directory = PathBuf::from(format!("/proc/{pid}/fdinfo"));
    let mut descriptors = std::fs::read_dir(directory).ok()?.flatten().peekable();
    descriptors.peek()?;
    let texts = descriptors.filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    Some(total(texts))
}

/// Adds up the maps among some `/proc/PID/fdinfo` files, each map once.
fn total(texts: impl Iterator<Item = String>) -> Maps {
    /// `BPF_MAP_TYPE_TASK_STORAGE` of linux/bpf.h.
    const TASK_STORAGE: u64 = 29;
    let mut maps = BTreeMap::new();
    for text in texts {
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.trim().parse::<u64>().ok()
        };
        if let (Some(id), Some(bytes)) = (field("map_id"), field("memlock")) {
            let stored = field("map_type") == Some(TASK_STORAGE);
            maps.insert(id, (bytes, if stored { field("value_size").unwrap_or(0) } else { 0 }));
        }
    }
    Maps {
        bytes: maps.values().map(|(bytes, _)| bytes).sum(),
        per_task: maps.values().map(|(_, value)| value).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_map_counts_once_and_other_descriptors_do_not() {
        let map = |id: u32, kind: u32, value: u32, bytes: u32| {
            format!(
                "pos:\t0\nflags:\t02000002\nmap_type:\t{kind}\nkey_size:\t4\nvalue_size:\t{value}\n\
                 max_entries:\t1\nmap_flags:\t0x0\nmemlock:\t{bytes}\nmap_id:\t{id}\nfrozen:\t0\n"
            )
        };
        let program = "pos:\t0\nprog_type:\t26\nmemlock:\t4096\nprog_id:\t7\n".to_owned();
        let texts = [map(1, 2, 8, 4096), map(2, 29, 3856, 512), program, map(1, 2, 8, 4096), String::new()];
        assert_eq!(total(texts.into_iter()), Maps { bytes: 4608, per_task: 3856 });
    }
}
