//! `policy fmt`: policy files in their one form.

use std::path::{Path, PathBuf};

use crate::exit::{self, Deciding, ExitStatus};
use crate::output;
use crate::policy_source::PolicySource;
use crate::trace_file::{self, Destination, Privacy};
use crate::usage::long_help;

/// Format policy files
///
/// Order, spacing, and the spelling of numbers and actions: policies that differ only in these become the same file.
/// Comments stay where they belong. Files are replaced in one step, and only if they change.
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help(EXAMPLES, exit::HELP_CHECK))]
pub(crate) struct FmtArgs {
    /// The policy files; `-` reads standard input and writes standard output
    #[arg(required = true)]
    files: Vec<PathBuf>,

    /// Change nothing; end with 3 if a file is not formatted
    #[arg(long)]
    check: bool,
}

const EXAMPLES: &str = "
  sandprint policy fmt app.policy.toml
  sandprint policy fmt --check policies/*.toml
  sandprint policy fmt - < old.toml > new.toml";

/// Formats them.
pub(crate) fn run(args: &FmtArgs) -> anyhow::Result<ExitStatus> {
    trace_file::stdin_once(&args.files)?;
    let mut differs = false;
    for path in &args.files {
        let source = PolicySource::read(path)?;
        if !source.is_policy_file {
            return Err(Deciding {
                status: ExitStatus::Failure,
                message: format!(
                    "failed to format {}: it is the JSON form of a policy, not a policy file",
                    source.name
                ),
                hint: "`sandprint profile generate -p FILE -f toml` makes a policy file of it".to_owned(),
            }
            .into());
        }
        let written = source.file.write();
        if path == Path::new("-") {
            output::data(written.as_bytes())?;
            continue;
        }
        let current = std::fs::read(path).unwrap_or_default();
        if current == written.as_bytes() {
            continue;
        }
        differs = true;
        if args.check {
            output::talk(&format!("{} is not in its form", output::quote(path)));
        } else {
            Destination::resolve(path)?.write(written.as_bytes(), Privacy::Shared)?;
        }
    }
    Ok(if args.check && differs { ExitStatus::Different } else { ExitStatus::Success })
}
