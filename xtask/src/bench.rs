//! `cargo xtask bench`: measures the recorder beside its floor, strace and others, in one run.
//!
//! Rows are workloads, columns are instruments: what a workload runs under; each question has a table of its own. A round measures every column once, one
//! after the other, so that whatever disturbs the machine disturbs neighbours alike; ratios are taken within a round.
//! No timing decides a test: figures are for people, and goals are printed as met or missed.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::{Command, repository_root};
use companion::Companion;
use footprint::Footprint;
use instrument::Instrument;
use machine::Machine;
use sample::Samples;
use table::Table;
use workload::Workload;
use workshop::Workshop;

mod companion;
mod footprint;
mod full;
mod goals;
mod instrument;
mod machine;
mod policies;
mod process;
mod redis;
mod report;
mod rules;
mod sample;
mod table;
mod traces;
mod workload;
mod workshop;

/// The entry in the list of commands.
pub(crate) const COMMAND: Command = Command {
    name: "bench",
    summary: "measure sandprint beside others; --quick and --only try parts of it, --write keeps the tables in docs/",
    run,
};

const USAGE: &str = "\
usage: cargo xtask bench [--write] [--sandprint FILE]
       cargo xtask bench [--quick] [--rounds N] [--only TABLE | --only PART_OF_A_TITLE]... [--sandprint FILE]";
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
    /// So many rounds of everything.
    rounds: Option<usize>,
    /// Tables by name and rows by a part of their title; none for all.
    only: Vec<String>,
    /// The binary to measure.
    sandprint: PathBuf,
}

impl Options {
    fn parse(arguments: &[String]) -> anyhow::Result<Options> {
        let sandprint = repository_root().join("target/release/sandprint");
        let mut options = Options { quick: false, write: false, rounds: None, only: Vec::new(), sandprint };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--write" => options.write = true,
                "--rounds" => {
                    let rounds = arguments.next().and_then(|rounds| rounds.parse().ok());
                    options.rounds = Some(rounds.filter(|rounds| *rounds > 0).context(USAGE)?);
                }
                "--only" => options.only.push(arguments.next().context(USAGE)?.clone()),
                "--sandprint" => options.sandprint = arguments.next().context(USAGE)?.into(),
                _ => bail!(USAGE),
            }
        }
        // What a part of it measures is no benchmark, and must not pass for one.
        if options.is_partial() && options.write {
            bail!(USAGE);
        }
        let known = |word: &String| {
            let only = std::slice::from_ref(word);
            table::wants_memory(only) || table::ALL.iter().any(|table| !table.wanted(only).is_empty())
        };
        if let Some(word) = options.only.iter().find(|word| !known(word)) {
            bail!("no row has {word:?} in its title, and no table that name: there are {}", table::names());
        }
        Ok(options)
    }

    fn is_partial(&self) -> bool {
        self.quick || self.rounds.is_some() || !self.only.is_empty()
    }
}

/// The figures of one workload under one instrument; in words, why there are none.
type Cell = Result<Samples, String>;

/// One line of a table.
struct Row {
    workload: &'static Workload,
    cells: BTreeMap<Instrument, Cell>,
}

/// A table, as far as it was asked for.
struct Measured {
    table: &'static Table,
    rows: Vec<Row>,
}

/// Everything that one run found out.
struct Findings {
    machine: Machine,
    /// Whether this is not all that a benchmark measures.
    partial: bool,
    /// How the workloads were kept from moving between CPUs.
    pinning: String,
    /// The package that python3 imported.
    package: Option<String>,
    tables: Vec<Measured>,
    /// None where they were not asked for.
    footprints: Option<Result<Vec<Footprint>, String>>,
    /// The most BPF programs of others that were attached when a round began; none where that cannot be told.
    others: Option<u32>,
}

fn run(arguments: &[String]) -> anyhow::Result<String> {
    let options = Options::parse(arguments)?;
    let workshop = Workshop::open(&options)?;
    // Before anything here makes it busy.
    let machine = Machine::look(&workshop);
    let mut bench = Bench { workshop: &workshop, absent: BTreeMap::new(), others: None };
    let tables = table::ALL.iter().filter_map(|table| bench.table(table, &options.only)).collect();
    let footprints = table::wants_memory(&options.only).then(|| {
        bench.probed(Instrument::Sandprint)?;
        footprint::measure(&workshop).map_err(|error| workshop.reason(&error))
    });
    let findings = Findings {
        machine,
        partial: options.is_partial(),
        pinning: workshop.pinning(),
        package: workshop.python().ok().map(|python| python.package.clone()),
        tables,
        footprints,
        others: bench.others,
    };
    let text = report::markdown(&findings);
    if options.write {
        write(&text)?;
    }
    Ok(text)
}

/// A run, and what it has learned of the machine.
struct Bench<'a> {
    workshop: &'a Workshop,
    /// What was tried of the instruments: why one does not work here.
    absent: BTreeMap<Instrument, Option<String>>,
    /// See [`Findings::others`].
    others: Option<u32>,
}

impl Bench<'_> {
    /// The rows of a table that were asked for; none where there are none.
    fn table(&mut self, table: &'static Table, only: &[String]) -> Option<Measured> {
        let wanted = table.wanted(only);
        let rows: Vec<Row> = wanted.into_iter().map(|workload| self.row(table, workload)).collect();
        (!rows.is_empty()).then_some(Measured { table, rows })
    }

    /// Whether an instrument works here; each is tried once.
    fn probed(&mut self, instrument: Instrument) -> Result<(), String> {
        let tried = || instrument.probe(self.workshop).err();
        self.absent.entry(instrument).or_insert_with(tried).clone().map_or(Ok(()), Err)
    }

    /// All rounds of a workload. An instrument that fails once has failed, and is not asked again.
    fn row(&mut self, table: &Table, workload: &'static Workload) -> Row {
        let workshop = self.workshop;
        let mut cells: BTreeMap<Instrument, Cell> = table
            .columns
            .iter()
            .map(|instrument| (*instrument, self.probed(*instrument).map(|()| Samples::default())))
            .collect();
        // Fills caches. What it measures is nobody's, and what fails in it fails again in the first round.
        drop((workload.measure)(workshop, Instrument::Bare));
        let rounds = workshop.rounds(workload.rounds);
        for round in 0..rounds {
            progress(&format!("{}, round {} of {rounds}", workload.title, round + 1));
            self.others = self.others.max(workshop.attached_programs());
            for (instrument, cell) in &mut cells {
                let Ok(samples) = cell else { continue };
                if workload.suffers && instrument.is_slow() && round % SLOW_EVERY != 0 {
                    continue;
                }
                match figure(workshop, workload, *instrument) {
                    Ok(value) => samples.add(round, value),
                    Err(error) => *cell = Err(workshop.reason(&error)),
                }
            }
        }
        Row { workload, cells }
    }
}

/// One figure, with what watches beside it.
fn figure(workshop: &Workshop, workload: &Workload, instrument: Instrument) -> anyhow::Result<f64> {
    let companion = Companion::start(workshop, instrument)?;
    let value = (workload.measure)(workshop, instrument)?;
    companion.map_or(Ok(()), Companion::end)?;
    Ok(value)
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
    fn a_part_is_never_kept_and_unknown_words_are_refused() {
        let parse = |line: &str| {
            let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            Options::parse(&arguments).map(|options| (options.is_partial(), options.write)).ok()
        };
        for (line, expected) in [
            ("", Some((false, false))),
            ("--quick", Some((true, false))),
            ("--only run --only memory", Some((true, false))),
            ("--only redis --rounds 3", Some((true, false))),
            ("--write --sandprint x", Some((false, true))),
            ("--quick --write", None),
            ("--write --only run", None),
            ("--rounds 1 --write", None),
            ("--only nothing-like-it", None),
            ("--only", None),
            ("--rounds 0", None),
            ("--rounds many", None),
            ("--sandprint", None),
            ("--slow", None),
        ] {
            assert_eq!(parse(line), expected, "{line}");
        }
    }
}
