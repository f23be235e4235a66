//! How a document is laid out: a field or a table row per line, each line compact, written as it comes.

use std::io::{self, Write};

use serde::Serialize;

use super::document::Tool;
use super::{Document, VERSION};

/// Writes a JSON object whose tables have one row per line.
pub(super) struct Page<W> {
    out: W,
    /// How many fields the object has so far, in which the next one goes.
    fields: usize,
    /// What its fields begin with.
    indent: &'static str,
}

/// What the fields of the document begin with, and those of an object in it.
const OUTER: &str = "  ";
const INNER: &str = "    ";

impl<W: Write> Page<W> {
    /// Begins a document with the fields that every one has.
    pub(super) fn begin(document: Document, out: W) -> io::Result<Page<W>> {
        let mut page = Page { out, fields: 0, indent: OUTER };
        page.out.write_all(b"{")?;
        page.field("format", document.format())?;
        page.field("version", &VERSION)?;
        page.field("tool", &Tool::this())?;
        Ok(page)
    }

    /// A field whose value fits on its line.
    pub(super) fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> io::Result<()> {
        self.name(name)?;
        self.out.write_all(compact(value).as_bytes())
    }

    /// An object, of which `write` writes the fields and tables. No other object goes into it.
    pub(super) fn object(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut Page<W>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.name(name)?;
        self.out.write_all(b"{")?;
        let before = (self.fields, self.indent);
        (self.fields, self.indent) = (0, INNER);
        write(self)?;
        (self.fields, self.indent) = before;
        write!(self.out, "\n{}}}", self.indent)
    }

    /// A table, one row per line.
    pub(super) fn table<T: Serialize>(
        &mut self,
        name: &str,
        rows: impl IntoIterator<Item = T>,
    ) -> io::Result<()> {
        self.name(name)?;
        self.rows(self.indent, rows.into_iter().map(|row| compact(&row)), |page, row| {
            page.out.write_all(row.as_bytes())
        })
    }

    /// A table whose rows, each an object as compact JSON, end with a table of their own of that name, one line per row.
    pub(super) fn nested_table<I: IntoIterator<Item = String>>(
        &mut self,
        name: &str,
        inner_name: &str,
        rows: impl IntoIterator<Item = (String, I)>,
    ) -> io::Result<()> {
        self.name(name)?;
        self.rows(OUTER, rows, |page, (row, inner)| {
            page.out.write_all(row.strip_suffix('}').unwrap_or(&row).as_bytes())?;
            write!(page.out, ",\"{inner_name}\":")?;
            page.rows(INNER, inner, |page, row| page.out.write_all(row.as_bytes()))?;
            page.out.write_all(b"}")
        })
    }

    /// Ends the document.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.out.write_all(b"\n}\n")?;
        self.out.flush()
    }

    /// The rows of a table that begins on a line with this indent.
    fn rows<T>(
        &mut self,
        indent: &str,
        rows: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Page<W>, T) -> io::Result<()>,
    ) -> io::Result<()> {
        self.out.write_all(b"[")?;
        let mut is_empty = true;
        for row in rows {
            write!(self.out, "{}\n{indent}  ", if is_empty { "" } else { "," })?;
            is_empty = false;
            write(self, row)?;
        }
        if !is_empty {
            write!(self.out, "\n{indent}")?;
        }
        self.out.write_all(b"]")
    }

    fn name(&mut self, name: &str) -> io::Result<()> {
        let before = if self.fields == 0 { "" } else { "," };
        self.fields += 1;
        write!(self.out, "{before}\n{}\"{name}\": ", self.indent)
    }
}

/// A document as text: what `write` puts into memory.
#[expect(clippy::expect_used, reason = "memory takes all that is written, and JSON is UTF-8")]
pub(super) fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).expect("memory takes all");
    String::from_utf8(out).expect("JSON is UTF-8")
}

/// A value as JSON on one line, without spaces.
#[expect(clippy::expect_used, reason = "only maps with keys that are no text fail, and no row has one")]
pub(super) fn compact<T: Serialize + ?Sized>(value: &T) -> String {
    crate::printable::json_line(value).expect("rows of tables always serialize")
}
