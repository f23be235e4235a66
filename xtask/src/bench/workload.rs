//! The rows: what is measured under every instrument.

use anyhow::{Context as _, anyhow};

use super::instrument::{Instrument, expect_recorded, path_of};
use super::workshop::{Workshop, words};

/// A row of the table.
pub(super) struct Workload {
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    /// How often each instrument is measured in a full run.
    pub(super) rounds: usize,
    /// Whether most of its time are calls under the instrument, so that a slow one makes it some hundred times slower.
    pub(super) suffers: bool,
    /// One figure, in the row's unit.
    pub(super) measure: fn(&Workshop, Instrument) -> anyhow::Result<f64>,
}

/// One thread, the cheapest call.
pub(super) const TRACKED: Workload = Workload {
    title: "getppid loop, tracked",
    unit: "ns per call",
    rounds: 15,
    suffers: true,
    measure: tracked,
};
/// The same by another clock, which also runs for a recorder on another CPU, and while it starts and ends.
pub(super) const PROCESSOR: Workload = Workload {
    title: "getppid loop, processor time",
    unit: "ns per call",
    rounds: 5,
    suffers: true,
    measure: processor,
};
/// The same in a process that nobody tracks.
pub(super) const UNTRACKED: Workload = Workload {
    title: "getppid loop, untracked while another process is tracked",
    unit: "ns per call",
    rounds: 15,
    suffers: false,
    measure: untracked,
};
pub(super) const THREADS: Workload = Workload {
    title: "getppid loop in 16 threads",
    unit: "ns per call",
    rounds: 9,
    suffers: true,
    measure: threads,
};
pub(super) const FORK_STORM: Workload = Workload {
    title: "fork storm, 64 processes at once",
    unit: "µs per process",
    rounds: 9,
    suffers: true,
    measure: fork_storm,
};
pub(super) const DD: Workload = Workload {
    title: "`dd if=/dev/zero of=/dev/null bs=1 count=1000000`",
    unit: "s",
    rounds: 5,
    suffers: true,
    measure: dd,
};
/// Whole process: the instrument's own start and end are in it.
pub(super) const TRUE: Workload =
    Workload { title: "`true`, start to end", unit: "ms", rounds: 21, suffers: false, measure: start_to_end };
/// The same where nobody records.
pub(super) const CONFINED: Workload =
    Workload { title: "`true` under its policy, start to end", rounds: 41, ..TRUE };
/// The loop beside who watches the machine.
pub(super) const WATCHED: Workload =
    Workload { title: "getppid loop, nothing refused", rounds: 25, ..TRACKED };
pub(super) const PYTHON: Workload = Workload {
    title: "python3 importing a large package",
    unit: "ms",
    rounds: 9,
    suffers: true,
    measure: python,
};

const CALLS: u32 = 1_000_000;
const THREAD_COUNT: u32 = 16;
const CHILDREN: u32 = 5_000;
const AT_ONCE: &str = "64";
const BLOCKS: u32 = 1_000_000;

/// What a program under the instrument prints as its first line: its own measure of itself.
pub(super) fn own_clock(
    workshop: &Workshop,
    instrument: Instrument,
    argv: Vec<String>,
) -> anyhow::Result<f64> {
    let output = workshop.run(&instrument.wrap(workshop, argv))?.output;
    output.trim().parse().with_context(|| format!("understand the time that a program told: {output:?}"))
}

fn tracked(workshop: &Workshop, instrument: Instrument) -> anyhow::Result<f64> {
    let calls = workshop.amount(CALLS, instrument.is_slow());
    let value = own_clock(workshop, instrument, workshop.pinned(&["./calls", "1", &calls.to_string()]))?;
    expect_recorded(workshop, instrument, "getppid", calls)?;
    Ok(value)
}

fn processor(workshop: &Workshop, instrument: Instrument) -> anyhow::Result<f64> {
    let calls = workshop.amount(CALLS, instrument.is_slow());
    let loops = workshop.pinned(&["./calls", "1", &calls.to_string()]);
    let mut line = words(&["./peak"]);
    line.extend(instrument.wrap(workshop, loops));
    let output = workshop.run(&line)?.output;
    let microseconds = output.lines().find_map(|line| line.strip_prefix("cpu_us ")?.parse::<f64>().ok());
    Ok(microseconds.context("understand a processor time")? * 1e3 / f64::from(calls))
}

fn untracked(workshop: &Workshop, instrument: Instrument) -> anyhow::Result<f64> {
    let calls = workshop.amount(CALLS, false);
    let mut other = workshop.start("idle", &instrument.wrap(workshop, words(&["./idle"])))?;
    other.first_line()?;
    let value =
        own_clock(workshop, Instrument::Bare, workshop.pinned(&["./calls", "1", &calls.to_string()]))?;
    other.end_input();
    other.wait()?;
    expect_recorded(workshop, instrument, "getppid", 0)?;
    Ok(value)
}

fn threads(workshop: &Workshop, instrument: Instrument) -> anyhow::Result<f64> {
    let each = workshop.amount(CALLS / THREAD_COUNT, instrument.is_slow());
    let argv = words(&["./calls", &THREAD_COUNT.to_string(), &each.to_string()]);
    let value = own_clock(workshop, instrument, argv)?;
    expect_recorded(workshop, instrument, "getppid", THREAD_COUNT * each)?;
    Ok(value)
}

fn fork_storm(workshop: &Workshop, instrument: Instrument) -> anyhow::Result<f64> {
    let children = workshop.amount(CHILDREN, instrument.is_slow());
    let nanoseconds = own_clock(workshop, instrument, storm(children))?;
    expect_recorded(workshop, instrument, "getppid", children)?;
    Ok(nanoseconds / 1e3)
}

/// The command of the fork storm with so many children.
fn storm(children: u32) -> Vec<String> {
    words(&["./fork_storm", &children.to_string(), AT_ONCE])
}

/// The command of a full fork storm.
pub(super) fn full_storm(workshop: &Workshop) -> Vec<String> {
    storm(workshop.amount(CHILDREN, false))
}

fn dd(workshop: &Workshop, instrument: Instrument) -> anyhow::Result<f64> {
    let blocks = workshop.amount(BLOCKS, instrument.is_slow());
    let (program, count) = (path_of("dd")?, format!("count={blocks}"));
    let argv = workshop.pinned(&[&program, "if=/dev/zero", "of=/dev/null", "bs=1", &count]);
    let errors = workshop.run(&instrument.wrap(workshop, argv))?.errors;
    let seconds = seconds_of_dd(&errors).with_context(|| format!("dd said {errors:?}"))?;
    Ok(seconds * f64::from(BLOCKS) / f64::from(blocks))
}

/// `1000000 bytes (1.0 MB, 977 KiB) copied, 0.463 s, 2.2 MB/s`; busybox writes `seconds`.
fn seconds_of_dd(text: &str) -> Option<f64> {
    let (_, rest) = text.split_once(" copied, ")?;
    rest.split_whitespace().next()?.parse().ok()
}

fn start_to_end(workshop: &Workshop, instrument: Instrument) -> anyhow::Result<f64> {
    let line = instrument.wrap(workshop, vec![path_of("true")?]);
    let elapsed = workshop.run(&line)?.elapsed;
    expect_recorded(workshop, instrument, "execve", 1)?;
    Ok(elapsed.as_secs_f64() * 1e3)
}

fn python(workshop: &Workshop, instrument: Instrument) -> anyhow::Result<f64> {
    let python = workshop.python().map_err(|reason| anyhow!(reason))?;
    let script = format!(
        "import time\nbegan = time.perf_counter()\nimport {}\nprint((time.perf_counter() - began) * 1e3)\n",
        python.package
    );
    std::fs::write(workshop.directory().join("import.py"), script).context("write a script")?;
    own_clock(workshop, instrument, workshop.pinned(&[&python.interpreter, "import.py"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_dd_tells_is_read_among_other_lines() {
        let gnu = "1+0 records in\n1+0 records out\n10 bytes copied, 5.12e-05 s, 195 kB/s\n";
        assert_eq!(seconds_of_dd(gnu), Some(5.12e-5));
        let long = "1000000 bytes (1.0 MB, 977 KiB) copied, 0.463 s, 2.2 MB/s\nObserved 9 calls\n";
        assert_eq!(seconds_of_dd(long), Some(0.463));
        assert_eq!(seconds_of_dd("1000000 bytes (976.6KB) copied, 0.5 seconds, 1.9MB/s\n"), Some(0.5));
        assert_eq!(seconds_of_dd("dd: failed\n"), None);
    }
}
