//! Tables of calls: what was expected, what was seen, and how they differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Calls of one kind by one program, as strace or the recorder told them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// The program; empty where the source does not tell programs apart.
    pub(crate) image: String,
    pub(crate) abi: String,
    /// Without x32's bit 30.
    pub(crate) nr: u32,
    /// `None` for a number without a name.
    pub(crate) name: Option<String>,
    pub(crate) count: u64,
}

/// A call as a table of expectations writes it: by name, or by number where that has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    Name(String),
    Number(u32),
}

/// One line of a table: the program, the ABI, the call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) image: String,
    pub(crate) abi: String,
    pub(crate) call: Named,
}

/// Counts by program and call.
pub(crate) type Table = BTreeMap<Key, u64>;

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.image.is_empty() {
            write!(f, "{}: ", self.image)?;
        }
        match &self.call {
            Named::Name(name) => write!(f, "{} {name}", self.abi),
            Named::Number(nr) => write!(f, "{} nr={nr}", self.abi),
        }
    }
}

/// Makes a table of rows. Calls that `like` names by number are so named, whatever their name is.
pub(crate) fn table(rows: &[Row], like: &Table) -> Table {
    let by_number: BTreeSet<(&str, u32)> = like
        .keys()
        .filter_map(|key| match key.call {
            Named::Number(nr) => Some((key.abi.as_str(), nr)),
            Named::Name(_) => None,
        })
        .collect();
    let mut table = Table::new();
    for row in rows {
        let call = match &row.name {
            Some(name) if !by_number.contains(&(row.abi.as_str(), row.nr)) => Named::Name(name.clone()),
            _ => Named::Number(row.nr),
        };
        let key = Key { image: row.image.clone(), abi: row.abi.clone(), call };
        *table.entry(key).or_default() += row.count;
    }
    table
}

/// The same counts without the programs.
pub(crate) fn totals(table: &Table) -> Table {
    let mut totals = Table::new();
    for (key, count) in table {
        *totals.entry(Key { image: String::new(), ..key.clone() }).or_default() += count;
    }
    totals
}

/// Every call in which two tables differ, one a line; empty where they are equal.
pub(crate) fn differences(expected: &Table, seen: &Table) -> String {
    let keys: BTreeSet<&Key> = expected.keys().chain(seen.keys()).collect();
    let count = |table: &Table, key| table.get(key).copied().unwrap_or(0);
    let rows = keys.into_iter().map(|key| (key, count(expected, key), count(seen, key)));
    let differing = rows.filter(|(_, expected, seen)| expected != seen);
    let lines = differing.map(|(key, expected, seen)| format!("  {key}: expected {expected}, seen {seen}"));
    lines.collect::<Vec<_>>().join("\n")
}
