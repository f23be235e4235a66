//! What a trial showed: a command under its policy.
//!
//! It is here, with [`Denial`], since it holds nouns and is one: the trial that makes it needs the kernel, and whoever
//! writes it down needs nothing.

use std::collections::BTreeSet;

use crate::{ByteString, Denial, Exit};

/// What a trial showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The command.
    pub command: Vec<ByteString>,
    /// What was refused, the most frequent first.
    pub denials: Vec<Denial>,
    /// The passes, in order.
    pub passes: Vec<Pass>,
    /// What ran though nothing but a default that logs lets it run, the most frequent first.
    pub outside: Vec<Denial>,
    /// How the workload was to end.
    pub expected: Expected,
    /// Whether every pass was made that belongs to the trial.
    pub complete: bool,
    /// The number of a signal that ended the trial: the command died of what was sent to both, or others were still
    /// running.
    pub interrupted: Option<u8>,
    /// The passes in which the time was up, counted from 0: how the command ended there says nothing.
    pub timed_out: BTreeSet<usize>,
    /// What may have been missed, and what the trial could not do as the policy says, in sentences.
    pub caveats: Vec<String>,
}

/// How a workload is to end: another end says that what the trial was for was not tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// With this status; 128+N also when signal N ends it, as shells say it.
    Status(u8),
    /// Anyhow.
    Any,
}

impl Default for Expected {
    fn default() -> Expected {
        Expected::Status(0)
    }
}

impl Expected {
    /// Whether this end is it.
    pub fn is(self, exit: Exit) -> bool {
        match (self, exit) {
            (Expected::Any, _) => true,
            (Expected::Status(expected), Exit::Code(code)) => code == expected,
            (Expected::Status(expected), Exit::Signal(signal)) => signal.saturating_add(128) == expected,
        }
    }
}

/// One run of the workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pass {
    /// Refused calls were reported, and then answered.
    Explained {
        /// How the first process ended.
        exit: Exit,
        /// Whether refused calls were let go on instead.
        let_go_on: bool,
    },
    /// Under the filter itself, byte for byte, with nobody in between.
    Confirmed {
        /// How the first process ended.
        exit: Exit,
        /// Instructions of the filter.
        instructions: usize,
        /// Whether the kernel said that the filter was in force.
        in_force: bool,
    },
    /// Under the filter itself, byte for byte, with nobody in between, and refused calls seen in the kernel.
    Observed {
        /// How the first process ended.
        exit: Exit,
        /// Instructions of the filter.
        instructions: usize,
        /// Whether the kernel said that the filter was in force.
        in_force: bool,
    },
}

impl Verdict {
    /// Whether the workload did what it should under the policy, as far as the trial could see.
    ///
    /// Nothing refused in the pass that explains and nothing that only a default logs, the same end in the one that
    /// confirms, no SIGSYS, by which a filter ends a process, and the end that was expected.
    pub fn is_clean(&self) -> bool {
        self.denials.is_empty()
            && self.outside.is_empty()
            && self.complete
            && !self.ended_by_filter()
            && !self.ends_differ()
            && self.unexpected_end().is_none()
    }

    /// The first end of the workload that was not expected.
    pub fn unexpected_end(&self) -> Option<Exit> {
        let judged = self.passes.iter().enumerate().filter(|(number, _)| !self.timed_out.contains(number));
        judged.map(|(_, pass)| pass.exit()).find(|exit| !self.expected.is(*exit))
    }

    /// Whether the pass under the filter itself ended as only a filter ends a process.
    pub fn ended_by_filter(&self) -> bool {
        const SIGSYS: u8 = 31;
        self.passes.iter().any(|pass| match pass {
            Pass::Confirmed { exit, .. } | Pass::Observed { exit, .. } => *exit == Exit::Signal(SIGSYS),
            Pass::Explained { .. } => false,
        })
    }

    /// Whether the two passes ended differently though nothing was refused.
    pub fn ends_differ(&self) -> bool {
        let ends: Vec<Exit> = self.passes.iter().map(Pass::exit).collect();
        self.denials.is_empty()
            && self.timed_out.is_empty()
            && ends.windows(2).any(|pair| pair.first() != pair.last())
    }

    /// How the workload ended, in the last pass.
    pub fn exit(&self) -> Option<Exit> {
        self.passes.last().map(Pass::exit)
    }

    /// How many calls were refused.
    pub fn refused(&self) -> u64 {
        sum(&self.denials)
    }

    /// How many calls ran outside of the policy.
    pub fn ran_outside(&self) -> u64 {
        sum(&self.outside)
    }
}

fn sum(calls: &[Denial]) -> u64 {
    calls.iter().fold(0, |sum, denial| sum.saturating_add(denial.count))
}

impl Pass {
    /// How the first process ended.
    pub fn exit(&self) -> Exit {
        match self {
            Pass::Explained { exit, .. } | Pass::Confirmed { exit, .. } | Pass::Observed { exit, .. } => {
                *exit
            }
        }
    }
}
