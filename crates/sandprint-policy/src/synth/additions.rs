//! What a policy holds beside what was observed: calls that a recording need not show although the workload needs them.
//!
//! One table says all of them (`data/additions.tsv`): what must have been seen, with which arguments a call is needed,
//! why, and what that gives away. Whoever makes a policy adds them in the one way that is here: of a recording, by what
//! each program did; of a policy that is refined or translated, by what it allows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use sandprint_model::{
    Abi, Action, ArgumentsSeen, Comparison, Condition, Image, Policy, Reason, Rule, Syscall, Trace, Width,
};

use super::{AllowedArguments, SynthError};
use table::{Fault, Group, Row, Sign};

mod table;

/// The table.
#[derive(Debug)]
pub struct Additions {
    groups: Vec<Group<'static>>,
    rows: Vec<Row<'static>>,
}

/// One rule that is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addition {
    pub(crate) syscall: Syscall,
    /// With which arguments it is needed; none for any.
    pub(crate) conditions: Vec<Condition>,
    /// Whether the conditions hold although rules are not about arguments.
    pub(crate) only: bool,
    /// Whether something had to be seen for it.
    pub(crate) follows: bool,
    pub(crate) why: &'static str,
    /// Whether it is for programs of another C library, and so for `--portable` only.
    pub(crate) portable: bool,
    group: usize,
}

/// The group of calls that are for programs of another C library.
const PORTABLE: &str = "start";

impl Addition {
    /// What it means where rules are about arguments, or are not.
    pub(crate) fn rule(&self, arguments: AllowedArguments) -> Rule {
        let told_apart = self.only || arguments == AllowedArguments::Observed;
        let conditions = if told_apart { self.conditions.clone() } else { Vec::new() };
        Rule { conditions, action: Action::Allow, reasons: BTreeSet::from([self.reason()]) }
    }

    pub(crate) fn reason(&self) -> Reason {
        let why = self.why.to_owned();
        if !self.portable {
            return Reason::Baseline(why);
        }
        let of = Syscall::from_name(self.syscall.abi, "execve").unwrap_or(self.syscall);
        Reason::Portability { of, why }
    }
}

/// How a call was made, or may be.
enum Way<'w> {
    /// With any arguments, or nobody knows with which.
    Any,
    /// With these.
    With([u64; 6]),
    /// With all that fulfil these.
    Under(&'w [Condition]),
}

impl Way<'_> {
    fn fulfils(&self, wanted: &[Condition]) -> bool {
        match self {
            Way::Any => true,
            Way::With(registers) => wanted.iter().all(|condition| condition.holds(registers)),
            Way::Under(conditions) => implies(conditions, wanted),
        }
    }
}

/// What one program did, by the names of calls.
type Doings<'w> = BTreeMap<&'static str, Vec<Way<'w>>>;

static READ: LazyLock<Result<Additions, Fault>> =
    LazyLock::new(|| table::parse(table::TABLE).map(|(groups, rows)| Additions { groups, rows }));

impl Additions {
    /// Reads the table, which is part of the program.
    pub fn read() -> Result<&'static Additions, SynthError> {
        READ.as_ref()
            .map_err(|fault| SynthError::AdditionsTable { line: fault.line, problem: fault.problem.clone() })
    }

    /// The groups: the name of each, what its calls are, and what they give away.
    pub fn groups(&self) -> impl Iterator<Item = [&'static str; 3]> {
        self.groups.iter().map(|group| [group.name, group.what, group.gives])
    }

    /// The calls that are never added whole: without rules about arguments too, only the needed arguments are allowed.
    pub fn never_whole(&self) -> BTreeSet<&'static str> {
        let of = |only: bool| self.rows.iter().filter(move |row| row.only == only).flat_map(|row| &row.calls);
        let whole: BTreeSet<&str> = of(false).copied().collect();
        of(true).copied().filter(|call| !whole.contains(call)).collect()
    }

    /// What is needed beside what the programs of a trace were seen to do.
    pub(super) fn of_trace(&self, trace: &Trace) -> Vec<Addition> {
        self.beside(trace).filter(|addition| !addition.portable).collect()
    }

    /// What programs of other C libraries would need that do the same.
    pub(super) fn of_other_libraries(&self, trace: &Trace) -> Vec<Addition> {
        self.beside(trace).filter(|addition| addition.portable).collect()
    }

    fn beside(&self, trace: &Trace) -> impl Iterator<Item = Addition> {
        let abis: BTreeSet<Abi> = trace.calls.iter().map(|(_, syscall, _)| syscall.abi).collect();
        let mut programs: BTreeMap<(Option<&Image>, Option<Syscall>, Abi), Doings<'_>> = BTreeMap::new();
        for (subject, syscall, runs) in trace.calls.iter() {
            let Some(name) = syscall.name() else { continue };
            // Programs that are not known may be several: then each call is one's own.
            let is_known = !subject.image.path.is_empty();
            let who = (is_known.then_some(&*subject.image), (!is_known).then_some(*syscall));
            let doings = programs.entry((who.0, who.1, syscall.abi)).or_default();
            let ways = doings.entry(name).or_default();
            for seen in runs.values() {
                match seen.arguments.as_ref().and_then(ArgumentsSeen::values) {
                    Some(values) => ways.extend(values.keys().map(|one| Way::With(one.registers()))),
                    None => ways.push(Way::Any),
                }
            }
        }
        let programs = programs.iter().map(|((_, _, abi), doings)| (*abi, doings)).collect::<Vec<_>>();
        self.needed(&abis, &programs).into_iter()
    }

    /// What is needed beside what a policy allows, in every ABI that it has rules for.
    pub(crate) fn of_policy(&self, policy: &Policy) -> Vec<Addition> {
        let mut by_abi: BTreeMap<Abi, Doings<'_>> = BTreeMap::new();
        for (syscall, rules) in &policy.calls.rules {
            let doings = by_abi.entry(syscall.abi).or_default();
            let Some(name) = syscall.name() else { continue };
            let running = rules.iter().filter(|rule| rule.action.lets_run() && !is_added(rule));
            let ways: Vec<Way<'_>> = running
                .map(|rule| if rule.conditions.is_empty() { Way::Any } else { Way::Under(&rule.conditions) })
                .collect();
            if !ways.is_empty() {
                doings.insert(name, ways);
            }
        }
        let abis = by_abi.keys().copied().collect();
        let programs = by_abi.iter().map(|(abi, doings)| (*abi, doings)).collect::<Vec<_>>();
        self.needed(&abis, &programs)
    }

    /// In the order of the table, each once.
    fn needed(&self, abis: &BTreeSet<Abi>, programs: &[(Abi, &Doings<'_>)]) -> Vec<Addition> {
        let mut needed: Vec<Addition> = Vec::new();
        for row in &self.rows {
            let portable = self.groups.get(row.group).is_some_and(|group| group.name == PORTABLE);
            for abi in abis.iter().filter(|abi| row.abis.contains(abi)) {
                let mut here = programs.iter().filter(|(of, _)| of == abi);
                if !row.seen.is_empty() && !here.any(|(_, doings)| brings(row, *abi, doings)) {
                    continue;
                }
                // A test holds that every condition can be read.
                let Ok(conditions) = table::in_abi(*abi, &row.when) else { continue };
                for syscall in row.calls.iter().filter_map(|name| Syscall::from_name(*abi, name)) {
                    let addition = Addition {
                        syscall,
                        conditions: conditions.clone(),
                        only: row.only,
                        follows: !row.seen.is_empty(),
                        why: row.why,
                        portable,
                        group: row.group,
                    };
                    needed.push(addition);
                }
            }
        }
        needed
    }

    /// Whether a policy has what every policy gets, so that it was not made without.
    pub fn is_in(&self, policy: &Policy) -> bool {
        let is_baseline = |rule: &Rule| rule.reasons.iter().any(|one| matches!(one, Reason::Baseline(_)));
        let always = |name| self.rows.iter().any(|row| row.seen.is_empty() && row.calls.contains(&name));
        let mut calls = policy.calls.rules.iter().filter(|(_, rules)| rules.iter().any(is_baseline));
        calls.any(|(syscall, _)| syscall.name().is_some_and(always))
    }

    /// Adds what is needed beside what a policy allows. No rule that refuses is made weaker, and what is refused by
    /// nobody but a libc's other way is allowed.
    pub fn complete(&self, policy: &mut Policy, arguments: AllowedArguments) {
        for addition in self.of_policy(policy).into_iter().filter(|addition| !addition.portable) {
            add(policy, &addition, arguments);
        }
    }

    /// How many calls of each group these are, in words: "2 that cannot fail, 1 that chance decides".
    pub(super) fn counted<'a>(
        &self,
        additions: impl Iterator<Item = &'a Addition>,
    ) -> Vec<(usize, &'static str)> {
        let mut counted: BTreeMap<Syscall, usize> = BTreeMap::new();
        for addition in additions {
            counted.entry(addition.syscall).or_insert(addition.group);
        }
        let of = |place: usize| counted.values().filter(|group| **group == place).count();
        let groups = self.groups.iter().enumerate().map(|(place, group)| (of(place), group.what));
        groups.filter(|(count, _)| *count > 0).collect()
    }
}

fn brings(row: &Row<'_>, abi: Abi, doings: &Doings<'_>) -> bool {
    let is_seen = |sign: &Sign<'_>| {
        let ways = doings.get(sign.call).map_or(&[][..], Vec::as_slice);
        table::in_abi(abi, &sign.when).is_ok_and(|wanted| ways.iter().any(|way| way.fulfils(&wanted)))
    };
    row.seen.iter().all(|term| term.iter().any(is_seen))
}

fn add(policy: &mut Policy, addition: &Addition, arguments: AllowedArguments) {
    let rules = policy.calls.rules.entry(addition.syscall).or_default();
    // Who told a call's arguments apart did not mean it to be allowed whole.
    let told_apart = rules.iter().any(|rule| rule.action.lets_run() && !rule.conditions.is_empty());
    let arguments = if told_apart { AllowedArguments::Observed } else { arguments };
    let rule = addition.rule(arguments);
    let is_there =
        |there: &Rule| there.action == Action::Allow && implies(&rule.conditions, &there.conditions);
    let last = rules.iter().position(|there| there.conditions.is_empty());
    let is_other_way = |rule: &Rule| {
        !rule.reasons.is_empty() && rule.reasons.iter().all(|reason| matches!(reason, Reason::Fallback(_)))
    };
    if rules.iter().any(is_there) {
        return;
    }
    match last.and_then(|place| Some((place, rules.get_mut(place)?))) {
        None => rules.push(rule),
        Some((_, there)) if is_other_way(there) && rule.conditions.is_empty() => *there = rule,
        Some((place, there)) if is_other_way(there) => rules.insert(place, rule),
        Some(_) => {}
    }
}

/// Whether a rule is there for nothing that the workload was seen to do.
fn is_added(rule: &Rule) -> bool {
    let added = |reason: &Reason| {
        matches!(reason, Reason::Baseline(_) | Reason::Runtime { .. } | Reason::Portability { .. })
    };
    !rule.reasons.is_empty() && rule.reasons.iter().all(added)
}

/// Whether all that fulfils the first conditions fulfils the others too, as far as masks and values show.
pub(super) fn implies(narrow: &[Condition], wide: &[Condition]) -> bool {
    wide.iter().all(|that| narrow.iter().any(|this| is_narrower(this, that)))
}

fn is_narrower(this: &Condition, that: &Condition) -> bool {
    if this == that {
        return true;
    }
    let bits = |condition: &Condition| match (condition.comparison, condition.width) {
        (Comparison::Equal(value), Width::Bits32) => Some((u64::from(u32::MAX), value & 0xffff_ffff)),
        (Comparison::Equal(value), Width::Bits64) => Some((u64::MAX, value)),
        (Comparison::MaskedEqual { mask, value }, Width::Bits32) => Some((mask & 0xffff_ffff, value)),
        (Comparison::MaskedEqual { mask, value }, Width::Bits64) => Some((mask, value)),
        _ => None,
    };
    match (bits(this), bits(that)) {
        (Some((mask, value)), Some((other, wanted))) => {
            this.index == that.index
                && this.width == that.width
                && other & !mask == 0
                && value & other == wanted
        }
        _ => false,
    }
}

/// Whether a call is in the table with conditions that hold always, among others.
#[cfg(test)]
pub(crate) fn may_be_told_apart(syscall: Syscall) -> bool {
    let Ok(table) = Additions::read() else { return false };
    table.rows.iter().any(|row| row.only && row.calls.iter().any(|name| Some(*name) == syscall.name()))
}

/// Whether a call that is allowed for these reasons is allowed by lines whose conditions hold always, and by no other.
pub(crate) fn is_only_with_arguments(syscall: Syscall, reasons: &BTreeSet<&Reason>) -> bool {
    let (Ok(table), Some(name)) = (Additions::read(), syscall.name()) else { return false };
    let is_of_call = |row: &&Row<'_>| row.calls.contains(&name) && row.abis.contains(&syscall.abi);
    let of_call: Vec<&Row<'_>> = table.rows.iter().filter(is_of_call).collect();
    let is_given = |reason: &Reason| {
        let said = |row: &&&Row<'_>| matches!(reason, Reason::Baseline(why) if **why == *row.why);
        let mut rows = of_call.iter().filter(said).peekable();
        rows.peek().is_some() && rows.all(|row| row.only)
    };
    !reasons.is_empty() && reasons.iter().all(|reason| is_given(reason))
}

#[cfg(test)]
mod tests;
