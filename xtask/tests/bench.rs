//! The harness of the benchmarks: a quick run fills every cell. No timing decides a test.
//!
//! What this machine cannot measure is named in the test's output. With the word for it in `SANDPRINT_EXPECT`
//! (`ebpf`, `gcc`, `strace`) it is a failure.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

/// A table: its head, what each column needs, and its rows, with the programs that these may lack.
struct Table {
    head: &'static str,
    /// As `SANDPRINT_EXPECT` calls it; none where its tool is nobody's duty to have.
    needs: &'static [Option<&'static str>],
    rows: &'static [(&'static str, &'static [&'static str])],
}

const REDIS: &[&str] = &["redis-server", "redis-benchmark"];

const TABLES: &[Table] = &[
    Table {
        head: "| workload | rounds | bare | floor | sandprint | ptrace | notify | `strace -f -c` | `perf trace -s` | bpftrace |",
        needs: &[
            Some("gcc"),
            Some("ebpf"),
            Some("ebpf"),
            Some("ptrace"),
            Some("notify"),
            Some("strace"),
            None,
            None,
        ],
        rows: &[
            ("getppid loop, tracked, ns per call", &[]),
            ("getppid loop, processor time, ns per call", &[]),
            ("getppid loop, untracked while another process is tracked, ns per call", &[]),
            ("getppid loop in 16 threads, ns per call", &[]),
            ("fork storm, 64 processes at once, µs per process", &[]),
            ("`dd if=/dev/zero of=/dev/null bs=1 count=1000000`, s", &[]),
            ("`true`, start to end, ms", &[]),
            ("redis-server under redis-benchmark (get, set; 20 clients), requests/s", REDIS),
            ("python3 importing a large package, ms", &["python3"]),
        ],
    },
    Table {
        head: "| workload | rounds | bare | floors | sandprint | full |",
        needs: &[Some("gcc"), Some("ebpf"), Some("ebpf"), Some("ebpf")],
        rows: &[
            ("getppid loop, tracked in full, ns per call", &[]),
            ("getppid loop, untracked while another process is tracked in full, ns per call", &[]),
            ("`true`, start to end, in full, ms", &[]),
            ("redis-server under redis-benchmark, in full, requests/s", REDIS),
            ("python3 importing a large package, in full, ms", &["python3"]),
            ("`find /usr`, ms", &[]),
            ("make of 50 C files, ms of processor", &["make"]),
        ],
    },
    Table {
        head: "| workload | rounds | bare | floors | `watch --system` |",
        needs: &[Some("gcc"), Some("ebpf"), Some("ebpf")],
        rows: &[
            ("getppid loop, nothing refused, ns per call", &[]),
            ("redis-server under redis-benchmark (get, set; 20 clients), nothing refused, requests/s", REDIS),
        ],
    },
    Table {
        head: "| workload | rounds | bare | `sandprint run` |",
        needs: &[Some("gcc"), Some("notify")],
        rows: &[("`true` under its policy, start to end, ms", &[])],
    },
    Table {
        head: "| workload | rounds | bare | sandprint's filter | libseccomp's binary tree | libseccomp's list |",
        needs: &[Some("gcc"), Some("libseccomp"), Some("libseccomp"), Some("libseccomp")],
        rows: &[
            ("getppid loop, allowed whatever the arguments, ns per call", &[]),
            ("fcntl loop, allowed by its argument, observed often, ns per call", &[]),
            ("personality loop, allowed by its argument, never observed, ns per call", &[]),
        ],
    },
    Table {
        head: "| workload | rounds | sandprint |",
        needs: &[Some("gcc")],
        rows: &[
            ("compile a policy of 400 rules to a filter, ms", &[]),
            ("`policy explain` Docker's default against a recording of python3, start to end, ms", &[]),
            ("read and write a trace of 100,000 facts, at its peak, MiB", &[]),
            ("read and write a trace of 100,000 facts, at its peak for each fact, bytes", &[]),
            ("merge 10,000 traces of `ls`, start to end, s", &[]),
            ("merge 10,000 traces of `ls`, at its peak for each fact and run, bytes", &[]),
        ],
    },
];

const GOALS: usize = 27;

#[test]
fn a_quick_run_fills_every_cell_with_a_figure_or_a_reason() -> anyhow::Result<()> {
    if Command::new("cc").arg("--version").output().is_err() {
        return absent("gcc", "there is no C compiler");
    }
    let xtask = Path::new(env!("CARGO_BIN_EXE_xtask"));
    // A test of the whole workspace has built it; for one of xtask alone, it may not be there.
    let sandprint = xtask.with_file_name("sandprint");
    let output = Command::new(xtask).args(["bench", "--quick", "--sandprint"]).arg(sandprint).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;

    // By the reason: the same one empties a whole column.
    let mut lacking = BTreeMap::new();
    for table in TABLES {
        lacking.extend(table.read(&text)?);
    }

    let verdicts = ["| met |", "| **missed** |", "| - | not measured |"];
    let judged = text.lines().filter(|line| verdicts.iter().any(|verdict| line.ends_with(verdict))).count();
    ensure!(judged == GOALS, "{judged} goals of {GOALS} in\n{text}");
    lacking.into_iter().try_for_each(|(reason, need)| absent(need, &reason))
}

impl Table {
    /// Holds the table in the text against what it should be: the reasons of empty cells, and what they need.
    fn read(&self, text: &str) -> anyhow::Result<BTreeMap<String, &'static str>> {
        let mut lacking = BTreeMap::new();
        let mut lines = text.lines().skip_while(|line| *line != self.head).skip(2);
        let below = lines.clone().take_while(|line| !line.starts_with('#'));
        for (title, may_lack) in self.rows {
            let line = lines.next().context("a row is missing")?;
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [found, rounds, cells @ ..] = &cells[..] else { bail!("no row: {line}") };
            ensure!(found == title, "{found:?} stands where {title:?} should");
            ensure!(*rounds == "1" || *rounds == "-", "{rounds:?} rounds in {line}");
            ensure!(cells.len() == self.needs.len(), "{} cells in {line}", cells.len());
            for (cell, need) in cells.iter().zip(self.needs) {
                let Some(number) = cell.strip_prefix("- ") else {
                    ensure!(is_figure(cell), "{cell:?} is no figure, in {line}");
                    continue;
                };
                let mut reasons = below.clone().filter_map(|line| line.strip_prefix(&format!("- {number} ")));
                let reason = reasons.next().with_context(|| format!("{cell:?} has no reason, in {line}"))?;
                let may_be = may_lack.iter().any(|program| reason == format!("{program} is not installed"));
                if let Some(need) = need
                    && !may_be
                {
                    lacking.insert(reason.to_owned(), *need);
                }
            }
        }
        ensure!(lines.next() == Some(""), "the table has more rows than are known here: {}", self.head);
        Ok(lacking)
    }
}

/// `212 (205 to 250) ×1.12`, or without the ratio.
fn is_figure(cell: &str) -> bool {
    let number = |word: &str| word.replace(',', "").parse::<f64>().is_ok_and(|number| number > 0.0);
    let words: Vec<&str> = cell.split(' ').collect();
    match words[..] {
        [median, least, "to", most, ref ratio @ ..] => {
            number(median)
                && least.strip_prefix('(').is_some_and(number)
                && most.strip_suffix(')').is_some_and(number)
                && match ratio {
                    [] => true,
                    [ratio] => ratio.strip_prefix('×').is_some_and(number),
                    _ => false,
                }
        }
        _ => false,
    }
}

/// Says what is missing; fails where the environment promises it.
fn absent(word: &str, what: &str) -> anyhow::Result<()> {
    let expected = std::env::var("SANDPRINT_EXPECT").unwrap_or_default();
    ensure!(
        !expected.split(',').any(|promise| promise.trim() == word),
        "{what}, but SANDPRINT_EXPECT has {word}"
    );
    // Past the test harness, which would show it only for a test that fails.
    writeln!(std::io::stderr(), "skipped: {what}")?;
    Ok(())
}
