//! The rules of one call in the shape that libseccomp can hold, and so OCI runtimes and Docker too.
//!
//! libseccomp has one action for a call, and entries that are OR-ed, each with at most one comparison per
//! argument; so the rules become alternatives first, and these become entries. What does not fit is cut off,
//! and said.
//!
//! Known faults that the shape avoids:
//! - one argument index twice in an entry is refused by libseccomp, and runtimes then split the entry into
//!   alternatives, which allows more;
//! - libseccomp 2.5.4 merges some entries of a call wrongly, or never comes to an end with them
//!   (`merges_wrongly` in `libseccomp.rs`): then all comparisons become masked ones, which it merges rightly;
//! - it mistakes a mask of the upper half alone where i386 takes part (`without_upper_halves`);
//! - a 64-bit comparison of a 32-bit argument sees what the caller left in the upper half, so 32-bit
//!   arguments are always compared under a mask.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::{Abi, Action, Comparison, Condition, LossKind, Rule, Width, loss};

use super::alternatives::{Atom, OneAction, When, one_action, reached};
use super::values::{Block, LOWER_HALF, blocks, comparisons, is_32_bit};
use crate::enforce::runs;
use crate::libseccomp::merges_wrongly;

/// How many entries one call may have. The kernel takes 4096 instructions in all (`BPF_MAXINSNS`), and an
/// entry costs up to four for each comparison.
pub(super) const MAX_ENTRIES: usize = 128;

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

/// Whether leaving a call to the default action lets it run where these rules refuse it.
pub(super) fn is_refusal_lost(rules: &[Rule], default: Action) -> bool {
    runs(default) && rules.iter().any(|rule| !runs(rule.action))
}

/// Whether leaving a call to the default action refuses it where these rules let it run.
pub(super) fn is_run_lost(rules: &[Rule], default: Action) -> bool {
    !runs(default) && reached(rules).into_iter().any(runs)
}

/// A [`Shape`], and what of the rules did not fit into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shaped {
    /// What fitted.
    pub(super) shape: Shape,
    /// What was cut off, if something was: the calls that it decided get the default action.
    pub(super) cut: Option<Cut>,
    /// What is lost by having one action for the call. Nothing more runs by it.
    pub(super) lost: BTreeSet<LossKind>,
}

/// What of a call's rules did not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    /// Why.
    pub(super) why: loss::Cut,
    /// Whether nothing is left: the default action decides, whatever the arguments.
    pub(super) is_whole: bool,
}

/// Brings the rules of one call into shape. `default` is what happens where no rule matches.
pub(super) fn shape(abi: Abi, rules: &[Rule], default: Action) -> Shaped {
    let OneAction { taken, lost, is_too_long } = one_action(rules, default);
    let cut = is_too_long.then_some(Cut { why: loss::Cut::TooMany, is_whole: true });
    let mut shaped = Shaped { shape: Shape::Default, cut, lost };
    let Some((action, when)) = taken else { return shaped };
    let When::AnyOf(alternatives) = when else {
        return Shaped { shape: Shape::Always(action), ..shaped };
    };
    let mut fitting: Vec<Arguments> = Vec::new();
    let mut why = None;
    for alternative in joined(&alternatives) {
        match arguments(abi, &alternative) {
            Match::Never => {}
            Match::Always => return Shaped { shape: Shape::Always(action), ..shaped },
            Match::All(arguments) => fitting.push(arguments),
            Match::Unsayable(reason) => why = Some(reason),
        }
    }
    // What takes fewest entries first, so that as much as possible is left.
    fitting.sort_unstable_by_key(entries_of);
    let mut count = 0;
    fitting.retain(|arguments| {
        let more = entries_of(arguments);
        let fits = count + more <= MAX_ENTRIES;
        if fits {
            count += more;
        } else {
            why = Some(loss::Cut::TooMany);
        }
        fits
    });
    shaped.cut = why.map(|why| Cut { why, is_whole: fitting.is_empty() });
    if !fitting.is_empty() {
        shaped.shape = Shape::When(action, entries(abi, &fitting));
    }
    shaped
}

/// The values of some arguments, all of which must be so.
type Arguments = BTreeMap<u8, Vec<Block>>;

/// How many entries say it.
fn entries_of(arguments: &Arguments) -> usize {
    arguments.values().map(Vec::len).product()
}

/// Alternatives that differ in one argument only as one: what its values are is said together.
///
/// The atoms of an alternative by their argument, each time in alternatives of their own.
fn joined(alternatives: &[Vec<Atom>]) -> Vec<BTreeMap<u8, Vec<Vec<Atom>>>> {
    let mut all: Vec<BTreeMap<u8, Vec<Vec<Atom>>>> = Vec::new();
    for alternative in alternatives {
        let mut one: BTreeMap<u8, Vec<Vec<Atom>>> = BTreeMap::new();
        for atom in alternative {
            for atoms in one.entry(atom.index).or_insert_with(|| vec![Vec::new()]) {
                atoms.push(*atom);
            }
        }
        // What it was joined to may now differ from yet another one in one argument only.
        while let Some((at, index)) =
            all.iter().enumerate().find_map(|(at, other)| Some((at, only_difference(other, &one)?)))
        {
            let other = all.remove(at);
            for (place, conjunctions) in other {
                if place == index {
                    let both = one.entry(place).or_default();
                    both.extend(conjunctions);
                    both.sort_unstable();
                    both.dedup();
                }
            }
        }
        all.push(one);
    }
    all
}

/// The argument in which two alternatives differ, where it is the only one.
fn only_difference(one: &BTreeMap<u8, Vec<Vec<Atom>>>, other: &BTreeMap<u8, Vec<Vec<Atom>>>) -> Option<u8> {
    if !one.keys().eq(other.keys()) {
        return None;
    }
    let mut differing = one.iter().filter(|(index, conjunctions)| other.get(index) != Some(conjunctions));
    let (index, _) = differing.next()?;
    differing.next().is_none().then_some(*index)
}

/// When all conditions on some arguments hold.
enum Match {
    Never,
    Always,
    /// When the arguments have these values.
    All(Arguments),
    Unsayable(loss::Cut),
}

fn arguments(abi: Abi, alternative: &BTreeMap<u8, Vec<Vec<Atom>>>) -> Match {
    let mut arguments = Arguments::new();
    for (index, conjunctions) in alternative {
        if abi == Abi::X32 && conjunctions.iter().flatten().any(|atom| atom.width == Width::Bits64) {
            // libseccomp takes x32 for a 32-bit ABI and leaves the upper half of its 64-bit registers out.
            return Match::Unsayable(loss::Cut::UpperHalfOfX32);
        }
        let Some(blocks) = blocks(abi, conjunctions, MAX_ENTRIES) else {
            return Match::Unsayable(loss::Cut::TooMany);
        };
        if blocks.is_empty() {
            return Match::Never;
        }
        if blocks.iter().all(|block| block.mask != 0) {
            arguments.insert(*index, blocks);
        }
    }
    if arguments.is_empty() { Match::Always } else { Match::All(arguments) }
}

/// The entries that say one of these: with ordered comparisons where those are fewer and libseccomp merges them
/// rightly, else with masked ones alone.
fn entries(abi: Abi, any_of: &[Arguments]) -> Vec<Vec<Condition>> {
    let with = |comparisons: &dyn Fn(&[Block]) -> Vec<Comparison>| {
        let mut entries: Vec<_> =
            any_of.iter().flat_map(|arguments| product(arguments, comparisons)).collect();
        entries.sort_unstable();
        entries.dedup();
        entries
    };
    let masked = with(&|blocks| blocks.iter().map(|block| block.comparison()).collect());
    if is_32_bit(abi) {
        return masked;
    }
    let ordered = with(&comparisons);
    let each: Vec<&[Condition]> = ordered.iter().map(Vec::as_slice).collect();
    if merges_wrongly(&each) { masked } else { ordered }
}

/// One entry for each choice of a comparison for each argument.
fn product(arguments: &Arguments, comparisons: &dyn Fn(&[Block]) -> Vec<Comparison>) -> Vec<Vec<Condition>> {
    let mut entries: Vec<Vec<Condition>> = vec![Vec::new()];
    for (index, blocks) in arguments {
        let choices = comparisons(blocks);
        entries = entries
            .iter()
            .flat_map(|entry| {
                choices.iter().map(move |comparison| {
                    let mut entry = entry.clone();
                    entry.push(Condition { index: *index, width: Width::Bits64, comparison: *comparison });
                    entry
                })
            })
            .collect();
    }
    entries
}

#[cfg(test)]
mod tests;
