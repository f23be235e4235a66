//! Filters for Firecracker, and for other programs that use the crate seccompiler.
//!
//! Such a file holds one filter for each kind of thread. A recording does not tell the threads apart, so the
//! three that Firecracker asks for, `api`, `vcpu` and `vmm`, are the same; other programs name what they
//! want. A filter has two actions, one for calls that match and one for the rest, and is compiled for one
//! architecture: calls of another one kill the process, x32 numbers meet the action for the rest.
//!
//! Where the policy answers some calls with ENOSYS and the rest with another errno, the rest gets ENOSYS as
//! well: a libc that is told EPERM for `clone3` starts no thread, while ENOSYS for a call that it does not
//! make harms nothing.
//!
//! Source: seccompiler 0.5, `src/frontend/json.rs` and `src/backend`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use sandprint_model::errno::ENOSYS;
use sandprint_model::loss::Reader;
use sandprint_model::{
    Abi, About, Action, Comparison, KernelVersion, Loss, LossKind, Part, Policy, Rule, Syscall, Width,
    json_line,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::alternatives::{Atom, MOST_ALTERNATIVES, TOO_LONG, Test, When, one_action};
use super::docker::comment;
use super::unattended::unattended;
use super::{EmitError, Format, Written, left_to_default, one_machine};
use crate::cbpf::MOST_INSTRUCTIONS;
use crate::enforce::runs;

/// `firecracker --seccomp-filter`, after `seccompiler-bin`.
#[derive(Debug)]
pub struct Firecracker;

/// The threads that Firecracker wants a filter for.
const THREADS: [&str; 3] = ["api", "vcpu", "vmm"];

/// The kernel whose calls seccompiler 0.5 can name. One name that it does not know makes it refuse the file.
const NAMED_UP_TO: KernelVersion = KernelVersion::new(6, 12);

impl Format for Firecracker {
    fn name(&self) -> &'static str {
        "firecracker"
    }

    fn summary(&self) -> &'static str {
        "filters for Firecracker and others that use seccompiler (JSON)"
    }

    fn file_name(&self) -> &'static str {
        "firecracker-seccomp.json"
    }

    fn holds(&self) -> &'static [Part] {
        &[Part::Calls]
    }

    fn write(&self, policy: &Policy) -> Result<Written, EmitError> {
        let abi = one_machine::native_abi(policy)?;
        let (policy, mut losses) = unattended(policy, |action| action == Action::Notify);
        let policy = policy.as_ref();
        let filter = Filter::new(policy, abi);
        filter.fits()?;
        losses.extend(one_machine::other_abis(policy, abi, Action::KillProcess, filter.otherwise));
        losses.extend(filter.losses.iter().cloned());
        Ok(Written::text(filter.json(), losses))
    }
}

/// The filter, which all threads share.
#[derive(Debug)]
struct Filter {
    matching: Action,
    otherwise: Action,
    /// By name, why the call is there, and when it matches; without alternatives always.
    calls: BTreeMap<&'static str, (&'static str, Vec<Vec<Argument>>)>,
    losses: BTreeSet<Loss>,
}

/// One element of `args`, in the order in which seccompiler documents its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Argument {
    index: u8,
    width: Width,
    comparison: Comparison,
}

#[derive(Debug, Serialize)]
struct RuleObject<'f> {
    syscall: &'f str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<ArgumentObject>,
    comment: &'static str,
}

#[derive(Debug, Serialize)]
struct ArgumentObject {
    index: u8,
    #[serde(rename = "type")]
    width: &'static str,
    op: Value,
    val: u64,
}

impl Filter {
    fn new(policy: &Policy, abi: Abi) -> Filter {
        let default = policy.calls.default_action;
        let mut losses = BTreeSet::new();
        let mut decided: Vec<(Syscall, &[Rule], Action, When)> = Vec::new();
        for (syscall, rules) in policy.calls.rules.iter().filter(|(syscall, _)| syscall.abi == abi) {
            let found = one_action(rules, default);
            losses.extend(found.losses(*syscall, rules, default));
            if let Some((action, when)) = found.taken {
                decided.push((*syscall, rules, action, when));
            }
        }
        let matching = matching_action(default, decided.iter().map(|(_, _, action, _)| *action));
        let otherwise = otherwise(default, &decided);
        if otherwise != default {
            losses.insert(Loss::stricter(About::DefaultAction, LossKind::MismatchesAlike(otherwise)));
        }
        let mut filter = Filter { matching, otherwise, calls: BTreeMap::new(), losses };
        let mut changed: BTreeMap<LossKind, BTreeSet<Syscall>> = BTreeMap::new();
        for (syscall, rules, action, when) in decided {
            if let Some(change) = filter.add(policy, syscall, rules, action, &when) {
                changed.entry(change).or_default().insert(syscall);
            }
        }
        for (change, calls) in changed {
            filter.losses.insert(Loss::stricter(About::Calls(abi, calls), change));
        }
        filter
    }

    /// Adds one call; what becomes of its action, where that changes without anything more running.
    fn add(
        &mut self,
        policy: &Policy,
        syscall: Syscall,
        rules: &[Rule],
        action: Action,
        when: &When,
    ) -> Option<LossKind> {
        if action == self.otherwise && *when == When::Always {
            return None;
        }
        let change = if action == self.matching {
            None
        } else if runs(action) && runs(self.matching) {
            Some(LossKind::Logged(self.matching == Action::Log))
        } else if runs(self.otherwise) && !runs(action) {
            Some(LossKind::MatchesAlike(self.matching))
        } else if runs(action) {
            return Some(LossKind::Logged(self.otherwise == Action::Log));
        } else {
            return Some(LossKind::MismatchesAlike(self.otherwise));
        };
        let about = About::Call(syscall);
        let default = policy.calls.default_action;
        let Some(name) = syscall.name() else {
            self.losses.insert(left_to_default(about, LossKind::Nameless, rules, default));
            return None;
        };
        if syscall.since().is_none_or(|since| since > NAMED_UP_TO) {
            let kind = LossKind::NewName { reader: Reader::Seccompiler, is_left_out: true };
            self.losses.insert(left_to_default(about, kind, rules, default));
            return None;
        }
        let alternatives = match when {
            When::Always => Vec::new(),
            When::AnyOf(alternatives) => {
                let arguments: Vec<_> = alternatives.iter().flat_map(|one| spelled_out(one)).collect();
                if arguments.len() > MOST_ALTERNATIVES {
                    self.losses.insert(left_to_default(about, TOO_LONG, rules, default));
                    return None;
                }
                arguments
            }
        };
        let why = comment(rules.iter().flat_map(|rule| &rule.reasons)).1;
        self.calls.insert(name, (why, alternatives));
        change
    }

    /// Whether the kernel will take what seccompiler makes of it: some instructions around the calls, five for
    /// each call, three around each rule, and what its comparisons take.
    fn fits(&self) -> Result<(), EmitError> {
        let of_rule = |rule: &Vec<Argument>| 3 + rule.iter().map(Argument::instructions).sum::<usize>();
        let of_call = |rules: &Vec<Vec<Argument>>| 5 + rules.iter().map(of_rule).sum::<usize>();
        let length = 8 + self.calls.values().map(|(_, rules)| of_call(rules)).sum::<usize>();
        if length < MOST_INSTRUCTIONS {
            return Ok(());
        }
        Err(EmitError {
            what: format!("express the policy in {MOST_INSTRUCTIONS} instructions: it takes up to {length}"),
            hint: "write the rules of some calls with fewer conditions".to_owned(),
        })
    }

    fn json(&self) -> String {
        let mut rules: Vec<String> = Vec::new();
        for (name, (comment, alternatives)) in &self.calls {
            let plain = alternatives.is_empty().then(Vec::new);
            let each = plain.iter().chain(alternatives);
            rules.extend(each.map(|arguments| {
                let args = arguments.iter().map(Argument::object).collect();
                // Structures of strings and numbers always serialize, here and below.
                json_line(&RuleObject { syscall: name, args, comment }).unwrap_or_default()
            }));
        }
        let rules = rules.join(",\n      ");
        let (matching, otherwise) = (action_value(self.matching), action_value(self.otherwise));
        let mut text = String::from("{\n");
        for (place, thread) in THREADS.iter().enumerate() {
            let end = if place + 1 == THREADS.len() { "" } else { "," };
            // Writing to a String cannot fail.
            write!(
                text,
                "  \"{thread}\": {{\n    \"mismatch_action\": {otherwise},\n    \"match_action\": {matching},\n    \
                 \"filter\": [\n      {rules}\n    ]\n  }}{end}\n"
            )
            .unwrap_or_default();
        }
        text.push_str("}\n");
        text
    }
}

/// The action for calls that match: one that runs where the default refuses, and the most frequent refusal
/// where it does not. Never the default itself, which seccompiler refuses.
fn matching_action(default: Action, actions: impl Iterator<Item = Action>) -> Action {
    let mut counts: BTreeMap<Action, usize> = BTreeMap::new();
    for action in actions {
        *counts.entry(action).or_default() += 1;
    }
    if !runs(default) {
        let only_logged = counts.contains_key(&Action::Log) && !counts.contains_key(&Action::Allow);
        return if only_logged { Action::Log } else { Action::Allow };
    }
    let refusals = counts.iter().filter(|(action, _)| !runs(**action));
    match refusals.max_by_key(|(_, count)| **count) {
        Some((refusal, _)) => *refusal,
        None if default == Action::Allow => Action::Log,
        None => Action::Allow,
    }
}

/// The action for the rest.
fn otherwise(default: Action, decided: &[(Syscall, &[Rule], Action, When)]) -> Action {
    let is_absent = |(_, _, action, when): &(Syscall, &[Rule], Action, When)| {
        *action == Action::Errno(ENOSYS) && *when == When::Always
    };
    match default {
        Action::Errno(_) if decided.iter().any(is_absent) => Action::Errno(ENOSYS),
        _ => default,
    }
}

/// An alternative in comparisons that seccompiler has: bits that must differ become one alternative for each.
fn spelled_out(alternative: &[Atom]) -> Vec<Vec<Argument>> {
    let mut all: Vec<Vec<Argument>> = vec![Vec::new()];
    for Atom { index, width, test } in alternative {
        let comparisons: Vec<Comparison> = match *test {
            Test::Is(comparison) => vec![comparison],
            Test::MaskedNotEqual { mask, value } => (0..64)
                .map(|bit| 1 << bit)
                .filter(|bit| mask & bit != 0)
                .map(|bit: u64| Comparison::MaskedEqual { mask: bit, value: !value & bit })
                .collect(),
        };
        all = all
            .iter()
            .flat_map(|before| {
                comparisons.iter().map(|comparison| {
                    let argument = Argument { index: *index, width: *width, comparison: *comparison };
                    [before.as_slice(), &[argument]].concat()
                })
            })
            .take(MOST_ALTERNATIVES + 1)
            .collect();
    }
    all
}

impl Argument {
    fn object(&self) -> ArgumentObject {
        let (op, val) = match self.comparison {
            Comparison::Equal(value) => (json!("eq"), value),
            Comparison::NotEqual(value) => (json!("ne"), value),
            Comparison::Less(value) => (json!("lt"), value),
            Comparison::LessOrEqual(value) => (json!("le"), value),
            Comparison::Greater(value) => (json!("gt"), value),
            Comparison::GreaterOrEqual(value) => (json!("ge"), value),
            Comparison::MaskedEqual { mask, value } => (json!({ "masked_eq": mask }), value),
        };
        let width = match self.width {
            Width::Bits32 => "dword",
            Width::Bits64 => "qword",
        };
        ArgumentObject { index: self.index, width, op, val }
    }

    /// How many instructions it takes at most (`src/backend/condition.rs`).
    fn instructions(&self) -> usize {
        match (self.comparison, self.width) {
            (Comparison::MaskedEqual { .. }, Width::Bits64) => 6,
            (Comparison::MaskedEqual { .. }, Width::Bits32) => 3,
            (_, Width::Bits64) => 5,
            (_, Width::Bits32) => 2,
        }
    }
}

fn action_value(action: Action) -> Value {
    match action {
        Action::Allow => json!("allow"),
        Action::Log => json!("log"),
        Action::Errno(number) => json!({ "errno": number }),
        Action::Trace(value) => json!({ "trace": value }),
        Action::Trap => json!("trap"),
        Action::KillThread => json!("kill_thread"),
        // There is nobody to notify: such actions were replaced before.
        Action::KillProcess | Action::Notify => json!("kill_process"),
    }
}
