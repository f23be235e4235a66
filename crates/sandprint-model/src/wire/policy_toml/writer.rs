//! Writes a policy file in its fixed form.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::comments::{Comments, END};
use super::{VERSION, condition, reason};
use crate::{Abi, Policy, Rule, Syscall};

/// Longest line on which all conditions of a rule stand together.
const WIDTH: usize = 100;

/// The name of a rule among the places that comments belong to: what decides, not where it stands.
pub(super) fn rule_place(syscall: Syscall, rule: &Rule) -> String {
    let conditions: Vec<String> = rule.conditions.iter().map(ToString::to_string).collect();
    format!("{}#{}#{}", call_place(syscall), conditions.join(" and "), rule.action)
}

/// The name of a call among the places.
pub(super) fn call_place(syscall: Syscall) -> String {
    format!("{}/{}", syscall.abi, reason::write_key(syscall))
}

struct Sheet<'c> {
    text: String,
    comments: &'c Comments,
    /// Places whose comments above them are written, and beside them: rules that say the same share theirs.
    written: BTreeSet<String>,
    beside: BTreeSet<String>,
}

impl<'c> Sheet<'c> {
    fn above(&mut self, place: &str, indent: &str) {
        if !self.written.insert(place.to_owned()) {
            return;
        }
        for line in self.comments.at(place).map(|comment| comment.above.as_slice()).unwrap_or_default() {
            let indent = if line.is_empty() { "" } else { indent };
            writeln!(self.text, "{indent}{line}").unwrap_or_default();
        }
    }

    /// A line with the comments of its place.
    fn line(&mut self, place: &str, indent: &str, line: &str) {
        self.above(place, indent);
        self.text.push_str(indent);
        self.behind(place, line);
    }

    fn behind(&mut self, place: &str, line: &str) {
        self.text.push_str(line);
        for words in self.beside(place) {
            write!(self.text, " {words}").unwrap_or_default();
        }
        self.text.push('\n');
    }

    /// The comments beside a place, once.
    fn beside(&mut self, place: &str) -> &'c [String] {
        let is_first = self.beside.insert(place.to_owned());
        let comment = self.comments.at(place).filter(|_| is_first);
        comment.map(|comment| comment.beside.as_slice()).unwrap_or_default()
    }

    /// An array: on one line where it is short and nothing is said about its elements, else one line for each.
    fn array(&mut self, place: &str, key: &str, elements: &[String], may_be_short: bool) {
        let inside: Vec<String> = elements.iter().map(|element| format!("{place}/{element}")).collect();
        let end = format!("{place}/end");
        let at_end = self.comments.at(&end);
        let commented = inside.iter().any(|inner| self.comments.at(inner).is_some())
            || at_end.is_some_and(|comment| !comment.above.is_empty());
        let short = format!("{key} = [{}]", elements.join(", "));
        if may_be_short && !commented && short.len() <= WIDTH {
            self.written.insert(end.clone());
            let whole = [&[short], self.beside(&end)].concat().join(" ");
            self.line(place, "", &whole);
            return;
        }
        self.line(place, "", &format!("{key} = ["));
        for (inner, element) in inside.iter().zip(elements) {
            self.line(inner, "    ", &format!("{element},"));
        }
        self.above(&end, "    ");
        self.behind(&end, "]");
    }

    fn rule(&mut self, syscall: Syscall, rule: &Rule) {
        let place = rule_place(syscall, rule);
        self.line(&place, "", &format!("[[{}.{}]]", syscall.abi, reason::write_key(syscall)));
        let action = format!("do = {}", reason::quote(&rule.action.to_string()));
        self.line(&format!("{place}/do"), "", &action);
        if !rule.conditions.is_empty() {
            let conditions: Vec<String> = rule
                .conditions
                .iter()
                .map(|condition| reason::quote(&condition::write(syscall, condition)))
                .collect();
            self.array(&format!("{place}/when"), "when", &conditions, true);
        }
        if !rule.reasons.is_empty() {
            let reasons: Vec<String> = rule.reasons.iter().map(reason::write).collect();
            self.array(&format!("{place}/why"), "why", &reasons, reasons.len() == 1);
        }
    }
}

/// Writes it.
pub(super) fn write(policy: &Policy, comments: &Comments) -> String {
    let mut sheet =
        Sheet { text: String::new(), comments, written: BTreeSet::new(), beside: BTreeSet::new() };
    sheet.line("version", "", &format!("version = {VERSION}"));
    if let Some(kernel) = policy.kernel {
        sheet.line("kernel", "", &format!("kernel = \"{kernel}\""));
    }
    sheet.line("default", "", &format!("default = \"{}\"", policy.calls.default_action));
    sheet.line("foreign", "", &format!("foreign = \"{}\"", policy.calls.foreign_action));
    if !policy.notes.is_empty() {
        let notes: Vec<String> = policy.notes.iter().map(|note| reason::quote(&note.to_string())).collect();
        sheet.array("notes", "notes", &notes, false);
    }
    let mut calls: Vec<Syscall> = policy.calls.rules.keys().copied().collect();
    calls.sort_by_key(|syscall| (syscall.abi.name(), reason::write_key(*syscall), syscall.nr));
    let mut abi: Option<Abi> = None;
    for syscall in calls {
        let rules = policy.calls.rules.get(&syscall).map(Vec::as_slice).unwrap_or_default();
        for (place, rule) in rules.iter().enumerate() {
            sheet.text.push('\n');
            if abi != Some(syscall.abi) {
                abi = Some(syscall.abi);
                sheet.above(syscall.abi.name(), "");
            }
            if place == 0 {
                sheet.above(&call_place(syscall), "");
            }
            sheet.rule(syscall, rule);
        }
    }
    finish(sheet)
}

/// The comments at the end, and those whose facts are gone.
fn finish(mut sheet: Sheet<'_>) -> String {
    let left_over = sheet.comments.left_over(&sheet.written);
    if !left_over.is_empty() {
        sheet.text.push('\n');
        for line in left_over {
            sheet.text.push_str(&line);
            sheet.text.push('\n');
        }
    }
    if sheet.comments.at(END).is_some() {
        sheet.text.push('\n');
        sheet.above(END, "");
    }
    while sheet.text.ends_with("\n\n") {
        sheet.text.pop();
    }
    sheet.text
}
