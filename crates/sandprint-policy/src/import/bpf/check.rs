//! The proof of an import: program and policy are asked about the same calls.

use std::collections::{BTreeSet, HashMap};

use sandprint_model::{Abi, About, Action, Call, Comparison, Condition, Loss, LossKind, Rule, Syscall};

use super::super::{Imported, runs};
use super::Analysed;
use crate::cbpf::{Program, SeccompData, returned_action, simulate};

/// Most values of one argument that are tried for a call.
const MOST_VALUES: usize = 96;
/// Most calls that are tried of one number.
const MOST_TRIED: usize = 4096;
/// How many of them for a number whose rules another number has had.
const TRIED_AGAIN: usize = 48;

/// What rules do, without why.
type Meaning = Vec<(Vec<Condition>, Action)>;

/// Adds a loss for every call that is decided differently without one that says so.
pub(super) fn compare(program: &Program, analysed: &Analysed, imported: &mut Imported) {
    let mut asked: BTreeSet<Syscall> = imported.policy.calls.rules.keys().copied().collect();
    for (abi, parts) in &analysed.abis {
        asked.extend(Syscall::all(*abi));
        let edges = parts.iter().flat_map(|(first, last, _)| [*first, *last]);
        asked.extend(edges.map(|nr| Syscall { abi: *abi, nr }));
    }
    let mut differing: BTreeSet<(Syscall, bool)> = BTreeSet::new();
    let mut values_of: HashMap<Meaning, Vec<[u64; 6]>> = HashMap::new();
    for syscall in asked {
        let rules = imported.policy.calls.rules.get(&syscall).map_or(&[][..], Vec::as_slice);
        let key: Vec<_> = rules.iter().map(|rule| (rule.conditions.clone(), rule.action)).collect();
        let known = values_of.contains_key(&key);
        let values = values_of.entry(key).or_insert_with(|| tried(rules));
        let most = if known { TRIED_AGAIN } else { MOST_TRIED + TRIED_AGAIN };
        for args in values.iter().take(most) {
            let narrow = matches!(syscall.abi, Abi::Arm | Abi::I386);
            let call = Call { syscall, args: if narrow { args.map(|arg| arg & 0xffff_ffff) } else { *args } };
            let says = returned_action(simulate(program, &SeccompData::from(&call)));
            let means = imported.policy.calls.decide(&call);
            if says != means {
                differing.insert((syscall, runs(means) && !runs(says)));
            }
        }
    }
    for (syscall, weaker) in differing {
        if weaker || !imported.losses.iter().any(|known| known.about.covers(syscall)) {
            imported.losses.insert(Loss::weaker_if(weaker, About::Call(syscall), LossKind::Differs));
        }
    }
}

/// Arguments at and beside every value that rules compare with.
fn tried(rules: &[Rule]) -> Vec<[u64; 6]> {
    let mut tried = vec![[0; 6], [u64::MAX; 6], [1, 2, 3, 4, 5, 6].map(|n: u64| n << 32 | n)];
    let conditions: Vec<Condition> = rules.iter().flat_map(|rule| &rule.conditions).copied().collect();
    let used: BTreeSet<u8> = conditions.iter().map(|condition| condition.index).collect();
    if used.is_empty() {
        return tried;
    }
    let each: Vec<(usize, Vec<u64>)> =
        used.iter().map(|index| (usize::from(*index), values(&conditions, *index))).collect();
    let combinations = each.iter().map(|(_, values)| values.len()).fold(1, usize::saturating_mul);
    // All of them where they are few; else walks through them that meet every value of each argument.
    let whole = combinations <= MOST_TRIED;
    let count = if whole { combinations } else { MOST_TRIED };
    for number in 0..count {
        let mut args = [0_u64; 6];
        let mut rest = if whole { number } else { number.wrapping_mul(0x9e37_79b1) >> 7 };
        for (index, values) in &each {
            let value = values.get(rest % values.len()).copied().unwrap_or_default();
            if let Some(slot) = args.get_mut(*index) {
                *slot = value;
            }
            rest /= values.len();
        }
        tried.push(args);
    }
    tried
}

/// Values of one argument that could tell.
fn values(conditions: &[Condition], index: u8) -> Vec<u64> {
    let mut values = BTreeSet::from([0, 1 << 32, u64::MAX]);
    for condition in conditions.iter().filter(|condition| condition.index == index) {
        let (named, mask) = match condition.comparison {
            Comparison::Equal(value)
            | Comparison::NotEqual(value)
            | Comparison::Less(value)
            | Comparison::LessOrEqual(value)
            | Comparison::Greater(value)
            | Comparison::GreaterOrEqual(value) => (value, u64::MAX),
            Comparison::MaskedEqual { mask, value } => (value, mask),
        };
        for near in [
            named,
            named.wrapping_sub(1),
            named.wrapping_add(1),
            named | !mask,
            named ^ (mask & mask.wrapping_neg()),
        ] {
            values.extend([near, near ^ 1 << 32, near | 0xabcd_0000_0000_0000]);
        }
        if values.len() > MOST_VALUES {
            break;
        }
    }
    values.into_iter().collect()
}
