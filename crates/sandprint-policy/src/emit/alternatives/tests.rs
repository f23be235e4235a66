//! Alternatives: what each kind of rule becomes, and that they decide as the rules do.

use std::collections::BTreeSet;

use proptest::prelude::*;
use sandprint_model::{Action, Comparison, Condition, LossKind, Rule, Width};

use super::{Test, When, one_action, when};
use crate::enforce::runs;

const DEFAULT: Action = Action::Errno(1);

fn rule(action: Action, conditions: &[Condition]) -> Rule {
    Rule { conditions: conditions.to_vec(), action, reasons: BTreeSet::new() }
}

fn condition(index: u8, width: Width, comparison: Comparison) -> Condition {
    Condition { index, width, comparison }
}

fn first_match(rules: &[Rule], default: Action, args: &[u64; 6]) -> Action {
    rules.iter().find(|rule| rule.matches(args)).map_or(default, |rule| rule.action)
}

#[test]
fn an_exception_before_a_rule_is_taken_out_of_it() {
    let one = condition(0, Width::Bits32, Comparison::Equal(1));
    let rules = [rule(Action::Errno(13), &[one]), rule(Action::Allow, &[])];
    let found = one_action(&rules, DEFAULT);
    let Some((Action::Allow, When::AnyOf(alternatives))) = &found.taken else { panic!("{found:?}") };
    assert_eq!(alternatives.len(), 1);
    assert_eq!(alternatives[0][0].test, Test::Is(Comparison::NotEqual(1)));
    assert_eq!(found.lost, BTreeSet::from([LossKind::RefusedByDefault]));

    let same_as_default = [rule(DEFAULT, &[one]), rule(Action::Allow, &[])];
    assert_eq!(one_action(&same_as_default, DEFAULT).lost, BTreeSet::new());

    let under_allow = [rule(Action::Errno(13), &[one]), rule(Action::KillProcess, &[])];
    let found = one_action(&under_allow, Action::Allow);
    assert_eq!(found.taken, Some((Action::Errno(13), When::Always)));
    assert_eq!(found.lost, BTreeSet::from([LossKind::RefusedAlike(Action::Errno(13))]));
}

#[test]
fn what_contradicts_itself_is_no_alternative_and_what_is_implied_no_test() {
    use Comparison::{Equal, Less, MaskedEqual};
    let at = |comparison| condition(0, Width::Bits32, comparison);
    let allowed = |conditions: &[Condition]| when(&[rule(Action::Allow, conditions)], runs).unwrap();
    assert_eq!(allowed(&[at(Equal(1)), at(Equal(2))]), When::AnyOf(Vec::new()));
    assert_eq!(allowed(&[at(Less(5)), at(Equal(9))]), When::AnyOf(Vec::new()));
    assert_eq!(allowed(&[at(Less(5)), at(Equal(4))]), allowed(&[at(Equal(4))]));
    assert_eq!(allowed(&[at(MaskedEqual { mask: 0, value: 0 })]), When::Always);
    assert_eq!(
        allowed(&[condition(6, Width::Bits64, Equal(0))]),
        When::AnyOf(Vec::new()),
        "there is no such argument"
    );
}

fn any_rules() -> impl Strategy<Value = Vec<Rule>> {
    let value = prop_oneof![0..6u64, (0..3u64).prop_map(|near| 0xffff_fffe + near), any::<u64>()];
    let mask = prop_oneof![Just(7u64), Just(1), Just(0xffff_ffff), Just(u64::MAX), any::<u64>()];
    let comparison = (0..8u8, value, mask).prop_map(|(kind, value, mask)| match kind {
        0 | 1 => Comparison::Equal(value),
        2 => Comparison::NotEqual(value),
        3 => Comparison::Less(value),
        4 => Comparison::LessOrEqual(value),
        5 => Comparison::Greater(value),
        6 => Comparison::GreaterOrEqual(value),
        _ => Comparison::MaskedEqual { mask, value: value & mask },
    });
    let width = prop_oneof![Just(Width::Bits32), Just(Width::Bits64)];
    let one = (0..3u8, width, comparison).prop_map(|(index, width, it)| condition(index, width, it));
    let action = prop_oneof![
        3 => Just(Action::Allow),
        1 => Just(Action::Log),
        1 => Just(DEFAULT),
        1 => Just(Action::Errno(38)),
        1 => Just(Action::KillProcess),
    ];
    let rule = (proptest::collection::vec(one, 0..4), action)
        .prop_map(|(conditions, action)| rule(action, &conditions));
    proptest::collection::vec(rule, 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn one_action_decides_as_the_rules_do_but_for_what_it_lists(
        rules in any_rules(),
        default in prop_oneof![3 => Just(DEFAULT), 1 => Just(Action::Allow), 1 => Just(Action::Log)],
        picks in proptest::collection::vec(any::<[u8; 9]>(), 32),
    ) {
        let found = one_action(&rules, default);
        let mut named = vec![0, 1, u64::MAX];
        for condition in rules.iter().flat_map(|rule| &rule.conditions) {
            let (Comparison::Equal(value) | Comparison::NotEqual(value) | Comparison::Less(value)
                | Comparison::LessOrEqual(value) | Comparison::Greater(value)
                | Comparison::GreaterOrEqual(value) | Comparison::MaskedEqual { value, .. }) = condition.comparison;
            named.push(value);
        }
        for pick in picks {
            let value = |at: usize| {
                let named = named[usize::from(pick[at]) % named.len()];
                let near = named.wrapping_add(u64::from(pick[at + 1] % 3)).wrapping_sub(1);
                if pick[at + 2] % 4 == 0 { near ^ 0xabcd_0000_0000_0000 } else { near }
            };
            let args = [value(0), value(3), value(6), 0, 0, 0];
            let wanted = first_match(&rules, default, &args);
            let got = match &found.taken {
                Some((action, when)) if when.holds(&args) => *action,
                _ => default,
            };
            if found.lost.is_empty() && !found.is_too_long {
                prop_assert_eq!(got, wanted, "{:?} at {:x?}", found, args);
            } else if !found.is_too_long {
                prop_assert_eq!(runs(got), runs(wanted), "{:?} at {:x?}", found, args);
            }
        }
    }
}
