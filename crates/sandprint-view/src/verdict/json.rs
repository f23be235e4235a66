//! A verdict for programs.

use sandprint_model::{Denial, Expected, Next, Pass, Verdict, arguments};
use serde::Serialize;
use serde_json::Value;

use super::number;
use crate::exit::code_and_signal;
use crate::origin::Code;
use crate::rule::conditions;

#[derive(Serialize)]
struct Report<'v> {
    clean: bool,
    command: Vec<String>,
    refused: u64,
    denials: Vec<Row<'v>>,
    outside: Vec<Row<'v>>,
    passes: Vec<PassRow>,
    exit_code: Option<u8>,
    exit_signal: Option<u8>,
    /// A status, or `any`.
    expected_status: Value,
    ended_as_expected: bool,
    caveats: &'v [String],
}

#[derive(Serialize)]
struct Row<'v> {
    abi: &'static str,
    nr: u32,
    name: Option<&'static str>,
    args: [u64; 6],
    call: String,
    action: String,
    count: u64,
    image: String,
    ancestry: Vec<Process>,
    location: Option<Code>,
    no_location: Option<&'v str>,
    next: &'static str,
    ended_after_ms: Option<u64>,
    rule: RuleRow,
}

#[derive(Serialize)]
struct Process {
    pid: u32,
    comm: String,
}

#[derive(Serialize)]
struct RuleRow {
    r#do: String,
    when: Vec<String>,
}

#[derive(Serialize)]
struct PassRow {
    kind: &'static str,
    exit_code: Option<u8>,
    exit_signal: Option<u8>,
    filter_instructions: Option<usize>,
    filter_in_force: Option<bool>,
}

/// Writes it, with a newline at the end.
pub(super) fn of(verdict: &Verdict) -> String {
    let (exit_code, exit_signal) = code_and_signal(verdict.exit());
    let report = Report {
        clean: verdict.is_clean(),
        command: verdict.command.iter().map(ToString::to_string).collect(),
        refused: verdict.refused(),
        denials: verdict.denials.iter().map(row).collect(),
        outside: verdict.outside.iter().map(row).collect(),
        passes: verdict.passes.iter().map(pass).collect(),
        exit_code,
        exit_signal,
        expected_status: match verdict.expected {
            Expected::Status(status) => status.into(),
            Expected::Any => "any".into(),
        },
        ended_as_expected: verdict.unexpected_end().is_none(),
        caveats: &verdict.caveats,
    };
    crate::json(&report)
}

fn row(denial: &Denial) -> Row<'_> {
    let (next, ended_after_ms) = match denial.next {
        Next::WentOn => ("went-on", None),
        Next::Ended(after) => ("ended", Some(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))),
        Next::Killed => ("killed", None),
        Next::Allowed => ("let-go-on", None),
        Next::Logged => ("logged", None),
        Next::Unknown => ("unknown", None),
    };
    Row {
        abi: denial.call.syscall.abi.name(),
        nr: denial.call.syscall.nr,
        name: denial.call.syscall.name(),
        args: denial.call.args,
        call: arguments::render(denial.call.syscall, &denial.call.args),
        action: denial.action.to_string(),
        count: denial.count,
        image: denial.image.escaped(),
        ancestry: denial
            .ancestry
            .iter()
            .map(|process| Process { pid: number(process), comm: process.comm.escaped() })
            .collect(),
        location: denial.location.as_ref().ok().map(Code::of),
        no_location: denial.location.as_ref().err().map(String::as_str),
        next,
        ended_after_ms,
        rule: RuleRow {
            r#do: denial.rule.action.to_string(),
            when: conditions(denial.call.syscall, &denial.rule.conditions),
        },
    }
}

fn pass(pass: &Pass) -> PassRow {
    let (exit_code, exit_signal) = code_and_signal(Some(pass.exit()));
    let (kind, filter_instructions, filter_in_force) = match pass {
        Pass::Explained { let_go_on: false, .. } => ("explained", None, None),
        Pass::Explained { let_go_on: true, .. } => ("explained-all", None, None),
        Pass::Confirmed { instructions, in_force, .. } => ("confirmed", Some(*instructions), Some(*in_force)),
        Pass::Observed { instructions, in_force, .. } => ("observed", Some(*instructions), Some(*in_force)),
    };
    PassRow { kind, exit_code, exit_signal, filter_instructions, filter_in_force }
}
