//! A rule in words, as the policy file writes it.

use sandprint_model::wire::condition_in_words;
use sandprint_model::{Condition, Denial, Rule, Syscall};

/// The conditions of a rule; none where it holds for every call.
pub fn conditions(syscall: Syscall, conditions: &[Condition]) -> Vec<String> {
    conditions.iter().map(|condition| condition_in_words(syscall, condition)).collect()
}

/// What is so when all of these hold.
pub fn when(what: &str, conditions: &[String]) -> String {
    if conditions.is_empty() { what.to_owned() } else { format!("{what} when {}", conditions.join(" and ")) }
}

/// What a rule does, and when.
pub(crate) fn in_words(syscall: Syscall, rule: &Rule) -> String {
    when(&rule.action.to_string(), &conditions(syscall, &rule.conditions))
}

/// The smallest rule that would allow a refused call, on one line.
pub fn of_denial(denial: &Denial) -> String {
    let syscall = denial.call.syscall;
    when(&format!("allow {syscall}"), &conditions(syscall, &denial.rule.conditions))
}
