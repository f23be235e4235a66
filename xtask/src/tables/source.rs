//! The three data files read and joined: which calls each ABI has, and since when.
//!
//! The files are strict: every row must be used, and none may say what another says already, so that a row which a
//! newer import has overtaken is noticed and removed.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail, ensure};

use super::{ABIS, Abi};

/// A kernel release, as far as sandprint tells them apart.
pub(super) type Release = (u16, u16);

/// One call of one ABI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) nr: u32,
    pub(super) name: String,
    /// The release that introduced it; none for a slot that was never filled.
    pub(super) since: Option<Release>,
}

/// Where the numbers come from, in the words of the file's own head.
pub(super) fn origin(numbers: &str) -> anyhow::Result<&str> {
    numbers
        .lines()
        .find_map(|line| line.strip_prefix("# Source: "))
        .context("numbers.tsv does not name its source")
}

/// The calls of every ABI, by number.
pub(super) fn join(numbers: &str, amendments: &str, since: &str) -> anyhow::Result<BTreeMap<Abi, Vec<Call>>> {
    let names = amended(numbers_by_abi(numbers)?, amendments)?;
    let since = Since::read(since)?;
    let mut used = BTreeSet::new();
    let mut tables = BTreeMap::new();
    for (abi, calls) in names {
        let mut seen = BTreeMap::new();
        let mut table = Vec::new();
        for (nr, name) in calls {
            if let Some(other) = seen.insert(name.clone(), nr) {
                bail!("{} gives the name {name} to both {other} and {nr}", abi.name);
            }
            let (row, since) = since.of(abi, &name)?;
            used.insert(row);
            table.push(Call { nr, name, since });
        }
        tables.insert(abi, table);
    }
    if let Some((name, scope)) = since.calls.keys().find(|row| !used.contains(row)) {
        bail!("since.tsv has a row that no call uses: {name}, {scope}");
    }
    Ok(tables)
}

type Names = BTreeMap<Abi, BTreeMap<u32, String>>;

fn numbers_by_abi(text: &str) -> anyhow::Result<Names> {
    let mut names = Names::new();
    for row in rows::<3>("numbers.tsv", text) {
        let (place, [abi, nr, name]) = row?;
        let nr = number(nr).with_context(|| place.clone())?;
        let replaced = names.entry(abi_named(abi)?).or_default().insert(nr, name.to_owned());
        ensure!(replaced.is_none(), "{place}: the number {nr} of {abi} is there twice");
    }
    for abi in ABIS {
        ensure!(names.contains_key(&abi), "numbers.tsv has no call of {}", abi.name);
    }
    Ok(names)
}

fn amended(mut names: Names, amendments: &str) -> anyhow::Result<Names> {
    let mut amended = BTreeSet::new();
    for row in rows::<4>("amendments.tsv", amendments) {
        let (place, [abi, nr, name, reason]) = row?;
        ensure!(!reason.is_empty(), "{place}: an amendment needs a reason");
        let nr = number(nr).with_context(|| place.clone())?;
        let abi = abi_named(abi)?;
        ensure!(amended.insert((abi, nr)), "{place}: the number {nr} is amended twice");
        let replaced = names.entry(abi).or_default().insert(nr, name.to_owned());
        ensure!(replaced.as_deref() != Some(name), "{place}: numbers.tsv says the same by now");
    }
    Ok(names)
}

/// What since.tsv says.
struct Since {
    /// The release in which an ABI itself appeared.
    floors: BTreeMap<Abi, Release>,
    /// By name and scope: `*` or the name of an ABI.
    calls: BTreeMap<(String, String), Option<Release>>,
}

impl Since {
    fn read(text: &str) -> anyhow::Result<Since> {
        let mut since = Since { floors: BTreeMap::new(), calls: BTreeMap::new() };
        for row in rows::<4>("since.tsv", text) {
            let (place, [name, scope, value, source]) = row?;
            ensure!(!source.is_empty(), "{place}: a release needs a source");
            let value = release(value).with_context(|| place.clone())?;
            let replaced = if name == "*" {
                let value = value.with_context(|| format!("{place}: an ABI needs a release"))?;
                since.floors.insert(abi_named(scope)?, value).is_some()
            } else {
                if scope != "*" {
                    abi_named(scope).with_context(|| place.clone())?;
                }
                since.calls.insert((name.to_owned(), scope.to_owned()), value).is_some()
            };
            ensure!(!replaced, "{place}: {name} of {scope} is there twice");
        }
        for ((name, scope), value) in &since.calls {
            let general = since.calls.get(&(name.clone(), String::from("*")));
            let repeats = scope != "*" && general == Some(value);
            ensure!(!repeats, "since.tsv: the row of {name} for {scope} repeats the one for *");
        }
        Ok(since)
    }

    /// The row that answers for a call, and its answer: never older than the ABI.
    fn of(&self, abi: Abi, name: &str) -> anyhow::Result<((String, String), Option<Release>)> {
        for scope in [abi.name, "*"] {
            let key = (name.to_owned(), scope.to_owned());
            if let Some(value) = self.calls.get(&key) {
                let floor = self.floors.get(&abi).copied().unwrap_or_default();
                return Ok((key, value.map(|release| release.max(floor))));
            }
        }
        bail!("since.tsv does not say since when {} has {name}", abi.name)
    }
}

/// The rows of a table: comments and empty lines are left out; each comes with its place, for messages.
pub(super) fn rows<'a, const COLUMNS: usize>(
    file: &'a str,
    text: &'a str,
) -> impl Iterator<Item = anyhow::Result<(String, [&'a str; COLUMNS])>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(move |(index, line)| {
        let place = format!("{file}:{}", index + 1);
        let cells: Vec<&str> = line.split('\t').collect();
        match <[&str; COLUMNS]>::try_from(cells) {
            Ok(cells) => Ok((place, cells)),
            Err(cells) => bail!("{place}: {} columns where {COLUMNS} belong", cells.len()),
        }
    })
}

pub(super) fn abi_named(name: &str) -> anyhow::Result<Abi> {
    ABIS.into_iter().find(|abi| abi.name == name).with_context(|| format!("`{name}` is no ABI"))
}

fn number(text: &str) -> anyhow::Result<u32> {
    text.parse().with_context(|| format!("`{text}` is no call number"))
}

/// `5.10`, or `-` for none.
fn release(text: &str) -> anyhow::Result<Option<Release>> {
    if text == "-" {
        return Ok(None);
    }
    let parts =
        text.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    parts.map(Some).with_context(|| format!("`{text}` is no kernel release"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: &str =
        "# Source: a test.\naarch64\t1\ta\narm\t1\ta\ni386\t1\ta\nx32\t1\ta\nx86_64\t1\ta\nx86_64\t2\tb\n";
    const SINCE: &str = "*\taarch64\t3.7\ts\na\t*\t2.6\ts\nb\t*\t2.0\ts\nb\tx86_64\t5.1\ts\n";

    fn calls(abi: &str, amendments: &str, since: &str) -> Vec<Call> {
        join(NUMBERS, amendments, since).unwrap().remove(&abi_named(abi).unwrap()).unwrap()
    }

    fn call(nr: u32, name: &str, since: Option<Release>) -> Call {
        Call { nr, name: name.to_owned(), since }
    }

    #[test]
    fn the_row_for_the_abi_wins_and_nothing_is_older_than_its_abi() {
        let since = format!("{SINCE}c\tarm\t-\ts\n");
        let amendments = "arm\t7\tc\tdead\narm\t8\tb\tdead\n";
        assert_eq!(
            calls("x86_64", amendments, &since),
            [call(1, "a", Some((2, 6))), call(2, "b", Some((5, 1)))]
        );
        assert_eq!(calls("aarch64", amendments, &since), [call(1, "a", Some((3, 7)))]);
        let arm = [call(1, "a", Some((2, 6))), call(7, "c", None), call(8, "b", Some((2, 0)))];
        assert_eq!(calls("arm", amendments, &since), arm);
    }

    #[test]
    fn an_amendment_renames() {
        let since = "a\t*\t2.6\ts\nc\t*\t2.0\ts\n";
        assert_eq!(calls("x86_64", "x86_64\t2\tc\twrong\n", since)[1], call(2, "c", Some((2, 0))));
    }

    #[test]
    fn contradictions_and_leftovers_are_refused() {
        let general = "a\t*\t2.6\ts\nb\t*\t5.1\ts\n";
        let cases: [(&str, &str, &str, &str); 14] = [
            ("x86_64\t2\tz\n", "", general, "numbers.tsv:8: the number 2 of x86_64 is there twice"),
            ("x86_64\t3\tb\n", "", general, "x86_64 gives the name b to both 2 and 3"),
            ("x86_64\t3\n", "", general, "numbers.tsv:8: 2 columns where 3 belong"),
            ("mips\t3\tz\n", "", general, "`mips` is no ABI"),
            (
                "x86_64\tthree\tz\n",
                "",
                general,
                "numbers.tsv:8: `three` is no call number: invalid digit found in string",
            ),
            ("x86_64\t3\tz\n", "", general, "since.tsv does not say since when x86_64 has z"),
            ("", "x86_64\t2\tb\told\n", general, "amendments.tsv:1: numbers.tsv says the same by now"),
            ("", "arm\t2\tb\tr\narm\t2\tb\tr\n", general, "amendments.tsv:2: the number 2 is amended twice"),
            ("", "arm\t2\tb\t\n", general, "amendments.tsv:1: an amendment needs a reason"),
            ("", "", "a\t*\t2.6\ts\na\t*\t2.6\ts\n", "since.tsv:2: a of * is there twice"),
            (
                "",
                "",
                "a\t*\t2.6\ts\na\tarm\t2.6\ts\n",
                "since.tsv: the row of a for arm repeats the one for *",
            ),
            ("", "", "a\t*\t2.6\t\n", "since.tsv:1: a release needs a source"),
            ("", "", "a\t*\ttwo\ts\n", "since.tsv:1: `two` is no kernel release"),
            ("", "", &format!("{general}z\t*\t2.6\ts\n"), "since.tsv has a row that no call uses: z, *"),
        ];
        for (more_numbers, amendments, since, expected) in cases {
            let error = join(&format!("{NUMBERS}{more_numbers}"), amendments, since).unwrap_err();
            assert_eq!(format!("{error:#}"), expected);
        }
    }

    #[test]
    fn an_abi_without_calls_is_refused() {
        let error = join("x86_64\t1\ta\n", "", "a\t*\t1.0\ts\n").unwrap_err();
        assert_eq!(error.to_string(), "numbers.tsv has no call of aarch64");
    }
}
