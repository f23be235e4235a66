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
    let depends = by_call("depends.tsv", texts.depends)?;
    let matches = by_call("selectors.tsv", texts.selectors)?;
    let mut used = BTreeSet::new();
    let mut calls = Calls::new();
    for (abi, names) in names {
        let scope = Scope { abis: AbiSet::of(*abi), vocabulary };
        for name in names {
            let place = || format!("{name} of {}", abi.name);
            let (row, text) = signatures.of(*abi, name).with_context(place)?;
            used.insert(row);
            let mut call = Call {
                arguments: arguments(text, *abi, vocabulary).with_context(place)?,
                dependents: Vec::new(),
                selectors: Vec::new(),
            };
            for row in depends.get(*name).into_iter().flatten() {
                if let Some(found) = scope.dependent(&row.cells, &call).with_context(|| row.place.clone())? {
                    used.insert(row.place.clone());
                    call.dependents.push(found);
                }
            }
            for row in matches.get(*name).into_iter().flatten() {
                if let Some(found) = scope.selector(&row.cells, &call).with_context(|| row.place.clone())? {
                    used.insert(row.place.clone());
                    call.selectors.push(found);
                }
            }
            call.selectors.sort();
            let variants = calls.entry((*name).to_owned()).or_default();
            match variants.iter_mut().find(|(_, other)| *other == call) {
                Some((abis, _)) => abis.insert(*abi),
                None => variants.push((scope.abis, call)),
            }
        }
    }
    let signatures = signatures.rows.keys().map(|(name, abis)| format!("calls.tsv: {name} {abis}"));
    let others = depends.values().chain(matches.values()).flatten().map(|row| row.place.clone());
    if let Some(row) = signatures.chain(others).find(|row| !used.contains(row)) {
        bail!("a row that no call uses: {row}");
    }
    Ok(calls)
}

/// One ABI, and the constants that it has.
struct Scope<'a> {
    abis: AbiSet,
    vocabulary: &'a Vocabulary,
}

impl Scope<'_> {
    /// A row of depends.tsv; none where the call has no such arguments on this ABI.
    fn dependent(&self, cells: &[&str; 5], call: &Call) -> anyhow::Result<Option<Dependent>> {
        let [_, argument, on, question, changed] = cells;
        let (Some(index), Some(on)) = (call.position(argument), call.position(on)) else { return Ok(None) };
        let changed = match *changed {
            "none" => None,
            text => Some(kind(text, self.vocabulary)?.0),
        };
        Ok(Some(Dependent { index, on, test: self.test(question)?, kind: changed }))
    }

    /// A row of selectors.tsv; none where the call has no such argument on this ABI.
    fn selector(&self, cells: &[&str; 5], call: &Call) -> anyhow::Result<Option<Selector>> {
        let [_, argument, how, beside, note] = cells;
        let Some(index) = call.position(argument) else { return Ok(None) };
        ensure!(
            call.selectors.iter().all(|selector| selector.index != index),
            "{argument} has two selectors"
        );
        let with = match *beside {
            "-" => None,
            other => Some(call.position(other).with_context(|| format!("there is no argument {other}"))?),
        };
        let note = (*note != "-").then(|| (*note).to_owned());
        Ok(Some(Selector { index, matching: self.matching(how)?, with, note }))
    }

    fn test(&self, text: &str) -> anyhow::Result<Test> {
        let values = |names: &str| -> anyhow::Result<Vec<u64>> {
            names.split(',').map(|name| self.vocabulary.value(name, self.abis)).collect()
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
    fn matching(&self, text: &str) -> anyhow::Result<(&'static str, Option<u64>)> {
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
            value |= number(bit).or_else(|_| self.vocabulary.value(bit, self.abis))?;
        }
        Ok((variant, Some(value)))
    }
}

impl Call {
    fn position(&self, name: &str) -> Option<usize> {
        self.arguments.iter().position(|argument| argument.name == name)
    }
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

/// A row of a file whose first column is a list of calls, as far as it is about one of them.
struct CallRow<'a> {
    /// For messages, and to tell rows apart.
    place: String,
    cells: [&'a str; 5],
}

/// The rows of such a file, by call.
fn by_call<'a>(file: &'a str, text: &'a str) -> anyhow::Result<BTreeMap<&'a str, Vec<CallRow<'a>>>> {
    let mut by_name: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for row in rows::<5>(file, text) {
        let (place, cells) = row?;
        let [names, ..] = cells;
        for name in names.split(',') {
            by_name.entry(name).or_default().push(CallRow { place: format!("{place}: {name}"), cells });
        }
    }
    Ok(by_name)
}

/// `fd:fd arg:word`, or `-`.
fn arguments(text: &str, abi: Abi, vocabulary: &Vocabulary) -> anyhow::Result<Vec<Argument>> {
    let mut read: Vec<Argument> = Vec::new();
    for word in text.split(' ').filter(|word| *word != "-") {
        let (name, text) = word.split_once(':').with_context(|| format!("no kind in `{word}`"))?;
        let (kind, bits) = kind(text, vocabulary)?;
        ensure!(read.iter().all(|other| other.name != name), "two arguments are named {name}");
        let bits = if matches!(abi.name, "arm" | "i386") { 32 } else { bits };
        read.push(Argument { name: name.to_owned(), kind, bits });
    }
    ensure!(read.len() <= 6, "no call has more than six arguments");
    Ok(read)
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

#[cfg(test)]
mod tests {
    use super::super::super::ABIS;
    use super::*;

    const CALLS: &str = "a\t*\ts\tfd:fd arg:word how:flags:S\na\tarm,i386\ts\targ:word\nb\t*\ts\t-\n";
    const DEPENDS: &str = "a\targ\tfd\t=X,Y\tsize\n";
    const SELECTORS: &str = "a\thow\tforbidden:X|0x8\t-\tcareful\n";

    fn joined(calls: &str, depends: &str, selectors: &str) -> anyhow::Result<Calls> {
        let constants = "G\tX\t*\t1\th\nG\tY\t*\t2\th\n";
        let vocabulary = Vocabulary::read(constants, "S\tbits\thex\tG\nT\tone\thex\tG\n")?;
        let names = ABIS.into_iter().map(|abi| (abi, vec!["a", "b"])).collect();
        join(&Texts { calls, depends, selectors }, &names, &vocabulary)
    }

    #[test]
    fn a_call_has_a_row_for_each_way_that_it_is() {
        let calls = joined(CALLS, DEPENDS, SELECTORS).unwrap();
        let [(wide, native), (narrow, compat)] = &calls["a"][..] else { panic!("{:?}", calls["a"]) };
        assert_eq!((*narrow, *wide), (AbiSet::parse("arm,i386").unwrap(), AbiSet(0b1_1001)));
        let bits = |call: &Call| call.arguments.iter().map(|argument| argument.bits).collect::<Vec<_>>();
        assert_eq!((bits(native), bits(compat)), (vec![32, 64, 32], vec![32]));
        let kind = Some(Kind { variant: "Size", set: None });
        assert_eq!(native.dependents, [Dependent { index: 1, on: 0, test: Test::AnyOf(vec![1, 2]), kind }]);
        let matching = ("ForbiddenBits", Some(9));
        let note = Some("careful".to_owned());
        assert_eq!(native.selectors, [Selector { index: 2, matching, with: None, note }]);
        assert!(compat.dependents.is_empty() && compat.selectors.is_empty());
        assert_eq!(calls["b"].len(), 1);
    }

    #[test]
    fn contradictions_and_leftovers_are_refused() {
        let with = |calls: &str| format!("{CALLS}{calls}");
        for (calls, depends, selectors, expected) in [
            ("b\t*\ts\t-\n", "", "", "a of aarch64: calls.tsv has no row for it"),
            (&with("a\t*\ts\t-\n"), "", "", "calls.tsv:4: a is there twice"),
            (&with("c\t*\ts\t-\n"), "", "", "a row that no call uses: calls.tsv: c *"),
            (&with("a\tarm\ts\t-\n"), "", "", "a of arm: calls.tsv has two rows for it"),
            (&with("c\t*\t\t-\n"), "", "", "calls.tsv:4: a prototype needs a source"),
            ("a\t*\ts\tx:fd x:fd\n", "", "", "a of aarch64: two arguments are named x"),
            ("a\t*\ts\tx\n", "", "", "a of aarch64: no kind in `x`"),
            ("a\t*\ts\tx:thing\n", "", "", "a of aarch64: `thing` is no kind"),
            ("a\t*\ts\tx:fd/16\n", "", "", "a of aarch64: no width: `16`"),
            ("a\t*\ts\tx:one:S\n", "", "", "a of aarch64: S is a set of another shape than `one`"),
            ("a\t*\ts\tx:flags:T\n", "", "", "a of aarch64: T is a set of another shape than `flags`"),
            (CALLS, "a\targ\tfd\tX\tsize\n", "", "depends.tsv:1: a: `X` is no test"),
            (CALLS, "a\targ\tfd\t=Z\tsize\n", "", "depends.tsv:1: a: `Z` is no constant of these ABIs"),
            (CALLS, "a\tz\tfd\t=X\tsize\n", "", "a row that no call uses: depends.tsv:1: a"),
            (CALLS, "", "a\thow\tsome\t-\t-\n", "selectors.tsv:1: a: `some` is no match"),
            (CALLS, "", "a\thow\tzero\tz\t-\n", "selectors.tsv:1: a: there is no argument z"),
            (CALLS, "", "z\thow\tzero\t-\t-\n", "a row that no call uses: selectors.tsv:1: z"),
            (
                CALLS,
                "",
                "a\thow\tzero\t-\t-\na\thow\texact\t-\t-\n",
                "selectors.tsv:2: a: how has two selectors",
            ),
        ] {
            let error = joined(calls, depends, selectors).unwrap_err();
            assert_eq!(format!("{error:#}"), expected);
        }
    }
}
