//! A diff of traces, for programs. Paths and details are in their escaped form.

use std::collections::BTreeMap;

use sandprint_model::errno::{self, Errno};
use sandprint_model::{ByteString, CallDiff, Gap, Image, Syscall};
use serde_json::{Value, json};

use super::Labelled;
use crate::escape::{once, one_line};

/// Writes it.
pub(super) fn of(report: &Labelled<'_>) -> String {
    let Labelled { diff, a, b } = report;
    let programs = diff.programs.iter().map(|(program, calls)| program_json(program, calls));
    let document = json!({
        "a": one_line(a),
        "b": one_line(b),
        "equal": diff.is_empty(),
        "calls": calls_json(&diff.calls),
        "programs": programs.collect::<Vec<_>>(),
        "failures": diff.failures.as_ref().map(|failures| json!({
            "only_in_a": failures_json(&failures.only_in_a),
            "only_in_b": failures_json(&failures.only_in_b),
        })),
        "blocking_gaps_in_a": gaps_json(&diff.blocking_in_a),
        "blocking_gaps_in_b": gaps_json(&diff.blocking_in_b),
    });
    crate::json(&document)
}

fn failures_json(failures: &BTreeMap<(Syscall, Errno), u64>) -> Vec<Value> {
    let row = |((call, error), count): (&(Syscall, Errno), &u64)| {
        json!({
            "abi": call.abi.name(), "nr": call.nr, "name": call.name(),
            "errno": error.0, "error": errno::name(error.0), "count": count,
        })
    };
    failures.iter().map(row).collect()
}

fn calls_json(calls: &CallDiff) -> Value {
    let one_sided = |calls: &BTreeMap<Syscall, u64>| {
        let row = |(call, count): (&Syscall, &u64)| json!({"abi": call.abi.name(), "nr": call.nr, "name": call.name(), "count": count});
        calls.iter().map(row).collect::<Vec<_>>()
    };
    let in_both = calls.in_both.iter().map(|(call, (a, b))| {
        json!({"abi": call.abi.name(), "nr": call.nr, "name": call.name(), "count_a": a, "count_b": b})
    });
    json!({
        "only_in_a": one_sided(&calls.only_in_a),
        "only_in_b": one_sided(&calls.only_in_b),
        "in_both": in_both.collect::<Vec<_>>(),
    })
}

fn program_json(program: &Image, calls: &CallDiff) -> Value {
    let script = program.script.as_ref().map(ByteString::escaped);
    json!({"path": program.path.escaped(), "script": script, "calls": calls_json(calls)})
}

fn gaps_json(gaps: &BTreeMap<Gap, u64>) -> Vec<Value> {
    let row = |(gap, count): (&Gap, &u64)| {
        let detail = gap.detail.as_deref().map(once);
        json!({"kind": gap.kind.name(), "run": gap.run.to_string(), "detail": detail, "count": count})
    };
    gaps.iter().map(row).collect()
}
