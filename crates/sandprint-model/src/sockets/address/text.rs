//! Addresses as text, one line each, that reads back.

use super::{Address, ByteString, Family, SocketAddrV4, SocketAddrV6, family_of, fmt};

impl fmt::Display for Address {
    /// The text, with no control characters:
    ///
    /// - `-`: none was given
    /// - `unspecified`: `AF_UNSPEC`
    /// - `1.2.3.4:80`, `[::1]:80`, `[fe80::1%2]:80` (with a scope), `[::ffff:1.2.3.4]:80` (version 4, mapped)
    /// - `/run/socket`: an absolute path, escaped as [`ByteString`] does
    /// - `unix:socket`, `unix:./socket`: any other path
    /// - `@name`: a name beside the file system, escaped likewise
    /// - `unnamed`: a Unix address without a name
    /// - `pid=0,groups=0x1`: netlink
    /// - `protocol=0x0003,interface=2`: a network interface
    /// - `cid=2,port=1024`: a virtual machine or its host
    /// - `AF_ALG:68617368`: any other, its family and what is behind it, in hexadecimal
    /// - `short:01`: too short to have a family
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text())
    }
}

impl Address {
    /// Reads an address back, as [`fmt::Display`] writes it. None for any other text, and any other spelling.
    pub fn parse(text: &str) -> Option<Address> {
        let address = read(text)?;
        (address.text() == text).then_some(address)
    }

    fn text(&self) -> String {
        match self {
            Address::None => String::from("-"),
            Address::Unspecified => String::from("unspecified"),
            Address::Inet { ip, port } => SocketAddrV4::new(*ip, *port).to_string(),
            Address::Inet6 { ip, port, scope } => SocketAddrV6::new(*ip, *port, 0, *scope).to_string(),
            Address::UnixPath(path) if path.as_bytes().starts_with(b"/") => path.escaped(),
            Address::UnixPath(path) => format!("unix:{path}"),
            Address::UnixAbstract(name) => format!("@{name}"),
            Address::UnixUnnamed => String::from("unnamed"),
            Address::Netlink { pid, groups } => format!("pid={pid},groups={groups:#x}"),
            Address::Packet { protocol, interface } => {
                format!("protocol={protocol:#06x},interface={interface}")
            }
            Address::Vsock { cid, port } => format!("cid={cid},port={port}"),
            Address::Other(bytes) => match family_of(bytes.as_bytes()) {
                Some((family, data)) => format!("{family}:{}", hex(data)),
                None => format!("short:{}", hex(bytes.as_bytes())),
            },
        }
    }
}

/// The address that a text means, in any spelling.
fn read(text: &str) -> Option<Address> {
    match text {
        "-" => return Some(Address::None),
        "unspecified" => return Some(Address::Unspecified),
        "unnamed" => return Some(Address::UnixUnnamed),
        _ => {}
    }
    if text.starts_with('/') {
        return ByteString::from_escaped(text).map(Address::UnixPath);
    }
    if let Some(name) = text.strip_prefix('@') {
        return ByteString::from_escaped(name).map(Address::UnixAbstract);
    }
    if text.starts_with('[') {
        let address: SocketAddrV6 = text.parse().ok()?;
        return Some(Address::Inet6 { ip: *address.ip(), port: address.port(), scope: address.scope_id() });
    }
    if let Some(rest) = text.strip_prefix("pid=") {
        let (pid, groups) = rest.split_once(",groups=0x")?;
        let groups = u32::from_str_radix(groups, 16).ok()?;
        return Some(Address::Netlink { pid: pid.parse().ok()?, groups });
    }
    if let Some(rest) = text.strip_prefix("protocol=0x") {
        let (protocol, interface) = rest.split_once(",interface=")?;
        let protocol = u16::from_str_radix(protocol, 16).ok()?;
        return Some(Address::Packet { protocol, interface: interface.parse().ok()? });
    }
    if let Some(rest) = text.strip_prefix("cid=") {
        let (cid, port) = rest.split_once(",port=")?;
        return Some(Address::Vsock { cid: cid.parse().ok()?, port: port.parse().ok()? });
    }
    if let Ok(address) = text.parse::<SocketAddrV4>() {
        return Some(Address::Inet { ip: *address.ip(), port: address.port() });
    }
    match text.split_once(':')? {
        ("unix", path) => ByteString::from_escaped(path).map(Address::UnixPath),
        ("short", digits) => Some(Address::Other(ByteString::new(unhex(digits)?))),
        (family, digits) => {
            let mut bytes = Family::parse(family)?.0.to_le_bytes().to_vec();
            bytes.extend(unhex(digits)?);
            Some(Address::Other(ByteString::new(bytes)))
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}
