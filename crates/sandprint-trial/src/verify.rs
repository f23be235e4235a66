//! Runs a command under a policy: one pass under the filter itself that BPF observes, or, without privilege, a pass that
//! explains and one under the filter itself.

use std::collections::BTreeSet;
use std::error::Error;

use sandprint_model::{ByteString, Denial, Exit, Expected, Pass, Policy, Verdict};
use sandprint_policy::{cbpf, enforce};
use sandprint_record::ebpf::RecorderError;
use sandprint_sandbox::launch::Launch;
use sandprint_sandbox::signals::Signal;

use crate::error::{TrialError, unrepeatable_in_words};
use crate::pass::confirm;
use crate::pass::explain::{self, Answering};
use crate::pass::observe::{self, NotObserved};
use crate::trial::{Feeding, Trial};
use crate::wait::Waited;

/// How a trial is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VerifyOptions {
    /// Whether refused calls go on after they were recorded, so that one run finds all. There is no second pass then.
    pub all: bool,
    /// By what refused calls are seen.
    pub observer: Observer,
    /// How the workload is to end.
    pub expected: Expected,
}

/// By what refused calls are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Observer {
    /// BPF where it can be had, else notification.
    #[default]
    Auto,
    /// BPF: one pass, under the filter itself.
    Ebpf,
    /// Seccomp user notification: a pass that explains, and one under the filter itself.
    Notify,
}

/// Runs the command.
pub fn verify(trial: &mut Trial, policy: &Policy, options: VerifyOptions) -> Result<Verdict, TrialError> {
    let program = cbpf::compile(policy).map_err(TrialError::Compile)?;
    let mut verdict = Verdict {
        command: command_of(&trial.launch),
        denials: Vec::new(),
        passes: Vec::new(),
        outside: Vec::new(),
        expected: options.expected,
        complete: true,
        interrupted: None,
        timed_out: BTreeSet::new(),
        caveats: Vec::new(),
    };
    let logs = explain::defaults_log(policy);
    if logs && options.observer == Observer::Ebpf {
        // BPF sees refused calls, and a call that is logged runs like any other. Audit records may be dropped and have no
        // arguments: a verdict that nothing ran outside of the policy cannot rest on them.
        return Err(TrialError::LoggedUnseen);
    }
    // Where refused calls are to go on, somebody must be asked; what runs and is logged is not seen as refused.
    if options.observer == Observer::Ebpf || (options.observer == Observer::Auto && !options.all && !logs) {
        match observe::run(trial, policy, &program) {
            Ok(observed) => {
                verdict.denials = observed.denials;
                verdict.caveats = observed.caveats;
                enter(&mut verdict, trial, observed.pass, observed.waited);
                return Ok(verdict);
            }
            Err(NotObserved::Failed(error)) => return Err(error),
            Err(NotObserved::Unwatched(error)) if options.observer == Observer::Ebpf => {
                return Err(TrialError::Observe(error));
            }
            // Who may not is used to it.
            Err(NotObserved::Unwatched(RecorderError::NoCapability(_) | RecorderError::UserNamespace)) => {}
            Err(NotObserved::Unwatched(error)) => {
                let caveat = format!("refused calls could not be seen in the kernel: {}", all_of(&error));
                verdict.caveats.push(caveat);
            }
        }
    }
    let (answering, feeding) = if options.all {
        (Answering::LetGoOn, Feeding::Once)
    } else {
        (Answering::AsThePolicySays, Feeding::Again)
    };
    if feeding == Feeding::Again {
        trial.tell_what_is_gone();
    }
    let explained = explain::run(trial, policy, answering, feeding)?;
    let (outside, denials): (Vec<Denial>, Vec<Denial>) =
        explained.denials.into_iter().partition(|denial| enforce::runs(denial.action));
    (verdict.outside, verdict.denials) = (outside, denials);
    verdict.caveats.extend(explained.caveats);
    enter(&mut verdict, trial, explained.pass, explained.waited);
    if options.all {
        return Ok(verdict);
    }
    let why = match trial.foreground.asked_to_end() {
        Some(signal) => Some(format!("{signal} came before it")),
        None => match confirm::run(trial, &program) {
            Ok((pass, waited)) => {
                enter(&mut verdict, trial, pass, waited);
                None
            }
            Err(TrialError::Unrepeatable(why)) => Some(unrepeatable_in_words(why)),
            Err(error) => return Err(error),
        },
    };
    if let Some(why) = why {
        verdict.complete = false;
        verdict.caveats.push(format!("the pass under the filter itself was not made: {why}"));
    }
    Ok(verdict)
}

/// Enters a pass.
fn enter(verdict: &mut Verdict, trial: &Trial, pass: Pass, waited: Waited) {
    let index = verdict.passes.len();
    verdict.passes.push(pass);
    let number = verdict.passes.len();
    if waited.timed_out {
        verdict.timed_out.insert(index);
        let limit = trial.timeout.unwrap_or_default();
        verdict.caveats.push(format!(
            "in pass {number} the time ({limit:?}) was up, and the command and its descendants were ended"
        ));
    }
    if let Some(signal) = waited.interrupted {
        verdict.caveats.push(format!(
            "in pass {number} {signal} came after the command had ended, and what it had started was left running"
        ));
    }
    let died_of = |signal: &Signal| waited.exit == Exit::Signal(signal.number());
    let ended_by = waited.interrupted.or_else(|| trial.foreground.asked_to_end().filter(died_of));
    verdict.interrupted = ended_by.map(Signal::number);
}

fn command_of(launch: &Launch) -> Vec<ByteString> {
    let words = std::iter::once(&launch.program).chain(&launch.arguments);
    words.map(|word| ByteString::new(word.as_encoded_bytes())).collect()
}

/// An error with its causes, on one line.
fn all_of(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}
