//! An explanation for programs.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::wire::condition_in_words;
use sandprint_policy::explain::{AbiPart, Explained, Explanation, Observed};
use serde::Serialize;

use super::words::{argument_name, condition_with_names, finding_in_words};

#[derive(Serialize)]
struct ConditionRow {
    index: u8,
    argument: Option<&'static str>,
    condition: String,
    words: String,
}

#[derive(Serialize)]
struct RuleRow<'e> {
    action: String,
    conditions: Vec<ConditionRow>,
    reasons: &'e [String],
}

#[derive(Serialize)]
struct CallRow<'e> {
    nr: u32,
    name: Option<&'static str>,
    rules: Vec<RuleRow<'e>>,
    otherwise: Option<String>,
}

#[derive(Serialize)]
struct ObservedRow<'e> {
    #[serde(flatten)]
    call: CallRow<'e>,
    count: u64,
    programs: &'e BTreeSet<String>,
}

#[derive(Serialize)]
struct Group<'e> {
    purpose: &'static str,
    summary: &'static str,
    calls: Vec<CallRow<'e>>,
}

#[derive(Serialize)]
struct Part<'e> {
    abi: &'static str,
    allowed: usize,
    observed: usize,
    observed_allowed: usize,
    observed_refused: Vec<ObservedRow<'e>>,
    observed_conditional: Vec<ObservedRow<'e>>,
    allowed_unobserved: Vec<Group<'e>>,
}

#[derive(Serialize)]
struct FindingRow<'e> {
    abi: &'static str,
    nr: u32,
    name: Option<&'static str>,
    index: u8,
    argument: &'static str,
    compared: Vec<String>,
    named: &'e BTreeMap<&'static str, u64>,
    wrote: &'e str,
    text: String,
}

#[derive(Serialize)]
struct Rows<'e> {
    default: String,
    foreign: String,
    runs: Option<usize>,
    gaps: Vec<&'static str>,
    findings: Vec<FindingRow<'e>>,
    abis: Vec<Part<'e>>,
}

/// Writes it: every ABI.
pub(super) fn of(explanation: &Explanation) -> String {
    let findings = explanation.findings.iter().map(|finding| FindingRow {
        abi: finding.syscall.abi.name(),
        nr: finding.syscall.nr,
        name: finding.syscall.name(),
        index: finding.index,
        argument: finding.argument,
        compared: finding
            .compared
            .iter()
            .map(|condition| condition_with_names(finding.syscall, condition))
            .collect(),
        named: &finding.named,
        wrote: &finding.wrote,
        text: finding_in_words(finding),
    });
    crate::json(&Rows {
        default: explanation.default_action.to_string(),
        foreign: explanation.foreign_action.to_string(),
        runs: explanation.runs,
        gaps: explanation.gaps.iter().map(|kind| kind.meaning()).collect(),
        findings: findings.collect(),
        abis: explanation.abis.iter().map(part).collect(),
    })
}

fn part(part: &AbiPart) -> Part<'_> {
    Part {
        abi: part.abi.name(),
        allowed: part.allowed,
        observed: part.observed,
        observed_allowed: part.observed_allowed,
        observed_refused: part.refused.iter().map(observed).collect(),
        observed_conditional: part.depends.iter().map(observed).collect(),
        allowed_unobserved: part
            .unobserved
            .iter()
            .map(|(purpose, calls)| Group {
                purpose: purpose.name(),
                summary: purpose.summary(),
                calls: calls.iter().map(call).collect(),
            })
            .collect(),
    }
}

fn observed(observed: &Observed) -> ObservedRow<'_> {
    ObservedRow { call: call(&observed.call), count: observed.count, programs: &observed.programs }
}

fn call(call: &Explained) -> CallRow<'_> {
    let rules = call.answers.iter().map(|answer| RuleRow {
        action: answer.action.to_string(),
        conditions: answer
            .conditions
            .iter()
            .map(|condition| ConditionRow {
                index: condition.index,
                argument: argument_name(call.syscall, condition),
                condition: condition_in_words(call.syscall, condition),
                words: condition_with_names(call.syscall, condition),
            })
            .collect(),
        reasons: &answer.reasons,
    });
    CallRow {
        nr: call.syscall.nr,
        name: call.syscall.name(),
        rules: rules.collect(),
        otherwise: call.otherwise.map(|action| action.to_string()),
    }
}
