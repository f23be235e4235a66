//! Plain tables, as text and as Markdown.

use sandprint_model::markdown;

/// A table: a row of headings, then rows of as many cells.
pub(crate) struct Table<'h> {
    /// A heading and whether its column holds numbers.
    pub(crate) headings: &'h [(&'h str, bool)],
    /// The cells, in text that a terminal may have.
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table<'_> {
    /// Aligned columns, two spaces apart, each line after `indent`. Numbers align to the right.
    pub(crate) fn text(&self, indent: &str) -> String {
        let headings: Vec<String> = self.headings.iter().map(|(heading, _)| (*heading).to_owned()).collect();
        let lines = || std::iter::once(&headings).chain(&self.rows);
        let widths: Vec<usize> = (0..self.headings.len())
            .map(|column| lines().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max())
            .map(Option::unwrap_or_default)
            .collect();
        let mut out = String::new();
        for row in lines() {
            let cells = row.iter().zip(self.headings).zip(&widths).map(|((cell, (_, number)), width)| {
                if *number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            out.push_str(indent);
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    /// A Markdown table. Cells are escaped here.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut out = line(self.headings.iter().map(|(heading, _)| markdown::prose(heading)).collect());
        let rules = self.headings.iter().map(|(_, number)| if *number { "---:" } else { "---" });
        out.push_str(&line(rules.map(str::to_owned).collect()));
        for row in &self.rows {
            out.push_str(&line(row.iter().map(|cell| markdown::prose(cell)).collect()));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_numbers_stand_right() {
        let rows = vec![
            vec!["x86_64".to_owned(), "7".to_owned(), "poll".to_owned()],
            vec!["arm".to_owned(), "168".to_owned(), "poll".to_owned()],
        ];
        let table = Table { headings: &[("ABI", false), ("NR", true), ("NAME", false)], rows };
        assert_eq!(table.text("  "), "  ABI      NR  NAME\n  x86_64    7  poll\n  arm     168  poll\n");
        assert_eq!(
            table.markdown(),
            "| ABI | NR | NAME |\n| --- | ---: | --- |\n| x86_64 | 7 | poll |\n| arm | 168 | poll |\n"
        );
    }
}
