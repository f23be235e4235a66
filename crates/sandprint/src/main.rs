//! `sandprint`: what a Linux workload needs from the kernel. Parse, run, map to an exit status.
#![forbid(unsafe_code)]

mod cli;
mod commands;
mod exit;
mod hint;
mod output;
mod policy_file;
mod target;
mod trace_file;
mod view;

use std::process::ExitCode;

fn main() -> ExitCode {
    let command = match cli::parse() {
        Ok(command) => command,
        Err(status) => return status.into(),
    };
    let failure = command.failure_status();
    match command.run() {
        Ok(status) => status,
        Err(error) => output::report(&error, failure),
    }
    .into()
}
