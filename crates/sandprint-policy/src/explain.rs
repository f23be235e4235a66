//! What a policy allows and what for, what of it was never observed, and what was observed and is refused.
//!
//! A trace holds calls and no arguments: where rules have conditions, it is said that the answer depends on them, and
//! never guessed. Without a trace, everything that is allowed counts as unobserved.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::wire::PolicyFile;
use sandprint_model::{Abi, Action, Condition, GapKind, Policy, Reason, Rule, Syscall, Trace};

mod findings;
mod purpose;

pub use findings::Finding;
pub use purpose::Purpose;

use purpose::Purposes;

/// A policy explained, and held against what was observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What happens to a call without a rule.
    pub default_action: Action,
    /// What happens to a call of an ABI without rules.
    pub foreign_action: Action,
    /// In how many runs was observed; none where there was no trace at all.
    pub runs: Option<usize>,
    /// Every ABI that has rules or was observed.
    pub abis: Vec<AbiPart>,
    /// Where the author's words and the rule's values say different things.
    pub findings: BTreeSet<Finding>,
    /// What the traces may have missed, gap by gap: calls that seem unobserved may be among it.
    pub gaps: Vec<GapKind>,
}

/// What is said of one ABI. Calls are counted once, however often they were made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbiPart {
    /// Which.
    pub abi: Abi,
    /// How many of its calls the policy allows, if only under conditions.
    pub allowed: usize,
    /// How many of its calls were observed.
    pub observed: usize,
    /// How many of these are allowed whatever their arguments.
    pub observed_allowed: usize,
    /// What is allowed and was not observed, by purpose; no group is empty.
    pub unobserved: BTreeMap<Purpose, Vec<Explained>>,
    /// What was observed and is refused whatever its arguments.
    pub refused: Vec<Observed>,
    /// What was observed and is allowed with some arguments only.
    pub depends: Vec<Observed>,
}

/// What a policy answers to one call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Explained {
    /// The call.
    pub syscall: Syscall,
    /// The rules that can decide, in order: up to the first that always holds.
    pub answers: Vec<Answer>,
    /// What a default answers where no rule matches; none where a rule always does.
    pub otherwise: Option<Action>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answer {
    /// All of these must hold.
    pub conditions: Vec<Condition>,
    /// What happens then.
    pub action: Action,
    /// The policy's own reasons, then the comments of its file. Text of others: escape it for where it goes.
    pub reasons: Vec<String>,
}

/// A call that was observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// What the policy says of it.
    pub call: Explained,
    /// How many calls, over all runs.
    pub count: u64,
    /// The programs that made it, escaped.
    pub programs: BTreeSet<String>,
}

/// Whether a call runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runs {
    Always,
    Depends,
    Never,
}

impl Explanation {
    /// The ABIs that are worth listing call by call where nobody asks for others: those that were observed; the
    /// first where none was.
    pub fn main_abis(&self) -> BTreeSet<Abi> {
        let observed = self.abis.iter().filter(|part| part.observed > 0).map(|part| part.abi);
        let observed: BTreeSet<Abi> = observed.collect();
        if !observed.is_empty() {
            return observed;
        }
        let native = self.abis.iter().map(|part| part.abi).filter(|abi| *abi == abi.arch().native_abi());
        let native: BTreeSet<Abi> = native.collect();
        if native.is_empty() { self.abis.iter().map(|part| part.abi).collect() } else { native }
    }
}

impl Explained {
    fn of(file: &PolicyFile, syscall: Syscall) -> Explained {
        let policy = &file.policy;
        let rules = policy.calls.rules.get(&syscall).map_or(&[][..], Vec::as_slice);
        let last = rules.iter().position(|rule| rule.conditions.is_empty());
        let deciding = last.and_then(|last| rules.get(..=last)).unwrap_or(rules);
        let answers = deciding.iter().map(|rule| Answer::of(file, syscall, rule)).collect();
        let otherwise = match last {
            Some(_) => None,
            None if policy.calls.has_rules_for(syscall.abi) => Some(policy.calls.default_action),
            None => Some(policy.calls.foreign_action),
        };
        Explained { syscall, answers, otherwise }
    }

    /// As far as the rules tell without asking whether their conditions leave anything over.
    fn runs(&self) -> Runs {
        let all = self.answers.iter().map(|answer| answer.action).chain(self.otherwise);
        let (run, not): (Vec<Action>, Vec<Action>) = all.partition(|action| action.lets_run());
        match (run.is_empty(), not.is_empty()) {
            (false, true) => Runs::Always,
            (false, false) => Runs::Depends,
            (true, _) => Runs::Never,
        }
    }
}

impl Answer {
    fn of(file: &PolicyFile, syscall: Syscall, rule: &Rule) -> Answer {
        let mut reasons: Vec<String> = rule.reasons.iter().map(Reason::to_string).collect();
        reasons.extend(file.comments(syscall, rule));
        Answer { conditions: rule.conditions.clone(), action: rule.action, reasons }
    }
}

/// Explains a policy, against everything that was observed in a trace where there is one.
pub fn explain(file: &PolicyFile, trace: Option<&Trace>) -> Explanation {
    let policy = &file.policy;
    let purposes = Purposes::read();
    let observed = trace.map(observed).unwrap_or_default();
    let mut abis: BTreeSet<Abi> = policy.calls.rules.keys().map(|syscall| syscall.abi).collect();
    abis.extend(observed.keys().map(|syscall| syscall.abi));
    let findings = policy
        .calls
        .rules
        .iter()
        .flat_map(|(syscall, rules)| rules.iter().map(|rule| (*syscall, rule)))
        .flat_map(|(syscall, rule)| findings::findings(syscall, rule, &file.comments(syscall, rule)))
        .collect();
    let gaps = trace.map(|trace| trace.blocking_gaps().map(|(gap, _)| gap.kind).collect());
    Explanation {
        default_action: policy.calls.default_action,
        foreign_action: policy.calls.foreign_action,
        runs: trace.map(|trace| trace.runs.len()),
        abis: abis.into_iter().map(|abi| part(file, abi, &observed, &purposes)).collect(),
        findings,
        gaps: gaps.unwrap_or_default(),
    }
}

/// Counts and programs of every call of a trace.
fn observed(trace: &Trace) -> BTreeMap<Syscall, (u64, BTreeSet<String>)> {
    let mut calls: BTreeMap<Syscall, (u64, BTreeSet<String>)> = BTreeMap::new();
    for (subject, syscall, runs) in trace.calls.iter() {
        let (count, programs) = calls.entry(*syscall).or_default();
        *count = runs.values().fold(*count, |sum, seen| sum.saturating_add(seen.count));
        programs.insert(subject.image.to_string());
    }
    calls
}

fn part(
    file: &PolicyFile,
    abi: Abi,
    observed: &BTreeMap<Syscall, (u64, BTreeSet<String>)>,
    purposes: &Purposes,
) -> AbiPart {
    let mut part = AbiPart {
        abi,
        allowed: 0,
        observed: 0,
        observed_allowed: 0,
        unobserved: BTreeMap::new(),
        refused: Vec::new(),
        depends: Vec::new(),
    };
    for syscall in candidates(&file.policy, abi, observed.keys().copied()) {
        let call = Explained::of(file, syscall);
        let runs = call.runs();
        part.allowed += usize::from(runs != Runs::Never);
        let Some((count, programs)) = observed.get(&syscall) else {
            if runs != Runs::Never {
                part.unobserved.entry(purposes.of(syscall)).or_default().push(call);
            }
            continue;
        };
        part.observed += 1;
        let seen = Observed { call, count: *count, programs: programs.clone() };
        match runs {
            Runs::Always => part.observed_allowed += 1,
            Runs::Depends => part.depends.push(seen),
            Runs::Never => part.refused.push(seen),
        }
    }
    part
}

/// The calls of an ABI of which something is to be said: those with rules, those that were observed, and those that
/// exist, of which a default may allow what no rule names.
fn candidates(policy: &Policy, abi: Abi, observed: impl Iterator<Item = Syscall>) -> BTreeSet<Syscall> {
    let ruled = policy.calls.rules.keys().copied();
    let mut calls: BTreeSet<Syscall> = ruled.chain(observed).filter(|syscall| syscall.abi == abi).collect();
    calls.extend(Syscall::all(abi));
    calls
}

#[cfg(test)]
mod tests;
