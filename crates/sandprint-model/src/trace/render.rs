//! Plain tables, as text and as Markdown. What came from the workload or from a file name is escaped here.

use crate::{ByteString, Gap, Syscall};

/// A table: a row of headings, then rows of as many cells.
pub(super) struct Table {
    /// A heading and whether its column holds numbers.
    pub headings: &'static [(&'static str, bool)],
    /// The cells.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Aligned columns, two spaces apart, each line after `indent`. Numbers align to the right.
    pub(super) fn text(&self, indent: &str) -> String {
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
    pub(super) fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut out = line(self.headings.iter().map(|(heading, _)| markdown_text(heading)).collect());
        let rules = self.headings.iter().map(|(_, number)| if *number { "---:" } else { "---" });
        out.push_str(&line(rules.map(str::to_owned).collect()));
        for row in &self.rows {
            out.push_str(&line(row.iter().map(|cell| markdown_text(cell)).collect()));
        }
        out
    }
}

/// Text from outside, such as a file name, on one line without control characters.
pub(super) fn one_line(text: &str) -> String {
    ByteString::from(text).escaped()
}

/// Text that Markdown and the HTML behind it show as it is.
pub(super) fn markdown_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '#' | '|' | '~' | '!' | '$' | '@' | ':' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
    out
}

/// The three cells that name a call: ABI, number, name.
pub(super) fn call_cells(syscall: Syscall) -> Vec<String> {
    vec![syscall.abi.name().to_owned(), syscall.nr.to_string(), syscall.name().unwrap_or("-").to_owned()]
}

/// "1 call", "2 calls".
pub(super) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// What a gap means, with its detail and how often, as one sentence.
pub(super) fn gap_sentence(gap: &Gap, count: u64) -> String {
    let mut out = gap.kind.meaning().to_owned();
    let detail = gap.detail.as_deref().map(one_line);
    let times = (count > 1).then(|| format!("{count} times"));
    let beside: Vec<String> = detail.into_iter().chain(times).collect();
    if !beside.is_empty() {
        out.push_str(" (");
        out.push_str(&beside.join("; "));
        out.push(')');
    }
    out
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
            "| ABI | NR | NAME |\n| --- | ---: | --- |\n| x86\\_64 | 7 | poll |\n| arm | 168 | poll |\n"
        );
    }

    #[test]
    fn markdown_cannot_be_broken_out_of() {
        assert_eq!(
            markdown_text("a|b`<script>[x](javascript:1)**&amp;"),
            "a\\|b\\`&lt;script&gt;\\[x\\]\\(javascript\\:1\\)\\*\\*&amp;amp;"
        );
    }
}
