//! Arguments that tell rules apart: for every condition a value on each side of each of its boundaries.

use std::collections::BTreeSet;

use sandprint_model::{Comparison, Condition, Width};

/// Most combinations that are made of one set of conditions.
pub const MOST_CASES: usize = 100_000;

/// Argument registers at which these conditions may change their answer, in every combination.
///
/// For comparisons by order and equality this is complete: each argument takes a value in each class that the
/// conditions tell apart, in both halves. For masks it has each single bit of the mask wrong, and all of them. Where
/// there would be more than [`MOST_CASES`] combinations, arguments vary one at a time around the values that the
/// conditions name; the second field is false then.
pub fn arguments<'c>(conditions: impl IntoIterator<Item = &'c Condition>) -> (Vec<[u64; 6]>, bool) {
    let values = values(conditions)
        .map(|values| if values.is_empty() { vec![0] } else { values.into_iter().collect::<Vec<_>>() });
    let combinations = values.iter().try_fold(1_usize, |product, values| product.checked_mul(values.len()));
    if combinations.is_some_and(|count| count <= MOST_CASES) {
        return (product(&values), true);
    }
    let start = values.clone().map(|values| values.first().copied().unwrap_or_default());
    let mut cases = vec![start];
    for (place, values) in values.iter().enumerate() {
        for value in values {
            let mut case = start;
            if let Some(slot) = case.get_mut(place) {
                *slot = *value;
            }
            cases.push(case);
        }
    }
    (cases, false)
}

/// The values of each argument at which these conditions may change their answer; none for one that they do not name.
pub fn values<'c>(conditions: impl IntoIterator<Item = &'c Condition>) -> [BTreeSet<u64>; 6] {
    let mut values: [BTreeSet<u64>; 6] = Default::default();
    for condition in conditions {
        if let Some(values) = values.get_mut(usize::from(condition.index)) {
            near(condition, values);
        }
    }
    values
}

/// The values of one argument around one condition.
fn near(condition: &Condition, values: &mut BTreeSet<u64>) {
    let mut add = |value: u64| {
        values.insert(value);
        if condition.width == Width::Bits32 {
            // What the kernel does not look at must not matter.
            values.insert(value ^ (1 << 32));
            values.insert(value & 0xffff_ffff | 0xffff_ffff_0000_0000);
        } else {
            values.insert(value ^ (1 << 32));
            values.insert(value ^ (1 << 63));
        }
    };
    match condition.comparison {
        Comparison::Equal(value)
        | Comparison::NotEqual(value)
        | Comparison::Less(value)
        | Comparison::LessOrEqual(value)
        | Comparison::Greater(value)
        | Comparison::GreaterOrEqual(value) => {
            for value in [value.wrapping_sub(1), value, value.wrapping_add(1), 0, u64::MAX] {
                add(value);
            }
        }
        Comparison::MaskedEqual { mask, value } => {
            for value in [value, value | !mask, !value & mask, !value, 0, u64::MAX] {
                add(value);
            }
            for bit in (0..64).map(|bit| 1_u64 << bit).filter(|bit| mask & bit != 0) {
                add(value ^ bit);
            }
        }
    }
}

fn product(values: &[Vec<u64>; 6]) -> Vec<[u64; 6]> {
    let mut cases = vec![[0; 6]];
    for (place, values) in values.iter().enumerate() {
        let longer = cases.iter().flat_map(|case| {
            values.iter().map(move |value| {
                let mut case: [u64; 6] = *case;
                if let Some(slot) = case.get_mut(place) {
                    *slot = *value;
                }
                case
            })
        });
        cases = longer.collect();
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(index: u8, width: Width, comparison: Comparison) -> Condition {
        Condition { index, width, comparison }
    }

    #[test]
    fn each_condition_holds_in_some_case_and_fails_in_another() {
        let all = [
            condition(0, Width::Bits32, Comparison::Equal(2)),
            condition(0, Width::Bits64, Comparison::Greater(1 << 40)),
            condition(1, Width::Bits32, Comparison::MaskedEqual { mask: 0xf, value: 1 }),
            condition(5, Width::Bits64, Comparison::NotEqual(u64::MAX)),
        ];
        let (cases, complete) = arguments(&all);
        assert!(complete);
        for one in &all {
            assert!(cases.iter().any(|case| one.holds(case)), "{one}");
            assert!(!cases.iter().all(|case| one.holds(case)), "{one}");
        }
        assert!(cases.iter().any(|case| all.iter().all(|one| one.holds(case)) || *case == [0; 6]));
        assert_eq!(arguments([]), (vec![[0; 6]], true));
    }

    #[test]
    fn too_many_combinations_are_thinned_out_and_say_so() {
        let many: Vec<Condition> = (0..6)
            .flat_map(|index| {
                (0..8).map(move |n| condition(index, Width::Bits64, Comparison::Equal(n * 100)))
            })
            .collect();
        let (cases, complete) = arguments(&many);
        assert!(!complete && cases.len() < MOST_CASES);
        assert!(many.iter().all(|one| cases.iter().any(|case| one.holds(case))));
    }
}
