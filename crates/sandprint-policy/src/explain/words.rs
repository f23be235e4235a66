//! Conditions in words, and where the words of a rule's author name another constant than its values mean.

use std::collections::BTreeMap;

use sandprint_model::arguments::{self, Kind, Set};
use sandprint_model::wire::condition_in_words;
use sandprint_model::{Comparison, Condition, Reason, Rule, Syscall, Width};

/// A condition, with the names of its argument and of its value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Compared {
    /// Which argument, 0 to 5.
    pub index: u8,
    /// Its name in the kernel's prototype; none for an argument that the call does not have.
    pub argument: Option<&'static str>,
    /// As the policy file has it: `arg0.u32 == CLOCK_MONOTONIC_RAW`.
    pub condition: String,
    /// With the argument's name, and the number behind the constant: `which_clock == CLOCK_MONOTONIC_RAW (4)`.
    pub words: String,
}

impl Compared {
    pub(super) fn of(syscall: Syscall, condition: &Condition) -> Compared {
        let argument = arguments::of(syscall).get(usize::from(condition.index)).map(|argument| argument.name);
        let written = condition_in_words(syscall, condition);
        let width = match condition.width {
            Width::Bits32 => "u32",
            Width::Bits64 => "u64",
        };
        let rest = written.strip_prefix(&format!("arg{}.{width}", condition.index)).unwrap_or(&written);
        let subject = argument.map_or_else(|| format!("arg{}", condition.index), str::to_owned);
        let number = match condition.comparison {
            // Where a name stands, the number does not.
            Comparison::Equal(value) | Comparison::NotEqual(value) if written != condition.to_string() => {
                format!(" ({})", number(value))
            }
            _ => String::new(),
        };
        Compared {
            index: condition.index,
            argument,
            words: format!("{subject}{rest}{number}"),
            condition: written,
        }
    }
}

/// Small numbers as people count, large ones as bits.
fn number(value: u64) -> String {
    if value < 4096 { value.to_string() } else { format!("{value:#x}") }
}

/// The author of a rule names a constant that the rule's values are not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The call.
    pub syscall: Syscall,
    /// Which argument, 0 to 5.
    pub index: u8,
    /// Its name.
    pub argument: &'static str,
    /// What the rule compares with it, in words: `which_clock == CLOCK_MONOTONIC_RAW (4)`.
    pub compared: Vec<String>,
    /// The constants that the author named, with their values.
    pub named: BTreeMap<&'static str, u64>,
    /// What the author wrote. Escape it for where it goes.
    pub wrote: String,
}

impl Finding {
    /// What is said, without the author's own text.
    pub fn sentence(&self) -> String {
        let named: Vec<String> =
            self.named.iter().map(|(name, value)| format!("{name} is {}", number(*value))).collect();
        format!(
            "the rule says {}, which is not what its author's words name: {}",
            self.compared.join(" and "),
            named.join(", ")
        )
    }
}

/// What is found in one rule: for each argument that it compares, and each text of its author.
///
/// A text that names at least one constant which the rule does compare is not held against it.
pub(super) fn findings(syscall: Syscall, rule: &Rule, comments: &[String]) -> Vec<Finding> {
    let mut found = Vec::new();
    let texts: Vec<&str> =
        rule.reasons.iter().filter_map(of_a_person).chain(comments.iter().map(String::as_str)).collect();
    if texts.is_empty() || rule.conditions.is_empty() {
        return found;
    }
    let mut args = [0; 6];
    for condition in &rule.conditions {
        if let (Comparison::Equal(value), Some(slot)) =
            (condition.comparison, args.get_mut(usize::from(condition.index)))
        {
            *slot = value;
        }
    }
    for index in 0..6_u8 {
        let conditions: Vec<&Condition> =
            rule.conditions.iter().filter(|condition| condition.index == index).collect();
        let place = usize::from(index);
        let Some(argument) = arguments::of(syscall).get(place).filter(|_| !conditions.is_empty()) else {
            continue;
        };
        let (set, is_flags) = match arguments::kind_given(syscall, place, &args) {
            Some(Kind::One(set)) => (set, false),
            Some(Kind::Flags(set)) => (set, true),
            _ => continue,
        };
        for text in &texts {
            let named = constants_in(syscall, set, text);
            let is_meant =
                |value: &u64| conditions.iter().any(|condition| is_about(condition, *value, is_flags));
            if named.is_empty() || named.values().any(is_meant) {
                continue;
            }
            found.push(Finding {
                syscall,
                index,
                argument: argument.name,
                compared: conditions.iter().map(|condition| Compared::of(syscall, condition).words).collect(),
                named,
                wrote: (*text).to_owned(),
            });
        }
    }
    found
}

/// What a person wrote; the reasons that sandprint gives itself promise nothing of values.
fn of_a_person(reason: &Reason) -> Option<&str> {
    match reason {
        Reason::ByHand(words) | Reason::Decided { words, .. } => Some(words),
        // Which profile it was stands before what its author wrote.
        Reason::Imported(from) => from.split_once(": ").map(|(_, words)| words),
        _ => None,
    }
}

/// The constants of a set that a text names.
fn constants_in(syscall: Syscall, set: &Set, text: &str) -> BTreeMap<&'static str, u64> {
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    set.constants(syscall.abi).filter(|(name, _)| words.contains(name)).collect()
}

/// Whether a condition compares with this constant. Of an order every constant is a part.
fn is_about(condition: &Condition, constant: u64, is_flags: bool) -> bool {
    let cut = |value: u64| match condition.width {
        Width::Bits32 => value & u64::from(u32::MAX),
        Width::Bits64 => value,
    };
    let constant = cut(constant);
    match condition.comparison {
        Comparison::Equal(value) | Comparison::NotEqual(value) => {
            constant == cut(value) || (is_flags && constant & cut(value) != 0)
        }
        Comparison::MaskedEqual { mask, value } => {
            constant & cut(mask) == cut(value) || (is_flags && constant & cut(mask) != 0)
        }
        Comparison::Less(_)
        | Comparison::LessOrEqual(_)
        | Comparison::Greater(_)
        | Comparison::GreaterOrEqual(_) => true,
    }
}
