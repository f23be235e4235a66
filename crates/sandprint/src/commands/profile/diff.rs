//! `profile diff`: which calls one trace has and the other has not.

use std::path::PathBuf;

use sandprint_model::TraceDiff;
use sandprint_view::diff::Labelled;

use crate::commands::differences::AnswerArgs;
use crate::exit::{self, ExitStatus};
use crate::trace_file;
use crate::usage::long_help;

/// Compare the calls of two traces
///
/// Compares sets of calls, altogether and for each program. A call that both made is no difference, whatever the
/// counts; they are shown.
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help(EXAMPLES, exit::HELP_DIFF))]
pub(crate) struct DiffArgs {
    /// The first trace; `-` is standard input
    a: PathBuf,

    /// The second trace
    b: PathBuf,

    #[command(flatten)]
    answer: AnswerArgs,
}

const EXAMPLES: &str = "
  sandprint profile diff last-week.trace.json today.trace.json
  sandprint profile diff -f markdown main.trace.json branch.trace.json > out.md
  sandprint profile diff --exit-code expected.json ci.json || echo changed";

/// Prints it.
pub(crate) fn run(args: &DiffArgs) -> anyhow::Result<ExitStatus> {
    trace_file::stdin_once([&args.a, &args.b])?;
    let diff = TraceDiff::between(&trace_file::read(&args.a)?, &trace_file::read(&args.b)?);
    let (a, b) = (args.a.to_string_lossy(), args.b.to_string_lossy());
    let report = Labelled { diff: &diff, a: &a, b: &b };
    args.answer.answer(&report, !diff.is_empty())
}
