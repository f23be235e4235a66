//! What the figures should be, and whether they are.

use super::Findings;
use super::full::{BUILD, FIND, PYTHON_FULL, REDIS_FULL, TRACKED_FULL, TRUE_FULL, UNTRACKED_FULL};
use super::instrument::Instrument;
use super::redis::{REDIS, REDIS_WATCHED};
use super::report::number;
use super::rules::{CACHED, COMPILE, EXPLAIN, HOT};
use super::sample::Samples;
use super::traces::{LARGE_FACT, LARGE_PEAK, MERGE, MERGE_PAIR};
use super::workload::{CONFINED, TRACKED, TRUE, UNTRACKED, WATCHED, Workload};

/// A goal, and what became of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Goal {
    pub(super) text: String,
    /// None if it was not measured.
    pub(super) measured: Option<String>,
    pub(super) met: Option<bool>,
}

/// A limit of a median.
enum Limit {
    Most(f64),
    Below(f64),
    Least(f64),
}

/// What of a cell is judged.
enum Judged {
    /// Its ratio to another one of its row.
    RatioTo(Instrument),
    /// How much it is more than another one of its row.
    MoreThan(Instrument),
    /// Its figure.
    Itself,
}

/// What a cell should be.
struct CellGoal {
    text: &'static str,
    workload: &'static Workload,
    ours: Instrument,
    judged: Judged,
    limit: Limit,
}

const CELLS: &[CellGoal] = &[
    CellGoal {
        text: "a tracked call, to the floor: at most 1.30",
        workload: &TRACKED,
        ours: Instrument::Sandprint,
        judged: Judged::RatioTo(Instrument::Floor),
        limit: Limit::Most(1.30),
    },
    CellGoal {
        text: "an untracked call, to the floor: at most 1.15",
        workload: &UNTRACKED,
        ours: Instrument::Sandprint,
        judged: Judged::RatioTo(Instrument::Floor),
        limit: Limit::Most(1.15),
    },
    CellGoal {
        text: "`true`, to strace's whole process: at most 2.5",
        workload: &TRUE,
        ours: Instrument::Sandprint,
        judged: Judged::RatioTo(Instrument::Strace),
        limit: Limit::Most(2.5),
    },
    CellGoal {
        text: "`true`, to the smallest loader of an empty program: at most 1.3",
        workload: &TRUE,
        ours: Instrument::Sandprint,
        judged: Judged::RatioTo(Instrument::Floor),
        limit: Limit::Most(1.3),
    },
    CellGoal {
        text: "requests to redis, to the floor: at least 0.95",
        workload: &REDIS,
        ours: Instrument::Sandprint,
        judged: Judged::RatioTo(Instrument::Floor),
        limit: Limit::Least(0.95),
    },
    CellGoal {
        text: "a tracked call recorded in full, to the floors: at most 1.20",
        workload: &TRACKED_FULL,
        ours: Instrument::Full,
        judged: Judged::RatioTo(Instrument::Floors),
        limit: Limit::Most(1.20),
    },
    CellGoal {
        text: "an untracked call while another is recorded in full, to the floors: at most 1.15",
        workload: &UNTRACKED_FULL,
        ours: Instrument::Full,
        judged: Judged::RatioTo(Instrument::Floors),
        limit: Limit::Most(1.15),
    },
    CellGoal {
        text: "`true` recorded in full, to its calls: at most 1.5",
        workload: &TRUE_FULL,
        ours: Instrument::Full,
        judged: Judged::RatioTo(Instrument::Sandprint),
        limit: Limit::Most(1.5),
    },
    CellGoal {
        text: "requests to redis recorded in full, to the floors: at least 0.95",
        workload: &REDIS_FULL,
        ours: Instrument::Full,
        judged: Judged::RatioTo(Instrument::Floors),
        limit: Limit::Least(0.95),
    },
    CellGoal {
        text: "python3 importing, recorded in full, to bare: at most 1.10",
        workload: &PYTHON_FULL,
        ours: Instrument::Full,
        judged: Judged::RatioTo(Instrument::Bare),
        limit: Limit::Most(1.10),
    },
    CellGoal {
        text: "`find /usr` recorded in full, to bare: at most 1.45",
        workload: &FIND,
        ours: Instrument::Full,
        judged: Judged::RatioTo(Instrument::Bare),
        limit: Limit::Most(1.45),
    },
    CellGoal {
        text: "a make of 50 files recorded in full, to bare: at most 1.05",
        workload: &BUILD,
        ours: Instrument::Full,
        judged: Judged::RatioTo(Instrument::Bare),
        limit: Limit::Most(1.05),
    },
    CellGoal {
        text: "a call told by notification, to strace: at most a fifth",
        workload: &TRACKED,
        ours: Instrument::Notify,
        judged: Judged::RatioTo(Instrument::Strace),
        limit: Limit::Most(0.2),
    },
    CellGoal {
        text: "a traced call, to strace: at most 1",
        workload: &TRACKED,
        ours: Instrument::Ptrace,
        judged: Judged::RatioTo(Instrument::Strace),
        limit: Limit::Most(1.0),
    },
    CellGoal {
        text: "a call while the machine is watched, to the floors: at most 1.03",
        workload: &WATCHED,
        ours: Instrument::Watch,
        judged: Judged::RatioTo(Instrument::Floors),
        limit: Limit::Most(1.03),
    },
    CellGoal {
        text: "requests to redis while the machine is watched, to the floors: at least 0.97",
        workload: &REDIS_WATCHED,
        ours: Instrument::Watch,
        judged: Judged::RatioTo(Instrument::Floors),
        limit: Limit::Least(0.97),
    },
    CellGoal {
        text: "`sandprint run -- true`, more than `true`: under 3 ms",
        workload: &CONFINED,
        ours: Instrument::Confined,
        judged: Judged::MoreThan(Instrument::Bare),
        limit: Limit::Below(3.0),
    },
    CellGoal {
        text: "a call that the kernel remembers as allowed, to libseccomp's tree: at most 1.05",
        workload: &CACHED,
        ours: Instrument::Filter,
        judged: Judged::RatioTo(Instrument::Tree),
        limit: Limit::Most(1.05),
    },
    CellGoal {
        text: "a hot call decided by its argument, to libseccomp's tree: less",
        workload: &HOT,
        ours: Instrument::Filter,
        judged: Judged::RatioTo(Instrument::Tree),
        limit: Limit::Below(1.0),
    },
    CellGoal {
        text: "compiling a policy of 400 rules: under 5 ms",
        workload: &COMPILE,
        ours: Instrument::Itself,
        judged: Judged::Itself,
        limit: Limit::Below(5.0),
    },
    CellGoal {
        text: "explaining Docker's default: under 50 ms",
        workload: &EXPLAIN,
        ours: Instrument::Itself,
        judged: Judged::Itself,
        limit: Limit::Below(50.0),
    },
    CellGoal {
        text: "reading and writing a trace of 100,000 facts: at most 64 MiB",
        workload: &LARGE_PEAK,
        ours: Instrument::Itself,
        judged: Judged::Itself,
        limit: Limit::Most(64.0),
    },
    CellGoal {
        text: "the same, for each fact: at most 400 bytes",
        workload: &LARGE_FACT,
        ours: Instrument::Itself,
        judged: Judged::Itself,
        limit: Limit::Most(400.0),
    },
    CellGoal {
        text: "merging 10,000 traces of `ls`: at most 0.8 s",
        workload: &MERGE,
        ours: Instrument::Itself,
        judged: Judged::Itself,
        limit: Limit::Most(0.8),
    },
    CellGoal {
        text: "the same, for each fact and run: at most 200 bytes",
        workload: &MERGE_PAIR,
        ours: Instrument::Itself,
        judged: Judged::Itself,
        limit: Limit::Most(200.0),
    },
];

/// The largest resident memory, in KiB; it must stay below.
const MEMORY_KIB: u64 = 32 * 1024;
/// The largest trace, in bytes; it must stay below.
const TRACE: u64 = 64 * 1024;

/// Every goal, judged.
pub(super) fn goals(findings: &Findings) -> Vec<Goal> {
    let mut goals: Vec<Goal> = CELLS.iter().map(|goal| goal.judge(findings)).collect();
    let footprints = findings.footprints.as_ref().and_then(|footprints| footprints.as_deref().ok());
    let footprints = footprints.unwrap_or_default();
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

impl CellGoal {
    fn judge(&self, findings: &Findings) -> Goal {
        let spread = self.judged(findings).and_then(|samples| samples.spread());
        let unit = match self.judged {
            Judged::RatioTo(_) => String::new(),
            Judged::MoreThan(_) | Judged::Itself => format!(" {}", self.workload.unit),
        };
        Goal {
            text: self.text.to_owned(),
            measured: spread.map(|spread| {
                let [median, least, most] = [spread.median, spread.least, spread.most].map(number);
                format!("{median} ({least} to {most}){unit}")
            }),
            met: spread.map(|spread| match self.limit {
                Limit::Most(limit) => spread.median <= limit,
                Limit::Below(limit) => spread.median < limit,
                Limit::Least(limit) => spread.median >= limit,
            }),
        }
    }

    fn judged(&self, findings: &Findings) -> Option<Samples> {
        let mut rows = findings.tables.iter().flat_map(|measured| &measured.rows);
        let row = rows.find(|row| row.workload.title == self.workload.title)?;
        let figures = |instrument| row.cells.get(&instrument)?.as_ref().ok();
        let ours = figures(self.ours)?;
        Some(match self.judged {
            Judged::RatioTo(base) => ours.ratios_to(figures(base)?),
            Judged::MoreThan(base) => ours.differences_to(figures(base)?),
            Judged::Itself => ours.clone(),
        })
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
    use super::super::table::ALL;
    use super::super::{Cell, Measured, Row};
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
        use Instrument::{
            Bare, Confined, Filter, Floor, Floors, Full, Itself, Notify, Ptrace, Sandprint, Strace, Tree,
            Watch,
        };
        let footprint = |peak_kib, trace| Footprint {
            what: String::new(),
            calls: 1,
            peak_kib,
            maps: Maps::default(),
            trace,
        };
        let mut findings = findings();
        let tables = [
            vec![
                row(
                    &TRACKED,
                    &[
                        (Floor, &[100.0, 200.0, 100.0]),
                        (Sandprint, &[130.0, 260.0, 190.0]),
                        (Ptrace, &[33_000.0]),
                        (Notify, &[6_000.0]),
                        (Strace, &[30_000.0]),
                    ],
                ),
                row(&UNTRACKED, &[(Floor, &[100.0]), (Sandprint, &[115.5])]),
                row(&TRUE, &[(Floor, &[20.0]), (Sandprint, &[26.0]), (Strace, &[8.0])]),
                row(&REDIS, &[(Floor, &[1000.0]), (Sandprint, &[949.0])]),
            ],
            vec![
                row(&TRACKED_FULL, &[(Floors, &[100.0]), (Full, &[121.0])]),
                row(&UNTRACKED_FULL, &[(Floors, &[100.0]), (Full, &[115.0])]),
                row(&TRUE_FULL, &[(Sandprint, &[20.0]), (Full, &[30.0])]),
                row(&REDIS_FULL, &[(Floors, &[1000.0]), (Full, &[951.0])]),
                row(&PYTHON_FULL, &[(Bare, &[100.0]), (Full, &[111.0])]),
                row(&FIND, &[(Bare, &[100.0]), (Full, &[145.0])]),
                row(&BUILD, &[(Bare, &[100.0]), (Full, &[104.0])]),
            ],
            vec![
                row(&WATCHED, &[(Floors, &[100.0]), (Watch, &[104.0])]),
                row(&REDIS_WATCHED, &[(Floors, &[1000.0]), (Watch, &[975.0])]),
            ],
            vec![row(&CONFINED, &[(Bare, &[1.0, 2.0, 1.0]), (Confined, &[4.0, 4.5, 6.0])])],
            vec![
                row(&CACHED, &[(Filter, &[105.0]), (Tree, &[100.0])]),
                row(&HOT, &[(Filter, &[100.0]), (Tree, &[100.0])]),
            ],
            vec![
                row(&COMPILE, &[(Itself, &[0.5])]),
                row(&EXPLAIN, &[(Itself, &[50.0])]),
                row(&LARGE_PEAK, &[(Itself, &[64.0])]),
                row(&LARGE_FACT, &[(Itself, &[401.0])]),
                row(&MERGE, &[(Itself, &[0.8])]),
                row(&MERGE_PAIR, &[(Itself, &[200.5])]),
            ],
        ];
        findings.tables = ALL.iter().zip(tables).map(|(table, rows)| Measured { table, rows }).collect();
        findings.footprints = Some(Ok(vec![footprint(9 * 1024, 65_536), footprint(32 * 1024 - 1, 1_000)]));
        let verdicts: Vec<(Option<String>, Option<bool>)> =
            goals(&findings).into_iter().map(|goal| (goal.measured, goal.met)).collect();
        let verdict = |text: &str, met| (Some(text.to_owned()), Some(met));
        assert_eq!(
            verdicts,
            [
                verdict("1.30 (1.30 to 1.90)", true),
                verdict("1.16 (1.16 to 1.16)", false),
                verdict("3.25 (3.25 to 3.25)", false),
                verdict("1.30 (1.30 to 1.30)", true),
                verdict("0.949 (0.949 to 0.949)", false),
                verdict("1.21 (1.21 to 1.21)", false),
                verdict("1.15 (1.15 to 1.15)", true),
                verdict("1.50 (1.50 to 1.50)", true),
                verdict("0.951 (0.951 to 0.951)", true),
                verdict("1.11 (1.11 to 1.11)", false),
                verdict("1.45 (1.45 to 1.45)", true),
                verdict("1.04 (1.04 to 1.04)", true),
                verdict("0.200 (0.200 to 0.200)", true),
                verdict("1.10 (1.10 to 1.10)", false),
                verdict("1.04 (1.04 to 1.04)", false),
                verdict("0.975 (0.975 to 0.975)", true),
                verdict("3.00 (2.50 to 5.00) ms", false),
                verdict("1.05 (1.05 to 1.05)", true),
                verdict("1.00 (1.00 to 1.00)", false),
                verdict("0.500 (0.500 to 0.500) ms", true),
                verdict("50.0 (50.0 to 50.0) ms", false),
                verdict("64.0 (64.0 to 64.0) MiB", true),
                verdict("401 (401 to 401) bytes", false),
                verdict("0.800 (0.800 to 0.800) s", true),
                verdict("200 (200 to 200) bytes", false),
                verdict("32.0 MiB", true),
                verdict("64.0, 1.0 KiB", false),
            ]
        );
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        let mut findings = findings();
        let absent = BTreeMap::from([(Instrument::Sandprint, Err("not built".to_owned()))]);
        let rows = vec![Row { workload: &TRACKED, cells: absent }];
        findings.tables =
            ALL.iter().take(1).zip([rows]).map(|(table, rows)| Measured { table, rows }).collect();
        findings.footprints = Some(Err("not built".to_owned()));
        for goal in goals(&findings) {
            assert_eq!((goal.measured, goal.met), (None, None), "{}", goal.text);
        }
    }
}
