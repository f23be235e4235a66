//! What was recorded, as text, as lines for programs and as JSON.

mod arguments;
mod calls;
mod failures;
mod gaps;
mod json;
mod only;
mod runs;

pub use calls::{Sort, tsv};
pub use json::json;
pub use only::{Form, has_none, only};

use sandprint_model::Trace;

use crate::count::counted;

/// What was observed, in short: how much, the table of calls, and what may be missing.
///
/// `profile run` ends with this.
pub fn summary(trace: &Trace) -> String {
    sections(&[
        headline(trace),
        calls::table(trace, Sort::Count),
        only::also(trace),
        gaps::words(trace, false),
    ])
}

/// What may be missing from a trace, and what is merely worth knowing; empty where there is nothing.
pub fn gaps(trace: &Trace) -> String {
    gaps::words(trace, false)
}

/// What a trace holds: the summary, or one table for each image, what is known of arguments and of calls that failed,
/// and its runs.
pub fn text(trace: &Trace, by_image: bool, sort: Sort, all: bool) -> String {
    let table = if by_image { calls::tables_by_image(trace, sort) } else { calls::table(trace, sort) };
    let arguments = if by_image { arguments::words_by_image(trace) } else { arguments::words(trace) };
    sections(&[
        headline(trace),
        table,
        arguments,
        failures::words(trace, all),
        failures::refused(trace, all),
        runs::words(trace, all),
        gaps::words(trace, all),
    ])
}

fn headline(trace: &Trace) -> String {
    let totals = trace.totals();
    let events = totals.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
    let unique = totals.len();
    format!("Observed {} ({})\n", counted(events, "syscall event"), counted(unique, "unique syscall"))
}

/// Joins sections by an empty line, leaving out those with nothing to say. Each ends with a newline.
fn sections(sections: &[String]) -> String {
    let sections: Vec<&str> = sections.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    sections.join("\n")
}

#[cfg(test)]
mod tests;
