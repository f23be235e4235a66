//! Which characters may be shown as they are, and JSON that shows no others.

use std::fmt::Write as _;

use serde::Serialize;

/// Whether a character can be seen, and moves, hides, joins or reorders nothing.
///
/// The rest is controls (C0, DEL, C1), format characters (those for bidirectional text, tags, the soft hyphen ...),
/// separators of lines and paragraphs, blanks that are no space, what is private or not assigned, by the table that
/// std escapes by; and what Unicode has a reader ignore though it is a letter or a mark (`Default_Ignorable_Code_Point`).
pub fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return c == ' ' || c.is_ascii_graphic();
    }
    if is_ignorable(c) {
        return false;
    }
    // Behind a letter: a mark that combines is escaped only where it has nothing to combine with.
    c.escape_debug().eq([c]) || ['a', c].iter().collect::<String>().escape_debug().eq(['a', c])
}

/// `Default_Ignorable_Code_Point` of Unicode 16, as far as general categories do not say it.
fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

/// A value as JSON on one line. What is not printable is written `\uNNNN`.
pub fn json_line<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    #[expect(clippy::disallowed_methods, reason = "this is what is to be called in its place")]
    serde_json::to_string(value).map(escaped)
}

/// A value as JSON with indents, without a newline at its end. What is not printable is written `\uNNNN`.
pub fn json_pretty<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    #[expect(clippy::disallowed_methods, reason = "this is what is to be called in its place")]
    serde_json::to_string_pretty(value).map(escaped)
}

/// JSON in which strings hold printable characters only: elsewhere it has no others but newlines.
fn escaped(json: String) -> String {
    let stays = |c| c == '\n' || is_printable(c);
    if json.chars().all(stays) {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if stays(c) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                write!(out, "\\u{unit:04x}").unwrap_or_default();
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_hides_or_reorders_is_not_printable() {
        for c in [
            '\0',
            '\t',
            '\n',
            '\u{1b}',
            '\u{7f}',
            '\u{80}',
            '\u{85}',
            '\u{9b}',
            '\u{9f}',
            '\u{a0}',
            '\u{ad}',
            '\u{34f}',
            '\u{600}',
            '\u{61c}',
            '\u{6dd}',
            '\u{70f}',
            '\u{115f}',
            '\u{180e}',
            '\u{2000}',
            '\u{200b}',
            '\u{200d}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{3000}',
            '\u{3164}',
            '\u{e000}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{fff9}',
            '\u{ffff}',
            '\u{110bd}',
            '\u{13430}',
            '\u{1bca0}',
            '\u{1d173}',
            '\u{e0001}',
            '\u{e0020}',
            '\u{e007f}',
            '\u{e0100}',
            '\u{f0000}',
            '\u{10ffff}',
        ] {
            assert!(!is_printable(c), "{:x}", u32::from(c));
        }
        for c in " aZ~\"'\\äß漢字ひらがな한국어עברитлλ∈⊆→“”…€😀e\u{301}नमस्ते".chars()
        {
            assert!(is_printable(c), "{c:?}");
        }
    }

    #[test]
    fn json_escapes_by_pairs_of_surrogates() {
        assert_eq!(json_line("a\u{7f}\u{202e}\u{e0001}ä\n").unwrap(), r#""a\u007f\u202e\udb40\udc01ä\n""#);
        assert_eq!(json_pretty(&["\u{9b}"]).unwrap(), "[\n  \"\\u009b\"\n]");
    }

    proptest! {
        #[test]
        fn json_reads_back_and_holds_nothing_unprintable(text in any::<String>()) {
            let line = json_line(&text).unwrap();
            prop_assert!(line.chars().all(is_printable));
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }
}
