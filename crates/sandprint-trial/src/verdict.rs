//! What a trial showed.

use sandprint_model::{ByteString, Exit};

use crate::Denial;

/// What a trial showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The command.
    pub command: Vec<ByteString>,
    /// What was refused, the most frequent first.
    pub denials: Vec<Denial>,
    /// The passes, in order.
    pub passes: Vec<Pass>,
    /// What may have been missed, and what the trial could not do as the policy says, in sentences.
    pub caveats: Vec<String>,
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
    /// Whether the workload ran without a refused call, as far as the trial could see.
    ///
    /// Nothing refused in the pass that explains, the same end in the one that confirms, and no SIGSYS, by which a
    /// filter ends a process.
    pub fn is_clean(&self) -> bool {
        self.denials.is_empty() && !self.ended_by_filter() && !self.ends_differ()
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
        self.denials.is_empty() && ends.windows(2).any(|pair| pair.first() != pair.last())
    }

    /// How the workload ended, in the last pass.
    pub fn exit(&self) -> Option<Exit> {
        self.passes.last().map(Pass::exit)
    }

    /// How many calls were refused.
    pub fn refused(&self) -> u64 {
        self.denials.iter().fold(0, |sum, denial| sum.saturating_add(denial.count))
    }
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
