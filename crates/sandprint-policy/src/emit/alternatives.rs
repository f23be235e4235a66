//! The rules of one call as alternatives, for languages that have one action for a call and no order of rules.
//!
//! A [`Policy`](sandprint_model::Policy) decides by the first rule that matches. Here the same is said
//! without an order: one action is taken when any alternative holds, and an alternative holds when all its
//! tests do. What comes first with another action is taken out of the later alternatives by its negation.

use std::collections::BTreeSet;

use sandprint_model::loss::Cut;
use sandprint_model::{About, Action, Comparison, Condition, Loss, LossKind, Rule, Syscall, Width};

use super::left_to_default;
use crate::enforce::runs;

/// How many alternatives one call may have: each costs a filter several of its 4096 instructions.
pub(super) const MOST_ALTERNATIVES: usize = 128;

/// A comparison of one argument that neither always nor never holds. Values fit the width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Atom {
    /// Which argument, 0 to 5.
    pub(super) index: u8,
    /// How many bits of it are looked at.
    pub(super) width: Width,
    /// How.
    pub(super) test: Test,
}

/// What an atom asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Test {
    /// The comparison holds.
    Is(Comparison),
    /// The bits of `mask` are anything but `value`.
    MaskedNotEqual {
        /// The bits that are looked at.
        mask: u64,
        /// What they must not be.
        value: u64,
    },
}

/// When an action is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum When {
    /// Whatever the arguments.
    Always,
    /// When all atoms of any of these hold; none is empty. Without any: never.
    AnyOf(Vec<Vec<Atom>>),
}

/// What happens to one call where there is one action for it, and the default one for the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OneAction {
    /// The action, and when it is taken.
    pub(super) taken: Option<(Action, When)>,
    /// What of the rules cannot be said so. Nothing more runs by it.
    pub(super) lost: BTreeSet<LossKind>,
    /// Whether they need too many alternatives, so that the default action decides alone.
    pub(super) is_too_long: bool,
}

/// Conditions that need too many alternatives: the default action decides alone.
pub(super) const TOO_LONG: LossKind = LossKind::ConditionsCut { why: Cut::TooMany, is_whole: true };

impl OneAction {
    /// What is lost by it of the rules of a call.
    pub(super) fn losses(
        &self,
        syscall: Syscall,
        rules: &[Rule],
        default: Action,
    ) -> impl Iterator<Item = Loss> {
        let about = move || About::Call(syscall);
        let too_long = self.is_too_long.then(|| left_to_default(about(), TOO_LONG, rules, default));
        self.lost.iter().map(move |lost| Loss::stricter(about(), lost.clone())).chain(too_long)
    }
}

/// Brings the rules of one call down to one action. `default` is what happens where no rule matches.
///
/// Where the default refuses, the one action is the one that lets the call run, because the workload needs
/// it; where the default lets it run, the one that refuses.
pub(super) fn one_action(rules: &[Rule], default: Action) -> OneAction {
    let (mut lost, mut is_too_long) = (BTreeSet::new(), false);
    let actions = reached(rules);
    let other = |wanted: &dyn Fn(Action) -> bool| {
        actions.iter().copied().find(|action| *action != default && wanted(*action))
    };
    let aside = |wanted: &dyn Fn(Action) -> bool, than: Action| {
        actions.iter().any(|action| wanted(*action) && *action != than)
    };
    let refuses = |action| !runs(action);
    let taken = if runs(default) {
        if aside(&runs, default) && other(&refuses).is_some() {
            lost.insert(LossKind::LoggedWhole);
        }
        match other(&refuses) {
            Some(refusal) => {
                if aside(&refuses, refusal) {
                    lost.insert(LossKind::RefusedAlike(refusal));
                }
                Some((refusal, when(rules, refuses)))
            }
            None => other(&runs).map(|action| (action, when(rules, |it| it == action))),
        }
    } else if let Some(running) = other(&|it| it == Action::Allow).or_else(|| other(&runs)) {
        if aside(&runs, running) {
            lost.insert(LossKind::LoggedWhole);
        }
        if aside(&refuses, default) {
            lost.insert(LossKind::RefusedByDefault);
        }
        Some((running, when(rules, runs)))
    } else {
        let refusal = other(&refuses);
        refusal.map(|refusal| {
            if actions.iter().any(|action| *action != refusal && *action != default) {
                lost.insert(LossKind::RefusedByDefault);
            }
            (refusal, when(rules, |it| it == refusal))
        })
    };
    let taken = taken.and_then(|(action, when)| match when {
        None => {
            is_too_long = true;
            None
        }
        Some(When::AnyOf(alternatives)) if alternatives.is_empty() => None,
        Some(when) => Some((action, when)),
    });
    OneAction { taken, lost, is_too_long }
}

/// The actions of the rules that can decide, in order.
pub(super) fn reached(rules: &[Rule]) -> Vec<Action> {
    let mut actions = Vec::new();
    for rule in rules {
        match atoms(&rule.conditions) {
            None => {}
            Some(atoms) => {
                actions.push(rule.action);
                if atoms.is_empty() {
                    break;
                }
            }
        }
    }
    actions
}

/// When the first rule that matches has a wanted action; `None` where that takes too many alternatives.
pub(super) fn when(rules: &[Rule], wanted: impl Fn(Action) -> bool) -> Option<When> {
    // What no earlier, unwanted rule has taken.
    let mut open: Vec<Vec<Atom>> = vec![Vec::new()];
    let mut found: Vec<Vec<Atom>> = Vec::new();
    for rule in rules {
        let Some(atoms) = atoms(&rule.conditions) else { continue };
        if wanted(rule.action) {
            found.extend(open.iter().filter_map(|before| both(before, &atoms)));
        } else {
            open = open.iter().flat_map(|before| outside(before, &atoms)).collect();
        }
        if found.len() > MOST_ALTERNATIVES || open.len() > MOST_ALTERNATIVES {
            return None;
        }
        if atoms.is_empty() {
            break;
        }
    }
    absorb(&mut found);
    for alternative in &mut found {
        alternative.sort_unstable();
    }
    found.sort_unstable();
    found.dedup();
    let implied = |one: &Vec<Atom>| {
        found.iter().any(|other| other.len() < one.len() && other.iter().all(|atom| one.contains(atom)))
    };
    let kept: Vec<Vec<Atom>> = found.iter().filter(|one| !implied(one)).cloned().collect();
    if kept.iter().any(Vec::is_empty) { Some(When::Always) } else { Some(When::AnyOf(kept)) }
}

/// Leaves out of each alternative what another one makes needless: `A or (not A and B)` is `A or B`.
fn absorb(alternatives: &mut [Vec<Atom>]) {
    for at in 0..alternatives.len() {
        let Some(mut one) = alternatives.get(at).cloned() else { return };
        let is_needless = |atom: &Atom, one: &[Atom]| {
            let within = |other: &Vec<Atom>| {
                other.contains(&atom.negated())
                    && other.iter().all(|of_other| *of_other == atom.negated() || one.contains(of_other))
            };
            alternatives.iter().enumerate().any(|(place, other)| place != at && within(other))
        };
        while let Some(place) = one.iter().position(|atom| is_needless(atom, &one)) {
            one.remove(place);
        }
        if let Some(alternative) = alternatives.get_mut(at) {
            *alternative = one;
        }
    }
}

/// A conjunction without what always holds; `None` where it never does.
pub(super) fn atoms(conditions: &[Condition]) -> Option<Vec<Atom>> {
    let mut all = Vec::new();
    for condition in conditions {
        match truth(condition) {
            Truth::Always => {}
            Truth::Never => return None,
            Truth::Depends(atom) => all = both(&all, &[atom])?,
        }
    }
    Some(all)
}

enum Truth {
    Always,
    Never,
    Depends(Atom),
}

fn truth(condition: &Condition) -> Truth {
    let all = match condition.width {
        Width::Bits32 => 0xffff_ffff,
        Width::Bits64 => u64::MAX,
    };
    if condition.index > 5 {
        return Truth::Never;
    }
    let comparison = match condition.comparison {
        Comparison::Equal(value) => Comparison::Equal(value & all),
        Comparison::NotEqual(value) => Comparison::NotEqual(value & all),
        Comparison::Less(value) if value & all == 0 => return Truth::Never,
        Comparison::Less(value) => Comparison::Less(value & all),
        Comparison::LessOrEqual(value) if value & all == all => return Truth::Always,
        Comparison::LessOrEqual(value) => Comparison::LessOrEqual(value & all),
        Comparison::Greater(value) if value & all == all => return Truth::Never,
        Comparison::Greater(value) => Comparison::Greater(value & all),
        Comparison::GreaterOrEqual(value) if value & all == 0 => return Truth::Always,
        Comparison::GreaterOrEqual(value) => Comparison::GreaterOrEqual(value & all),
        Comparison::MaskedEqual { mask, value } => match (mask & all, value & all) {
            (mask, value) if value & !mask != 0 => return Truth::Never,
            (0, _) => return Truth::Always,
            (mask, value) if mask == all => Comparison::Equal(value),
            (mask, value) => Comparison::MaskedEqual { mask, value },
        },
    };
    Truth::Depends(Atom { index: condition.index, width: condition.width, test: Test::Is(comparison) })
}

/// Two conjunctions together; `None` where they plainly contradict each other.
fn both(first: &[Atom], second: &[Atom]) -> Option<Vec<Atom>> {
    let mut all = first.to_vec();
    for atom in second {
        if all.iter().any(|other| other.implies(atom) == Some(false)) {
            return None;
        }
        if all.iter().any(|other| other.implies(atom) == Some(true)) {
            continue;
        }
        if all.iter().any(|other| atom.implies(other) == Some(false)) {
            return None;
        }
        all.retain(|other| atom.implies(other) != Some(true));
        all.push(*atom);
    }
    Some(all)
}

/// What of a conjunction is left when another is taken out of it: where any of its atoms does not hold. These
/// alternatives overlap, and so each needs one test more, not one for every atom.
fn outside(before: &[Atom], taken: &[Atom]) -> Vec<Vec<Atom>> {
    if both(before, taken).is_none() {
        return vec![before.to_vec()];
    }
    taken.iter().filter_map(|atom| both(before, &[atom.negated()])).collect()
}

impl Atom {
    fn negated(self) -> Atom {
        let test = match self.test {
            Test::Is(comparison) => match comparison {
                Comparison::Equal(value) => Test::Is(Comparison::NotEqual(value)),
                Comparison::NotEqual(value) => Test::Is(Comparison::Equal(value)),
                Comparison::Less(value) => Test::Is(Comparison::GreaterOrEqual(value)),
                Comparison::LessOrEqual(value) => Test::Is(Comparison::Greater(value)),
                Comparison::Greater(value) => Test::Is(Comparison::LessOrEqual(value)),
                Comparison::GreaterOrEqual(value) => Test::Is(Comparison::Less(value)),
                Comparison::MaskedEqual { mask, value } => Test::MaskedNotEqual { mask, value },
            },
            Test::MaskedNotEqual { mask, value } => Test::Is(Comparison::MaskedEqual { mask, value }),
        };
        Atom { test, ..self }
    }

    /// Whether another atom holds where this one does; `None` where that depends, or is not plain.
    fn implies(&self, other: &Atom) -> Option<bool> {
        if self.index != other.index {
            return None;
        }
        if self == other {
            return Some(true);
        }
        if self.negated() == *other {
            return Some(false);
        }
        match (self.test, self.width, other.width) {
            (Test::Is(Comparison::Equal(value)), Width::Bits64, _)
            | (Test::Is(Comparison::Equal(value)), Width::Bits32, Width::Bits32) => Some(other.holds(value)),
            _ => None,
        }
    }

    pub(super) fn holds(&self, value: u64) -> bool {
        let args = [value; 6];
        let is = |comparison| Condition { index: self.index, width: self.width, comparison }.holds(&args);
        match self.test {
            Test::Is(comparison) => is(comparison),
            Test::MaskedNotEqual { mask, value } => !is(Comparison::MaskedEqual { mask, value }),
        }
    }
}

impl When {
    /// How many atoms there are.
    pub(super) fn atoms(&self) -> usize {
        match self {
            When::Always => 0,
            When::AnyOf(alternatives) => alternatives.iter().map(Vec::len).sum(),
        }
    }

    /// Whether the arguments are among these.
    #[cfg(test)]
    fn holds(&self, args: &[u64; 6]) -> bool {
        match self {
            When::Always => true,
            When::AnyOf(alternatives) => alternatives.iter().any(|alternative| {
                alternative
                    .iter()
                    .all(|atom| atom.holds(args.get(usize::from(atom.index)).copied().unwrap_or(0)))
            }),
        }
    }
}

#[cfg(test)]
mod tests;
