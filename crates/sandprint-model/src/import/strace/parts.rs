//! The text of a call taken apart: its arguments, the items of a structure or a list, and what stands behind.
//!
//! strace writes `, ` between arguments; within strings, brackets, comments (`/* O_RDONLY */`) and what it says of a
//! descriptor (`3</etc/a, b>`) a comma is one of theirs.

use std::borrow::Cow;

use super::line::{self, find};

/// Most items that are told apart: the kernel takes 1024 messages at once (`UIO_MAXIOV`).
const MOST: usize = 1024;

/// What stands between brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts<'t> {
    /// The items, without spaces around them. None for nothing at all.
    pub items: Vec<&'t [u8]>,
    /// What follows the bracket that closes them. None where it is missing: the text was cut, or interrupted.
    pub rest: Option<&'t [u8]>,
}

impl<'t> Parts<'t> {
    /// Takes apart what follows an opening bracket. None where the text is no such list.
    pub(super) fn of(text: &'t [u8]) -> Option<Parts<'t>> {
        let mut items = Vec::new();
        let (mut at, mut start, mut depth) = (0_usize, 0_usize, 0_usize);
        let mut end = None;
        while let Some(byte) = text.get(at) {
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' if depth == 0 => {
                    end = Some(at);
                    break;
                }
                b')' | b']' | b'}' => depth -= 1,
                b',' if depth == 0 => {
                    items.push(text.get(start..at)?.trim_ascii());
                    start = at + 1;
                }
                b'"' | b'<' | b'/' => at += opaque(text.get(at..)?)?.saturating_sub(1),
                _ => {}
            }
            if items.len() > MOST {
                return None;
            }
            at += 1;
        }
        let last = text.get(start..end.unwrap_or(text.len()))?.trim_ascii();
        if !last.is_empty() || !items.is_empty() {
            items.push(last);
        }
        Some(Parts { items, rest: end.and_then(|end| text.get(end + 1..)) })
    }

    /// Takes apart a structure or a list: `{a=1, b=2}`, `[3, 4]`.
    pub(super) fn within(text: &'t [u8]) -> Option<Parts<'t>> {
        let inner = text.strip_prefix(b"{").or_else(|| text.strip_prefix(b"["))?;
        Parts::of(inner).filter(|parts| parts.rest.is_some())
    }

    /// What the call returned, where the list is that of its arguments.
    pub(super) fn result(&self) -> Option<&'t [u8]> {
        self.rest?.trim_ascii_start().strip_prefix(b"= ")
    }

    /// The value of the item that is named so: `flags` of `flags=0x1`.
    pub(super) fn field(&self, name: &str) -> Option<&'t [u8]> {
        let mut values = self.items.iter().filter_map(|item| {
            let (found, value) = item.split_at_checked(name.len())?;
            value.strip_prefix(b"=").filter(|_| found == name.as_bytes())
        });
        values.next()
    }
}

/// How many bytes belong together here whatever they are: a string, a comment, what is said of a descriptor. None for
/// one that does not end.
fn opaque(text: &[u8]) -> Option<usize> {
    match text {
        [b'"', ..] => string_length(text),
        [b'/', b'*', ..] => Some(find(text, b"*/")? + 2),
        // 21<<MAP_HUGE_SHIFT
        [b'<', b'<', ..] => Some(2),
        [b'<', inner @ ..] => Some(said_length(inner)? + 2),
        _ => Some(1),
    }
}

/// The length of the string that begins here, with both quotes.
fn string_length(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// The length of what is said of a descriptor, up to the `>` that ends it.
///
/// In a path strace escapes `<` and `>`, and behind it may stand a device in the same brackets. Anything else may have
/// the arrow of a connection within square brackets, and a quoted name there: `TCP:[127.0.0.1:1->127.0.0.1:2]`.
pub(super) fn said_length(text: &[u8]) -> Option<usize> {
    let is_path = matches!(text.first(), Some(b'/' | b'\\'));
    let (mut at, mut depth) = (0_usize, 0_usize);
    loop {
        match text.get(at)? {
            b'>' if depth == 0 => return Some(at),
            b'<' if is_path => at += find(text.get(at..)?, b">")?,
            b'"' if !is_path => at += string_length(text.get(at..)?)? - 1,
            b'[' if !is_path => depth += 1,
            b']' if !is_path => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
}

/// A value without the comments that `-X verbose` adds, and without the name that `-N` gives it.
pub(super) fn plain(text: &[u8]) -> Cow<'_, [u8]> {
    let text = line::unnamed(text);
    let Some(first) = find(text, b"/*") else { return Cow::Borrowed(text) };
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut next = Some(first);
    while let Some(at) = next {
        plain.extend_from_slice(rest.get(..at).unwrap_or_default().trim_ascii_end());
        let comment = rest.get(at..).unwrap_or_default();
        rest = find(comment, b"*/").and_then(|end| comment.get(end + 2..)).unwrap_or_default();
        next = find(rest, b"/*");
    }
    plain.extend_from_slice(rest);
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> Option<Vec<String>> {
        let parts = Parts::of(text.as_bytes())?;
        Some(parts.items.iter().map(|item| String::from_utf8_lossy(item).into_owned()).collect())
    }

    #[test]
    fn a_comma_separates_only_arguments() {
        for (text, expected) in [
            (")", &[][..]),
            ("3) = 0", &["3"]),
            ("3, ", &["3", ""]),
            (
                r#"AT_FDCWD</a, b>, "x, \"y\"\\", O_RDONLY) = 3</c)d>"#,
                &["AT_FDCWD</a, b>", r#""x, \"y\"\\""#, "O_RDONLY"],
            ),
            (
                "1</dev/pts/0<char 136:0>>, TCGETS, {c_iflag=ICRNL|IXON, ...}) = 0",
                &["1</dev/pts/0<char 136:0>>", "TCGETS", "{c_iflag=ICRNL|IXON, ...}"],
            ),
            (r#"3<UNIX-STREAM:[1->2,"/a], >"]>, 5)"#, &[r#"3<UNIX-STREAM:[1->2,"/a], >"]>"#, "5"]),
            (
                "3<TCP:[127.0.0.1:1->127.0.0.1:2]>, [16 => 28])",
                &["3<TCP:[127.0.0.1:1->127.0.0.1:2]>", "[16 => 28]"],
            ),
            (
                "NULL, 21<<MAP_HUGE_SHIFT|MAP_SHARED, 0x1 /* A, B */)",
                &["NULL", "21<<MAP_HUGE_SHIFT|MAP_SHARED", "0x1 /* A, B */"],
            ),
            (
                "{a=[{b=1, c=f(1, 2)}], d=\"}\"}, ~[RTMIN RT_1], 8)",
                &["{a=[{b=1, c=f(1, 2)}], d=\"}\"}", "~[RTMIN RT_1]", "8"],
            ),
            ("<... resuming interrupted nanosleep ...>) = 0", &["<... resuming interrupted nanosleep ...>"]),
        ] {
            assert_eq!(
                items(text).as_deref(),
                Some(expected.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>().as_slice()),
                "{text}"
            );
        }
        for text in ["\"no end", "3</a, b", "3, \"\\", "1 /* no end", &"1,".repeat(MOST + 1)] {
            assert_eq!(items(text), None, "{text}");
        }
    }

    #[test]
    fn the_result_is_what_follows_the_arguments() {
        for (text, expected) in [
            ("\"a\") = 3</tmp/x) = y>", Some("3</tmp/x) = y>")),
            ("1)                        = 0", Some("0")),
            ("1) ", None),
            ("1, ", None),
        ] {
            let result = Parts::of(text.as_bytes()).unwrap().result();
            assert_eq!(result, expected.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn fields_have_names_and_comments_are_no_values() {
        let parts = Parts::within(b"{sa_family=0x2 /* AF_INET */, sa_family2=1, x}").unwrap();
        assert_eq!(parts.field("sa_family"), Some(&b"0x2 /* AF_INET */"[..]));
        assert_eq!(parts.field("sa"), None);
        for (text, expected) in [
            ("0x1 /* SOCK_STREAM */|0x80000 /* SOCK_CLOEXEC */", "0x1|0x80000"),
            ("flags=0x1", "0x1"),
            ("-100 /* AT_FDCWD */</x>", "-100</x>"),
            ("1 /* no end", "1"),
        ] {
            assert_eq!(&*plain(text.as_bytes()), expected.as_bytes());
        }
    }
}
