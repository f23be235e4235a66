//! Capabilities: names and numbers, and which of the kernel's questions for them mean nothing.

use std::fmt;

use crate::Key;

pub mod noise;

/// A capability, by its number (linux/capability.h, capabilities(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability(u8);

impl Capability {
    /// `CAP_FSETID`.
    pub const FSETID: Capability = Capability(4);
    /// `CAP_NET_ADMIN`.
    pub const NET_ADMIN: Capability = Capability(12);
    /// `CAP_SYS_ADMIN`.
    pub const SYS_ADMIN: Capability = Capability(21);
    /// `CAP_SYS_RESOURCE`.
    pub const SYS_RESOURCE: Capability = Capability(24);
    /// `CAP_MAC_ADMIN`.
    pub const MAC_ADMIN: Capability = Capability(33);
    /// `CAP_SYSLOG`.
    pub const SYSLOG: Capability = Capability(34);

    /// How many numbers there are, with and without a name: the kernel keeps a set of capabilities in 64 bits.
    pub const NUMBERS: u8 = 64;

    /// The capability of that number, which is below [`Capability::NUMBERS`].
    pub fn numbered(number: u8) -> Option<Capability> {
        (number < Capability::NUMBERS).then_some(Capability(number))
    }

    /// Its number.
    pub fn number(self) -> u8 {
        self.0
    }

    /// Its name, where Linux 7.0 has one: `CAP_CHOWN`.
    pub fn name(self) -> Option<&'static str> {
        NAMES.get(usize::from(self.0)).copied()
    }

    /// Every capability with a name, by number.
    pub fn named() -> impl Iterator<Item = Capability> {
        (0_u8..).zip(&NAMES).map(|(number, _)| Capability(number))
    }

    /// The capability of that text, as [`fmt::Display`] writes it. Exact: no small letters, and not without `CAP_`.
    pub fn parse(text: &str) -> Option<Capability> {
        (0..Capability::NUMBERS).map(Capability).find(|capability| capability.to_string() == text)
    }
}

impl Key for Capability {
    fn first() -> Capability {
        Capability(0)
    }
}

impl fmt::Display for Capability {
    /// The name; `CAP_41` for a number without one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => f.pad(&format!("CAP_{}", self.0)),
        }
    }
}

/// The names of 0 and what follows.
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_reads_back_and_no_other_spelling_does() {
        for number in 0..Capability::NUMBERS {
            let capability = Capability::numbered(number).unwrap();
            assert_eq!(capability.number(), number);
            assert_eq!(Capability::parse(&capability.to_string()), Some(capability));
        }
        assert_eq!(Capability::numbered(64), None);
        assert_eq!(Capability::numbered(41).unwrap().to_string(), "CAP_41");
        for text in ["", "CAP_", "CAP_0", "CAP_041", "CAP_64", "cap_chown", "CHOWN", "CAP_ALL", "21"] {
            assert_eq!(Capability::parse(text), None, "{text}");
        }
    }

    /// The lines of linux/capability.h, as they were read.
    const HEADER: &str = "
#define CAP_CHOWN 0
#define CAP_DAC_OVERRIDE 1
#define CAP_DAC_READ_SEARCH 2
#define CAP_FOWNER 3
#define CAP_FSETID 4
#define CAP_KILL 5
#define CAP_SETGID 6
#define CAP_SETUID 7
#define CAP_SETPCAP 8
#define CAP_LINUX_IMMUTABLE 9
#define CAP_NET_BIND_SERVICE 10
#define CAP_NET_BROADCAST 11
#define CAP_NET_ADMIN 12
#define CAP_NET_RAW 13
#define CAP_IPC_LOCK 14
#define CAP_IPC_OWNER 15
#define CAP_SYS_MODULE 16
#define CAP_SYS_RAWIO 17
#define CAP_SYS_CHROOT 18
#define CAP_SYS_PTRACE 19
#define CAP_SYS_PACCT 20
#define CAP_SYS_ADMIN 21
#define CAP_SYS_BOOT 22
#define CAP_SYS_NICE 23
#define CAP_SYS_RESOURCE 24
#define CAP_SYS_TIME 25
#define CAP_SYS_TTY_CONFIG 26
#define CAP_MKNOD 27
#define CAP_LEASE 28
#define CAP_AUDIT_WRITE 29
#define CAP_AUDIT_CONTROL 30
#define CAP_SETFCAP 31
#define CAP_MAC_OVERRIDE 32
#define CAP_MAC_ADMIN 33
#define CAP_SYSLOG 34
#define CAP_WAKE_ALARM 35
#define CAP_BLOCK_SUSPEND 36
#define CAP_AUDIT_READ 37
#define CAP_PERFMON 38
#define CAP_BPF 39
#define CAP_CHECKPOINT_RESTORE 40
";

    #[test]
    fn names_and_numbers_are_those_of_the_header() {
        let read: Vec<(&str, u8)> = HEADER
            .lines()
            .filter_map(|line| line.strip_prefix("#define ")?.split_once(' '))
            .map(|(name, number)| (name, number.parse().unwrap()))
            .collect();
        let known: Vec<(&str, u8)> =
            Capability::named().map(|capability| (capability.name().unwrap(), capability.number())).collect();
        assert_eq!(known, read);
        for (capability, name) in [
            (Capability::FSETID, "CAP_FSETID"),
            (Capability::NET_ADMIN, "CAP_NET_ADMIN"),
            (Capability::SYS_ADMIN, "CAP_SYS_ADMIN"),
            (Capability::SYS_RESOURCE, "CAP_SYS_RESOURCE"),
            (Capability::MAC_ADMIN, "CAP_MAC_ADMIN"),
            (Capability::SYSLOG, "CAP_SYSLOG"),
        ] {
            assert_eq!(capability.to_string(), name);
        }
    }
}
