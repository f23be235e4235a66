//! Tells the programs which arguments tell calls apart: those that a rule can be about.

use std::sync::atomic::Ordering;

use sandprint_model::arguments::{Decided, Selecting, When, selectors};
use sandprint_model::{Arch, Syscall, Width};

use super::decode::syscall;
use super::error::LoadError;
use super::maps::Maps;

/// Numbers for which arguments are told apart (`SP_SELECTED`), and ABIs (`SP_ABIS`).
pub(super) const SELECTED: u32 = 576;
pub(super) const ABIS: u32 = 3;
/// Where a word says which argument decides, and about which (`SP_DECIDING_SHIFT`, `SP_DECIDED_SHIFT`).
const DECIDING: usize = 16;
const DECIDED: usize = 22;

/// Fills the maps `selected` and `deciding` (`bpf/selected.bpf.h`), before anything is attached.
pub(super) fn fill(maps: &Maps, arch: Arch) -> Result<(), LoadError> {
    let words = maps.array("selected")?;
    let numbers = (0..ABIS).flat_map(|abi| (0..SELECTED).map(move |nr| (abi, nr)));
    for ((word, (abi, nr)), index) in words.iter().zip(numbers).zip(0_u32..) {
        let (bits, values) = describe(syscall(abi, nr, arch));
        word.store(bits, Ordering::SeqCst);
        for value in values {
            let key = [index.to_ne_bytes(), value.to_ne_bytes()].concat();
            maps.update("deciding", &key, &[1])?;
        }
    }
    Ok(())
}

/// The word of a call in the map `selected`, and the values that its deciding argument has in the map `deciding`.
fn describe(call: Syscall) -> (u64, Vec<u32>) {
    let how = selectors(call).iter().fold(0_u64, |bits, selector| {
        let how = match selector.width {
            Width::Bits32 => 1,
            Width::Bits64 => 2,
        };
        bits | how << (2 * selector.index)
    });
    let Some(Decided { index, on, when }) = Selecting::of(call).and_then(Selecting::decided) else {
        return (how, Vec::new());
    };
    let bits = how | 1 << (DECIDING + on) | 1 << (DECIDED + index);
    match when {
        When::AnyOf(any) => (bits | any << 32, Vec::new()),
        // They are as wide as the argument, of which the lower half is looked at.
        When::OneOf(values) => {
            (bits, values.into_iter().filter_map(|value| u32::try_from(value).ok()).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use sandprint_model::Abi;

    use super::*;

    #[test]
    fn a_word_says_which_arguments_and_on_what_they_depend() {
        let of = |name| describe(Syscall::from_name(Abi::X86_64, name).unwrap());
        assert_eq!(of("read"), (0, vec![]));
        assert_eq!(of("socket"), (0b01_01_01, vec![]));
        assert_eq!(of("mseal"), (0b10 << 4, vec![]));
        // O_CREAT and __O_TMPFILE of the flags, in the third argument, decide about the fourth.
        assert_eq!(
            of("openat"),
            (0b0101_0000 | 1 << (16 + 2) | 1 << (22 + 3) | (0o100 | 0o20_000_000) << 32, vec![])
        );
        let (bits, values) = of("fcntl");
        assert_eq!(bits, 0b10_01_00 | 1 << (16 + 1) | 1 << (22 + 2));
        // F_SETFD and F_SETFL, and neither F_DUPFD nor F_SETLK.
        assert!([2, 4].iter().all(|command| values.contains(command)));
        assert!([0, 6].iter().all(|command| !values.contains(command)));
    }

    #[test]
    fn every_call_with_such_arguments_has_its_place() {
        for abi in Abi::ALL {
            let selecting = Syscall::all(abi).filter(|call| Selecting::of(*call).is_some());
            assert_eq!(selecting.filter(|call| call.nr >= SELECTED).collect::<Vec<_>>(), []);
        }
    }

    #[test]
    fn there_is_room_for_all_values() {
        for arch in Arch::ALL {
            let calls = (0..ABIS).flat_map(|abi| (0..SELECTED).map(move |nr| syscall(abi, nr, arch)));
            assert!(calls.map(|call| describe(call).1.len()).sum::<usize>() < 1024);
        }
    }
}
