//! `policy diff`: what two policies say differently.

use std::path::PathBuf;

use sandprint_policy::compare::PolicyDiff;
use sandprint_view::policy_diff::Sides;

use crate::commands::differences::AnswerArgs;
use crate::exit::{self, ExitStatus};
use crate::policy_source::PolicySource;
use crate::trace_file;
use crate::usage::long_help;

/// Compare what two policies mean
///
/// Compares meanings, not texts: rules that decide alike are no difference, nor are reasons and comments. For each
/// call that is decided differently, it says which policy allows more.
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help(EXAMPLES, exit::HELP_DIFF))]
pub(crate) struct DiffArgs {
    /// The first policy; `-` is standard input
    a: PathBuf,

    /// The second policy
    b: PathBuf,

    #[command(flatten)]
    answer: AnswerArgs,
}

const EXAMPLES: &str = "
  sandprint policy diff main.policy.toml branch.policy.toml
  sandprint policy diff -f markdown main.toml branch.toml > comment.md
  sandprint policy diff --exit-code reviewed.toml generated.toml";

/// Prints it.
pub(crate) fn run(args: &DiffArgs) -> anyhow::Result<ExitStatus> {
    trace_file::stdin_once([&args.a, &args.b])?;
    let (a, b) = (PolicySource::read(&args.a)?, PolicySource::read(&args.b)?);
    let diff = PolicyDiff::between(a.policy(), b.policy());
    let sides = Sides { diff: &diff, a: a.policy(), b: b.policy() };
    args.answer.answer(&sides, !diff.is_empty())
}
