//! What calls were made with, as far as that selects what they do: in words for people, and for programs.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write;

use sandprint_model::arguments::{Selected, of, render_selected};
use sandprint_model::{ArgumentsSeen, CallArguments, Syscall, Trace};
use serde::Serialize;

use super::calls;

/// What is known of the arguments of one call, for programs.
#[derive(Serialize)]
pub(super) struct CallFacts {
    /// Distinct ones, and how often each was seen.
    values: Vec<ValueFacts>,
    /// Whether there were more than are kept apart.
    too_many: bool,
    /// In how many runs they were not recorded.
    unrecorded_runs: usize,
}

#[derive(Serialize)]
struct ValueFacts {
    count: u64,
    /// By name: `family=AF_UNIX, type=SOCK_STREAM`.
    text: String,
    arguments: Vec<ArgumentFacts>,
}

#[derive(Serialize)]
struct ArgumentFacts {
    index: usize,
    name: Option<&'static str>,
    value: u64,
}

/// A line for each distinct set of values, call by call; empty where no run recorded any.
pub(super) fn words(trace: &Trace) -> String {
    table(trace, &trace.arguments(|_, _| true))
}

/// The same for each image, in the order of their names.
pub(super) fn words_by_image(trace: &Trace) -> String {
    let images = calls::totals_by_image(trace);
    let tables = images.keys().filter_map(|image| {
        let table = table(trace, &of_image(trace, image));
        (!table.is_empty()).then(|| format!("{image}:\n{table}"))
    });
    tables.collect::<Vec<_>>().join("\n")
}

/// What is known of each call's arguments, by one image or by all; nothing where no run recorded any.
pub(super) fn facts(trace: &Trace, image: Option<&str>) -> BTreeMap<Syscall, CallFacts> {
    let calls = image.map_or_else(|| trace.arguments(|_, _| true), |image| of_image(trace, image));
    if !calls.values().any(CallArguments::is_recorded) {
        return BTreeMap::new();
    }
    let facts = |(syscall, call): (Syscall, CallArguments<'_>)| {
        let value = |(selected, count): (&Selected, u64)| ValueFacts {
            count,
            text: render_selected(syscall, selected),
            arguments: selected
                .kept()
                .map(|(index, value)| {
                    let name = of(syscall).get(index).map(|argument| argument.name);
                    ArgumentFacts { index, name, value }
                })
                .collect(),
        };
        let facts = CallFacts {
            values: counts(&call).map(value).collect(),
            too_many: !call.too_many.is_empty(),
            unrecorded_runs: call.unrecorded.len(),
        };
        (syscall, facts)
    };
    calls.into_iter().map(facts).collect()
}

fn of_image<'t>(trace: &'t Trace, image: &str) -> BTreeMap<Syscall, CallArguments<'t>> {
    trace.arguments(|subject, _| calls::label(&subject.image) == image)
}

/// How often each was seen, over all programs and runs.
fn counts<'c>(call: &'c CallArguments<'_>) -> impl Iterator<Item = (&'c Selected, u64)> {
    call.values.iter().map(|(value, seen)| {
        (value, seen.iter().fold(0_u64, |sum, (_, _, count)| sum.saturating_add(*count)))
    })
}

fn table(trace: &Trace, calls: &BTreeMap<Syscall, CallArguments<'_>>) -> String {
    if !calls.values().any(CallArguments::is_recorded) {
        return String::new();
    }
    let native = calls::native(trace);
    let name = |syscall: &Syscall| {
        let abi = if Some(syscall.abi) == native { String::new() } else { format!(" ({})", syscall.abi) };
        let name = syscall.name().map_or_else(|| format!("number {}", syscall.nr), str::to_owned);
        (name, abi)
    };
    let mut out = String::from("       COUNT  ARGUMENTS\n");
    let mut unrecorded = Vec::new();
    for (syscall, call) in calls {
        let (name, abi) = name(syscall);
        let mut rows: Vec<(&Selected, u64)> = counts(call).collect();
        rows.sort_by_key(|(value, count)| (Reverse(*count), **value));
        for (value, count) in rows {
            let shown = render_selected(*syscall, value);
            writeln!(out, "{count:>12}  {name}({shown}){abi}").unwrap_or_default();
        }
        for subject in &call.too_many {
            let (most, image) = (ArgumentsSeen::MOST, calls::label(&subject.image));
            writeln!(out, "           -  {name}{abi}: more than {most} different ones, by {image}")
                .unwrap_or_default();
        }
        if !call.unrecorded.is_empty() {
            unrecorded.push(format!("{name}{abi}"));
        }
    }
    if !unrecorded.is_empty() {
        writeln!(out, "           -  not recorded in every run: {}", unrecorded.join(", "))
            .unwrap_or_default();
    }
    out
}
