//! What the figures should be, and whether they are.

use super::Findings;
use super::instrument::Instrument;
use super::redis::REDIS;
use super::report::number;
use super::sample::Samples;
use super::workload::{TRACKED, TRUE, UNTRACKED, Workload};

/// A goal, and what became of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Goal {
    pub(super) text: String,
    /// None if it was not measured.
    pub(super) measured: Option<String>,
    pub(super) met: Option<bool>,
}

/// A limit of a ratio.
enum Limit {
    Most(f64),
    Least(f64),
}

/// A ratio between two columns of a row.
struct RatioGoal {
    text: &'static str,
    workload: &'static Workload,
    base: Instrument,
    limit: Limit,
}

const RATIOS: &[RatioGoal] = &[
    RatioGoal {
        text: "a tracked call, to the floor: at most 1.30",
        workload: &TRACKED,
        base: Instrument::Floor,
        limit: Limit::Most(1.30),
    },
    RatioGoal {
        text: "an untracked call, to the floor: at most 1.15",
        workload: &UNTRACKED,
        base: Instrument::Floor,
        limit: Limit::Most(1.15),
    },
    RatioGoal {
        text: "`true`, to strace's whole process: at most 6",
        workload: &TRUE,
        base: Instrument::Strace,
        limit: Limit::Most(6.0),
    },
    RatioGoal {
        text: "`true`, to the smallest loader of an empty program: at most 2.5",
        workload: &TRUE,
        base: Instrument::Floor,
        limit: Limit::Most(2.5),
    },
    RatioGoal {
        text: "requests to redis, to the floor: at least 0.95",
        workload: &REDIS,
        base: Instrument::Floor,
        limit: Limit::Least(0.95),
    },
];

/// The largest resident memory, in KiB; it must stay below.
const MEMORY_KIB: u64 = 32 * 1024;
/// The largest trace, in bytes; it must stay below.
const TRACE: u64 = 64 * 1024;

/// Every goal, judged.
pub(super) fn goals(findings: &Findings) -> Vec<Goal> {
    let mut goals: Vec<Goal> = RATIOS.iter().map(|goal| goal.judge(findings)).collect();
    let footprints = findings.footprints.as_deref().unwrap_or_default();
    let peak = footprints.iter().map(|footprint| footprint.peak_kib).max();
    goals.push(Goal {
        text: "peak resident memory: under 32 MiB".to_owned(),
        measured: peak.map(|peak| format!("{} MiB", mebibytes(peak * 1024))),
        met: peak.map(|peak| peak < MEMORY_KIB),
    });
    let traces: Vec<String> = footprints.iter().map(|footprint| kibibytes(footprint.trace)).collect();
    goals.push(Goal {
        text: "trace, however long the run: under 64 KiB".to_owned(),
        measured: (!traces.is_empty()).then(|| format!("{} KiB", traces.join(", "))),
        met: (!traces.is_empty()).then(|| footprints.iter().all(|footprint| footprint.trace < TRACE)),
    });
    goals
}

impl RatioGoal {
    fn judge(&self, findings: &Findings) -> Goal {
        let row = findings.rows.iter().find(|row| row.workload.title == self.workload.title);
        let figures = |instrument| row?.cells.get(&instrument)?.as_ref().ok();
        let ratios = figures(Instrument::Sandprint).zip(figures(self.base));
        let spread = ratios.and_then(|(ours, base): (&Samples, &Samples)| ours.ratios_to(base).spread());
        Goal {
            text: self.text.to_owned(),
            measured: spread.map(|spread| {
                format!("{} ({} to {})", number(spread.median), number(spread.least), number(spread.most))
            }),
            met: spread.map(|spread| match self.limit {
                Limit::Most(limit) => spread.median <= limit,
                Limit::Least(limit) => spread.median >= limit,
            }),
        }
    }
}

/// Bytes in MiB, rounded up to a tenth: what is over a limit must not look as if it were not.
pub(super) fn mebibytes(bytes: u64) -> String {
    tenths((bytes * 10).div_ceil(1024 * 1024))
}

/// Bytes in KiB, rounded up to a tenth.
pub(super) fn kibibytes(bytes: u64) -> String {
    tenths((bytes * 10).div_ceil(1024))
}

fn tenths(count: u64) -> String {
    format!("{}.{}", count / 10, count % 10)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::footprint::{Footprint, Maps};
    use super::super::report::tests::findings;
    use super::super::{Cell, Row};
    use super::*;

    fn row(workload: &'static Workload, cells: &[(Instrument, &[f64])]) -> Row {
        let samples = |figures: &[f64]| -> Cell {
            let mut samples = Samples::default();
            figures.iter().enumerate().for_each(|(round, figure)| samples.add(round, *figure));
            Ok(samples)
        };
        Row { workload, cells: cells.iter().map(|(of, figures)| (*of, samples(figures))).collect() }
    }

    #[test]
    fn each_goal_is_judged_by_its_own_row_and_base() {
        use Instrument::{Floor, Sandprint, Strace};
        let footprint = |peak_kib, trace| Footprint {
            what: String::new(),
            calls: 1,
            peak_kib,
            maps: Maps::default(),
            trace,
        };
        let mut findings = findings();
        findings.rows = vec![
            row(&TRACKED, &[(Floor, &[100.0, 200.0, 100.0]), (Sandprint, &[130.0, 260.0, 190.0])]),
            row(&UNTRACKED, &[(Floor, &[100.0]), (Sandprint, &[115.5])]),
            row(&TRUE, &[(Floor, &[20.0]), (Sandprint, &[50.0]), (Strace, &[8.0])]),
            row(&REDIS, &[(Floor, &[1000.0]), (Sandprint, &[949.0])]),
        ];
        findings.footprints = Ok(vec![footprint(9 * 1024, 65_536), footprint(32 * 1024 - 1, 1_000)]);
        let verdicts: Vec<(Option<String>, Option<bool>)> =
            goals(&findings).into_iter().map(|goal| (goal.measured, goal.met)).collect();
        let verdict = |text: &str, met| (Some(text.to_owned()), Some(met));
        assert_eq!(
            verdicts,
            [
                verdict("1.30 (1.30 to 1.90)", true),
                verdict("1.16 (1.16 to 1.16)", false),
                verdict("6.25 (6.25 to 6.25)", false),
                verdict("2.50 (2.50 to 2.50)", true),
                verdict("0.949 (0.949 to 0.949)", false),
                verdict("32.0 MiB", true),
                verdict("64.0, 1.0 KiB", false),
            ]
        );
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        let mut findings = findings();
        let absent = BTreeMap::from([(Instrument::Sandprint, Err("not built".to_owned()))]);
        findings.rows = vec![Row { workload: &TRACKED, cells: absent }];
        findings.footprints = Err("not built".to_owned());
        for goal in goals(&findings) {
            assert_eq!((goal.measured, goal.met), (None, None), "{}", goal.text);
        }
    }
}
