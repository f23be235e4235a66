//! Calls that could tell a profile from its policy: every rule, every boundary of every condition, every
//! number that is not listed, and every ABI.

use std::collections::BTreeSet;

use sandprint_model::{Abi, Call, Policy, Syscall};
use sandprint_policy::cases;

/// Numbers that every table ends below, and some beyond.
const NUMBERS: std::ops::Range<u32> = 0..600;
const BEYOND: [u32; 5] = [600, 1023, 4999, 5000, 0x0f_0005];

/// How many values of a second argument are tried with each of the first.
const PARTNERS: usize = 7;

/// Every call of the grid. Numbers without rules are tried with two sets of arguments.
pub fn calls(policy: &Policy) -> impl Iterator<Item = Call> {
    let numbers = NUMBERS.chain(BEYOND);
    let listed: BTreeSet<Syscall> = policy.calls.rules.keys().copied().collect();
    let all = Abi::ALL.into_iter().flat_map(move |abi| numbers.clone().map(move |nr| Syscall { abi, nr }));
    let everywhere = all.flat_map(|syscall| [[0; 6], [u64::MAX; 6]].map(|args| fit(syscall, args)));
    everywhere.chain(listed.into_iter().flat_map(|syscall| boundary_calls(policy, syscall)))
}

/// Calls of one number at the boundaries of its conditions.
pub fn boundary_calls(policy: &Policy, syscall: Syscall) -> impl Iterator<Item = Call> {
    let rules = policy.calls.rules.get(&syscall).map_or(&[][..], Vec::as_slice);
    let near = cases::values(rules.iter().flat_map(|rule| &rule.conditions));
    // Arguments that no condition names must not matter.
    let values = near.map(|near| near.into_iter().chain([0, 1, u64::MAX]).collect::<Vec<u64>>());
    let longest = values.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest).flat_map(move |place| {
        let values = values.clone();
        (0..PARTNERS).map(move |shift| {
            // Every argument goes through all its values, each time beside others of the next ones.
            let args = std::array::from_fn(|index| {
                let of_index = &values[index];
                of_index[(place + shift * index * 5 + shift * (index % 2)) % of_index.len()]
            });
            fit(syscall, args)
        })
    })
}

/// A 32-bit register holds no more than 32 bits.
fn fit(syscall: Syscall, args: [u64; 6]) -> Call {
    let narrow = matches!(syscall.abi, Abi::Arm | Abi::I386);
    Call { syscall, args: if narrow { args.map(|arg| arg & 0xffff_ffff) } else { args } }
}
