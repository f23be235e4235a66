//! `profile merge`: many traces into one.

use std::path::PathBuf;

use sandprint_model::{Merger, Trace};

use crate::exit::{self, ExitStatus};
use crate::trace_file::{self, Privacy};
use crate::usage::long_help;

/// Merge traces into one
///
/// Order, grouping and repetition do not matter: merging a trace twice counts nothing twice. Memory grows with what
/// differs, not with the number of traces.
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help(EXAMPLES, exit::HELP))]
pub(crate) struct MergeArgs {
    /// The traces; `-` is standard input
    #[arg(required = true, value_name = "TRACE")]
    traces: Vec<PathBuf>,

    /// Write the merged trace to this file instead of standard output
    #[arg(short, long, value_name = "TRACE")]
    output: Option<PathBuf>,
}

const EXAMPLES: &str = "
  sandprint profile merge run1.trace.json run2.trace.json -o all.trace.json
  sandprint profile merge runs/*.json |
    sandprint profile generate -f oci -";

/// Merges them, one at a time.
pub(crate) fn run(args: &MergeArgs) -> anyhow::Result<ExitStatus> {
    trace_file::stdin_once(&args.traces)?;
    let destination = trace_file::destination(args.output.as_deref())?;
    let merged = read_merged(&args.traces)?;
    destination.write(&merged, Privacy::Private)?;
    Ok(ExitStatus::Success)
}

/// Reads traces into one, holding no more than one of them beside what they all say.
pub(super) fn read_merged<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> anyhow::Result<Trace> {
    let mut merger = Merger::default();
    for path in paths {
        merger.add(trace_file::read(path)?);
    }
    Ok(merger.finish())
}
