//! The findings as Markdown.

use std::fmt::Write as _;

use super::footprint::Footprint;
use super::goals::{goals, kibibytes, mebibytes};
use super::instrument::Instrument;
use super::sample::Samples;
use super::{Cell, Findings, Measured, Row, SLOW_EVERY};

/// Where the part of the document begins that people write.
const NOTES: &str = "## Notes";

/// The whole document, but for [`NOTES`].
pub(super) fn markdown(findings: &Findings) -> String {
    let mut sections = vec![head(findings)];
    sections.extend(findings.tables.iter().map(table));
    sections.push(goals_table(findings));
    sections.extend(findings.footprints.as_ref().map(|measured| footprints(measured.as_deref())));
    sections.push(method(findings));
    let sections: Vec<&str> = sections.iter().map(|section| section.trim_end()).collect();
    sections.join("\n\n") + "\n"
}

/// The document with the notes of an older one.
pub(super) fn with_notes_of(text: &str, old: &str) -> String {
    let notes = old.find(&format!("\n{NOTES}\n")).and_then(|at| old.get(at + 1..));
    match notes {
        Some(notes) => format!("{text}\n{notes}"),
        None => format!(
            "{text}\n{NOTES}\n\nNone yet; what stands below this heading is kept when the figures change.\n"
        ),
    }
}

/// Why cells are empty: numbered, each reason once.
#[derive(Default)]
struct Reasons(Vec<String>);

impl Reasons {
    /// An empty cell with the number of its reason.
    fn cell(&mut self, reason: &str) -> String {
        let known = self.0.iter().position(|known| known == reason);
        let index = known.unwrap_or_else(|| {
            self.0.push(reason.to_owned());
            self.0.len() - 1
        });
        format!("- [{}]", index + 1)
    }

    fn list(&self) -> String {
        let lines =
            self.0.iter().enumerate().map(|(index, reason)| format!("- [{}] {}\n", index + 1, plain(reason)));
        lines.collect()
    }
}

/// What programs said, so that it is nothing but text to Markdown.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '<' | '>' | '[' | ']' | '|' | '#' => plain.extend(['\\', c]),
            c if c.is_control() => plain.push(' '),
            c => plain.push(c),
        }
    }
    plain
}

fn head(findings: &Findings) -> String {
    let machine = &findings.machine;
    let mut text = String::from("# Benchmarks\n\n");
    if findings.partial {
        text.push_str("**A part of a benchmark, to try it: no figures to keep.**\n\n");
    }
    let others = match findings.others {
        Some(0) => "no BPF program of anybody else was attached to a tracepoint".to_owned(),
        Some(count) => format!("up to {count} BPF programs of others were attached to tracepoints meanwhile"),
        None => "whether others have BPF programs attached to tracepoints is unknown".to_owned(),
    };
    // Writing to a String does not fail.
    write!(
        text,
        "Made by `make bench` on {}, in one run.\n\
         Linux {}, {}, {} GiB of memory; load average at the start {}; {others}.\n\
         {}.\n",
        machine.date,
        plain(&machine.kernel),
        plain(&machine.cpus),
        machine.memory,
        machine.load,
        machine.tools.join(", "),
    )
    .unwrap_or_default();
    text
}

fn table(measured: &Measured) -> String {
    let mut reasons = Reasons::default();
    let table = measured.table;
    let titles: Vec<&str> = table.columns.iter().map(|instrument| instrument.title()).collect();
    let mut text = format!(
        "## {}\n\n| workload | rounds | {} |\n|{}\n",
        table.title,
        titles.join(" | "),
        " --- |".repeat(titles.len() + 2)
    );
    for row in &measured.rows {
        let cells: Vec<String> =
            table.columns.iter().map(|of| figures(row, *of, table.base, &mut reasons)).collect();
        writeln!(
            text,
            "| {}, {} | {} | {} |",
            row.workload.title,
            row.workload.unit,
            rounds(row),
            cells.join(" | ")
        )
        .unwrap_or_default();
    }
    let reasons = reasons.list();
    if !reasons.is_empty() {
        text = text + "\n" + &reasons;
    }
    text
}

/// `9`, or `9, 3` where some instruments took part in fewer rounds.
fn rounds(row: &Row) -> String {
    let mut counts: Vec<usize> = row.cells.values().flatten().map(Samples::len).collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    counts.dedup();
    if counts.is_empty() {
        return "-".to_owned();
    }
    counts.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

/// `212 (205 to 250) ×1.12`
fn figures(row: &Row, instrument: Instrument, base: Option<Instrument>, reasons: &mut Reasons) -> String {
    let samples = match row.cells.get(&instrument) {
        Some(Ok(samples)) => samples,
        Some(Err(reason)) => return reasons.cell(reason),
        None => return reasons.cell("it was not asked for"),
    };
    let Some(spread) = samples.spread() else { return reasons.cell("no round was measured") };
    let mut text = format!("{} ({} to {})", number(spread.median), number(spread.least), number(spread.most));
    let compared = base.filter(|base| *base != instrument).and_then(|base| row.cells.get(&base));
    if let Some(Ok(compared)) = compared.map(Cell::as_ref)
        && let Some(ratio) = samples.ratios_to(compared).spread()
    {
        text.push_str(" ×");
        text.push_str(&number(ratio.median));
    }
    text
}

fn goals_table(findings: &Findings) -> String {
    let mut text = String::from("## Goals\n\n| goal | measured | |\n| --- | --- | --- |\n");
    for goal in goals(findings) {
        let verdict = match goal.met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "not measured",
        };
        let measured = goal.measured.as_deref().unwrap_or("-");
        writeln!(text, "| {} | {measured} | {verdict} |", goal.text).unwrap_or_default();
    }
    text
}

fn footprints(measured: Result<&[Footprint], &String>) -> String {
    let mut text = String::from("## Memory and trace of sandprint\n\n");
    let footprints = match measured {
        Ok(footprints) => footprints,
        Err(reason) => return text + "Not measured: " + &plain(reason) + "\n",
    };
    text.push_str(
        "| recording | calls recorded | peak resident memory | BPF maps | trace |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    for footprint in footprints {
        writeln!(
            text,
            "| {} | {} | {} MiB | {} MiB and {} KiB per live task | {} KiB |",
            footprint.what,
            grouped(footprint.calls),
            mebibytes(footprint.peak_kib * 1024),
            mebibytes(footprint.maps.bytes),
            kibibytes(footprint.maps.per_task),
            kibibytes(footprint.trace),
        )
        .unwrap_or_default();
    }
    text
}

fn method(findings: &Findings) -> String {
    let package = findings
        .package
        .as_ref()
        .map_or_else(String::new, |package| format!("python3 imports `{package}`.\n"));
    let tables: Vec<String> = findings
        .tables
        .iter()
        .map(|measured| format!("### {}\n\n{}", measured.table.title, measured.table.method))
        .collect();
    format!(
        "## How it was measured\n\n\
         A figure is the median over the rounds, with the least and the most in parentheses.\n\
         A round measures every column once, one after the other, so that what disturbs one disturbs its neighbours.\n\
         × is the ratio to {bases}, whichever the table has: the median over the rounds of the ratio within one round; \
         so are the goals, and differences.\n\
         {slow} make a call dozens or hundreds of times slower. Where calls are measured under them, they take part in \
         every {SLOW_EVERY}rd round only (the second number of rounds), with a twentieth of the calls, processes or \
         requests; dd's time is scaled to its full count.\n\
         Loops, storms, dd and python3 tell their own time, without the start and the end of the instrument; `true` \
         is timed from outside, with both; redis-benchmark counts requests, and the rate is that of as many `get` \
         as `set` over a Unix socket.\n\
         {package}{pinning}\n\
         Peak memory is `ru_maxrss` of the whole recording; BPF maps are the sum of `memlock` in `/proc/PID/fdinfo`.\n\n\
         {tables}",
        bases = in_words(super::table::ALL.iter().filter_map(|table| table.base)),
        slow = in_words(Instrument::SLOW.into_iter()),
        tables = tables.join("\n"),
        pinning = findings.pinning,
    )
}

fn in_words(instruments: impl Iterator<Item = Instrument>) -> String {
    let titles: Vec<&str> = instruments.map(Instrument::title).collect();
    match titles.as_slice() {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        titles => titles.concat(),
    }
}

/// Three digits that count, and thousands apart.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        // Rounded first: 999.7 has four digits.
        size if size >= 999.5 => {
            let text = format!("{value:.0}");
            text.parse().map_or(text, grouped)
        }
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.9995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// 1234567 as 1,234,567.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::super::footprint::{Footprint, Maps};
    use super::super::machine::Machine;
    use super::super::table::ALL;
    use super::super::workload::{TRACKED, TRUE};
    use super::*;

    /// Findings of nothing.
    pub(in super::super) fn findings() -> Findings {
        let machine = Machine {
            date: "2025-01-31".to_owned(),
            kernel: "6.1.0".to_owned(),
            cpus: "2 × CPU".to_owned(),
            memory: "4.0".to_owned(),
            load: "0.10".to_owned(),
            tools: vec!["sandprint 0.1.0".to_owned()],
        };
        Findings {
            machine,
            partial: false,
            pinning: "Nothing is pinned.".to_owned(),
            package: None,
            tables: Vec::new(),
            footprints: None,
            others: Some(0),
        }
    }

    #[test]
    fn every_cell_has_a_figure_or_the_number_of_a_reason() {
        let samples = |figures: &[f64]| {
            let mut samples = Samples::default();
            figures.iter().enumerate().for_each(|(round, figure)| samples.add(round, *figure));
            Ok(samples)
        };
        let absent = |reason: &str| Err(reason.to_owned());
        let mut findings = findings();
        let rows = vec![
            Row {
                workload: &TRACKED,
                cells: BTreeMap::from([
                    (Instrument::Bare, samples(&[150.0, 160.0, 170.0])),
                    (Instrument::Floor, samples(&[300.0, 320.0, 340.0])),
                    (Instrument::Sandprint, samples(&[360.0, 352.0, 374.0])),
                    (Instrument::Ptrace, samples(&[25_000.0])),
                    (Instrument::Notify, samples(&[7_000.0])),
                    (Instrument::Strace, samples(&[30_000.4])),
                    (Instrument::Perf, absent("perf is not installed")),
                    (Instrument::Bpftrace, absent("a | b_c")),
                ]),
            },
            Row {
                workload: &TRUE,
                cells: BTreeMap::from([(Instrument::Bare, absent("perf is not installed"))]),
            },
        ];
        findings.tables =
            ALL.iter().take(1).zip([rows]).map(|(table, rows)| Measured { table, rows }).collect();
        findings.footprints = Some(Ok(vec![Footprint {
            what: "calls for 1 s".to_owned(),
            calls: 1_234_567,
            peak_kib: 5_000,
            maps: Maps { bytes: 3 << 20, per_task: 3_856 },
            trace: 2_000,
        }]));
        let text = markdown(&findings);
        for line in [
            "| getppid loop, tracked, ns per call | 3, 1 | 160 (150 to 170) ×0.500 | 320 (300 to 340) | \
             360 (352 to 374) ×1.10 | 25,000 (25,000 to 25,000) ×83.3 | 7,000 (7,000 to 7,000) ×23.3 | \
             30,000 (30,000 to 30,000) ×100 | - [1] | - [2] |",
            "| `true`, start to end, ms | - | - [1] | - [3] | - [3] | - [3] | - [3] | - [3] | - [3] | - [3] |",
            "- [1] perf is not installed",
            "- [2] a \\| b\\_c",
            "| calls for 1 s | 1,234,567 | 4.9 MiB | 3.0 MiB and 3.8 KiB per live task | 2.0 KiB |",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }

    #[test]
    fn numbers_keep_three_digits_that_count() {
        for (value, expected) in [
            (0.04321, "0.043"),
            (0.9996, "1.00"),
            (9.996, "10.0"),
            (99.96, "100"),
            (178.6, "179"),
            (999.7, "1,000"),
            (27_600.4, "27,600"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn notes_that_people_wrote_stay() {
        let old = "# Benchmarks\n\nold figures\n\n## Notes\n\nThe loop is slow because of X.\n";
        assert_eq!(with_notes_of("new\n", old), "new\n\n## Notes\n\nThe loop is slow because of X.\n");
        let first = with_notes_of("new\n", "");
        assert!(first.starts_with("new\n\n## Notes\n\n"), "{first}");
        assert_eq!(with_notes_of("new\n", &first), first);
    }
}
