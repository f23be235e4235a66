//! What each recording adds, as text and as JSON.

use std::collections::BTreeSet;

use sandprint_model::{Cover, Coverage, InputCoverage, RunCoverage, Syscall};
use serde_json::{Value, json};

use crate::call;
use crate::count::counted;
use crate::escape::one_line;
use crate::table::Table;

/// For people at a terminal.
pub fn text(coverage: &Coverage) -> String {
    let mut out = vec![format!(
        "{} in {} of {}\n\n",
        counted(coverage.calls.len(), "call"),
        counted(coverage.runs.len(), "run"),
        counted(coverage.inputs.len(), "input")
    )];
    let headings = &[("INPUT", false), ("RUNS", true), ("CALLS", true), ("ONLY HERE", true), ("", false)];
    let rows = coverage.inputs.iter().map(input_cells).collect();
    out.push(Table { headings, rows }.text(""));
    out.push("\n".to_owned());
    let headings = &[("RUN", false), ("INPUTS", false), ("CALLS", true), ("ONLY HERE", true), ("", false)];
    let rows = coverage.runs.iter().map(run_cells).collect();
    out.push(Table { headings, rows }.text(""));
    let inputs = coverage.inputs.iter().map(|input| one_line(&input.label)).collect::<Vec<_>>();
    let runs = coverage.runs.iter().map(title).collect::<Vec<_>>();
    for (noun, names, few) in [("input", inputs, &coverage.few_inputs), ("run", runs, &coverage.few_runs)] {
        let size = if few.proven { "A smallest set" } else { "A small set (not proven to be the smallest)" };
        let count = counted(few.chosen.len(), noun);
        out.push(format!("\n{size} of {noun}s that covers all: {count} of {}\n", names.len()));
        for name in few.chosen.iter().filter_map(|at| names.get(*at)) {
            out.push(format!("  {name}\n"));
        }
    }
    out.concat()
}

/// For programs. Labels and names are in their escaped form.
pub fn json(coverage: &Coverage) -> String {
    let run = |run: &RunCoverage| {
        json!({
            "id": run.id.to_string(),
            "name": run.name.as_deref().map(one_line),
            "inputs": run.inputs.iter().map(|label| one_line(label)).collect::<Vec<_>>(),
            "calls": run.calls,
            "only": calls_json(&run.only),
        })
    };
    let input = |input: &InputCoverage| {
        json!({
            "label": one_line(&input.label),
            "runs": input.runs,
            "calls": input.calls,
            "only": calls_json(&input.only),
        })
    };
    let cover = |cover: &Cover| json!({"chosen": cover.chosen, "proven_smallest": cover.proven});
    let document = json!({
        "calls": calls_json(&coverage.calls),
        "inputs": coverage.inputs.iter().map(input).collect::<Vec<_>>(),
        "runs": coverage.runs.iter().map(run).collect::<Vec<_>>(),
        "few_inputs": cover(&coverage.few_inputs),
        "few_runs": cover(&coverage.few_runs),
    });
    crate::json(&document)
}
fn calls_json(calls: &BTreeSet<Syscall>) -> Vec<Value> {
    calls.iter().map(|syscall| call::json(*syscall)).collect()
}

fn input_cells(input: &InputCoverage) -> Vec<String> {
    vec![
        one_line(&input.label),
        input.runs.to_string(),
        input.calls.to_string(),
        input.only.len().to_string(),
        calls_text(&input.only),
    ]
}

fn run_cells(run: &RunCoverage) -> Vec<String> {
    let inputs = run.inputs.iter().map(|label| one_line(label)).collect::<Vec<_>>().join(" ");
    vec![title(run), inputs, run.calls.to_string(), run.only.len().to_string(), calls_text(&run.only)]
}

/// The run's name, and the beginning of its id.
fn title(run: &RunCoverage) -> String {
    let id: String = run.id.to_string().chars().take(8).collect();
    match &run.name {
        Some(name) => format!("{} ({id})", one_line(name)),
        None => id,
    }
}

/// The names of the calls, with the ABI where they are of several.
fn calls_text(calls: &BTreeSet<Syscall>) -> String {
    let abis: BTreeSet<_> = calls.iter().map(|call| call.abi).collect();
    let name =
        |call: &Syscall| if abis.len() > 1 { format!("{}:{call}", call.abi) } else { call.to_string() };
    if calls.is_empty() {
        "nothing new".to_owned()
    } else {
        calls.iter().map(name).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandprint_model::{Abi, CallSeen, RunId, Subject, Trace};

    fn coverage() -> Coverage {
        let input = |label: &str, id: u128, calls: &[(Abi, &str)]| {
            let mut trace = Trace::default();
            for (abi, name) in calls {
                let syscall = Syscall::from_name(*abi, name).unwrap();
                let run = RunId::from_bits(id << 96);
                trace.calls.join(Subject::default(), syscall, run, CallSeen::times(1));
            }
            (label.to_owned(), trace)
        };
        Coverage::of(&[
            input("a\u{1b}", 0xa, &[(Abi::X86_64, "read"), (Abi::X86_64, "write"), (Abi::I386, "read")]),
            input("b", 0xb, &[(Abi::X86_64, "read")]),
            input("c", 0xc, &[(Abi::X86_64, "read"), (Abi::X86_64, "poll")]),
        ])
    }

    #[test]
    fn as_text() {
        assert_eq!(
            text(&coverage()),
            "\
4 calls in 3 runs of 3 inputs

INPUT  RUNS  CALLS  ONLY HERE
a\\x1b     1      3          2  i386:read x86_64:write
b         1      1          0  nothing new
c         1      2          1  poll

RUN       INPUTS  CALLS  ONLY HERE
0000000a  a\\x1b       3          2  i386:read x86_64:write
0000000b  b           1          0  nothing new
0000000c  c           2          1  poll

A smallest set of inputs that covers all: 2 inputs of 3
  a\\x1b
  c

A smallest set of runs that covers all: 2 runs of 3
  0000000a
  0000000c
"
        );
    }

    #[test]
    fn as_json() {
        let call = |abi: &str, nr: u32, name: &str| json!({"abi": abi, "nr": nr, "name": name});
        let only = json!([call("i386", 3, "read"), call("x86_64", 1, "write")]);
        let document: Value = serde_json::from_str(&json(&coverage())).unwrap();
        assert_eq!(document["inputs"][0], json!({"label": "a\\x1b", "runs": 1, "calls": 3, "only": only}));
        assert_eq!(document["runs"][1]["only"], json!([]));
        assert_eq!(document["few_inputs"], json!({"chosen": [0, 2], "proven_smallest": true}));
        assert_eq!(document["calls"].as_array().map(Vec::len), Some(4));
    }
}
