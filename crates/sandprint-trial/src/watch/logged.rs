//! Calls that ran and were logged: alike ones are told once, and then counted.

use std::collections::BTreeMap;

use sandprint_model::import::SeccompRecord;
use sandprint_model::{ByteString, Syscall};

/// Most kinds that are remembered; with more, they are told anew.
pub const MOST: usize = 4096;

/// What makes records alike: the same call from the same place of the same process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    pid: u32,
    exe: ByteString,
    syscall: Syscall,
    instruction_pointer: u64,
}

#[derive(Debug)]
struct Kind {
    /// Counted from 1.
    number: u64,
    first: SeccompRecord,
    last_ms: Option<u64>,
    count: u64,
    told: u64,
}

/// Something to tell of logged calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A new kind, with how many there are so far.
    New {
        /// The kind's, counted from 1.
        number: u64,
        /// The first of them.
        record: Box<SeccompRecord>,
        /// How many.
        count: u64,
    },
    /// More of a kind that was told.
    Repeated {
        /// The kind's.
        number: u64,
        /// How many more.
        more: u64,
        /// How many in all.
        count: u64,
        /// When the last of them was made, in milliseconds since 1970.
        last_ms: Option<u64>,
    },
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Logged {
    kinds: BTreeMap<Key, Kind>,
    /// What is to be told of kinds that are no longer remembered.
    left: Vec<Item>,
    numbers: u64,
    count: u64,
}

impl Logged {
    /// Enters a record.
    pub(super) fn add(&mut self, record: SeccompRecord) {
        self.count = self.count.saturating_add(1);
        let key = Key {
            pid: record.pid,
            exe: record.exe.clone(),
            syscall: record.syscall,
            instruction_pointer: record.instruction_pointer,
        };
        if self.kinds.len() >= MOST && !self.kinds.contains_key(&key) {
            self.left.extend(self.kinds.values_mut().filter_map(Kind::news));
            self.kinds.clear();
        }
        let numbers = &mut self.numbers;
        let last_ms = record.at_ms;
        let kind = self.kinds.entry(key).or_insert_with(|| {
            *numbers += 1;
            Kind { number: *numbers, first: record, last_ms, count: 0, told: 0 }
        });
        kind.count = kind.count.saturating_add(1);
        kind.last_ms = kind.last_ms.max(last_ms);
    }

    /// What is new since the last time, in the order of the kinds' numbers.
    pub(super) fn news(&mut self) -> Vec<Item> {
        let mut news = std::mem::take(&mut self.left);
        news.extend(self.kinds.values_mut().filter_map(Kind::news));
        news.sort_by_key(|item| match item {
            Item::New { number, .. } | Item::Repeated { number, .. } => *number,
        });
        news
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

impl Kind {
    fn news(&mut self) -> Option<Item> {
        let Kind { number, count, told, last_ms, .. } = *self;
        self.told = count;
        match told {
            0 => Some(Item::New { number, record: Box::new(self.first.clone()), count }),
            told if told < count => Some(Item::Repeated { number, more: count - told, count, last_ms }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use sandprint_model::Abi;

    use super::*;

    fn record(pid: u32, nr: u32, at_ms: u64) -> SeccompRecord {
        SeccompRecord {
            at_ms: Some(at_ms),
            syscall: Syscall { abi: Abi::X86_64, nr },
            pid,
            comm: ByteString::from("app"),
            exe: ByteString::from("/bin/app"),
            instruction_pointer: 0x10,
            returned: 0x7ffc_0000,
        }
    }

    #[test]
    fn alike_calls_are_told_once_and_then_counted() {
        let mut logged = Logged::default();
        for (pid, nr, at) in [(7, 83, 1), (7, 83, 2), (7, 84, 3), (8, 83, 4)] {
            logged.add(record(pid, nr, at));
        }
        let new =
            |number, record: SeccompRecord, count| Item::New { number, record: Box::new(record), count };
        let told = [new(1, record(7, 83, 1), 2), new(2, record(7, 84, 3), 1), new(3, record(8, 83, 4), 1)];
        assert_eq!(logged.news(), told);
        assert_eq!(logged.news(), []);
        logged.add(record(7, 83, 9));
        assert_eq!(logged.news(), [Item::Repeated { number: 1, more: 1, count: 3, last_ms: Some(9) }]);
        assert_eq!(logged.count(), 5);
    }

    #[test]
    fn none_is_lost_when_there_are_too_many_kinds_to_remember() {
        let mut logged = Logged::default();
        let most = u32::try_from(MOST).unwrap();
        for pid in 1..=most + 10 {
            logged.add(record(pid, 83, 1));
        }
        assert_eq!(logged.news().len(), MOST + 10);
        assert!(logged.kinds.len() <= MOST);
    }
}
