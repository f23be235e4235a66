//! Lines of JSON around a record: `journalctl -o json`, or the files of a container's output.
//!
//! journald writes a field that is not printable as an array of its bytes, on one line, or with each byte on a line of its
//! own (`-o json-pretty`). A message of auditd's is such a field: its enriched format has a byte 0x1d.

use super::record::{decimal, position};

/// The longest text that is put together of bytes on lines of their own; auditd's records have at most 8970 bytes.
const LONGEST: usize = 1 << 16;

/// The strings of a line of JSON that may hold a record, and its arrays of bytes. `None` where the line is none; its text
/// is what the kernel wrote then, in which quotes stand for themselves.
pub(super) fn unwrapped(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let text = line.trim_ascii_start();
    let record = [&b"audit("[..], b"SECCOMP ", b"SYSCALL ", b"URINGOP ", b"AUDIT1"];
    let record = record.iter().filter_map(|word| position(text, word)).min();
    let begins = record.into_iter().chain(first_array(text)).min()?;
    let head = text.get(..begins)?;
    if !text.starts_with(b"\"") && position(head, b"{\"").is_none() && !head.starts_with(b"{") {
        return None;
    }
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'[')) {
        let behind = rest.get(at + 1..).unwrap_or_default();
        let is_string = rest.get(at) == Some(&b'"');
        let taken = if is_string { json_string(behind) } else { byte_array(behind) };
        rest = match taken {
            Some((text, behind)) => {
                found.push(text);
                behind
            }
            None if is_string => break,
            // An array of something else: what is in it follows.
            None => behind,
        };
    }
    Some(found)
}

/// Where the first array of numbers begins.
fn first_array(text: &[u8]) -> Option<usize> {
    let is_array = |rest: &[u8]| rest.trim_ascii_start().first().is_some_and(u8::is_ascii_digit);
    (0..text.len()).find(|at| text.get(*at) == Some(&b'[') && text.get(at + 1..).is_some_and(is_array))
}

/// The bytes of the array that begins here, and what follows its end.
fn byte_array(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let is_inside = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_whitespace() || *byte == b',';
    let end = text.iter().position(|byte| !is_inside(byte)).filter(|end| text.get(*end) == Some(&b']'))?;
    let (inner, behind) = (text.get(..end)?, text.get(end + 1..)?);
    let bytes = inner.split(|byte| *byte == b',').map(|number| decimal(number.trim_ascii()));
    Some((bytes.collect::<Option<Vec<u8>>>()?, behind))
}

/// An array of bytes that has each of them on a line of its own.
#[derive(Debug, Default)]
pub(super) struct Array {
    /// Those so far, inside of one.
    bytes: Option<Vec<u8>>,
}

/// What a line is to such an array.
pub(super) enum InArray {
    /// None of it.
    No,
    /// A part of it.
    Part,
    /// Its end: the text.
    Whole(Vec<u8>),
}

impl Array {
    pub(super) fn take(&mut self, line: &[u8]) -> InArray {
        let text = line.trim_ascii();
        if let Some(mut bytes) = self.bytes.take() {
            if matches!(text, b"]" | b"],") {
                return InArray::Whole(bytes);
            }
            if let Some(byte) =
                decimal(text.strip_suffix(b",").unwrap_or(text)).filter(|_| bytes.len() < LONGEST)
            {
                bytes.push(byte);
                self.bytes = Some(bytes);
                return InArray::Part;
            }
        }
        if text.starts_with(b"\"") && text.ends_with(b"[") {
            self.bytes = Some(Vec::new());
            return InArray::Part;
        }
        InArray::No
    }
}

/// The string that begins here, without its escapes, and what follows its end.
fn json_string(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut string = Vec::new();
    let mut rest = text;
    loop {
        let (first, behind) = rest.split_first()?;
        rest = behind;
        match first {
            b'"' => return Some((string, rest)),
            b'\\' => {
                let (escaped, behind) = rest.split_first()?;
                rest = behind;
                match escaped {
                    b'n' => string.push(b'\n'),
                    b't' => string.push(b'\t'),
                    b'u' => {
                        let digits = str::from_utf8(rest.get(..4)?).ok()?;
                        let c = char::from_u32(u32::from_str_radix(digits, 16).ok()?).unwrap_or('\u{fffd}');
                        string.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                        rest = rest.get(4..)?;
                    }
                    other => string.push(*other),
                }
            }
            other => string.push(*other),
        }
    }
}
