//! `profile subtract`: what a workload adds over its bare interpreter.

use std::path::PathBuf;

use crate::exit::{self, ExitStatus};
use crate::trace_file::{self, Privacy};
use crate::usage::long_help;

/// Remove from a trace the calls that other traces have
///
/// What remains is what the workload adds over a base such as its bare interpreter. It is for looking at: a profile
/// made from it alone starts nothing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help(EXAMPLES, exit::HELP))]
pub(crate) struct SubtractArgs {
    /// The trace to subtract from; `-` is standard input
    trace: PathBuf,

    /// The traces whose calls are removed
    #[arg(required = true, value_name = "BASE")]
    bases: Vec<PathBuf>,

    /// Write the remaining trace to this file instead of standard output
    #[arg(short, long, value_name = "TRACE")]
    output: Option<PathBuf>,
}

const EXAMPLES: &str = "
  sudo sandprint profile run -o base.trace.json -- python3 -c pass
  sudo sandprint profile run -o app.trace.json -- python3 app.py
  sandprint profile subtract app.trace.json base.trace.json |
    sandprint profile show -";

/// Subtracts.
pub(crate) fn run(args: &SubtractArgs) -> anyhow::Result<ExitStatus> {
    trace_file::stdin_once(args.bases.iter().chain([&args.trace]))?;
    let destination = trace_file::destination(args.output.as_deref())?;
    let trace = trace_file::read(&args.trace)?;
    let bases = args.bases.iter().map(|path| trace_file::read(path)).collect::<Result<Vec<_>, _>>()?;
    let rest = trace.subtract(&bases);
    destination.write(&rest, Privacy::Private)?;
    Ok(ExitStatus::Success)
}
