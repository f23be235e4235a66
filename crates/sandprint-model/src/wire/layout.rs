//! How a document is laid out: a field or a table row per line, each line compact.

use serde::Serialize;

use super::document::Tool;
use super::{Document, VERSION};

/// Writes a JSON object whose tables have one row per line.
pub(super) struct Page {
    out: String,
    fields: usize,
}

impl Page {
    /// Begins a document with the fields that every one has.
    pub(super) fn begin(document: Document) -> Page {
        let mut page = Page { out: "{".to_owned(), fields: 0 };
        page.field("format", document.format());
        page.field("version", &VERSION);
        page.field("tool", &Tool::this());
        page
    }

    /// A field whose value fits on its line.
    pub(super) fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        self.name(name);
        self.out.push_str(&compact(value));
    }

    /// A table, one row per line.
    pub(super) fn table<T: Serialize>(&mut self, name: &str, rows: impl IntoIterator<Item = T>) {
        self.nested_table(name, rows.into_iter().map(|row| (compact(&row), None::<(&str, [String; 0])>)));
    }

    /// A table whose rows, each an object as compact JSON, may end with a table of their own, one line
    /// per row.
    pub(super) fn nested_table<I: IntoIterator<Item = String>>(
        &mut self,
        name: &str,
        rows: impl IntoIterator<Item = (String, Option<(&'static str, I)>)>,
    ) {
        self.name(name);
        self.out.push('[');
        let mut first = true;
        for (row, inner) in rows {
            self.out.push_str(if first { "\n    " } else { ",\n    " });
            first = false;
            let Some((inner_name, inner_rows)) = inner else {
                self.out.push_str(&row);
                continue;
            };
            self.out.push_str(row.strip_suffix('}').unwrap_or(&row));
            self.out.push_str(",\"");
            self.out.push_str(inner_name);
            self.out.push_str("\":[");
            for (index, inner_row) in inner_rows.into_iter().enumerate() {
                self.out.push_str(if index == 0 { "\n      " } else { ",\n      " });
                self.out.push_str(&inner_row);
            }
            self.out.push_str("\n    ]}");
        }
        self.out.push_str(if first { "]" } else { "\n  ]" });
    }

    /// Ends the document.
    pub(super) fn end(mut self) -> String {
        self.out.push_str("\n}\n");
        self.out
    }

    fn name(&mut self, name: &str) {
        self.out.push_str(if self.fields == 0 { "\n  \"" } else { ",\n  \"" });
        self.fields += 1;
        self.out.push_str(name);
        self.out.push_str("\": ");
    }
}

/// A value as JSON on one line, without spaces.
#[expect(clippy::expect_used, reason = "only maps with keys that are no text fail, and no row has one")]
pub(super) fn compact<T: Serialize + ?Sized>(value: &T) -> String {
    crate::printable::json_line(value).expect("rows of tables always serialize")
}
