//! What a proxy is asked for: the line that a request `CONNECT` begins with (RFC 9110, section 9.3.6).

use super::{Meaning, Name};
use crate::ByteString;

/// The name that a proxy is asked for by a message that begins so, if it is such a request. None where the line does not end
/// in these bytes.
///
/// Others have a `CONNECT` of their own (that of NATS is followed by JSON), so the version of HTTP must be there.
pub fn asked_of_proxy(message: &[u8]) -> Option<Vec<Name>> {
    let Some(rest) = message.strip_prefix(b"CONNECT ") else { return Some(Vec::new()) };
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let line = rest.get(..end)?;
    Some(asked(line.strip_suffix(b"\r").unwrap_or(line)).into_iter().collect())
}

/// What stands between the method and the end of the line.
fn asked(line: &[u8]) -> Option<Name> {
    let mut words = line.split(|byte| *byte == b' ');
    let (authority, version) = (words.next()?, words.next()?);
    if words.next().is_some() || !version.starts_with(b"HTTP/1.") {
        return None;
    }
    let at = authority.iter().rposition(|byte| *byte == b':')?;
    let (host, port) = (authority.get(..at)?, authority.get(at + 1..)?);
    if !port.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let port = str::from_utf8(port).ok()?.parse().ok().filter(|port| *port > 0)?;
    // An address of version 6 stands in brackets.
    let bare = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")).unwrap_or(host);
    let name = bare.strip_suffix(b".").unwrap_or(bare).to_ascii_lowercase();
    (!name.is_empty()).then(|| Name { name: ByteString::new(name), meaning: Meaning::Connect(port) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_is_the_name_and_the_port() {
        let of = |message: &[u8]| {
            let names = asked_of_proxy(message)?;
            Some(names.iter().map(|name| format!("{} {}", name.name, name.meaning)).collect::<Vec<_>>())
        };
        for (message, expected) in [
            (&b"CONNECT Example.COM:443 HTTP/1.1\r\nHost: x\r\n\r\n"[..], Some(&["example.com :443"][..])),
            (b"CONNECT [2001:db8::1]:8443 HTTP/1.0\n", Some(&["2001:db8::1 :8443"])),
            (b"CONNECT a\xff\x1b:1 HTTP/1.1\r\n", Some(&["a\\xff\\x1b :1"])),
            // Without an end, another protocol's, or no such request at all.
            (b"CONNECT example.com:443 HTTP/1.1", None),
            (b"CONNECT {\"verbose\":false}\r\n", Some(&[])),
            (b"CONNECT example.com:443 x HTTP/1.1\r\n", Some(&[])),
            (b"CONNECT example.com:65536 HTTP/1.1\r\n", Some(&[])),
            (b"CONNECT example.com:0 HTTP/1.1\r\n", Some(&[])),
            (b"CONNECT example.com:+1 HTTP/1.1\r\n", Some(&[])),
            (b"CONNECT :443 HTTP/1.1\r\n", Some(&[])),
            (b"CONNECT example.com HTTP/1.1\r\n", Some(&[])),
            (b"GET / HTTP/1.1\r\n", Some(&[])),
            (b"CONNECT", Some(&[])),
        ] {
            let expected =
                expected.map(|names| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
            assert_eq!(of(message), expected, "{}", String::from_utf8_lossy(message));
        }
    }
}
