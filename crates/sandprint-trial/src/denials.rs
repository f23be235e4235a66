//! The refused calls of a pass: those that are alike are one [`Denial`], and there is room for so many kinds.

use std::collections::BTreeMap;

use sandprint_model::{ByteString, Condition, Denial, Location, Next, Syscall};

/// How many kinds of calls are kept: a workload can make as many as it likes.
const MOST_KINDS: usize = 10_000;

/// What makes calls alike, whichever process makes them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind {
    syscall: Syscall,
    conditions: Vec<Condition>,
    image: ByteString,
    location: Result<Location, String>,
}

impl Kind {
    /// That of a denial.
    pub(crate) fn of(denial: &Denial) -> Kind {
        Kind {
            syscall: denial.call.syscall,
            conditions: denial.rule.conditions.clone(),
            image: denial.image.clone(),
            location: denial.location.clone(),
        }
    }
}

/// The table of denials.
#[derive(Debug, Default)]
pub(crate) struct Denials {
    table: BTreeMap<Kind, Denial>,
    /// Calls of kinds beyond [`MOST_KINDS`].
    untold: u64,
}

impl Denials {
    /// Enters calls: the first of a kind is kept, and of others the count. None, and they are only counted, where there is
    /// no room for their kind.
    pub(crate) fn enter(&mut self, kind: &Kind, denial: Denial) -> Option<&mut Denial> {
        if let Some(known) = self.table.get_mut(kind) {
            known.count = known.count.saturating_add(denial.count);
        } else if self.table.len() < MOST_KINDS {
            self.table.insert(kind.clone(), denial);
        } else {
            self.add_untold(denial.count);
        }
        self.table.get_mut(kind)
    }

    /// Whether calls of that kind were entered before.
    pub(crate) fn knows(&self, kind: &Kind) -> bool {
        self.table.contains_key(kind)
    }

    /// What was entered.
    pub(crate) fn get_mut(&mut self, kind: &Kind) -> Option<&mut Denial> {
        self.table.get_mut(kind)
    }

    /// What came of the first call of a kind, unless that is known.
    pub(crate) fn came_of(&mut self, kind: &Kind, next: Next) {
        if let Some(denial) = self.get_mut(kind).filter(|denial| denial.next == Next::Unknown) {
            denial.next = next;
        }
    }

    /// Counts calls for whose kind there was no room.
    pub(crate) fn add_untold(&mut self, calls: u64) {
        self.untold = self.untold.saturating_add(calls);
    }

    /// What is said of the calls that are not kept.
    pub(crate) fn untold(&self) -> Option<String> {
        let calls = self.untold;
        let s = if calls == 1 { "" } else { "s" };
        (calls > 0).then(|| {
            format!("{calls} more call{s} of other kinds: more than {MOST_KINDS} kinds are not kept")
        })
    }

    /// The most frequent first.
    pub(crate) fn into_sorted(self) -> Vec<Denial> {
        let mut denials: Vec<Denial> = self.table.into_values().collect();
        denials.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.call.syscall.cmp(&b.call.syscall)));
        denials
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandprint_model::{Abi, Action, Call, Code};
    use sandprint_policy::suggest::smallest_rule;

    fn denial(offset: u64) -> Denial {
        let call = Call { syscall: Syscall { abi: Abi::X86_64, nr: 41 }, args: [2, 1, 0, 0, 0, 0] };
        Denial {
            call,
            action: Action::Errno(1),
            count: 2,
            image: ByteString::from("/bin/app"),
            ancestry: Vec::new(),
            location: Ok(Code { module: ByteString::from("/bin/app"), inode: 1, offset }.within(None)),
            next: Next::Unknown,
            rule: smallest_rule(&call),
        }
    }

    #[test]
    fn kinds_without_end_take_room_with_an_end_and_are_counted() {
        let mut denials = Denials::default();
        for offset in 0..10_003 {
            let denial = denial(offset);
            let kind = Kind::of(&denial);
            assert_eq!(denials.enter(&kind, denial).is_some(), offset < 10_000);
        }
        // What is known is counted all the same.
        let known = denial(7);
        assert_eq!(denials.enter(&Kind::of(&known), known.clone()).map(|denial| denial.count), Some(4));
        assert_eq!(
            denials.untold().unwrap(),
            "6 more calls of other kinds: more than 10000 kinds are not kept"
        );
        let sorted = denials.into_sorted();
        assert_eq!((sorted.len(), &sorted[0]), (10_000, &Denial { count: 4, ..known }));
    }
}
