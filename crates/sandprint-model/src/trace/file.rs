//! What was done to one file in one run.

use std::collections::BTreeMap;

use crate::errno::Errno;
use crate::{ByteString, Join, Rights};

/// What was done to one path in one run. Each is a set: how often is not counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileSeen {
    /// What was done.
    pub succeeded: Rights,
    /// What was tried and failed, by the error that it gave.
    pub failed: BTreeMap<Errno, Rights>,
    /// What was tried, where nobody saw how it ended. What did succeed or fail is there as well.
    pub tried: Rights,
    /// How the program wrote the path, where that was not the path itself: relative, or through a symbolic link. Of
    /// several, the least.
    pub written: Option<ByteString>,
    /// The path is the kernel's own of what was opened or executed, at least once. Otherwise it was put together: from
    /// the directory that the call was relative to, and from what the program wrote.
    pub by_kernel: bool,
    /// What is not sure of it.
    pub doubts: Doubts,
}

/// Why a path may be another one than it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Doubts(u8);

/// One reason to doubt a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Doubt {
    /// It was longer or deeper than was kept: its beginning is missing.
    Cut,
    /// A name changed while it was read.
    Torn,
    /// The file had no name any more, or never had one: the path is the one that it had.
    Unlinked,
    /// The file is not below the root of who used it, or its mount is gone: the path begins elsewhere.
    Outside,
    /// What a relative path began at is not known.
    Unplaced,
}

impl Doubt {
    /// Every reason, in name order.
    pub const ALL: [Doubt; 5] = [Doubt::Cut, Doubt::Outside, Doubt::Torn, Doubt::Unlinked, Doubt::Unplaced];

    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Doubt::Cut => "cut",
            Doubt::Torn => "torn",
            Doubt::Unlinked => "unlinked",
            Doubt::Outside => "outside",
            Doubt::Unplaced => "unplaced",
        }
    }

    /// The reason of that word.
    pub fn from_name(name: &str) -> Option<Doubt> {
        Doubt::ALL.into_iter().find(|doubt| doubt.name() == name)
    }
}

impl Doubts {
    /// No reason.
    pub const NONE: Doubts = Doubts(0);

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it is one of the reasons.
    pub fn has(self, doubt: Doubt) -> bool {
        self.0 & 1 << doubt as u8 != 0
    }

    /// The reasons, in name order.
    pub fn iter(self) -> impl Iterator<Item = Doubt> {
        Doubt::ALL.into_iter().filter(move |doubt| self.has(*doubt))
    }

    /// The reasons of both.
    #[must_use]
    pub fn and(self, other: Doubts) -> Doubts {
        Doubts(self.0 | other.0)
    }
}

impl FromIterator<Doubt> for Doubts {
    fn from_iter<I: IntoIterator<Item = Doubt>>(doubts: I) -> Doubts {
        Doubts(doubts.into_iter().fold(0, |bits, doubt| bits | 1 << doubt as u8))
    }
}

impl FileSeen {
    /// The same, seen by somebody who does not see how calls end: that it succeeded was an assumption.
    #[must_use]
    pub fn only_tried(self) -> FileSeen {
        let tried = self.tried.and(self.succeeded);
        FileSeen { tried, succeeded: Rights::NONE, ..self }
    }

    /// What was tried and failed, with whatever error.
    pub fn all_failed(&self) -> Rights {
        self.failed.values().fold(Rights::NONE, |all, rights| all.and(*rights))
    }
}

impl Join for FileSeen {
    /// All that either knows. Whoever has the kernel's own path is right.
    fn join(&mut self, other: FileSeen) {
        self.succeeded = self.succeeded.and(other.succeeded);
        for (error, rights) in other.failed {
            let slot = self.failed.entry(error).or_default();
            *slot = slot.and(rights);
        }
        self.tried = self.tried.and(other.tried);
        self.written = match (self.written.take(), other.written) {
            (Some(here), Some(there)) => Some(here.min(there)),
            (here, there) => here.or(there),
        };
        self.by_kernel |= other.by_kernel;
        self.doubts = self.doubts.and(other.doubts);
    }

    fn add(&mut self, other: FileSeen) {
        self.join(other);
    }
}
