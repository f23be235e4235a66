//! One kind of fact by itself: as a table for people, as lines for programs, and as JSON.

use std::collections::BTreeMap;

use sandprint_model::arguments::render_selected;
use sandprint_model::errno::{self, Errno};
use sandprint_model::{ArgumentsSeen, FactKind, Syscall, Trace};
use serde::Serialize;

use super::calls;
use crate::count::counted;
use crate::table::Table;

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A table for people.
    Text,
    /// A header, then lines of fields with tabs between them. This is an interface.
    Tsv,
    /// An array of objects with the same fields.
    Json,
}

/// What the fields of a row are called.
type Headings = [(&'static str, bool); 4];

/// Beside a program's name: each kind has an ABI, a name, what there was of it, and how often.
const IMAGE: (&str, bool) = ("IMAGE", false);
const ARGUMENTS: Headings = [("ABI", false), ("NAME", false), ("ARGUMENTS", false), ("COUNT", true)];
const ERRORS: Headings = [("ABI", false), ("NAME", false), ("ERRNO", false), ("COUNT", true)];

/// A fact: which call, what there was of it, and how often; none where there was too much of it to be counted apart.
struct Row {
    call: Syscall,
    what: String,
    count: Option<u64>,
}

/// The same, for programs.
#[derive(Serialize)]
struct RowFacts<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'a str>,
    abi: &'static str,
    nr: u32,
    name: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errno: Option<&'a str>,
    count: Option<u64>,
}

/// All facts of a kind, sorted by ABI, number, and what there was; `by_image` with the program of each first.
pub fn only(trace: &Trace, kind: FactKind, by_image: bool, form: Form) -> String {
    let images: Vec<(Option<String>, Vec<Row>)> = if by_image {
        let labels = calls::labels(trace).into_iter();
        let of = |label: &str| rows(&trace.of_images(|image| calls::label(image) == label), kind);
        labels.map(|label| (Some(label.clone()), of(&label))).collect()
    } else {
        vec![(None, rows(trace, kind))]
    };
    match form {
        Form::Text => text(&images, kind),
        Form::Tsv => tsv(&images, by_image, kind),
        Form::Json => json(&images, kind),
    }
}

/// Whether there is no fact of a kind.
pub fn has_none(trace: &Trace, kind: FactKind) -> bool {
    rows(trace, kind).is_empty()
}

/// What else a trace holds beside its calls, in one line; empty where it holds nothing else.
pub(super) fn also(trace: &Trace) -> String {
    let kinds = FactKind::ALL.map(|kind| (kind, rows(trace, kind).len()));
    let noun = |kind| match kind {
        FactKind::Arguments => "set of arguments",
        FactKind::Refused => "refusal",
        FactKind::Results => "kind of error",
    };
    let words = |(kind, count): (FactKind, usize)| match (kind, count) {
        (_, 0) => None,
        (FactKind::Arguments, more @ 2..) => Some(format!("{more} sets of arguments")),
        (FactKind::Results, more @ 2..) => Some(format!("{more} kinds of errors")),
        (kind, count) => Some(counted(count, noun(kind))),
    };
    let all: Vec<String> = kinds.into_iter().filter_map(words).collect();
    if all.is_empty() {
        return String::new();
    }
    format!("Also recorded: {} (`profile show` has them)\n", all.join(", "))
}

fn rows(trace: &Trace, kind: FactKind) -> Vec<Row> {
    match kind {
        FactKind::Arguments => arguments(trace),
        FactKind::Results => errors(trace.failures()),
        FactKind::Refused => errors(trace.refusals()),
    }
}

fn arguments(trace: &Trace) -> Vec<Row> {
    let mut rows = Vec::new();
    for (call, seen) in trace.arguments(|_, _| true) {
        for (value, where_seen) in &seen.values {
            let count = where_seen.iter().fold(0_u64, |sum, (_, _, count)| sum.saturating_add(*count));
            rows.push(Row { call, what: render_selected(call, value), count: Some(count) });
        }
        if !seen.too_many.is_empty() {
            let what = format!("more than {}", ArgumentsSeen::MOST);
            rows.push(Row { call, what, count: None });
        }
    }
    rows
}

fn errors(counts: BTreeMap<(Syscall, Errno), u64>) -> Vec<Row> {
    let word = |Errno(number)| errno::name(number).map_or_else(|| number.to_string(), str::to_owned);
    counts
        .into_iter()
        .map(|((call, error), count)| Row { call, what: word(error), count: Some(count) })
        .collect()
}

fn headings(kind: FactKind) -> Headings {
    match kind {
        FactKind::Arguments => ARGUMENTS,
        FactKind::Refused | FactKind::Results => ERRORS,
    }
}

/// A row's fields; a call without a name has its number there.
fn cells(image: Option<&str>, row: &Row) -> Vec<String> {
    let name = row.call.name().map_or_else(|| row.call.nr.to_string(), str::to_owned);
    let count = row.count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    let own = [row.call.abi.to_string(), name, row.what.clone(), count];
    image.map(str::to_owned).into_iter().chain(own).collect()
}

/// With the counts first, since what there was may be long.
fn text(images: &[(Option<String>, Vec<Row>)], kind: FactKind) -> String {
    let last_first = |mut cells: Vec<String>| {
        cells.rotate_right(1);
        cells
    };
    let table = |rows: &[Row]| {
        let rows = rows.iter().map(|row| last_first(cells(None, row))).collect();
        let [abi, name, what, count] = headings(kind);
        Table { headings: &[count, abi, name, what], rows }.text("")
    };
    let filled = images.iter().filter(|(_, rows)| !rows.is_empty());
    let tables = filled.map(|(image, rows)| match image {
        Some(image) => format!("{image}:\n{}", table(rows)),
        None => table(rows),
    });
    tables.collect::<Vec<_>>().join("\n")
}

fn tsv(images: &[(Option<String>, Vec<Row>)], by_image: bool, kind: FactKind) -> String {
    let names = by_image.then_some(IMAGE).into_iter().chain(headings(kind));
    let head = names.map(|(name, _)| name.to_ascii_lowercase()).collect::<Vec<_>>().join("\t");
    let lines = images
        .iter()
        .flat_map(|(image, rows)| rows.iter().map(move |row| cells(image.as_deref(), row).join("\t")));
    std::iter::once(head).chain(lines).map(|line| line + "\n").collect()
}

fn json(images: &[(Option<String>, Vec<Row>)], kind: FactKind) -> String {
    let facts = images.iter().flat_map(|(image, rows)| {
        rows.iter().map(move |row| RowFacts {
            image: image.as_deref(),
            abi: row.call.abi.name(),
            nr: row.call.nr,
            name: row.call.name(),
            arguments: (kind == FactKind::Arguments).then_some(row.what.as_str()),
            errno: (kind != FactKind::Arguments).then_some(row.what.as_str()),
            count: row.count,
        })
    });
    crate::json(&facts.collect::<Vec<_>>())
}
