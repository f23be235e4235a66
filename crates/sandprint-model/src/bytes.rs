//! Bytes that came from the workload: paths, arguments, names. Not text, and hostile until escaped.

use std::fmt;
use std::sync::Arc;

use crate::printable::is_printable;

/// Bytes from the workload, kept exactly. Copies share them.
///
/// [`fmt::Display`] gives an escaped form that is safe on a terminal and reversible by
/// [`ByteString::from_escaped`]: printable Unicode stays, a backslash doubles, every other byte
/// becomes `\xNN`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteString(Arc<[u8]>);

impl ByteString {
    /// Wraps bytes as they are.
    pub fn new(bytes: impl Into<Vec<u8>>) -> ByteString {
        ByteString(bytes.into().into())
    }

    /// The bytes as they were observed.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The escaped form, as [`fmt::Display`] writes it.
    pub fn escaped(&self) -> String {
        let mut out = String::with_capacity(self.0.len());
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\\' => out.push_str("\\\\"),
                    c if is_printable(c) => out.push(c),
                    c => {
                        let mut buffer = [0; 4];
                        for byte in c.encode_utf8(&mut buffer).bytes() {
                            push_hex(&mut out, byte);
                        }
                    }
                }
            }
            for byte in chunk.invalid() {
                push_hex(&mut out, *byte);
            }
        }
        out
    }

    /// Reads the escaped form back; `None` where it holds a backslash that [`ByteString::escaped`] cannot
    /// have written.
    pub fn from_escaped(text: &str) -> Option<ByteString> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((first, tail)) = rest.split_first() {
            rest = tail;
            if *first != b'\\' {
                bytes.push(*first);
                continue;
            }
            match rest {
                [b'\\', tail @ ..] => {
                    bytes.push(b'\\');
                    rest = tail;
                }
                [b'x', high, low, tail @ ..] => {
                    let digits = [*high, *low];
                    if !digits.iter().all(u8::is_ascii_hexdigit) {
                        return None;
                    }
                    let digits = str::from_utf8(&digits).ok()?;
                    bytes.push(u8::from_str_radix(digits, 16).ok()?);
                    rest = tail;
                }
                _ => return None,
            }
        }
        Some(ByteString::new(bytes))
    }
}

fn push_hex(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push_str("\\x");
    for nibble in [byte >> 4, byte & 15] {
        if let Some(digit) = DIGITS.get(usize::from(nibble)) {
            out.push(char::from(*digit));
        }
    }
}

impl From<&str> for ByteString {
    fn from(text: &str) -> ByteString {
        ByteString(text.as_bytes().into())
    }
}

impl fmt::Display for ByteString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.escaped())
    }
}

impl fmt::Debug for ByteString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escaped())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn escaping_is_reversible(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let original = ByteString::new(bytes);
            prop_assert_eq!(ByteString::from_escaped(&original.escaped()), Some(original));
        }

        #[test]
        fn escaped_text_is_printable(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(ByteString::new(bytes).escaped().chars().all(is_printable));
        }
    }

    #[test]
    fn a_backslash_that_was_never_written_is_refused() {
        for text in ["\\", "\\x", "\\x1", "\\xg0", "\\n", "\\x+1"] {
            assert_eq!(ByteString::from_escaped(text), None, "{text}");
        }
    }
}
