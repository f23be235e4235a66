//! Shapes: each kind of comparison, what is cut off, and that a shape decides as its rules do.

use proptest::prelude::*;
use sandprint_model::{Abi, Action, Comparison, Condition, Rule, Width};

use super::{Shape, shape};

const DEFAULT: Action = Action::Errno(1);

fn condition(index: u8, width: Width, comparison: Comparison) -> Condition {
    Condition { index, width, comparison }
}

fn rule(action: Action, conditions: &[Condition]) -> Rule {
    Rule { conditions: conditions.to_vec(), action, reasons: std::collections::BTreeSet::new() }
}

/// What libseccomp makes of a shape: the entries are OR-ed.
fn decide(shape: &Shape, default: Action, args: &[u64; 6]) -> Action {
    match shape {
        Shape::Default => default,
        Shape::Always(action) => *action,
        Shape::When(action, entries) => {
            let any = entries.iter().any(|entry| entry.iter().all(|condition| condition.holds(args)));
            if any { *action } else { default }
        }
    }
}

fn first_match(rules: &[Rule], default: Action, args: &[u64; 6]) -> Action {
    rules.iter().find(|rule| rule.matches(args)).map_or(default, |rule| rule.action)
}

#[test]
fn each_kind_of_comparison_has_its_shape() {
    use Comparison::{Equal, GreaterOrEqual, Less, LessOrEqual, MaskedEqual, NotEqual};
    use Width::{Bits32, Bits64};
    let masked = |mask, value| MaskedEqual { mask, value };
    let cases: [(Width, Comparison, Vec<Comparison>); 8] = [
        (Bits32, Equal(2), vec![masked(0xffff_ffff, 2)]),
        (Bits32, Equal(0xffff_ffff_0000_0002), vec![masked(0xffff_ffff, 2)]),
        (Bits64, Equal(2), vec![Equal(2)]),
        (Bits64, NotEqual(2), vec![NotEqual(2)]),
        (Bits32, masked(0xff00_0000_0000_000f, 1), vec![masked(0xf, 1)]),
        (Bits64, Less(6), vec![Less(6)]),
        (Bits32, Less(6), vec![masked(0xffff_fffc, 0), masked(0xffff_fffe, 4)]),
        (Bits32, LessOrEqual(3), vec![masked(0xffff_fffc, 0)]),
    ];
    for (width, comparison, expected) in cases {
        let rules = [rule(Action::Allow, &[condition(1, width, comparison)])];
        let entries: Vec<_> = expected.into_iter().map(|wanted| vec![condition(1, Bits64, wanted)]).collect();
        let shaped = shape(Abi::X86_64, &rules, DEFAULT);
        assert_eq!(shaped.shape, Shape::When(Action::Allow, entries), "{width:?} {comparison:?}");
        assert_eq!(shaped.cut, None);
    }
    for (comparison, expected) in [
        (Less(0), Shape::Default),
        (masked(1, 2), Shape::Default),
        (GreaterOrEqual(0), Shape::Always(Action::Allow)),
        (masked(0, 0), Shape::Always(Action::Allow)),
    ] {
        let rules = [rule(Action::Allow, &[condition(1, Bits64, comparison)])];
        assert_eq!(shape(Abi::X86_64, &rules, DEFAULT).shape, expected, "{comparison:?}");
    }
}

#[test]
fn what_has_an_order_is_cut_to_the_stricter_part() {
    let first_is_one = [condition(0, Width::Bits32, Comparison::Equal(1))];
    let allowed_then = |then: Action| [rule(Action::Allow, &first_is_one), rule(then, &[])];

    let shaped = shape(Abi::X86_64, &allowed_then(Action::Errno(38)), DEFAULT);
    assert!(matches!(&shaped.shape, Shape::When(Action::Allow, entries) if entries.len() == 1));
    assert!(!shaped.lost.is_empty());

    let shaped = shape(Abi::X86_64, &allowed_then(DEFAULT), DEFAULT);
    assert!(matches!(&shaped.shape, Shape::When(Action::Allow, _)));
    assert_eq!(shaped.cut, None, "what equals the default is no rule at all");

    let denied_then_allowed = [rule(Action::Errno(13), &first_is_one), rule(Action::Allow, &[])];
    let shaped = shape(Abi::X86_64, &denied_then_allowed, DEFAULT);
    let without_one = [condition(0, Width::Bits64, Comparison::NotEqual(1))];
    let rules = [
        rule(Action::Errno(13), &[condition(0, Width::Bits64, Comparison::Equal(1))]),
        rule(Action::Allow, &[]),
    ];
    assert_eq!(
        shape(Abi::X86_64, &rules, DEFAULT).shape,
        Shape::When(Action::Allow, vec![without_one.to_vec()]),
        "an exception must not be lost"
    );
    assert!(matches!(shaped.shape, Shape::When(Action::Allow, entries) if entries.len() == 32));
    assert_eq!(shaped.cut, None);
    assert!(!shaped.lost.is_empty(), "errno 13 becomes the default one");
}

fn any_comparison() -> impl Strategy<Value = Comparison> {
    // Values around the edges of both widths, and few enough that two conditions often meet.
    let value = prop_oneof![
        0..4u64,
        Just(5),
        (0..3u64).prop_map(|near| 0x7fff_ffff + near),
        (0..3u64).prop_map(|near| 0xffff_fffe + near),
        (0..2u64).prop_map(|near| u64::MAX - near),
        any::<u64>(),
    ];
    let mask = prop_oneof![Just(1u64), Just(0xffff_ffff), Just(0x7e02_0000), any::<u64>()];
    (0..7u8, value, mask, any::<bool>()).prop_map(|(kind, value, mask, inside)| match kind {
        0 => Comparison::Equal(value),
        1 => Comparison::NotEqual(value),
        2 => Comparison::Less(value),
        3 => Comparison::LessOrEqual(value),
        4 => Comparison::Greater(value),
        5 => Comparison::GreaterOrEqual(value),
        _ => Comparison::MaskedEqual { mask, value: if inside { value & mask } else { value } },
    })
}

fn any_rules() -> impl Strategy<Value = Vec<Rule>> {
    let width = prop_oneof![Just(Width::Bits32), Just(Width::Bits64)];
    let one = (0..3u8, width, any_comparison())
        .prop_map(|(index, width, comparison)| condition(index, width, comparison));
    let action = prop_oneof![4 => Just(Action::Allow), 1 => Just(DEFAULT), 1 => Just(Action::Errno(38))];
    let rule = (proptest::collection::vec(one, 0..3), action)
        .prop_map(|(conditions, action)| rule(action, &conditions));
    proptest::collection::vec(rule, 0..4)
}

/// Arguments at and beside every value that the rules name.
fn telling_values(rules: &[Rule]) -> Vec<u64> {
    let mut values = vec![0, 1, 0xffff_ffff, 1 << 32, u64::MAX];
    for condition in rules.iter().flat_map(|rule| &rule.conditions) {
        let named = match condition.comparison {
            Comparison::Equal(v)
            | Comparison::NotEqual(v)
            | Comparison::Less(v)
            | Comparison::LessOrEqual(v)
            | Comparison::Greater(v)
            | Comparison::GreaterOrEqual(v)
            | Comparison::MaskedEqual { value: v, .. } => v,
        };
        for near in [named.wrapping_sub(1), named, named.wrapping_add(1)] {
            values.extend([near, near & 0xffff_ffff, near | 0xabcd_0000_0000_0000]);
        }
    }
    values
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_shape_decides_as_the_rules_do_or_says_what_was_cut_and_allows_no_more(
        rules in any_rules(),
        abi in prop_oneof![Just(Abi::X86_64), Just(Abi::I386), Just(Abi::X32)],
        picks in proptest::collection::vec(any::<[prop::sample::Index; 3]>(), 24),
    ) {
        let shaped = shape(abi, &rules, DEFAULT);
        let values = telling_values(&rules);
        for pick in picks {
            let [a, b, c] = pick.map(|index| values[index.index(values.len())]);
            let mut args = [a, b, c, 0, 0, 0];
            if abi == Abi::I386 {
                args = args.map(|arg| arg & 0xffff_ffff);
            }
            let expected = first_match(&rules, DEFAULT, &args);
            let got = decide(&shaped.shape, DEFAULT, &args);
            if shaped.cut.is_none() && shaped.lost.is_empty() {
                prop_assert_eq!(got, expected, "{:?} at {:?}", shaped, args);
            } else if got == Action::Allow {
                prop_assert_eq!(expected, Action::Allow, "{:?} at {:?}", shaped, args);
            }
        }
    }

    #[test]
    fn no_entry_names_an_argument_twice_and_of_several_ordered_ones_each_is_of_one_argument(rules in any_rules()) {
        if let Shape::When(_, entries) = shape(Abi::X86_64, &rules, DEFAULT).shape {
            let asks_more = |condition: &Condition| !matches!(
                condition.comparison,
                Comparison::Equal(_) | Comparison::MaskedEqual { .. }
            );
            for entry in &entries {
                prop_assert!(!entry.is_empty());
                prop_assert!(entry.windows(2).all(|pair| pair[0].index < pair[1].index));
                prop_assert!(entry.iter().all(|condition| condition.width == Width::Bits64));
                prop_assert!(entries.len() == 1 || entry.len() == 1 || !entry.iter().any(asks_more));
            }
        }
    }
}
