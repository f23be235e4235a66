//! `sandprint`: what a Linux workload needs from the kernel. Parse, run, map to an exit status.
#![forbid(unsafe_code)]

mod cli;
mod commands;
mod exit;
mod file_kind;
mod hint;
mod output;
mod policy_source;
mod report;
mod systemd;
mod target;
mod trace_file;
mod usage;

use std::process::ExitCode;

use sandprint_sandbox::{memory, signals};

#[global_allocator]
static ALLOCATOR: memory::LastWords = memory::LastWords;

fn main() -> ExitCode {
    // It cannot fail for a signal that there is; if it did, a limit would end us as it did before.
    signals::ignore_file_size_signal().unwrap_or_default();
    let command = match cli::parse() {
        Ok(command) => command,
        Err(status) => return status.into(),
    };
    let failure = command.failure_status();
    memory::end_with(failure.code());
    let outcome = match command.survives() {
        Ok(()) => command.run(),
        Err(deadly) => Err(exit::Deciding {
            status: failure,
            message: deadly.to_string(),
            hint: hint::OUTSIDE.to_owned(),
        }
        .into()),
    };
    let status = match outcome {
        Ok(status) => status,
        Err(error) => report::report(&error, failure),
    };
    status.end()
}
