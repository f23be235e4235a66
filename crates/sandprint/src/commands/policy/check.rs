//! `policy check`: what is wrong with policies, with line and column.

use sandprint_model::json_pretty;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::ValueEnum;
use sandprint_policy::cbpf;
use sandprint_policy::check::Severity;
use serde::Serialize;

use crate::exit::{self, ExitStatus};
use crate::policy_source::{PolicyError, PolicySource, Said};
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

#[derive(Serialize)]
struct Finding<'s> {
    at: &'s str,
    severity: &'static str,
    message: &'s str,
    hint: Option<&'s str>,
}

/// Prints it.
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<ExitStatus> {
    trace_file::stdin_once(&args.files)?;
    let mut findings = Vec::new();
    for path in &args.files {
        match PolicySource::read(path) {
            Ok(source) => {
                findings.extend(source.faults());
                findings.extend(too_long(&source));
            }
            Err(PolicyError::Problems { problems, .. }) => findings.extend(problems),
            Err(error) => return Err(error.into()),
        }
    }
    let bad = findings.iter().any(|finding| args.strict || finding.severity == Severity::Error);
    let text = match args.format {
        Format::Text => findings.iter().map(in_words).collect(),
        Format::Json => {
            let rows: Vec<Finding<'_>> = findings.iter().map(as_row).collect();
            json_pretty(&rows)? + "\n"
        }
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

fn severity(said: &Said) -> &'static str {
    match said.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn in_words(said: &Said) -> String {
    let mut text = format!("{}: {}: {}\n", said.at, severity(said), said.message);
    if let Some(hint) = &said.hint {
        writeln!(text, "  hint: {hint}").unwrap_or_default();
    }
    text
}

fn as_row(said: &Said) -> Finding<'_> {
    Finding { at: &said.at, severity: severity(said), message: &said.message, hint: said.hint.as_deref() }
}
