//! Values: how many comparisons real sets take, and that blocks hold exactly what conditions ask for.

use proptest::prelude::*;
use sandprint_model::{Abi, Comparison, Width};

use super::super::alternatives::{Atom, Test};
use super::{Block, blocks, comparisons};

fn atom(width: Width, test: Test) -> Atom {
    Atom { index: 0, width, test }
}

fn is(width: Width, comparison: Comparison) -> Atom {
    atom(width, Test::Is(comparison))
}

#[test]
fn what_several_values_leave_takes_few_comparisons() {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, MaskedEqual, NotEqual};
    let without = |width, values: &[u64]| -> Vec<Atom> {
        values.iter().map(|value| is(width, NotEqual(*value))).collect()
    };
    let count = |atoms: Vec<Atom>| {
        let blocks = blocks(Abi::X86_64, &[atoms], 1000).unwrap();
        (blocks.len(), comparisons(&blocks).len())
    };
    // AF_ALG and AF_VSOCK.
    assert_eq!(count(without(Width::Bits32, &[38, 40])), (34, 34));
    assert_eq!(count(without(Width::Bits32, &[9, 16, 38, 40])), (39, 39));
    assert_eq!(count(without(Width::Bits64, &[38, 40])), (66, 3));
    assert_eq!(count(without(Width::Bits64, &[7])), (64, 1));
    // RestrictRealtime=, as systemd asks for it.
    let mut realtime = without(Width::Bits64, &[1, 2, 4]);
    realtime.push(is(Width::Bits64, Comparison::LessOrEqual(5)));
    let blocks = |atoms: Vec<Atom>| blocks(Abi::X86_64, &[atoms], 1000).unwrap();
    assert_eq!(comparisons(&blocks(realtime)), [Equal(0), Equal(3), Equal(5)]);
    let between = vec![is(Width::Bits64, GreaterOrEqual(4)), is(Width::Bits64, Less(8))];
    assert_eq!(comparisons(&blocks(between)), [MaskedEqual { mask: !3, value: 4 }]);
    let ends = vec![is(Width::Bits64, NotEqual(5)), is(Width::Bits64, NotEqual(6))];
    assert_eq!(comparisons(&blocks(ends)), [Less(5), Greater(6)]);
    // Any of three flags.
    let flags = atom(Width::Bits64, Test::MaskedNotEqual { mask: 0o111, value: 0 });
    assert_eq!(blocks(vec![flags]).len(), 3);
    assert_eq!(super::blocks(Abi::I386, &[vec![is(Width::Bits64, Greater(1 << 32))]], 9), Some(Vec::new()));
}

#[test]
fn what_takes_too_long_is_given_up() {
    // Any two neighbouring bits: the combinations grow with every pair.
    let pairs: Vec<Atom> = (0..32)
        .map(|pair| {
            atom(Width::Bits64, Test::MaskedNotEqual { mask: 3 << (2 * pair), value: 3 << (2 * pair) })
        })
        .collect();
    assert_eq!(blocks(Abi::X86_64, &[pairs], usize::MAX), None);
}

fn any_atom() -> impl Strategy<Value = Atom> {
    let value =
        || prop_oneof![0..6u64, (0..3u64).prop_map(|near| 0xffff_fffe + near), Just(u64::MAX), any::<u64>()];
    let mask = prop_oneof![Just(1u64), Just(6), Just(0xffff_ffff), Just(0x7e02_0000)];
    let width = prop_oneof![Just(Width::Bits32), Just(Width::Bits64)];
    (0..8u8, width, value(), mask).prop_map(|(kind, width, value, mask)| {
        let comparison = match kind {
            0 => Comparison::Equal(value),
            1 => Comparison::NotEqual(value),
            2 => Comparison::Less(value),
            3 => Comparison::LessOrEqual(value),
            4 => Comparison::Greater(value),
            5 => Comparison::GreaterOrEqual(value),
            6 => Comparison::MaskedEqual { mask, value: value & mask },
            _ => return atom(width, Test::MaskedNotEqual { mask, value: value & mask }),
        };
        is(width, comparison)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn blocks_hold_what_the_conditions_ask_for_and_meet_nowhere(
        any_of in proptest::collection::vec(proptest::collection::vec(any_atom(), 1..4), 1..4),
        more in proptest::collection::vec(any::<u64>(), 8),
    ) {
        let Some(found) = blocks(Abi::X86_64, &any_of, 4096) else { return Ok(()) };
        let named = any_of.iter().flatten().map(|atom| match atom.test {
            Test::Is(
                Comparison::Equal(value)
                | Comparison::NotEqual(value)
                | Comparison::Less(value)
                | Comparison::LessOrEqual(value)
                | Comparison::Greater(value)
                | Comparison::GreaterOrEqual(value)
                | Comparison::MaskedEqual { value, .. },
            )
            | Test::MaskedNotEqual { value, .. } => value,
        });
        let near = named.flat_map(|value| [value.wrapping_sub(1), value, value.wrapping_add(1)]);
        let all = near.chain(more).chain([0, u64::MAX]);
        let compared = comparisons(&found);
        for value in all.flat_map(|value| [value, value & 0xffff_ffff, value | 7 << 40]) {
            let wanted = any_of.iter().any(|atoms| atoms.iter().all(|atom| atom.holds(value)));
            let within = found.iter().filter(|Block { mask, value: of }| value & mask == *of).count();
            prop_assert_eq!(within, usize::from(wanted), "{:#x} {:x?}", value, found);
            let holds = |comparison: &Comparison| is(Width::Bits64, *comparison).holds(value);
            prop_assert_eq!(compared.iter().any(holds), wanted, "{:#x} {:x?}", value, compared);
        }
    }
}
