//! When a workload that has a time limit is told to end, when it is made to, and when it is given up.

use std::time::{Duration, Instant};

use crate::process::{self, ProcessError};
use crate::signals::Signal;

/// How long a tree that was told to end has until it is killed.
pub const GRACE: Duration = Duration::from_secs(5);
/// How often a killed tree is looked at again: it may have forked meanwhile.
const KILL_AGAIN: Duration = Duration::from_millis(50);
/// How long a killed tree has until somebody is told what is left of it.
const TELL_AFTER: Duration = Duration::from_secs(1);
/// How long a killed tree has until it is left alone: it may be frozen, or somebody else's.
const GIVE_UP: Duration = Duration::from_secs(5);

/// A time limit.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Until then, nothing.
    Running(Instant),
    /// SIGTERM was sent; SIGKILL follows then.
    Asked(Instant),
    Killed {
        at: Instant,
        again: Instant,
        is_told: bool,
    },
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet.
    Nothing,
    /// Tell the tree to end: [`ask`].
    Ask,
    /// Kill what is there of it: [`kill`].
    Kill,
    /// Tell what is still there.
    Tell,
    /// Leave alone what is still there.
    GiveUp,
}

impl Deadline {
    /// That time from now.
    pub fn after(limit: Duration) -> Deadline {
        let now = Instant::now();
        // A limit that no clock reaches is none.
        let far = Duration::from_hours(24 * 365 * 100);
        Deadline { state: State::Running(now.checked_add(limit.min(far)).unwrap_or(now)) }
    }

    /// Whether the time is up.
    pub fn is_up(&self) -> bool {
        !matches!(self.state, State::Running(_))
    }

    /// When to look for the next [`Deadline::step`].
    pub fn next(&self) -> Instant {
        match self.state {
            State::Running(at) | State::Asked(at) => at,
            State::Killed { again, .. } => again,
        }
    }

    /// What is due at this time, once.
    pub fn step(&mut self, now: Instant) -> Step {
        match self.state {
            State::Running(at) if now >= at => {
                self.state = State::Asked(now + GRACE);
                Step::Ask
            }
            State::Asked(at) if now >= at => {
                self.state = State::Killed { at: now, again: now + KILL_AGAIN, is_told: false };
                Step::Kill
            }
            State::Killed { at, .. } if now >= at + GIVE_UP => Step::GiveUp,
            State::Killed { at, again, is_told: false } if now >= at + TELL_AFTER => {
                self.state = State::Killed { at, again, is_told: true };
                Step::Tell
            }
            State::Killed { at, again, is_told } if now >= again => {
                self.state = State::Killed { at, again: now + KILL_AGAIN, is_told };
                Step::Kill
            }
            _ => Step::Nothing,
        }
    }
}

/// Asks processes to end.
pub fn ask(pids: impl IntoIterator<Item = u32>) -> Result<(), ProcessError> {
    for pid in pids {
        send(pid, Signal::TERM)?;
        // A stopped process would never see it.
        send(pid, Signal::CONT)?;
    }
    Ok(())
}

/// Kills processes.
pub fn kill(pids: impl IntoIterator<Item = u32>) -> Result<(), ProcessError> {
    pids.into_iter().try_for_each(|pid| send(pid, Signal::KILL))
}

fn send(pid: u32, signal: Signal) -> Result<(), ProcessError> {
    // What ended meanwhile, or belongs to somebody else by now, is not there to be signalled.
    match process::kill_process(pid, signal) {
        Ok(_) | Err(ProcessError::Send { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Those that have not ended, each with the reason.
pub fn survivors(pids: impl IntoIterator<Item = u32>) -> Vec<String> {
    pids.into_iter().filter(|&pid| !process::has_ended(pid)).map(process::why_it_lives).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_asked_once_killed_again_and_again_told_of_and_given_up() {
        let mut deadline = Deadline::after(Duration::from_secs(10));
        let begin = deadline.next().checked_sub(Duration::from_secs(10)).unwrap();
        let mut steps: Vec<(u64, Step)> = Vec::new();
        for milliseconds in (0..30_000).step_by(10) {
            let step = deadline.step(begin + Duration::from_millis(milliseconds));
            if step != Step::Nothing && steps.last().is_none_or(|(_, last)| *last != step) {
                steps.push((milliseconds, step));
            }
            if step == Step::GiveUp {
                break;
            }
        }
        let expected = [
            (10_000, Step::Ask),
            (15_000, Step::Kill),
            (16_000, Step::Tell),
            (16_010, Step::Kill),
            (20_000, Step::GiveUp),
        ];
        assert_eq!(steps, expected);
        assert!(deadline.is_up());
        assert!(!Deadline::after(Duration::MAX).is_up());
    }
}
