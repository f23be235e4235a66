//! What the arguments that are worth a rule held in one call.

use std::collections::BTreeSet;

use super::tables::{Row, Test};
use super::{Kind, Selector, selectors, truncated};
use crate::Syscall;

/// The [`selectors`] of a call, looked up once: asking what they hold costs no search.
#[derive(Debug, Clone, Copy)]
pub struct Selecting(&'static Row);

/// What the selectors of one call held, by the argument's index; of the others nothing is kept.
///
/// Only the bits that a filter compares. None also for a selector that had no meaning in that call, or one that is
/// not worth a rule: see [`Selecting::values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Selected(pub [Option<u64>; 6]);

impl Selecting {
    /// The selectors of a call; none where it has none.
    pub fn of(syscall: Syscall) -> Option<Selecting> {
        Row::of(syscall).filter(|row| !row.selectors.is_empty()).map(Selecting)
    }

    /// What they hold in a call with these arguments.
    ///
    /// Left out is what the kernel does not look at then (the mode of an `open` that creates nothing), what leads
    /// elsewhere and differs from run to run (addresses, descriptors, process ids), and the argument of an option or
    /// a command of which it is not known what it takes: a register that nobody looks at holds anything.
    pub fn values(self, args: &[u64; 6]) -> Selected {
        let Selecting(row) = self;
        let mut values = Selected::default();
        for selector in row.selectors {
            if let (Some(slot), Some(value)) = (values.0.get_mut(selector.index), args.get(selector.index)) {
                let tells = row.kind_given(selector.index, args).is_some_and(|kind| selector.tells(kind));
                *slot = tells.then(|| truncated(*value, selector.width));
            }
        }
        values
    }

    /// On what it depends whether a selector has a meaning in a call; none where all have one in every call.
    ///
    /// So much a program in the kernel can ask, which has no tables of kinds: what it keeps of arguments is never less
    /// than [`values`](Selecting::values) keeps, and of no more kinds.
    pub fn decided(self) -> Option<Decided> {
        let Selecting(row) = self;
        row.selectors.iter().find_map(|selector| {
            let index = selector.index;
            let default = row.arguments.get(index)?.kind;
            let tells = |kind: Option<Kind>| kind.is_some_and(|kind| selector.tells(kind));
            let dependents = || row.dependents.iter().filter(move |dependent| dependent.index == index);
            let mut telling = BTreeSet::new();
            for dependent in dependents() {
                match dependent.test {
                    Test::NoneOf(bits) if dependent.kind.is_none() => {
                        return Some(Decided { index, on: dependent.on, when: When::AnyOf(bits) });
                    }
                    Test::AnyOf(values) if tells(dependent.kind) => telling.extend(values),
                    Test::NoneOf(_) | Test::AnyOf(_) => {}
                }
            }
            let on = dependents().next()?.on;
            (!tells(Some(default))).then_some(Decided { index, on, when: When::OneOf(telling) })
        })
    }
}

/// A selector that has a meaning only with some values of another argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The selector's place.
    pub index: usize,
    /// The place of the argument that decides; of its register the lower half is looked at.
    pub on: usize,
    /// Which values of that give it one.
    pub when: When,
}

/// With which values of another argument a selector has a meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// With any of these bits set.
    AnyOf(u64),
    /// Where it is one of these.
    OneOf(BTreeSet<u64>),
}

impl Selected {
    /// The arguments that were kept, by index.
    pub fn kept(&self) -> impl Iterator<Item = (usize, u64)> {
        self.0.iter().enumerate().filter_map(|(index, value)| Some((index, (*value)?)))
    }

    /// The arguments as registers, zero where nothing was kept.
    pub fn registers(&self) -> [u64; 6] {
        self.0.map(Option::unwrap_or_default)
    }

    /// What was kept of the arguments that are selectors by the tables of this program, in their order.
    pub fn of(&self, syscall: Syscall) -> impl Iterator<Item = (&'static Selector, u64)> {
        let kept = selectors(syscall).iter();
        kept.filter_map(|selector| Some((selector, (*self.0.get(selector.index)?)?)))
    }
}

impl Selector {
    /// Whether a value of that kind would be the same in the next run.
    pub fn tells(&self, kind: Kind) -> bool {
        match kind {
            Kind::Pointer | Kind::Path | Kind::String | Kind::Fd | Kind::DirFd | Kind::Pid => false,
            // What it is depends on another argument, and of that one's value the tables say that nothing depends on
            // this one, or nothing at all.
            Kind::Word => self.with.is_none(),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Abi;

    fn values(abi: Abi, name: &str, args: [u64; 6]) -> [Option<u64>; 6] {
        Selecting::of(Syscall::from_name(abi, name).unwrap()).unwrap().values(&args).0
    }

    #[test]
    fn what_selects_is_kept_as_far_as_the_kernel_looks_at_it() {
        let high = 0xdead_beef_0000_0000;
        for (name, args, expected) in [
            ("socket", [high | 2, 0x80001, 6, 7, 7, 7], [Some(2), Some(0x80001), Some(6), None, None, None]),
            // The mode has a meaning where something is created, and only then.
            ("openat", [5, 6, 0x241, 0o600, 0, 0], [None, None, Some(0x241), Some(0o600), None, None]),
            ("openat", [5, 6, 0x80000, 0x7fff_dead, 0, 0], [None, None, Some(0x80000), None, None, None]),
            ("fcntl", [3, 2, 1, 0, 0, 0], [None, Some(2), Some(1), None, None, None]),
            ("fcntl", [3, 1, 99, 0, 0, 0], [None, Some(1), None, None, None, None]),
            // A descriptor, an address, and what the tables do not know.
            ("fcntl", [3, 1030, 10, 0, 0, 0], [None, Some(1030), None, None, None, None]),
            ("prctl", [15, 0x7fff_0000, 0, 0, 0, 0], [Some(15), None, None, None, None, None]),
            ("prctl", [3, 0x7fff_0000, 0, 0, 0, 0], [Some(3), None, None, None, None, None]),
            ("prctl", [23, 5, 0, 0, 0, 0], [Some(23), None, None, None, None, None]),
            ("prctl", [4, high | 1, 0, 0, 0, 0], [Some(4), Some(high | 1), None, None, None, None]),
            ("setuid", [33, 0, 0, 0, 0, 0], [Some(33), None, None, None, None, None]),
            ("mseal", [1, 2, high, 0, 0, 0], [None, None, Some(high), None, None, None]),
        ] {
            assert_eq!(values(Abi::X86_64, name, args), expected, "{name} {args:x?}");
        }
        let of_i386 = values(Abi::I386, "prctl", [4, high | 1, 0, 0, 0, 0]);
        assert_eq!(of_i386, [Some(4), Some(1), None, None, None, None]);
    }

    #[test]
    fn a_call_without_selectors_is_not_asked() {
        for name in ["read", "getpid", "clone3", "openat2"] {
            assert!(Selecting::of(Syscall::from_name(Abi::X86_64, name).unwrap()).is_none(), "{name}");
        }
        assert!(Selecting::of(Syscall { abi: Abi::X86_64, nr: 100_000 }).is_none());
    }

    /// What a program in the kernel keeps, as bpf/selected.bpf.h does.
    fn kept(call: Syscall, args: &[u64; 6]) -> [u64; 6] {
        let mut kept = [0; 6];
        for selector in selectors(call) {
            kept[selector.index] = truncated(args[selector.index], selector.width);
        }
        if let Some(Decided { index, on, when }) = Selecting::of(call).unwrap().decided() {
            let value = args[on] & u64::from(u32::MAX);
            let has_meaning = match when {
                When::AnyOf(bits) => value & bits != 0,
                When::OneOf(values) => values.contains(&value),
            };
            if !has_meaning {
                kept[index] = 0;
            }
        }
        kept
    }

    #[test]
    fn what_the_kernel_keeps_is_enough_and_no_more_kinds() {
        let mut decided = BTreeSet::new();
        for abi in Abi::ALL {
            for call in Syscall::all(abi) {
                let Some(selecting) = Selecting::of(call) else { continue };
                let Selecting(row) = selecting;
                if let Some(Decided { on, .. }) = selecting.decided() {
                    decided.insert(call.name().unwrap());
                    assert_eq!(row.arguments[on].width, crate::Width::Bits32, "{call}");
                }
                // Every value that a test of the tables mentions, beside some that none does.
                let mentioned = row.dependents.iter().flat_map(|dependent| match dependent.test {
                    Test::AnyOf(values) => values.to_vec(),
                    Test::NoneOf(bits) => vec![bits, bits & bits.wrapping_neg(), !bits],
                });
                let mentioned: BTreeSet<u64> = mentioned.chain([0, 1, 2, 77, u64::MAX]).collect();
                for first in &mentioned {
                    for second in &mentioned {
                        for third in [0, 0xdead_beef_cafe] {
                            let args = [*first, *second, *first, *second, third, third];
                            let args = [args, [*second, *first, third, *first, *second, third]];
                            for args in args {
                                let [values, again] =
                                    [args, kept(call, &args)].map(|args| selecting.values(&args));
                                assert_eq!(values, again, "{call} {args:x?}");
                                assert_eq!(kept(call, &args), values.registers(), "{call} {args:x?}");
                            }
                        }
                    }
                }
            }
        }
        let names = ["fcntl", "fcntl64", "open", "openat", "prctl"];
        assert_eq!(decided, names.into());
    }
}
