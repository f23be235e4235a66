//! A unit file of systemd, or a drop-in: what its settings refuse, as systemd 252 makes filters of them.
//!
//! Every setting is a filter of its own in the kernel, which takes the strictest answer of all; so they are
//! read one by one and then joined. What is not translated is a loss: the unit refuses more than the policy.
//!
//! Source: src/core/load-fragment.c, src/core/execute.c and src/shared/seccomp-util.c of version 252.

mod refusals;
mod settings;
mod unit_file;

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use sandprint_model::{Abi, Action, Arch, Loss, LossKind, Note, Policy, Reason, Rule, Syscall};

use super::libseccomp::Filter;
use super::{Format, ImportError, Imported, Site, reason, runs, unknown_names, word};
use crate::emit::NAMED_UP_TO;
use settings::Settings;
use unit_file::{Assignment, UnitFile};

/// Sections whose settings are those of a process (systemd.exec(5)).
const SECTIONS: [&str; 4] = ["Service", "Socket", "Mount", "Swap"];

/// Settings that filter calls or name the filter's ABIs.
const CALL_SETTINGS: [&str; 4] =
    ["SystemCallFilter", "SystemCallErrorNumber", "SystemCallArchitectures", "SystemCallLog"];

/// Whether a text is a unit file with such settings, or some lines of one.
pub(super) fn looks_like(text: &str) -> bool {
    let found = unit_file::read(text).assignments;
    found.iter().any(|assignment| is_of_process(assignment) && assignment.key.starts_with("SystemCall"))
        || text.lines().any(|line| line.trim() == "[Service]")
}

fn is_of_process(assignment: &Assignment) -> bool {
    assignment.section.as_deref().is_none_or(|section| SECTIONS.contains(&section))
}

/// Reads a unit.
pub(super) fn import(text: &str, site: &Site) -> Result<Imported, ImportError> {
    let UnitFile { assignments, strange, refused } = unit_file::read(text);
    if let Some((at, problem)) = refused {
        return Err(ImportError::Text { at, problem: format!("systemd refuses the whole unit: {problem}") });
    }
    let mut settings = Settings::default();
    for at in strange {
        settings.losses.insert(Loss::stricter(word(format!("line {}", at.line)), LossKind::NoAssignment));
    }
    let here: Vec<&Assignment> = assignments.iter().filter(|assignment| is_of_process(assignment)).collect();
    for assignment in &here {
        settings.take(assignment, site.arch);
    }
    if !settings.filters_calls {
        return Err(ImportError::NoFilter);
    }
    if here.iter().any(|assignment| assignment.section.is_none()) {
        settings.notes.insert(Note::NoSection);
    }
    Ok(join(&settings, site))
}

/// What one setting does: an answer for every call.
struct Layer {
    default: Action,
    rules: BTreeMap<Syscall, Vec<Rule>>,
}

impl Layer {
    fn decides(&self, syscall: Syscall) -> Vec<Rule> {
        let mut rules = self.rules.get(&syscall).cloned().unwrap_or_default();
        if !rules.iter().any(|rule| rule.conditions.is_empty()) {
            rules.push(Rule { conditions: Vec::new(), action: self.default, reasons: BTreeSet::new() });
        }
        rules
    }
}

/// One policy of all settings.
fn join(settings: &Settings, site: &Site) -> Imported {
    let machine = site.arch.abis();
    let abis: Vec<Abi> = match &settings.architectures {
        None => machine.to_vec(),
        Some(listed) => machine.iter().copied().filter(|abi| listed.contains(abi)).collect(),
    };
    let (mut losses, mut notes) = (settings.losses.clone(), settings.notes.clone());
    let layers = layers(settings, &abis, &mut losses);
    let mut joined = Layer { default: Action::Allow, rules: BTreeMap::new() };
    for layer in layers {
        joined = stricter_of(&joined, &layer);
    }
    let foreign = if settings.architectures.is_some() { Action::KillThread } else { Action::Allow };
    if settings.architectures.is_none() {
        notes.insert(Note::EveryAbi);
    }
    let policy: Policy =
        super::policy(Format::Systemd, (joined.default, foreign), &abis, joined.rules, notes);
    Imported { policy, losses, faults: BTreeSet::new() }
}

/// What the settings of these lines refuse by filters of their own, all but the lists of names.
pub(crate) fn refused_by(lines: &str, abis: &[Abi]) -> BTreeMap<Syscall, Vec<Rule>> {
    let mut refused: BTreeMap<Syscall, Vec<Rule>> = BTreeMap::new();
    let machines: BTreeSet<Arch> = abis.iter().map(|abi| abi.arch()).collect();
    for machine in machines {
        let mut settings = Settings::default();
        for assignment in unit_file::read(lines).assignments {
            settings.take(&assignment, machine);
        }
        let here: Vec<Abi> = abis.iter().copied().filter(|abi| abi.arch() == machine).collect();
        for layer in layers(&settings, &here, &mut BTreeSet::new()) {
            for (syscall, rules) in layer.rules {
                refused.entry(syscall).or_default().extend(rules);
            }
        }
    }
    refused
}

/// The filters of a unit, oldest first.
fn layers(settings: &Settings, abis: &[Abi], losses: &mut BTreeSet<Loss>) -> Vec<Layer> {
    let mut layers = Vec::new();
    for (key, refusals) in settings.refusals() {
        let mut filter = Filter::new(Action::Allow, abis);
        let why: Reason = reason(Format::Systemd, &format!("{key}="));
        for refusal in refusals {
            let here: Vec<Abi> = abis.iter().copied().filter(|abi| !refusal.except.contains(abi)).collect();
            filter.add_in(&here, refusal.name, Action::Errno(refusal.errno), &refusal.args, &why);
        }
        layers.push(Layer { default: Action::Allow, rules: filter.finish().rules });
    }
    if let Some(list) = &settings.log {
        let (default, listed_action) =
            if list.allows { (Action::Allow, Action::Log) } else { (Action::Log, Action::Allow) };
        let mut filter = Filter::new(default, abis).known_up_to(NAMED_UP_TO);
        for (name, entry) in &list.names {
            filter.add(name, listed_action, &[], &reason(Format::Systemd, &entry.comment));
        }
        layers.push(Layer { default, rules: filter.finish().rules });
    }
    if let Some(list) = &settings.filter {
        let (default, listed_action) =
            if list.allows { (settings.refusal, Action::Allow) } else { (Action::Allow, settings.refusal) };
        let mut filter = Filter::new(default, abis).known_up_to(NAMED_UP_TO);
        for (name, entry) in &list.names {
            let action = entry.action.unwrap_or(listed_action);
            filter.add(name, action, &[], &reason(Format::Systemd, &entry.comment));
        }
        lose_unknown(&filter, default, losses);
        lose_newer(&filter, default, losses);
        layers.push(Layer { default, rules: filter.finish().rules });
    }
    layers
}

fn lose_unknown(filter: &Filter, default: Action, losses: &mut BTreeSet<Loss>) {
    // The groups name calls of other machines.
    let in_groups = super::groups::members("@known").unwrap_or_default();
    let names: BTreeSet<String> =
        filter.unknown.keys().filter(|name| !in_groups.contains(name.as_str())).cloned().collect();
    if !names.is_empty() {
        losses.insert(unknown_names(names, runs(default)));
    }
}

fn lose_newer(filter: &Filter, default: Action, losses: &mut BTreeSet<Loss>) {
    // With a group of version 252 comes nothing that nobody named.
    let in_default = super::groups::members("@default").unwrap_or_default();
    let names: BTreeSet<String> =
        filter.newer.iter().filter(|name| !in_default.contains(name.as_str())).cloned().collect();
    if !names.is_empty() {
        let kind = LossKind::NewerNames { than: NAMED_UP_TO, names };
        losses.insert(Loss::weaker_if(runs(default), word("newer names"), kind));
    }
}

/// The stricter of two answers; of two that are equally strict, the newer filter's (`seccomp_run_filters`).
fn stricter(older: Action, newer: Action) -> Action {
    if mem::discriminant(&older) == mem::discriminant(&newer) { newer } else { older.max(newer) }
}

/// Both layers at once, the older one first.
fn stricter_of(a: &Layer, b: &Layer) -> Layer {
    let calls: BTreeSet<Syscall> = a.rules.keys().chain(b.rules.keys()).copied().collect();
    let default = stricter(a.default, b.default);
    let mut rules = BTreeMap::new();
    for syscall in calls {
        let second = b.decides(syscall);
        let both = |first: Rule| {
            second.clone().into_iter().map(move |second| {
                let mut conditions = first.conditions.clone();
                conditions.extend(
                    second.conditions.iter().filter(|condition| !first.conditions.contains(condition)),
                );
                let action = stricter(first.action, second.action);
                let mut reasons = BTreeSet::new();
                for rule in [&first, &second] {
                    if rule.action == action {
                        reasons.extend(rule.reasons.iter().cloned());
                    }
                }
                Rule { conditions, action, reasons }
            })
        };
        let mut product: Vec<Rule> = a.decides(syscall).into_iter().flat_map(both).collect();
        while product.last().is_some_and(|rule| rule.action == default) {
            product.pop();
        }
        for rule in &mut product {
            if rule.reasons.is_empty() {
                rule.reasons.insert(reason(Format::Systemd, "what no setting refuses"));
            }
        }
        if !product.is_empty() {
            rules.insert(syscall, product);
        }
    }
    Layer { default, rules }
}

/// A value that systemd does not understand, and ignores with a warning.
fn ignored(key: &str, value: &str) -> Loss {
    Loss::stricter(word(key), LossKind::NotUnderstood(value.to_owned()))
}
