//! Text that came from the workload, or from a policy file that anybody may have written, made harmless for
//! one language. (Markdown and JSON, which reports are written in too, have theirs in the model.)
//!
//! Paths arrive in [`ByteString`](sandprint_model::ByteString)'s escaped form, where `\xNN` stands for a
//! byte; what is dangerous here is written the same way, so that a path still reads back.

use std::fmt::Write;

/// Text for the inside of a `/* ... */` comment: printable ASCII on one line, without anything that ends
/// the comment, opens another one, or forms a trigraph.
pub(super) fn c_comment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let pairs_badly =
            matches!((out.chars().last(), c), (Some('*'), '/') | (Some('/'), '*') | (Some('?'), '?'));
        if (c == ' ' || c.is_ascii_graphic()) && !pairs_badly {
            out.push(c);
        } else {
            push_hex(&mut out, c);
        }
    }
    out
}

/// Text for a `# ...` line: one line, printable, no backslash at its end.
pub(super) fn line_comment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == ' ' || c.is_ascii_graphic() { out.push(c) } else { push_hex(&mut out, c) }
    }
    if out.ends_with('\\') {
        out.push('.');
    }
    out
}

fn push_hex(out: &mut String, c: char) {
    let mut buffer = [0; 4];
    for byte in c.encode_utf8(&mut buffer).bytes() {
        // Writing to a String cannot fail.
        write!(out, "\\x{byte:02x}").unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_would_break_out_is_written_as_bytes() {
        for (text, comment) in [
            ("/usr/bin/ls", "/usr/bin/ls"),
            ("a*/b", "a*\\x2fb"),
            ("a/*b", "a/\\x2ab"),
            ("a??/b", "a?\\x3f/b"),
            ("**//", "**\\x2f/"),
            ("a\nb\u{202e}", "a\\x0ab\\xe2\\x80\\xae"),
        ] {
            assert_eq!(c_comment(text), comment);
        }
        assert_eq!(line_comment("a\nb\\"), "a\\x0ab\\.");
    }

    proptest! {
        #[test]
        fn no_text_ends_its_quotes(text in any::<String>()) {
            let comment = c_comment(&text);
            prop_assert!(!comment.contains("*/") && !comment.contains("/*") && !comment.contains("??"));
            prop_assert!(comment.is_ascii() && !comment.contains(char::is_control));

            let line = line_comment(&text);
            prop_assert!(!line.contains(char::is_control) && !line.ends_with('\\'));
        }
    }
}
