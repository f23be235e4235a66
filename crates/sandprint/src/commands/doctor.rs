//! `doctor`: what this host can record, what is missing, and the command that would grant it.

use crate::cli::long_help;
use crate::exit::{self, ExitStatus};

/// Say what this host can record, what is missing, and the command that would grant it
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help(EXAMPLES, exit::HELP))]
pub(crate) struct DoctorArgs {}

const EXAMPLES: &str = "
  sandprint doctor
  sudo sandprint doctor";

/// Probes the host and prints what it finds.
pub(crate) fn run(_args: &DoctorArgs) -> anyhow::Result<ExitStatus> {
    anyhow::bail!("this build cannot probe the host")
}
