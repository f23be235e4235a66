//! What two policies say differently, for programs.

use sandprint_model::{Policy, Syscall};
use sandprint_policy::compare::{CallDiff, Wider};
use serde::Serialize;

use super::{Sides, Whole, rules, whole};

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
struct Rows {
    same: bool,
    whole: Vec<Whole>,
    calls: Vec<Row>,
}

/// Writes it.
pub(super) fn of(sides: &Sides<'_>) -> String {
    let Sides { diff, a, b } = *sides;
    let calls = diff.calls.iter().map(|(syscall, found)| row(*syscall, found, a, b)).collect();
    crate::json(&Rows { same: diff.is_empty(), whole: whole(diff), calls })
}

fn row(syscall: Syscall, found: &CallDiff, a: &Policy, b: &Policy) -> Row {
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
