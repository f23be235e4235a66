//! What text and Markdown of an explanation say alike.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sandprint_model::wire::condition_in_words;
use sandprint_model::{Comparison, Condition, Syscall, Width, arguments};
use sandprint_policy::explain::{AbiPart, Explained, Explanation, Finding, Observed};

use crate::count::counted;
use crate::escape::one_line;
use crate::rule;

/// Most programs that are named beside a call.
const NAMED: usize = 3;

/// What is so of all calls.
pub(super) fn head(explanation: &Explanation) -> String {
    format!(
        "calls without a rule: {}; calls of an ABI without rules: {}\n",
        explanation.default_action, explanation.foreign_action
    )
}

/// The numbers of an ABI in one line.
pub(super) fn numbers(explanation: &Explanation, part: &AbiPart) -> String {
    let mut text = format!("{}: {} allowed", part.abi, counted(part.allowed, "call"));
    if explanation.runs.is_none() {
        return text;
    }
    if part.observed == 0 {
        return text + ", and none of its calls was observed";
    }
    let unobserved: usize = part.unobserved.values().map(Vec::len).sum();
    write!(text, ", {unobserved} of them never observed").unwrap_or_default();
    write!(
        text,
        "; {} observed: {} allowed, {} refused, {} decided by arguments",
        counted(part.observed, "call"),
        part.observed_allowed,
        part.refused.len(),
        part.depends.len()
    )
    .unwrap_or_default();
    text
}

/// What decides a call, in words: nothing where it is simply allowed.
pub(super) fn when(call: &Explained) -> String {
    let mut parts: Vec<String> = Vec::new();
    for answer in &call.answers {
        let conditions: Vec<String> =
            answer.conditions.iter().map(|condition| condition_with_names(call.syscall, condition)).collect();
        parts.push(rule::when(&answer.action.to_string(), &conditions));
    }
    if let Some(action) = call.otherwise {
        parts.push(if parts.is_empty() { format!("{action} (no rule)") } else { format!("else {action}") });
    }
    if parts == ["allow"] { String::new() } else { parts.join("; ") }
}

pub(super) fn reasons(call: &Explained) -> Vec<String> {
    let all = call.answers.iter().flat_map(|answer| &answer.reasons);
    let all: BTreeSet<String> = all.map(|reason| one_line(reason)).collect();
    all.into_iter().collect()
}

/// The calls of a group that are decided alike and for the same reasons, together.
pub(super) fn alike(calls: &[Explained]) -> BTreeMap<(String, Vec<String>), Vec<String>> {
    let mut buckets: BTreeMap<(String, Vec<String>), Vec<String>> = BTreeMap::new();
    for call in calls {
        buckets.entry((when(call), reasons(call))).or_default().push(call.syscall.to_string());
    }
    buckets
}

pub(super) fn seen_in_words(observed: &Observed) -> String {
    let named: Vec<&str> = observed.programs.iter().take(NAMED).map(String::as_str).collect();
    let more = observed.programs.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let times = if observed.count == 1 { "once".to_owned() } else { format!("{} times", observed.count) };
    format!("{times}, by {}{more}", named.join(", "))
}

/// What was found, without the author's own text.
pub(super) fn finding_in_words(finding: &Finding) -> String {
    let compared: Vec<String> =
        finding.compared.iter().map(|condition| condition_with_names(finding.syscall, condition)).collect();
    let named: Vec<String> =
        finding.named.iter().map(|(name, value)| format!("{name} is {}", number(*value))).collect();
    format!(
        "the rule says {}, which is not what its author's words name: {}",
        compared.join(" and "),
        named.join(", ")
    )
}

/// A condition with the argument's name in the kernel's prototype, and the number behind a constant:
/// `which_clock == CLOCK_MONOTONIC_RAW (4)`.
pub(super) fn condition_with_names(syscall: Syscall, condition: &Condition) -> String {
    let written = condition_in_words(syscall, condition);
    let width = match condition.width {
        Width::Bits32 => "u32",
        Width::Bits64 => "u64",
    };
    let plain = format!("arg{}", condition.index);
    let rest = written.strip_prefix(&format!("{plain}.{width}")).unwrap_or(&written);
    let number = match condition.comparison {
        // Where a name stands, the number does not.
        Comparison::Equal(value) | Comparison::NotEqual(value) if written != condition.to_string() => {
            format!(" ({})", number(value))
        }
        _ => String::new(),
    };
    format!("{}{rest}{number}", argument_name(syscall, condition).unwrap_or(&plain))
}

/// The name of an argument; none for one that the call does not have.
pub(super) fn argument_name(syscall: Syscall, condition: &Condition) -> Option<&'static str> {
    arguments::of(syscall).get(usize::from(condition.index)).map(|argument| argument.name)
}

/// Small numbers as people count, large ones as bits.
fn number(value: u64) -> String {
    if value < 4096 { value.to_string() } else { format!("{value:#x}") }
}
