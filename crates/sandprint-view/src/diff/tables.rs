//! The tables of a diff.

use std::collections::BTreeMap;

use sandprint_model::errno::Errno;
use sandprint_model::{CallDiff, Syscall, TraceDiff};

use crate::call;
use crate::table::Table;

/// Which failures one side alone has, if any.
pub(super) fn failed_only<'d>(
    diff: &'d TraceDiff,
    label_a: &'d str,
    label_b: &'d str,
) -> impl Iterator<Item = (&'d str, &'d BTreeMap<(Syscall, Errno), u64>)> {
    let sides = diff
        .failures
        .iter()
        .flat_map(move |failures| [(label_a, &failures.only_in_a), (label_b, &failures.only_in_b)]);
    sides.filter(|(_, failures)| !failures.is_empty())
}

pub(super) fn failed(failures: &BTreeMap<(Syscall, Errno), u64>) -> Table<'static> {
    let row = |((syscall, error), count): (&(Syscall, Errno), &u64)| {
        let mut row = call::cells(*syscall);
        row.extend([error.to_string(), count.to_string()]);
        row
    };
    Table {
        headings: &[("ABI", false), ("NR", true), ("NAME", false), ("ERROR", false), ("COUNT", true)],
        rows: failures.iter().map(row).collect(),
    }
}

pub(super) fn one_sided(calls: &BTreeMap<Syscall, u64>) -> Table<'static> {
    let with_count = |(syscall, count): (&Syscall, &u64)| {
        let mut row = call::cells(*syscall);
        row.push(count.to_string());
        row
    };
    Table {
        headings: &[("ABI", false), ("NR", true), ("NAME", false), ("COUNT", true)],
        rows: calls.iter().map(with_count).collect(),
    }
}

pub(super) fn two_sided(calls: &BTreeMap<Syscall, (u64, u64)>) -> Table<'static> {
    let with_counts = |(syscall, (a, b)): (&Syscall, &(u64, u64))| {
        let mut row = call::cells(*syscall);
        row.extend([a.to_string(), b.to_string()]);
        row
    };
    Table {
        headings: &[("ABI", false), ("NR", true), ("NAME", false), ("COUNT A", true), ("COUNT B", true)],
        rows: calls.iter().map(with_counts).collect(),
    }
}

/// The calls of one side only, `-` for A and `+` for B.
pub(super) fn marked(calls: &CallDiff) -> Table<'static> {
    let sides = [("-", &calls.only_in_a), ("+", &calls.only_in_b)];
    let rows = sides.into_iter().flat_map(|(mark, calls)| {
        calls.iter().map(move |(syscall, count)| {
            let mut row = vec![mark.to_owned()];
            row.extend(call::cells(*syscall));
            row.push(count.to_string());
            row
        })
    });
    Table {
        headings: &[("", false), ("ABI", false), ("NR", true), ("NAME", false), ("COUNT", true)],
        rows: rows.collect(),
    }
}
