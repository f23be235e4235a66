//! Why a workload did not start.

use std::io;
use std::path::PathBuf;

use sandprint_model::Exit;

use crate::confine::ConfineError;

/// Why a workload did not start. In every case it has not executed anything, and its process is gone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// A NUL byte, which no argument of execve can hold.
    #[error("pass {what} {text:?}: it has a NUL byte")]
    Nul {
        /// "the argument", "the variable", "the program".
        what: &'static str,
        /// It.
        text: std::ffi::OsString,
    },
    /// clone(2), or what comes with it.
    #[error("create a process")]
    Fork {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The socket between us and the child.
    #[error("speak with the new process")]
    Talk {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A resource limit could not be set back to what we were given.
    #[error("restore the resource limit {resource}")]
    Limit {
        /// Its number (`RLIMIT_*` in sys/resource.h).
        resource: u32,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The child could not become the user.
    #[error("run as user id {uid} and group id {gid}: {operation}")]
    Identity {
        /// The call that was refused: "setgroups", "setresgid" or "setresuid".
        operation: &'static str,
        /// The user id.
        uid: u32,
        /// The group id.
        gid: u32,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The child could not be confined.
    #[error("confine the workload")]
    Confine {
        /// Why.
        #[source]
        source: ConfineError,
    },
    /// The filter that reports its calls could not be installed. EBUSY: a process has one listener at most, and
    /// this one has another's already.
    #[error("install a seccomp filter with a listener")]
    Filter {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The program was not found or could not be executed: [`LaunchError::failure`] says which.
    #[error("execute {path:?}")]
    Execute {
        /// The file, or the name if no file of PATH was it.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The program is there, but its interpreter is not: what its `#!` line names, or, for a binary, its
    /// dynamic loader.
    #[error("execute {path:?}: its interpreter was not found")]
    Interpreter {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Something ended the process before its execve: usually Ctrl-C.
    #[error("start the workload: it was ended before it executed anything ({exit:?})")]
    Ended {
        /// How.
        exit: Exit,
    },
}

/// Kinds of failure, as far as an exit status distinguishes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// We failed, not the command.
    Ours,
    /// The command was found and could not be run.
    NotRunnable,
    /// The command, or its interpreter, was not found.
    NotFound,
    /// A signal or an exit came first.
    Ended(Exit),
}

impl LaunchError {
    /// What kind of failure it is: ENOENT (also of an interpreter) is "not found", as for bash, dash, env(1)
    /// and timeout(1); other errors of the execution are "not runnable".
    pub fn failure(&self) -> Failure {
        match self {
            LaunchError::Execute { source, .. } | LaunchError::Interpreter { source, .. }
                if source.raw_os_error() == Some(libc::ENOENT) =>
            {
                Failure::NotFound
            }
            LaunchError::Execute { .. } | LaunchError::Interpreter { .. } => Failure::NotRunnable,
            LaunchError::Ended { exit } => Failure::Ended(*exit),
            LaunchError::Nul { .. }
            | LaunchError::Fork { .. }
            | LaunchError::Talk { .. }
            | LaunchError::Limit { .. }
            | LaunchError::Filter { .. }
            | LaunchError::Identity { .. }
            | LaunchError::Confine { .. } => Failure::Ours,
        }
    }
}
