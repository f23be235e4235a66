//! Patterns of names and paths: `*` stands for any bytes, `?` for one.

/// Whether a text is as a pattern says.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    // Where to go on after the last `*`: in the pattern, and in the text.
    let (mut at, mut place, mut again) = (0, 0, None);
    while let Some(byte) = text.get(place) {
        match pattern.get(at) {
            Some(b'*') => {
                again = Some((at + 1, place));
                at += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted == byte => {
                at += 1;
                place += 1;
            }
            _ => {
                let Some((after, from)) = again else { return false };
                again = Some((after, from + 1));
                (at, place) = (after, from + 1);
            }
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, text, expected) in [
            ("read", "read", true),
            ("read", "readv", false),
            ("*/runc", "/usr/bin/runc", true),
            ("*/runc", "/usr/bin/runc2", false),
            ("/usr/*/ru?c", "/usr/local/bin/runc", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("**", "", true),
            ("", "", true),
            ("?", "", false),
            ("a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }
}
