//! Policies about the calls of this machine's own programs, for those that run under them.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::{Action, CallRules, Condition, Policy, Rule, Syscall};

use crate::hosts::NATIVE;

/// A native call.
pub fn call(name: &str) -> Syscall {
    Syscall::from_name(NATIVE, name).unwrap_or_else(|| panic!("no call {name}"))
}

/// A rule without a reason.
pub fn rule(action: Action, conditions: Vec<Condition>) -> Rule {
    Rule { conditions, action, reasons: BTreeSet::new() }
}

/// A policy that decides these calls so, and all other native ones by the default.
pub fn policy(default_action: Action, rules: &[(&str, Action)]) -> Policy {
    let rules: BTreeMap<_, _> =
        rules.iter().map(|(name, action)| (call(name), vec![rule(*action, Vec::new())])).collect();
    Policy {
        kernel: None,
        calls: CallRules { default_action, foreign_action: Action::KillProcess, rules },
        notes: BTreeSet::new(),
    }
}

/// A policy that allows these native calls and answers all others with this.
pub fn allowing(names: &[&str], default_action: Action) -> Policy {
    let rules: Vec<_> = names.iter().map(|name| (*name, Action::Allow)).collect();
    policy(default_action, &rules)
}

/// A policy under which everything runs, but for these calls.
pub fn all_but(rules: &[(&str, Action)]) -> Policy {
    let mut policy = policy(Action::Allow, rules);
    policy.calls.rules.insert(call("execve"), vec![rule(Action::Allow, Vec::new())]);
    policy
}

/// A policy under which everything runs, but for those of these calls that this machine has: they fail with EPERM.
pub fn refusing(names: &[&'static str]) -> Policy {
    let has = |name: &&&str| Syscall::from_name(NATIVE, name).is_some();
    let rules: Vec<_> = names.iter().filter(has).map(|name| (*name, Action::Errno(1))).collect();
    all_but(&rules)
}
