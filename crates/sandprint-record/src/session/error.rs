//! Why a recording failed.

use sandprint_sandbox::foreground::ForegroundError;
use sandprint_sandbox::launch::LaunchError;
use sandprint_sandbox::process::ProcessError;

use crate::ebpf::RecorderError;
use crate::notify::NotifyError;
use crate::tracer::TracerError;

/// A recording failed.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The workload could not be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The recorder could not be set up or read.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    /// The recorder by notification could not be set up or read.
    #[error(transparent)]
    Notify(#[from] NotifyError),
    /// The recorder by tracing could not be set up or read.
    #[error(transparent)]
    Tracer(#[from] TracerError),
    /// Signals could not be handled.
    #[error(transparent)]
    Foreground(#[from] ForegroundError),
    /// The first process could not be waited for.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The kernel gave no random bits for the run's id, or waiting failed.
    #[error("wait for events")]
    Wait(#[source] std::io::Error),
    /// There is no /proc of this process's PID namespace, and no recorder that does without.
    #[error("find the tasks of the command: there is no /proc of this process namespace")]
    NoProc,
    /// The child executed, and the recorder did not see it.
    #[error("see the execve of the workload")]
    UnseenLaunch,
}
