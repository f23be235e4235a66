//! Rules by name → rules of a policy, as libseccomp and the runtimes above it make a filter of them.
//!
//! libseccomp has no order. What it does where rules of one call meet was seen with version 2.5.4:
//!
//! - a rule with the default action never reaches it;
//! - the first rule without conditions decides, and those with conditions are dropped, whatever their actions;
//! - conditions of one rule are AND-ed, rules are OR-ed; which of two rules with different actions decides a
//!   call that both match, depends on the order of its tree, which versions differ in: the stricter is taken, and
//!   that is told as a loss;
//! - one argument twice in a rule makes every comparison of it a rule of its own (runc, crun);
//! - on i386, `socket` and its relatives allow `socketcall` too, with the number of the sub-call in argument 0
//!   in place of that argument's own comparison, and those of System V IPC allow `ipc`;
//! - bits that a masked comparison asks for outside of its mask are left out;
//! - in the ABIs whose arguments it takes for 32 bits wide, x32 among them, it compares lower halves.
//!
//! Where it makes something else of the rules than they say ([`crate::libseccomp`]), the policy is what they say, and the
//! difference is told as a fault.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use sandprint_model::multiplexed::SubCall;
use sandprint_model::{
    Abi, About, Action, Comparison, Condition, KernelVersion, Loss, LossKind, Note, Reason, Rule, Syscall,
    Width,
};

use super::profile::{Argument, Operator};
use super::runs;
use crate::libseccomp::{loads_with_first_call, merges_wrongly};

/// A filter in the making.
#[derive(Debug)]
pub(super) struct Filter {
    default: Action,
    abis: Vec<Abi>,
    /// The kernel whose calls the library knows; none means the newest.
    known_up_to: Option<KernelVersion>,
    calls: BTreeMap<Syscall, Vec<Added>>,
    /// Names of calls that the library does not know yet, in some ABI here.
    pub(super) newer: BTreeSet<String>,
    /// Names that are no call of any ABI here, and whether one of their rules refuses.
    pub(super) unknown: BTreeMap<String, bool>,
    /// Rules whose action is the default one.
    dropped: BTreeSet<String>,
    /// ABIs that lack one of the calls that rules were added for.
    lacking: BTreeSet<Abi>,
}

/// What became of the rules.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) rules: BTreeMap<Syscall, Vec<Rule>>,
    /// What a reader should know of them.
    pub(super) notes: BTreeSet<Note>,
    /// Where they are stricter than the profile may be.
    pub(super) losses: BTreeSet<Loss>,
    /// Where libseccomp makes something else of the profile than it says.
    pub(super) faults: BTreeSet<Loss>,
}

/// A rule of one call.
#[derive(Debug, Clone)]
struct Added {
    conditions: Vec<Condition>,
    action: Action,
    reason: Reason,
}

impl Filter {
    pub(super) fn new(default: Action, abis: &[Abi]) -> Filter {
        Filter {
            default,
            abis: abis.to_vec(),
            known_up_to: None,
            calls: BTreeMap::new(),
            newer: BTreeSet::new(),
            unknown: BTreeMap::new(),
            dropped: BTreeSet::new(),
            lacking: BTreeSet::new(),
        }
    }

    /// Of a library that knows the calls up to that kernel, and skips others.
    pub(super) fn known_up_to(self, kernel: KernelVersion) -> Filter {
        Filter { known_up_to: Some(kernel), ..self }
    }

    /// Adds a rule for a name in every ABI that has it.
    pub(super) fn add(&mut self, name: &str, action: Action, args: &[Argument], reason: &Reason) {
        let abis = self.abis.clone();
        self.add_in(&abis, name, action, args, reason);
    }

    /// Adds a rule for a name in those of these ABIs that have it.
    pub(super) fn add_in(
        &mut self,
        abis: &[Abi],
        name: &str,
        action: Action,
        args: &[Argument],
        reason: &Reason,
    ) {
        let multiplexed = SubCall::named(name);
        let is_known =
            Abi::ALL.iter().any(|abi| Syscall::from_name(*abi, name).is_some()) || multiplexed.is_some();
        if !is_known {
            *self.unknown.entry(name.to_owned()).or_default() |= !super::runs(action);
            return;
        }
        if action == self.default {
            self.dropped.insert(name.to_owned());
            return;
        }
        let mut indexes = BTreeSet::new();
        let is_split = !args.iter().all(|arg| indexes.insert(arg.index));
        let alternatives: Vec<&[Argument]> = if is_split { args.chunks(1).collect() } else { vec![args] };
        for args in alternatives {
            for abi in abis.iter().copied() {
                let mut conditions: Vec<Condition> =
                    args.iter().filter_map(|arg| condition(abi, *arg)).collect();
                conditions.sort_by_key(|condition| condition.index);
                let syscall = Syscall::from_name(abi, name);
                if self.known_up_to.is_some() && syscall.and_then(Syscall::since) > self.known_up_to {
                    self.newer.insert(name.to_owned());
                } else if let Some(syscall) = syscall {
                    self.push(syscall, conditions.clone(), action, reason);
                } else {
                    self.lacking.insert(abi);
                }
                if let (Abi::I386, Some(SubCall { multiplexer, number, .. })) = (abi, multiplexed)
                    && let Some(syscall) = Syscall::from_name(abi, multiplexer)
                {
                    conditions.retain(|condition| condition.index != 0);
                    let comparison = Comparison::Equal(number);
                    conditions.insert(0, Condition { index: 0, width: Width::Bits32, comparison });
                    self.push(syscall, conditions, action, reason);
                }
            }
        }
    }

    fn push(&mut self, syscall: Syscall, conditions: Vec<Condition>, action: Action, reason: &Reason) {
        let added = Added { conditions, action, reason: reason.clone() };
        self.calls.entry(syscall).or_default().push(added);
    }

    /// The ABIs of whose calls the filter may match none.
    fn unmatched(&self) -> BTreeSet<Loss> {
        let is_unmatched = |abi: &&Abi| {
            let mut calls = self.calls.iter().filter(|(syscall, _)| syscall.abi == **abi).peekable();
            loads_with_first_call(**abi, &self.abis)
                && self.lacking.contains(*abi)
                && calls.peek().is_some()
                && !calls.any(|(_, rules)| rules.iter().any(|rule| rule.conditions.is_empty()))
        };
        let loss = |abi: &Abi| Loss::weaker_if(runs(self.default), About::Abi(*abi), LossKind::MatchesNone);
        self.abis.iter().filter(is_unmatched).map(loss).collect()
    }

    /// The rules, and what is to be said of them.
    pub(super) fn finish(self) -> Finished {
        let mut told = Told::default();
        let mut rules = BTreeMap::new();
        let mut faults = self.unmatched();
        for (syscall, added) in self.calls {
            let name = syscall.name().unwrap_or_default();
            let conditions: Vec<&[Condition]> =
                added.iter().map(|added| added.conditions.as_slice()).collect();
            if !conditions.iter().any(|conditions| conditions.is_empty()) && merges_wrongly(&conditions) {
                faults.insert(Loss::weaker(About::Name(name), LossKind::MergedWrongly));
            }
            if self.dropped.contains(name) {
                told.dropped.insert(name);
            }
            rules.insert(syscall, order(name, added, &mut told));
        }
        let lost =
            told.overlapping.iter().map(|name| Loss::stricter(About::Name(name), LossKind::OrderDecides));
        let losses = lost.collect();
        Finished { rules, losses, faults, notes: told.notes() }
    }
}

/// Names that something is said about.
#[derive(Debug, Default)]
struct Told {
    dropped: BTreeSet<&'static str>,
    unconditional: BTreeSet<&'static str>,
    contradicting: BTreeSet<&'static str>,
    overlapping: BTreeSet<&'static str>,
}

impl Told {
    fn notes(self) -> BTreeSet<Note> {
        let note = |names: BTreeSet<&'static str>, kind: fn(BTreeSet<&'static str>) -> Note| {
            (!names.is_empty()).then(|| kind(names))
        };
        let all = [
            note(self.dropped, Note::DroppedRules),
            note(self.unconditional, Note::FirstDecides),
            note(self.contradicting, Note::Contradicting),
        ];
        all.into_iter().flatten().collect()
    }
}

/// The rules of one call, in an order in which the first that matches decides as libseccomp does.
fn order(name: &'static str, added: Vec<Added>, told: &mut Told) -> Vec<Rule> {
    if let Some(first) = added.iter().find(|added| added.conditions.is_empty()) {
        let action = first.action;
        if added.iter().any(|other| other.action != action) {
            told.unconditional.insert(name);
        }
        let same = added.iter().filter(|other| other.action == action && other.conditions.is_empty());
        let reasons = same.map(|other| other.reason.clone()).collect();
        return vec![Rule { conditions: Vec::new(), action, reasons }];
    }
    // A profile may have a rule for each value that an argument may have: what is alike is found by its key.
    let mut places: HashMap<Vec<Condition>, usize> = HashMap::new();
    let mut rules: Vec<Rule> = Vec::new();
    for Added { conditions, action, reason } in added {
        match places.entry(conditions) {
            Entry::Vacant(place) => {
                let conditions = place.key().clone();
                place.insert(rules.len());
                rules.push(Rule { conditions, action, reasons: BTreeSet::from([reason]) });
            }
            Entry::Occupied(place) => match rules.get_mut(*place.get()) {
                Some(rule) if rule.action == action => drop(rule.reasons.insert(reason)),
                _ => drop(told.contradicting.insert(name)),
            },
        }
    }
    if any_meet(&rules) {
        told.overlapping.insert(name);
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.action));
    }
    rules
}

/// Whether one call may match two rules with different actions.
fn any_meet(rules: &[Rule]) -> bool {
    let Some(action) = rules.first().map(|rule| rule.action) else { return false };
    if rules.iter().all(|rule| rule.action == action) {
        return false;
    }
    // Rules that ask one argument for different values match no call both: those with the same value are compared, and
    // those that do not ask for a value of it with all.
    let asked = |rule: &Rule, index: u8, width: Width| {
        rule.conditions.iter().find_map(|condition| match condition.comparison {
            Comparison::Equal(value) if (condition.index, condition.width) == (index, width) => Some(value),
            _ => None,
        })
    };
    let places = (0..6).flat_map(|index| [(index, Width::Bits32), (index, Width::Bits64)]);
    let ask = |(index, width): &(u8, Width)| {
        rules.iter().filter(|rule| asked(rule, *index, *width).is_some()).count()
    };
    let Some((index, width)) = places.max_by_key(ask) else { return false };
    let mut by_value: HashMap<u64, Vec<&Rule>> = HashMap::new();
    let mut others: Vec<&Rule> = Vec::new();
    for rule in rules {
        match asked(rule, index, width) {
            Some(value) => by_value.entry(value).or_default().push(rule),
            None => others.push(rule),
        }
    }
    let meet = |one: &Rule, other: &Rule| one.action != other.action && !are_disjoint(one, other);
    let among = |alike: &[&Rule]| alike.iter().any(|one| alike.iter().any(|other| meet(one, other)));
    by_value.values().any(|alike| among(alike))
        || others.iter().any(|one| rules.iter().any(|other| meet(one, other)))
}

/// Whether two rules surely match no call both: one asks for a value that the other rules out.
fn are_disjoint(one: &Rule, other: &Rule) -> bool {
    let excludes = |condition: &Condition, other: &Condition| {
        let Comparison::Equal(value) = condition.comparison else { return false };
        let same = (condition.index, condition.width) == (other.index, other.width);
        same && !other.holds(&[value; 6])
    };
    one.conditions.iter().any(|a| other.conditions.iter().any(|b| excludes(a, b) || excludes(b, a)))
}

/// A comparison as it is made in an ABI; none where it always holds.
fn condition(abi: Abi, arg: Argument) -> Option<Condition> {
    let width = match abi {
        Abi::Arm | Abi::I386 | Abi::X32 => Width::Bits32,
        Abi::Aarch64 | Abi::X86_64 => Width::Bits64,
    };
    let all = if width == Width::Bits32 { 0xffff_ffff } else { u64::MAX };
    let value = arg.value & all;
    let comparison = match arg.operator {
        Operator::NotEqual => Comparison::NotEqual(value),
        Operator::Less => Comparison::Less(value),
        Operator::LessOrEqual => Comparison::LessOrEqual(value),
        Operator::Equal => Comparison::Equal(value),
        Operator::GreaterOrEqual => Comparison::GreaterOrEqual(value),
        Operator::Greater => Comparison::Greater(value),
        // It cuts what the bits must be to the mask.
        Operator::MaskedEqual if value == 0 && width == Width::Bits32 => return None,
        Operator::MaskedEqual => Comparison::MaskedEqual { mask: value, value: arg.value_two & value },
    };
    let condition = Condition { index: arg.index, width, comparison };
    Some(narrowed(condition))
}

/// A comparison of bits that are all in the lower half is one of the lower half: easier to read, and the same.
fn narrowed(condition: Condition) -> Condition {
    match condition.comparison {
        Comparison::MaskedEqual { mask: 0xffff_ffff, value } => {
            Condition { width: Width::Bits32, comparison: Comparison::Equal(value), ..condition }
        }
        Comparison::MaskedEqual { mask, .. } if mask < 1 << 32 => {
            Condition { width: Width::Bits32, ..condition }
        }
        _ => condition,
    }
}
