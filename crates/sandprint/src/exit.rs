//! Exit statuses: every number that `sandprint` ends with, and what it means.

use std::process::ExitCode;

use sandprint_model::Exit;

/// How `sandprint` ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// 0: done. Also when the reader of our output closed its pipe early.
    Success,
    /// 1: the command failed; stderr says why.
    Failure,
    /// 2: the command line is wrong.
    Usage,
    /// 3: the check found a difference, or a call that is not allowed.
    Different,
    /// 125: `run` or `profile run` failed by itself; the workload may not have run.
    RecorderFailed,
    /// 126: the command of `run` or `profile run` was found, but could not be run.
    CannotRun,
    /// 127: the command of `run` or `profile run` was not found.
    NotFound,
    /// The workload's own status; when a signal ended it, we end by that too (128+N in shells).
    Workload(Exit),
}

/// The end of every command's `--help`.
pub(crate) const HELP: &str = "\
Exit status:
  0  done
  1  failed; stderr says why, with a hint
  2  the command line is wrong";

/// The end of `profile run --help`.
pub(crate) const HELP_RUN: &str = "\
Exit status:
  the command's own, 0 to 255
  128+N  signal N ended the command, and then sandprint
  125    sandprint itself failed; stderr says why, with a hint
  126    the command was found, but could not be run
  127    the command was not found
  2      the command line is wrong
  With --unit: 0, or 1 if the unit did not start or has failed";

/// The end of `run --help`.
pub(crate) const HELP_CONFINED: &str = "\
Exit status:
  the command's own, since sandprint becomes it
  125  sandprint itself failed, and nothing was run; stderr says why
  126  the command was found, but could not be run
  127  the command was not found
  2    the command line is wrong";

/// The end of `profile verify --help`.
pub(crate) const HELP_VERIFY: &str = "\
Exit status:
  0      nothing was refused, and the command ended as expected
         (--expect-status)
  3      a call was refused, or ran only because the policy's default is to
         log; or the command ended with another status than expected, or
         differently in the second run; or the second run was not made
  128+N  signal N ended the command, and then sandprint
  125    sandprint itself failed; stderr says why, with a hint
  126    the command was found, but could not be run
  127    the command was not found
  2      the command line is wrong";

/// The end of `watch --help`.
pub(crate) const HELP_WATCH: &str = "\
Exit status:
  0  no refused call was seen
  1  failed; stderr says why, with a hint
  2  the command line is wrong
  3  a call was refused";

/// The end of `profile refine --help`.
pub(crate) const HELP_REFINE: &str = "\
Exit status:
  0      the policy is written, and nothing was refused in the last run
  3      the policy is written, but calls are still refused, or no last run
         could prove that none is
  128+N  signal N ended the command, and then sandprint
  125    sandprint itself failed; stderr says why, with a hint
  126    the command was found, but could not be run
  127    the command was not found
  2      the command line is wrong";

/// The end of `profile diff --help`.
pub(crate) const HELP_DIFF: &str = "\
Exit status:
  0  done; with --exit-code: no difference
  1  failed; stderr says why, with a hint
  2  the command line is wrong
  3  with --exit-code: there is a difference";

/// The end of `policy fmt --help`.
pub(crate) const HELP_CHECK: &str = "\
Exit status:
  0  done; with --check: every file is formatted
  1  failed; stderr says why, with a hint
  2  the command line is wrong
  3  with --check: a file is not formatted";

/// The end of `policy test --help`.
pub(crate) const HELP_DIFF_CALLS: &str = "\
Exit status:
  0  done; with --exit-code: every call is allowed
  1  failed; stderr says why, with a hint
  2  the command line is wrong
  3  with --exit-code: a call is not allowed";

/// The end of `sandprint --help`: all of them.
pub(crate) const HELP_ALL: &str = "\
Exit status:
  0      done, also if a reader closes the pipe early
  1      failed; stderr says why (`error:`) and what to do about it (`hint:`)
  2      the command line is wrong
  3      the check found a difference, a refused call or a failed test
  `run` and `profile run` end with the status of the command, or with
  128+N  signal N ended the command, and then sandprint
  125    sandprint itself failed
  126    the command was found, but could not be run
  127    the command was not found";

impl ExitStatus {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            ExitStatus::Success => 0,
            ExitStatus::Failure => 1,
            ExitStatus::Usage => 2,
            ExitStatus::Different => 3,
            ExitStatus::RecorderFailed => 125,
            ExitStatus::CannotRun => 126,
            ExitStatus::NotFound => 127,
            ExitStatus::Workload(Exit::Code(code)) => code,
            // Signals end at 64, so nothing is lost.
            ExitStatus::Workload(Exit::Signal(signal)) => 128_u8.saturating_add(signal),
        }
    }
}

impl ExitStatus {
    /// Ends as the status says: where a signal ended the command, by that signal, as whoever started us would see it
    /// end without us. A shell leaves a loop after Ctrl-C only if what it ran has died of it.
    pub(crate) fn end(self) -> ExitCode {
        if let ExitStatus::Workload(Exit::Signal(signal)) = self {
            sandprint_sandbox::signals::end_by(signal);
        }
        self.into()
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> ExitCode {
        ExitCode::from(status.code())
    }
}

/// An error that decides the exit status, whatever the command, and brings its own hint.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Deciding {
    /// How `sandprint` ends because of it.
    pub(crate) status: ExitStatus,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: String,
}

impl Deciding {
    /// Words on the command line that do not go together, found only after parsing.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Deciding {
        Deciding { status: ExitStatus::Usage, message: message.into(), hint: hint.into() }
    }
}

/// The status for an error: the one that something in its chain decides, or else the command's own.
pub(crate) fn status_of(error: &anyhow::Error, failure: ExitStatus) -> ExitStatus {
    error.chain().find_map(|cause| cause.downcast_ref::<Deciding>()).map_or(failure, |error| error.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workloads_status_passes_through_and_signals_add_128() {
        for (status, expected) in [
            (ExitStatus::Workload(Exit::Code(0)), 0),
            (ExitStatus::Workload(Exit::Code(255)), 255),
            (ExitStatus::Workload(Exit::Code(125)), 125),
            (ExitStatus::Workload(Exit::Signal(2)), 130),
            (ExitStatus::Workload(Exit::Signal(9)), 137),
            (ExitStatus::Workload(Exit::Signal(64)), 192),
        ] {
            assert_eq!(status.code(), expected, "{status:?}");
        }
    }

    #[test]
    fn the_help_names_every_number() {
        for status in [
            ExitStatus::Success,
            ExitStatus::Failure,
            ExitStatus::Usage,
            ExitStatus::Different,
            ExitStatus::RecorderFailed,
            ExitStatus::CannotRun,
            ExitStatus::NotFound,
        ] {
            let number = format!("  {}", status.code());
            let named = HELP_ALL
                .lines()
                .any(|line| line.strip_prefix(&number).is_some_and(|rest| rest.starts_with("  ")));
            assert!(named, "{status:?}");
        }
        assert!(HELP_ALL.contains("128+N"));
    }

    #[test]
    fn a_deciding_error_anywhere_in_the_chain_decides() {
        use anyhow::Context;
        let usage = Err::<(), _>(Deciding::usage("no", "do")).context("while").unwrap_err();
        assert_eq!(status_of(&usage, ExitStatus::RecorderFailed), ExitStatus::Usage);
        assert_eq!(status_of(&anyhow::anyhow!("x"), ExitStatus::RecorderFailed), ExitStatus::RecorderFailed);
    }
}
