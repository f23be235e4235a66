//! Reads the table of what is added to what was observed: `data/additions.tsv`, which is part of the program.
//!
//! Strict: a line that is skipped is a call that fails on another day. What names mean is checked by a test, and not each
//! time the program runs, which would take longer than all the rest of `profile generate`.

#[cfg(test)]
use std::collections::BTreeSet;

#[cfg(test)]
use sandprint_model::Syscall;
use sandprint_model::wire::condition_from_words;
use sandprint_model::{Abi, Condition};

/// The table.
pub(super) static TABLE: &str = include_str!("../../../data/additions.tsv");

/// What the calls of a group are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group<'t> {
    pub(crate) name: &'t str,
    /// Behind "calls".
    pub(crate) what: &'t str,
    /// What all of it gives away.
    pub(crate) gives: &'t str,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row<'t> {
    /// Its group's place among the groups.
    pub(crate) group: usize,
    pub(crate) abis: Vec<Abi>,
    /// What must have been seen: one of each.
    pub(crate) seen: Vec<Vec<Sign<'t>>>,
    pub(crate) calls: Vec<&'t str>,
    /// With which arguments: none for any.
    pub(crate) when: Vec<&'t str>,
    /// Whether these are asked for although rules are not about arguments.
    pub(crate) only: bool,
    pub(crate) why: &'t str,
}

/// A call that a program was seen to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sign<'t> {
    pub(crate) call: &'t str,
    pub(crate) when: Vec<&'t str>,
}

/// Where the table is wrong, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// From 1.
    pub(crate) line: usize,
    pub(crate) problem: String,
}

/// The groups and the lines of a table, whose names are taken to mean something.
pub(super) fn parse(text: &str) -> Result<(Vec<Group<'_>>, Vec<Row<'_>>), Fault> {
    lines(text, |_row| Ok(()))
}

/// The same, where every call and every condition must be one of the ABIs of its line.
#[cfg(test)]
pub(super) fn parse_and_check(text: &str) -> Result<(Vec<Group<'_>>, Vec<Row<'_>>), Fault> {
    lines(text, check)
}

fn lines(
    text: &str,
    check: impl Fn(&Row<'_>) -> Result<(), String>,
) -> Result<(Vec<Group<'_>>, Vec<Row<'_>>), Fault> {
    let (mut groups, mut rows) = (Vec::<Group<'_>>::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fault = |problem: String| Fault { line: index + 1, problem };
        let fields: Vec<&str> = line.split('\t').collect();
        if let Some(field) = fields.iter().find(|field| field.trim() != **field || field.is_empty()) {
            return Err(fault(format!("`{field}` is empty or has blanks around it")));
        }
        match fields[..] {
            [name, _, _] if groups.iter().any(|group| group.name == name) => {
                return Err(fault(format!("the group `{name}` is there twice")));
            }
            [name, what, gives] => groups.push(Group { name, what, gives }),
            [name, abis, seen, calls, when, why, _gives] => {
                let group = groups.iter().position(|group| group.name == name);
                let group = group.ok_or_else(|| fault(format!("there is no group `{name}`")))?;
                let row = row(group, abis, seen, calls, when, why).map_err(fault)?;
                check(&row).map_err(fault)?;
                if rows.iter().any(|other| says_the_same(other, &row)) {
                    return Err(fault(format!("`{calls}` is there twice")));
                }
                rows.push(row);
            }
            _ => return Err(fault(format!("{} columns instead of 7, or 3 for a group", fields.len()))),
        }
    }
    Ok((groups, rows))
}

fn says_the_same(one: &Row<'_>, other: &Row<'_>) -> bool {
    (&one.abis, &one.seen, &one.calls, &one.when) == (&other.abis, &other.seen, &other.calls, &other.when)
}

fn row<'t>(
    group: usize,
    abis: &'t str,
    seen: &'t str,
    calls: &'t str,
    when: &'t str,
    why: &'t str,
) -> Result<Row<'t>, String> {
    let abis = match abis {
        "*" => Abi::ALL.to_vec(),
        some => some.split(',').map(abi).collect::<Result<_, _>>()?,
    };
    let seen = match seen {
        "-" => Vec::new(),
        terms => terms.split(" + ").map(signs).collect::<Result<_, _>>()?,
    };
    let calls: Vec<&str> = calls.split(',').collect();
    let (only, when) = match when.strip_prefix("only ") {
        Some(when) => (true, conditions(when)),
        None if when == "any" => (false, Vec::new()),
        None => (false, conditions(when)),
    };
    Ok(Row { group, abis, seen, calls, when, only, why })
}

fn abi(name: &str) -> Result<Abi, String> {
    Abi::from_name(name).ok_or_else(|| format!("there is no ABI `{name}`"))
}

fn conditions(text: &str) -> Vec<&str> {
    text.split(" and ").collect()
}

/// The alternatives of a term.
fn signs<'t>(term: &'t str) -> Result<Vec<Sign<'t>>, String> {
    let sign = |one: &'t str| {
        let (call, when) = match one.split_once('(') {
            None => (one, Vec::new()),
            Some((call, rest)) => {
                let inner = rest.strip_suffix(')').ok_or_else(|| format!("`{one}` has no end"))?;
                (call, conditions(inner))
            }
        };
        Ok(Sign { call, when })
    };
    term.split(',').map(sign).collect()
}

/// Whether each call of a line is there in one of its ABIs, and the conditions can be read in each.
#[cfg(test)]
fn check(row: &Row<'_>) -> Result<(), String> {
    let added = row.calls.iter().map(|call| (*call, &row.when));
    let signs = row.seen.iter().flatten().map(|sign| (sign.call, &sign.when));
    for (call, when) in added.chain(signs) {
        let here: Vec<Abi> =
            row.abis.iter().copied().filter(|abi| Syscall::from_name(*abi, call).is_some()).collect();
        if here.is_empty() {
            return Err(format!("there is no call `{call}`"));
        }
        for abi in here {
            let read = in_abi(abi, when).map_err(|problem| format!("{abi} {call}: {problem}"))?;
            // Some formats can say no more.
            let tested: BTreeSet<u8> = read.iter().map(|condition| condition.index).collect();
            if tested.len() != read.len() {
                return Err(format!("{call}: an argument is compared twice"));
            }
        }
    }
    Ok(())
}

/// Conditions as they are in an ABI.
pub(super) fn in_abi(abi: Abi, when: &[&str]) -> Result<Vec<Condition>, String> {
    when.iter().map(|text| condition_from_words(abi, text)).collect()
}
