//! One kind of fact by itself: as a table for people, as lines for programs, and as JSON.

use sandprint_model::{FactKind, Trace};
use serde_json::{Map, Value};

use super::calls;
use crate::table::Table;

mod facts;

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

/// What a field holds.
enum Cell {
    Text(String),
    Number(u64),
    YesNo(bool),
    /// Nothing: there is none, or it is not known.
    Nothing,
}

/// A field of every row of a kind.
struct Column {
    name: &'static str,
    shown: Shown,
}

/// In which forms a field is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Everywhere,
    /// In JSON, where a number says the same as a name for programs.
    InJson,
    /// In JSON and to people: the fields of lines are an interface, which gets no more.
    NotInTsv,
}

impl Column {
    fn is_in(&self, form: Form) -> bool {
        match self.shown {
            Shown::Everywhere => true,
            Shown::InJson => form == Form::Json,
            Shown::NotInTsv => form != Form::Tsv,
        }
    }
}

/// The facts of a kind: what the fields are called, and a row for each.
struct Kind {
    columns: Vec<Column>,
    /// The column that people are to read last, since it may be long.
    long: &'static str,
    rows: Rows,
}

/// The facts of a trace, each as its fields.
type Rows = fn(&Trace) -> Vec<Vec<Cell>>;

/// A program's name, where rows are told by program.
const IMAGE: &str = "image";

/// All facts of a kind, sorted by their fields; `by_image` with the program of each first.
pub fn only(trace: &Trace, kind: FactKind, by_image: bool, form: Form) -> String {
    // Peaks are of the whole run, and of no program.
    let by_image = by_image && kind != FactKind::Peaks;
    let kind = facts::of(kind);
    let images: Vec<(Option<String>, Vec<Vec<Cell>>)> = if by_image {
        let labels = calls::labels(trace).into_iter();
        let of = |label: &str| (kind.rows)(&trace.of_images(|image| calls::label(image) == label));
        labels.map(|label| (Some(label.clone()), of(&label))).collect()
    } else {
        vec![(None, (kind.rows)(trace))]
    };
    match form {
        Form::Text => text(&images, &kind),
        Form::Tsv => tsv(&images, by_image, &kind),
        Form::Json => json(images, &kind),
    }
}

/// Whether there is no fact of a kind.
pub fn has_none(trace: &Trace, kind: FactKind) -> bool {
    (facts::of(kind).rows)(trace).is_empty()
}

/// What else a trace holds beside its calls, by the words that show it; empty where it holds nothing else.
pub(super) fn also(trace: &Trace) -> String {
    let kinds = FactKind::ALL.map(|kind| (kind, (facts::of(kind).rows)(trace).len()));
    let words = kinds.into_iter().filter(|(_, count)| *count > 0);
    let all: Vec<String> = words.map(|(kind, count)| format!("{} ({count})", kind.name())).collect();
    if all.is_empty() {
        return String::new();
    }
    let doubtful = match facts::doubtful(trace) {
        0 => String::new(),
        1 => "  1 path is doubtful: `--only files` says why\n".to_owned(),
        count => format!("  {count} paths are doubtful: `--only files` says why\n"),
    };
    format!("Also recorded, and shown by `profile show --only KIND`:\n  {}\n{doubtful}", all.join(", "))
}

impl Cell {
    fn text(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Number(number) => number.to_string(),
            Cell::YesNo(true) => "yes".to_owned(),
            Cell::YesNo(false) => "no".to_owned(),
            Cell::Nothing => "-".to_owned(),
        }
    }

    fn json(self) -> Value {
        match self {
            Cell::Text(text) => text.into(),
            Cell::Number(number) => number.into(),
            Cell::YesNo(answer) => answer.into(),
            Cell::Nothing => Value::Null,
        }
    }
}

/// A row as texts, as that form has them.
fn texts(row: &[Cell], kind: &Kind, form: Form) -> Vec<String> {
    let shown = row.iter().zip(&kind.columns).filter(|(_, column)| column.is_in(form));
    shown.map(|(cell, _)| cell.text()).collect()
}

fn names(kind: &Kind, form: Form) -> impl Iterator<Item = &'static str> {
    kind.columns.iter().filter(move |column| column.is_in(form)).map(|column| column.name)
}

/// The columns as people read them, by their places: numbers first, what may be long last.
fn order(kind: &Kind) -> Vec<usize> {
    let mut places: Vec<usize> = (0..names(kind, Form::Text).count()).collect();
    let names: Vec<&str> = names(kind, Form::Text).collect();
    let rank = |name: &str| if is_number(name) { 0 } else { 1 + usize::from(name == kind.long) };
    places.sort_by_key(|at| names.get(*at).map(|name| rank(name)));
    places
}

fn is_number(name: &str) -> bool {
    name == "count" || name == "value"
}

fn text(images: &[(Option<String>, Vec<Vec<Cell>>)], kind: &Kind) -> String {
    let (order, names) = (order(kind), names(kind, Form::Text).collect::<Vec<_>>());
    let headings: Vec<(String, bool)> = order
        .iter()
        .filter_map(|at| names.get(*at))
        .map(|name| (name.to_ascii_uppercase(), is_number(name)))
        .collect();
    let headings: Vec<(&str, bool)> =
        headings.iter().map(|(name, number)| (name.as_str(), *number)).collect();
    let cells = |row: &Vec<Cell>| {
        let texts = texts(row, kind, Form::Text);
        order.iter().filter_map(|at| texts.get(*at).cloned()).collect()
    };
    let table = |rows: &[Vec<Cell>]| {
        let rows = rows.iter().map(cells).collect();
        Table { headings: &headings, rows }.text("")
    };
    let filled = images.iter().filter(|(_, rows)| !rows.is_empty());
    let tables = filled.map(|(image, rows)| match image {
        Some(image) => format!("{image}:\n{}", table(rows)),
        None => table(rows),
    });
    tables.collect::<Vec<_>>().join("\n")
}

fn tsv(images: &[(Option<String>, Vec<Vec<Cell>>)], by_image: bool, kind: &Kind) -> String {
    let head =
        by_image.then_some(IMAGE).into_iter().chain(names(kind, Form::Tsv)).collect::<Vec<_>>().join("\t");
    let lines = images.iter().flat_map(|(image, rows)| {
        let fields = |row| image.iter().cloned().chain(texts(row, kind, Form::Tsv)).collect::<Vec<_>>();
        rows.iter().map(move |row| fields(row).join("\t"))
    });
    std::iter::once(head).chain(lines).map(|line| line + "\n").collect()
}

fn json(images: Vec<(Option<String>, Vec<Vec<Cell>>)>, kind: &Kind) -> String {
    let mut facts = Vec::new();
    for (image, rows) in images {
        for row in rows {
            let mut fact = Map::new();
            fact.extend(image.iter().map(|image| (IMAGE.to_owned(), image.clone().into())));
            let fields = row.into_iter().zip(&kind.columns);
            fact.extend(fields.map(|(cell, column)| (column.name.to_owned(), cell.json())));
            facts.push(fact);
        }
    }
    crate::json(&facts)
}
