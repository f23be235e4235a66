//! `policy check`: what is wrong with policies, with line and column.

use std::path::PathBuf;

use clap::ValueEnum;
use sandprint_policy::cbpf;
use sandprint_policy::check::Severity;
use sandprint_view::faults::{self, Said};

use crate::exit::{self, ExitStatus};
use crate::policy_source::{PolicyError, PolicySource};
use crate::usage::long_help;
use crate::{output, trace_file};

/// Check policies, with line and column
///
/// Errors: what cannot be read, unknown names, values that do not fit, conditions that can never hold, rules that
/// contradict each other or can never decide, a policy that allows nothing. Warnings: what may surprise.
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help(EXAMPLES, exit::HELP))]
pub(crate) struct CheckArgs {
    /// The policies; `-` is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,

    /// How to print what was found
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Fail for warnings too
    #[arg(long)]
    strict: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people and editors: `FILE:LINE:COLUMN: error: ...`
    Text,
    /// For programs
    Json,
}

const EXAMPLES: &str = "
  sandprint policy check app.policy.toml
  sandprint policy check --strict --format json policies/*.toml";

/// Prints it.
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<ExitStatus> {
    trace_file::stdin_once(&args.files)?;
    let mut said: Vec<Said> = Vec::new();
    for path in &args.files {
        match PolicySource::read(path) {
            Ok(source) => {
                said.extend(source.faults());
                said.extend(too_long(&source));
            }
            Err(PolicyError::Problems { problems, .. }) => said.extend(problems),
            Err(error) => return Err(error.into()),
        }
    }
    let bad = said.iter().any(|said| args.strict || said.severity == Severity::Error);
    let text = match args.format {
        Format::Text => faults::text(&said),
        Format::Json => faults::json(&said),
    };
    match output::data(text.as_bytes()) {
        Err(output::OutputError::ReaderGone) => {}
        other => other?,
    }
    Ok(if bad { ExitStatus::Failure } else { ExitStatus::Success })
}

/// A policy that no filter can hold.
fn too_long(source: &PolicySource) -> Option<Said> {
    let error = cbpf::compile(source.policy()).err()?;
    Some(Said {
        at: source.name.clone(),
        severity: Severity::Error,
        message: format!("it is impossible to {error}"),
        hint: Some("write the rules of some calls with fewer conditions".to_owned()),
    })
}
