//! Addresses: what the kernel is given, what is read, what is written and read back.

use core::net::{Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::{ByteString, is_printable};

/// A sockaddr: the family, and what is behind it.
fn sockaddr(family: u16, data: &[u8]) -> Vec<u8> {
    [&family.to_le_bytes(), data].concat()
}

fn inet6(port: u16, ip: &str, scope: u32) -> Vec<u8> {
    let ip: Ipv6Addr = ip.parse().unwrap();
    let data = [&port.to_be_bytes()[..], b"flow", &ip.octets(), &scope.to_le_bytes()].concat();
    sockaddr(10, &data)
}

#[test]
fn addresses_are_read_as_the_kernel_reads_them() {
    let inet = sockaddr(2, &[0, 80, 1, 2, 3, 4, 9, 9, 9, 9, 9, 9, 9, 9]);
    let path = |length: usize| sockaddr(1, &vec![b'p'; length]);
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (vec![], "-"),
        (vec![2], "short:02"),
        (sockaddr(0, b""), "unspecified"),
        (sockaddr(0, &[0; 14]), "unspecified"),
        (sockaddr(0, &[0, 53, 8, 8, 8, 8]), "AF_UNSPEC:003508080808"),
        (inet.clone(), "1.2.3.4:80"),
        ([&inet[..], b"more"].concat(), "1.2.3.4:80"),
        (inet[..15].to_vec(), "AF_INET:00500102030409090909090909"),
        (sockaddr(2, b""), "AF_INET:"),
        (inet6(443, "::1", 0), "[::1]:443"),
        (inet6(443, "::ffff:1.2.3.4", 0), "[::ffff:1.2.3.4]:443"),
        (inet6(80, "fe80::1", 2), "[fe80::1%2]:80"),
        (inet6(80, "fe80::1", 2)[..24].to_vec(), "[fe80::1]:80"),
        (inet6(5353, "ff02::fb", 3), "[ff02::fb%3]:5353"),
        (inet6(80, "2001:db8::1", 2), "[2001:db8::1]:80"),
        (inet6(80, "ff05::2", 2), "[ff05::2]:80"),
        (inet6(80, "::1", 0)[..23].to_vec(), "AF_INET6:0050666c6f77000000000000000000000000000000"),
        (sockaddr(1, b""), "unnamed"),
        (sockaddr(1, b"/run/a b\0garbage"), "/run/a b"),
        (sockaddr(1, b"/x\n\\\xff"), "/x\\x0a\\\\\\xff"),
        (sockaddr(1, b"foo.sock"), "unix:foo.sock"),
        (sockaddr(1, b"./foo.sock"), "unix:./foo.sock"),
        (sockaddr(1, b"@foo"), "unix:@foo"),
        (sockaddr(1, b"-"), "unix:-"),
        (sockaddr(1, b"\0"), "@"),
        (sockaddr(1, b"\0a\0b\0"), "@a\\x00b\\x00"),
        (sockaddr(16, &[0, 0, 0, 0, 0, 0, 0x11, 0, 0, 0]), "pid=0,groups=0x11"),
        (sockaddr(16, &[0, 0, 0, 0, 0, 0, 1, 0, 0]), "AF_NETLINK:000000000000010000"),
        (
            sockaddr(17, &[0, 3, 2, 0, 0, 0, 1, 0, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0]),
            "protocol=0x0003,interface=2",
        ),
        (sockaddr(40, &[0, 0, 0, 4, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]), "cid=2,port=1024"),
        (sockaddr(38, b"hash"), "AF_ALG:68617368"),
        (sockaddr(0xffff, b"\x01"), "65535:01"),
    ];
    for (bytes, text) in cases {
        let address = Address::read(&bytes);
        assert_eq!(address.to_string(), text);
        assert_eq!(Address::parse(text), Some(address), "{text}");
    }
    assert_eq!(Address::read(&path(108)), Address::UnixPath(ByteString::new(vec![b'p'; 108])));
    assert_eq!(Address::read(&path(109)), Address::Other(ByteString::new(path(109))));
}

#[test]
fn connecting_to_nobody_is_one_address_whatever_is_behind() {
    let bytes = sockaddr(0, &[0, 53, 8, 8, 8, 8]);
    assert_eq!(Address::given_to(Operation::Connect, &bytes), Address::Unspecified);
    assert_eq!(Address::given_to(Operation::Send, &bytes), Address::Other(ByteString::new(bytes)));
    let inet = Address::Inet { ip: Ipv4Addr::LOCALHOST, port: 80 };
    let bytes = sockaddr(2, &[0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(Address::given_to(Operation::Connect, &bytes), inet);
}

#[test]
fn no_other_spelling_is_read() {
    for text in [
        "",
        "none",
        "foo.sock",
        "unix:/run/a",
        "unix:a\n",
        "/a\tb",
        "@\\x41",
        "/\\q",
        "1.2.3.4",
        "1.2.3.4:080",
        "01.2.3.4:80",
        "[::1]",
        "::1:80",
        "[::1%0]:80",
        "[fe80::1%eth0]:80",
        "[0:0::1]:80",
        "[::FFFF:1.2.3.4]:80",
        "pid=0",
        "pid=+1,groups=0x0",
        "pid=0,groups=0x00",
        "protocol=0x3,interface=2",
        "cid=2,port=4294967296",
        "AF_ALG",
        "AF_ALG:6",
        "AF_ALG:6g",
        "AF_ALG:FF",
        "38:00",
        "short:0102",
        "short:0",
        "unspecified ",
    ] {
        assert_eq!(Address::parse(text), None, "{text:?}");
    }
}

#[test]
fn words_of_operations_read_back() {
    for operation in Operation::ALL {
        assert_eq!(Operation::from_name(operation.name()), Some(operation));
        assert!(Operation::ALL.is_sorted());
    }
    assert_eq!(Operation::from_name("Bind"), None);
}

fn bytes() -> impl Strategy<Value = ByteString> {
    let hostile: &[&str] = &["", "/", "-", "unnamed", "@", "unix:", "1.2.3.4:80", "./a", "\u{202e}\t\n\\"];
    prop_oneof![select(hostile).prop_map(ByteString::from), vec(any::<u8>(), 0..20).prop_map(ByteString::new)]
}

/// Every address, also those that are never read.
fn address() -> impl Strategy<Value = Address> {
    let groups = prop_oneof![Just(0), any::<u32>()];
    prop_oneof![
        select(vec![Address::None, Address::Unspecified, Address::UnixUnnamed]),
        any::<(Ipv4Addr, u16)>().prop_map(|(ip, port)| Address::Inet { ip, port }),
        (any::<Ipv6Addr>(), any::<u16>(), groups.clone()).prop_map(|(ip, port, scope)| Address::Inet6 {
            ip,
            port,
            scope
        }),
        (any::<Ipv4Addr>(), any::<bool>()).prop_map(|(ip, mapped)| {
            let ip = if mapped { ip.to_ipv6_mapped() } else { ip.to_ipv6_compatible() };
            Address::Inet6 { ip, port: 1, scope: 0 }
        }),
        bytes().prop_map(Address::UnixPath),
        bytes().prop_map(Address::UnixAbstract),
        (any::<u32>(), groups.clone()).prop_map(|(pid, groups)| Address::Netlink { pid, groups }),
        (any::<u16>(), groups.clone())
            .prop_map(|(protocol, interface)| Address::Packet { protocol, interface }),
        (any::<u32>(), groups).prop_map(|(cid, port)| Address::Vsock { cid, port }),
        bytes().prop_map(Address::Other),
    ]
}

proptest! {
    #[test]
    fn text_reads_back(address in address()) {
        let text = address.to_string();
        prop_assert!(text.chars().all(is_printable), "{}", text);
        prop_assert_eq!(Address::parse(&text), Some(address));
    }

    #[test]
    fn any_bytes_are_an_address(
        family in prop_oneof![select(vec![0_u16, 1, 2, 10, 16, 17, 40]), any::<u16>()],
        data in vec(any::<u8>(), 0..130),
        cut in 0..130_usize,
    ) {
        let mut bytes = sockaddr(family, &data);
        bytes.truncate(cut);
        let address = Address::read(&bytes);
        prop_assert_eq!(Address::parse(&address.to_string()), Some(address));
    }

    #[test]
    fn what_is_read_is_written_so(text in "[-@/:a-z0-9.%=,x\\[\\]\\\\A_F]{0,24}") {
        if let Some(address) = Address::parse(&text) {
            prop_assert_eq!(address.to_string(), text);
        }
    }
}
