//! Runs a command under a policy: one pass under the filter itself that BPF observes, or, without privilege, a pass that
//! explains and one under the filter itself.

use std::collections::BTreeSet;
use std::error::Error;
use std::io;

use sandprint_model::{ByteString, Exit, Policy};
use sandprint_policy::cbpf::{self, CompileError};
use sandprint_policy::enforce;
use sandprint_record::ebpf::RecorderError;
use sandprint_sandbox::confine::FilterError;
use sandprint_sandbox::foreground::ForegroundError;
use sandprint_sandbox::input::{MOST_KEPT, Unrepeatable};
use sandprint_sandbox::launch::{Launch, LaunchError};
use sandprint_sandbox::process::ProcessError;
use sandprint_sandbox::signals::Signal;

use crate::explain::{self, Answering};
use crate::observe::{self, NotObserved};
use crate::trial::{Feeding, Trial};
use crate::wait::Waited;
use crate::{Denial, Expected, Pass, Verdict, confirm};

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

/// A trial could not be made.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The policy makes no filter.
    #[error(transparent)]
    Compile(CompileError),
    /// The filter's bytes are none that the kernel takes.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The command could not be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// Refused calls could not be seen in the kernel.
    #[error("see refused calls in the kernel")]
    Observe(#[source] RecorderError),
    /// BPF was asked for, and cannot see what a default that logs lets run.
    #[error("see in the kernel what only a default that logs lets run")]
    LoggedUnseen,
    /// The child's filter gave no listener.
    #[error("get the listener of the seccomp filter")]
    NoListener,
    /// This machine is neither `x86_64` nor aarch64.
    #[error("make a trial on this machine")]
    UnknownArch,
    /// Signals could not be taken or handed on.
    #[error(transparent)]
    Foreground(#[from] ForegroundError),
    /// The first process could not be waited for.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Waiting or answering failed.
    #[error("wait for the workload")]
    Wait(#[source] io::Error),
    /// Standard input could not be read in the command's place.
    #[error("read standard input for the command")]
    Input(#[source] io::Error),
    /// A further run cannot read what the first has read.
    #[error("run the command again: {}", unrepeatable_in_words(*.0))]
    Unrepeatable(Unrepeatable),
    /// The time was up, and SIGKILL did not end the first process.
    #[error("end the command after its time: SIGKILL did not end {}", .0.join("; "))]
    Survivors(Vec<String>),
}

/// Runs the command.
pub fn verify(trial: &mut Trial, policy: &Policy, options: VerifyOptions) -> Result<Verdict, VerifyError> {
    let program = cbpf::compile(policy).map_err(VerifyError::Compile)?;
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
        return Err(VerifyError::LoggedUnseen);
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
                return Err(VerifyError::Observe(error));
            }
            // Who may not is used to it.
            Err(NotObserved::Unwatched(RecorderError::NoCapability(_))) => {}
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
            Err(VerifyError::Unrepeatable(why)) => Some(unrepeatable_in_words(why)),
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
    verdict.interrupted = waited.interrupted.or_else(|| trial.foreground.asked_to_end().filter(died_of));
}

/// Why a further run would not read what the first has read.
pub fn unrepeatable_in_words(why: Unrepeatable) -> String {
    match why {
        Unrepeatable::Terminal => {
            "its standard input is a terminal, and what is typed for one run is not there for the next"
                .to_owned()
        }
        Unrepeatable::Socket => {
            "its standard input is a socket, and what one run reads is not there for the next".to_owned()
        }
        Unrepeatable::TooLong => {
            format!(
                "its standard input is longer than {} MiB, and a pipe cannot be read twice",
                MOST_KEPT >> 20
            )
        }
        Unrepeatable::InUse => "a process of the pass before still reads its standard input".to_owned(),
    }
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
