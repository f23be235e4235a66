//! Which calls failed, and with which error: in words for people, and for programs.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write;

use sandprint_model::errno::{self, Errno};
use sandprint_model::{Syscall, Trace};
use serde::Serialize;

use super::calls;

/// How many are told one by one.
const TOLD: usize = 10;

/// How often one call failed with one error, for programs.
#[derive(Serialize)]
pub(super) struct ErrorFacts {
    errno: u16,
    name: Option<&'static str>,
    count: u64,
}

/// A line for each call and error, the most frequent first; empty where none failed, or where nobody saw it.
pub(super) fn words(trace: &Trace, all: bool) -> String {
    table("      FAILED  CALL\n", &trace.failures(), trace, all)
}

/// The same of calls that a filter refused.
pub(super) fn refused(trace: &Trace, all: bool) -> String {
    table("     REFUSED  CALL, by a filter: it did not run\n", &trace.refusals(), trace, all)
}

fn table(head: &str, errors: &BTreeMap<(Syscall, Errno), u64>, trace: &Trace, all: bool) -> String {
    if errors.is_empty() {
        return String::new();
    }
    let native = calls::native(trace);
    let mut rows: Vec<(&(Syscall, Errno), &u64)> = errors.iter().collect();
    rows.sort_by_key(|(result, count)| (Reverse(**count), **result));
    let told = if all { usize::MAX } else { TOLD };
    let mut out = head.to_owned();
    for ((syscall, error), count) in rows.iter().take(told) {
        let abi = if Some(syscall.abi) == native { String::new() } else { format!(" ({})", syscall.abi) };
        writeln!(out, "{count:>12}  {syscall}{abi}: {error}").unwrap_or_default();
    }
    if rows.len() > told {
        writeln!(out, "           -  and {} more", rows.len().saturating_sub(told)).unwrap_or_default();
    }
    out
}

/// The errors of each call, by one image or by all.
pub(super) fn facts(trace: &Trace, image: Option<&str>) -> BTreeMap<Syscall, Vec<ErrorFacts>> {
    let of_image = image.map(|image| trace.of_images(|other| calls::label(other) == image));
    by_call(of_image.as_ref().unwrap_or(trace).failures())
}

/// Errors, each with its count, call by call.
pub(super) fn by_call(errors: BTreeMap<(Syscall, Errno), u64>) -> BTreeMap<Syscall, Vec<ErrorFacts>> {
    let mut facts: BTreeMap<Syscall, Vec<ErrorFacts>> = BTreeMap::new();
    for ((syscall, Errno(number)), count) in errors {
        let name = errno::name(number);
        facts.entry(syscall).or_default().push(ErrorFacts { errno: number, name, count });
    }
    facts
}
