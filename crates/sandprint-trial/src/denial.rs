//! A call that the policy refused in a trial.

use std::fmt;
use std::time::Duration;

use sandprint_model::{Action, ByteString, Call, Reason, Rule};
use sandprint_policy::suggest;
use sandprint_record::code::Location;
use sandprint_record::refused::Ancestor;

/// A process that still lives after this time has not ended for a refused call.
pub(crate) const WENT_ON: Duration = Duration::from_millis(200);

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

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Next::WentOn => f.write_str("the process went on"),
            Next::Ended(after) if after.as_millis() == 0 => {
                f.write_str("the process ended within a millisecond")
            }
            Next::Ended(after) => write!(f, "the process ended {} ms later", after.as_millis()),
            Next::Killed => f.write_str("the process was killed for it"),
            Next::Allowed => f.write_str("it was let go on, to see what comes next"),
            Next::Logged => f.write_str("it ran, and was logged"),
            Next::Unknown => f.write_str("what came of it is not known"),
        }
    }
}

/// The smallest rule that would let a call run, with nothing said of who wants it.
pub(crate) fn smallest_rule(call: &Call) -> Rule {
    let mut rule = suggest::allowing(call, Reason::ByHand(String::new()));
    rule.reasons.clear();
    rule
}
