//! Text as Markdown shows it as it is, in a table cell too. Nothing in it is markup, a link or HTML, for any renderer.
//!
//! Reports and emitted profiles are written in Markdown; this is their one way to escape, as
//! [`json_line`](crate::json_line) is for JSON. Paths arrive in [`ByteString`]'s escaped form, where
//! `\xNN` stands for a byte; what is not printable is written the same way.

use std::fmt::Write as _;

use crate::ByteString;
use crate::printable::is_printable;

/// Text as prose: every character that could be markup becomes a character reference.
///
/// An underscore within a word is none, by the specification of `CommonMark`, and stays: names of calls are to be read
/// in the source too.
pub fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let in_word = |c: Option<&char>| c.is_some_and(|c| c.is_alphanumeric() && is_printable(*c));
        let plain = c.is_alphanumeric()
            || matches!(c, ' ' | ',' | ';' | '\'' | '(' | ')' | '/' | '+' | '=' | '%' | '-' | '.')
            || (c == '_' && in_word(before.as_ref()) && in_word(rest.peek()));
        if !is_printable(c) {
            out.push_str(&ByteString::from(c.encode_utf8(&mut [0; 4]) as &str).escaped());
        } else if plain {
            out.push(c);
        } else {
            // Writing to a String cannot fail.
            write!(out, "&#{};", u32::from(c)).unwrap_or_default();
        }
        before = Some(c);
    }
    out
}

/// Text as code. It stands in backquotes where these show it as it is. They protect no bar in a table and no backquote,
/// and some renderers take HTML in them for HTML: then it is HTML, with character references.
pub fn code(text: &str) -> String {
    if text.contains(['`', '|', '<', '>', '&']) {
        return format!("<code>{}</code>", prose(text));
    }
    let mut out = String::from("`");
    for c in text.chars() {
        if is_printable(c) {
            out.push(c);
        } else {
            out.push_str(&ByteString::from(c.encode_utf8(&mut [0; 4]) as &str).escaped());
        }
    }
    if text.trim().is_empty() {
        // A span of blanks, or of nothing, is no span.
        out.push_str("\\x20");
    }
    out.push('`');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_has_a_meaning_is_shown_as_it_is() {
        for (text, expected) in [
            ("a*[b](c)|\n@d", "a&#42;&#91;b&#93;(c)&#124;\\x0a&#64;d"),
            (
                "a|b`<script>[x](javascript:1)**&amp;",
                "a&#124;b&#96;&#60;script&#62;&#91;x&#93;(javascript&#58;1)&#42;&#42;&#38;amp;",
            ),
            ("/a\\x1b", "/a&#92;x1b"),
            ("x86_64 clock_gettime", "x86_64 clock_gettime"),
            ("_a_ __ a_\u{200b}b", "&#95;a&#95; &#95;&#95; a&#95;\\xe2\\x80\\x8bb"),
        ] {
            assert_eq!(prose(text), expected);
        }
        for (text, expected) in [
            ("socket(AF_INET, 1)", "`socket(AF_INET, 1)`"),
            ("https://x @y \\x1b", "`https://x @y \\x1b`"),
            ("a\u{202e}\n", "`a\\xe2\\x80\\xae\\x0a`"),
            ("O_RDONLY|O_CLOEXEC", "<code>O_RDONLY&#124;O_CLOEXEC</code>"),
            ("a|b`<i>\n", "<code>a&#124;b&#96;&#60;i&#62;\\x0a</code>"),
            ("", "`\\x20`"),
            (" ", "` \\x20`"),
        ] {
            assert_eq!(code(text), expected);
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_out(text in "[a_ é|`<>&*~:@\\[\\]\\n\u{202e}]{0,12}", bar in any::<bool>()) {
            let words = prose(&text);
            prop_assert!(!words.contains(['`', '|', '<', '>', '*', '[', ']', '~', '!', '@', ':', '"', '$']));
            let around: Vec<char> = words.chars().collect();
            for three in around.windows(3).filter(|three| three[1] == '_') {
                prop_assert!(three[0].is_alphanumeric() && three[2].is_alphanumeric(), "{words}");
            }
            prop_assert!(!words.starts_with('_') && !words.ends_with('_'));

            let text = if bar { format!("{text}|") } else { text };
            let code = code(&text);
            let inside = code.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
            let html = code.strip_prefix("<code>").and_then(|rest| rest.strip_suffix("</code>"));
            prop_assert!(!inside.or(html).unwrap().contains(['`', '|', '<', '>']), "{code}");
            prop_assert!(!inside.is_some_and(|inside| inside.contains('&') || inside.trim().is_empty()));
            prop_assert!(words.chars().chain(code.chars()).all(is_printable));
        }
    }
}
