//! What `profile run` and `profile attach` share: where the trace goes, and what is said at the end.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use sandprint_model::{Exit, Trace};

use crate::exit::{Deciding, ExitStatus};
use crate::output;
use crate::trace_file::TraceOutput;
use crate::view;

/// Where the trace goes.
#[derive(Debug, clap::Args)]
pub(crate) struct OutputArgs {
    /// Write the trace to this file (mode 0600; under sudo it belongs to the user who called sudo)
    ///
    /// The file is replaced in one step by a complete one: a recording that fails leaves the old file as
    /// it was. A symbolic link is followed. Without this option no trace is written.
    #[arg(short, long, value_name = "TRACE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,

    /// Merge into the trace that is there instead of replacing it
    ///
    /// The file is locked meanwhile: any number of commands may append to one file at the same time, as
    /// the parts of a test suite do. It is made where it is not there yet.
    #[arg(long, requires = "output")]
    pub(crate) append: bool,
}

/// What a recorder brings back.
#[derive(Debug)]
pub(crate) struct Recorded {
    /// What was observed.
    pub(crate) trace: Trace,
    /// How the first process ended; `None` where it was not ours, or still runs.
    pub(crate) exit: Option<Exit>,
}

impl OutputArgs {
    /// Checks, before anything is started, that the trace can be written.
    ///
    /// `owns_stdout` says whether standard output is ours: while a workload runs, it is the workload's.
    pub(crate) fn prepare(&self, owns_stdout: bool) -> anyhow::Result<Option<TraceOutput>> {
        let Some(path) = &self.output else { return Ok(None) };
        let output = TraceOutput::prepare(path, self.append)?;
        if output.is_stdout() && !owns_stdout {
            return Err(Deciding::usage(
                format!("the trace cannot go to {}: it belongs to the command", shown(path)),
                "give a file to `-o`, or a pipe of its own: `-o >(gzip > trace.json.gz)`",
            )
            .into());
        }
        Ok(Some(output))
    }
}

fn shown(path: &Path) -> String {
    if path == Path::new("-") { "standard output".to_owned() } else { output::quote(path) }
}

/// Ends a recording: what was observed is said first, so that it is known even when the trace then cannot
/// be written; then the trace is written.
pub(crate) fn finish(trace: &Trace, output: Option<&TraceOutput>) -> anyhow::Result<()> {
    output::talk(&view::summary(trace));
    match output {
        Some(output) => {
            output.write(trace)?;
            if !output.is_stdout() {
                output::talk(&format!("\nTrace written to {}.", output.describe()));
            }
        }
        None => output::talk("\nNo trace was written: `-o FILE` writes one, from which profiles are made."),
    }
    Ok(())
}

/// The status to end with once the trace is safe.
pub(crate) fn status_of(exit: Option<Exit>) -> ExitStatus {
    exit.map_or(ExitStatus::Success, ExitStatus::Workload)
}
