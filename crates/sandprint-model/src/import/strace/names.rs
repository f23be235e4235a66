//! The names of calls in a log, each kept once.

use std::collections::HashMap;

/// Most names that are kept apart; there are some 500 calls.
const MOST: usize = 4096;
/// The longest name that is kept.
const LONGEST: usize = 64;

/// A name, by its place among all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Name(usize);

/// All names.
#[derive(Debug, Default)]
pub(super) struct Names {
    places: HashMap<Box<[u8]>, Name>,
    all: Vec<Box<[u8]>>,
}

impl Names {
    /// The place of a name. What is too long for one, or one too many, has the place of [`Names::OTHERS`].
    pub(super) fn intern(&mut self, name: &[u8]) -> Name {
        if let Some(known) = self.places.get(name) {
            return *known;
        }
        if name.len() > LONGEST || (self.all.len() >= MOST && name != Names::OTHERS) {
            return self.intern(Names::OTHERS);
        }
        let new = Name(self.all.len());
        self.all.push(name.into());
        self.places.insert(name.into(), new);
        new
    }

    /// What stands for names that are not kept.
    pub(super) const OTHERS: &[u8] = b"(others)";

    /// The name.
    pub(super) fn of(&self, name: Name) -> &[u8] {
        self.all.get(name.0).map_or(&[], |name| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_once_and_not_without_end() {
        let mut names = Names::default();
        assert_eq!(names.intern(b"read"), names.intern(b"read"));
        for number in 0..2 * MOST {
            names.intern(format!("name{number}").as_bytes());
        }
        let others = names.intern(&b"x".repeat(LONGEST + 1));
        assert_eq!(names.of(others), Names::OTHERS);
        assert_eq!(names.intern(b"one more"), others);
        assert_eq!(names.all.len(), MOST + 1);
    }
}
