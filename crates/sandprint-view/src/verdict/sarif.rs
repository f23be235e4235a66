//! A verdict for code-scanning pages: SARIF 2.1.0 (OASIS), as they load it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sandprint_model::{Denial, Verdict};
use sandprint_policy::enforce;
use serde_json::{Value, json};

use super::{next_in_words, summary};
use crate::call;
use crate::origin::location_in_words;
use crate::rule::of_denial;

/// Writes it, with a newline at the end.
///
/// Each refused system call is a rule, each denial a result. A result needs a place in a file: it is the program, or
/// `policy`, the path of the policy as it was given, which is what a reviewer would change.
pub fn sarif(verdict: &Verdict, policy: &str, version: &str) -> String {
    let all = || verdict.denials.iter().chain(&verdict.outside);
    let mut rules: BTreeMap<String, Value> = BTreeMap::new();
    for denial in all() {
        rules.entry(rule_id(denial)).or_insert_with(|| rule(denial));
    }
    if verdict.unexpected_end().is_some() {
        rules.insert(UNEXPECTED_END.to_owned(), rule_of_ends());
    }
    let index: Vec<&String> = rules.keys().collect();
    let at = |id: &str| index.iter().position(|known| *known == id);
    let mut results: Vec<Value> = all()
        .map(|denial| {
            let id = rule_id(denial);
            json!({
                "ruleId": id,
                "ruleIndex": at(&id),
                "level": level(denial),
                "message": {"text": message(denial)},
                "locations": [{
                    "physicalLocation": {"artifactLocation": {"uri": uri(policy)}, "region": {"startLine": 1}},
                    "logicalLocations": [{"name": denial.image.escaped(), "kind": "module"}],
                }],
                "partialFingerprints": {"denial/v1": fingerprint(denial)},
                "properties": {"count": denial.count, "rule": of_denial(denial)},
            })
        })
        .collect();
    if verdict.unexpected_end().is_some() {
        results.push(json!({
            "ruleId": UNEXPECTED_END,
            "ruleIndex": at(UNEXPECTED_END),
            "level": "error",
            "message": {"text": format!("{}.", summary(verdict))},
            "locations": [{
                "physicalLocation": {"artifactLocation": {"uri": uri(policy)}, "region": {"startLine": 1}},
            }],
            "partialFingerprints": {"denial/v1": UNEXPECTED_END},
        }));
    }
    let log = json!({
        "version": "2.1.0",
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "runs": [{
            "tool": {"driver": {"name": "sandprint", "version": version, "rules": rules.values().collect::<Vec<_>>()}},
            "invocations": [{"executionSuccessful": true}],
            "properties": {"summary": summary(verdict)},
            "results": results,
        }],
    });
    crate::json(&log)
}

/// The rule for a workload that did not end as it should.
const UNEXPECTED_END: &str = "unexpected-end";

fn rule_id(denial: &Denial) -> String {
    let what = if enforce::runs(denial.action) { "outside" } else { "refused" };
    format!("{what}/{}/{}", denial.call.syscall.abi, denial.call.syscall)
}

fn level(denial: &Denial) -> &'static str {
    if enforce::runs(denial.action) { "warning" } else { "error" }
}

fn rule(denial: &Denial) -> Value {
    let syscall = denial.call.syscall;
    let (name, short, full) = if enforce::runs(denial.action) {
        ("SystemCallOutsideOfPolicy", "is outside of the policy", "which only the policy's default lets run")
    } else {
        ("RefusedSystemCall", "was refused", "which the policy refuses")
    };
    json!({
        "id": rule_id(denial),
        "name": name,
        "shortDescription": {"text": format!("{syscall} ({}) {short}", syscall.abi)},
        "fullDescription": {"text": format!("The workload made the system call {syscall}, {full}.")},
        "help": {"text": "Allow the call in the policy, or change the program so that it does not make it."},
        "defaultConfiguration": {"level": level(denial)},
    })
}

fn rule_of_ends() -> Value {
    json!({
        "id": UNEXPECTED_END,
        "name": "UnexpectedEnd",
        "shortDescription": {"text": "The workload did not end with the expected status"},
        "fullDescription": {"text": "What the trial was for may not have been tried, whatever was refused."},
        "help": {"text": "Give a command that succeeds, or say with --expect-status how it is to end."},
        "defaultConfiguration": {"level": "error"},
    })
}

fn message(denial: &Denial) -> String {
    let what = if enforce::runs(denial.action) { "ran outside of the policy" } else { "was refused" };
    format!(
        "{} {what} ({}) {} times, made by {} from {}; {}. The smallest rule that allows it: {}.",
        call::in_words(&denial.call),
        denial.action,
        denial.count,
        denial.image,
        location_in_words(&denial.location),
        next_in_words(denial.next),
        of_denial(denial)
    )
}

/// What stays the same from run to run.
fn fingerprint(denial: &Denial) -> String {
    format!("{} {} {}", rule_id(denial), denial.image, of_denial(denial))
}

/// A path as a relative reference (RFC 3986): whatever could mean something in one is escaped.
fn uri(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            byte => write!(out, "%{byte:02X}").unwrap_or_default(),
        }
    }
    out
}
