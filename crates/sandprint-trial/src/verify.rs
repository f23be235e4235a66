//! Runs a command under a policy: one pass under the filter itself that BPF observes, or, without privilege, a pass that
//! explains and one under the filter itself.

use std::error::Error;
use std::io;

use sandprint_model::{ByteString, Policy};
use sandprint_policy::cbpf::{self, CompileError};
use sandprint_policy::enforce;
use sandprint_record::ebpf::RecorderError;
use sandprint_sandbox::confine::FilterError;
use sandprint_sandbox::foreground::{Foreground, ForegroundError};
use sandprint_sandbox::launch::{Launch, LaunchError};
use sandprint_sandbox::process::ProcessError;

use crate::explain::{self, Answering};
use crate::observe::{self, NotObserved};
use crate::{Denial, Expected, Verdict, confirm};

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
    /// A signal came after the first process had ended, and before the rest of its tree had.
    #[error("see the end of all processes: a signal came first")]
    Interrupted,
}

/// Runs the command. `foreground` was installed before any thread was started; `between` is called between the passes.
pub fn verify(
    launch: &Launch,
    policy: &Policy,
    options: VerifyOptions,
    foreground: &mut Foreground,
    between: &mut dyn FnMut(),
) -> Result<Verdict, VerifyError> {
    let program = cbpf::compile(policy).map_err(VerifyError::Compile)?;
    let mut caveats = Vec::new();
    let logs = explain::defaults_log(policy);
    // Where refused calls are to go on, somebody must be asked; what runs and is logged is not seen as refused.
    if options.observer == Observer::Ebpf || (options.observer == Observer::Auto && !options.all && !logs) {
        match observe::run(launch, policy, &program, foreground) {
            Ok(observed) => {
                caveats.extend(observed.caveats);
                if logs {
                    caveats.push(LOGGED_UNSEEN.to_owned());
                }
                return Ok(Verdict {
                    command: command_of(launch),
                    denials: observed.denials,
                    passes: vec![observed.pass],
                    outside: Vec::new(),
                    expected: options.expected,
                    caveats,
                });
            }
            Err(NotObserved::Failed(error)) => return Err(error),
            Err(NotObserved::Unwatched(error)) if options.observer == Observer::Ebpf => {
                return Err(VerifyError::Observe(error));
            }
            // Who may not is used to it.
            Err(NotObserved::Unwatched(RecorderError::NoCapability(_))) => {}
            Err(NotObserved::Unwatched(error)) => {
                caveats.push(format!("refused calls could not be seen in the kernel: {}", all_of(&error)));
            }
        }
    }
    let answering = if options.all { Answering::LetGoOn } else { Answering::AsThePolicySays };
    let explained = explain::run(launch, policy, answering, foreground)?;
    let mut passes = vec![explained.pass];
    if !options.all {
        between();
        passes.push(confirm::run(launch, &program, foreground)?);
    }
    caveats.extend(explained.caveats);
    let (outside, denials): (Vec<Denial>, Vec<Denial>) =
        explained.denials.into_iter().partition(|denial| enforce::runs(denial.action));
    Ok(Verdict { command: command_of(launch), denials, passes, outside, expected: options.expected, caveats })
}

/// BPF sees refused calls, and what is logged is not refused.
const LOGGED_UNSEEN: &str = "the policy's default is to log, and calls that it lets run so are not seen with \
                             --observer ebpf: leave it out, and they are listed";

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
