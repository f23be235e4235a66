//! A descriptor in an strace log, and what the log says of its file (`-y`, `-yy`).

use super::line::{self, find};
use super::parts::said_length;
use super::value::value;
use crate::uses::Place;
use crate::{Abi, ByteString, Doubt, Doubts, Family, SocketType};

/// `AT_FDCWD`: the working directory.
pub(super) const WORKING_DIRECTORY: i32 = -100;

/// A descriptor as the log shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Descriptor {
    /// Its number.
    pub number: i32,
    /// What the log says of it.
    pub open: Option<Open>,
}

/// What a descriptor is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Open {
    /// A file.
    File(OpenFile),
    /// A socket.
    Socket(OpenSocket),
    /// Something that has no path.
    Other,
}

/// A file that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenFile {
    /// Where it is.
    pub place: Place,
    /// Whether that is the kernel's own word.
    pub by_kernel: bool,
    /// Its mode, as far as it says of what kind the file is.
    pub mode: Option<u16>,
}

/// A socket that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OpenSocket {
    /// Its family.
    pub family: Family,
    /// Its type.
    pub kind: SocketType,
    /// Its protocol, as the kernel has it where 0 was asked for.
    pub protocol: u32,
}

impl Descriptor {
    /// The descriptor that a value is. None for what is none, and for what cannot be read.
    pub(super) fn read(abi: Abi, text: &[u8]) -> Option<Descriptor> {
        let text = line::unnamed(text);
        let (number, said) = text.split_at_checked(said_at(text))?;
        let number = value(abi, number)?;
        // A register of 64 bits, of which the kernel looks at 32: both spell -100.
        let number = i32::from_le_bytes(u32::try_from(number & 0xffff_ffff).ok()?.to_le_bytes());
        Some(Descriptor { number, open: said.strip_prefix(b"<").and_then(open) })
    }
}

/// Where that begins which is said of a descriptor; the end, if nothing is.
fn said_at(text: &[u8]) -> usize {
    let comment = find(text, b"/*").and_then(|start| Some(start + find(text.get(start..)?, b"*/")?));
    let said = |from: usize| text.get(from..).and_then(|rest| find(rest, b"<")).map(|at| from + at);
    match (said(0), comment) {
        (Some(at), Some(comment)) if at > comment => said(comment).unwrap_or(text.len()),
        (Some(at), _) => at,
        (None, _) => text.len(),
    }
}

/// How paths begin of memory that has a name, and of what else the kernel keeps in a mount of its own.
const NOWHERE: [&[u8]; 4] = [b"/memfd:", b"/SYSV", b"/[", b"/anon_hugepage"];

/// What is said of a descriptor, behind the `<`.
fn open(text: &[u8]) -> Option<Open> {
    let (inner, behind) = text.split_at_checked(said_length(text)?)?;
    if !matches!(inner.first(), Some(b'/' | b'\\')) {
        return socket(inner);
    }
    let (name, device) = inner.split_at_checked(find(inner, b"<").unwrap_or(inner.len()))?;
    let name = unescaped(name)?;
    if !name.as_bytes().starts_with(b"/") {
        return socket(name.as_bytes());
    }
    let is_marked = behind.strip_prefix(b">").is_some_and(|rest| rest.starts_with(b"(deleted)"));
    // Before strace 5.14 the mark was part of the path, as the kernel writes it.
    let (path, is_marked) = match name.as_bytes().strip_suffix(b" (deleted)") {
        Some(path) if !is_marked => (ByteString::new(path), true),
        _ => (name, is_marked),
    };
    if is_marked && NOWHERE.iter().any(|start| path.as_bytes().starts_with(start)) {
        return Some(Open::Other);
    }
    let doubts = if is_marked { Doubts::from_iter([Doubt::Unlinked]) } else { Doubts::NONE };
    let mode = match device.strip_prefix(b"<") {
        Some(device) if device.starts_with(b"char ") => Some(0o020_000),
        Some(device) if device.starts_with(b"block ") => Some(0o060_000),
        _ => None,
    };
    Some(Open::File(OpenFile { place: Place { path, doubts }, by_kernel: true, mode }))
}

/// Text that is escaped as strings are, without quotes.
fn unescaped(text: &[u8]) -> Option<ByteString> {
    let quoted = [b"\"", text, b"\""].concat();
    let (name, rest) = line::c_string(&quoted)?;
    rest.is_empty().then_some(name)
}

/// What `-yy` says of a socket: `TCP:[127.0.0.1:1->127.0.0.1:2]`. None where it does not say which, as of one of
/// netlink, or with `-y` (`socket:[7]`).
fn socket(name: &[u8]) -> Option<Open> {
    const STREAM: u32 = 1;
    const DATAGRAM: u32 = 2;
    const PACKETS: u32 = 5;
    /// `NETWORK_PROTOCOLS` of strace (`sockaddr.c` and `socketutils.c` there).
    const KNOWN: [(&[u8], Family, u32, u32); 14] = [
        (b"TCP", Family::INET, STREAM, 6),
        (b"TCPv6", Family::INET6, STREAM, 6),
        (b"UDP", Family::INET, DATAGRAM, 17),
        (b"UDPv6", Family::INET6, DATAGRAM, 17),
        (b"UDPLITE", Family::INET, DATAGRAM, 136),
        (b"UDP-Lite", Family::INET, DATAGRAM, 136),
        (b"UDPLITEv6", Family::INET6, DATAGRAM, 136),
        (b"UDPLite-v6", Family::INET6, DATAGRAM, 136),
        (b"PING", Family::INET, DATAGRAM, 1),
        (b"PINGv6", Family::INET6, DATAGRAM, 58),
        (b"UNIX-STREAM", Family::UNIX, STREAM, 0),
        (b"UNIX-DGRAM", Family::UNIX, DATAGRAM, 0),
        (b"UNIX-SEQPACKET", Family::UNIX, PACKETS, 0),
        (b"MPTCP", Family::INET, STREAM, 262),
    ];
    const WITHOUT_PATH: [&[u8]; 8] =
        [b"pipe", b"anon_inode", b"signalfd", b"timerfd", b"eventfd", b"pid", b"bpf", b"net"];
    let word = name.get(..find(name, b":[").unwrap_or(name.len()))?;
    if let Some((_, family, kind, protocol)) = KNOWN.into_iter().find(|(known, ..)| *known == word) {
        return Some(Open::Socket(OpenSocket { family, kind: SocketType(kind), protocol }));
    }
    WITHOUT_PATH.contains(&word).then_some(Open::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Descriptor> {
        Descriptor::read(Abi::X86_64, text.as_bytes())
    }

    fn file(number: i32, path: &str, doubts: &[Doubt], mode: Option<u16>) -> Descriptor {
        let place = Place { path: path.into(), doubts: doubts.iter().copied().collect() };
        Descriptor { number, open: Some(Open::File(OpenFile { place, by_kernel: true, mode })) }
    }

    #[test]
    fn what_is_said_of_a_descriptor_is_read() {
        let unlinked = &[Doubt::Unlinked][..];
        for (text, expected) in [
            ("3</etc/passwd>", file(3, "/etc/passwd", &[], None)),
            ("-100 /* AT_FDCWD */</a/b>", file(-100, "/a/b", &[], None)),
            ("AT_FDCWD</a>", file(-100, "/a", &[], None)),
            (r#"4</d/a, \"b\"\n\76c\74>(deleted)"#, file(4, "/d/a, \"b\"\n>c<", unlinked, None)),
            ("4</d/a (deleted)>", file(4, "/d/a", unlinked, None)),
            (r"4<\x2f\x61>", file(4, "/a", &[], None)),
            ("5</dev/null<char 1:3>>", file(5, "/dev/null", &[], Some(0o020_000))),
            ("5</dev/sda<block 8:0>>", file(5, "/dev/sda", &[], Some(0o060_000))),
            ("dfd=0x3</a>", file(3, "/a", &[], None)),
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
        for (text, number) in [
            ("0xffffff9c", -100),
            ("-1", -1),
            ("AT_FDCWD", -100),
            ("7<socket:[1]>", 7),
            ("7<NETLINK:[ROUTE:1]>", 7),
            ("7<RAW:[1]>", 7),
        ] {
            assert_eq!(read(text), Some(Descriptor { number, open: None }), "{text}");
        }
        for text in ["", "\"x\"", "[3]", "x</a>"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn sockets_are_told_by_the_words_of_strace() {
        let socket =
            |family, kind, protocol| Open::Socket(OpenSocket { family, kind: SocketType(kind), protocol });
        for (text, expected) in [
            ("3<TCP:[127.0.0.1:1->127.0.0.1:2]>", socket(Family::INET, 1, 6)),
            ("3<TCPv6:[[::1]:80]>", socket(Family::INET6, 1, 6)),
            ("3<UDP:[12]>", socket(Family::INET, 2, 17)),
            ("3<UNIX-STREAM:[1->2,\"/run/x>\"]>", socket(Family::UNIX, 1, 0)),
            ("3<pipe:[7]>", Open::Other),
            ("3<anon_inode:[eventpoll]>", Open::Other),
            ("3</memfd:x>(deleted)", Open::Other),
        ] {
            assert_eq!(read(text).unwrap().open, Some(expected), "{text}");
        }
    }
}
