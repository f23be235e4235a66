//! Calls and their counts, as a table for people and as lines for programs.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use sandprint_model::{Abi, Arch, Image, Syscall, Trace};

/// What a table of calls is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// The most frequent call first
    Count,
    /// By the call's name
    Name,
    /// By the call's number
    Number,
}

/// The table of a trace's calls; what is equal by `sort` stands by number.
///
/// A call of another ABI than the machine's own says so. Empty where there are no calls.
pub(super) fn table(trace: &Trace, sort: Sort) -> String {
    table_of(&trace.totals(), native(trace), sort)
}

/// One table for each image, those with the most calls first.
pub(super) fn tables_by_image(trace: &Trace, sort: Sort) -> String {
    let native = native(trace);
    let mut images: Vec<_> = totals_by_image(trace)
        .into_iter()
        .map(|(image, totals)| {
            (totals.values().fold(0_u64, |sum, count| sum.saturating_add(*count)), image, totals)
        })
        .collect();
    images.sort_by(|a, b| (Reverse(a.0), &a.1).cmp(&(Reverse(b.0), &b.1)));
    let tables: Vec<String> = images
        .iter()
        .map(|(sum, image, totals)| {
            format!("{image}: {sum} events, {} unique\n{}", totals.len(), table_of(totals, native, sort))
        })
        .collect();
    tables.join("\n")
}

/// Tab-separated lines under a header, sorted by ABI and number; with the image first where asked for.
///
/// This is an interface: `abi`, `nr` (without x32's bit 30), `name` (`-` where there is none), `count`.
/// Images are escaped, so that no field holds a tab or a newline.
pub fn tsv(trace: &Trace, by_image: bool) -> String {
    let mut out = String::new();
    if by_image {
        out.push_str("image\tabi\tnr\tname\tcount\n");
        for (image, totals) in totals_by_image(trace) {
            push_lines(&mut out, &format!("{image}\t"), &totals);
        }
    } else {
        out.push_str("abi\tnr\tname\tcount\n");
        push_lines(&mut out, "", &trace.totals());
    }
    out
}

fn push_lines(out: &mut String, prefix: &str, totals: &BTreeMap<Syscall, u64>) {
    for (syscall, count) in totals {
        let name = syscall.name().unwrap_or("-");
        writeln!(out, "{prefix}{}\t{}\t{name}\t{count}", syscall.abi, syscall.nr).unwrap_or_default();
    }
}

/// Counts per image and call. Two builds of one program, at one path, count as one image here.
pub(super) fn totals_by_image(trace: &Trace) -> BTreeMap<String, BTreeMap<Syscall, u64>> {
    let mut totals: BTreeMap<String, BTreeMap<Syscall, u64>> = BTreeMap::new();
    for (subject, syscall, runs) in trace.calls.iter() {
        let calls = totals.entry(label(&subject.image)).or_default();
        let slot = calls.entry(*syscall).or_default();
        *slot = runs.values().fold(*slot, |sum, seen| sum.saturating_add(seen.count));
    }
    totals
}

/// The names of all images that made calls, or had calls refused; in order.
pub(super) fn labels(trace: &Trace) -> BTreeSet<String> {
    let called = trace.calls.images().chain(trace.refused.images());
    let used = trace.files.images().chain(trace.sockets.images()).chain(trace.capabilities.images());
    let other = trace.memory.images().chain(trace.namespaces.images()).chain(trace.uring.images());
    called.chain(trace.results.images()).chain(used).chain(other).map(|image| label(image)).collect()
}

/// An image's name in output: its path, escaped, and its script's.
pub(super) fn label(image: &Image) -> String {
    image.to_string()
}

fn table_of(totals: &BTreeMap<Syscall, u64>, native: Option<Abi>, sort: Sort) -> String {
    if totals.is_empty() {
        return String::new();
    }
    let mut rows: Vec<_> = totals.iter().collect();
    rows.sort_by_key(|(syscall, count)| {
        let count = Some(Reverse(**count)).filter(|_| sort == Sort::Count);
        let name = syscall.name().filter(|_| sort == Sort::Name);
        (count, name, syscall.nr, syscall.abi)
    });
    let mut out = String::from("   NR       COUNT  NAME\n");
    for (syscall, count) in rows {
        let name = syscall.name().unwrap_or("-");
        let abi = if Some(syscall.abi) == native { String::new() } else { format!(" ({})", syscall.abi) };
        // As the program gave it: a number is signed to C.
        let nr = syscall.nr.cast_signed();
        writeln!(out, "{nr:>5}{count:>12}  {name}{abi}").unwrap_or_default();
    }
    out
}

/// The ABI that goes without saying: that of the machine, where all runs come from one kind of machine.
///
/// A recording that does not say where it was made is judged by its calls.
pub(super) fn native(trace: &Trace) -> Option<Abi> {
    let hosts = trace.runs.values().filter_map(|run| run.host.as_ref()).map(|host| host.arch);
    let mut machines: BTreeSet<Arch> = hosts.collect();
    if machines.is_empty() {
        machines = trace.syscalls().iter().map(|syscall| syscall.abi.arch()).collect();
    }
    let mut machines = machines.into_iter();
    match (machines.next(), machines.next()) {
        (Some(only), None) => Some(only.native_abi()),
        _ => None,
    }
}
