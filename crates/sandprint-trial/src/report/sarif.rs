//! A verdict for code-scanning pages: SARIF 2.1.0 (OASIS), as they load it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{call_in_words, location_in_words, rule_in_words};
use crate::{Denial, Verdict};

/// Writes it, with a newline at the end.
///
/// Each refused system call is a rule, each denial a result. A result needs a place in a file: it is the program, or
/// `policy`, the path of the policy as it was given, which is what a reviewer would change.
pub fn to_sarif(verdict: &Verdict, policy: &str, version: &str) -> String {
    let mut rules: BTreeMap<String, Value> = BTreeMap::new();
    for denial in &verdict.denials {
        let syscall = denial.call.syscall;
        rules.entry(rule_id(denial)).or_insert_with(|| {
            json!({
                "id": rule_id(denial),
                "name": "RefusedSystemCall",
                "shortDescription": {"text": format!("{syscall} ({}) was refused", syscall.abi)},
                "fullDescription": {"text": format!("The workload made the system call {syscall}, which the policy refuses.")},
                "help": {"text": "Allow the call in the policy, or change the program so that it does not make it."},
                "defaultConfiguration": {"level": "error"},
            })
        });
    }
    let index: Vec<&String> = rules.keys().collect();
    let results: Vec<Value> = verdict
        .denials
        .iter()
        .map(|denial| {
            let id = rule_id(denial);
            let at = index.iter().position(|known| **known == id);
            json!({
                "ruleId": id,
                "ruleIndex": at,
                "level": "error",
                "message": {"text": message(denial)},
                "locations": [{
                    "physicalLocation": {"artifactLocation": {"uri": uri(policy)}, "region": {"startLine": 1}},
                    "logicalLocations": [{"name": denial.image.escaped(), "kind": "module"}],
                }],
                "partialFingerprints": {"denial/v1": fingerprint(denial)},
                "properties": {"count": denial.count, "rule": rule_in_words(denial)},
            })
        })
        .collect();
    let log = json!({
        "version": "2.1.0",
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "runs": [{
            "tool": {"driver": {"name": "sandprint", "version": version, "rules": rules.values().collect::<Vec<_>>()}},
            "invocations": [{"executionSuccessful": true}],
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn rule_id(denial: &Denial) -> String {
    format!("refused/{}/{}", denial.call.syscall.abi, denial.call.syscall)
}

fn message(denial: &Denial) -> String {
    format!(
        "{} was refused ({}) {} times, made by {} from {}; {}. The smallest rule that allows it: {}.",
        call_in_words(denial),
        denial.action,
        denial.count,
        denial.image,
        location_in_words(denial),
        denial.next,
        rule_in_words(denial)
    )
}

/// What stays the same from run to run.
fn fingerprint(denial: &Denial) -> String {
    format!("{} {} {}", rule_id(denial), denial.image, rule_in_words(denial))
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
