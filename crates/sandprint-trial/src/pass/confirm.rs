//! The pass that confirms: the workload under the filter itself, byte for byte, with nobody in between.

use sandprint_model::Pass;
use sandprint_policy::cbpf::Program;
use sandprint_sandbox::confine::{Confinement, Filter, Flags};
use sandprint_sandbox::launch::Launch;
use sandprint_sandbox::process::{Seccomp, Status};

use crate::error::TrialError;
use crate::trial::{Feeding, Trial};
use crate::wait::{Wait, Waited};

/// Runs it.
pub(crate) fn run(trial: &mut Trial, program: &Program) -> Result<(Pass, Waited), TrialError> {
    let filter = Filter::new(&program.to_bytes())?;
    let confinement = Confinement { filter, flags: Flags::NONE, proof: None };
    let fed = trial.feed(Feeding::Again)?;
    let wait = Wait::begin(trial.timeout, trial.others(fed.reader))?;
    let launch = Launch { confinement: Some(confinement), stdin: fed.stdin.clone(), ..trial.launch.clone() };
    let suspended = launch.suspend()?;
    // The reader is to notice when nobody has the other end any more.
    drop((launch, fed));
    let mut running = trial.foreground.release(suspended)?;
    // A zombie still has its status; only who reaps it, which is us, takes that away.
    let in_force = has_filter(running.pid());
    let waited = wait.until_ended(&mut running, &mut trial.foreground, || Ok(true))?;
    Ok((Pass::Confirmed { exit: waited.exit, instructions: program.0.len(), in_force }, waited))
}

/// Whether a process has a filter (`Seccomp: 2`, proc(5)).
pub(crate) fn has_filter(pid: u32) -> bool {
    Status::of(pid).and_then(|status| status.seccomp()) == Some(Seccomp::Filter)
}
