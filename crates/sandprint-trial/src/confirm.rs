//! The pass that confirms: the workload under the filter itself, byte for byte, with nobody in between.

use std::fs;

use sandprint_policy::cbpf::Program;
use sandprint_sandbox::confine::{Confinement, Filter, Flags};
use sandprint_sandbox::foreground::Foreground;
use sandprint_sandbox::launch::Launch;

use crate::verdict::Pass;
use crate::verify::VerifyError;
use crate::wait;

/// Runs it.
pub(crate) fn run(
    launch: &Launch,
    program: &Program,
    foreground: &mut Foreground,
) -> Result<Pass, VerifyError> {
    let filter = Filter::new(&program.to_bytes())?;
    let confinement = Confinement { filter, flags: Flags::NONE, proof: None };
    let launch = Launch { confinement: Some(confinement), ..launch.clone() };
    let mut running = launch.suspend()?.release()?;
    // A zombie still has its status; only who reaps it, which is us, takes that away.
    let in_force = has_filter(running.pid());
    let exit = wait::until_ended(&mut running, foreground, || Ok(true))?;
    Ok(Pass::Confirmed { exit, instructions: program.0.len(), in_force })
}

/// Whether a process has a filter (`Seccomp: 2`, proc(5)).
pub(crate) fn has_filter(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.strip_prefix("Seccomp:").is_some_and(|mode| mode.trim() == "2"))
}
