//! What this process was given by its caller, before anything in it changed it.
//!
//! A workload is to see what it would see without us between it and the caller. Most of that passes through
//! us untouched. What does not is kept here: std ignores SIGPIPE and opens /dev/null for closed standard
//! descriptors before `main` runs (std's `rt::init`), and the recorder blocks signals and raises limits.

mod sys;

use crate::signals::signal::SignalSet;

/// Number of resource limits (`RLIM_NLIMITS` of the kernel).
const LIMITS: usize = 16;

/// The state at the start of the process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inherited {
    /// The signals that were ignored.
    pub(crate) ignored: SignalSet,
    /// The signals that were blocked.
    pub(crate) blocked: SignalSet,
    /// Which of the descriptors 0, 1 and 2 were closed.
    pub(crate) closed: [bool; 3],
    /// The resource limits, by their number, as far as the kernel has them.
    pub(crate) limits: [Option<Limit>; LIMITS],
}

/// A resource limit: soft and hard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) soft: u64,
    pub(crate) hard: u64,
}

impl Inherited {
    /// What was found before `main`.
    pub(crate) fn get() -> Inherited {
        sys::captured()
    }

    /// The limits that are not what they were, with what they were.
    pub(crate) fn changed_limits(&self) -> Vec<(u32, Limit)> {
        (0..)
            .zip(self.limits)
            .filter(|&(number, was)| sys::limit(number) != was)
            .filter_map(|(number, was)| was.map(|was| (number, was)))
            .collect()
    }
}

/// Whether the caller had standard output closed. std has opened /dev/null in its place, which takes everything.
pub fn stdout_was_closed() -> bool {
    let [_, stdout, _] = Inherited::get().closed;
    stdout
}

pub(crate) use sys::environment;
