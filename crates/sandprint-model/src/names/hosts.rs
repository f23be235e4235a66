//! The file `/etc/hosts` (hosts(5)).

use core::net::IpAddr;

use super::{Meaning, Name};
use crate::{Address, ByteString};

/// Most bytes of a name in DNS, which others are not longer than.
const MOST_NAME: usize = 255;

/// Every name in the text of the file with its address. What is no address begins no entry.
pub fn entries(text: &[u8]) -> impl Iterator<Item = (IpAddr, Name)> {
    text.split(|byte| *byte == b'\n').flat_map(|line| {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let ip = words.next().and_then(address);
        let names = words.filter(|name| name.len() <= MOST_NAME);
        names.filter_map(move |name| {
            let ip = ip?;
            let name = name.strip_suffix(b".").unwrap_or(name).to_ascii_lowercase();
            Some((ip, Name { name: ByteString::new(name), meaning: Meaning::Hosts(ip) }))
        })
    })
}

/// An address as the file has it, of which a scope (`%eth0`) is left out.
fn address(word: &[u8]) -> Option<IpAddr> {
    let word = word.split(|byte| *byte == b'%').next()?;
    Some(str::from_utf8(word).ok()?.parse::<IpAddr>().ok()?.to_canonical())
}

/// Whom an address of a socket is, if it is one that a name may stand for. Of one of version 4 that is mapped into
/// version 6, that of version 4.
pub fn address_of(address: &Address) -> Option<IpAddr> {
    match address {
        Address::Inet { ip, .. } => Some(IpAddr::V4(*ip)),
        Address::Inet6 { ip, .. } => Some(IpAddr::V6(*ip).to_canonical()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_a_line_stands_for_its_address() {
        let text = b"# 192.0.2.9 no\n127.0.0.1\tlocalhost  LOCAL.\n\n::1 six # seven\nfe80::1%eth0 link\n\
            ::ffff:192.0.2.1 mapped\nnonsense name\n192.0.2.2\n192.0.2.3 \xff";
        let found: Vec<String> =
            entries(text).map(|(ip, name)| format!("{} {ip} {}", name.name, name.meaning.source())).collect();
        assert_eq!(
            found,
            [
                "localhost 127.0.0.1 hosts",
                "local 127.0.0.1 hosts",
                "six ::1 hosts",
                "link fe80::1 hosts",
                "mapped 192.0.2.1 hosts",
                "\\xff 192.0.2.3 hosts",
            ]
        );
        let long = [b"192.0.2.1 ".to_vec(), vec![b'x'; 256]].concat();
        assert_eq!(entries(&long).count(), 0);
    }
}
