//! What a policy says of one call and which rule says it, as text and as JSON.

use std::fmt::Write as _;

use sandprint_model::{Action, Call, Policy, Reason, Rule};
use serde::Serialize;

use crate::escape::one_line;
use crate::rule::conditions;

/// A call that a policy is asked about.
#[derive(Debug, Clone)]
pub struct Answer<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// Its name, for messages.
    pub name: &'a str,
    /// The call as somebody wrote it.
    pub asked: &'a str,
    /// The call.
    pub call: &'a Call,
    /// Where in its file the rule stands that decides; none where no rule does.
    pub at: Option<String>,
}

#[derive(Serialize)]
struct Row<'a> {
    call: &'a str,
    abi: &'static str,
    nr: u32,
    args: [u64; 6],
    action: String,
    runs: bool,
    decided_by: DecidedBy,
    at: Option<&'a str>,
    conditions: Vec<String>,
    reasons: Vec<String>,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum DecidedBy {
    Rule,
    Default,
    Foreign,
}

/// For people.
pub fn text(answers: &[Answer<'_>]) -> String {
    answers.iter().map(in_words).collect()
}

/// For programs.
pub fn json(answers: &[Answer<'_>]) -> String {
    crate::json(&answers.iter().map(row).collect::<Vec<_>>())
}

impl Answer<'_> {
    /// What happens to the call.
    pub fn action(&self) -> Action {
        self.policy.calls.decide(self.call)
    }

    fn rule(&self) -> Option<&Rule> {
        self.policy.calls.deciding_rule(self.call).map(|(_, rule)| rule)
    }

    fn decided_by(&self) -> DecidedBy {
        match self.rule() {
            Some(_) => DecidedBy::Rule,
            None if self.policy.calls.has_rules_for(self.call.syscall.abi) => DecidedBy::Default,
            None => DecidedBy::Foreign,
        }
    }

    fn conditions(&self) -> Vec<String> {
        self.rule().map(|rule| conditions(self.call.syscall, &rule.conditions)).unwrap_or_default()
    }

    fn reasons(&self) -> Vec<String> {
        self.rule().map(|rule| rule.reasons.iter().map(Reason::to_string).collect()).unwrap_or_default()
    }
}

fn row<'a>(answer: &'a Answer<'_>) -> Row<'a> {
    Row {
        call: answer.asked,
        abi: answer.call.syscall.abi.name(),
        nr: answer.call.syscall.nr,
        args: answer.call.args,
        action: answer.action().to_string(),
        runs: answer.action().lets_run(),
        decided_by: answer.decided_by(),
        at: answer.at.as_deref(),
        conditions: answer.conditions(),
        reasons: answer.reasons(),
    }
}

fn in_words(answer: &Answer<'_>) -> String {
    let mut text = format!("{}: {}\n", answer.asked, answer.action());
    let by = match (answer.decided_by(), &answer.at) {
        (DecidedBy::Rule, Some(at)) => format!("the rule at {at}"),
        (DecidedBy::Rule | DecidedBy::Default, _) => {
            format!("the default of {}: no rule matches it", answer.name)
        }
        (DecidedBy::Foreign, _) => {
            format!("`foreign` of {}: {} has no rules", answer.name, answer.call.syscall.abi)
        }
    };
    writeln!(text, "  by {by}").unwrap_or_default();
    let conditions = answer.conditions();
    if !conditions.is_empty() {
        writeln!(text, "  when {}", conditions.join(" and ")).unwrap_or_default();
    }
    for reason in answer.reasons() {
        writeln!(text, "  {}", one_line(&reason)).unwrap_or_default();
    }
    text
}
