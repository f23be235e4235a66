//! Rust source as the rules need it: without comments and literals, and cut into words.
//!
//! Not a parser. It knows where a comment, a string and a character begin and end, which is what keeps a word in
//! prose from being taken for code.

/// The text with every comment, string and character blanked; lines stay where they were.
pub(super) fn code(text: &str) -> String {
    let mut rest = text;
    let mut output = String::with_capacity(text.len());
    // The character before `rest`, to tell the `r` of `r"` from the end of a name.
    let mut previous = ' ';
    while let Some(first) = rest.chars().next() {
        let skipped = if is_word(previous) { None } else { literal_with_prefix(rest) };
        let skipped = skipped.or_else(|| comment(rest)).or_else(|| quoted(rest));
        let length = skipped.unwrap_or_else(|| first.len_utf8());
        let (taken, _) = rest.split_at(length);
        if skipped.is_some() {
            output.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        } else {
            output.push_str(taken);
        }
        previous = if skipped.is_some() { ' ' } else { first };
        rest = rest.get(length..).unwrap_or_default();
    }
    output
}

/// The words of a text of [`code`], each with its line, from 1.
pub(super) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = code.lines().enumerate();
    lines.flat_map(|(index, line)| {
        let words = line.split(|c: char| !is_word(c)).filter(|word| !word.is_empty());
        words.map(move |word| (index + 1, word))
    })
}

/// What follows `std::` in a text of [`code`], with its line: one name, or each of a group in braces.
pub(super) fn std_names(code: &str) -> Vec<(usize, String)> {
    let mut names = Vec::new();
    let mut from = 0;
    while let Some(found) = code.get(from..).and_then(|rest| rest.find("std::")) {
        let start = from + found;
        from = start + "std::".len();
        let (before, after) = (code.get(..start).unwrap_or_default(), code.get(from..).unwrap_or_default());
        if before.ends_with(is_word) {
            continue;
        }
        let line = before.matches('\n').count() + 1;
        match after.trim_start().strip_prefix('{') {
            Some(group) => names.extend(heads(group).into_iter().map(|name| (line, name))),
            None => names.push((line, word_at(after))),
        }
    }
    names
}

/// The first word of each member of a group, given what follows its opening brace.
fn heads(group: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let mut names = Vec::new();
    let mut member = String::new();
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(word_at(&member));
                member.clear();
                continue;
            }
            _ => {}
        }
        member.push(c);
    }
    names.push(word_at(&member));
    names.retain(|name| !name.is_empty());
    names
}

fn word_at(text: &str) -> String {
    text.trim_start().chars().take_while(|c| is_word(*c)).collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the comment that the text starts with.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    Some(text.len())
}

/// The length of the literal with letters before its quote that the text starts with: `b"`, `c"`, `r#"`, `br"`, `b'`.
fn literal_with_prefix(text: &str) -> Option<usize> {
    for prefix in ["br", "cr", "r"] {
        if let Some(rest) = text.strip_prefix(prefix) {
            let hashes = rest.len() - rest.trim_start_matches('#').len();
            let body = rest.get(hashes..).unwrap_or_default();
            if let Some(body) = body.strip_prefix('"') {
                let end = format!("\"{}", "#".repeat(hashes));
                let length = body.find(&end).map_or(body.len(), |at| at + end.len());
                return Some(prefix.len() + hashes + 1 + length);
            }
        }
    }
    let rest = text.strip_prefix(['b', 'c'])?;
    quoted(rest).map(|length| length + 1)
}

/// The length of the string or character that the text starts with. A lifetime is none.
fn quoted(text: &str) -> Option<usize> {
    if text.starts_with('"') {
        return Some(closing(text, '"'));
    }
    let body = text.strip_prefix('\'')?;
    let mut characters = body.chars();
    let (first, second) = (characters.next()?, characters.next());
    let is_character = first == '\\' || second == Some('\'');
    is_character.then(|| closing(text, '\''))
}

/// The length up to and with the closing quote; the text starts with the opening one.
fn closing(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_strings_and_characters_are_blanked_and_the_rest_is_kept() {
        for (text, expected) in [
            ("a // b\nc", "a\nc"),
            ("a /* b /* c */ d */ e", "a e"),
            ("a /* b\nc */ d", "a\nd"),
            ("f(\"b \\\" c\", d)", "f( , d)"),
            ("f(r\"b\\\", d)", "f( , d)"),
            ("f(r#\"b \" c\"#, d)", "f( , d)"),
            ("f(br##\"b \"# c\"##, d)", "f( , d)"),
            ("f(b\"x\", c\"y\", d)", "f( , , d)"),
            ("f('b', '\\'', '\"', b'x', '\\u{7f}', d)", "f( , , , , , d)"),
            ("fn f<'a>(x: &'a str) -> &'static str { x }", "fn f<'a>(x: &'a str) -> &'static str { x }"),
            ("var\"b\"", "var "),
            ("r#fn b", "r#fn b"),
            ("a \"never closed", "a "),
            ("é /* ü */ ß 'ö' ñ", "é ß ñ"),
        ] {
            let squeeze = |text: &str| {
                let lines: Vec<String> = text
                    .lines()
                    .map(|line| line.split(' ').filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" "))
                    .collect();
                lines.join("\n")
            };
            assert_eq!(squeeze(&code(text)), squeeze(expected), "{text}");
            assert_eq!(code(text).matches('\n').count(), text.matches('\n').count(), "{text}");
        }
    }

    #[test]
    fn words_carry_their_lines() {
        let found: Vec<(usize, &str)> = words("a.b_c\n\n  d1(e)\n").collect();
        assert_eq!(found, [(1, "a"), (1, "b_c"), (3, "d1"), (3, "e")]);
    }

    #[test]
    fn names_after_std_are_found_alone_and_in_groups() {
        let text = "use std::fmt;\nuse std::{\n    collections::{BTreeMap, fs}, io,\n    net,\n};\nx::std::y; astd::z";
        let expected = [(1, "fmt"), (2, "collections"), (2, "io"), (2, "net"), (6, "y")];
        let found = std_names(text);
        let found: Vec<(usize, &str)> = found.iter().map(|(line, name)| (*line, name.as_str())).collect();
        assert_eq!(found, expected);
    }
}
