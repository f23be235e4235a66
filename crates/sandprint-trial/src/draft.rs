//! The policy as a refinement makes it, decision by decision.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::{Action, Call, Date, Denial, Policy, Reason, Rule, Syscall};
use sandprint_policy::enforce;
use sandprint_policy::synth::{Additions, AllowedArguments};

/// What is to come of a refused call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// It runs as long as this refinement lasts; the policy stays as it is.
    Once,
    /// The policy allows it, with any arguments.
    Allow,
    /// The policy allows it as [`Denial::rule`] says.
    AllowWithArguments,
    /// The policy refuses it, with what it has been answered with, by a rule of its own.
    Refuse,
    /// It stays refused, nothing is written, and this refinement does not ask for it again.
    Leave,
    /// It stays refused, and nothing more is asked.
    Stop,
}

/// An answer that changed what runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The first call that it was given for.
    pub denial: Denial,
    /// The answer.
    pub answer: Answer,
}

/// How a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The policy lets it run.
    Allowed,
    /// It runs in this refinement only.
    Once,
    /// It is refused, and that is an answer: a rule says so, or it was left, or nothing is asked any more.
    Refused,
    /// Nothing but a default refuses it.
    Open,
}

/// The policy as it is refined, and every decision.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) policy: Policy,
    pub(crate) decisions: Vec<Decision>,
    /// What a reader should know of what the decisions did, in sentences.
    pub(crate) notes: BTreeSet<String>,
    /// Calls that came with the decisions, since a run need not show them.
    pub(crate) added: BTreeSet<Syscall>,
    pub(crate) stopped: bool,
    on: Date,
    additions: Option<&'static Additions>,
    /// Answers that are not written: the smallest rule of each call, and whether it runs.
    unwritten: Vec<(Syscall, Rule, bool)>,
}

impl Draft {
    /// Nothing decided yet. `on` is the day that decisions get, `additions` what is added beside them.
    pub(crate) fn new(policy: Policy, on: Date, additions: Option<&'static Additions>) -> Draft {
        Draft {
            policy,
            decisions: Vec::new(),
            notes: BTreeSet::new(),
            added: BTreeSet::new(),
            stopped: false,
            on,
            additions,
            unwritten: Vec::new(),
        }
    }

    pub(crate) fn standing(&self, call: &Call) -> Standing {
        if enforce::runs(self.policy.calls.decide(call)) {
            return Standing::Allowed;
        }
        let unwritten = self
            .unwritten
            .iter()
            .find(|(syscall, rule, _)| *syscall == call.syscall && rule.matches(&call.args));
        match unwritten {
            Some((_, _, true)) => Standing::Once,
            Some((_, _, false)) => Standing::Refused,
            None if self.stopped || self.policy.calls.deciding_rule(call).is_some() => Standing::Refused,
            None => Standing::Open,
        }
    }

    /// The policy, and what runs in this refinement only.
    pub(crate) fn with_unwritten(&self) -> Policy {
        let mut policy = self.policy.clone();
        for (syscall, rule, _) in self.unwritten.iter().filter(|(_, _, runs)| *runs) {
            let rule = Rule { action: Action::Allow, ..rule.clone() };
            policy.calls.rules.entry(*syscall).or_default().push(rule);
        }
        policy
    }

    /// Enters an answer.
    pub(crate) fn enter(&mut self, denial: &Denial, answer: Answer, by: &str) {
        let unwritten = |runs| (denial.call.syscall, denial.rule.clone(), runs);
        match answer {
            Answer::Stop => {
                self.stopped = true;
                return;
            }
            Answer::Leave => {
                self.unwritten.push(unwritten(false));
                return;
            }
            Answer::Once => self.unwritten.push(unwritten(true)),
            Answer::Allow | Answer::AllowWithArguments | Answer::Refuse => {
                if let Some(why) = self.cannot_have_rule(denial) {
                    self.notes.insert(why);
                    self.unwritten.push(unwritten(false));
                    return;
                }
                let rule = self.rule(denial, answer, by);
                // Behind what is there: no rule that refuses is made weaker.
                self.policy.calls.rules.entry(denial.call.syscall).or_default().push(rule);
                self.complete(answer);
            }
        }
        self.decisions.push(Decision { denial: denial.clone(), answer });
    }

    /// Adds what is needed beside what is allowed now.
    fn complete(&mut self, answer: Answer) {
        let arguments = match answer {
            Answer::AllowWithArguments => AllowedArguments::Observed,
            Answer::Allow => AllowedArguments::Any,
            _ => return,
        };
        let Some(additions) = &self.additions else { return };
        let before: BTreeSet<Syscall> = self.policy.calls.allowed().collect();
        additions.complete(&mut self.policy, arguments);
        self.added.extend(self.policy.calls.allowed().filter(|syscall| !before.contains(syscall)));
    }

    /// The rule that an answer makes.
    fn rule(&self, denial: &Denial, answer: Answer, by: &str) -> Rule {
        let (conditions, action, words) = match answer {
            Answer::Refuse => (Vec::new(), denial.action, "refused"),
            Answer::AllowWithArguments if !denial.rule.conditions.is_empty() => {
                (denial.rule.conditions.clone(), Action::Allow, "allowed with these arguments")
            }
            _ => (Vec::new(), Action::Allow, "allowed"),
        };
        let words = format!("{words}: {}", caller(denial));
        let reason = Reason::Decided { words, on: self.on, by: by.to_owned() };
        Rule { conditions, action, reasons: BTreeSet::from([reason]) }
    }

    /// The first rule of an ABI takes its other calls from `foreign` to the default. That is told, and not done where
    /// it would let them run.
    fn cannot_have_rule(&mut self, denial: &Denial) -> Option<String> {
        let Syscall { abi, .. } = denial.call.syscall;
        let (default, foreign) = (self.policy.calls.default_action, self.policy.calls.foreign_action);
        if self.policy.calls.has_rules_for(abi) || default == foreign {
            return None;
        }
        if default.lets_run() && !enforce::runs(foreign) {
            return Some(format!(
                "{} of {abi} stays refused: with a first rule for {abi}, all its other calls would run by the \
                 default ({default})",
                denial.call.syscall
            ));
        }
        self.notes.insert(format!(
            "{abi} has rules now: its other calls are answered by the default ({default}), no longer by `foreign` \
             ({foreign})"
        ));
        None
    }

    /// Calls that are allowed with more than `most` sets of arguments, and how many those are.
    pub(crate) fn alternatives_beyond(&self, most: usize) -> BTreeMap<Syscall, usize> {
        let count = |rules: &Vec<Rule>| {
            rules.iter().filter(|rule| rule.action == Action::Allow && !rule.conditions.is_empty()).count()
        };
        let counts = self.policy.calls.rules.iter().map(|(syscall, rules)| (*syscall, count(rules)));
        counts.filter(|(_, count)| *count > most).collect()
    }
}

/// Who made a call, in words that stay true from run to run: no process numbers, no offsets.
fn caller(denial: &Denial) -> String {
    let image =
        if denial.image.as_bytes().is_empty() { "a program".to_owned() } else { denial.image.escaped() };
    match &denial.location {
        Ok(location) => match &location.function {
            Some(function) => format!("{image} made it, in {function} of {}", location.code.module.escaped()),
            None => format!("{image} made it, in {}", location.code.module.escaped()),
        },
        Err(_) => format!("{image} made it"),
    }
}

#[cfg(test)]
mod tests;
