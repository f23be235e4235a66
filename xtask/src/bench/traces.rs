//! The rows about traces: large ones, and many.
//!
//! Memory is the peak that the kernel tells of the process, which other work on the machine does not disturb.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;

use super::workload::Workload;
use super::workshop::{Workshop, words};

/// One large trace, read and written.
pub(super) const LARGE_PEAK: Workload = Workload {
    title: "read and write a trace of 100,000 facts, at its peak",
    unit: "MiB",
    rounds: 3,
    suffers: false,
    measure: |workshop, _| Ok(large(workshop)?.peak_bytes() / 1024.0 / 1024.0),
};
/// The same, for each fact.
pub(super) const LARGE_FACT: Workload = Workload {
    title: "read and write a trace of 100,000 facts, at its peak for each fact",
    unit: "bytes",
    measure: |workshop, _| {
        let large = large(workshop)?;
        Ok(large.peak_bytes() / f64::from(large.facts))
    },
    ..LARGE_PEAK
};
/// Many small traces that become one.
pub(super) const MERGE: Workload = Workload {
    title: "merge 10,000 traces of `ls`, start to end",
    unit: "s",
    rounds: 5,
    measure: |workshop, _| Ok(merged(workshop)?.seconds),
    ..LARGE_PEAK
};
/// The memory of that, for each fact in each run.
pub(super) const MERGE_PAIR: Workload = Workload {
    title: "merge 10,000 traces of `ls`, at its peak for each fact and run",
    unit: "bytes",
    measure: |workshop, _| {
        let merged = merged(workshop)?;
        Ok(merged.peak_bytes() / f64::from(merged.facts))
    },
    ..LARGE_PEAK
};

const FACTS: u32 = 100_000;
/// How many calls each program of the large trace makes.
const CALLS: u32 = 100;
const TRACES: u32 = 10_000;
/// The numbers of the calls of `ls` on x86-64.
const LS: [u32; 23] =
    [0, 1, 3, 5, 8, 9, 10, 11, 12, 16, 17, 21, 59, 72, 137, 157, 158, 217, 218, 231, 257, 273, 302];

/// What one command took.
struct Taken {
    facts: u32,
    peak_kib: u32,
    seconds: f64,
}

impl Taken {
    fn peak_bytes(&self) -> f64 {
        f64::from(self.peak_kib) * 1024.0
    }
}

fn large(workshop: &Workshop) -> anyhow::Result<Taken> {
    let images = (workshop.amount(FACTS, false) / CALLS).max(1);
    let path = "large.json".to_owned();
    let file = workshop.directory().join(&path);
    if !file.is_file() {
        let paths = (0..images).map(|image| format!("/usr/lib/package/libexec/program-{image}"));
        let calls: Vec<u32> = (0..CALLS).collect();
        std::fs::write(&file, trace(7, &paths.collect::<Vec<_>>(), &calls)).context("write a trace")?;
    }
    merge(workshop, images * CALLS, vec![path])
}

fn merged(workshop: &Workshop) -> anyhow::Result<Taken> {
    let traces = workshop.amount(TRACES, false);
    let directory = PathBuf::from("traces");
    std::fs::create_dir_all(workshop.directory().join(&directory)).context("make a directory")?;
    let path = |run: u32| directory.join(format!("{run}.json")).display().to_string();
    let image = ["/usr/bin/ls".to_owned()];
    if !workshop.directory().join(path(traces)).is_file() {
        for run in 1..=traces {
            // Ids come in no order, as random ones do.
            let id = u128::from(run).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            std::fs::write(workshop.directory().join(path(run)), trace(id, &image, &LS))
                .context("write a trace")?;
        }
    }
    let facts = traces.saturating_mul(u32::try_from(LS.len()).unwrap_or(u32::MAX));
    merge(workshop, facts, (1..=traces).map(path).collect())
}

fn merge(workshop: &Workshop, facts: u32, traces: Vec<String>) -> anyhow::Result<Taken> {
    let mut line = words(&["./peak", &workshop.sandprint.display().to_string(), "profile", "merge", "-o"]);
    line.push("merged.json".to_owned());
    line.extend(traces);
    let finished = workshop.run(&line)?;
    let peak = finished.output.lines().find_map(|line| line.strip_prefix("peak_kib "));
    let peak_kib = peak.and_then(|peak| peak.parse().ok()).context("understand a peak of memory")?;
    Ok(Taken { facts, peak_kib, seconds: finished.elapsed.as_secs_f64() })
}

/// A trace of one run, in which each of the programs makes all of the calls; as a recording has it.
fn trace(run: u128, images: &[String], calls: &[u32]) -> String {
    let mut rows = Vec::new();
    let mut groups = Vec::new();
    for (at, path) in images.iter().enumerate() {
        rows.push(format!("    {{\"path\":\"{path}\",\"build_id\":\"{at:040x}\"}}"));
        let mut group = format!(
            "    {{\"run\":0,\"image\":{at},\"abi\":\"x86_64\",\
             \"tasks\":[{{\"tgid\":{at},\"tid\":{at},\"comm\":\"program\"}}],\"calls\":["
        );
        for (place, nr) in calls.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            // Writing to a String cannot fail.
            write!(
                group,
                "{comma}\n      {{\"nr\":{nr},\"count\":{},\"first\":{{\"ns\":{},\"task\":0}}}}",
                place + 1,
                place * 1_000
            )
            .unwrap_or_default();
        }
        group.push_str("\n    ]}");
        groups.push(group);
    }
    format!(
        "{{\n  \"format\": \"sandprint-trace\",\n  \"version\": 1,\n  \
         \"tool\": {{\"name\":\"sandprint\",\"version\":\"0.1.0\"}},\n  \"runs\": [\n    \
         {{\"id\":\"{run:032x}\",\"command\":[\"ls\"],\"recorder\":\"ebpf\",\"tool_version\":\"0.1.0\",\
         \"started_unix_ms\":1700000000000,\"duration_ms\":5,\"exit\":{{\"code\":0}},\
         \"host\":{{\"kernel\":\"6.1.0-50-amd64\",\"arch\":\"x86_64\"}}}}\n  ],\n  \"images\": [\n{}\n  ],\n  \
         \"observations\": [\n{}\n  ],\n  \"gaps\": []\n}}\n",
        rows.join(",\n"),
        groups.join(",\n")
    )
}
