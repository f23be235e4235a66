//! Names of addresses: which name stood for which address or port, and who said so.

use core::net::IpAddr;
use std::fmt;

use crate::{ByteString, Key};

mod answer;
mod carried;
mod hosts;
mod proxy;

pub use answer::answered;
pub use carried::{Carried, Layout, carried};
pub use hosts::{address_of, entries};
pub use proxy::asked_of_proxy;

/// A name, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The name in lower case, without a dot at its end. Of DNS, a dot or a backslash within a label has a backslash
    /// before it (RFC 4343, section 2.1).
    pub name: ByteString,
    /// What it stands for.
    pub meaning: Meaning,
}

/// What a name stands for, by who said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meaning {
    /// This port of whatever it is: a proxy was asked for it (`CONNECT` of HTTP), which resolves the name itself.
    Connect(u16),
    /// This address: an answer of DNS said so.
    Dns(IpAddr),
    /// This address, which was used: `/etc/hosts` says so.
    Hosts(IpAddr),
}

impl Meaning {
    /// Every source, in name order.
    pub const SOURCES: [&str; 3] = ["connect", "dns", "hosts"];

    /// The stable word of who said so.
    pub fn source(self) -> &'static str {
        let [connect, dns, hosts] = Meaning::SOURCES;
        match self {
            Meaning::Connect(_) => connect,
            Meaning::Dns(_) => dns,
            Meaning::Hosts(_) => hosts,
        }
    }

    /// What a source and the displayed form of a meaning stand for.
    pub fn parse(source: &str, address: &str) -> Option<Meaning> {
        let [connect, dns, hosts] = Meaning::SOURCES;
        let meaning = if source == connect {
            Meaning::Connect(address.strip_prefix(':')?.parse().ok()?)
        } else if source == dns {
            Meaning::Dns(address.parse().ok()?)
        } else if source == hosts {
            Meaning::Hosts(address.parse().ok()?)
        } else {
            return None;
        };
        // One way to write it.
        (meaning.to_string() == address).then_some(meaning)
    }
}

impl fmt::Display for Meaning {
    /// The address, or `:443` of a port.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Meaning::Connect(port) => f.pad(&format!(":{port}")),
            Meaning::Dns(ip) | Meaning::Hosts(ip) => f.pad(&ip.to_string()),
        }
    }
}

impl Key for Name {
    fn first() -> Name {
        Name { name: ByteString::default(), meaning: Meaning::Connect(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meanings_are_read_back_in_the_one_way_that_they_are_written() {
        for (source, address) in
            [("connect", ":443"), ("dns", "192.0.2.1"), ("dns", "2001:db8::1"), ("hosts", "127.0.0.1")]
        {
            let meaning = Meaning::parse(source, address).unwrap();
            assert_eq!((meaning.source(), meaning.to_string().as_str()), (source, address));
            assert!(Name { name: ByteString::default(), meaning } >= Name::first());
        }
        for (source, address) in [
            ("connect", "443"),
            ("connect", ":0443"),
            ("dns", ":443"),
            ("dns", "2001:DB8::1"),
            ("mdns", "::1"),
        ] {
            assert_eq!(Meaning::parse(source, address), None, "{source} {address}");
        }
    }
}
