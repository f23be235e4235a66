//! What the settings refuse that systemd turns into filters of its own making: fixed calls, some by their arguments.
//!
//! Source: src/shared/seccomp-util.c of version 252.

use std::collections::BTreeSet;

use sandprint_model::Abi;
use sandprint_model::errno::ENOSYS;

use super::super::groups;
use super::super::profile::{Argument, Operator};

const EPERM: u16 = 1;
const EAFNOSUPPORT: u16 = 97;

/// A call that a setting refuses.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) name: &'static str,
    pub(super) errno: u16,
    pub(super) args: Vec<Argument>,
    /// ABIs in which systemd does not refuse it: most often those that have it only inside of a multiplexer.
    pub(super) except: &'static [Abi],
}

impl Refusal {
    /// Whatever the arguments.
    fn always(name: &'static str) -> Refusal {
        Refusal { name, errno: EPERM, args: Vec::new(), except: &[] }
    }

    fn compared(name: &'static str, index: u8, operator: Operator, value: u64) -> Refusal {
        Refusal { args: vec![Argument { index, operator, value, value_two: 0 }], ..Refusal::always(name) }
    }

    /// Where all of these bits are set.
    fn with_bits(name: &'static str, index: u8, bits: u64) -> Refusal {
        Refusal { args: vec![all_of(index, bits)], ..Refusal::always(name) }
    }

    fn except(self, except: &'static [Abi]) -> Refusal {
        Refusal { except, ..self }
    }
}

fn all_of(index: u8, bits: u64) -> Argument {
    Argument { index, operator: Operator::MaskedEqual, value: bits, value_two: bits }
}

/// Settings that are on or off.
pub(super) const SWITCHES: [&str; 11] = [
    "DynamicUser",
    LOCK_PERSONALITY,
    "MemoryDenyWriteExecute",
    "PrivateDevices",
    "ProtectClock",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "RestrictRealtime",
    RESTRICT_SUID_SGID,
];

pub(super) const LOCK_PERSONALITY: &str = "LockPersonality";
pub(super) const RESTRICT_SUID_SGID: &str = "RestrictSUIDSGID";

/// What a switch refuses when it is on; nothing for one that has no filter of its own.
pub(super) fn of_switch(key: &str, personality: u64) -> Vec<Refusal> {
    let group = |group: &str| -> Vec<Refusal> {
        groups::members(group).unwrap_or_default().into_iter().map(Refusal::always).collect()
    };
    let always = |names: &[&'static str]| names.iter().copied().map(Refusal::always).collect();
    match key {
        LOCK_PERSONALITY => {
            vec![Refusal::compared("personality", 0, Operator::NotEqual, personality)]
        }
        "MemoryDenyWriteExecute" => writable_and_executable(),
        "PrivateDevices" => group("@raw-io"),
        "ProtectClock" => group("@clock"),
        "ProtectHostname" => always(&["sethostname", "setdomainname"]),
        "ProtectKernelLogs" => always(&["syslog"]),
        "ProtectKernelModules" => group("@module"),
        "ProtectKernelTunables" => always(&["_sysctl"]),
        // All policies but SCHED_OTHER (0), SCHED_BATCH (3) and SCHED_IDLE (5).
        "RestrictRealtime" => {
            let equal = [1, 2, 4];
            let equal =
                equal.map(|policy| Refusal::compared("sched_setscheduler", 1, Operator::Equal, policy));
            let above = Refusal::compared("sched_setscheduler", 1, Operator::Greater, 5);
            equal.into_iter().chain([above]).collect()
        }
        RESTRICT_SUID_SGID => set_id_files(),
        _ => Vec::new(),
    }
}

/// Memory that is, or becomes, executable.
fn writable_and_executable() -> Vec<Refusal> {
    const PROT_WRITE: u64 = 0x2;
    const PROT_EXEC: u64 = 0x4;
    const SHM_EXEC: u64 = 0o100_000;
    vec![
        Refusal::with_bits("mmap", 2, PROT_EXEC | PROT_WRITE).except(&[Abi::Arm, Abi::I386]),
        Refusal::with_bits("mmap2", 2, PROT_EXEC | PROT_WRITE),
        // Its arguments are in memory.
        Refusal::always("mmap").except(&[Abi::Aarch64, Abi::Arm, Abi::X32, Abi::X86_64]),
        Refusal::with_bits("mprotect", 2, PROT_EXEC),
        Refusal::with_bits("pkey_mprotect", 2, PROT_EXEC),
        Refusal::with_bits("shmat", 2, SHM_EXEC).except(&[Abi::I386]),
    ]
}

/// Files that are made, or become, set-user-ID or set-group-ID.
fn set_id_files() -> Vec<Refusal> {
    const S_ISUID: u64 = 0o4000;
    const S_ISGID: u64 = 0o2000;
    const O_CREAT: u64 = 0o100;
    /// Where each has the mode.
    const MODES: [(&str, u8); 9] = [
        ("chmod", 1),
        ("fchmod", 1),
        ("fchmodat", 2),
        ("fchmodat2", 2),
        ("mkdir", 1),
        ("mkdirat", 2),
        ("mknod", 1),
        ("mknodat", 2),
        ("creat", 1),
    ];
    let mut refusals = Vec::new();
    for bit in [S_ISUID, S_ISGID] {
        refusals.extend(MODES.map(|(name, index)| Refusal::with_bits(name, index, bit)));
        // Without the flag, the mode says nothing.
        for (name, flags) in [("open", 1), ("openat", 2)] {
            let args = vec![all_of(flags, O_CREAT), all_of(flags + 1, bit)];
            refusals.push(Refusal { args, ..Refusal::always(name) });
        }
    }
    // Its mode is in memory.
    refusals.push(Refusal { errno: ENOSYS, ..Refusal::always("openat2") });
    refusals
}

/// Kinds of namespaces, by the names of `RestrictNamespaces=`, with their flags (linux/sched.h).
const NAMESPACES: [(&str, u64); 8] = [
    ("cgroup", 0x0200_0000),
    ("ipc", 0x0800_0000),
    ("mnt", 0x0002_0000),
    ("net", 0x4000_0000),
    ("pid", 0x2000_0000),
    ("time", 0x80),
    ("user", 0x1000_0000),
    ("uts", 0x0400_0000),
];

/// The kind of namespaces of that name.
pub(super) fn namespace(name: &str) -> Option<&'static str> {
    NAMESPACES.iter().find(|(kind, _)| *kind == name).map(|(kind, _)| *kind)
}

/// Every kind, as far as systemd 252 counts them: where these are let in, `time` is too.
pub(super) fn namespaces() -> BTreeSet<&'static str> {
    NAMESPACES.iter().map(|(kind, _)| *kind).filter(|kind| *kind != "time").collect()
}

/// `RestrictNamespaces=`: no other kinds than these may be made or entered.
pub(super) fn other_namespaces(kept: &BTreeSet<&'static str>) -> Vec<Refusal> {
    let all = namespaces();
    if kept.is_superset(&all) {
        return Vec::new();
    }
    // The flags of clone3 are in memory.
    let mut refusals = vec![Refusal { errno: ENOSYS, ..Refusal::always("clone3") }];
    let mut by_flag = vec![("clone", 0), ("unshare", 0)];
    if kept.is_disjoint(&all) {
        refusals.push(Refusal::always("setns"));
    } else {
        // Zero means whatever kind the descriptor is of.
        refusals.push(Refusal::compared("setns", 1, Operator::Equal, 0));
        by_flag.push(("setns", 1));
    }
    for (name, index) in by_flag {
        let refused = NAMESPACES.iter().filter(|(kind, _)| !kept.contains(kind));
        refusals.extend(refused.map(|(_, flag)| Refusal::with_bits(name, index, *flag)));
    }
    refusals
}

/// `RestrictAddressFamilies=`: what `socket` may be asked for, in ABIs that have that call.
pub(super) fn families(allows: bool, set: &BTreeSet<u64>) -> Vec<Refusal> {
    let socket = || Refusal { errno: EAFNOSUPPORT, ..Refusal::always("socket") }.except(&[Abi::I386]);
    let refused = |operator, value| {
        let args = vec![Argument { index: 0, operator, value, value_two: 0 }];
        Refusal { args, ..socket() }
    };
    match (allows, set.first(), set.last()) {
        (false, ..) => set.iter().map(|family| refused(Operator::Equal, *family)).collect(),
        (true, Some(first), Some(last)) => {
            let between = (*first..*last).filter(|family| !set.contains(family));
            let edges = [refused(Operator::Less, *first), refused(Operator::Greater, *last)];
            edges.into_iter().chain(between.map(|family| refused(Operator::Equal, family))).collect()
        }
        (true, ..) => vec![socket()],
    }
}
