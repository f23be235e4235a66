//! What is lost between a policy and a profile, or a policy and its translation, as data.
//!
//! It stands here, beside gaps and notes, and not with the formats: what a recording, a policy and a profile lack are
//! nouns, and whoever shows them needs no format. All sentences are in `words.rs`.

use std::fmt;

mod about;
mod kind;
#[cfg(test)]
mod tests;
mod words;

pub use about::About;
pub use kind::{Beside, Cut, Instead, LossKind, Multiplexed, Reader, SkippedKey, Unchecked};

/// Something that one side says and the other cannot: a policy and an output language, two architectures, a profile
/// and the policy that it becomes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Loss {
    /// What it concerns.
    pub about: About,
    /// What happens instead.
    pub kind: LossKind,
    /// Whether more is allowed by it.
    pub weaker: bool,
    /// Whether something is refused by it that was allowed, so that the workload may fail.
    pub breaks: bool,
}

impl Loss {
    /// A loss after which no more is allowed than before.
    pub fn stricter(about: About, kind: LossKind) -> Loss {
        Loss { about, kind, weaker: false, breaks: false }
    }

    /// A loss after which something is allowed that was not.
    pub fn weaker(about: About, kind: LossKind) -> Loss {
        Loss { about, kind, weaker: true, breaks: false }
    }

    /// A loss after which something is refused that was allowed: the workload may fail.
    pub fn breaking(about: About, kind: LossKind) -> Loss {
        Loss { about, kind, weaker: false, breaks: true }
    }

    /// A loss that allows more where `weaker` says so, and else refuses nothing that is needed.
    pub fn weaker_if(weaker: bool, about: About, kind: LossKind) -> Loss {
        if weaker { Loss::weaker(about, kind) } else { Loss::stricter(about, kind) }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about.in_full(), self.kind)
    }
}
