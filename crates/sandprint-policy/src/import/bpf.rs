//! A raw classic BPF program: every number of every ABI is decided by it, and what it asks of arguments becomes
//! conditions.
//!
//! The policy is exact, or a loss says where it is not: each call that has rules, its neighbours and values at
//! the edges of every comparison are decided by both the program and the policy, and compared.

mod arguments;
mod check;
mod decision;
mod rules;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::{Abi, About, Action, Loss, LossKind, Note, Rule, Syscall};

use super::{Format, ImportError, Imported, policy, reason, runs, word};
use crate::cbpf::{Program, op, validate};
use decision::{Decisions, Id};
use walk::{Part, TooComplex};

/// Most numbers of one part that get rules of their own. The largest gap between named calls is smaller; what is
/// beyond stays with the default action.
const MOST_NUMBERS: u32 = 1024;
/// Most calls that get rules.
const MOST_CALLS: usize = 8192;

/// Reads a program.
pub(super) fn import(bytes: &[u8]) -> Result<Imported, ImportError> {
    let program = Program::from_bytes(bytes).ok_or(ImportError::NotWhole(bytes.len()))?;
    validate(&program)?;
    let analysed = Analysed::new(&program).map_err(|TooComplex| ImportError::TooComplex)?;
    let mut imported = analysed.imported();
    if imported.policy.calls.rules.len() > MOST_CALLS {
        return Err(ImportError::TooComplex);
    }
    check::compare(&program, &analysed, &mut imported);
    Ok(imported)
}

/// What a program does.
struct Analysed {
    decisions: Decisions,
    abis: BTreeMap<Abi, Vec<Part>>,
    /// The answer for machines that the program does not know.
    foreign: Action,
    /// Whether that answer is the same for all numbers and arguments.
    foreign_is_one: bool,
    /// Whether it returns data with SIGSYS, which a policy does not hold.
    trap_data: bool,
}

impl Analysed {
    fn new(program: &Program) -> Result<Analysed, TooComplex> {
        let mut decisions = Decisions::default();
        let mut abis = BTreeMap::new();
        for abi in Abi::ALL {
            let ranges: &[(u32, u32)] = match abi {
                Abi::X32 => &[(Abi::X32_BIT, 0x7fff_ffff)],
                Abi::X86_64 => &[(0, Abi::X32_BIT - 1), (0x8000_0000, u32::MAX)],
                _ => &[(0, u32::MAX)],
            };
            let mut parts = Vec::new();
            for range in ranges {
                parts.extend(walk::parts(program, abi.audit_arch(), *range, &mut decisions)?);
            }
            if abi == Abi::X32 {
                let own = |(first, last, id): Part| (first & !Abi::X32_BIT, last & !Abi::X32_BIT, id);
                parts = parts.into_iter().map(own).collect();
            }
            abis.insert(abi, parts);
        }
        let foreign = walk::parts(program, unknown_arch(program), (0, u32::MAX), &mut decisions)?;
        let answers: BTreeSet<Option<Action>> =
            foreign.iter().map(|(.., id)| decisions.action(*id)).collect();
        let strictest = foreign.iter().map(|(.., id)| decisions.strictest(*id)).max();
        let trap = |value: u32| value & 0xffff_0000 == 0x0003_0000 && value & 0xffff != 0;
        Ok(Analysed {
            decisions,
            abis,
            foreign: strictest.unwrap_or(Action::KillProcess),
            foreign_is_one: answers.len() == 1 && !answers.contains(&None),
            trap_data: program.0.iter().any(|one| one.code == op::RETURN && trap(one.k)),
        })
    }

    /// Whether an ABI is decided as an unknown machine is.
    fn is_foreign(&self, abi: Abi) -> bool {
        let parts = self.abis.get(&abi).map_or(&[][..], Vec::as_slice);
        parts.iter().all(|(.., id)| self.decisions.action(*id) == Some(self.foreign))
    }

    /// The ABIs that the program has an answer of its own for.
    fn own(&self) -> Vec<Abi> {
        Abi::ALL.into_iter().filter(|abi| !self.is_foreign(*abi)).collect()
    }

    /// The strictest answer to the numbers that most calls without a name have.
    fn default_action(&self) -> Action {
        let own = self.own();
        let widest = |abi: &Abi| {
            let parts = self.abis.get(abi)?;
            let positive = parts.iter().filter(|(first, ..)| *first < 0x8000_0000);
            let (.., id) = positive.max_by_key(|(first, last, _)| last.min(&0x7fff_ffff) - first)?;
            Some(self.decisions.strictest(*id))
        };
        // An ABI that is decided as a whole has rules for its calls, and does not need the default action.
        let is_whole = |abi: &&Abi| self.abis.get(abi).is_some_and(|parts| parts.len() == 1);
        let (whole, divided): (Vec<&Abi>, Vec<&Abi>) = own.iter().partition(is_whole);
        let strictest = |abis: Vec<&Abi>| abis.into_iter().filter_map(widest).max();
        strictest(divided).or_else(|| strictest(whole)).unwrap_or(self.foreign)
    }

    fn imported(&self) -> Imported {
        let default = self.default_action();
        let own = self.own();
        let mut losses = BTreeSet::new();
        let mut rules = BTreeMap::new();
        let mut known: BTreeMap<Id, (Vec<Rule>, Vec<LossKind>)> = BTreeMap::new();
        for abi in &own {
            for (first, last, id) in self.abis.get(abi).into_iter().flatten() {
                let (found, lost) = known.entry(*id).or_insert_with(|| self.rules_of(*id, default));
                if found.is_empty() && lost.is_empty() {
                    continue;
                }
                let numbers: Vec<u32> = if last - first < MOST_NUMBERS {
                    (*first..=*last).collect()
                } else {
                    losses.insert(self.lose_numbers(*abi, (*first, *last, *id), default));
                    let named = Syscall::all(*abi).map(|syscall| syscall.nr);
                    named.filter(|nr| (*first..=*last).contains(nr)).collect()
                };
                for nr in numbers {
                    let syscall = Syscall { abi: *abi, nr };
                    let lost = lost.iter().cloned();
                    losses.extend(lost.map(|kind| Loss::stricter(About::Call(syscall), kind)));
                    if !found.is_empty() {
                        rules.insert(syscall, found.clone());
                    }
                }
            }
        }
        if !self.foreign_is_one {
            losses.insert(Loss::stricter(About::OtherAbis, LossKind::UnknownMachines));
        }
        if self.trap_data {
            losses.insert(Loss::stricter(word("SIGSYS"), LossKind::SignalData));
        }
        let notes = BTreeSet::<Note>::new();
        let policy = policy(Format::Bpf, (default, self.foreign), &own, rules, notes);
        Imported { policy, losses, faults: BTreeSet::new() }
    }

    /// The rules of a decision, without those at the end that the default action makes idle, and what they lack.
    fn rules_of(&self, id: Id, default: Action) -> (Vec<Rule>, Vec<LossKind>) {
        let rule = |conditions, action| Rule {
            conditions,
            action,
            reasons: BTreeSet::from([reason(Format::Bpf, "")]),
        };
        let mut lost = Vec::new();
        let mut found = if let Some(found) = rules::rules(&self.decisions, id) {
            found.into_iter().map(|(matched, action)| rule(matched.conditions(), action)).collect()
        } else {
            lost.push(LossKind::TooManyWays);
            vec![rule(Vec::new(), self.decisions.strictest(id))]
        };
        if !self.decisions.is_exact(id) {
            lost.push(LossKind::LooksElsewhere);
        }
        while found.last().is_some_and(|rule: &Rule| rule.action == default) {
            found.pop();
        }
        (found, lost)
    }

    fn lose_numbers(&self, abi: Abi, (first, last, id): Part, default: Action) -> Loss {
        let weaker = runs(default) && !runs(self.decisions.strictest(id));
        Loss::weaker_if(weaker, About::Numbers(abi, first, last), LossKind::NumbersByDefault)
    }
}

/// A value of `AUDIT_ARCH_*` that the program cannot know.
fn unknown_arch(program: &Program) -> u32 {
    let compared: BTreeSet<u32> = program.0.iter().map(|instruction| instruction.k).collect();
    let known = |arch: u32| Abi::ALL.iter().any(|abi| abi.audit_arch() == arch);
    (0x8000_0001..u32::MAX).find(|arch| !compared.contains(arch) && !known(*arch)).unwrap_or(0x8000_0001)
}
