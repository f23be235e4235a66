//! What was done to one file in one run.

use std::fmt;

use super::Failures;
use crate::errno::Errno;
use crate::{ByteString, Join, Rights};

/// What was done to one path in one run. Each is a set: how often is not counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileSeen {
    /// What was done.
    pub succeeded: Rights,
    /// What was tried and failed, by the error that it gave.
    pub failed: Failures,
    /// What was tried, where nobody saw how it ended. What did succeed or fail is there as well.
    pub tried: Rights,
    /// How the program wrote the path, where that was not the path itself: relative, or through a symbolic link. Of
    /// several, the least.
    pub written: Option<ByteString>,
    /// The path is the kernel's own of what was opened or executed, at least once. Otherwise it was put together: from
    /// the directory that the call was relative to, and from what the program wrote.
    pub by_kernel: bool,
    /// What is not sure of it: of all its uses, where none was sure. A path that was seen surely once is sure, and what was
    /// done in doubt counts as done to it.
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
    /// It goes back (`..`) over a name that may be a symbolic link, and stands as the program wrote it: what it names is
    /// known to whoever follows the link.
    Unresolved,
}

impl Doubt {
    /// Every reason, in name order.
    pub const ALL: [Doubt; 6] =
        [Doubt::Cut, Doubt::Outside, Doubt::Torn, Doubt::Unlinked, Doubt::Unplaced, Doubt::Unresolved];

    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Doubt::Cut => "cut",
            Doubt::Torn => "torn",
            Doubt::Unlinked => "unlinked",
            Doubt::Outside => "outside",
            Doubt::Unplaced => "unplaced",
            Doubt::Unresolved => "unresolved",
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

    /// These and one more.
    #[must_use]
    pub fn with(self, doubt: Doubt) -> Doubts {
        Doubts(self.0 | 1 << doubt as u8)
    }

    /// The others.
    #[must_use]
    pub fn without(self, doubt: Doubt) -> Doubts {
        Doubts(self.0 & !(1 << doubt as u8))
    }

    /// The reasons that are left when a path was seen twice: those of both, unless one of them was sure.
    #[must_use]
    pub fn of_both(self, other: Doubts) -> Doubts {
        if self.is_empty() || other.is_empty() { Doubts::NONE } else { Doubts(self.0 | other.0) }
    }
}

impl fmt::Display for Doubts {
    /// The words, with commas between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.iter().map(Doubt::name).collect();
        f.pad(&words.join(","))
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

    /// All that was done or tried, however it ended.
    pub fn all(&self) -> Rights {
        self.succeeded.and(self.tried).and(self.all_failed())
    }

    /// What was done or tried that this other one does not have, with that outcome. What nobody saw end is known where
    /// it succeeded.
    #[must_use]
    pub fn without(&self, other: &FileSeen) -> FileSeen {
        let rest = |(error, rights): (Errno, Rights)| {
            Some((error, rights.without(other.failed.get(error)))).filter(|(_, rights)| !rights.is_empty())
        };
        FileSeen {
            succeeded: self.succeeded.without(other.succeeded),
            failed: self.failed.iter().filter_map(rest).collect(),
            tried: self.tried.without(other.tried.and(other.succeeded)),
            ..self.clone()
        }
    }

    /// What was tried and failed, with whatever error.
    pub fn all_failed(&self) -> Rights {
        self.failed.all()
    }
}

impl Join for FileSeen {
    /// All that either knows. Whoever has the kernel's own path is right, and whoever is sure of it. Who says nothing
    /// that was done to the path says nothing of the path.
    fn join(&mut self, other: FileSeen) {
        self.doubts = match (self.all().is_empty(), other.all().is_empty()) {
            (true, false) => other.doubts,
            (false, true) => self.doubts,
            _ => self.doubts.of_both(other.doubts),
        };
        self.succeeded = self.succeeded.and(other.succeeded);
        for (error, rights) in other.failed.iter() {
            self.failed.add(error, rights);
        }
        self.tried = self.tried.and(other.tried);
        self.written = match (self.written.take(), other.written) {
            (Some(here), Some(there)) => Some(here.min(there)),
            (here, there) => here.or(there),
        };
        self.by_kernel |= other.by_kernel;
    }

    fn add(&mut self, other: FileSeen) {
        self.join(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Right;

    fn read(doubts: &[Doubt]) -> FileSeen {
        let succeeded = Rights::from([Right::Read]);
        FileSeen { succeeded, doubts: doubts.iter().copied().collect(), ..FileSeen::default() }
    }

    #[test]
    fn a_path_that_was_seen_surely_is_sure() {
        const CUT: &[Doubt] = &[Doubt::Cut];
        const BOTH: &[Doubt] = &[Doubt::Cut, Doubt::Torn];
        for (one, other, together) in
            [(CUT, &[][..], &[][..]), (CUT, CUT, CUT), (CUT, &[Doubt::Torn], BOTH), (BOTH, &[], &[])]
        {
            for (one, other) in [(one, other), (other, one)] {
                let mut seen = read(one);
                seen.join(read(other));
                assert_eq!(seen, read(together), "{one:?} {other:?}");
            }
            // What was seen of nothing is no sure use.
            let mut seen = FileSeen::default();
            seen.join(read(one));
            assert_eq!(seen, read(one));
        }
    }

    #[test]
    fn what_is_left_are_the_rights_that_the_other_lacks_by_outcome() {
        const NONE: Rights = Rights::NONE;
        let (read, write) = (Rights::from([Right::Read]), Rights::from([Right::Write]));
        let both = read.and(write);
        let seen = |succeeded, failed: &[(u16, Rights)], tried| FileSeen {
            succeeded,
            failed: failed.iter().map(|(error, rights)| (Errno(*error), *rights)).collect(),
            tried,
            ..FileSeen::default()
        };
        for (here, there, left) in [
            (seen(both, &[], NONE), seen(read, &[], NONE), seen(write, &[], NONE)),
            (
                seen(read, &[(13, read)], NONE),
                seen(read, &[(2, read)], NONE),
                seen(NONE, &[(13, read)], NONE),
            ),
            (seen(NONE, &[(2, both)], NONE), seen(both, &[(2, write)], NONE), seen(NONE, &[(2, read)], NONE)),
            (seen(NONE, &[], both), seen(read, &[(2, write)], NONE), seen(NONE, &[], write)),
            (seen(read, &[], NONE), seen(NONE, &[], read), seen(read, &[], NONE)),
        ] {
            assert_eq!(here.without(&there), left, "{here:?} {there:?}");
        }
    }
}
