//! A policy file for minijail, as libminijail reads it.
//!
//! A line allows one call, under a condition or always, and may name the errno for the rest. What no line
//! names kills the thread, or the process, as minijail's options want it; so a default errno cannot be said,
//! and nothing but an allow-list can. Conditions compare whole registers, so one on 32 bits is written by its
//! bits: those that must be set with `&`, those that must be clear with `in`.
//!
//! `compile_seccomp_policy.py` reads the same words in another way (`EXPRESSION; return ERRNO` is an errno
//! *if* the expression holds): this file is for libminijail, `minijail0 -S`.
//!
//! Source: minijail's `syscall_filter.c`, `bpf.c`, `util.c` (4c33189f) and minijail0(5).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use sandprint_model::loss::Reader;
use sandprint_model::{
    Abi, About, Action, Comparison, KernelVersion, Loss, LossKind, Part, Policy, Reason, Rule, Syscall, Width,
};

use super::alternatives::{Atom, TOO_LONG, Test, When, reached, when};
use super::unattended::unattended;
use super::values::{Block, blocks};
use super::{EmitError, Format, Written, escape, left_to_default, one_machine, reasons};
use crate::cbpf::MOST_INSTRUCTIONS;
use crate::enforce::runs;

/// `minijail0 -n -S FILE -- PROGRAM`.
#[derive(Debug)]
pub struct Minijail;

/// The newest kernel whose names a refusal is written for. minijail knows the calls of the kernel headers that
/// it was built with, and refuses a file with any other name.
const NAMED_UP_TO: KernelVersion = KernelVersion::new(6, 1);

/// How many alternatives of a call are written.
const MOST_GROUPS: usize = 64;

/// How many labels minijail keeps (`BPF_LABELS_MAX`): one for each call that is not simply allowed, one for
/// each alternative, one more for each call that has some.
const MOST_LABELS: usize = 512;

impl Format for Minijail {
    fn name(&self) -> &'static str {
        "minijail"
    }

    fn summary(&self) -> &'static str {
        "policy for minijail (minijail0 -S), for one machine"
    }

    fn file_name(&self) -> &'static str {
        "minijail.policy"
    }

    fn holds(&self) -> &'static [Part] {
        &[Part::Calls]
    }

    fn write(&self, policy: &Policy) -> Result<Written, EmitError> {
        let abi = one_machine::native_abi(policy)?;
        if runs(policy.calls.default_action) {
            return Err(EmitError {
                what: "express that calls without a rule are allowed".to_owned(),
                hint: "make the policy with another `--default-action`; `minijail0 -L` then logs what is not allowed \
                       instead of refusing it"
                    .to_owned(),
            });
        }
        let (policy, mut losses) =
            unattended(policy, |action| matches!(action, Action::Notify | Action::Trace(_)));
        let policy = policy.as_ref();
        let mut file =
            File { default: policy.calls.default_action, lines: BTreeMap::new(), losses: BTreeSet::new() };
        for (syscall, rules) in policy.calls.rules.iter().filter(|(syscall, _)| syscall.abi == abi) {
            file.add(*syscall, rules);
        }
        file.fits()?;
        losses.extend(one_machine::other_abis(policy, abi, Action::KillThread, Action::KillThread));
        if policy.calls.default_action != Action::KillThread {
            let kind = LossKind::MinijailKills { policy: policy.calls.default_action };
            losses.insert(Loss::stricter(About::DefaultAction, kind));
        }
        losses.extend(file.losses.iter().cloned());
        Ok(Written::text(file.text(policy, abi), losses))
    }
}

#[derive(Debug)]
struct File {
    default: Action,
    lines: BTreeMap<&'static str, Line>,
    losses: BTreeSet<Loss>,
}

/// What the file says of one call.
#[derive(Debug)]
struct Line {
    /// When it is allowed, each alternative the atoms that must hold; `None` for always.
    groups: Option<Vec<Vec<Term>>>,
    /// What it fails with otherwise; without it, it kills.
    errno: Option<u16>,
    why: String,
}

/// One atom of minijail's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Term {
    index: u8,
    operator: &'static str,
    value: u64,
}

impl File {
    fn add(&mut self, syscall: Syscall, rules: &[Rule]) {
        let about = || About::Call(syscall);
        let Some(name) = syscall.name() else {
            self.losses.insert(left_to_default(about(), LossKind::Nameless, rules, Action::KillThread));
            return;
        };
        let mut actions: BTreeSet<Action> = reached(rules).into_iter().collect();
        if !matches!(when(rules, |_| true), Some(When::Always)) {
            actions.insert(self.default);
        }
        if actions.contains(&Action::Log) {
            self.losses.insert(Loss::stricter(about(), LossKind::Logged(false)));
        }
        let groups = if let Some(Some(groups)) = when(rules, runs).as_ref().map(groups) {
            groups
        } else {
            self.losses.insert(left_to_default(about(), TOO_LONG, rules, Action::KillThread));
            Some(Vec::new())
        };
        let refusals: BTreeSet<Action> = actions.into_iter().filter(|action| !runs(*action)).collect();
        let errno = refusals.iter().find_map(|refusal| match refusal {
            Action::Errno(number) => Some(*number),
            _ => None,
        });
        let is_plain = groups.is_none();
        let never = groups.as_ref().is_some_and(Vec::is_empty);
        let answer = errno.map_or(Action::KillThread, Action::Errno);
        if !is_plain && refusals.iter().any(|refusal| *refusal != answer) {
            self.losses.insert(Loss::stricter(about(), LossKind::RefusedAlike(answer)));
        }
        if never && errno.is_none() {
            return;
        }
        if syscall.since().is_none_or(|since| since > NAMED_UP_TO) {
            let kind = LossKind::NewName { reader: Reader::Minijail, is_left_out: never };
            self.losses.insert(Loss::stricter(about(), kind));
            if never {
                return;
            }
        }
        let reasons = rules.iter().flat_map(|rule| &rule.reasons);
        self.lines.insert(name, Line { groups, errno: errno.filter(|_| !is_plain), why: why(reasons) });
    }

    /// Whether minijail can compile it: a load and a comparison are at most nine instructions.
    fn fits(&self) -> Result<(), EmitError> {
        let mut labels = 0;
        let mut instructions = 8;
        for line in self.lines.values() {
            instructions += 2;
            if let Some(groups) = &line.groups {
                labels += 1 + if groups.is_empty() { 0 } else { groups.len() + 1 };
                instructions += 4 + groups.iter().map(|group| 2 + 9 * group.len()).sum::<usize>();
            }
        }
        if labels <= MOST_LABELS && instructions <= MOST_INSTRUCTIONS {
            return Ok(());
        }
        Err(EmitError {
            what: format!(
                "express the policy within minijail's limits, {MOST_LABELS} labels and {MOST_INSTRUCTIONS} instructions: it \
                 takes up to {labels} and {instructions}"
            ),
            hint: "write the rules of some calls with fewer conditions".to_owned(),
        })
    }

    fn text(&self, policy: &Policy, abi: Abi) -> String {
        let mut text = format!(
            "# Made by sandprint, for libminijail on {abi}: minijail0 -n -S minijail.policy -- PROGRAM\n\
             # Not for compile_seccomp_policy.py, which reads `return` in another way.\n"
        );
        for note in &policy.notes {
            // Writing to a String cannot fail, here and below.
            writeln!(text, "# Note: {}", escape::line_comment(&note.to_string())).unwrap_or_default();
        }
        for (name, line) in &self.lines {
            if !line.why.is_empty() {
                writeln!(text, "# {}", line.why).unwrap_or_default();
            }
            writeln!(text, "{name}: {}", line.expression()).unwrap_or_default();
        }
        text
    }
}

impl Line {
    fn expression(&self) -> String {
        let refusal = self.errno.map(|errno| format!("return {errno}"));
        let Some(groups) = &self.groups else { return "1".to_owned() };
        let group = |terms: &Vec<Term>| {
            let terms = terms
                .iter()
                .map(|Term { index, operator, value }| format!("arg{index} {operator} {value:#x}"));
            terms.collect::<Vec<_>>().join(" && ")
        };
        let allowed = groups.iter().map(group).collect::<Vec<_>>().join(" || ");
        match (allowed.as_str(), refusal) {
            ("", refusal) => refusal.unwrap_or_default(),
            (_, None) => allowed,
            (_, Some(refusal)) => format!("{allowed}; {refusal}"),
        }
    }
}

fn why<'r>(reasons: impl Iterator<Item = &'r Reason>) -> String {
    escape::line_comment(&reasons::in_words(reasons))
}

/// The alternatives in minijail's words: `None` inside for always, outside where they are too many.
#[expect(clippy::option_option, reason = "always, and too many, are two answers")]
fn groups(when: &When) -> Option<Option<Vec<Vec<Term>>>> {
    let When::AnyOf(alternatives) = when else { return Some(None) };
    let mut all = Vec::new();
    for alternative in alternatives {
        let mut of_alternative: Vec<Vec<Term>> = vec![Vec::new()];
        let mut arguments: BTreeMap<u8, Vec<Atom>> = BTreeMap::new();
        for atom in alternative {
            arguments.entry(atom.index).or_default().push(*atom);
        }
        for atoms in arguments.into_values() {
            let choices = choices(&atoms)?;
            if of_alternative.len() * choices.len() > MOST_GROUPS {
                return None;
            }
            of_alternative = of_alternative
                .iter()
                .flat_map(|before| choices.iter().map(|choice| [before.as_slice(), choice].concat()))
                .collect();
        }
        all.extend(of_alternative);
    }
    (all.len() <= MOST_GROUPS).then_some(Some(all))
}

/// What is asked of one argument as alternatives of minijail's atoms: each atom's with each of the others', or those
/// of the values that satisfy all of them, where these are fewer.
fn choices(atoms: &[Atom]) -> Option<Vec<Vec<Term>>> {
    let each: Vec<_> = atoms.iter().map(terms).collect();
    let together = each.iter().try_fold(1_usize, |count, terms| count.checked_mul(terms.len()));
    let values = blocks(Abi::X86_64, &[atoms.to_vec()], MOST_GROUPS);
    if let Some(values) =
        values.filter(|values| atoms.len() > 1 && together.is_none_or(|it| it > values.len()))
    {
        let index = atoms.first()?.index;
        return Some(values.into_iter().map(|block| of_block(index, block)).collect());
    }
    let mut all: Vec<Vec<Term>> = vec![Vec::new()];
    for terms in each {
        if all.len() * terms.len() > MOST_GROUPS {
            return None;
        }
        all = all
            .iter()
            .flat_map(|before| terms.iter().map(|more| [before.as_slice(), more].concat()))
            .collect();
    }
    Some(all)
}

/// The bits that are set, and those that are clear.
fn of_block(index: u8, Block { mask, value }: Block) -> Vec<Term> {
    let clear = mask & !value;
    let clear = (clear != 0).then_some(Term { index, operator: "in", value: !clear });
    clear.into_iter().chain(bits(value).map(|bit| Term { index, operator: "&", value: bit })).collect()
}

fn bits(mask: u64) -> impl Iterator<Item = u64> {
    (0..64).map(|bit| 1 << bit).filter(move |bit| mask & bit != 0)
}

/// One atom as alternatives of minijail's atoms.
fn terms(atom: &Atom) -> Vec<Vec<Term>> {
    let term = |operator, value| Term { index: atom.index, operator, value };
    if let (Width::Bits64, Test::Is(comparison)) = (atom.width, atom.test) {
        let whole = match comparison {
            Comparison::Equal(value) => Some(term("==", value)),
            Comparison::NotEqual(value) => Some(term("!=", value)),
            Comparison::Less(value) => Some(term("<", value)),
            Comparison::LessOrEqual(value) => Some(term("<=", value)),
            Comparison::Greater(value) => Some(term(">", value)),
            Comparison::GreaterOrEqual(value) => Some(term(">=", value)),
            Comparison::MaskedEqual { .. } => None,
        };
        if let Some(whole) = whole {
            return vec![vec![whole]];
        }
    }
    let differs = |mask: u64, value: u64| {
        let any_set = mask & !value;
        let set = (any_set != 0).then(|| vec![term("&", any_set)]);
        set.into_iter().chain(bits(value).map(|bit: u64| vec![term("in", !bit)])).collect()
    };
    match atom.test {
        Test::MaskedNotEqual { mask, value } => differs(mask, value),
        Test::Is(Comparison::NotEqual(value)) => differs(0xffff_ffff, value),
        Test::Is(_) => {
            // Every comparison of 32 bits is a set of blocks: bits that are set, and bits that are clear.
            let blocks = blocks(Abi::X86_64, &[vec![*atom]], usize::MAX).unwrap_or_default();
            blocks.into_iter().map(|block| of_block(atom.index, block)).collect()
        }
    }
}
