//! `profile diff`: which calls one trace has and the other has not.

use std::path::PathBuf;

use clap::ValueEnum;
use sandprint_model::TraceDiff;

use crate::cli::long_help;
use crate::exit::{self, ExitStatus};
use crate::{output, trace_file};

/// Compare the calls of two traces
///
/// Sets are compared: a call that both have is no difference, however often each made it; counts are shown.
/// Programs are compared one by one as well.
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help(EXAMPLES, exit::HELP_DIFF))]
pub(crate) struct DiffArgs {
    /// The one trace; `-` is standard input
    a: PathBuf,

    /// The other trace
    b: PathBuf,

    /// How to print it
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// End with status 3 when there is a difference
    #[arg(long)]
    exit_code: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// For a pull request or a document
    Markdown,
}

const EXAMPLES: &str = "
  sandprint profile diff last-week.trace.json today.trace.json
  sandprint profile diff --format markdown main.trace.json branch.trace.json > comment.md
  sandprint profile diff --exit-code expected.trace.json ci.trace.json || echo 'behaviour changed'";

/// Prints it.
pub(crate) fn run(args: &DiffArgs) -> anyhow::Result<ExitStatus> {
    trace_file::stdin_once([&args.a, &args.b])?;
    let diff = TraceDiff::between(&trace_file::read(&args.a)?, &trace_file::read(&args.b)?);
    let (a, b) = (args.a.to_string_lossy(), args.b.to_string_lossy());
    let text = match args.format {
        Format::Text => diff.to_text(&a, &b),
        Format::Json => diff.to_json(&a, &b),
        Format::Markdown => diff.to_markdown(&a, &b),
    };
    let status = if args.exit_code && !diff.is_empty() { ExitStatus::Different } else { ExitStatus::Success };
    match output::data(text.as_bytes()) {
        // `diff --exit-code | head` still says whether there is a difference.
        Err(output::OutputError::ReaderGone) => {}
        other => other?,
    }
    Ok(status)
}
