//! `policy diff`: what two policies say differently.

use std::fmt::Write as _;
use std::path::PathBuf;

use sandprint_model::wire::condition_in_words;
use sandprint_model::{Action, Rule, Syscall, json_pretty};
use sandprint_policy::compare::{CallDiff, PolicyDiff, Wider};
use serde::Serialize;

use crate::commands::differences::{AnswerArgs, Form};
use crate::exit::{self, ExitStatus};
use crate::policy_source::PolicySource;
use crate::trace_file;
use crate::usage::long_help;

/// Compare what two policies mean
///
/// Compares meanings, not texts: rules that decide alike are no difference, nor are reasons and comments. For each
/// call that is decided differently, it says which policy allows more.
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help(EXAMPLES, exit::HELP_DIFF))]
pub(crate) struct DiffArgs {
    /// The first policy; `-` is standard input
    a: PathBuf,

    /// The second policy
    b: PathBuf,

    #[command(flatten)]
    answer: AnswerArgs,
}

const EXAMPLES: &str = "
  sandprint policy diff main.policy.toml branch.policy.toml
  sandprint policy diff -f markdown main.toml branch.toml > comment.md
  sandprint policy diff --exit-code reviewed.toml generated.toml";

#[derive(Serialize)]
struct Row {
    abi: &'static str,
    nr: u32,
    name: Option<&'static str>,
    wider: &'static str,
    a: Vec<String>,
    b: Vec<String>,
    example: Example,
    complete: bool,
}

#[derive(Serialize)]
struct Example {
    args: [u64; 6],
    a: String,
    b: String,
}

#[derive(Serialize)]
struct Whole {
    what: &'static str,
    a: String,
    b: String,
}

#[derive(Serialize)]
struct Json {
    same: bool,
    whole: Vec<Whole>,
    calls: Vec<Row>,
}

/// Prints it.
pub(crate) fn run(args: &DiffArgs) -> anyhow::Result<ExitStatus> {
    trace_file::stdin_once([&args.a, &args.b])?;
    let (a, b) = (PolicySource::read(&args.a)?, PolicySource::read(&args.b)?);
    let diff = PolicyDiff::between(a.policy(), b.policy());
    let text = match args.answer.format {
        Form::Text => to_text(&diff, &a, &b),
        Form::Json => {
            let calls = diff.calls.iter().map(|(syscall, found)| row(*syscall, found, &a, &b)).collect();
            json_pretty(&Json { same: diff.is_empty(), whole: whole(&diff), calls })? + "\n"
        }
        Form::Markdown => to_markdown(&diff, &a, &b),
    };
    args.answer.answer(&text, !diff.is_empty())
}

fn whole(diff: &PolicyDiff) -> Vec<Whole> {
    let mut rows = Vec::new();
    if let Some((a, b)) = diff.default_action {
        rows.push(Whole { what: "calls without a rule", a: a.to_string(), b: b.to_string() });
    }
    if let Some((a, b)) = diff.foreign_action {
        rows.push(Whole { what: "calls of ABIs without rules", a: a.to_string(), b: b.to_string() });
    }
    if let Some((a, b)) = diff.kernel {
        let words = |kernel: Option<sandprint_model::KernelVersion>| {
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
fn rules(syscall: Syscall, rules: &[Rule], source: &PolicySource) -> Vec<String> {
    if rules.is_empty() {
        let policy = source.policy();
        let by_default: Action = if policy.calls.has_rules_for(syscall.abi) {
            policy.calls.default_action
        } else {
            policy.calls.foreign_action
        };
        return vec![format!("{by_default} (no rule)")];
    }
    let words = rules.iter().map(|rule| {
        let conditions: Vec<String> =
            rule.conditions.iter().map(|condition| condition_in_words(syscall, condition)).collect();
        if conditions.is_empty() {
            rule.action.to_string()
        } else {
            format!("{} when {}", rule.action, conditions.join(" and "))
        }
    });
    words.collect()
}

fn row(syscall: Syscall, found: &CallDiff, a: &PolicySource, b: &PolicySource) -> Row {
    let (call, by_a, by_b) = &found.example;
    Row {
        abi: syscall.abi.name(),
        nr: syscall.nr,
        name: syscall.name(),
        wider: match found.wider {
            Wider::A => "a",
            Wider::B => "b",
            Wider::Both => "both",
            Wider::Neither => "neither",
        },
        a: rules(syscall, &found.a, a),
        b: rules(syscall, &found.b, b),
        example: Example { args: call.args, a: by_a.to_string(), b: by_b.to_string() },
        complete: found.complete,
    }
}

const HEADINGS: [(Wider, &str); 4] = [
    (Wider::A, "only the first lets run"),
    (Wider::B, "only the second lets run"),
    (Wider::Both, "each lets run what the other refuses"),
    (Wider::Neither, "answered in another way"),
];

fn to_text(diff: &PolicyDiff, a: &PolicySource, b: &PolicySource) -> String {
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
            writeln!(text, "  {} {syscall}: {} -> {}{sure}", syscall.abi, of_a.join("; "), of_b.join("; "))
                .unwrap_or_default();
        }
    }
    text.trim_start().to_owned()
}

fn to_markdown(diff: &PolicyDiff, a: &PolicySource, b: &PolicySource) -> String {
    if diff.is_empty() && diff.kernel.is_none() {
        return "The two policies mean the same.\n".to_owned();
    }
    // Only words of ours, names of calls and numbers: nothing that would need escaping but the bar.
    let cell = |words: Vec<String>| words.join("<br>").replace('|', "\\|");
    let mut text = String::from("| | before | after |\n| --- | --- | --- |\n");
    for Whole { what, a, b } in whole(diff) {
        writeln!(text, "| {what} | {a} | {b} |").unwrap_or_default();
    }
    for (wider, heading) in HEADINGS {
        for (syscall, found) in diff.calls.iter().filter(|(_, found)| found.wider == wider) {
            let (of_a, of_b) = (rules(*syscall, &found.a, a), rules(*syscall, &found.b, b));
            writeln!(text, "| `{syscall}` ({}): {heading} | {} | {} |", syscall.abi, cell(of_a), cell(of_b))
                .unwrap_or_default();
        }
    }
    text
}
