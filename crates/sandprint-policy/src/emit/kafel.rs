//! A policy in kafel, the language of nsjail.
//!
//! The file brings its own numbers: every call is a constant of its name, so that it means the same in every
//! release of kafel, whose tables lack newer calls and call some of them otherwise (`newuname`). Such calls
//! have arguments of 64 bits whose names are given here, and what is to be compared on 32 bits is masked.
//!
//! kafel compiles for one architecture; a call of another one kills the thread, and an x32 number meets the
//! default action. kafel says that the first matching rule decides, but of several entries for one call it
//! keeps the first only (`range_rules.c`: the default action is added to the first before the second is
//! looked at): so a call has one entry here, and one action beside the default one.
//!
//! Source: kafel's README, `src/lexer.l`, `src/parser.y`, `src/range_rules.c` (0afa5493).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use sandprint_model::{Abi, Action, Comparison, Part, Policy, Rule, Syscall, Width};

use super::alternatives::{Atom, Test, When, one_action};
use super::unattended::unattended;
use super::{EmitError, Format, Written, escape, one_machine, reasons};
use crate::cbpf::MOST_INSTRUCTIONS;

/// `nsjail --seccomp_policy FILE`.
#[derive(Debug)]
pub struct Kafel;

impl Format for Kafel {
    fn name(&self) -> &'static str {
        "kafel"
    }

    fn summary(&self) -> &'static str {
        "policy in kafel, for nsjail (--seccomp_policy), for one machine"
    }

    fn file_name(&self) -> &'static str {
        "seccomp.kafel"
    }

    fn holds(&self) -> &'static [Part] {
        &[Part::Calls]
    }

    fn write(&self, policy: &Policy) -> Result<Written, EmitError> {
        let abi = one_machine::native_abi(policy)?;
        let (policy, mut losses) =
            unattended(policy, |action| matches!(action, Action::Notify | Action::Trace(_)));
        let policy = policy.as_ref();
        losses.extend(one_machine::other_abis(policy, abi, Action::KillThread, policy.calls.default_action));
        let mut blocks: BTreeMap<Action, Vec<Entry>> = BTreeMap::new();
        let mut instructions = 8;
        for (syscall, rules) in policy.calls.rules.iter().filter(|(syscall, _)| syscall.abi == abi) {
            let found = one_action(rules, policy.calls.default_action);
            losses.extend(found.losses(*syscall, rules, policy.calls.default_action));
            let Some((action, when)) = found.taken else { continue };
            instructions += 4 + when.atoms() * 8;
            blocks.entry(action).or_default().push(Entry::new(*syscall, rules, &when));
        }
        if instructions > MOST_INSTRUCTIONS {
            return Err(EmitError {
                what: format!(
                    "express the policy in {MOST_INSTRUCTIONS} instructions: it takes up to {instructions}"
                ),
                hint: "write the rules of some calls with fewer conditions".to_owned(),
            });
        }
        Ok(Written::text(text(policy, abi, &blocks), losses))
    }
}

/// One call in a block.
#[derive(Debug)]
struct Entry {
    syscall: Syscall,
    /// Behind its name: the arguments that are looked at, and the condition.
    condition: String,
    why: String,
}

impl Entry {
    fn new(syscall: Syscall, rules: &[Rule], when: &When) -> Entry {
        let reasons = rules.iter().flat_map(|rule| &rule.reasons);
        let why = escape::line_comment(&reasons::in_words(reasons));
        let condition = match when {
            When::Always => String::new(),
            When::AnyOf(alternatives) => {
                let last = alternatives.iter().flatten().map(|atom| atom.index).max().unwrap_or(0);
                let arguments: Vec<String> = (0..=last).map(|index| format!("a{index}")).collect();
                let conjunction =
                    |atoms: &Vec<Atom>| atoms.iter().map(comparison).collect::<Vec<_>>().join(" && ");
                let alternatives: Vec<String> = alternatives.iter().map(conjunction).collect();
                format!("({}) {{ {} }}", arguments.join(", "), alternatives.join(" || "))
            }
        };
        Entry { syscall, condition, why }
    }

    /// How the call is named: by a constant, where its name can be one, else by its number.
    fn name(&self) -> String {
        constant(self.syscall).map_or_else(|| format!("SYSCALL[{}]", self.syscall.nr), str::to_owned)
    }
}

/// kafel's identifiers begin with a letter.
fn constant(syscall: Syscall) -> Option<&'static str> {
    syscall.name().filter(|name| name.starts_with(|first: char| first.is_ascii_alphabetic()))
}

fn text(policy: &Policy, abi: Abi, blocks: &BTreeMap<Action, Vec<Entry>>) -> String {
    let mut text = format!("// Made by sandprint, for {abi}: nsjail --seccomp_policy seccomp.kafel ...\n");
    for note in &policy.notes {
        // Writing to a String cannot fail, here and below.
        writeln!(text, "// Note: {}", escape::line_comment(&note.to_string())).unwrap_or_default();
    }
    let constants: BTreeSet<(&str, u32)> = blocks
        .values()
        .flatten()
        .filter_map(|entry| Some((constant(entry.syscall)?, entry.syscall.nr)))
        .collect();
    for (name, number) in constants {
        writeln!(text, "#define {name} {number}").unwrap_or_default();
    }
    text.push_str("POLICY sandprint {");
    for (place, (action, entries)) in blocks.iter().enumerate() {
        let separator = if place == 0 { "" } else { "," };
        writeln!(text, "{separator}\n  {} {{", action_word(*action)).unwrap_or_default();
        for (place, entry) in entries.iter().enumerate() {
            let separator = if place + 1 == entries.len() { "" } else { "," };
            let (name, condition) = (entry.name(), &entry.condition);
            let why = if entry.why.is_empty() { String::new() } else { format!(" // {}", entry.why) };
            writeln!(text, "    {name}{condition}{separator}{why}").unwrap_or_default();
        }
        text.push_str("  }");
    }
    writeln!(text, "\n}}\nUSE sandprint DEFAULT {}", action_word(policy.calls.default_action))
        .unwrap_or_default();
    text
}

fn comparison(atom: &Atom) -> String {
    let index = atom.index;
    let whole = match atom.width {
        Width::Bits32 => format!("(a{index} & 0xffffffff)"),
        Width::Bits64 => format!("a{index}"),
    };
    match atom.test {
        Test::Is(Comparison::Equal(value)) => format!("{whole} == {value:#x}"),
        Test::Is(Comparison::NotEqual(value)) => format!("{whole} != {value:#x}"),
        Test::Is(Comparison::Less(value)) => format!("{whole} < {value:#x}"),
        Test::Is(Comparison::LessOrEqual(value)) => format!("{whole} <= {value:#x}"),
        Test::Is(Comparison::Greater(value)) => format!("{whole} > {value:#x}"),
        Test::Is(Comparison::GreaterOrEqual(value)) => format!("{whole} >= {value:#x}"),
        Test::Is(Comparison::MaskedEqual { mask, value }) => format!("(a{index} & {mask:#x}) == {value:#x}"),
        Test::MaskedNotEqual { mask, value } => format!("(a{index} & {mask:#x}) != {value:#x}"),
    }
}

fn action_word(action: Action) -> String {
    match action {
        Action::Allow => "ALLOW".to_owned(),
        Action::Log => "LOG".to_owned(),
        Action::Errno(number) => format!("ERRNO({number})"),
        Action::Trap => "TRAP(0)".to_owned(),
        Action::KillThread => "KILL".to_owned(),
        // There is nobody to ask: such actions were replaced before.
        Action::KillProcess | Action::Notify | Action::Trace(_) => "KILL_PROCESS".to_owned(),
    }
}
