//! The rules of one call in the shape that libseccomp can hold, and so OCI runtimes and Docker too.
//!
//! libseccomp has one action for a call, and entries that are OR-ed, each with at most one comparison per
//! argument; so the rules become alternatives first, and these become entries. What does not fit is cut off,
//! and said.
//!
//! Known faults that the shape avoids:
//! - one argument index twice in an entry is refused by libseccomp, and runtimes then split the entry into
//!   alternatives, which allows more;
//! - libseccomp 2.5.4 merges the entries of a call wrongly unless all their comparisons are `==`, masked or not:
//!   two ordered ones of one argument (fixed in 2.6.1, GHSA-4q85-33p6-j5g6); `!=` in one entry and `==` of the same
//!   value in another; and for a 64-bit `!=` before a comparison of a later argument, in two entries, it never ends,
//!   since both halves lead to one and the same next level of its tree, into which `_db_tree_add` puts the second
//!   entry twice. So such a comparison becomes masked ones unless its entry is the only one;
//! - it mistakes a mask of the upper half alone where i386 takes part (`without_upper_halves`);
//! - a 64-bit comparison of a 32-bit argument sees what the caller left in the upper half, so 32-bit
//!   arguments are always compared under a mask.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::{Abi, Action, Comparison, Condition, Rule, Width};

use super::alternatives::{Atom, Lost, OneAction, Test, When, one_action};

/// How many entries one call may have. The kernel takes 4096 instructions in all (`BPF_MAXINSNS`), and an
/// entry costs up to four for each comparison.
const MAX_ENTRIES: usize = 128;

const TOO_MANY: &str = "its conditions need too many entries";

/// What happens to one call, as libseccomp can hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// The default action, whatever the arguments.
    Default,
    /// One action, whatever the arguments.
    Always(Action),
    /// One action when all conditions of any entry hold, else the default action. Every condition is 64 bits
    /// wide, no entry is empty, and none names an argument twice.
    When(Action, Vec<Vec<Condition>>),
}

impl Shape {
    /// The action that is not the default one, where there is one.
    pub(super) fn action(&self) -> Option<Action> {
        match self {
            Shape::Default => None,
            Shape::Always(action) | Shape::When(action, _) => Some(*action),
        }
    }

    /// Whether the call runs with some arguments. Conditions that refuse leave the rest to the default.
    pub(super) fn runs(&self, default: Action) -> bool {
        match self {
            Shape::Default => runs(default),
            Shape::Always(action) => runs(*action),
            Shape::When(action, _) => runs(*action) || runs(default),
        }
    }
}

impl Shape {
    /// The shape without the entries that look at the upper half of an argument alone.
    ///
    /// In a filter for `x86_64` and i386, libseccomp 2.5.4 takes the i386 half of such an entry, which holds
    /// for every value, for the `x86_64` one, when another entry of the call looks at another argument.
    pub(super) fn without_upper_halves(self) -> Shape {
        let Shape::When(action, mut entries) = self else { return self };
        entries.retain(|entry| {
            entry.iter().all(|condition| match condition.comparison {
                Comparison::MaskedEqual { mask, .. } => mask & LOWER_HALF != 0,
                _ => true,
            })
        });
        if entries.is_empty() { Shape::Default } else { Shape::When(action, entries) }
    }

    /// What libseccomp makes of this shape in an ABI whose arguments it takes for 32 bits wide, as it does
    /// for x32 too: it compares the lower halves only.
    pub(super) fn as_seen_through(&self, abi: Abi) -> Shape {
        let (Shape::When(action, entries), Abi::Arm | Abi::I386 | Abi::X32) = (self, abi) else {
            return self.clone();
        };
        let narrow = |condition: &Condition| {
            let comparison = match condition.comparison {
                // The value is cut as the mask is; elsewhere a value outside the mask never matches.
                Comparison::MaskedEqual { mask, value } => {
                    Comparison::MaskedEqual { mask: mask & LOWER_HALF, value: value & LOWER_HALF }
                }
                other => other,
            };
            Condition { width: Width::Bits32, comparison, ..*condition }
        };
        let rule = |entry: &Vec<Condition>| Rule {
            conditions: entry.iter().map(narrow).collect(),
            action: *action,
            reasons: BTreeSet::new(),
        };
        let rules: Vec<Rule> = entries.iter().map(rule).collect();
        // Any other default than their own action will do.
        let other = if *action == Action::KillThread { Action::Allow } else { Action::KillThread };
        let narrowed = shape(abi, &rules, other);
        if narrowed.cut.is_some() { self.clone() } else { narrowed.shape }
    }
}

const LOWER_HALF: u64 = 0xffff_ffff;

pub(super) use crate::enforce::runs;

/// Whether leaving a call to the default action lets it run where these rules refuse it.
pub(super) fn is_refusal_lost(rules: &[Rule], default: Action) -> bool {
    runs(default) && rules.iter().any(|rule| !runs(rule.action))
}

/// A [`Shape`], and what of the rules did not fit into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shaped {
    /// What fitted.
    pub(super) shape: Shape,
    /// Why something was cut off, if it was: the calls that it decided get the default action.
    pub(super) cut: Option<&'static str>,
    /// What is lost by having one action for the call. Nothing more runs by it.
    pub(super) lost: BTreeSet<Lost>,
}

/// Brings the rules of one call into shape. `default` is what happens where no rule matches.
pub(super) fn shape(abi: Abi, rules: &[Rule], default: Action) -> Shaped {
    let first_try = build(abi, rules, default, Entries::One);
    match &first_try.shape {
        Shape::When(_, entries) if entries.len() > 1 => build(abi, rules, default, Entries::Several),
        _ => first_try,
    }
}

/// How many entries a call has, on which it depends what libseccomp makes of them: it merges several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entries {
    /// Every comparison can stay.
    One,
    /// Only `==`: `<`, `<=`, `>` and `>=` become masked comparisons of each prefix, `!=` of each bit.
    Several,
}

fn build(abi: Abi, rules: &[Rule], default: Action, count: Entries) -> Shaped {
    let OneAction { taken, lost } = one_action(rules, default);
    let mut shaped = Shaped { shape: Shape::Default, cut: None, lost };
    if shaped.lost.remove(&Lost::TooMany) {
        shaped.cut = Some(TOO_MANY);
    }
    let Some((action, when)) = taken else { return shaped };
    let When::AnyOf(alternatives) = when else {
        return Shaped { shape: Shape::Always(action), ..shaped };
    };
    let mut entries = Vec::new();
    for alternative in &alternatives {
        match conjunction(abi, alternative, count) {
            Match::Never => {}
            Match::Always => return Shaped { shape: Shape::Always(action), ..shaped },
            Match::Entries(more) => entries.extend(more),
            Match::Unsayable(why) => shaped.cut = Some(why),
        }
    }
    entries.sort_unstable();
    entries.dedup();
    if entries.len() > MAX_ENTRIES {
        shaped.cut = Some(TOO_MANY);
    } else if !entries.is_empty() {
        shaped.shape = Shape::When(action, entries);
    }
    shaped
}

/// When a conjunction of conditions holds.
enum Match {
    Never,
    Always,
    /// When any of these entries holds.
    Entries(Vec<Vec<Condition>>),
    Unsayable(&'static str),
}

fn conjunction(abi: Abi, atoms: &[Atom], count: Entries) -> Match {
    let mut arguments: BTreeMap<u8, Vec<Atom>> = BTreeMap::new();
    for atom in atoms {
        arguments.entry(atom.index).or_default().push(*atom);
    }
    let mut entries: Vec<Vec<Condition>> = vec![Vec::new()];
    for (index, atoms) in arguments {
        let alternatives = match argument(abi, &atoms, count) {
            Values::None => return Match::Never,
            Values::All => continue,
            Values::Unsayable(why) => return Match::Unsayable(why),
            Values::AnyOf(alternatives) => alternatives,
        };
        if alternatives.len() * entries.len() > MAX_ENTRIES {
            return Match::Unsayable(TOO_MANY);
        }
        entries = entries
            .iter()
            .flat_map(|entry| {
                alternatives.iter().map(move |comparison| {
                    let mut entry = entry.clone();
                    entry.push(Condition { index, width: Width::Bits64, comparison: *comparison });
                    entry
                })
            })
            .collect();
    }
    if entries.iter().all(Vec::is_empty) { Match::Always } else { Match::Entries(entries) }
}

/// Which values of one argument satisfy its conditions.
enum Values {
    None,
    All,
    /// Those that satisfy any of these 64-bit comparisons.
    AnyOf(Vec<Comparison>),
    Unsayable(&'static str),
}

fn argument(abi: Abi, atoms: &[Atom], count: Entries) -> Values {
    let wide = atoms.iter().any(|atom| atom.width == Width::Bits64);
    if wide && abi == Abi::X32 {
        // libseccomp takes x32 for a 32-bit ABI and leaves the upper half of its 64-bit registers out.
        return Values::Unsayable("libseccomp does not look at the upper half of an x32 argument");
    }
    if let [Atom { width: Width::Bits64, test: Test::Is(comparison), .. }] = atoms
        && !is_32_bit(abi)
        && is_comparison(*comparison)
        && (count == Entries::One || matches!(comparison, Comparison::Equal(_)))
    {
        return Values::AnyOf(vec![*comparison]);
    }
    let mut blocks = vec![Block { mask: 0, value: 0 }];
    for atom in atoms {
        let more = blocks_of(abi, atom);
        let both: Vec<Block> =
            blocks.iter().flat_map(|block| more.iter().filter_map(|other| block.and(*other))).collect();
        if both.len() > MAX_ENTRIES {
            return Values::Unsayable(TOO_MANY);
        }
        blocks = both;
    }
    if blocks.iter().any(|block| block.mask == 0) {
        Values::All
    } else if blocks.is_empty() {
        Values::None
    } else {
        Values::AnyOf(blocks.into_iter().map(Block::comparison).collect())
    }
}

/// Whether the ABI's argument registers hold 32 bits: libseccomp then looks at the lower half only.
fn is_32_bit(abi: Abi) -> bool {
    matches!(abi, Abi::Arm | Abi::I386)
}

/// Whether a 64-bit comparison is none of a mask, and neither always nor never holds: such are values, not
/// comparisons, for libseccomp.
fn is_comparison(comparison: Comparison) -> bool {
    !matches!(
        comparison,
        Comparison::Less(0)
            | Comparison::LessOrEqual(u64::MAX)
            | Comparison::Greater(u64::MAX)
            | Comparison::GreaterOrEqual(0)
            | Comparison::MaskedEqual { .. }
    )
}

/// The values whose bits under `mask` are `value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    /// The bits that are looked at.
    pub(super) mask: u64,
    /// What they are; zero elsewhere.
    pub(super) value: u64,
}

impl Block {
    /// The values in both, where there are any.
    fn and(self, other: Block) -> Option<Block> {
        let differ = (self.value ^ other.value) & self.mask & other.mask;
        (differ == 0).then_some(Block { mask: self.mask | other.mask, value: self.value | other.value })
    }

    fn comparison(self) -> Comparison {
        match self.mask {
            u64::MAX => Comparison::Equal(self.value),
            mask => Comparison::MaskedEqual { mask, value: self.value },
        }
    }
}

/// The blocks that together hold exactly the values that satisfy an atom.
pub(super) fn blocks_of(abi: Abi, atom: &Atom) -> Vec<Block> {
    let bits = match atom.width {
        Width::Bits32 => 32,
        Width::Bits64 => 64,
    };
    let blocks = match atom.test {
        Test::Is(comparison) => comparison_blocks(bits, comparison),
        Test::MaskedNotEqual { mask, value } => differing_in(mask, value),
    };
    if bits == 32 || !is_32_bit(abi) {
        return blocks;
    }
    // The upper half of such a register is always zero.
    let upper_is_zero = |block: &Block| block.value >> 32 == 0;
    let lower_half = |block: Block| Block { mask: block.mask & LOWER_HALF, ..block };
    blocks.into_iter().filter(upper_is_zero).map(lower_half).collect()
}

fn comparison_blocks(bits: u32, comparison: Comparison) -> Vec<Block> {
    let all = u64::MAX >> (64 - bits);
    let everything = Block { mask: 0, value: 0 };
    match comparison {
        Comparison::Equal(other) => vec![Block { mask: all, value: other & all }],
        Comparison::NotEqual(other) => differing_in(all, other),
        Comparison::Less(other) => below(bits, other & all),
        Comparison::LessOrEqual(other) if other & all == all => vec![everything],
        Comparison::LessOrEqual(other) => below(bits, (other & all) + 1),
        Comparison::Greater(other) => above(bits, other & all),
        Comparison::GreaterOrEqual(other) if other & all == 0 => vec![everything],
        Comparison::GreaterOrEqual(other) => above(bits, (other & all) - 1),
        Comparison::MaskedEqual { mask, value } if value & all & !mask == 0 => {
            vec![Block { mask: mask & all, value: value & all }]
        }
        Comparison::MaskedEqual { .. } => Vec::new(),
    }
}

/// Values that differ from `value` in some bit of `mask`.
fn differing_in(mask: u64, value: u64) -> Vec<Block> {
    let bits = (0..64).map(|bit| 1 << bit).filter(|bit| mask & bit != 0);
    bits.map(|bit: u64| Block { mask: bit, value: !value & bit }).collect()
}

/// Values below a limit: those that first differ from it in a bit that it has set.
fn below(bits: u32, limit: u64) -> Vec<Block> {
    (0..bits).filter(|bit| limit >> bit & 1 == 1).map(|bit| differing_first_at(bits, limit, bit)).collect()
}

/// Values above a limit: those that first differ from it in a bit that it has not set.
fn above(bits: u32, limit: u64) -> Vec<Block> {
    (0..bits).filter(|bit| limit >> bit & 1 == 0).map(|bit| differing_first_at(bits, limit, bit)).collect()
}

/// Values equal to `limit` above `bit` and different in it; the bits below it are free.
fn differing_first_at(bits: u32, limit: u64, bit: u32) -> Block {
    let mask = (u64::MAX >> (64 - bits)) & (u64::MAX << bit);
    Block { mask, value: (limit ^ (1 << bit)) & mask }
}

#[cfg(test)]
mod tests;
