//! A policy of one architecture becomes a policy of another, call by call, by name and by purpose.
//!
//! What was observed or put there is carried over, with its conditions; what synthesis added for the one
//! architecture (the baseline, calls that are answered as absent) is made anew for the other. The result is a
//! good start and no more: nobody has seen the workload there, and a note says so.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::{
    Abi, About, Action, Arch, CallRules, Comparison, Condition, Loss, LossKind, Note, Policy, Reason, Rule,
    Syscall,
};

use crate::enforce::runs;
use crate::synth::{Additions, AllowedArguments, SynthError, fallback, portable};

mod replaced;

use replaced::{OWN, REPLACED, STARTING};

/// A policy for another architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translated {
    /// The policy.
    pub policy: Policy,
    /// What could not be carried over.
    pub losses: BTreeSet<Loss>,
}

/// A call that an architecture may have in place of another.
struct Replaced {
    old: &'static str,
    new: &'static str,
    arguments: Arguments,
    why: &'static str,
}

/// Where the old call's arguments are in the new one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arguments {
    /// In the same places.
    Same,
    /// One place further on, behind a directory descriptor.
    Shifted,
    /// Elsewhere, or in another form.
    Differ,
}

/// Translates what a policy says of other architectures to `to`. Rules for `to` stay, and into an ABI that has some
/// nothing is translated: what they leave out is left out on purpose, or was not observed there.
pub fn translate(policy: &Policy, to: Arch) -> Result<Translated, SynthError> {
    let foreign: BTreeSet<Abi> =
        policy.calls.rules.keys().map(|syscall| syscall.abi).filter(|abi| abi.arch() != to).collect();
    if foreign.is_empty() {
        return Ok(Translated { policy: policy.clone(), losses: BTreeSet::new() });
    }
    let mut translation = Translation {
        default: policy.calls.default_action,
        rules: policy
            .calls
            .rules
            .iter()
            .filter(|(syscall, _)| syscall.abi.arch() == to)
            .map(|(syscall, rules)| (*syscall, rules.clone()))
            .collect(),
        notes: policy.notes.clone(),
        losses: BTreeSet::new(),
    };
    let spoken_of: BTreeSet<Abi> = translation.rules.keys().map(|syscall| syscall.abi).collect();
    let (left, foreign): (BTreeSet<Abi>, BTreeSet<Abi>) =
        foreign.into_iter().partition(|abi| spoken_of.contains(&counterpart(*abi)));
    for abi in left {
        translation.leave(policy, abi);
    }
    for (syscall, rules) in policy.calls.rules.iter().filter(|(syscall, _)| foreign.contains(&syscall.abi)) {
        translation.carry(*syscall, rules);
    }
    let abis: BTreeSet<Abi> = foreign.iter().map(|abi| counterpart(*abi)).collect();
    translation.add_own(policy, &foreign, &abis)?;
    if !foreign.is_empty() {
        let from = foreign.iter().map(|abi| abi.arch()).collect();
        translation.notes.insert(Note::Translated { from, to });
    }
    let Translation { rules, notes, losses, .. } = translation;
    Ok(Translated {
        policy: Policy { calls: CallRules { rules, ..policy.calls }, notes, ..policy.clone() },
        losses,
    })
}

/// The ABI of another architecture whose programs are of the same kind.
fn counterpart(abi: Abi) -> Abi {
    match abi {
        Abi::X86_64 | Abi::X32 => Abi::Aarch64,
        Abi::I386 => Abi::Arm,
        Abi::Aarch64 => Abi::X86_64,
        Abi::Arm => Abi::I386,
    }
}

struct Translation {
    default: Action,
    rules: BTreeMap<Syscall, Vec<Rule>>,
    notes: BTreeSet<Note>,
    losses: BTreeSet<Loss>,
}

impl Translation {
    /// Says that an ABI is not translated, since the policy speaks of the one that it would become.
    fn leave(&mut self, policy: &Policy, abi: Abi) {
        let there = counterpart(abi);
        let rules = policy.calls.rules.iter().filter(|(syscall, _)| syscall.abi == abi);
        self.lose(About::Abi(abi), LossKind::HasRulesThere(there), rules.flat_map(|(_, rules)| rules));
    }

    /// Carries over what is not of one architecture only.
    fn carry(&mut self, of: Syscall, rules: &[Rule]) {
        let kept: Vec<Rule> = rules.iter().filter_map(without_own_reasons).collect();
        if kept.is_empty() {
            return;
        }
        let abi = counterpart(of.abi);
        let Some(name) = of.name() else {
            self.lose(About::Call(of), LossKind::NamelessThere(abi), &kept);
            return;
        };
        let same = Syscall::from_name(abi, name);
        if let Some(same) = same {
            self.replace(same, of, &kept, "the same call there", Some);
        }
        let mut replaced = false;
        for row in REPLACED {
            let (other, arguments) = match (row.old == name, row.new == name) {
                (true, _) => (row.new, forward as fn(Arguments, u8) -> Option<u8>),
                (_, true) => (row.old, backward as fn(Arguments, u8) -> Option<u8>),
                _ => continue,
            };
            let Some(there) = Syscall::from_name(abi, other) else { continue };
            let is_there_anyway = row.old == name && same.is_some();
            if is_there_anyway {
                continue;
            }
            replaced = true;
            let why = if row.old == name {
                format!("{abi} has this in its place: {}", row.why)
            } else {
                format!("{abi} still has it beside {name}, and libcs call it there")
            };
            self.replace(there, of, &kept, &why, |index| arguments(row.arguments, index));
        }
        if same.is_some() || replaced {
            return;
        }
        if let Some((name, why)) = OWN.iter().find(|(own, _)| *own == name) {
            self.notes.insert(Note::OwnCall { name, abi: of.abi, why });
            return;
        }
        let others = portable::equivalents_there(name, abi);
        if others.is_empty() {
            self.lose(About::Call(of), LossKind::NoCounterpart(abi), &kept);
        }
        for (there, why) in others {
            self.replace(there, of, &kept, why, |_| None);
        }
    }

    /// Gives a call the rules of another that it stands for there.
    fn replace(
        &mut self,
        there: Syscall,
        of: Syscall,
        rules: &[Rule],
        why: &str,
        index: impl Fn(u8) -> Option<u8>,
    ) {
        let mut carried = Vec::new();
        for rule in rules {
            let refuses = !runs(rule.action);
            if refuses && !runs(self.default) && of.name() != there.name() {
                // What the other call was refused says nothing of this one, which the default refuses anyway.
                continue;
            }
            let conditions: Option<Vec<Condition>> = rule
                .conditions
                .iter()
                .map(|condition| {
                    let condition = open_flags(of, condition)?;
                    Some(Condition { index: index(condition.index)?, ..condition })
                })
                .collect();
            if conditions.is_none() {
                let kind = LossKind::ConditionsOf(of);
                self.losses.insert(Loss::weaker_if(!refuses, About::Call(there), kind));
            }
            carried.push(Rule { conditions: conditions.unwrap_or_default(), ..rule.clone() });
        }
        if !carried.is_empty() {
            self.add(there, because(&carried, of, why));
        }
    }

    /// Adds rules for a call that may have some: what any of them lets run, runs.
    fn add(&mut self, syscall: Syscall, rules: Vec<Rule>) {
        let Some(there) = self.rules.get_mut(&syscall) else {
            self.rules.insert(syscall, rules);
            return;
        };
        let is_whole = |rule: &Rule| rule.conditions.is_empty() && runs(rule.action);
        let reasons =
            |rules: &[Rule]| rules.iter().flat_map(|rule| rule.reasons.iter().cloned()).collect::<Vec<_>>();
        if let Some(whole) = there.first_mut().filter(|rule| is_whole(rule)) {
            whole.reasons.extend(reasons(&rules));
        } else if rules.first().is_some_and(is_whole) {
            let before = reasons(there);
            *there = rules;
            if let Some(whole) = there.first_mut() {
                whole.reasons.extend(before);
            }
        } else {
            let running = rules.into_iter().filter(|rule| runs(rule.action));
            there.splice(0..0, running);
        }
    }

    /// What synthesis adds for an architecture, as far as it was added for the others.
    fn add_own(
        &mut self,
        policy: &Policy,
        foreign: &BTreeSet<Abi>,
        abis: &BTreeSet<Abi>,
    ) -> Result<(), SynthError> {
        let reasons: Vec<&Reason> = policy
            .calls
            .rules
            .iter()
            .filter(|(syscall, _)| foreign.contains(&syscall.abi))
            .flat_map(|(_, rules)| rules.iter().flat_map(|rule| &rule.reasons))
            .collect();
        let mut own: Vec<(Syscall, Reason)> = Vec::new();
        if reasons.iter().any(|reason| matches!(reason, Reason::Baseline(_))) {
            let starting = STARTING.iter().filter(|(abi, _, _)| abis.contains(abi));
            own.extend(starting.filter_map(|(abi, name, why)| {
                Some((Syscall::from_name(*abi, name)?, Reason::Baseline((*why).to_owned())))
            }));
        }
        for (syscall, reason) in own {
            let rule =
                Rule { conditions: Vec::new(), action: Action::Allow, reasons: BTreeSet::from([reason]) };
            self.add(syscall, vec![rule]);
        }
        if reasons.iter().any(|reason| matches!(reason, Reason::Baseline(_))) {
            let told_apart =
                |rule: &Rule| !rule.conditions.is_empty() && rule.reasons.iter().any(is_observed);
            let arguments = if policy.calls.rules.values().flatten().any(told_apart) {
                AllowedArguments::Observed
            } else {
                AllowedArguments::Any
            };
            let (there, others) = std::mem::take(&mut self.rules)
                .into_iter()
                .partition(|(syscall, _)| abis.contains(&syscall.abi));
            let mut there = Policy { calls: CallRules { rules: there, ..policy.calls }, ..policy.clone() };
            Additions::read()?.complete(&mut there, arguments);
            self.rules = others;
            self.rules.extend(there.calls.rules);
        }
        if reasons.iter().any(|reason| matches!(reason, Reason::Fallback(_))) {
            for (syscall, reasons) in fallback::absent(abis, policy.kernel) {
                let action = Action::Errno(sandprint_model::errno::ENOSYS);
                // What is allowed takes the place of an absent call.
                let rules = self.rules.entry(syscall).or_default();
                if rules.iter().all(|rule| !rule.conditions.is_empty()) {
                    rules.push(Rule { conditions: Vec::new(), action, reasons });
                }
            }
        }
        Ok(())
    }

    /// What these rules say is lost, and the default action decides.
    fn lose<'r>(&mut self, about: About, kind: LossKind, rules: impl IntoIterator<Item = &'r Rule>) {
        let runs_then = runs(self.default);
        let differs = rules.into_iter().any(|rule| runs(rule.action) != runs_then);
        let (weaker, breaks) = (runs_then && differs, !runs_then && differs);
        self.losses.insert(Loss { about, kind, weaker, breaks });
    }
}

fn is_observed(reason: &Reason) -> bool {
    matches!(reason, Reason::Observed { .. })
}

/// The rule for the reasons that hold on any architecture; `None` where there are none.
fn without_own_reasons(rule: &Rule) -> Option<Rule> {
    let is_own = |reason: &Reason| matches!(reason, Reason::Baseline(_) | Reason::Fallback(_));
    if !rule.reasons.is_empty() && rule.reasons.iter().all(is_own) {
        return None;
    }
    let reasons = rule.reasons.iter().filter(|reason| !is_own(reason)).cloned().collect();
    Some(Rule { reasons, ..rule.clone() })
}

fn because(rules: &[Rule], of: Syscall, why: &str) -> Vec<Rule> {
    let mut rules = rules.to_vec();
    for rule in &mut rules {
        rule.reasons.insert(Reason::Portability { of, why: why.to_owned() });
    }
    rules
}

/// A condition with the other family's bits, where it is on the flags of an open call: x86 and ARM have
/// `O_DIRECT` and `O_DIRECTORY`, and `O_LARGEFILE` and `O_NOFOLLOW`, in each other's places
/// (asm-generic/fcntl.h, arch/arm64/include/uapi/asm/fcntl.h). All else that is commonly compared is alike.
/// `None` where an order of flags is asked for.
fn open_flags(of: Syscall, condition: &Condition) -> Option<Condition> {
    let flags = match of.name() {
        Some("open") => 1,
        Some("openat" | "open_by_handle_at") => 2,
        _ => return Some(*condition),
    };
    if condition.index != flags {
        return Some(*condition);
    }
    let swapped = |value: u64| value & !0o740_000 | (value & 0o140_000) << 2 | (value & 0o600_000) >> 2;
    let comparison = match condition.comparison {
        Comparison::Equal(value) => Comparison::Equal(swapped(value)),
        Comparison::NotEqual(value) => Comparison::NotEqual(swapped(value)),
        Comparison::MaskedEqual { mask, value } => {
            Comparison::MaskedEqual { mask: swapped(mask), value: swapped(value) }
        }
        _ => return None,
    };
    Some(Condition { comparison, ..*condition })
}

/// Where an argument of the old call is in the new one.
fn forward(arguments: Arguments, index: u8) -> Option<u8> {
    match arguments {
        Arguments::Same => Some(index),
        Arguments::Shifted => Some(index + 1),
        Arguments::Differ => None,
    }
}

/// Where an argument of the new call is in the old one. One that the old one lacks cannot be carried over.
fn backward(arguments: Arguments, index: u8) -> Option<u8> {
    match arguments {
        Arguments::Same => Some(index),
        Arguments::Shifted => index.checked_sub(1),
        Arguments::Differ => None,
    }
}

#[cfg(test)]
mod tests;
