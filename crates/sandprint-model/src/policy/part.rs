//! The parts of a policy: [`Part`].

use std::fmt;

/// A kind of request that a policy decides, and so a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// System calls: [`CallRules`](crate::CallRules).
    Calls,
}

impl fmt::Display for Part {
    /// As people call what it is about.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Calls => f.write_str("system calls"),
        }
    }
}
