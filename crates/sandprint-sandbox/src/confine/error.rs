//! Why a process was not confined.

use std::io;

use super::Flags;
use super::feature::Feature;
use crate::probe::Deadly;

/// Bytes that are no filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// An instruction is cut off.
    #[error("read a filter of {0} bytes: an instruction has 8")]
    Size(usize),
    /// None, or more than the kernel takes (`BPF_MAXINSNS`).
    #[error("take a filter of {0} instructions: the kernel takes 1 to 4096")]
    Length(usize),
}

/// Why a process was not confined. What was in force before still is; whatever else was asked for may be not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfineError {
    /// This kernel has it not.
    #[error("use {feature}: this kernel does not offer it")]
    Missing {
        /// What.
        feature: Feature,
    },
    /// prctl(2) refused to give up new privileges.
    #[error("give up new privileges (no_new_privs)")]
    NoNewPrivileges {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Neither `no_new_privs` nor `CAP_SYS_ADMIN` (seccomp(2), EACCES).
    #[error("install the filter: it takes no_new_privs or CAP_SYS_ADMIN")]
    Privilege,
    /// All filters of the process together have too many instructions (seccomp(2), ENOMEM).
    #[error("install the filter: all filters of a process have at most 32768 instructions, 4 more for each")]
    TooMuch,
    /// A supervisor listens to this process already (seccomp(2), EBUSY).
    #[error("install the filter with a listener: this process has one already")]
    ListenerTaken,
    /// Another thread is under another filter (seccomp(2), `SECCOMP_FILTER_FLAG_TSYNC`).
    #[error("install the filter in every thread: thread {tid} is under a filter that this one is not under")]
    Thread {
        /// Which.
        tid: i64,
    },
    /// seccomp(2) refused for another reason; EINVAL where the program is none that it takes.
    #[error("install the filter")]
    Install {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The filter was installed, so the kernel said, and does not answer.
    #[error(
        "find the filter in force: it was installed, but the call that only it answers came back with {answer}"
    )]
    NotInForce {
        /// What it came back with.
        answer: io::Error,
    },
    /// A filter that is in force already kills whoever makes an unknown call.
    #[error(
        "prove that the filter is in force: this process is under another filter already, which kills the caller of \
         the unknown call {number:#x} (signal {signal})"
    )]
    OuterFilter {
        /// Which call.
        number: u32,
        /// By which signal.
        signal: i32,
    },
    /// A filter on this process ends whoever makes the calls that this takes.
    #[error("confine the process: {0}")]
    Deadly(#[from] Deadly),
    /// A child that was to try something could not be made.
    #[error("try a call in a child")]
    Child {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// What was being done when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    NoNewPrivileges,
    Install,
    Prove,
    Child,
}

impl Step {
    pub(crate) const ALL: [Step; 4] = [Step::NoNewPrivileges, Step::Install, Step::Prove, Step::Child];
}

/// A failure as plain numbers, as a child reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Obstacle {
    pub(crate) step: Step,
    /// For a proof, what was answered in its place; 0 for success.
    pub(crate) errno: i32,
}

impl ConfineError {
    /// What an obstacle means; what the kernel lacks is found by trying again without effect.
    pub(crate) fn of(obstacle: Obstacle, flags: Flags) -> ConfineError {
        let source = io::Error::from_raw_os_error(obstacle.errno);
        match (obstacle.step, obstacle.errno) {
            (Step::NoNewPrivileges, _) => ConfineError::NoNewPrivileges { source },
            (Step::Prove, _) => ConfineError::NotInForce { answer: source },
            (Step::Child, _) => ConfineError::Child { source },
            (Step::Install, libc::EACCES) => ConfineError::Privilege,
            (Step::Install, libc::ENOMEM) => ConfineError::TooMuch,
            (Step::Install, libc::EBUSY) => ConfineError::ListenerTaken,
            (Step::Install, _) => {
                let needed = [Feature::Seccomp, Feature::Filter].into_iter().chain(flags.features());
                match needed.into_iter().find(|feature| !feature.works()) {
                    Some(feature) => ConfineError::Missing { feature },
                    None => ConfineError::Install { source },
                }
            }
        }
    }
}
