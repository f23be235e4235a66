//! What an output language cannot say of a policy.

use std::fmt;

/// Something that a policy says and one output language cannot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Loss {
    /// What it concerns: a call, "default action", "i386", ...
    pub subject: String,
    /// What the language does instead, in one sentence.
    pub text: String,
    /// Whether the emitted profile allows more than the policy does.
    pub weaker: bool,
    /// Whether it refuses what the policy allows, so that the workload may fail.
    pub breaks: bool,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.text)
    }
}
