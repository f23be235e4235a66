//! Tells how long a policy takes to become a filter, in milliseconds: the median of so many times. For `make bench`.
//!
//! Usage: `compile POLICY_FILE TIMES`

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use sandprint_model::wire::PolicyFile;
use sandprint_policy::cbpf;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, times] = arguments.as_slice() else { bail!("usage: compile POLICY_FILE TIMES") };
    let times: usize = times.parse().context("TIMES is no number")?;
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {path}"))?;
    let Ok(file) = PolicyFile::read(&text) else { bail!("{path} is no policy file") };
    let mut took = Vec::new();
    for _ in 0..times {
        let began = Instant::now();
        // So that no work is left out that nobody looks at.
        std::hint::black_box(cbpf::compile(std::hint::black_box(&file.policy))?.to_bytes());
        took.push(began.elapsed());
    }
    took.sort_unstable();
    let median: Duration = *took.get(times / 2).context("not even once")?;
    writeln!(std::io::stdout(), "{}", median.as_secs_f64() * 1e3)?;
    Ok(())
}
