//! `cargo xtask bench`: measures the recorder beside its floor, strace and others, in one run.
//!
//! Rows are workloads, columns are instruments: what a workload runs under. A round measures every column once, one
//! after the other, so that whatever disturbs the machine disturbs neighbours alike; ratios are taken within a round.
//! No timing decides a test: figures are for people, and goals are printed as met or missed.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::{Command, repository_root};
use footprint::Footprint;
use instrument::Instrument;
use machine::Machine;
use sample::Samples;
use workload::Workload;
use workshop::Workshop;

mod footprint;
mod goals;
mod instrument;
mod machine;
mod process;
mod redis;
mod report;
mod sample;
mod workload;
mod workshop;

/// The entry in the list of commands.
pub(crate) const COMMAND: Command = Command {
    name: "bench",
    summary: "measure the recorder beside others; --quick tries the harness, --write keeps the table in docs/",
    run,
};

const USAGE: &str = "usage: cargo xtask bench [--quick | --write] [--sandprint FILE]";
/// Where `--write` puts the report, below the repository's root.
const DOCUMENT: &str = "docs/benchmarks.md";
/// Where a workload suffers from them, slow instruments take part in each round whose number this divides.
const SLOW_EVERY: usize = 3;

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    /// A smoke test of the harness: seconds, and figures that mean nothing.
    quick: bool,
    write: bool,
    /// The binary to measure.
    sandprint: PathBuf,
}

impl Options {
    fn parse(arguments: &[String]) -> anyhow::Result<Options> {
        let sandprint = repository_root().join("target/release/sandprint");
        let mut options = Options { quick: false, write: false, sandprint };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--write" => options.write = true,
                "--sandprint" => options.sandprint = arguments.next().context(USAGE)?.into(),
                _ => bail!(USAGE),
            }
        }
        // What --quick measures is no benchmark, and must not pass for one.
        if options.quick && options.write {
            bail!(USAGE);
        }
        Ok(options)
    }
}

/// The figures of one workload under one instrument; in words, why there are none.
type Cell = Result<Samples, String>;

/// One line of the table.
struct Row {
    workload: &'static Workload,
    cells: BTreeMap<Instrument, Cell>,
}

/// Everything that one run found out.
struct Findings {
    machine: Machine,
    quick: bool,
    /// How the workloads were kept from moving between CPUs.
    pinning: String,
    /// The package that python3 imported.
    package: Option<String>,
    rows: Vec<Row>,
    footprints: Result<Vec<Footprint>, String>,
    /// The most BPF programs of others that were attached when a round began; none where that cannot be told.
    others: Option<u32>,
}

fn run(arguments: &[String]) -> anyhow::Result<String> {
    let options = Options::parse(arguments)?;
    let workshop = Workshop::open(&options)?;
    // Before anything here makes it busy.
    let machine = Machine::look(&workshop);
    let absent: BTreeMap<Instrument, String> = Instrument::ALL
        .into_iter()
        .filter_map(|instrument| Some((instrument, instrument.probe(&workshop).err()?)))
        .collect();
    let mut others = None;
    let rows =
        workload::ALL.iter().map(|workload| measure(&workshop, workload, &absent, &mut others)).collect();
    let footprints = match absent.get(&Instrument::Sandprint) {
        Some(reason) => Err(reason.clone()),
        None => footprint::measure(&workshop).map_err(|error| workshop.reason(&error)),
    };
    let findings = Findings {
        machine,
        quick: options.quick,
        pinning: workshop.pinning(),
        package: workshop.python().ok().map(|python| python.package.clone()),
        rows,
        footprints,
        others,
    };
    let text = report::markdown(&findings);
    if options.write {
        write(&text)?;
    }
    Ok(text)
}

/// All rounds of a workload. An instrument that fails once has failed, and is not asked again.
fn measure(
    workshop: &Workshop,
    workload: &'static Workload,
    absent: &BTreeMap<Instrument, String>,
    others: &mut Option<u32>,
) -> Row {
    let mut cells: BTreeMap<Instrument, Cell> = Instrument::ALL
        .into_iter()
        .map(|instrument| (instrument, absent.get(&instrument).cloned().map_or(Ok(Samples::default()), Err)))
        .collect();
    // Fills caches. What it measures is nobody's, and what fails in it fails again in the first round.
    drop((workload.measure)(workshop, Instrument::Bare));
    let rounds = if workshop.quick { 1 } else { workload.rounds };
    for round in 0..rounds {
        progress(&format!("{}, round {} of {rounds}", workload.title, round + 1));
        *others = (*others).max(workshop.attached_programs());
        for (instrument, cell) in &mut cells {
            let Ok(samples) = cell else { continue };
            if workload.suffers && instrument.is_slow() && round % SLOW_EVERY != 0 {
                continue;
            }
            match (workload.measure)(workshop, *instrument) {
                Ok(value) => samples.add(round, value),
                Err(error) => *cell = Err(workshop.reason(&error)),
            }
        }
    }
    Row { workload, cells }
}

/// Tells whoever waits how far it is. That it cannot be told is no reason to stop.
fn progress(text: &str) {
    writeln!(std::io::stderr(), "{text}").unwrap_or_default();
}

/// Keeps the report, with the part of the old one that people wrote.
fn write(text: &str) -> anyhow::Result<()> {
    let path = repository_root().join(DOCUMENT);
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).context("create docs/")?;
    }
    std::fs::write(&path, report::with_notes_of(text, &old)).with_context(|| format!("write {DOCUMENT}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_run_is_never_kept_and_unknown_words_are_refused() {
        let parse = |line: &str| {
            let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            Options::parse(&arguments).map(|options| (options.quick, options.write)).ok()
        };
        for (line, expected) in [
            ("", Some((false, false))),
            ("--quick", Some((true, false))),
            ("--write --sandprint x", Some((false, true))),
            ("--quick --write", None),
            ("--sandprint", None),
            ("--slow", None),
        ] {
            assert_eq!(parse(line), expected, "{line}");
        }
    }
}
