//! The rows about policies: calls under the filters made of one, and working on them.

use anyhow::{Context as _, ensure};

use super::instrument::Instrument;
use super::policies::{DOCKER, LARGE};
use super::workload::{Workload, own_clock};
use super::workshop::{Workshop, words};
use crate::repository_root;

/// What the filter says of it, the kernel remembers: it is asked no more.
pub(super) const CACHED: Workload = Workload {
    title: "getppid loop, allowed whatever the arguments",
    unit: "ns per call",
    // What is to be seen is a few nanoseconds.
    rounds: 41,
    suffers: false,
    measure: cached,
};
/// A call that the filter is asked of each time, and that is made often.
pub(super) const HOT: Workload = Workload {
    title: "fcntl loop, allowed by its argument, observed often",
    measure: |workshop, instrument| calls(workshop, instrument, "fcntl"),
    ..CACHED
};
/// One that was never observed: what the others gain, it pays.
pub(super) const COLD: Workload = Workload {
    title: "personality loop, allowed by its argument, never observed",
    measure: |workshop, instrument| calls(workshop, instrument, "personality"),
    ..CACHED
};
/// From a policy in memory to the bytes of a filter.
pub(super) const COMPILE: Workload = Workload {
    title: "compile a policy of 400 rules to a filter",
    unit: "ms",
    rounds: 9,
    suffers: false,
    measure: compile,
};
/// What `policy explain` takes, whole process.
pub(super) const EXPLAIN: Workload = Workload {
    title: "`policy explain` Docker's default against a recording of python3, start to end",
    unit: "ms",
    rounds: 21,
    suffers: false,
    measure: explain,
};

/// How the calls under filters are measured.
pub(super) const METHOD: &str = "\
One policy of 400 rules: Docker's default, in which fcntl, futex, ioctl, prctl and others have a rule for each value \
of an argument, and counts as a server makes them, half of them getppid and fcntl in equal parts.\n\
sandprint's filter: `profile generate --format bpf`. libseccomp's: the code of `--format seccomp-h`, and \
`seccomp_export_bpf` with `SCMP_FLTATR_CTL_OPTIMIZE` 2 (binary tree), and 1, its default (list). The same program \
(bench/filtered.c) installs each and runs the loop.\n\
What is allowed whatever the arguments, kernels from 5.11 on remember and do not ask the filter again.\n";

const CALLS: u32 = 500_000;
/// How often the policy is compiled in one round.
const TIMES: &str = "201";

fn cached(workshop: &Workshop, instrument: Instrument) -> anyhow::Result<f64> {
    calls(workshop, instrument, "getppid")
}

fn calls(workshop: &Workshop, instrument: Instrument, call: &str) -> anyhow::Result<f64> {
    let count = workshop.amount(CALLS, false).to_string();
    own_clock(workshop, instrument, workshop.pinned(&["./calls", "1", &count, call]))
}

fn compile(workshop: &Workshop, instrument: Instrument) -> anyhow::Result<f64> {
    let example = workshop.sandprint.with_file_name("examples").join("compile");
    ensure!(example.is_file(), "the example `compile` is not built beside sandprint");
    own_clock(workshop, instrument, workshop.pinned(&[&example.display().to_string(), LARGE, TIMES]))
}

fn explain(workshop: &Workshop, _: Instrument) -> anyhow::Result<f64> {
    let sandprint = workshop.sandprint.display().to_string();
    let [profile, trace] =
        [DOCKER, "corpus/traces/python3.json"].map(|file| repository_root().join(file).display().to_string());
    let finished = workshop.run(&words(&[&sandprint, "policy", "explain", &profile, &trace]))?;
    finished.output.lines().next().context("it explains nothing")?;
    Ok(finished.elapsed.as_secs_f64() * 1e3)
}
