//! What libseccomp 2.5.4, Debian 12's, makes of rules that is not what they say: formats that it compiles must keep
//! clear of it, and whoever imports such a profile must be told.
//!
//! Seen by comparing the filters that it exports with the rules, call by call, and read in its `src/db.c` and
//! `src/gen_bpf.c`.

use std::collections::BTreeSet;

use sandprint_model::{Abi, Comparison, Condition, KernelVersion, Width};

/// libseccomp 2.5.4 as it was released names every call up to this kernel. Distributions add to it:
/// Debian 12's build goes to 6.7.
pub(crate) const OLD_LIBSECCOMP: KernelVersion = KernelVersion::new(5, 17);

/// Whether the rules of one call, all with conditions, may not become the filter that they describe.
///
/// Several rules of a call are merged into one tree, and that is wrong where rules that ask for something else than
/// equality meet others:
///
/// - Two ordered 64-bit comparisons of one argument with values whose upper halves differ (fixed in 2.6.1,
///   GHSA-4q85-33p6-j5g6). With one upper half, as where all values are small, they are merged rightly.
/// - `!=` in one rule, and `==` of the same value in another one, of which either has more comparisons.
/// - A comparison that goes on to the next argument where it does not hold (`!=`, `<`, `<=`): on 32-bit ABIs it meets
///   the nodes of other rules; on 64-bit ones both halves lead to one and the same next level, into which
///   `_db_tree_add` puts a second rule twice, and then never comes to an end.
pub(crate) fn merges_wrongly(rules: &[&[Condition]]) -> bool {
    let is_equality = |condition: &Condition| {
        matches!(condition.comparison, Comparison::Equal(_) | Comparison::MaskedEqual { .. })
    };
    let mut all = rules.iter().copied().flatten();
    if rules.len() < 2 || all.all(is_equality) {
        return false;
    }
    let upper_half = |condition: &Condition| match condition.comparison {
        Comparison::Less(value)
        | Comparison::LessOrEqual(value)
        | Comparison::Greater(value)
        | Comparison::GreaterOrEqual(value)
            if condition.width == Width::Bits64 =>
        {
            Some((condition.index, value >> 32))
        }
        _ => None,
    };
    let upper_halves: BTreeSet<(u8, u64)> = rules.iter().copied().flatten().filter_map(upper_half).collect();
    let arguments: BTreeSet<u8> = upper_halves.iter().map(|(index, _)| *index).collect();
    rules.iter().any(|rule| rule.len() > 1) || arguments.len() < upper_halves.len()
}

/// Whether the number of a call is loaded with the first call of this ABI, beside these others.
///
/// The first one is that with the fewest comparisons. Where the ABI has no such call, it is left out again, the load with
/// it, and the architecture is taken for the number: no rule of the ABI ever matches. On `x86_64` and x32, unless both
/// take part, another instruction loads the number.
pub(crate) fn loads_with_first_call(abi: Abi, abis: &[Abi]) -> bool {
    match abi {
        Abi::Aarch64 | Abi::Arm | Abi::I386 => true,
        Abi::X32 | Abi::X86_64 => abis.contains(&Abi::X32) && abis.contains(&Abi::X86_64),
    }
}
