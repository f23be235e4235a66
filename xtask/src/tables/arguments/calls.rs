//! The calls with their arguments, what depends on what, and the selectors: read, and joined for each ABI.
//!
//! As strict as the numbers are: every call of every ABI has exactly one row, and every row is used.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail, ensure};

use super::super::Abi;
use super::super::source::rows;
use super::AbiSet;
use super::constants::{Vocabulary, number};

/// The three files about calls.
pub(super) struct Texts<'a> {
    pub(super) calls: &'a str,
    pub(super) depends: &'a str,
    pub(super) selectors: &'a str,
}

/// What is known of a call, on the ABIs where it is the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Call {
    pub(super) arguments: Vec<Argument>,
    pub(super) dependents: Vec<Dependent>,
    pub(super) selectors: Vec<Selector>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Argument {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) bits: u8,
}

/// `Fd`, or `Flags` with a set's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) variant: &'static str,
    pub(super) set: Option<String>,
}

/// An argument that has another kind when a second one says so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Dependent {
    pub(super) index: usize,
    pub(super) on: usize,
    pub(super) test: Test,
    /// None where the kernel does not look at it.
    pub(super) kind: Option<Kind>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Test {
    AnyOf(Vec<u64>),
    NoneOf(u64),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Selector {
    pub(super) index: usize,
    pub(super) matching: (&'static str, Option<u64>),
    pub(super) with: Option<usize>,
    pub(super) note: Option<String>,
}

/// Every call, by name, with the ABIs that have it so.
pub(super) type Calls = BTreeMap<String, Vec<(AbiSet, Call)>>;

pub(super) fn join(
    texts: &Texts<'_>,
    names: &BTreeMap<Abi, Vec<&str>>,
    vocabulary: &Vocabulary,
) -> anyhow::Result<Calls> {
    let signatures = Signatures::read(texts.calls)?;
    let dependents = by_call::<5>("depends.tsv", texts.depends)?;
    let selectors = by_call::<5>("selectors.tsv", texts.selectors)?;
    let mut used = BTreeSet::new();
    let mut calls = Calls::new();
    for (abi, names) in names {
        for name in names {
            let place = || format!("{name} of {}", abi.name);
            let (row, text) = signatures.of(*abi, name).with_context(place)?;
            used.insert(row.to_owned());
            let arguments = arguments(text, *abi, vocabulary).with_context(place)?;
            let scope = AbiSet::of(*abi);
            let position = |name: &str| arguments.iter().position(|argument| argument.name == name);
            let mut call =
                Call { dependents: Vec::new(), selectors: Vec::new(), arguments: arguments.clone() };
            for (row, [_, argument, on, test, kind]) in dependents.get(*name).into_iter().flatten() {
                let (Some(index), Some(on)) = (position(argument), position(on)) else { continue };
                used.insert(row.clone());
                let test = self::test(test, scope, vocabulary).with_context(|| row.clone())?;
                let kind = match *kind {
                    "none" => None,
                    kind => Some(self::kind(kind, vocabulary).with_context(|| row.clone())?.0),
                };
                call.dependents.push(Dependent { index, on, test, kind });
            }
            for (row, [_, argument, matching, with, note]) in selectors.get(*name).into_iter().flatten() {
                let Some(index) = position(argument) else { continue };
                used.insert(row.clone());
                let matching = self::matching(matching, scope, vocabulary).with_context(|| row.clone())?;
                let with = match *with {
                    "-" => None,
                    other => Some(position(other).with_context(|| format!("{row}: no argument {other}"))?),
                };
                let twice = call.selectors.iter().any(|selector| selector.index == index);
                ensure!(!twice, "{row}: {name} has two selectors for {argument}");
                let note = (*note != "-").then(|| (*note).to_owned());
                call.selectors.push(Selector { index, matching, with, note });
            }
            call.selectors.sort();
            let variants = calls.entry((*name).to_owned()).or_default();
            match variants.iter_mut().find(|(_, other)| *other == call) {
                Some((abis, _)) => abis.insert(*abi),
                None => variants.push((scope, call)),
            }
        }
    }
    let rows = signatures.rows.keys().map(|(name, abis)| format!("calls.tsv: {name} {abis}"));
    let others = dependents.values().chain(selectors.values()).flatten().map(|(row, _)| row.clone());
    if let Some(row) = rows.chain(others).find(|row| !used.contains(row)) {
        bail!("a row that no call uses: {row}");
    }
    Ok(calls)
}

/// The rows of calls.tsv, by call and ABIs.
struct Signatures<'a> {
    rows: BTreeMap<(&'a str, &'a str), &'a str>,
}

impl<'a> Signatures<'a> {
    fn read(text: &'a str) -> anyhow::Result<Signatures<'a>> {
        let mut read = BTreeMap::new();
        for row in rows::<4>("calls.tsv", text) {
            let (place, [name, abis, source, arguments]) = row?;
            ensure!(!source.is_empty(), "{place}: a prototype needs a source");
            ensure!(read.insert((name, abis), arguments).is_none(), "{place}: {name} is there twice");
        }
        Ok(Signatures { rows: read })
    }

    /// The row that answers for a call, and its arguments.
    fn of(&self, abi: Abi, name: &str) -> anyhow::Result<(String, &'a str)> {
        let mut general = None;
        let mut own = Vec::new();
        for ((call, abis), arguments) in &self.rows {
            if *call == name && *abis == "*" {
                general = Some((*abis, *arguments));
            } else if *call == name && AbiSet::parse(abis)?.contains(abi) {
                own.push((*abis, *arguments));
            }
        }
        ensure!(own.len() < 2, "calls.tsv has two rows for it");
        let found = own.pop().or(general).context("calls.tsv has no row for it")?;
        Ok((format!("calls.tsv: {name} {}", found.0), found.1))
    }
}

/// The rows of a file whose first column is a list of calls: by call, each with its name for messages.
fn by_call<'a, const COLUMNS: usize>(
    file: &'a str,
    text: &'a str,
) -> anyhow::Result<BTreeMap<&'a str, Vec<(String, [&'a str; COLUMNS])>>> {
    let mut calls: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for row in rows::<COLUMNS>(file, text) {
        let (place, cells) = row?;
        let first = cells.first().copied().unwrap_or_default();
        for name in first.split(',') {
            calls.entry(name).or_default().push((format!("{place}: {name}"), cells));
        }
    }
    Ok(calls)
}

/// `fd:fd arg:word`, or `-`.
fn arguments(text: &str, abi: Abi, vocabulary: &Vocabulary) -> anyhow::Result<Vec<Argument>> {
    let mut arguments: Vec<Argument> = Vec::new();
    for word in text.split(' ').filter(|word| *word != "-") {
        let (name, text) = word.split_once(':').with_context(|| format!("no kind in `{word}`"))?;
        let (kind, bits) = kind(text, vocabulary)?;
        let twice = arguments.iter().any(|argument| argument.name == name);
        ensure!(!twice, "two arguments are named {name}");
        let bits = if matches!(abi.name, "arm" | "i386") { 32 } else { bits };
        arguments.push(Argument { name: name.to_owned(), kind, bits });
    }
    ensure!(arguments.len() <= 6, "no call has more than six arguments");
    Ok(arguments)
}

/// Each kind with its variant in the model, and how wide it is.
const KINDS: &[(&str, &str, u8)] = &[
    ("dirfd", "DirFd", 32),
    ("fd", "Fd", 32),
    ("gid", "Gid", 32),
    ("int", "Int", 32),
    ("long", "Long", 64),
    ("mode", "Mode", 32),
    ("offset", "Offset", 64),
    ("path", "Path", 64),
    ("pid", "Pid", 32),
    ("pointer", "Pointer", 64),
    ("signal", "Signal", 32),
    ("size", "Size", 64),
    ("string", "String", 64),
    ("uid", "Uid", 32),
    ("uint", "Uint", 32),
    ("word", "Word", 64),
];

/// A kind and its width: `fd`, `word/32`, `flags:MS/64`.
fn kind(text: &str, vocabulary: &Vocabulary) -> anyhow::Result<(Kind, u8)> {
    let (text, bits) = match text.split_once('/') {
        Some((text, "32")) => (text, Some(32)),
        Some((text, "64")) => (text, Some(64)),
        Some((_, other)) => bail!("no width: `{other}`"),
        None => (text, None),
    };
    if let Some((shape, name)) = text.split_once(':') {
        let set = vocabulary.sets.get(name).with_context(|| format!("sets.tsv has no {name}"))?;
        let variant = match (shape, set.field) {
            ("one", u64::MAX) => "One",
            ("flags", field) if field != u64::MAX => "Flags",
            _ => bail!("{name} is a set of another shape than `{shape}`"),
        };
        return Ok((Kind { variant, set: Some(name.to_owned()) }, bits.unwrap_or(32)));
    }
    let known = KINDS.iter().find(|(name, _, _)| *name == text);
    let (_, variant, wide) = known.with_context(|| format!("`{text}` is no kind"))?;
    Ok((Kind { variant, set: None }, bits.unwrap_or(*wide)))
}

fn test(text: &str, abis: AbiSet, vocabulary: &Vocabulary) -> anyhow::Result<Test> {
    let values = |names: &str| -> anyhow::Result<Vec<u64>> {
        names.split(',').map(|name| vocabulary.value(name, abis)).collect()
    };
    if let Some(names) = text.strip_prefix('=') {
        Ok(Test::AnyOf(values(names)?))
    } else if let Some(names) = text.strip_prefix('~') {
        Ok(Test::NoneOf(values(names)?.into_iter().fold(0, |bits, value| bits | value)))
    } else {
        bail!("`{text}` is no test")
    }
}

/// How a selector is matched: the variant in the model, and its bits.
fn matching(
    text: &str,
    abis: AbiSet,
    vocabulary: &Vocabulary,
) -> anyhow::Result<(&'static str, Option<u64>)> {
    let Some((word, bits)) = text.split_once(':') else {
        return Ok(match text {
            "exact" => ("Exact", None),
            "allowed" => ("AllowedBits", None),
            "zero" => ("Zero", None),
            other => bail!("`{other}` is no match"),
        });
    };
    let variant = match word {
        "field" => "Field",
        "forbidden" => "ForbiddenBits",
        "masked" => "Masked",
        "required" => "RequiredBits",
        "together" => "NotTogether",
        other => bail!("`{other}` is no match"),
    };
    let mut value = 0;
    for bit in bits.split('|') {
        value |= number(bit).or_else(|_| vocabulary.value(bit, abis))?;
    }
    Ok((variant, Some(value)))
}
