//! Waiting for a workload to end, with the rules for signals that every launch has, and for a time limit.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use sandprint_model::Exit;
use sandprint_sandbox::deadline::{self, Deadline, Step};
use sandprint_sandbox::foreground::Foreground;
use sandprint_sandbox::launch::Running;
use sandprint_sandbox::process::{self, Adopter};
use sandprint_sandbox::signals::Signal;
use sandprint_sandbox::{poll, process::ProcessError};

use crate::error::TrialError;

/// How long a tree may go on after its first process before it is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long what a signal to us has reached as well has to end of it.
const SETTLE: Duration = Duration::from_secs(1);

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waited {
    /// How its first process ended.
    pub(crate) exit: Exit,
    /// Whether its time was up.
    pub(crate) timed_out: bool,
    /// A signal that came after the first process had ended, and ended the waiting for others.
    pub(crate) interrupted: Option<Signal>,
}

/// A time limit, and the right to know the whole tree, which that takes.
#[derive(Debug)]
struct Limit {
    deadline: Deadline,
    adopter: Adopter,
}

/// A wait that begins before the workload does, so that no orphan of it is missed.
#[derive(Debug)]
pub(crate) struct Wait {
    limit: Option<Limit>,
    /// Children of ours that are none of the workload's.
    others: Vec<u32>,
}

impl Wait {
    /// `others` are children of this process that do not belong to the workload.
    pub(crate) fn begin(limit: Option<Duration>, others: Vec<u32>) -> Result<Wait, TrialError> {
        let limit = limit.map(|limit| {
            let adopter = Adopter::new().map_err(TrialError::Wait)?;
            Ok::<_, TrialError>(Limit { deadline: Deadline::after(limit), adopter })
        });
        Ok(Wait { limit: limit.transpose()?, others })
    }

    /// Waits until the first process has ended and `is_over` says that the rest of its tree has. A signal that comes
    /// to us after the first process has ended stops the waiting.
    pub(crate) fn until_ended(
        mut self,
        running: &mut Running,
        foreground: &mut Foreground,
        mut is_over: impl FnMut() -> Result<bool, TrialError>,
    ) -> Result<Waited, TrialError> {
        let ours = running.pid();
        let in_tree = |pid| process::descends(pid, ours);
        let mut interrupted: Option<(Signal, Instant)> = None;
        loop {
            let came = foreground.attend(Some(running), in_tree)?;
            let exit = running.ended().map(|ended| ended.exit);
            let timed_out = self.limit.as_ref().is_some_and(|limit| limit.deadline.is_up());
            if let Some(limit) = &self.limit {
                limit.adopter.reap(&[&[ours], self.others.as_slice()].concat());
            }
            let over = is_over()? && !(timed_out && self.any_lives());
            if let (Some(exit), true) = (exit, over) {
                return Ok(Waited { exit, timed_out, interrupted: None });
            }
            if let Some(signal) = came {
                // Asked again, it is not to wait.
                let settle = if interrupted.is_some() { Duration::ZERO } else { SETTLE };
                interrupted = Some((signal, Instant::now() + settle));
            }
            if let (Some(exit), Some((signal, until))) = (exit, interrupted)
                && Instant::now() >= until
            {
                return Ok(Waited { exit, timed_out, interrupted: Some(signal) });
            }
            if self.end_in_time(exit)? {
                let exit = exit.ok_or_else(|| TrialError::Survivors(self.survivors()))?;
                return Ok(Waited { exit, timed_out: true, interrupted: None });
            }
            let end: BorrowedFd<'_> = if exit.is_none() { running.end() } else { foreground.as_fd() };
            poll::readable([foreground.as_fd(), end], Some(LOOK_AGAIN)).map_err(TrialError::Wait)?;
        }
    }

    /// Ends the tree when its time is up; true once what does not end is given up.
    fn end_in_time(&mut self, exit: Option<Exit>) -> Result<bool, ProcessError> {
        let Some(limit) = &mut self.limit else { return Ok(false) };
        match limit.deadline.step(Instant::now()) {
            Step::Nothing | Step::Tell => {}
            Step::Ask => deadline::ask(process::descendants(&self.others))?,
            Step::Kill => deadline::kill(process::descendants(&self.others))?,
            Step::GiveUp => return Ok(exit.is_none() || self.any_lives()),
        }
        Ok(false)
    }

    fn any_lives(&self) -> bool {
        process::descendants(&self.others).into_iter().any(|pid| !process::has_ended(pid))
    }

    fn survivors(&self) -> Vec<String> {
        deadline::survivors(process::descendants(&self.others))
    }
}
