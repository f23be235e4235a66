//! Why a trial could not be made.

use std::io;

use sandprint_policy::cbpf::CompileError;
use sandprint_record::ebpf::RecorderError;
use sandprint_sandbox::confine::FilterError;
use sandprint_sandbox::foreground::ForegroundError;
use sandprint_sandbox::input::{MOST_KEPT, Unrepeatable};
use sandprint_sandbox::launch::LaunchError;
use sandprint_sandbox::process::ProcessError;

/// A trial could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
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
