//! Conditions on arguments: random rules for hundreds of calls in one policy, compiled by libseccomp.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sandprint_model::{About, Action, Call, Comparison, Condition, Policy, Reason, Rule, Syscall, Width};
use sandprint_policy::emit::by_name;

use crate::seccomp_header::{export_twice, has_libseccomp};
use testkit::hosts::NATIVE;
use testkit::policies::allowing;

/// Comparisons with values at the edges of both widths, few enough that two of them often meet.
fn any_comparison() -> impl Strategy<Value = Comparison> {
    let value = prop_oneof![
        0..6u64,
        (0..3u64).prop_map(|near| 0xffff_fffe + near),
        (0..2u64).prop_map(|near| u64::MAX - near),
        any::<u64>(),
    ];
    let mask = prop_oneof![Just(7u64), Just(0xffff_ffff), Just(0x7e02_0000), any::<u64>()];
    (0..9u8, value, mask).prop_map(|(kind, value, mask)| match kind {
        0..=2 => Comparison::Equal(value),
        3 => Comparison::NotEqual(value),
        4 => Comparison::Less(value),
        5 => Comparison::GreaterOrEqual(value),
        _ => Comparison::MaskedEqual { mask, value: value & mask },
    })
}

fn any_rules() -> impl Strategy<Value = Vec<Rule>> {
    let width = prop_oneof![Just(Width::Bits32), Just(Width::Bits64)];
    let one = (0..3u8, width, any_comparison()).prop_map(|(index, width, comparison)| Condition {
        index,
        width,
        comparison,
    });
    let rule = (
        proptest::collection::vec(one, 1..3),
        prop_oneof![9 => Just(Action::Allow), 1 => Just(Action::Errno(38))],
    )
        .prop_map(|(conditions, action)| Rule {
            conditions,
            action,
            reasons: BTreeSet::from([Reason::ByHand("a test".to_owned())]),
        });
    proptest::collection::vec(rule, 1..4)
}

/// Values at and beside those that a call's rules name.
fn telling_values(rules: &[Rule]) -> Vec<u64> {
    let mut values = vec![0, 1, 1 << 32, u64::MAX];
    for condition in rules.iter().flat_map(|rule| &rule.conditions) {
        let (Comparison::Equal(named)
        | Comparison::NotEqual(named)
        | Comparison::Less(named)
        | Comparison::LessOrEqual(named)
        | Comparison::Greater(named)
        | Comparison::GreaterOrEqual(named)
        | Comparison::MaskedEqual { value: named, .. }) = condition.comparison;
        for near in [named.wrapping_sub(1), named, named.wrapping_add(1)] {
            values.extend([near, near & 0xffff_ffff, near | 0xabcd_0000_0000_0000]);
        }
    }
    values.sort_unstable();
    values.dedup();
    values
}

#[test]
fn conditions_that_libseccomp_compiles_decide_as_the_policy_does() {
    if !has_libseccomp() {
        return;
    }
    // The same rules on every machine and every day.
    let mut runner = TestRunner::deterministic();
    let mut exact = 0;
    for _ in 0..16 {
        // The kernel takes 4096 instructions, so few calls for each program.
        let calls: Vec<Syscall> = (0..20).map(|nr| Syscall { abi: NATIVE, nr }).collect();
        let mut policy: Policy = allowing(&calls);
        for rules in policy.calls.rules.values_mut() {
            *rules = any_rules().new_tree(&mut runner).unwrap().current();
        }
        let emitted = by_name("seccomp-h").unwrap().emit(&policy).unwrap();
        assert!(emitted.losses.iter().all(|loss| !loss.weaker));
        let program = export_twice(&emitted);
        for (syscall, rules) in &policy.calls.rules {
            let cut = emitted.losses.iter().any(|loss| loss.about == About::Call(*syscall));
            exact += u32::from(!cut);
            let values = telling_values(rules);
            for (a, first) in values.iter().enumerate() {
                for b in 0..values.len() {
                    let args = [*first, values[b], values[(a + 3 * b) % values.len()], 0, 0, 0];
                    let call = Call { syscall: *syscall, args };
                    let (wanted, got) = (policy.calls.decide(&call), program.decide(&call));
                    let stricter = cut && got != Action::Allow;
                    assert!(wanted == got || stricter, "{call:x?}: {wanted:?}, {got:?}, {rules:#x?}");
                }
            }
        }
    }
    assert!(exact > 200, "most of the 320 calls must be exact: {exact}");
}
