//! What the arguments that are worth a rule held in one call.

use super::tables::Row;
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
}
