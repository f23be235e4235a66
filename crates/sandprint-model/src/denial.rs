//! A call that the policy refused in a trial.

use std::time::Duration;

use crate::{Action, Ancestor, ByteString, Call, Location, Rule};

/// Calls that were refused alike: the same call from the same code of the same program, which one rule would allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The first of them.
    pub call: Call,
    /// What the policy said.
    pub action: Action,
    /// How often.
    pub count: u64,
    /// The executable that made it, as its process saw the path; empty where it could not be read.
    pub image: ByteString,
    /// From the first process of the trial down to the one that made the call.
    pub ancestry: Vec<Ancestor>,
    /// The code that made it, or why that is not known.
    pub location: Result<Location, String>,
    /// What the process did next, the first time.
    pub next: Next,
    /// The smallest rule that would allow it.
    pub rule: Rule,
}

/// What a process did after its call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It made further calls, or still lived a while later.
    WentOn,
    /// It ended by itself, so soon after.
    Ended(Duration),
    /// The policy's action ended it.
    Killed,
    /// The call was let go on, to see what comes after it.
    Allowed,
    /// It ran, and was logged: the policy's default says so.
    Logged,
    /// The trial ended before that was known.
    Unknown,
}
