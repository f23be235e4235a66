//! What a recording may have missed, in plain words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use sandprint_model::{GapKind, RunId, Trace};

use crate::gap;

/// How many gaps of one kind are told: a workload can make as many as it has programs. Data have all.
const TOLD: usize = 5;

/// One gap, over all the runs that have it.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) kind: GapKind,
    pub(super) detail: Option<&'a str>,
    /// How often, over all runs; 0 where that is not known.
    pub(super) count: u64,
    pub(super) runs: BTreeSet<RunId>,
}

/// A trace's gaps, each kind and detail once, in the order of their kinds.
pub(super) fn groups(trace: &Trace) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<(GapKind, Option<&str>), Group<'_>> = BTreeMap::new();
    for (gap, count) in &trace.gaps {
        let (kind, detail) = (gap.kind, gap.detail.as_deref());
        let empty = Group { kind, detail, count: 0, runs: BTreeSet::new() };
        let group = groups.entry((kind, detail)).or_insert(empty);
        group.count = group.count.saturating_add(*count);
        group.runs.insert(gap.run);
    }
    groups.into_values().collect()
}

/// Everything that may be missing, then what is merely worth knowing. Empty where there is neither.
pub(super) fn words(trace: &Trace, all: bool) -> String {
    let told = if all { usize::MAX } else { TOLD };
    let (blocking, notes): (Vec<_>, Vec<_>) =
        groups(trace).into_iter().partition(|group| group.kind.is_blocking());
    let mut out = String::new();
    if !blocking.is_empty() {
        out.push_str("The recording may be incomplete:\n");
        push_lines(&mut out, trace, &blocking, told);
    }
    if !notes.is_empty() {
        out.push_str(if out.is_empty() { "Notes:\n" } else { "\nNotes:\n" });
        push_lines(&mut out, trace, &notes, told);
    }
    out
}

fn push_lines(out: &mut String, trace: &Trace, groups: &[Group<'_>], told: usize) {
    for group in groups {
        let alike = groups.iter().filter(|other| other.kind == group.kind);
        let (before, all) =
            (alike.clone().take_while(|other| other.detail != group.detail).count(), alike.count());
        if before < told {
            let runs = (trace.runs.len() > 1).then_some((group.runs.len(), trace.runs.len()));
            let sentence = gap::sentence(group.kind, group.detail, group.count, runs);
            writeln!(out, "  - {sentence}").unwrap_or_default();
        } else if before == told {
            let more = all.saturating_sub(told);
            writeln!(out, "  - {} ({more} more)", group.kind.meaning()).unwrap_or_default();
        }
    }
}
