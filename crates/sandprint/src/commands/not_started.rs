//! Why a command was not started, as `run` and `profile run` say it, and the exit status that it means.

use std::ffi::OsStr;
use std::path::Path;

use sandprint_sandbox::launch::{Failure, LaunchError};

use crate::exit::{Deciding, ExitStatus};
use crate::output;

/// What the user is told; `None` where neither the command nor the user's wish to be another one is the reason.
pub(crate) fn why(launch: &LaunchError, command: &OsStr) -> Option<Deciding> {
    let cause = std::error::Error::source(launch).map(ToString::to_string).unwrap_or_default();
    let named = output::quote(Path::new(command));
    let (status, message, hint) = match (launch.failure(), launch) {
        (Failure::NotFound, LaunchError::Interpreter { .. }) => {
            (ExitStatus::NotFound, format!("failed to run {named}: {NO_INTERPRETER}"), NO_INTERPRETER_HINT)
        }
        (Failure::NotFound, _) => (
            ExitStatus::NotFound,
            format!("failed to run {named}: there is no such command"),
            "check its name and PATH; sudo has a PATH of its own",
        ),
        (Failure::NotRunnable, _) => {
            (ExitStatus::CannotRun, format!("failed to run {named}: {cause}"), NOT_RUNNABLE_HINT)
        }
        (Failure::Ended(exit), _) => (
            ExitStatus::Workload(exit),
            format!("{named} was ended before it executed anything"),
            "run it again",
        ),
        (Failure::Ours, LaunchError::Identity { .. }) => (
            ExitStatus::RecorderFailed,
            format!("failed to {launch}: {cause}"),
            "only root may become another user: use sudo, or leave out --user",
        ),
        (Failure::Ours, LaunchError::Filter { .. }) => (
            ExitStatus::RecorderFailed,
            format!("failed to {launch}: {cause}"),
            "where another recorder or supervisor has its listener on this process already, there is no second one; \
             `sandprint doctor` tries both recorders",
        ),
        (Failure::Ours, _) => return None,
    };
    Some(Deciding { status, message, hint: hint.to_owned() })
}

/// Why execve says ENOENT of a file that is there.
pub(crate) const NO_INTERPRETER: &str =
    "what its first line, or its ELF header, names as interpreter is not there";

/// What to do about that.
pub(crate) const NO_INTERPRETER_HINT: &str =
    "`head -1` shows a script's interpreter, `readelf -l` a program's";

/// What to do about a file that cannot be executed.
pub(crate) const NOT_RUNNABLE_HINT: &str = "it must be a file that may be executed (`chmod +x`), of this machine's \
                                            kind; a script needs a first line such as #!/bin/sh";
