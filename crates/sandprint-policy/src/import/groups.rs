//! The groups of system calls that systemd 252 knows (`@system-service` and its like), and address families by name.

use std::collections::BTreeSet;

/// Group, tab, member; `#` begins a comment.
static GROUPS: &str = include_str!("../../data/systemd-groups.tsv");

/// The names of a group, those of the groups in it included; none where there is no such group.
pub(crate) fn members(group: &str) -> Option<BTreeSet<&'static str>> {
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    collect(group, &mut found, &mut seen);
    (!found.is_empty()).then_some(found)
}

fn collect(group: &str, found: &mut BTreeSet<&'static str>, seen: &mut BTreeSet<&'static str>) {
    for line in GROUPS.lines().filter(|line| !line.starts_with('#')) {
        let Some((of, member)) = line.split_once('\t') else { continue };
        if of != group {
            continue;
        }
        if !member.starts_with('@') {
            found.insert(member);
        } else if seen.insert(member) {
            collect(member, found, seen);
        }
    }
}

/// Address families (linux/socket.h), by number, without `AF_`. Other names of one: `LOCAL` of `UNIX`.
const FAMILIES: [&str; 46] = [
    "UNSPEC",
    "UNIX",
    "INET",
    "AX25",
    "IPX",
    "APPLETALK",
    "NETROM",
    "BRIDGE",
    "ATMPVC",
    "X25",
    "INET6",
    "ROSE",
    "DECnet",
    "NETBEUI",
    "SECURITY",
    "KEY",
    "NETLINK",
    "PACKET",
    "ASH",
    "ECONET",
    "ATMSVC",
    "RDS",
    "SNA",
    "IRDA",
    "PPPOX",
    "WANPIPE",
    "LLC",
    "IB",
    "MPLS",
    "CAN",
    "TIPC",
    "BLUETOOTH",
    "IUCV",
    "RXRPC",
    "ISDN",
    "PHONET",
    "IEEE802154",
    "CAIF",
    "ALG",
    "NFC",
    "VSOCK",
    "KCM",
    "QIPCRTR",
    "SMC",
    "XDP",
    "MCTP",
];

/// The number of an address family, by its whole name. systemd takes `AF_UNSPEC`, which is 0, for none.
pub(super) fn address_family(name: &str) -> Option<u64> {
    let wanted = match name.strip_prefix("AF_")? {
        "LOCAL" => "UNIX",
        "ROUTE" => "NETLINK",
        wanted => wanted,
    };
    let at = FAMILIES.iter().position(|family| *family == wanted)?;
    u64::try_from(at).ok().filter(|family| *family != 0)
}

/// The families that systemd has names for, with their whole names, in the order of their numbers.
pub(crate) fn address_families() -> impl Iterator<Item = (u64, String)> {
    let numbered = (0..).zip(FAMILIES.iter()).filter(|(number, name)| *number != 0 && !name.is_empty());
    numbered.map(|(number, name)| (number, format!("AF_{name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_hold_what_the_groups_in_them_hold() {
        let service = members("@system-service").unwrap();
        assert!(service.contains("io_submit") && service.contains("futex") && !service.contains("mount"));
        let unknown: Vec<_> = service.difference(&members("@known").unwrap()).copied().collect();
        assert_eq!(unknown, ["set_tls", "uretprobe"], "systemd 252 has no number for them on amd64");
        assert_eq!(members("@nonsense"), None);
    }

    /// The emitter has a list of its own, which a test holds against the systemd that is there.
    #[test]
    fn the_default_group_is_the_one_that_the_emitter_takes_back() {
        let emitters = include_str!("../../data/systemd-default.txt").lines();
        let emitters: BTreeSet<&str> = emitters.filter(|line| !line.starts_with('#')).collect();
        assert_eq!(members("@default").unwrap(), emitters);
    }

    #[test]
    fn families_have_the_numbers_of_the_kernel() {
        for (name, number) in [
            ("AF_UNIX", 1),
            ("AF_INET6", 10),
            ("AF_NETLINK", 16),
            ("AF_ALG", 38),
            ("AF_VSOCK", 40),
            ("AF_MCTP", 45),
        ] {
            assert_eq!(address_family(name), Some(number), "{name}");
        }
        assert_eq!(address_family("AF_FOO"), None);
        assert_eq!(address_family("AF_UNSPEC"), None);
        assert_eq!(address_family("INET"), None);
    }
}
