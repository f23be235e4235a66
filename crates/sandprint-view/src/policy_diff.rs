//! What two policies say differently, as text, JSON and Markdown.

mod json;

use std::fmt::Write as _;

use sandprint_model::{Action, KernelVersion, Policy, Rule, Syscall, markdown};
use sandprint_policy::compare::{PolicyDiff, Wider};
use serde::Serialize;

use crate::{Report, rule};

/// The difference between policies A and B, and both, whose defaults answer where a call has no rule.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'d> {
    /// The difference.
    pub diff: &'d PolicyDiff,
    /// A.
    pub a: &'d Policy,
    /// B.
    pub b: &'d Policy,
}

/// Something that is different of the policies, and no call.
#[derive(Serialize)]
struct Whole {
    what: &'static str,
    a: String,
    b: String,
}

impl Report for Sides<'_> {
    fn text(&self) -> String {
        let Sides { diff, a, b } = *self;
        if diff.is_empty() && diff.kernel.is_none() {
            return "the two policies mean the same\n".to_owned();
        }
        let mut text = String::new();
        for Whole { what, a, b } in whole(diff) {
            writeln!(text, "{what}: {a} -> {b}").unwrap_or_default();
        }
        for (wider, heading) in HEADINGS {
            let calls: Vec<_> = diff.calls.iter().filter(|(_, found)| found.wider == wider).collect();
            if calls.is_empty() {
                continue;
            }
            writeln!(text, "\n{heading}:").unwrap_or_default();
            for (syscall, found) in calls {
                let (of_a, of_b) = (rules(*syscall, &found.a, a), rules(*syscall, &found.b, b));
                let sure = if found.complete { "" } else { " (not every argument was compared)" };
                writeln!(
                    text,
                    "  {} {syscall}: {} -> {}{sure}",
                    syscall.abi,
                    of_a.join("; "),
                    of_b.join("; ")
                )
                .unwrap_or_default();
            }
        }
        text.trim_start().to_owned()
    }

    fn json(&self) -> String {
        json::of(self)
    }

    fn markdown(&self) -> String {
        let Sides { diff, a, b } = *self;
        if diff.is_empty() && diff.kernel.is_none() {
            return "The two policies mean the same.\n".to_owned();
        }
        let joined = |words: Vec<String>| {
            let words: Vec<String> = words.iter().map(|rule| markdown::prose(rule)).collect();
            words.join("<br>")
        };
        let mut text = String::from("| | before | after |\n| --- | --- | --- |\n");
        for Whole { what, a, b } in whole(diff) {
            writeln!(text, "| {what} | {} | {} |", markdown::prose(&a), markdown::prose(&b))
                .unwrap_or_default();
        }
        for (wider, heading) in HEADINGS {
            for (syscall, found) in diff.calls.iter().filter(|(_, found)| found.wider == wider) {
                let (of_a, of_b) = (rules(*syscall, &found.a, a), rules(*syscall, &found.b, b));
                let call = markdown::code(&syscall.to_string());
                writeln!(
                    text,
                    "| {call} ({}): {heading} | {} | {} |",
                    syscall.abi,
                    joined(of_a),
                    joined(of_b)
                )
                .unwrap_or_default();
            }
        }
        text
    }
}

const HEADINGS: [(Wider, &str); 4] = [
    (Wider::A, "only the first lets run"),
    (Wider::B, "only the second lets run"),
    (Wider::Both, "each lets run what the other refuses"),
    (Wider::Neither, "answered in another way"),
];

fn whole(diff: &PolicyDiff) -> Vec<Whole> {
    let mut rows = Vec::new();
    if let Some((a, b)) = diff.default_action {
        rows.push(Whole { what: "calls without a rule", a: a.to_string(), b: b.to_string() });
    }
    if let Some((a, b)) = diff.foreign_action {
        rows.push(Whole { what: "calls of ABIs without rules", a: a.to_string(), b: b.to_string() });
    }
    if let Some((a, b)) = diff.kernel {
        let words = |kernel: Option<KernelVersion>| {
            kernel.map_or_else(|| "any".to_owned(), |kernel| kernel.to_string())
        };
        rows.push(Whole { what: "oldest kernel", a: words(a), b: words(b) });
    }
    for (abis, in_a) in [(&diff.abis_only_a, true), (&diff.abis_only_b, false)] {
        for abi in abis {
            let words = |has: bool| format!("{} rules for {abi}", if has { "has" } else { "no" });
            rows.push(Whole { what: "ABI", a: words(in_a), b: words(!in_a) });
        }
    }
    rows
}

/// A call's rules in words; its default's where there are none.
fn rules(syscall: Syscall, rules: &[Rule], policy: &Policy) -> Vec<String> {
    if rules.is_empty() {
        let by_default: Action = if policy.calls.has_rules_for(syscall.abi) {
            policy.calls.default_action
        } else {
            policy.calls.foreign_action
        };
        return vec![format!("{by_default} (no rule)")];
    }
    rules.iter().map(|rule| rule::in_words(syscall, rule)).collect()
}

#[cfg(test)]
mod tests;
