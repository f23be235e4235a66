//! How something that was tried ended: well, badly, or both at different times.

use crate::Join;

/// How something ended, of all the times that it was tried. Neither: it was tried, and nobody saw how it ended.
///
/// For a capability: granted is succeeded, refused is failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Outcomes {
    /// It succeeded at least once.
    pub succeeded: bool,
    /// It failed at least once.
    pub failed: bool,
}

impl Outcomes {
    /// It succeeded, and nothing else.
    pub const SUCCEEDED: Outcomes = Outcomes { succeeded: true, failed: false };

    /// It failed, and nothing else.
    pub const FAILED: Outcomes = Outcomes { succeeded: false, failed: true };

    /// What is in either.
    #[must_use]
    pub fn and(self, other: Outcomes) -> Outcomes {
        Outcomes { succeeded: self.succeeded || other.succeeded, failed: self.failed || other.failed }
    }

    /// What is not in the other.
    #[must_use]
    pub fn without(self, other: Outcomes) -> Outcomes {
        Outcomes { succeeded: self.succeeded && !other.succeeded, failed: self.failed && !other.failed }
    }
}

impl Join for Outcomes {
    fn join(&mut self, other: Outcomes) {
        *self = self.and(other);
    }

    fn add(&mut self, other: Outcomes) {
        *self = self.and(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_once_stays_seen() {
        let both = Outcomes { succeeded: true, failed: true };
        for (one, other, together) in [
            (Outcomes::default(), Outcomes::default(), Outcomes::default()),
            (Outcomes::SUCCEEDED, Outcomes::default(), Outcomes::SUCCEEDED),
            (Outcomes::SUCCEEDED, Outcomes::FAILED, both),
            (Outcomes::FAILED, Outcomes::FAILED, Outcomes::FAILED),
            (both, Outcomes::FAILED, both),
        ] {
            for (mut here, there) in [(one, other), (other, one)] {
                let mut added = here;
                here.join(there);
                added.add(there);
                assert_eq!((here, added), (together, together), "{one:?} {other:?}");
            }
        }
    }
}
