//! The same facts as in the table, for programs.
//!
//! This is no trace: that has its own form, which the model's wire module alone knows.

use std::collections::BTreeMap;

use sandprint_model::{ByteString, Run, RunId, Syscall, Trace};
use serde::Serialize;

use super::{arguments, calls, failures, gaps};
use crate::exit::code_and_signal;

#[derive(Serialize)]
struct Show<'a> {
    events: u64,
    unique: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<Vec<Call>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<Vec<ImageCalls>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<RefusedCall>,
    runs: Vec<RunFacts<'a>>,
    gaps: Vec<GapFacts<'a>>,
}

/// A call, as `show --format tsv` has it; `name` is null where there is none.
#[derive(Serialize)]
pub(super) struct Call {
    abi: &'static str,
    nr: u32,
    name: Option<&'static str>,
    count: u64,
    /// Where some run recorded them, and the call has any that select what it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<arguments::CallFacts>,
    /// With which errors it failed, where that was recorded and it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<failures::ErrorFacts>>,
}

/// A call that a filter answered with errors in its place.
#[derive(Serialize)]
struct RefusedCall {
    abi: &'static str,
    nr: u32,
    name: Option<&'static str>,
    errors: Vec<failures::ErrorFacts>,
}

#[derive(Serialize)]
struct ImageCalls {
    image: String,
    calls: Vec<Call>,
}

#[derive(Serialize)]
struct RunFacts<'a> {
    id: String,
    name: Option<&'a str>,
    command: Vec<String>,
    target: Option<&'a str>,
    started_unix_ms: Option<u64>,
    duration_ms: Option<u64>,
    exit_code: Option<u8>,
    exit_signal: Option<u8>,
    recorder: &'static str,
    kernel: Option<&'a str>,
    arch: Option<&'static str>,
    /// What was recorded beside the calls.
    facts: Vec<&'static str>,
}

#[derive(Serialize)]
struct GapFacts<'a> {
    kind: &'static str,
    blocking: bool,
    explanation: &'static str,
    detail: Option<&'a str>,
    count: u64,
    runs: Vec<String>,
}

/// What a trace holds. Bytes that are no text are escaped.
pub fn json(trace: &Trace, by_image: bool) -> String {
    let totals = trace.totals();
    let images = || {
        calls::totals_by_image(trace)
            .into_iter()
            .map(|(image, totals)| {
                let calls = call_list(trace, &totals, Some(&image));
                ImageCalls { image, calls }
            })
            .collect()
    };
    crate::json(&Show {
        events: totals.values().fold(0, |sum, count| sum.saturating_add(*count)),
        unique: totals.len(),
        images: by_image.then(images),
        calls: (!by_image).then(|| call_list(trace, &totals, None)),
        refused: refused_list(trace),
        runs: trace.runs.iter().map(|(id, run)| run_facts(*id, run)).collect(),
        gaps: gaps::groups(trace).iter().map(gap_facts).collect(),
    })
}

fn call_list(trace: &Trace, totals: &BTreeMap<Syscall, u64>, image: Option<&str>) -> Vec<Call> {
    let mut arguments = arguments::facts(trace, image);
    let mut errors = failures::facts(trace, image);
    totals
        .iter()
        .map(|(syscall, count)| Call {
            abi: syscall.abi.name(),
            nr: syscall.nr,
            name: syscall.name(),
            count: *count,
            arguments: arguments.remove(syscall),
            errors: errors.remove(syscall),
        })
        .collect()
}

fn refused_list(trace: &Trace) -> Vec<RefusedCall> {
    let refused = failures::by_call(trace.refusals()).into_iter();
    let row = |(call, errors): (Syscall, _)| RefusedCall {
        abi: call.abi.name(),
        nr: call.nr,
        name: call.name(),
        errors,
    };
    refused.map(row).collect()
}

fn run_facts(id: RunId, run: &Run) -> RunFacts<'_> {
    let (exit_code, exit_signal) = code_and_signal(run.exit);
    RunFacts {
        id: id.to_string(),
        name: run.name.as_deref(),
        command: run.command.iter().map(ByteString::escaped).collect(),
        target: run.target.as_deref(),
        started_unix_ms: run.started_unix_ms,
        duration_ms: run.duration_ms,
        exit_code,
        exit_signal,
        recorder: run.recorder.name(),
        kernel: run.host.as_ref().map(|host| &*host.kernel),
        arch: run.host.as_ref().map(|host| host.arch.name()),
        facts: run.facts.iter().map(|kind| kind.name()).collect(),
    }
}

fn gap_facts<'a>(group: &gaps::Group<'a>) -> GapFacts<'a> {
    GapFacts {
        kind: group.kind.name(),
        blocking: group.kind.is_blocking(),
        explanation: group.kind.meaning(),
        detail: group.detail,
        count: group.count,
        runs: group.runs.iter().map(RunId::to_string).collect(),
    }
}
