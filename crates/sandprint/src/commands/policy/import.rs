//! `policy import`: a profile of another tool as a policy file.

use std::path::PathBuf;

use sandprint_model::wire::PolicyFile;
use sandprint_policy::import;

use super::foreign::{self, ForeignArgs};
use crate::exit::{self, ExitStatus};
use crate::trace_file::{self, Privacy};
use crate::usage::long_help;

/// Make a policy from an existing profile
///
/// Reads profiles of OCI runtimes, Docker and Podman, systemd units, and raw BPF programs, and writes the policy file.
/// A part of a profile is enough, and JSON may have comments.
///
/// Assumptions, and what the policy cannot express, go to stderr.
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help(EXAMPLES, exit::HELP))]
pub(crate) struct PolicyImportArgs {
    /// The profile; `-` is standard input
    file: PathBuf,

    #[command(flatten)]
    foreign: ForeignArgs,

    /// Write the policy to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

const EXAMPLES: &str = "
  sandprint policy import seccomp.json -o app.policy.toml
  sandprint policy import --from docker default.json --cap CAP_SYS_PTRACE
  sandprint policy import /etc/systemd/system/app.service --arch aarch64
  sandprint policy import --from bpf bwrap-filter.bpf";

/// Reads it and writes the policy file.
pub(crate) fn run(args: &PolicyImportArgs) -> anyhow::Result<ExitStatus> {
    let destination = trace_file::destination(args.output.as_deref())?;
    let limit = u64::try_from(import::MOST_BYTES).unwrap_or(u64::MAX);
    let bytes = trace_file::read_bytes(&args.file, limit).map_err(foreign::unread)?;
    let imported = args.foreign.import(&args.file, &bytes)?;
    let text = PolicyFile::new(imported.policy.clone()).write();
    destination.write(text.as_bytes(), Privacy::Shared)?;
    foreign::tell(&imported);
    Ok(ExitStatus::Success)
}
