//! Rules about arguments: what was observed of them becomes conditions.
//!
//! A call is told apart by its selectors. What each of them says is a [`Match`]: values that stand for themselves keep
//! company with the others they were seen with (`socket(AF_INET, SOCK_STREAM)` and `socket(AF_UNIX, SOCK_DGRAM)` do not
//! allow `socket(AF_INET, SOCK_DGRAM)`), and in such company flags are allowed together that were seen apart. Beside
//! them stand the rules of what is needed though a run need not show it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sandprint_model::arguments::{Match, Selected, Selector, selectors};
use sandprint_model::note::WhyAny;
use sandprint_model::{
    Action, CallArguments, Comparison, Condition, Image, Note, Reason, Rule, RunId, Subject, Syscall, Trace,
};

use super::SynthError;
use super::additions::implies;
use crate::suggest;

/// Most rules about the arguments of one call: each costs a filter some of its 4096 instructions, and who makes a call
/// in more ways will make it in others too.
pub(super) const MOST_RULES: usize = 64;

/// Rules about arguments, by call, and what a reader should know of them.
#[derive(Debug, Default)]
pub(super) struct AboutArguments {
    pub(super) rules: BTreeMap<Syscall, Vec<Rule>>,
    pub(super) notes: BTreeSet<Note>,
}

/// What was observed of the arguments of calls, as rules that allow it, and what is needed beside that. `allowed` has
/// what is allowed, and why: a call that has other reasons than having been observed is allowed whatever its arguments,
/// and so is one of which not every value is known.
pub(super) fn rules(
    trace: &Trace,
    allowed: &BTreeMap<Syscall, BTreeSet<Reason>>,
    mut needed_so: BTreeMap<Syscall, Vec<Rule>>,
) -> Result<AboutArguments, SynthError> {
    let calls = trace.arguments(|_, syscall| !selectors(syscall).is_empty());
    if !calls.is_empty() && !calls.values().any(CallArguments::is_recorded) {
        return Err(SynthError::NoArguments);
    }
    let (mut about, mut observed) = (AboutArguments::default(), 0_usize);
    let mut any: BTreeMap<WhyAny, Vec<Syscall>> = BTreeMap::new();
    let mut allow_any = |why: WhyAny, syscall: &Syscall| any.entry(why).or_default().push(*syscall);
    for (syscall, arguments) in &calls {
        if !arguments.unrecorded.is_empty() {
            allow_any(WhyAny::Unrecorded(arguments.unrecorded.len()), syscall);
        } else if !arguments.too_many.is_empty() {
            let programs = arguments.too_many.iter().map(|subject| Arc::clone(&subject.image));
            allow_any(WhyAny::ManyValues(programs.collect()), syscall);
        } else if is_needed_anyway(allowed.get(syscall)) {
            allow_any(WhyAny::Needed, syscall);
        } else {
            let beside = needed_so.get(syscall).map_or(&[][..], Vec::as_slice);
            let rules = generalised(*syscall, &arguments.values, beside);
            if rules.iter().any(|rule| rule.conditions.is_empty()) {
                allow_any(WhyAny::NothingRuledOut, syscall);
            } else if rules.len() > MOST_RULES {
                allow_any(WhyAny::ManyRules(MOST_RULES), syscall);
            } else {
                observed += 1;
                about.rules.insert(*syscall, rules);
            }
        }
    }
    // What was not observed, and is needed with these arguments only.
    needed_so.retain(|syscall, _| !allowed.contains_key(syscall));
    about.rules.extend(needed_so.into_iter().map(|(syscall, rules)| (syscall, distinct(&rules))));
    let unseen = allowed.iter().filter(|(syscall, _)| !calls.contains_key(syscall));
    let unseen = unseen
        .filter(|(syscall, reasons)| !selectors(**syscall).is_empty() && is_needed_anyway(Some(reasons)));
    unseen.for_each(|(syscall, _)| allow_any(WhyAny::Needed, syscall));
    for (why, mut calls) in any {
        calls.sort_unstable();
        about.notes.insert(Note::AnyArguments(why, calls));
    }
    if observed > 0 {
        about.notes.insert(Note::ObservedArguments(observed));
    }
    Ok(about)
}

/// Rules, of which one that allows no more than another before it gives that its reasons.
fn distinct(needed: &[Rule]) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for rule in needed {
        match rules.iter_mut().find(|wider| implies(&rule.conditions, &wider.conditions)) {
            Some(wider) => wider.reasons.extend(rule.reasons.iter().cloned()),
            None => rules.push(rule.clone()),
        }
    }
    rules
}

/// Whether a call is allowed for another reason than that it was observed: with which arguments is not known then.
fn is_needed_anyway(reasons: Option<&BTreeSet<Reason>>) -> bool {
    let mut reasons = reasons.into_iter().flatten();
    reasons.any(|reason| !matches!(reason, Reason::Observed { .. }))
}

/// What one selector says of a value, but for the bits that it allows together with those of other values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Alone {
    /// Nothing: its bits are all flags.
    Flags,
    /// The value of a field; what is beside it are flags.
    Field(u64),
    /// All that it says.
    Is(Comparison),
}

/// What selectors held in calls that one rule allows.
#[derive(Default)]
struct Group<'t> {
    /// One of the values, and every bit of all of them.
    values: Option<(Selected, [u64; 6])>,
    count: u64,
    runs: BTreeSet<RunId>,
    images: BTreeSet<&'t Arc<Image>>,
}

/// The rules that allow these values, and no more than their selectors ask for. One without conditions allows all.
/// Those of `beside` come first, and stand for what was observed too where they allow it.
fn generalised(
    syscall: Syscall,
    values: &BTreeMap<Selected, Vec<(&Subject, RunId, u64)>>,
    beside: &[Rule],
) -> Vec<Rule> {
    let mut groups: BTreeMap<Vec<(usize, Alone)>, Group<'_>> = BTreeMap::new();
    for (value, seen) in values {
        let key = value.of(syscall).map(|(selector, value)| (selector.index, alone(selector, value)));
        let group = groups.entry(key.collect()).or_default();
        let registers = value.registers();
        let (_, bits) = group.values.get_or_insert((*value, registers));
        bits.iter_mut().zip(registers).for_each(|(all, one)| *all |= one);
        for (subject, run, count) in seen {
            group.count = group.count.saturating_add(*count);
            group.runs.insert(*run);
            group.images.insert(&subject.image);
        }
    }
    let mut rules = distinct(beside);
    let mut covered: Vec<Group<'_>> = rules.iter().map(|_| Group::default()).collect();
    let mut others = Vec::new();
    for group in groups.into_values() {
        let rule = group.rule(syscall);
        let wider = rules.iter().position(|wider| implies(&rule.conditions, &wider.conditions));
        match wider.and_then(|place| covered.get_mut(place)) {
            Some(covered) => covered.join(group),
            None => others.push(rule),
        }
    }
    for (rule, group) in rules.iter_mut().zip(covered).filter(|(_, group)| group.count > 0) {
        rule.reasons.insert(group.reason());
    }
    rules.extend(others);
    rules
}

fn alone(selector: &Selector, value: u64) -> Alone {
    match selector.matching {
        Match::AllowedBits => Alone::Flags,
        Match::Field(field) => Alone::Field(value & field),
        _ => Alone::Is(suggest::comparison(selector, value, value)),
    }
}

impl Group<'_> {
    fn join(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.runs.extend(other.runs);
        self.images.extend(other.images);
    }

    fn reason(&self) -> Reason {
        let images = self.images.iter().copied().cloned().collect();
        Reason::Observed { count: self.count, runs: self.runs.len(), images }
    }

    fn rule(&self, syscall: Syscall) -> Rule {
        let condition = |(selector, value): (&Selector, u64), bits: &[u64; 6]| {
            suggest::condition(selector, value, bits.get(selector.index).copied()?)
        };
        let conditions: Vec<Condition> = self
            .values
            .iter()
            .flat_map(|(value, bits)| value.of(syscall).filter_map(move |one| condition(one, bits)))
            .collect();
        Rule { conditions, action: Action::Allow, reasons: BTreeSet::from([self.reason()]) }
    }
}

#[cfg(test)]
mod tests;
