//! An explanation as text, as JSON and as Markdown. What others wrote is escaped here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sandprint_model::markdown::{code, prose};
use sandprint_model::{Abi, ByteString, json_pretty};
use serde::Serialize;

use super::{AbiPart, Explained, Explanation, Observed};

/// Where lines of names are broken.
const WIDTH: usize = 100;

/// Most programs that are named beside a call.
const NAMED: usize = 3;

impl Explanation {
    /// The ABIs that are worth listing call by call where nobody asks for others: those that were observed; the
    /// first where none was.
    pub fn main_abis(&self) -> BTreeSet<Abi> {
        let observed = self.abis.iter().filter(|part| part.observed > 0).map(|part| part.abi);
        let observed: BTreeSet<Abi> = observed.collect();
        if !observed.is_empty() {
            return observed;
        }
        let native = self.abis.iter().map(|part| part.abi).filter(|abi| *abi == abi.arch().native_abi());
        let native: BTreeSet<Abi> = native.collect();
        if native.is_empty() { self.abis.iter().map(|part| part.abi).collect() } else { native }
    }

    /// For people. Of ABIs that are not `listed` only the numbers are said.
    pub fn to_text(&self, listed: &BTreeSet<Abi>) -> String {
        let mut text = self.head();
        for gap in &self.gaps {
            line(&mut text, 0, &format!("the traces may lack calls: {gap}"));
        }
        if !self.findings.is_empty() {
            text.push_str("\nvalues that are not what their author's words name:\n");
        }
        for finding in &self.findings {
            line(
                &mut text,
                2,
                &format!("{} {}: {}", finding.syscall.abi, finding.syscall, finding.sentence()),
            );
            line(&mut text, 4, &format!("the author wrote: {}", safe(&finding.wrote)));
        }
        for part in self.in_order(listed) {
            line(&mut text, 0, "");
            line(&mut text, 0, &self.numbers(part));
            if listed.contains(&part.abi) {
                part_in_text(&mut text, part, self.runs.is_some());
            } else {
                line(&mut text, 2, &format!("not listed: `--abi {}` lists them", part.abi));
            }
        }
        text
    }

    /// For a pull request or a document.
    pub fn to_markdown(&self, listed: &BTreeSet<Abi>) -> String {
        // Numbers, names of ABIs and actions: nothing that would need escaping.
        let mut text = self.head();
        for gap in &self.gaps {
            line(&mut text, 0, &format!("\nThe traces may lack calls: {}", prose(gap)));
        }
        if !self.findings.is_empty() {
            text.push_str("\nValues that are not what their author's words name:\n\n");
        }
        for finding in &self.findings {
            let call = code(&finding.syscall.to_string());
            let (sentence, wrote) = (prose(&finding.sentence()), code(&finding.wrote));
            line(
                &mut text,
                0,
                &format!("- {call} ({}): {sentence}; the author wrote {wrote}", finding.syscall.abi),
            );
        }
        for part in self.in_order(listed) {
            write!(text, "\n{}\n", self.numbers(part)).unwrap_or_default();
            if listed.contains(&part.abi) {
                part_in_markdown(&mut text, part, self.runs.is_some());
            }
        }
        text
    }

    /// For programs: every ABI.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        Ok(json_pretty(&json(self))? + "\n")
    }

    /// What is listed first.
    fn in_order(&self, listed: &BTreeSet<Abi>) -> impl Iterator<Item = &AbiPart> {
        let (first, then): (Vec<&AbiPart>, Vec<&AbiPart>) =
            self.abis.iter().partition(|part| listed.contains(&part.abi));
        first.into_iter().chain(then)
    }

    fn head(&self) -> String {
        format!(
            "calls without a rule: {}; calls of an ABI without rules: {}\n",
            self.default_action, self.foreign_action
        )
    }

    /// The numbers of an ABI in one line.
    fn numbers(&self, part: &AbiPart) -> String {
        let mut text = format!("{}: {} allowed", part.abi, calls(part.allowed));
        if self.runs.is_none() {
            return text;
        }
        if part.observed == 0 {
            return text + ", and none of its calls was observed";
        }
        let unobserved: usize = part.unobserved.values().map(Vec::len).sum();
        write!(text, ", {unobserved} of them never observed").unwrap_or_default();
        write!(
            text,
            "; {} observed: {} allowed, {} refused, {} decided by arguments",
            calls(part.observed),
            part.observed_allowed,
            part.refused.len(),
            part.depends.len()
        )
        .unwrap_or_default();
        text
    }
}

/// "1 call", "2 calls".
fn calls(count: usize) -> String {
    if count == 1 { "1 call".to_owned() } else { format!("{count} calls") }
}

/// Text of others on one line, without control characters.
fn safe(text: &str) -> String {
    ByteString::from(text).escaped()
}

fn line(text: &mut String, indent: usize, words: &str) {
    writeln!(text, "{:indent$}{words}", "").unwrap_or_default();
}

/// What decides a call, in words: nothing where it is simply allowed.
fn when(call: &Explained) -> String {
    let mut parts: Vec<String> = Vec::new();
    for answer in &call.answers {
        let conditions: Vec<&str> =
            answer.conditions.iter().map(|condition| condition.words.as_str()).collect();
        parts.push(if conditions.is_empty() {
            answer.action.to_string()
        } else {
            format!("{} when {}", answer.action, conditions.join(" and "))
        });
    }
    if let Some(action) = call.otherwise {
        parts.push(if parts.is_empty() { format!("{action} (no rule)") } else { format!("else {action}") });
    }
    if parts == ["allow"] { String::new() } else { parts.join("; ") }
}

fn reasons(call: &Explained) -> Vec<String> {
    let all = call.answers.iter().flat_map(|answer| &answer.reasons);
    let all: BTreeSet<String> = all.map(|reason| safe(reason)).collect();
    all.into_iter().collect()
}

/// The calls of a group that are decided alike and for the same reasons, together.
fn alike(calls: &[Explained]) -> BTreeMap<(String, Vec<String>), Vec<String>> {
    let mut buckets: BTreeMap<(String, Vec<String>), Vec<String>> = BTreeMap::new();
    for call in calls {
        buckets.entry((when(call), reasons(call))).or_default().push(call.syscall.to_string());
    }
    buckets
}

fn part_in_text(text: &mut String, part: &AbiPart, has_trace: bool) {
    for (heading, seen) in [
        ("observed and refused", &part.refused),
        ("observed, and allowed under conditions; a trace does not hold arguments", &part.depends),
    ] {
        if !seen.is_empty() {
            line(text, 2, &format!("{heading}:"));
        }
        for observed in seen {
            line(text, 4, &format!("{}: {}", observed.call.syscall, when(&observed.call)));
            line(text, 6, &seen_in_words(observed));
            for reason in reasons(&observed.call) {
                line(text, 6, &reason);
            }
        }
    }
    if !part.unobserved.is_empty() {
        line(text, 2, if has_trace { "allowed and never observed:" } else { "allowed:" });
    }
    for (purpose, group) in &part.unobserved {
        line(text, 4, &format!("{}, {}: {}", purpose.name(), calls(group.len()), purpose.summary()));
        for ((when, reasons), names) in alike(group) {
            let mut current = String::new();
            for name in &names {
                if !current.is_empty() && 6 + current.len() + 2 + name.len() >= WIDTH {
                    line(text, 6, &format!("{current},"));
                    current.clear();
                }
                current += if current.is_empty() { "" } else { ", " };
                current += name;
            }
            line(text, 6, &if when.is_empty() { current } else { format!("{current}: {when}") });
            for reason in reasons {
                line(text, 8, &reason);
            }
        }
    }
}

fn seen_in_words(observed: &Observed) -> String {
    let named: Vec<&str> = observed.programs.iter().take(NAMED).map(String::as_str).collect();
    let more = observed.programs.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let times = if observed.count == 1 { "once".to_owned() } else { format!("{} times", observed.count) };
    format!("{times}, by {}{more}", named.join(", "))
}

fn part_in_markdown(text: &mut String, part: &AbiPart, has_trace: bool) {
    for (heading, seen) in [
        ("Observed and refused", &part.refused),
        ("Observed, and allowed under conditions; a trace does not hold arguments", &part.depends),
    ] {
        if !seen.is_empty() {
            write!(text, "\n| {heading} | answer | observed |\n| --- | --- | --- |\n").unwrap_or_default();
        }
        for observed in seen {
            let call = code(&observed.call.syscall.to_string());
            let (answer, seen) =
                (prose(&when(&observed.call)), prose(&seen_in_words(observed)));
            line(text, 0, &format!("| {call} | {answer} | {seen} |"));
        }
    }
    if part.unobserved.is_empty() {
        return;
    }
    let heading = if has_trace { "Allowed and never observed" } else { "Allowed" };
    write!(text, "\n| {heading} | calls | when | why |\n| --- | --- | --- | --- |\n").unwrap_or_default();
    for (purpose, group) in &part.unobserved {
        for ((when, reasons), names) in alike(group) {
            let names: Vec<String> = names.iter().map(|name| code(name)).collect();
            let reasons: Vec<String> = reasons.iter().map(|reason| prose(reason)).collect();
            let cells =
                [purpose.name().to_owned(), names.join(" "), prose(&when), reasons.join("<br>")];
            line(text, 0, &format!("| {} |", cells.join(" | ")));
        }
    }
}

#[derive(Serialize)]
struct JsonCondition<'e> {
    index: u8,
    argument: Option<&'static str>,
    condition: &'e str,
    words: &'e str,
}

#[derive(Serialize)]
struct JsonRule<'e> {
    action: String,
    conditions: Vec<JsonCondition<'e>>,
    reasons: &'e [String],
}

#[derive(Serialize)]
struct JsonCall<'e> {
    nr: u32,
    name: Option<&'static str>,
    rules: Vec<JsonRule<'e>>,
    otherwise: Option<String>,
}

#[derive(Serialize)]
struct JsonObserved<'e> {
    #[serde(flatten)]
    call: JsonCall<'e>,
    count: u64,
    programs: &'e BTreeSet<String>,
}

#[derive(Serialize)]
struct JsonGroup<'e> {
    purpose: &'static str,
    summary: &'static str,
    calls: Vec<JsonCall<'e>>,
}

#[derive(Serialize)]
struct JsonPart<'e> {
    abi: &'static str,
    allowed: usize,
    observed: usize,
    observed_allowed: usize,
    observed_refused: Vec<JsonObserved<'e>>,
    observed_conditional: Vec<JsonObserved<'e>>,
    allowed_unobserved: Vec<JsonGroup<'e>>,
}

#[derive(Serialize)]
struct JsonFinding<'e> {
    abi: &'static str,
    nr: u32,
    name: Option<&'static str>,
    index: u8,
    argument: &'static str,
    compared: &'e [String],
    named: &'e BTreeMap<&'static str, u64>,
    wrote: &'e str,
    text: String,
}

#[derive(Serialize)]
struct Json<'e> {
    default: String,
    foreign: String,
    runs: Option<usize>,
    gaps: &'e [String],
    findings: Vec<JsonFinding<'e>>,
    abis: Vec<JsonPart<'e>>,
}

fn json(explanation: &Explanation) -> Json<'_> {
    let findings = explanation.findings.iter().map(|finding| JsonFinding {
        abi: finding.syscall.abi.name(),
        nr: finding.syscall.nr,
        name: finding.syscall.name(),
        index: finding.index,
        argument: finding.argument,
        compared: &finding.compared,
        named: &finding.named,
        wrote: &finding.wrote,
        text: finding.sentence(),
    });
    Json {
        default: explanation.default_action.to_string(),
        foreign: explanation.foreign_action.to_string(),
        runs: explanation.runs,
        gaps: &explanation.gaps,
        findings: findings.collect(),
        abis: explanation.abis.iter().map(json_part).collect(),
    }
}

fn json_part(part: &AbiPart) -> JsonPart<'_> {
    JsonPart {
        abi: part.abi.name(),
        allowed: part.allowed,
        observed: part.observed,
        observed_allowed: part.observed_allowed,
        observed_refused: part.refused.iter().map(json_observed).collect(),
        observed_conditional: part.depends.iter().map(json_observed).collect(),
        allowed_unobserved: part
            .unobserved
            .iter()
            .map(|(purpose, calls)| JsonGroup {
                purpose: purpose.name(),
                summary: purpose.summary(),
                calls: calls.iter().map(json_call).collect(),
            })
            .collect(),
    }
}

fn json_observed(observed: &Observed) -> JsonObserved<'_> {
    JsonObserved { call: json_call(&observed.call), count: observed.count, programs: &observed.programs }
}

fn json_call(call: &Explained) -> JsonCall<'_> {
    let rules = call.answers.iter().map(|answer| JsonRule {
        action: answer.action.to_string(),
        conditions: answer
            .conditions
            .iter()
            .map(|condition| JsonCondition {
                index: condition.index,
                argument: condition.argument,
                condition: &condition.condition,
                words: &condition.words,
            })
            .collect(),
        reasons: &answer.reasons,
    });
    JsonCall {
        nr: call.syscall.nr,
        name: call.syscall.name(),
        rules: rules.collect(),
        otherwise: call.otherwise.map(|action| action.to_string()),
    }
}
