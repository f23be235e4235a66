//! `profile coverage`: which runs bring calls that no other brings.

use std::path::PathBuf;

use clap::ValueEnum;
use sandprint_model::Coverage;
use sandprint_view::coverage;

use crate::exit::{self, ExitStatus};
use crate::usage::long_help;
use crate::{output, trace_file};

/// Say which calls each run adds
///
/// Lists the calls that only one run made, and a smallest set of runs that covers all: the others bring nothing for
/// the profile. A trace may hold several runs, from `profile run --append` and `profile merge`; `--name` names them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help(EXAMPLES, exit::HELP))]
pub(crate) struct CoverageArgs {
    /// The traces; `-` is standard input
    #[arg(required = true, value_name = "TRACE")]
    traces: Vec<PathBuf>,

    /// How to print it
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

const EXAMPLES: &str = "
  sandprint profile coverage suite.trace.json
  sandprint profile coverage runs/*.json
  sandprint profile coverage -f json runs/*.json |
    jq '.runs[] | select(.only == []) | .name'";

/// Prints it.
pub(crate) fn run(args: &CoverageArgs) -> anyhow::Result<ExitStatus> {
    trace_file::stdin_once(&args.traces)?;
    let mut inputs = Vec::with_capacity(args.traces.len());
    for path in &args.traces {
        inputs.push((path.to_string_lossy().into_owned(), trace_file::read(path)?));
    }
    let added = Coverage::of(&inputs);
    let text = match args.format {
        Format::Table => coverage::text(&added),
        Format::Json => coverage::json(&added),
    };
    output::data(text.as_bytes())?;
    Ok(ExitStatus::Success)
}
