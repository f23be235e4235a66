//! Where the words of a rule's author name another constant than its values mean.

use std::collections::BTreeMap;

use sandprint_model::arguments::{self, Kind, Set};
use sandprint_model::{Comparison, Condition, Reason, Rule, Syscall, Width};

/// The author of a rule names a constant that the rule's values are not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The call.
    pub syscall: Syscall,
    /// Which argument, 0 to 5.
    pub index: u8,
    /// Its name.
    pub argument: &'static str,
    /// What the rule compares with it.
    pub compared: Vec<Condition>,
    /// The constants that the author named, with their values.
    pub named: BTreeMap<&'static str, u64>,
    /// What the author wrote. Escape it for where it goes.
    pub wrote: String,
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
                compared: conditions.iter().copied().copied().collect(),
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
