//! Families, types and protocols of sockets: names and numbers.
//!
//! A name is the kernel's own: `AF_UNIX`, `SOCK_STREAM`, `IPPROTO_TCP`. What has no name is a number. Each number is
//! written in one way only, and no other spelling is read back.

use std::fmt;

use crate::Abi;
use crate::arguments::{Set, families, internet_protocols, netlink_protocols, socket_types};

/// A family of sockets or addresses, by its number (linux/socket.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Family(pub u16);

impl Family {
    /// No family.
    pub const UNSPEC: Family = Family(0);
    /// Sockets of one machine, with names in the file system or beside it.
    pub const UNIX: Family = Family(1);
    /// Version 4 of the internet protocol.
    pub const INET: Family = Family(2);
    /// Version 6 of the internet protocol.
    pub const INET6: Family = Family(10);
    /// Talk with the kernel.
    pub const NETLINK: Family = Family(16);
    /// Frames of a network interface.
    pub const PACKET: Family = Family(17);
    /// Talk between a virtual machine and its host.
    pub const VSOCK: Family = Family(40);

    /// Its name: `AF_UNIX`.
    pub fn name(self) -> Option<&'static str> {
        name(families(), u64::from(self.0))
    }

    /// The family of that text, as [`fmt::Display`] writes it.
    pub fn parse(text: &str) -> Option<Family> {
        let family = Family(named_or_number(families(), text)?.try_into().ok()?);
        (family.to_string() == text).then_some(family)
    }

    /// A protocol of this family in text.
    ///
    /// `IPPROTO_TCP` for `AF_INET` and `AF_INET6`, where 0 is `IPPROTO_IP`: the one that the type has by default.
    /// `NETLINK_ROUTE` for `AF_NETLINK`. For `AF_PACKET` the number of the Ethernet type (`linux/if_ether.h`), in the
    /// byte order of people, `0x0800`: the call has it in that of the network (packet(7)). Any other is a number.
    pub fn protocol_name(self, protocol: u32) -> String {
        if self == Family::PACKET
            && let Ok(ethernet) = u16::try_from(protocol)
        {
            return format!("{:#06x}", ethernet.swap_bytes());
        }
        let named = self.protocols().and_then(|set| name(set, u64::from(protocol)));
        named.map_or_else(|| protocol.to_string(), str::to_owned)
    }

    /// Reads a protocol of this family back, as [`Family::protocol_name`] writes it.
    pub fn parse_protocol(self, text: &str) -> Option<u32> {
        let protocol = if let Some(digits) = text.strip_prefix("0x") {
            u32::from(u16::from_str_radix(digits, 16).ok()?.swap_bytes())
        } else if let Some(set) = self.protocols() {
            named_or_number(set, text)?
        } else {
            text.parse().ok()?
        };
        (self.protocol_name(protocol) == text).then_some(protocol)
    }

    fn protocols(self) -> Option<&'static Set> {
        match self {
            Family::INET | Family::INET6 => Some(internet_protocols()),
            Family::NETLINK => Some(netlink_protocols()),
            _ => None,
        }
    }
}

impl fmt::Display for Family {
    /// The name, or the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => f.pad(&self.0.to_string()),
        }
    }
}

/// A type of sockets, by its number, without `SOCK_CLOEXEC` and `SOCK_NONBLOCK`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketType(pub u32);

impl SocketType {
    /// A stream of bytes.
    pub const STREAM: SocketType = SocketType(1);
    /// Messages that may be lost.
    pub const DGRAM: SocketType = SocketType(2);

    /// `SOCK_CLOEXEC` and `SOCK_NONBLOCK`, which may stand beside the type in socket(2).
    const FLAGS: u32 = 0x8_0000 | 0x800;

    /// The type in an argument of socket(2).
    pub fn of_argument(argument: u32) -> SocketType {
        SocketType(argument & !SocketType::FLAGS)
    }

    /// Its name: `SOCK_STREAM`.
    pub fn name(self) -> Option<&'static str> {
        // The set holds the flags too.
        let is_type = u64::from(self.0) & !socket_types().field() == 0;
        if is_type { name(socket_types(), u64::from(self.0)) } else { None }
    }

    /// The type of that text, as [`fmt::Display`] writes it.
    pub fn parse(text: &str) -> Option<SocketType> {
        let kind = SocketType(named_or_number(socket_types(), text)?);
        (kind.to_string() == text).then_some(kind)
    }
}

impl fmt::Display for SocketType {
    /// The name, or the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => f.pad(&self.0.to_string()),
        }
    }
}

/// The ABI whose constants are asked; those of sockets are the same on all.
const ANY: Abi = Abi::X86_64;

fn name(set: &Set, value: u64) -> Option<&'static str> {
    set.constants(ANY).find(|(_, known)| *known == value).map(|(name, _)| name)
}

/// The number that a name stands for, or that is written. Whether that is its one spelling is left to the caller.
fn named_or_number(set: &Set, text: &str) -> Option<u32> {
    match set.constants(ANY).find(|(name, _)| *name == text) {
        Some((_, value)) => value.try_into().ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_read_back_and_no_other_spelling_does() {
        for number in 0..=u16::MAX {
            let family = Family(number);
            assert_eq!(Family::parse(&family.to_string()), Some(family));
        }
        for text in
            ["", "1", "01", "+50", "af_unix", "AF_LOCAL", "AF_", "65536", "-1", "SOCK_STREAM", "IPPROTO_TCP"]
        {
            assert_eq!(Family::parse(text), None, "{text}");
        }
        for (family, text) in [
            (Family::UNSPEC, "AF_UNSPEC"),
            (Family::UNIX, "AF_UNIX"),
            (Family::INET, "AF_INET"),
            (Family::INET6, "AF_INET6"),
            (Family::NETLINK, "AF_NETLINK"),
            (Family::PACKET, "AF_PACKET"),
            (Family::VSOCK, "AF_VSOCK"),
            (Family(38), "AF_ALG"),
            (Family(45), "AF_MCTP"),
            (Family(46), "46"),
        ] {
            assert_eq!(family.to_string(), text);
        }
    }

    #[test]
    fn types_read_back_and_no_other_spelling_does() {
        for number in (0..0x1_0000).chain([0x8_0000, 0x8_0001, u32::MAX]) {
            let kind = SocketType(number);
            assert_eq!(SocketType::parse(&kind.to_string()), Some(kind));
        }
        for text in ["", "1", "SOCK_CLOEXEC", "SOCK_NONBLOCK", "sock_stream", "4294967296"] {
            assert_eq!(SocketType::parse(text), None, "{text}");
        }
        assert_eq!(SocketType::of_argument(0x8_0801), SocketType::STREAM);
        assert_eq!(SocketType::of_argument(0x8_0002).to_string(), "SOCK_DGRAM");
        assert_eq!(SocketType::of_argument(0x1_0002).to_string(), "65538");
    }

    #[test]
    fn protocols_read_back_and_no_other_spelling_does() {
        for family in [0, 1, 2, 10, 16, 17, 50].map(Family) {
            for protocol in (0..0x2_0000).chain([u32::MAX]) {
                let text = family.protocol_name(protocol);
                assert_eq!(family.parse_protocol(&text), Some(protocol), "{family} {text}");
            }
        }
        for (family, protocol, text) in [
            (Family::INET, 0, "IPPROTO_IP"),
            (Family::INET, 6, "IPPROTO_TCP"),
            (Family::INET6, 58, "IPPROTO_ICMPV6"),
            (Family::INET6, 262, "IPPROTO_MPTCP"),
            (Family::INET, 77, "77"),
            (Family::NETLINK, 0, "NETLINK_ROUTE"),
            (Family::NETLINK, 9, "NETLINK_AUDIT"),
            (Family::NETLINK, 1, "1"),
            (Family::UNIX, 0, "0"),
            (Family::PACKET, 0x0300, "0x0003"),
            (Family::PACKET, 8, "0x0800"),
            (Family::PACKET, 0x1_0000, "65536"),
        ] {
            assert_eq!(family.protocol_name(protocol), text, "{family} {protocol}");
        }
        for (family, text) in [
            (Family::INET, "6"),
            (Family::INET, "0x0006"),
            (Family::INET, "NETLINK_ROUTE"),
            (Family::UNIX, "IPPROTO_IP"),
            (Family::PACKET, "0x800"),
            (Family::PACKET, "0x+800"),
            (Family::PACKET, "0x080A"),
            (Family::PACKET, "8"),
            (Family::UNIX, "+1"),
        ] {
            assert_eq!(family.parse_protocol(text), None, "{family} {text}");
        }
    }

    #[test]
    fn every_abi_has_the_same_names() {
        for set in [families(), socket_types(), internet_protocols(), netlink_protocols()] {
            for abi in Abi::ALL {
                assert!(set.constants(abi).eq(set.constants(ANY)), "{set:?} {abi}");
            }
        }
    }
}
