//! The address that a call is given: from the bytes of a `sockaddr`, and as text.

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::fmt;

use super::{Family, Operation};
use crate::ByteString;

mod text;

/// An address of a socket.
///
/// [`fmt::Display`] and [`Address::parse`] are each other's inverse; the forms are listed there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// None was given.
    None,
    /// `AF_UNSPEC` and nothing else. Given to connect(2), it takes the peer away.
    Unspecified,
    /// Version 4 of the internet protocol (ip(7)).
    Inet {
        /// Whom it is.
        ip: Ipv4Addr,
        /// The port; 0 where bind(2) lets the kernel choose, and for protocols without ports.
        port: u16,
    },
    /// Version 6 of the internet protocol (ipv6(7)). One of version 4 may be mapped into it.
    Inet6 {
        /// Whom it is.
        ip: Ipv6Addr,
        /// The port.
        port: u16,
        /// The number of the network interface where the address is valid; 0 for none.
        scope: u32,
    },
    /// A socket in the file system (unix(7)); the path is as it was given.
    UnixPath(ByteString),
    /// A socket with a name beside the file system; without the NUL before it.
    UnixAbstract(ByteString),
    /// A Unix address without a name: bind(2) lets the kernel choose.
    UnixUnnamed,
    /// A partner in talks with the kernel (netlink(7)).
    Netlink {
        /// Who: the kernel is 0, and bind(2) lets it choose.
        pid: u32,
        /// The groups that are listened to or sent to, one bit each.
        groups: u32,
    },
    /// A network interface (packet(7)). A hardware address is left out.
    Packet {
        /// The type of frames (`linux/if_ether.h`), 0 for the socket's own.
        protocol: u16,
        /// The interface's number, 0 for all.
        interface: u32,
    },
    /// A virtual machine or its host (vsock(7)).
    Vsock {
        /// Which of them.
        cid: u32,
        /// The port.
        port: u32,
    },
    /// Any other, with its family: a family that is not read, and too few or too many bytes for one that is.
    Other(ByteString),
}

/// `SIN6_LEN_RFC2133` (include/net/ipv6.h): an address without a scope is taken too.
const INET6_WITHOUT_SCOPE: usize = 24;

/// The most bytes of a name in a Unix address (`UNIX_PATH_MAX`, linux/un.h).
const UNIX_PATH_MAX: usize = 108;

impl Address {
    /// The address in what a call is given, of which all bytes that the call tells the length of are there.
    ///
    /// As the kernel reads it: ports are in network byte order, numbers in that of the machine (every ABI that
    /// sandprint knows is little-endian). A path ends at the first NUL, a name beside the file system at the length
    /// (unix(7)). What is too short for its family is [`Address::Other`]; no bytes at all are [`Address::None`].
    ///
    /// `AF_UNSPEC` with anything but zeros behind is kept as [`Address::Other`]: bind(2) and sending take it for
    /// `AF_INET` (`__inet_bind`, `net/ipv4/af_inet.c`; `udp_sendmsg`, net/ipv4/udp.c). See [`Address::given_to`].
    pub fn read(bytes: &[u8]) -> Address {
        if bytes.is_empty() {
            return Address::None;
        }
        Address::known(bytes).unwrap_or_else(|| Address::Other(ByteString::new(bytes)))
    }

    /// [`Address::read`], where it is known what the call does: connect(2) looks at nothing behind `AF_UNSPEC`
    /// (`inet_dgram_connect`, `__inet_stream_connect`, `net/ipv4/af_inet.c`), so that it need not be kept.
    pub fn given_to(operation: Operation, bytes: &[u8]) -> Address {
        match family_of(bytes) {
            Some((Family::UNSPEC, _)) if operation == Operation::Connect => Address::Unspecified,
            _ => Address::read(bytes),
        }
    }

    fn known(bytes: &[u8]) -> Option<Address> {
        let (family, data) = family_of(bytes)?;
        match family {
            Family::UNSPEC => data.iter().all(|byte| *byte == 0).then_some(Address::Unspecified),
            Family::UNIX => unix(data),
            // `struct sockaddr_in` (linux/in.h) is 16 bytes, the last 8 of which mean nothing.
            Family::INET if bytes.len() >= 16 => {
                let (port, data) = data.split_first_chunk()?;
                let (ip, _) = data.split_first_chunk::<4>()?;
                Some(Address::Inet { ip: Ipv4Addr::from(*ip), port: u16::from_be_bytes(*port) })
            }
            Family::INET6 if bytes.len() >= INET6_WITHOUT_SCOPE => inet6(data),
            // `struct sockaddr_nl` (linux/netlink.h): padding, the id, the groups.
            Family::NETLINK => {
                let (_, data) = data.split_first_chunk::<2>()?;
                let (pid, data) = data.split_first_chunk()?;
                let (groups, _) = data.split_first_chunk()?;
                Some(Address::Netlink { pid: u32::from_le_bytes(*pid), groups: u32::from_le_bytes(*groups) })
            }
            // `struct sockaddr_ll` (linux/if_packet.h) is 20 bytes, the last 12 of which are about hardware.
            Family::PACKET if bytes.len() >= 20 => {
                let (protocol, data) = data.split_first_chunk()?;
                let (interface, _) = data.split_first_chunk()?;
                let interface = u32::from_le_bytes(*interface);
                Some(Address::Packet { protocol: u16::from_be_bytes(*protocol), interface })
            }
            // `struct sockaddr_vm` (linux/vm_sockets.h) is 16 bytes: a reserved field, the port, the id, flags.
            Family::VSOCK if bytes.len() >= 16 => {
                let (_, data) = data.split_first_chunk::<2>()?;
                let (port, data) = data.split_first_chunk()?;
                let (cid, _) = data.split_first_chunk()?;
                Some(Address::Vsock { cid: u32::from_le_bytes(*cid), port: u32::from_le_bytes(*port) })
            }
            _ => None,
        }
    }
}

/// The family of an address, and what is behind it.
fn family_of(bytes: &[u8]) -> Option<(Family, &[u8])> {
    let (family, data) = bytes.split_first_chunk()?;
    Some((Family(u16::from_le_bytes(*family)), data))
}

/// `struct sockaddr_un` (linux/un.h), without the family.
fn unix(name: &[u8]) -> Option<Address> {
    if name.len() > UNIX_PATH_MAX {
        return None;
    }
    Some(match name.split_first() {
        None => Address::UnixUnnamed,
        Some((0, name)) => Address::UnixAbstract(ByteString::new(name)),
        Some(_) => {
            let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
            Address::UnixPath(ByteString::new(name.get(..end)?))
        }
    })
}

/// `struct sockaddr_in6` (linux/in6.h), without the family: port, flow, address, scope.
fn inet6(data: &[u8]) -> Option<Address> {
    let (port, data) = data.split_first_chunk()?;
    let (_flow, data) = data.split_first_chunk::<4>()?;
    let (ip, data) = data.split_first_chunk::<16>()?;
    let ip = Ipv6Addr::from(*ip);
    let scope = match data.first_chunk() {
        Some(scope) if needs_scope(ip) => u32::from_le_bytes(*scope),
        _ => 0,
    };
    Some(Address::Inet6 { ip, port: u16::from_be_bytes(*port), scope })
}

/// Whether the kernel looks at the scope (`__ipv6_addr_needs_scope_id`, include/net/ipv6.h): of an address that is
/// valid on one link, or of a group on one interface or link. Elsewhere it may be anything, and is not kept.
fn needs_scope(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.octets();
    ip.is_unicast_link_local() || (first == 0xff && matches!(second & 0xf, 1 | 2))
}
