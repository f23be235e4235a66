//! A verdict, for people, programs, pull requests and code-scanning pages.

mod json;
mod markdown;
mod sarif;
mod text;

use sandprint_model::wire::condition_in_words;
use sandprint_model::{Exit, arguments};
use sandprint_record::refused::Ancestor;

use crate::denial::Denial;
use crate::verdict::{Expected, Pass, Verdict};

pub use json::to_json;
pub use markdown::to_markdown;
pub use sarif::to_sarif;
pub use text::{denial_to_text, to_text};

/// How many kinds of calls a report for people has: a workload can make as many as it likes.
const TOLD: usize = 50;

/// A refused call as strace would show its registers.
fn call_in_words(denial: &Denial) -> String {
    let native = denial.call.syscall.abi.arch().native_abi();
    let call = arguments::render(denial.call.syscall, &denial.call.args);
    if denial.call.syscall.abi == native { call } else { format!("{}: {call}", denial.call.syscall.abi) }
}

/// The conditions of the smallest rule; none where the call is allowed whole.
fn conditions(denial: &Denial) -> Vec<String> {
    let each = denial.rule.conditions.iter();
    each.map(|condition| condition_in_words(denial.call.syscall, condition)).collect()
}

/// The smallest rule as a policy file has it, on one line.
pub fn rule_in_words(denial: &Denial) -> String {
    let conditions = conditions(denial);
    if conditions.is_empty() {
        format!("allow {}", denial.call.syscall)
    } else {
        format!("allow {} when {}", denial.call.syscall, conditions.join(" and "))
    }
}

/// The tree down to the process that made the call.
fn ancestry_in_words(denial: &Denial) -> String {
    let each = denial.ancestry.iter().map(|process| format!("{}[{}]", process.comm, number(process)));
    each.collect::<Vec<_>>().join(" > ")
}

/// The number that we see, else the host's.
fn number(process: &Ancestor) -> u32 {
    process.tgid.or(process.host_tgid).unwrap_or_default()
}

fn location_in_words(denial: &Denial) -> String {
    match &denial.location {
        Ok(location) => location.to_string(),
        Err(why) => format!("unknown: {why}"),
    }
}

fn exit_in_words(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("ended with status {code}"),
        Exit::Signal(signal) => format!("was ended by signal {signal}"),
    }
}

fn pass_in_words(pass: &Pass) -> String {
    match pass {
        Pass::Explained { exit, let_go_on: false } => {
            format!(
                "with refused calls reported and then answered as the policy says, it {}",
                exit_in_words(*exit)
            )
        }
        Pass::Explained { exit, let_go_on: true } => {
            format!("with refused calls recorded and let go on, it {}", exit_in_words(*exit))
        }
        Pass::Confirmed { exit, instructions, in_force } => format!(
            "under the filter itself ({}), it {}",
            filter_in_words(*instructions, *in_force),
            exit_in_words(*exit)
        ),
        Pass::Observed { exit, instructions, in_force } => format!(
            "under the filter itself ({}), with refused calls seen in the kernel, it {}",
            filter_in_words(*instructions, *in_force),
            exit_in_words(*exit)
        ),
    }
}

fn filter_in_words(instructions: usize, in_force: bool) -> String {
    let force =
        if in_force { "in force" } else { "not seen in force: it had ended before that could be looked up" };
    format!("{instructions} instructions, {force}")
}

/// What the whole means, in one sentence that ends with how the command ended.
fn summary(verdict: &Verdict) -> String {
    let outside = match (verdict.ran_outside(), verdict.outside.len()) {
        (0, _) => String::new(),
        (calls, kinds) => format!("; outside of the policy ran {}", calls_of_kinds(calls, kinds)),
    };
    let end = match (verdict.unexpected_end(), verdict.expected, verdict.exit()) {
        (Some(unexpected), Expected::Status(status), _) => {
            format!(
                "; the command {}, and {status} was expected (--expect-status)",
                exit_in_words(unexpected)
            )
        }
        (_, _, Some(exit)) => format!("; the command {}", exit_in_words(exit)),
        (_, _, None) => String::new(),
    };
    format!("{}{outside}{end}", found(verdict))
}

fn calls_of_kinds(calls: u64, kinds: usize) -> String {
    let (s, t) = (if calls == 1 { "" } else { "s" }, if kinds == 1 { "" } else { "s" });
    format!("{calls} call{s}, of {kinds} kind{t}")
}

/// What was refused, in one clause.
fn found(verdict: &Verdict) -> String {
    let kinds = verdict.denials.len();
    if kinds > 0 {
        return format!("Refused {}", calls_of_kinds(verdict.refused(), kinds));
    }
    if verdict.ended_by_filter() {
        return "Nothing was reported as refused, but under the filter itself the workload was ended by SIGSYS"
            .to_owned();
    }
    if verdict.ends_differ() {
        return "Nothing was reported as refused, but the workload ended differently under the filter itself"
            .to_owned();
    }
    "Nothing was refused".to_owned()
}
