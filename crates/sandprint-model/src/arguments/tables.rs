//! The tables of arguments: how they are laid out, and how they are searched.
//!
//! The tables themselves are generated, by `cargo xtask tables`. Looking something up is a binary search and allocates
//! nothing.

use std::fmt;

use super::{Argument, Kind, Match, Selector, bit, truncated};
use crate::{Abi, Syscall, Width};

#[rustfmt::skip]
mod calls;
#[rustfmt::skip]
mod constants;
#[rustfmt::skip]
mod sets;

/// A call, on the ABIs where its arguments are the same.
#[derive(Debug)]
pub(super) struct Row {
    name: &'static str,
    /// One bit an ABI, see [`bit`].
    abis: u8,
    pub(super) arguments: &'static [Argument],
    pub(super) dependents: &'static [Dependent],
    pub(super) selectors: &'static [Selector],
}

impl Row {
    /// What is known of a call.
    pub(super) fn of(syscall: Syscall) -> Option<&'static Row> {
        let name = syscall.name()?;
        let first = calls::ROWS.partition_point(|row| row.name < name);
        let mut rows = calls::ROWS.get(first..)?.iter().take_while(|row| row.name == name);
        rows.find(|row| row.abis & bit(syscall.abi) != 0)
    }

    /// What an argument holds in a call with these: see [`super::kind_given`].
    pub(super) fn kind_given(&self, index: usize, args: &[u64; 6]) -> Option<Kind> {
        let argument = self.arguments.get(index)?;
        let decided = self.dependents.iter().filter(|dependent| dependent.index == index);
        for dependent in decided {
            let on = self.arguments.get(dependent.on)?;
            if dependent.test.holds(truncated(*args.get(dependent.on)?, on.width), on.width) {
                return dependent.kind;
            }
        }
        Some(argument.kind)
    }
}

/// An argument that has another kind when a second one says so.
#[derive(Debug)]
pub(super) struct Dependent {
    pub(super) index: usize,
    pub(super) on: usize,
    pub(super) test: Test,
    /// None where the kernel does not look at it.
    pub(super) kind: Option<Kind>,
}

/// What the deciding argument is asked.
#[derive(Debug)]
pub(super) enum Test {
    /// Is it one of these?
    AnyOf(&'static [u64]),
    /// Has it none of these bits?
    NoneOf(u64),
}

impl Test {
    /// The answer, for a value truncated to the argument's width.
    pub(super) fn holds(&self, value: u64, width: Width) -> bool {
        match self {
            Test::AnyOf(values) => values.iter().any(|other| truncated(*other, width) == value),
            Test::NoneOf(bits) => value & bits == 0,
        }
    }
}

/// A named value, on the ABIs that have it so.
#[derive(Debug)]
pub(super) struct Constant {
    pub(super) name: &'static str,
    abis: u8,
    /// Negative ones sign-extended.
    pub(super) value: u64,
}

impl Constant {
    /// Every constant, by name; one that differs between ABIs is there once for each value.
    pub(super) fn all() -> &'static [Constant] {
        constants::CONSTANTS
    }

    pub(super) fn is_of(&self, abi: Abi) -> bool {
        self.abis & bit(abi) != 0
    }
}

/// A set of constants that arguments are made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Set {
    name: &'static str,
    field: u64,
    octal: bool,
    members: &'static [u16],
}

impl Set {
    /// Its name in `data/arguments/sets.tsv`: `AF`, `PROT`, `AT_STATX`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The bits that hold one of the set's values, like the access mode of `open`; the others are flags.
    pub fn field(&self) -> u64 {
        self.field
    }

    /// Its constants on an ABI, name and value, negative ones sign-extended. Of two names for one value, the first is
    /// the one that is shown.
    pub fn constants(&self, abi: Abi) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        let members = self.members.iter().filter_map(|index| Constant::all().get(usize::from(*index)));
        members.filter(move |constant| constant.is_of(abi)).map(|constant| (constant.name, constant.value))
    }

    /// Whether what has no name in it is shown in octal: sets whose low bits are permissions.
    pub(super) fn rest_is_octal(&self) -> bool {
        self.octal
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Set").field(&self.name).finish()
    }
}

/// The signals before the real-time ones.
pub(super) fn signals() -> &'static Set {
    &sets::SIG
}

/// The families of sockets.
pub(crate) fn families() -> &'static Set {
    &sets::AF
}

/// The types of sockets, and the flags that stand beside them.
pub(crate) fn socket_types() -> &'static Set {
    &sets::SOCK
}

/// The protocols of the internet families.
pub(crate) fn internet_protocols() -> &'static Set {
    &sets::IPPROTO
}

/// The protocols of `AF_NETLINK`.
pub(crate) fn netlink_protocols() -> &'static Set {
    &sets::NETLINK
}

const fn row(
    name: &'static str,
    abis: u8,
    arguments: &'static [Argument],
    dependents: &'static [Dependent],
    selectors: &'static [Selector],
) -> Row {
    Row { name, abis, arguments, dependents, selectors }
}

const fn argument(name: &'static str, kind: Kind, width: Width) -> Argument {
    Argument { name, kind, width }
}

const fn dependent(index: usize, on: usize, test: Test, kind: Option<Kind>) -> Dependent {
    Dependent { index, on, test, kind }
}

const fn selector(
    index: usize,
    width: Width,
    matching: Match,
    beside: Option<usize>,
    note: Option<&'static str>,
) -> Selector {
    Selector { index, width, matching, with: beside, note }
}

const fn constant(name: &'static str, abis: u8, value: u64) -> Constant {
    Constant { name, abis, value }
}

const fn set(name: &'static str, field: u64, octal: bool, members: &'static [u16]) -> Set {
    Set { name, field, octal, members }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_in_the_order_that_the_searches_rely_on() {
        assert!(calls::ROWS.is_sorted_by_key(|row| row.name));
        assert!(Constant::all().is_sorted_by_key(|constant| constant.name));
    }

    #[test]
    fn every_call_of_every_abi_has_one_row_and_rows_of_one_name_share_no_abi() {
        for abi in Abi::ALL {
            for syscall in Syscall::all(abi) {
                let rows = calls::ROWS.iter().filter(|row| Some(row.name) == syscall.name());
                assert_eq!(rows.filter(|row| row.abis & bit(abi) != 0).count(), 1, "{abi} {syscall}");
            }
        }
    }

    #[test]
    fn a_constant_has_one_value_on_an_abi() {
        for abi in Abi::ALL {
            let names: Vec<&str> =
                Constant::all().iter().filter(|one| one.is_of(abi)).map(|one| one.name).collect();
            assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{abi}");
        }
    }

    #[test]
    fn indices_lead_to_arguments_and_only_that_much_of_them_is_matched() {
        for row in calls::ROWS {
            for dependent in row.dependents {
                assert!(dependent.index < row.arguments.len() && dependent.on < row.arguments.len());
            }
            for selector in row.selectors {
                let argument = &row.arguments[selector.index];
                assert_eq!(selector.width, argument.width, "{}", row.name);
                assert!(selector.with.is_none_or(|with| with < row.arguments.len()), "{}", row.name);
                if let Match::Field(bits)
                | Match::Masked(bits)
                | Match::ForbiddenBits(bits)
                | Match::NotTogether(bits)
                | Match::RequiredBits(bits) = selector.matching
                {
                    assert!(bits != 0 && truncated(bits, selector.width) == bits, "{}", row.name);
                }
            }
        }
    }
}
