//! Version 1 of a serialized trace: tables, one file for each.
//!
//! It is written and read row by row, so that a large trace needs no second copy of itself. Tables that refer to others
//! come after them; in a document that has them in another order, they are kept until its end.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read, Write};

use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::de;

use super::content::{self, ImageRow, Object, Refused};
use super::document::{self, Tool};
use super::layout::Page;
use super::rows::{Refusal, Rows};
use super::{DecodeError, Document, VERSION};
use crate::Trace;
use calls::GroupRow;
use facts::Table;
use gaps::GapRow;
use groups::{Heads, Indexes};
use runs::RunRow;
use uses::{Capabilities, Files, Memories, Names, Namespaces, Sockets, Uring};

mod calls;
mod facts;
mod gaps;
mod groups;
mod results;
mod runs;
mod uses;

/// The name of the table of images.
const IMAGES: &str = "images";
/// The name of the table of paths. A trace without any has none.
const PATHS: &str = "paths";

/// A row of the table of paths.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PathRow<'a> {
    path: Cow<'a, str>,
}

pub(super) fn write(trace: &Trace, out: impl Write) -> io::Result<()> {
    let indexes = Indexes::of(trace);
    let mut page = Page::begin(Document::Trace, out)?;
    page.table(runs::TABLE, indexes.run_ids.iter().map(|id| RunRow::of(*id, trace.runs.get(id))))?;
    page.table(IMAGES, indexes.images.iter().map(|image| ImageRow::of(image)))?;
    if !indexes.paths.is_empty() {
        page.table(PATHS, indexes.paths.iter().map(|path| PathRow { path: path.escaped().into() }))?;
    }
    calls::write(&mut page, trace, &indexes)?;
    results::write(&mut page, trace, &indexes)?;
    facts::write::<Files>(&mut page, trace, &indexes)?;
    facts::write::<Sockets>(&mut page, trace, &indexes)?;
    facts::write::<Names>(&mut page, trace, &indexes)?;
    facts::write::<Capabilities>(&mut page, trace, &indexes)?;
    facts::write::<Memories>(&mut page, trace, &indexes)?;
    facts::write::<Namespaces>(&mut page, trace, &indexes)?;
    facts::write::<Uring>(&mut page, trace, &indexes)?;
    page.table(gaps::TABLE, gaps::rows(trace, &indexes))?;
    page.end()
}

/// Reads a whole document.
pub(super) fn decode(bytes: &[u8]) -> Result<Trace, DecodeError> {
    read_by(&mut serde_json::Deserializer::from_slice(bytes)).or_else(|problem| {
        // What the document is decides before what is wrong in it.
        document::check(Document::Trace, bytes)?;
        Err(match problem {
            Problem::Json(error) => document::from_json_error(Document::Trace, &error),
            Problem::Content(refused) => refused.of(Document::Trace),
        })
    })
}

/// Reads a document as it comes; none where it is not what it should be, which [`decode`] can say of its bytes.
pub(super) fn read(source: impl Read) -> Option<Trace> {
    read_by(&mut serde_json::Deserializer::from_reader(source)).ok()
}

/// Why a document could not be read.
enum Problem {
    Json(serde_json::Error),
    Content(Refused),
}

fn read_by<'de, R: de::Read<'de>>(deserializer: &mut serde_json::Deserializer<R>) -> Result<Trace, Problem> {
    let refusal = Refusal::default();
    let read = Reading::new(&refusal).deserialize(&mut *deserializer);
    let read = read.and_then(|trace| deserializer.end().map(|()| trace));
    match (read, refusal.into_refused()) {
        (_, Some(refused)) => Err(Problem::Content(refused)),
        (Ok(trace), None) => Ok(trace),
        (Err(error), None) => Err(Problem::Json(error)),
    }
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Format,
    Version,
    Tool,
    Runs,
    Images,
    Paths,
    Observations,
    Results,
    Refused,
    Files,
    Sockets,
    Names,
    Capabilities,
    Memory,
    Namespaces,
    #[serde(rename = "io_uring")]
    Uring,
    Gaps,
}

impl Field {
    const ALL: [(Field, &'static str); 17] = [
        (Field::Format, "format"),
        (Field::Version, "version"),
        (Field::Tool, "tool"),
        (Field::Runs, runs::TABLE),
        (Field::Images, IMAGES),
        (Field::Paths, PATHS),
        (Field::Observations, calls::TABLE),
        (Field::Results, results::TABLE),
        (Field::Refused, results::REFUSED),
        (Field::Files, Files::NAME),
        (Field::Sockets, Sockets::NAME),
        (Field::Names, Names::NAME),
        (Field::Capabilities, Capabilities::NAME),
        (Field::Memory, Memories::NAME),
        (Field::Namespaces, Namespaces::NAME),
        (Field::Uring, Uring::NAME),
        (Field::Gaps, gaps::TABLE),
    ];

    fn name(self) -> &'static str {
        Field::ALL.iter().find(|(field, _)| *field == self).map_or("", |(_, name)| name)
    }
}

/// A document that is being read.
struct Reading<'r> {
    refusal: &'r Refusal,
    trace: Trace,
    heads: Heads,
    /// The fields so far.
    found: Vec<Field>,
    /// Rows of tables that came before those to which they refer.
    early_calls: Vec<Object<GroupRow<'static>>>,
    early_results: Vec<Object<results::GroupRow<'static>>>,
    early_refused: Vec<Object<results::GroupRow<'static>>>,
    early_files: Early<Files>,
    early_sockets: Early<Sockets>,
    early_names: Early<Names>,
    early_capabilities: Early<Capabilities>,
    early_memory: Early<Memories>,
    early_namespaces: Early<Namespaces>,
    early_uring: Early<Uring>,
    early_gaps: Vec<Object<GapRow<'static>>>,
}

/// Rows of one of the other tables of facts.
type Early<T> = Vec<Object<facts::Row<T>>>;

/// Takes the rows of a table that had to wait.
fn take_early<T: Table>(rows: &mut Early<T>, heads: &mut Heads, trace: &mut Trace) -> Result<(), Refused> {
    for (at, Object(row)) in std::mem::take(rows).into_iter().enumerate() {
        facts::take::<T>(row, heads, trace).map_err(|refused| refused.of_row(T::NAME, at))?;
    }
    Ok(())
}

impl<'r> Reading<'r> {
    fn new(refusal: &'r Refusal) -> Reading<'r> {
        Reading {
            refusal,
            trace: Trace::default(),
            heads: Heads::default(),
            found: Vec::new(),
            early_calls: Vec::new(),
            early_results: Vec::new(),
            early_refused: Vec::new(),
            early_files: Vec::new(),
            early_sockets: Vec::new(),
            early_names: Vec::new(),
            early_capabilities: Vec::new(),
            early_memory: Vec::new(),
            early_namespaces: Vec::new(),
            early_uring: Vec::new(),
            early_gaps: Vec::new(),
        }
    }

    /// Whether both tables have been read to which others refer.
    fn has_heads(&self) -> bool {
        self.found.contains(&Field::Runs) && self.found.contains(&Field::Images)
    }

    fn read<'de, M: MapAccess<'de>>(&mut self, field: Field, map: &mut M) -> Result<(), M::Error> {
        let has_heads = self.has_heads();
        let has_paths = has_heads && self.found.contains(&Field::Paths);
        let (refusal, trace, heads) = (self.refusal, &mut self.trace, &mut self.heads);
        match field {
            Field::Format => {
                let format: String = map.next_value()?;
                if format != Document::Trace.format() {
                    return Err(M::Error::custom("this is another document"));
                }
            }
            Field::Version => {
                if map.next_value::<u32>()? != VERSION {
                    return Err(M::Error::custom("this is another version"));
                }
            }
            Field::Tool => drop(map.next_value::<Object<Tool<'static>>>()?),
            Field::Runs => map.next_value_seed(Rows::of(runs::TABLE, refusal, |row: RunRow<'static>| {
                let (id, run) = row.run()?;
                trace.runs.extend(run.map(|run| (id, run)));
                heads.take_run(id)
            }))?,
            Field::Images => map.next_value_seed(Rows::of(IMAGES, refusal, |row: ImageRow<'static>| {
                heads.images.take(row)
            }))?,
            Field::Paths => map.next_value_seed(Rows::of(PATHS, refusal, |row: PathRow<'static>| {
                heads.paths.push(content::bytes("path", &row.path)?);
                Ok(())
            }))?,
            Field::Observations if !has_heads => self.early_calls = map.next_value()?,
            Field::Observations => {
                map.next_value_seed(Rows::of(calls::TABLE, refusal, |row| calls::take(row, heads, trace)))?;
            }
            Field::Results if !has_heads => self.early_results = map.next_value()?,
            Field::Results => {
                map.next_value_seed(Rows::of(results::TABLE, refusal, |row| {
                    results::take(row, heads, &mut trace.results)
                }))?;
            }
            Field::Refused if !has_heads => self.early_refused = map.next_value()?,
            Field::Refused => {
                map.next_value_seed(Rows::of(results::REFUSED, refusal, |row| {
                    results::take(row, heads, &mut trace.refused)
                }))?;
            }
            Field::Files if !has_paths => self.early_files = map.next_value()?,
            Field::Files => map.next_value_seed(Rows::of(Files::NAME, refusal, |row| {
                facts::take::<Files>(row, heads, trace)
            }))?,
            Field::Sockets if !has_heads => self.early_sockets = map.next_value()?,
            Field::Sockets => map.next_value_seed(Rows::of(Sockets::NAME, refusal, |row| {
                facts::take::<Sockets>(row, heads, trace)
            }))?,
            Field::Names if !has_heads => self.early_names = map.next_value()?,
            Field::Names => map.next_value_seed(Rows::of(Names::NAME, refusal, |row| {
                facts::take::<Names>(row, heads, trace)
            }))?,
            Field::Capabilities if !has_heads => self.early_capabilities = map.next_value()?,
            Field::Capabilities => map.next_value_seed(Rows::of(Capabilities::NAME, refusal, |row| {
                facts::take::<Capabilities>(row, heads, trace)
            }))?,
            Field::Memory if !has_paths => self.early_memory = map.next_value()?,
            Field::Memory => map.next_value_seed(Rows::of(Memories::NAME, refusal, |row| {
                facts::take::<Memories>(row, heads, trace)
            }))?,
            Field::Namespaces if !has_heads => self.early_namespaces = map.next_value()?,
            Field::Namespaces => map.next_value_seed(Rows::of(Namespaces::NAME, refusal, |row| {
                facts::take::<Namespaces>(row, heads, trace)
            }))?,
            Field::Uring if !has_heads => self.early_uring = map.next_value()?,
            Field::Uring => map.next_value_seed(Rows::of(Uring::NAME, refusal, |row| {
                facts::take::<Uring>(row, heads, trace)
            }))?,
            Field::Gaps if !has_heads => self.early_gaps = map.next_value()?,
            Field::Gaps => {
                map.next_value_seed(Rows::of(gaps::TABLE, refusal, |row| gaps::take(row, heads, trace)))?;
            }
        }
        Ok(())
    }

    /// Takes the rows that had to wait.
    fn take_early(&mut self) -> Result<(), Refused> {
        let (trace, heads) = (&mut self.trace, &mut self.heads);
        for (at, Object(row)) in std::mem::take(&mut self.early_calls).into_iter().enumerate() {
            calls::take(row, heads, trace).map_err(|refused| refused.of_row(calls::TABLE, at))?;
        }
        for (at, Object(row)) in std::mem::take(&mut self.early_results).into_iter().enumerate() {
            results::take(row, heads, &mut trace.results)
                .map_err(|refused| refused.of_row(results::TABLE, at))?;
        }
        for (at, Object(row)) in std::mem::take(&mut self.early_refused).into_iter().enumerate() {
            results::take(row, heads, &mut trace.refused)
                .map_err(|refused| refused.of_row(results::REFUSED, at))?;
        }
        take_early::<Files>(&mut self.early_files, heads, trace)?;
        take_early::<Sockets>(&mut self.early_sockets, heads, trace)?;
        take_early::<Names>(&mut self.early_names, heads, trace)?;
        take_early::<Capabilities>(&mut self.early_capabilities, heads, trace)?;
        take_early::<Memories>(&mut self.early_memory, heads, trace)?;
        take_early::<Namespaces>(&mut self.early_namespaces, heads, trace)?;
        take_early::<Uring>(&mut self.early_uring, heads, trace)?;
        for (at, Object(row)) in std::mem::take(&mut self.early_gaps).into_iter().enumerate() {
            gaps::take(row, heads, trace).map_err(|refused| refused.of_row(gaps::TABLE, at))?;
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Reading<'_> {
    type Value = Trace;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Trace, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = Trace;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(mut self, mut map: M) -> Result<Trace, M::Error> {
        while let Some(field) = map.next_key::<Field>()? {
            if self.found.contains(&field) {
                return Err(M::Error::duplicate_field(field.name()));
            }
            self.read(field, &mut map)?;
            self.found.push(field);
        }
        let may_miss = [
            Field::Paths,
            Field::Results,
            Field::Refused,
            Field::Files,
            Field::Sockets,
            Field::Names,
            Field::Capabilities,
            Field::Memory,
            Field::Namespaces,
            Field::Uring,
        ];
        let is_missing = |field: Field| !self.found.contains(&field) && !may_miss.contains(&field);
        if let Some((_, missing)) = Field::ALL.iter().find(|(field, _)| is_missing(*field)) {
            return Err(M::Error::missing_field(missing));
        }
        self.take_early().map_err(|refused| self.refusal.by(refused))?;
        Ok(self.trace)
    }
}
