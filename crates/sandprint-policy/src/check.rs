//! What is wrong with a policy although it can be read: rules that can never decide, values that cannot be.

use std::collections::BTreeSet;

use sandprint_model::{Abi, Comparison, Condition, Policy, Rule, Syscall, Width};

use self::earlier::Earlier;

mod earlier;

/// Something that a policy says and cannot have been meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// How bad it is.
    pub severity: Severity,
    /// Which rule; none where it is about the whole policy.
    pub at: Option<FaultPlace>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// A rule of a policy, or one of its conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FaultPlace {
    /// The call.
    pub syscall: Syscall,
    /// Which of its rules, from 0.
    pub rule: usize,
    /// Which condition of it, from 0, where it is about one.
    pub condition: Option<usize>,
}

/// Whether a policy may be used all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It says something that cannot be: it is not used.
    Error,
    /// It means what it says, and that may surprise.
    Warning,
}

/// Looks for faults: those of the whole policy first, then rule by rule.
pub fn check(policy: &Policy) -> Vec<Fault> {
    let mut faults = Vec::new();
    whole(policy, &mut faults);
    for (syscall, rules) in &policy.calls.rules {
        let mut earlier = Earlier::new();
        for (place, rule) in rules.iter().enumerate() {
            let at = FaultPlace { syscall: *syscall, rule: place, condition: None };
            conditions(at, rule, &mut faults);
            if let Some(place) = earlier.first_wider(rule)
                && let Some(first) = rules.get(place)
            {
                order(at, rule, place + 1, first, &mut faults);
            }
            earlier.enter(rule);
            if rule.reasons.is_empty() {
                let hint = "say why: `why = [\"...\"]`";
                faults.push(warning(Some(at), "this rule has no reason".to_owned(), hint));
            }
        }
    }
    faults
}

fn error(at: Option<FaultPlace>, message: String, hint: &str) -> Fault {
    Fault { severity: Severity::Error, at, message, hint: hint.to_owned() }
}

fn warning(at: Option<FaultPlace>, message: String, hint: &str) -> Fault {
    Fault { severity: Severity::Warning, at, message, hint: hint.to_owned() }
}

fn whole(policy: &Policy, faults: &mut Vec<Fault>) {
    let open = policy.calls.default_action.lets_run() && !policy.calls.rules.is_empty()
        || policy.calls.foreign_action.lets_run();
    let allows = policy.calls.rules.values().flatten().any(|rule| rule.action.lets_run());
    if !allows && !open {
        let hint = "a policy allows at least what the program needs to start and to end: `sandprint profile generate` \
                    makes one from a recording";
        faults.push(error(None, "it allows no call at all: nothing could run under it".to_owned(), hint));
        return;
    }
    if policy.calls.foreign_action.lets_run() {
        let message = "calls of every ABI without rules run: on x86_64 any program can make i386 calls, and so go \
                       around the rules";
        faults.push(warning(None, message.to_owned(), "say `foreign = \"kill-process\"`"));
    }
    let abis: BTreeSet<Abi> = policy.calls.rules.keys().map(|syscall| syscall.abi).collect();
    for abi in abis.into_iter().filter(|_| !policy.calls.default_action.lets_run()) {
        let allowed = |names: &[&str]| {
            names.iter().any(|name| {
                let rules =
                    Syscall::from_name(abi, name).and_then(|syscall| policy.calls.rules.get(&syscall));
                rules.is_some_and(|rules| rules.iter().any(|rule| rule.action.lets_run()))
            })
        };
        if !allowed(&["exit", "exit_group"]) {
            let message =
                format!("no process can end itself through {abi}: neither exit nor exit_group is allowed");
            faults.push(warning(None, message, "allow exit_group, and exit where there are threads"));
        }
    }
}

/// What is wrong within one rule.
fn conditions(at: FaultPlace, rule: &Rule, faults: &mut Vec<Fault>) {
    for (place, condition) in rule.conditions.iter().enumerate() {
        let at = Some(FaultPlace { condition: Some(place), ..at });
        if condition.index > 5 {
            let message = format!("a system call has the arguments 0 to 5, and none is {}", condition.index);
            faults.push(error(at, message, "compare one of them"));
        } else if let Some(value) = too_wide(condition) {
            let message = format!("{value:#x} does not fit into the 32 bits that are compared");
            faults.push(error(at, message, "compare all 64 bits, or give the value's lower half"));
        } else {
            match truth(condition) {
                Some(false) => {
                    faults.push(error(at, "this can never hold".to_owned(), "correct the value or the mask"));
                }
                Some(true) => {
                    let hint = "leave it out; a rule without conditions always decides";
                    faults.push(warning(at, "this always holds".to_owned(), hint));
                }
                None => {}
            }
        }
    }
    for (place, condition) in rule.conditions.iter().enumerate() {
        let Comparison::Equal(value) = condition.comparison else { continue };
        let mut args = [0; 6];
        if let Some(arg) = args.get_mut(usize::from(condition.index)) {
            *arg = value;
        }
        let others = rule.conditions.iter().filter(|other| {
            other.index == condition.index && (other.width, condition.width) != (Width::Bits64, Width::Bits32)
        });
        if too_wide(condition).is_none() && !others.clone().all(|other| other.holds(&args)) {
            let at = FaultPlace { condition: Some(place), ..at };
            let message = "this and another condition of the rule can never hold together".to_owned();
            faults.push(error(Some(at), message, "alternatives are rules of their own"));
            break;
        }
    }
}

/// The operand that has bits which a 32-bit comparison does not look at.
fn too_wide(condition: &Condition) -> Option<u64> {
    let most = match condition.width {
        Width::Bits32 => u64::from(u32::MAX),
        Width::Bits64 => u64::MAX,
    };
    let operands = match condition.comparison {
        Comparison::Equal(value)
        | Comparison::NotEqual(value)
        | Comparison::Less(value)
        | Comparison::LessOrEqual(value)
        | Comparison::Greater(value)
        | Comparison::GreaterOrEqual(value) => [value, 0],
        Comparison::MaskedEqual { mask, value } => [mask, value],
    };
    operands.into_iter().find(|value| *value > most)
}

/// What a condition says whatever the argument is, if it says anything then.
fn truth(condition: &Condition) -> Option<bool> {
    let most = match condition.width {
        Width::Bits32 => u64::from(u32::MAX),
        Width::Bits64 => u64::MAX,
    };
    match condition.comparison {
        Comparison::Less(0) => Some(false),
        Comparison::GreaterOrEqual(0) | Comparison::MaskedEqual { mask: 0, value: 0 } => Some(true),
        Comparison::Greater(value) if value >= most => Some(false),
        Comparison::LessOrEqual(value) if value >= most => Some(true),
        Comparison::MaskedEqual { mask, value } if value & !mask != 0 => Some(false),
        _ => None,
    }
}

/// What the first of a call's rules that matches all that this one does makes of it.
fn order(at: FaultPlace, rule: &Rule, number: usize, first: &Rule, faults: &mut Vec<Fault>) {
    let set = |rule: &Rule| rule.conditions.iter().copied().collect::<BTreeSet<Condition>>();
    let is_alike = set(rule) == set(first);
    let message = if is_alike && rule.action == first.action {
        format!("this rule is the same as rule {number} of {}", at.syscall)
    } else if is_alike {
        format!("this rule contradicts rule {number} of {}: the same conditions, another action", at.syscall)
    } else {
        format!("this rule can never decide: rule {number} of {} matches all that it does", at.syscall)
    };
    let hint = "the first rule that matches decides: put the narrower one first, or leave one out";
    faults.push(error(Some(at), message, hint));
}

#[cfg(test)]
mod tests;
