//! Rules in place of a person: which refused calls are allowed.

use std::collections::BTreeSet;

use sandprint_model::{Abi, Action, Denial, Policy, Rule, Syscall};
use sandprint_policy::{pattern, risk};
use sandprint_trial::Answer;
use sandprint_trial::refine::Decider;

use super::saver::Saver;

/// Rules that accept calls. What they do not accept stays refused, and is not written.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) accepted: Accepted,
    /// Whether a call is allowed only as it was made.
    pub(super) with_arguments: bool,
    /// The options on the command line, for reasons.
    pub(super) by: String,
    pub(super) saver: Saver,
}

/// Which calls are accepted.
#[derive(Debug)]
pub(super) enum Accepted {
    /// Every one.
    All,
    /// Those of which no risk is known.
    Harmless,
    /// Those with a name that a pattern matches, and those that were observed.
    Some {
        /// Names, with `*` and `?`.
        patterns: Vec<String>,
        /// Calls of a trace.
        observed: BTreeSet<Syscall>,
    },
}

impl Accepted {
    fn has(&self, syscall: Syscall) -> bool {
        match self {
            Accepted::All => true,
            Accepted::Harmless => risk::is_harmless(syscall),
            Accepted::Some { patterns, observed } => {
                let named = |name: &str| patterns.iter().any(|pattern| is_match(pattern, name));
                observed.contains(&syscall) || syscall.name().is_some_and(named)
            }
        }
    }
}

impl Decider for Rules {
    fn decide(&mut self, denial: &Denial, _still_waits: &dyn Fn() -> bool) -> Option<Answer> {
        Some(match (self.accepted.has(denial.call.syscall), self.with_arguments) {
            (false, _) => Answer::Leave,
            (true, true) => Answer::AllowWithArguments,
            (true, false) => Answer::Allow,
        })
    }

    fn by(&self) -> String {
        self.by.clone()
    }

    /// With all that they accept: no question is left open.
    fn unattended(&self, policy: &Policy) -> Policy {
        let mut policy = policy.clone();
        match &self.accepted {
            Accepted::All => {
                // Where the default lets calls run, those of other ABIs stay refused as they are when asked about.
                if !policy.calls.default_action.lets_run() {
                    policy.calls.foreign_action = Action::Allow;
                }
                policy.calls.default_action = Action::Allow;
            }
            Accepted::Harmless | Accepted::Some { .. } => {
                let known = Abi::ALL.into_iter().filter(|&abi| policy.calls.has_rules_for(abi));
                let calls: Vec<Syscall> = known.flat_map(Syscall::all).collect();
                for syscall in calls.into_iter().filter(|&syscall| self.accepted.has(syscall)) {
                    // Behind what is there: no rule that refuses is made weaker.
                    let rule =
                        Rule { conditions: Vec::new(), action: Action::Allow, reasons: BTreeSet::new() };
                    policy.calls.rules.entry(syscall).or_default().push(rule);
                }
            }
        }
        policy
    }

    fn decided(&mut self, policy: &Policy) {
        self.saver.checkpoint(policy);
    }
}

/// Whether any call of any ABI has a name that the pattern matches.
pub(super) fn matches_something(pattern: &str) -> bool {
    let named = |syscall: Syscall| syscall.name().is_some_and(|name| is_match(pattern, name));
    Abi::ALL.into_iter().flat_map(Syscall::all).any(named)
}

fn is_match(pattern: &str, name: &str) -> bool {
    pattern::matches(pattern.as_bytes(), name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_for_nothing_is_known_as_such() {
        assert!(matches_something("sigreturn") && matches_something("*64"));
        assert!(!matches_something("raed") && !matches_something("read;"));
    }
}
