//! The table of each ABI: how it is laid out, and how it is searched.
//!
//! The tables themselves are generated, by `cargo xtask tables`. Looking something up takes a
//! binary search over at most a few hundred entries and allocates nothing.

use crate::{Abi, KernelVersion};

#[rustfmt::skip]
mod aarch64;
#[rustfmt::skip]
mod arm;
#[rustfmt::skip]
mod i386;
#[rustfmt::skip]
mod x32;
#[rustfmt::skip]
mod x86_64;

/// A call of one ABI.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) nr: u32,
    pub(super) name: &'static str,
    pub(super) since: Option<KernelVersion>,
}

/// A call that some mainline kernel has.
const fn call(nr: u32, name: &'static str, major: u16, minor: u16) -> Entry {
    Entry { nr, name, since: Some(KernelVersion::new(major, minor)) }
}

/// A number that has a name, but in no mainline kernel an entry point.
const fn slot(nr: u32, name: &'static str) -> Entry {
    Entry { nr, name, since: None }
}

/// The calls of one ABI.
#[derive(Debug)]
pub(super) struct Table {
    by_number: &'static [Entry],
    /// Indices into `by_number`, in the order of the names.
    by_name: &'static [u16],
}

impl Table {
    /// The table of an ABI.
    pub(super) fn of(abi: Abi) -> &'static Table {
        match abi {
            Abi::Aarch64 => &aarch64::TABLE,
            Abi::Arm => &arm::TABLE,
            Abi::I386 => &i386::TABLE,
            Abi::X32 => &x32::TABLE,
            Abi::X86_64 => &x86_64::TABLE,
        }
    }

    /// The call of that number.
    pub(super) fn numbered(&self, nr: u32) -> Option<&'static Entry> {
        let index = self.by_number.binary_search_by_key(&nr, |entry| entry.nr).ok()?;
        self.by_number.get(index)
    }

    /// The call of that name.
    pub(super) fn named(&self, name: &str) -> Option<&'static Entry> {
        let entry = |index: &u16| self.by_number.get(usize::from(*index));
        let found =
            self.by_name.binary_search_by(|index| entry(index).map(|e| e.name).cmp(&Some(name))).ok()?;
        entry(self.by_name.get(found)?)
    }

    /// Every call, by number.
    pub(super) fn entries(&self) -> &'static [Entry] {
        self.by_number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_are_strict_and_hold_the_same_calls() {
        for abi in Abi::ALL {
            let table = Table::of(abi);
            assert!(table.by_number.windows(2).all(|pair| pair[0].nr < pair[1].nr), "{abi}");
            let names: Vec<&str> =
                table.by_name.iter().map(|index| table.by_number[usize::from(*index)].name).collect();
            assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{abi}");
            assert_eq!(names.len(), table.by_number.len(), "{abi}");
        }
    }

    #[test]
    fn names_are_ones_that_every_policy_language_can_write() {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        for abi in Abi::ALL {
            for entry in Table::of(abi).entries() {
                assert!(!entry.name.is_empty() && entry.name.chars().all(plain), "{abi} {}", entry.name);
            }
        }
    }
}
