//! The harness of the benchmarks: a quick run fills every cell. No timing decides a test.
//!
//! What this machine cannot measure is named in the test's output. With the word for it in `SANDPRINT_EXPECT`
//! (`ebpf`, `gcc`, `strace`) it is a failure.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

const HEAD: &str =
    "| workload | rounds | bare | floor | sandprint | `strace -f -c` | `perf trace -s` | bpftrace |";

/// Every row, with the programs that it may lack.
const ROWS: &[(&str, &[&str])] = &[
    ("getppid loop, tracked, ns per call", &[]),
    ("getppid loop, untracked while another process is tracked, ns per call", &[]),
    ("getppid loop in 16 threads, ns per call", &[]),
    ("fork storm, 64 processes at once, µs per process", &[]),
    ("`dd if=/dev/zero of=/dev/null bs=1 count=1000000`, s", &[]),
    ("`true`, start to end, ms", &[]),
    (
        "redis-server under redis-benchmark (get, set; 20 clients), requests/s",
        &["redis-server", "redis-benchmark"],
    ),
    ("python3 importing a large package, ms", &["python3"]),
];

/// What each column needs, as `SANDPRINT_EXPECT` calls it; none where its tool is nobody's duty to have.
const NEEDS: [Option<&str>; 6] = [Some("gcc"), Some("ebpf"), Some("ebpf"), Some("strace"), None, None];

const GOALS: usize = 7;

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
    let mut lines = text.lines().skip_while(|line| *line != HEAD).skip(2);
    for (title, may_lack) in ROWS {
        let line = lines.next().context("a row is missing")?;
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [found, rounds, cells @ ..] = &cells[..] else { bail!("no row: {line}") };
        ensure!(found == title, "{found:?} stands where {title:?} should");
        ensure!(*rounds == "1" || *rounds == "-", "{rounds:?} rounds in {line}");
        ensure!(cells.len() == NEEDS.len(), "{} cells in {line}", cells.len());
        for (cell, need) in cells.iter().zip(NEEDS) {
            let Some(number) = cell.strip_prefix("- ") else {
                ensure!(is_figure(cell), "{cell:?} is no figure, in {line}");
                continue;
            };
            let mut reasons = text.lines().filter_map(|line| line.strip_prefix(&format!("- {number} ")));
            let reason = reasons.next().with_context(|| format!("{cell:?} has no reason, in {line}"))?;
            let may_be = may_lack.iter().any(|program| reason == format!("{program} is not installed"));
            if let Some(need) = need
                && !may_be
            {
                lacking.insert(reason, need);
            }
        }
    }
    ensure!(lines.next() == Some(""), "the table has more rows than are known here");

    let verdicts = ["| met |", "| **missed** |", "| - | not measured |"];
    let judged = text.lines().filter(|line| verdicts.iter().any(|verdict| line.ends_with(verdict))).count();
    ensure!(judged == GOALS, "{judged} goals of {GOALS} in\n{text}");
    lacking.into_iter().try_for_each(|(reason, need)| absent(need, reason))
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
