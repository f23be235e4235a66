//! What is allowed: a [`Policy`], its parts, and why each rule is there.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::{Date, Image, KernelVersion, Note, Syscall};

mod calls;
mod part;

pub use calls::{Action, Call, CallRules, Comparison, Condition, Rule, Width};
pub use part::Part;

/// What is allowed, each rule with its reasons, and what happens to everything else.
///
/// It has a part per kind of request. What a part means, its own `decide` says, and nothing else; every output is
/// held against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The oldest kernel it is made for; calls newer than that are answered as absent.
    pub kernel: Option<KernelVersion>,
    /// What it says of system calls.
    pub calls: CallRules,
    /// Where synthesis generalised, and what a reader should know.
    pub notes: BTreeSet<Note>,
}

impl Policy {
    /// The parts that it has, each once.
    pub fn parts(&self) -> impl Iterator<Item = Part> {
        // A new field is a part, or is named here as none.
        let Policy { calls: CallRules { .. }, kernel: _, notes: _ } = self;
        std::iter::once(Part::Calls)
    }
}

/// Why a rule is there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It was seen.
    Observed {
        /// How many calls, over all runs.
        count: u64,
        /// In how many runs.
        runs: usize,
        /// Made by which programs.
        images: Vec<Arc<Image>>,
    },
    /// Every process needs it, or the kernel makes the process call it; why, in one sentence.
    Baseline(String),
    /// Another libc, architecture or kernel would make this call where `of` was observed.
    Portability {
        /// The observed call.
        of: Syscall,
        /// Who makes it instead, in one sentence.
        why: String,
    },
    /// The launcher makes it after it has loaded the filter.
    Runtime {
        /// Which launcher.
        runtime: String,
        /// What it does there, and in which version that was seen.
        why: String,
    },
    /// It is answered "not implemented", so that callers use the older call; why, in one sentence.
    Fallback(String),
    /// A person put it there; their words.
    ByHand(String),
    /// A refused call was looked at, and this was the answer.
    Decided {
        /// What was decided, in one sentence.
        words: String,
        /// The day, in UTC.
        on: Date,
        /// Who or what answered: a person who was asked, or the rule on the command line.
        by: String,
    },
    /// An existing profile says so: which, and what its author wrote beside it.
    Imported(String),
}

impl fmt::Display for Reason {
    /// In words. Text of a person or of the workload is in it as it is: escape it for where it goes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Observed { count, runs, images } => {
                let (s, t) = (if *count == 1 { "" } else { "s" }, if *runs == 1 { "" } else { "s" });
                write!(f, "observed: {count} call{s} in {runs} run{t}")?;
                for (place, image) in images.iter().take(NAMED_IMAGES).enumerate() {
                    write!(f, "{}{image}", if place == 0 { ", by " } else { ", " })?;
                }
                if images.len() > NAMED_IMAGES {
                    write!(f, " and {} more", images.len() - NAMED_IMAGES)?;
                }
                Ok(())
            }
            Reason::Baseline(why) => write!(f, "baseline: {why}"),
            Reason::Portability { of, why } => write!(f, "portability, for {of}: {why}"),
            Reason::Runtime { runtime, why } => write!(f, "{runtime}: {why}"),
            Reason::Fallback(why) => write!(f, "answered as absent: {why}"),
            Reason::ByHand(words) => write!(f, "by hand: {words}"),
            Reason::Decided { words, on, by } => write!(f, "decided on {on} by {by}: {words}"),
            Reason::Imported(from) => write!(f, "imported: {from}"),
        }
    }
}

/// Most programs that are named in a sentence; who wants all has the policy.
const NAMED_IMAGES: usize = 3;
