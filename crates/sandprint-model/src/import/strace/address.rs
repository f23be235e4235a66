//! The address of a socket as strace writes it, as the bytes that the call was given.

use super::line;
use super::parts::{Parts, plain};
use super::value::value;
use crate::{Abi, Address, Family, Operation};

/// The address that a call is given. None where the log does not tell it.
pub(super) fn read(abi: Abi, text: &[u8], operation: Operation) -> Option<Address> {
    if value(abi, text) == Some(0) {
        return Some(Address::None);
    }
    let parts = Parts::within(line::unnamed(text))?;
    let family = Family(value(abi, parts.field("sa_family")?)?.try_into().ok()?);
    let given = |scope| {
        let data = data(abi, &parts, family, scope)?;
        Some(Address::given_to(operation, &[&family.0.to_le_bytes()[..], &data].concat()))
    };
    // An interface may be written by its name alone; of most addresses it means nothing.
    match scope(abi, &parts) {
        Scope::Number(scope) => given(scope),
        Scope::Named => given(Some(0)).filter(|address| given(Some(1)).as_ref() == Some(address)),
    }
}

/// What stands behind the family.
fn data(abi: Abi, parts: &Parts<'_>, family: Family, scope: Option<u32>) -> Option<Vec<u8>> {
    if let Some(data) = parts.field("sa_data") {
        return whole_string(data);
    }
    let number = |name: &str| value(abi, parts.field(name)?).map(low);
    match family {
        Family::INET => {
            let ip = match parts.field("sin_addr")?.strip_prefix(b"inet_addr(") {
                Some(text) => text_of(text)?.parse::<core::net::Ipv4Addr>().ok()?.octets(),
                None => whole_string(parts.field("sin_addr")?)?.try_into().ok()?,
            };
            Some([&port(abi, parts.field("sin_port")?)?[..], &ip, &[0; 8]].concat())
        }
        Family::INET6 => {
            let ip = inet6(parts)?;
            let tail = scope.map(u32::to_le_bytes);
            let tail = tail.as_ref().map_or(&[][..], |scope| &scope[..]);
            Some([&port(abi, parts.field("sin6_port")?)?[..], &[0; 4], &ip, tail].concat())
        }
        Family::UNIX => match parts.field("sun_path") {
            None => Some(Vec::new()),
            Some(path) => match path.strip_prefix(b"@") {
                Some(name) => Some([vec![0], whole_string(name)?].concat()),
                None => whole_string(path),
            },
        },
        Family::NETLINK => {
            let groups = plain(parts.field("nl_groups")?);
            let groups = str::from_utf8(&groups).ok()?;
            let groups = u32::from_str_radix(groups.strip_prefix("0x").unwrap_or(groups), 16).ok()?;
            Some([&[0; 2][..], &number("nl_pid")?.to_le_bytes(), &groups.to_le_bytes()].concat())
        }
        Family::PACKET => {
            let interface = number("sll_ifindex")?;
            let protocol = port(abi, parts.field("sll_protocol")?)?;
            Some([&protocol[..], &interface.to_le_bytes(), &[0; 12]].concat())
        }
        Family::VSOCK => {
            let id = match parts.field("svm_cid")? {
                b"VMADDR_CID_ANY" => u32::MAX,
                b"VMADDR_CID_HYPERVISOR" => 0,
                b"VMADDR_CID_LOCAL" => 1,
                b"VMADDR_CID_HOST" => 2,
                _ => number("svm_cid")?,
            };
            let port = match parts.field("svm_port")? {
                b"VMADDR_PORT_ANY" => u32::MAX,
                _ => number("svm_port")?,
            };
            Some([&[0; 2][..], &port.to_le_bytes(), &id.to_le_bytes(), &[0; 4]].concat())
        }
        _ => None,
    }
}

enum Scope {
    /// That interface; none where the address is too short for one.
    Number(Option<u32>),
    Named,
}

fn scope(abi: Abi, parts: &Parts<'_>) -> Scope {
    match parts.field("sin6_scope_id") {
        None => Scope::Number(None),
        Some(text) => value(abi, text).map_or(Scope::Named, |scope| Scope::Number(Some(low(scope)))),
    }
}

/// `inet_pton(AF_INET6, "::1", &sin6_addr)`, `sin6_addr=inet_pton(AF_INET6, "::1")`, or its bytes.
fn inet6(parts: &Parts<'_>) -> Option<[u8; 16]> {
    const WORDS: &[u8] = b"inet_pton(AF_INET6, ";
    let field = parts.field("sin6_addr");
    let mut written = parts.items.iter().copied().chain(field).filter_map(|item| item.strip_prefix(WORDS));
    match written.next() {
        Some(text) => text_of(text)?.parse::<core::net::Ipv6Addr>().ok().map(|ip| ip.octets()),
        None => whole_string(field?)?.try_into().ok(),
    }
}

/// A number of 16 bits in network byte order: `htons(80)`, or its bytes.
fn port(abi: Abi, text: &[u8]) -> Option<[u8; 2]> {
    match value(abi, text) {
        Some(number) => Some(u16::try_from(number).ok()?.to_le_bytes()),
        None => whole_string(text)?.try_into().ok(),
    }
}

/// The bytes of a string that is there as a whole.
fn whole_string(text: &[u8]) -> Option<Vec<u8>> {
    let (string, rest) = line::c_string(text)?;
    (!rest.starts_with(b"...")).then(|| string.as_bytes().to_vec())
}

/// The text of the string that begins here.
fn text_of(text: &[u8]) -> Option<String> {
    String::from_utf8(whole_string(text)?).ok()
}

/// The lower half of a number, which is all that the kernel looks at.
fn low(number: u64) -> u32 {
    u32::try_from(number & 0xffff_ffff).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_style() {
        for (text, expected) in [
            (r#"{sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("1.2.3.4")}"#, "1.2.3.4:443"),
            (
                r#"{sa_family=0x2 /* AF_INET */, sin_port="\x00\x09" /* htons(9) */, sin_addr="\x7f\x00\x00\x01" /* inet_addr("127.0.0.1") */}"#,
                "127.0.0.1:9",
            ),
            (
                r#"{sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("\x31\x32\x37\x2e\x30\x2e\x30\x2e\x31")}"#,
                "127.0.0.1:9",
            ),
            (
                r#"{sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}"#,
                "[::1]:80",
            ),
            (
                r#"{sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), sin6_addr=inet_pton(AF_INET6, "fe80::1"), sin6_scope_id=2}"#,
                "[fe80::1%2]:80",
            ),
            (
                r#"{sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=if_nametoindex("lo")}"#,
                "[::1]:80",
            ),
            (
                r#"{sa_family=0xa, sin6_port="\x00\x50", sin6_flowinfo="\x00\x00\x00\x00", sin6_addr="\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", sin6_scope_id=0}"#,
                "[::1]:80",
            ),
            (r#"{sa_family=AF_UNIX, sun_path="/run/a, b"}"#, "/run/a, b"),
            (r#"{sa_family=AF_UNIX, sun_path=@"a\0b"}"#, "@a\\x00b"),
            ("{sa_family=AF_UNIX}", "unnamed"),
            ("{sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}", "pid=0,groups=0x0"),
            ("{sa_family=AF_NETLINK, nl_pid=-7, nl_groups=0x000011}", "pid=4294967289,groups=0x11"),
            (r#"{sa_family=AF_UNSPEC, sa_data="\0\0\0\0\0\0\0\0\0\0\0\0\0\0"}"#, "unspecified"),
            (r#"{sa_family=AF_ALG, sa_data="hash"}"#, "AF_ALG:68617368"),
            (
                "{sa_family=AF_PACKET, sll_protocol=htons(ETH_P_ALL), sll_ifindex=2, sll_hatype=ARPHRD_NETROM}",
                "protocol=0x0003,interface=2",
            ),
            ("{sa_family=AF_VSOCK, svm_cid=VMADDR_CID_HOST, svm_port=1024, svm_flags=0}", "cid=2,port=1024"),
            ("NULL", "-"),
            ("0", "-"),
        ] {
            let address = read(Abi::X86_64, text.as_bytes(), Operation::Send);
            assert_eq!(address.map(|address| address.to_string()).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_there_is_no_address() {
        for text in [
            "0x7ffd1234",
            "{sa_family=AF_INET",
            "{sa_family=AF_INET, sin_port=htons(443)}",
            "{sa_family=AF_NOBODY, sa_data=\"\"}",
            r#"{sa_family=AF_UNIX, sun_path="/run/a"...}"#,
            r#"{sa_family=AF_INET6, sin6_port=htons(80), inet_pton(AF_INET6, "fe80::1", &sin6_addr), sin6_scope_id=if_nametoindex("lo")}"#,
            r#"{sa_family=AF_PACKET, sll_protocol=htons(ETH_P_ALL), sll_ifindex=if_nametoindex("lo")}"#,
            "",
        ] {
            assert_eq!(read(Abi::X86_64, text.as_bytes(), Operation::Send), None, "{text}");
        }
    }
}
