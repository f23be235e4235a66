//! Lists and foreign text within a sentence: escaped, and as much of them as there is room for.

use crate::ByteString;

/// Most characters of a text that are shown.
const SHOWN: usize = 80;

/// Most names of a list in a sentence that may be as long as it likes.
const NAMED: usize = 40;

/// Text of a file or a workload inside a message: escaped, cut, in backquotes.
pub fn quoted(text: &str) -> String {
    let mut escaped = ByteString::from(text).escaped();
    if let Some((end, _)) = escaped.char_indices().nth(SHOWN) {
        escaped.truncate(end);
        escaped.push_str("...");
    }
    format!("`{escaped}`")
}

/// A list of such texts: escaped, and cut where it is long.
pub fn listed<'n>(names: impl IntoIterator<Item = &'n String>) -> String {
    let names: Vec<String> =
        names.into_iter().map(|name| ByteString::from(name.as_str()).escaped()).collect();
    match names.get(..NAMED) {
        Some(first) if names.len() > NAMED + 1 => {
            format!("{} and {} more", first.join(", "), names.len() - NAMED)
        }
        _ => names.join(", "),
    }
}

/// As many of these as fit into so many columns, and how many more there are.
pub fn few(names: &[String], columns: usize) -> String {
    let list = |told: usize| {
        let head = names.get(..told).unwrap_or(names).join(", ");
        match names.len().saturating_sub(told) {
            0 => head,
            more => format!("{head} and {more} more"),
        }
    };
    let told = (1..=names.len()).rev().find(|told| list(*told).chars().count() <= columns);
    told.map_or_else(|| fitted(&list(1), columns), list)
}

/// The text, cut between two words where it has more columns.
pub fn fitted(text: &str, columns: usize) -> String {
    const CUT: &str = " ...";
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let most: String = text.chars().take(columns.saturating_sub(CUT.len())).collect();
    let kept = most.rsplit_once(' ').map_or(most.as_str(), |(kept, _)| kept);
    format!("{}{CUT}", kept.trim_end_matches([',', ':']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_is_escaped_and_cut() {
        assert_eq!(quoted("a\u{1b}b"), "`a\\x1bb`");
        assert_eq!(quoted(&"x".repeat(81)), format!("`{}...`", "x".repeat(80)));
        let names = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        assert!(listed(&names(41)).ends_with(", 40"), "one more is no longer than the words for it");
        assert!(listed(&names(42)).ends_with(", 39 and 2 more"));
        assert_eq!(listed(&["\n".to_owned()]), "\\x0a");
    }

    #[test]
    fn a_list_is_cut_between_names_and_a_text_between_words() {
        let names = ["ab", "cd", "ef"].map(str::to_owned);
        for (columns, expected) in [(10, "ab, cd, ef"), (9, "ab ..."), (13, "ab, cd, ef")] {
            assert_eq!(few(&names, columns), expected, "{columns}");
        }
        assert_eq!(few(&["abc", "d", "e", "f", "g", "h"].map(str::to_owned), 15), "abc and 5 more");
        assert_eq!(fitted("one two, three", 13), "one two ...");
        assert_eq!(fitted("one two", 7), "one two");
        assert!(fitted(&"w".repeat(50), 20).chars().count() <= 20);
    }
}
