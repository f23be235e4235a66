//! What is kept of a fact in one run, and how two states of the same run become one.

use crate::{ArgumentsSeen, ByteString};

/// What was seen of a fact in one run.
///
/// Two states of the same run are joined: the join does not depend on order or grouping, a state joined with itself is
/// itself, and it knows all that both know for sure.
pub trait Join {
    /// Takes in what another state of the same run knows.
    fn join(&mut self, other: Self);

    /// Adds what another part of the same run holds, such as a second program that is the same to the user.
    fn add(&mut self, other: Self);
}

/// What is seen or not, and nothing else.
impl Join for () {
    fn join(&mut self, (): ()) {}

    fn add(&mut self, (): ()) {}
}

/// What was seen of one call in one run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallSeen {
    /// How many calls.
    pub count: u64,
    /// The first of them, where that was recorded.
    pub first: Option<FirstSeen>,
    /// The values of the arguments that select what the call does; `None` where they were not recorded, and for a
    /// call that has no such argument.
    pub arguments: Option<ArgumentsSeen>,
}

impl CallSeen {
    /// So many calls, of which nothing else is known.
    pub fn times(count: u64) -> CallSeen {
        CallSeen { count, ..CallSeen::default() }
    }
}

impl Join for CallSeen {
    /// The larger count, the earlier first call, the values of both.
    ///
    /// Where one of them does not know the values, the join does not either: what that one counted beyond the other
    /// may have had any.
    fn join(&mut self, other: CallSeen) {
        self.count = self.count.max(other.count);
        self.first = earlier(self.first.take(), other.first);
        self.arguments = match (self.arguments.take(), other.arguments) {
            (Some(here), Some(there)) => Some(here.join(there)),
            _ => None,
        };
    }

    /// The sum, the earlier first call, and the values of both; those of one where the other has none.
    fn add(&mut self, other: CallSeen) {
        self.count = self.count.saturating_add(other.count);
        self.first = earlier(self.first.take(), other.first);
        match (&mut self.arguments, other.arguments) {
            (Some(here), Some(there)) => here.add_all(&there),
            (None, there) => self.arguments = there,
            (Some(_), None) => {}
        }
    }
}

/// How often a fact was seen in one run, of which nothing else is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Count(pub u64);

impl Join for Count {
    fn join(&mut self, other: Count) {
        self.0 = self.0.max(other.0);
    }

    fn add(&mut self, other: Count) {
        self.0 = self.0.saturating_add(other.0);
    }
}

fn earlier(a: Option<FirstSeen>, b: Option<FirstSeen>) -> Option<FirstSeen> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// The first time a fact was seen in a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FirstSeen {
    /// Nanoseconds after the run began.
    pub after_ns: u64,
    /// The process (its tgid in the recorder's initial PID namespace).
    pub tgid: u32,
    /// The thread (its tid in the same namespace).
    pub tid: u32,
    /// The thread's name (`comm`) at that moment.
    pub comm: ByteString,
}
