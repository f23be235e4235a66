//! What a trial of a policy showed, for people, programs, pull requests and code-scanning pages.

mod json;
mod markdown;
mod sarif;
mod text;

use sandprint_model::{Ancestor, Expected, Next, Pass, Verdict};

use crate::count::counted;
use crate::{Report, exit};

pub use sarif::sarif;
pub use text::denial;

/// How many kinds of calls a report for people has: a workload can make as many as it likes.
const TOLD: usize = 50;

impl Report for Verdict {
    fn text(&self) -> String {
        text::of(self)
    }

    fn json(&self) -> String {
        json::of(self)
    }

    fn markdown(&self) -> String {
        markdown::of(self)
    }
}

/// The number that we see, else the host's.
fn number(process: &Ancestor) -> u32 {
    process.tgid.or(process.host_tgid).unwrap_or_default()
}

fn next_in_words(next: Next) -> String {
    match next {
        Next::WentOn => "the process went on".to_owned(),
        Next::Ended(after) if after.as_millis() == 0 => "the process ended within a millisecond".to_owned(),
        Next::Ended(after) => format!("the process ended {} ms later", after.as_millis()),
        Next::Killed => "the process was killed for it".to_owned(),
        Next::Allowed => "it was let go on, to see what comes next".to_owned(),
        Next::Logged => "it ran, and was logged".to_owned(),
        Next::Unknown => "what came of it is not known".to_owned(),
    }
}

fn pass_in_words(pass: &Pass) -> String {
    match pass {
        Pass::Explained { exit, let_go_on: false } => {
            format!(
                "with refused calls reported and then answered as the policy says, it {}",
                exit::in_words(*exit)
            )
        }
        Pass::Explained { exit, let_go_on: true } => {
            format!("with refused calls recorded and let go on, it {}", exit::in_words(*exit))
        }
        Pass::Confirmed { exit, instructions, in_force } => format!(
            "under the filter itself ({}), it {}",
            filter_in_words(*instructions, *in_force),
            exit::in_words(*exit)
        ),
        Pass::Observed { exit, instructions, in_force } => format!(
            "under the filter itself ({}), with refused calls seen in the kernel, it {}",
            filter_in_words(*instructions, *in_force),
            exit::in_words(*exit)
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
                exit::in_words(unexpected)
            )
        }
        (_, _, Some(exit)) => format!("; the command {}", exit::in_words(exit)),
        (_, _, None) => String::new(),
    };
    format!("{}{outside}{end}", found(verdict))
}

fn calls_of_kinds(calls: u64, kinds: usize) -> String {
    format!("{}, of {}", counted(calls, "call"), counted(kinds, "kind"))
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

#[cfg(test)]
mod tests;
