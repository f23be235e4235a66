//! Runs a command under a policy: a pass that explains, and one under the filter itself.

use std::io;

use sandprint_model::{ByteString, Policy};
use sandprint_policy::cbpf::{self, CompileError};
use sandprint_sandbox::confine::FilterError;
use sandprint_sandbox::foreground::{Foreground, ForegroundError};
use sandprint_sandbox::launch::{Launch, LaunchError};
use sandprint_sandbox::process::ProcessError;

use crate::explain::{self, Answering};
use crate::{Verdict, confirm};

/// How a trial is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VerifyOptions {
    /// Whether refused calls go on after they were recorded, so that one run finds all. There is no second pass then.
    pub all: bool,
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
    let answering = if options.all { Answering::LetGoOn } else { Answering::AsThePolicySays };
    let explained = explain::run(launch, policy, answering, foreground)?;
    let mut passes = vec![explained.pass];
    if !options.all {
        between();
        passes.push(confirm::run(launch, &program, foreground)?);
    }
    let words = std::iter::once(&launch.program).chain(&launch.arguments);
    Ok(Verdict {
        command: words.map(|word| ByteString::new(word.as_encoded_bytes())).collect(),
        denials: explained.denials,
        passes,
        caveats: explained.caveats,
    })
}
