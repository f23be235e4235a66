//! How much structure a text has, before anything is made of it: brackets, commas, dots and equals signs outside of
//! strings and comments. What reads TOML makes something of each, many times as large.

/// Whether a text has more of them than that.
pub(super) fn exceed(text: &str, most: usize) -> bool {
    let mut rest = text.as_bytes();
    let mut count = 0;
    while let [first, after @ ..] = rest {
        rest = match first {
            b'#' => skip_line(after),
            b'"' | b'\'' => skip_string(*first, rest),
            b'[' | b']' | b'{' | b'}' | b',' | b'.' | b'=' => {
                count += 1;
                if count > most {
                    return true;
                }
                after
            }
            _ => after,
        };
    }
    false
}

fn skip_line(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    bytes.get(end..).unwrap_or_default()
}

/// What follows the string that begins here: `"` knows escapes, and three quotes go on over lines.
fn skip_string(quote: u8, bytes: &[u8]) -> &[u8] {
    let long = [quote; 3];
    let (end, is_long) = if bytes.starts_with(&long) { (&long[..], true) } else { (&long[..1], false) };
    let mut rest = bytes.get(end.len()..).unwrap_or_default();
    while let [first, after @ ..] = rest {
        if let Some(after) = rest.strip_prefix(end) {
            return after;
        }
        if *first == b'\n' && !is_long {
            return rest;
        }
        let escapes = *first == b'\\' && quote == b'"' && (is_long || after.first() != Some(&b'\n'));
        rest = if escapes { after.get(1..).unwrap_or_default() } else { after };
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_comments_hide_them_and_nothing_else_does() {
        let count = |text: &str| (0..100).find(|most| !exceed(text, *most)).unwrap();
        for (text, expected) in [
            ("", 0),
            ("a = 1", 1),
            ("[[x86_64.read]]\ndo = \"allow\"\n", 6),
            ("a = \"[[[\" # [[[\nb = '[[['", 2),
            ("a = \"\\\"[[\" [", 2),
            ("a = '\\' [", 2),
            ("a = \"\"\"\n[[ \\\"\"\"[ \" \"\"\" [", 2),
            ("a = '''\n[[ ' '' ''' [", 2),
            ("a = \"\" [", 2),
            // A string that does not end ends with its line.
            ("a = \"[\n[", 2),
            ("a = '[\n[", 2),
            ("a = \"\\\n[", 2),
            ("a = \"\"\"[", 1),
        ] {
            assert_eq!(count(text), expected, "{text:?}");
        }
    }
}
