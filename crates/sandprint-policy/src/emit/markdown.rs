//! A report for people: every call with its action and reasons, and the notes.

use std::collections::BTreeSet;
use std::fmt::Write;

use sandprint_model::{Abi, Comparison, Condition, Part, Policy, Reason, Rule, Syscall, Width, markdown};

use super::{EmitError, Format, Written};

/// Two tables and a list, for a review or a wiki page.
#[derive(Debug)]
pub struct Markdown;

/// How many programs a row names.
const NAMED_IMAGES: usize = 5;

impl Format for Markdown {
    fn name(&self) -> &'static str {
        "markdown"
    }

    fn summary(&self) -> &'static str {
        "report of every call with its reasons, for reviews"
    }

    fn file_name(&self) -> &'static str {
        "policy.md"
    }

    fn holds(&self) -> &'static [Part] {
        &[Part::Calls]
    }

    fn write(&self, policy: &Policy) -> Result<Written, EmitError> {
        let mut text = String::from("# System call policy\n\n");
        let prose = |words: String| markdown::prose(&words);
        // Writing to a String cannot fail, here and below.
        writeln!(text, "- Calls without a rule: {}.", prose(policy.calls.default_action.in_words()))
            .unwrap_or_default();
        writeln!(text, "- Calls through another ABI: {}.", prose(policy.calls.foreign_action.in_words()))
            .unwrap_or_default();
        if let Some(kernel) = policy.kernel {
            writeln!(text, "- Made for Linux {kernel} and later.").unwrap_or_default();
        }
        let abis: BTreeSet<Abi> = policy.calls.rules.keys().map(|syscall| syscall.abi).collect();
        for abi in abis {
            let rules = || policy.calls.rules.iter().filter(|(syscall, _)| syscall.abi == abi);
            let allowed = policy.calls.allowed().filter(|syscall| syscall.abi == abi).count();
            let all = Syscall::all(abi).count();
            writeln!(text, "\n## {abi}: {allowed} of {all} calls allowed\n").unwrap_or_default();
            text.push_str("| call | number | action | arguments | why | programs |\n");
            text.push_str("| --- | ---: | --- | --- | --- | --- |\n");
            for (syscall, rules) in rules() {
                for rule in rules {
                    push_row(&mut text, *syscall, rule);
                }
            }
        }
        if !policy.notes.is_empty() {
            text.push_str("\n## Notes\n\n");
            for note in &policy.notes {
                writeln!(text, "- {}", markdown::prose(&note.to_string())).unwrap_or_default();
            }
        }
        Ok(Written::text(text, BTreeSet::new()))
    }
}

fn push_row(text: &mut String, syscall: Syscall, rule: &Rule) {
    let why: Vec<String> = rule.reasons.iter().map(why).collect();
    writeln!(
        text,
        "| {} | {} | {} | {} | {} | {} |",
        markdown::code(&syscall.to_string()),
        syscall.nr,
        markdown::prose(&rule.action.in_words()),
        arguments(&rule.conditions),
        why.join("; "),
        programs(&rule.reasons),
    )
    .unwrap_or_default();
}

fn why(reason: &Reason) -> String {
    let prose = |words: &str| markdown::prose(words);
    match reason {
        Reason::Observed { count, runs, .. } => {
            let plural = if *runs == 1 { "" } else { "s" };
            format!("observed, {count} in {runs} run{plural}")
        }
        Reason::Baseline(why) => format!("baseline, {}", prose(why)),
        Reason::Portability { of, why } => {
            format!("portability, for {}, {}", markdown::code(&of.to_string()), prose(why))
        }
        Reason::Runtime { runtime, why } => format!("{}, {}", prose(runtime), prose(why)),
        Reason::Fallback(why) => format!("absent, {}", prose(why)),
        Reason::ByHand(why) => format!("by hand, {}", prose(why)),
        Reason::Decided { words, on, by } => format!("decided {on}, {}, {}", prose(by), prose(words)),
        Reason::Imported(why) => format!("imported, {}", prose(why)),
    }
}

fn programs(reasons: &BTreeSet<Reason>) -> String {
    let images: BTreeSet<_> = reasons
        .iter()
        .filter_map(|reason| match reason {
            Reason::Observed { images, .. } => Some(images),
            _ => None,
        })
        .flatten()
        .collect();
    let mut named: Vec<String> =
        images.iter().take(NAMED_IMAGES).map(|image| markdown::code(&image.to_string())).collect();
    if images.len() > NAMED_IMAGES {
        named.push(format!("and {} more", images.len() - NAMED_IMAGES));
    }
    named.join(", ")
}

fn arguments(conditions: &[Condition]) -> String {
    if conditions.is_empty() {
        return "any".to_owned();
    }
    let each: Vec<String> =
        conditions.iter().map(|condition| markdown::code(&condition_in_words(condition))).collect();
    each.join(" and ")
}

fn condition_in_words(condition: &Condition) -> String {
    let argument = match condition.width {
        Width::Bits32 => format!("(u32) arg{}", condition.index),
        Width::Bits64 => format!("arg{}", condition.index),
    };
    match condition.comparison {
        Comparison::Equal(value) => format!("{argument} = {value:#x}"),
        Comparison::NotEqual(value) => format!("{argument} ≠ {value:#x}"),
        Comparison::Less(value) => format!("{argument} below {value:#x}"),
        Comparison::LessOrEqual(value) => format!("{argument} at most {value:#x}"),
        Comparison::Greater(value) => format!("{argument} above {value:#x}"),
        Comparison::GreaterOrEqual(value) => format!("{argument} at least {value:#x}"),
        Comparison::MaskedEqual { mask, value } => format!("{argument} under mask {mask:#x} = {value:#x}"),
    }
}
