//! The lines of a unit file: sections, keys, continued lines and comments, as systemd 252 reads them.
//!
//! What a line is, and which lines are one, decides which settings there are. So this follows `config_parse` and
//! `parse_line` of src/shared/conf-parser.c and `read_line_full` of src/basic/fileio.c step by step: nothing is
//! trimmed before it is known whether a line goes on, and only spaces, tabs and ends of lines are white space.

use sandprint_model::wire::Position;

/// What separates and is trimmed (`WHITESPACE` of src/basic/string-util.h).
pub(super) const WHITESPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// The longest line, with those that go on from it, in bytes (`LONG_LINE_MAX`).
const LONGEST: usize = 1024 * 1024;

/// `Key=value` in a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    /// Where the line begins.
    pub(super) at: Position,
    /// The section, none before the first header.
    pub(super) section: Option<String>,
    pub(super) key: String,
    pub(super) value: String,
    /// The comment lines above it, without a blank line in between.
    pub(super) comment: String,
}

/// What a unit file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct UnitFile {
    pub(super) assignments: Vec<Assignment>,
    /// Lines that systemd ignores, since they are no assignment.
    pub(super) strange: Vec<Position>,
    /// Where and for what systemd refuses the whole unit.
    pub(super) refused: Option<(Position, &'static str)>,
}

/// Reads a text to its end, or to where systemd gives up.
pub(super) fn read(text: &str) -> UnitFile {
    let mut reader = Reader::default();
    let mut begun: Option<(Position, String)> = None;
    let mut bom_seen = false;
    for (number, line) in lines(text).enumerate() {
        let at = Position { line: number + 1, column: 1 };
        let shown = line.trim_start_matches(WHITESPACE);
        if let Some(words) = shown.strip_prefix(['#', ';']) {
            if begun.is_none() {
                reader.comment.push(words.trim().to_owned());
            }
            continue;
        }
        let unmarked = line.strip_prefix('\u{feff}').filter(|_| !bom_seen);
        bom_seen |= unmarked.is_some();
        let (at, mut whole) = begun.take().unwrap_or((at, String::new()));
        whole.push_str(unmarked.unwrap_or(line));
        if whole.len() > LONGEST {
            reader.found.refused = Some((at, "the line is longer than 1 MiB"));
            break;
        }
        if let Some(kept) = continued(&whole) {
            begun = Some((at, format!("{kept} ")));
            continue;
        }
        reader.line(at, &whole);
        if reader.found.refused.is_some() {
            break;
        }
    }
    if let (Some((at, whole)), None) = (begun, reader.found.refused) {
        reader.line(at, &whole);
    }
    reader.found
}

/// The line without the backslash at its very end, if one is there that no other backslash escapes.
fn continued(line: &str) -> Option<&str> {
    let backslashes = line.bytes().rev().take_while(|byte| *byte == b'\\').count();
    (backslashes % 2 == 1).then(|| line.strip_suffix('\\')).flatten()
}

/// Lines, without what ends them: `\n`, `\r`, a zero byte, or one of each in a row up to the zero byte.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(['\n', '\r', '\0']).unwrap_or(rest.len());
        let (line, behind) = rest.split_at_checked(end)?;
        let mut ends = String::new();
        for c in behind.chars().take_while(|c| matches!(c, '\n' | '\r' | '\0')) {
            if ends.contains(c) || ends.contains('\0') {
                break;
            }
            ends.push(c);
        }
        rest = behind.get(ends.len()..)?;
        Some(line)
    })
}

#[derive(Default)]
struct Reader {
    found: UnitFile,
    section: Option<String>,
    comment: Vec<String>,
}

impl Reader {
    /// A line, joined with those that go on from it.
    fn line(&mut self, at: Position, line: &str) {
        let line = line.trim_matches(WHITESPACE);
        if line.is_empty() {
            self.comment.clear();
        } else if let Some(header) = line.strip_prefix('[') {
            self.comment.clear();
            match header.strip_suffix(']') {
                Some(name) if is_safe(name) => self.section = Some(name.to_owned()),
                Some(_) => {
                    self.found.refused = Some((at, "the header of a section has characters that none has"));
                }
                None => self.found.refused = Some((at, "the header of a section does not end with `]`")),
            }
        } else {
            match line.split_once('=') {
                None | Some(("", _)) => self.found.strange.push(at),
                Some((key, value)) => self.found.assignments.push(Assignment {
                    at,
                    section: self.section.clone(),
                    key: key.trim_matches(WHITESPACE).to_owned(),
                    value: value.trim_matches(WHITESPACE).to_owned(),
                    comment: std::mem::take(&mut self.comment).join(" "),
                }),
            }
        }
    }
}

/// `string_is_safe` of src/basic/string-util.c.
fn is_safe(name: &str) -> bool {
    !name.chars().any(|c| c < ' ' || matches!(c, '"' | '\'' | '\\' | '\u{7f}'))
}

/// The words of a value, and whether it breaks off where systemd ignores the rest: at a quote that does not end, or a
/// backslash with nothing behind it (`extract_first_word` of src/basic/extract-word.c).
pub(super) fn words(value: &str, quotes: bool) -> (Vec<String>, bool) {
    let mut words = Vec::new();
    let mut rest = value.trim_start_matches(WHITESPACE).chars();
    while !rest.as_str().is_empty() {
        let mut word = String::new();
        let mut quote = None;
        loop {
            match rest.next() {
                None if quote.is_some() => return (words, true),
                None => break,
                Some('\\') => match rest.next() {
                    Some(escaped) => word.push(escaped),
                    None => return (words, true),
                },
                Some(c) if quote == Some(c) => quote = None,
                Some(c) if quote.is_some() => word.push(c),
                Some(c @ ('"' | '\'')) if quotes => quote = Some(c),
                Some(c) if WHITESPACE.contains(&c) => break,
                Some(c) => word.push(c),
            }
        }
        words.push(word);
        rest = rest.as_str().trim_start_matches(WHITESPACE).chars();
    }
    (words, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `LINE [SECTION] KEY=VALUE (COMMENT)` of each assignment, and the lines that are none.
    fn seen(text: &str) -> (Vec<String>, Vec<usize>) {
        let found = read(text);
        let assignments = found.assignments.iter().map(|a| {
            let comment = if a.comment.is_empty() { String::new() } else { format!(" ({})", a.comment) };
            format!("{} [{}] {}={}{comment}", a.at.line, a.section.as_deref().unwrap_or(""), a.key, a.value)
        });
        (assignments.collect(), found.strange.iter().map(|at| at.line).collect())
    }

    #[test]
    fn lines_are_joined_and_comments_belong_to_what_follows() {
        let text =
            "# head\n\n[Service]\n# why\n; so\nA = b \\\n# no\n  c\\\n\nB=\nnonsense\n[Install]\nC=d\\";
        let expected = ["6 [Service] A=b    c (why so)", "10 [Service] B=", "13 [Install] C=d"];
        assert_eq!(seen(text), (expected.map(str::to_owned).to_vec(), vec![11]));
    }

    #[test]
    fn a_line_goes_on_where_its_last_byte_is_a_backslash_that_none_escapes() {
        for (text, expected, strange) in [
            // White space behind it, of any kind, ends the line.
            ("A=b \\ \n  c\nD=e", vec!["1 [] A=b \\", "3 [] D=e"], vec![2]),
            ("A=b \\\t\nD=e", vec!["1 [] A=b \\", "2 [] D=e"], vec![]),
            ("A=b \\\\\n  c\nD=e", vec!["1 [] A=b \\\\", "3 [] D=e"], vec![2]),
            ("A=b\\\\\\\nc\n", vec!["1 [] A=b\\\\ c"], vec![]),
            ("A=b\\\r\nc", vec!["1 [] A=b c"], vec![]),
            ("A=b \\\n\nD=e", vec!["1 [] A=b", "3 [] D=e"], vec![]),
            ("A=b \\\n\\\n\\\nc=d\nE=f", vec!["1 [] A=b    c=d", "5 [] E=f"], vec![]),
            ("A=b \\\n  # no\n ; no\\\nc", vec!["1 [] A=b  c"], vec![]),
            ("# no \\\nA=b", vec!["2 [] A=b (no \\)"], vec![]),
            ("\\\nA=b", vec!["1 [] A=b"], vec![]),
            ("[Se\\\nrvice]\nA=b", vec!["3 [Se rvice] A=b"], vec![]),
            ("A=b\\", vec!["1 [] A=b"], vec![]),
            // Only ASCII white space is any.
            ("A=b\u{a0}\nB\u{b}=c\u{c}", vec!["1 [] A=b\u{a0}", "2 [] B\u{b}=c\u{c}"], vec![]),
            // Each end of a line is one.
            (
                "A=b\rC=d\0E=f\n\rG=h\r\n\0I=j",
                vec!["1 [] A=b", "2 [] C=d", "3 [] E=f", "4 [] G=h", "5 [] I=j"],
                vec![],
            ),
            ("\u{feff}A=b\n\u{feff}C=d", vec!["1 [] A=b", "2 [] \u{feff}C=d"], vec![]),
            ("A=b\n\u{feff}C=d", vec!["1 [] A=b", "2 [] C=d"], vec![]),
            ("\u{feff}# no", vec![], vec![1]),
            ("=b\nA\n", vec![], vec![1, 2]),
        ] {
            let expected = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(seen(text), (expected, strange), "{text:?}");
        }
    }

    #[test]
    fn a_header_that_systemd_refuses_ends_the_file() {
        for (text, line) in [("A=b\n[Service\nC=d", 2), ("[Ser\"vice]\nC=d", 1), ("[Service] # no\n", 1)] {
            let found = read(text);
            assert_eq!(found.refused.map(|(at, _)| at.line), Some(line), "{text:?}");
            assert!(found.assignments.iter().all(|assignment| assignment.key != "C"), "{text:?}");
        }
        let long = format!("A=b{}\n", "x".repeat(LONGEST));
        assert!(read(&long).refused.is_some());
    }

    #[test]
    fn words_are_taken_up_to_where_systemd_gives_up() {
        for (value, quotes, expected, breaks_off) in [
            (" a  b\tc ", false, vec!["a", "b", "c"], false),
            ("a \\", false, vec!["a"], true),
            ("a \\\\", false, vec!["a", "\\"], false),
            ("a\\ b \\@c", false, vec!["a b", "@c"], false),
            ("\"a\" b", false, vec!["\"a\"", "b"], false),
            ("\"a b\"c 'd'", true, vec!["a bc", "d"], false),
            ("a \"b", true, vec!["a"], true),
            ("a\u{a0}b", false, vec!["a\u{a0}b"], false),
            ("", true, vec![], false),
        ] {
            let expected = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(words(value, quotes), (expected, breaks_off), "{value:?}");
        }
    }
}
