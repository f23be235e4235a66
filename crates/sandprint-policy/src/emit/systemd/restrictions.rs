//! What systemd can hold of arguments: settings that narrow a call down that `SystemCallFilter=` allows whole.
//!
//! Each is used where the policy's conditions on a call are those of the setting, and no other call is hit by
//! it. They compare whole registers, and answer in their own way, which is a loss beside the policy's.
//! `MemoryDenyWriteExecute=`, `LockPersonality=` and `RestrictSUIDSGID=` join several calls, or depend on the
//! process: no policy implies exactly them.
//!
//! Source: src/shared/seccomp-util.c of systemd 252 (`seccomp_restrict_address_families`,
//! `seccomp_restrict_namespaces`, `seccomp_restrict_realtime`).

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::{Abi, Action, Comparison, Condition};

use crate::emit::by_name::ByName;
use crate::emit::shape::{Shape, runs};

/// A setting, and what it leaves of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Restriction {
    /// The lines of the drop-in.
    pub(super) lines: String,
    /// What it does to calls with other arguments, in words.
    pub(super) refusal: &'static str,
    /// Whether conditions are left that it does not hold.
    pub(super) wider: bool,
}

/// Families by number, as far as every systemd since 252 knows their names.
const FAMILIES: &[(u64, &str)] = &[
    (1, "AF_UNIX"),
    (2, "AF_INET"),
    (3, "AF_AX25"),
    (4, "AF_IPX"),
    (10, "AF_INET6"),
    (15, "AF_KEY"),
    (16, "AF_NETLINK"),
    (17, "AF_PACKET"),
    (21, "AF_RDS"),
    (24, "AF_PPPOX"),
    (29, "AF_CAN"),
    (30, "AF_TIPC"),
    (31, "AF_BLUETOOTH"),
    (33, "AF_RXRPC"),
    (38, "AF_ALG"),
    (39, "AF_NFC"),
    (40, "AF_VSOCK"),
    (43, "AF_SMC"),
    (44, "AF_XDP"),
];

/// The flags of clone(2) that make namespaces, all that systemd knows.
const NAMESPACES: u64 = 0x7e02_0000;

/// Scheduling policies that `RestrictRealtime=` allows: `SCHED_OTHER`, `SCHED_BATCH`, `SCHED_IDLE`.
const NOT_REALTIME: [u64; 3] = [0, 3, 5];

/// The restrictions that hold conditions of this list, by the call that they narrow down.
pub(super) fn restrictions(list: &ByName<'_>, default: Action) -> BTreeMap<&'static str, Restriction> {
    let mut found = BTreeMap::new();
    // 32-bit x86 has no effective filter of socket, and the others are not checked there either.
    if runs(default) || list.abis.iter().any(|abi| !matches!(abi, Abi::Aarch64 | Abi::X86_64)) {
        return found;
    }
    let entries = |name| match list.calls.get(name).map(|call| &call.shape) {
        Some(Shape::When(action, entries)) if runs(*action) => Some(entries.as_slice()),
        _ => None,
    };
    found.extend(entries("socket").and_then(families).map(|it| ("socket", it)));
    let makes_namespaces = ["clone3", "setns", "unshare"];
    let others_run =
        makes_namespaces.iter().filter_map(|name| list.calls.get(name)).any(|call| call.shape.runs(default));
    if !others_run {
        found.extend(entries("clone").and_then(namespaces).map(|it| ("clone", it)));
    }
    found.extend(entries("sched_setscheduler").and_then(realtime).map(|it| ("sched_setscheduler", it)));
    found
}

fn families(entries: &[Vec<Condition>]) -> Option<Restriction> {
    let families: BTreeSet<u64> = entries.iter().map(|entry| value_of(entry, 0)).collect::<Option<_>>()?;
    let name = |family: &u64| FAMILIES.iter().find(|(number, _)| number == family).map(|(_, name)| *name);
    let names: Vec<&str> = families.iter().map(name).collect::<Option<_>>()?;
    Some(Restriction {
        lines: format!("RestrictAddressFamilies=\nRestrictAddressFamilies={}\n", names.join(" ")),
        refusal: "with another family, or anything in the upper half of that argument, it fails with EAFNOSUPPORT",
        wider: entries.iter().any(|entry| entry.len() > 1),
    })
}

fn namespaces(entries: &[Vec<Condition>]) -> Option<Restriction> {
    let none = Comparison::MaskedEqual { mask: NAMESPACES, value: 0 };
    let is_exact = matches!(entries, [entry] if matches!(entry.as_slice(), [one] if one.index == 0 && one.comparison == none));
    is_exact.then(|| Restriction {
        lines: "RestrictNamespaces=yes\n".to_owned(),
        refusal: "with a flag for a new namespace it fails with EPERM",
        wider: false,
    })
}

fn realtime(entries: &[Vec<Condition>]) -> Option<Restriction> {
    let policies: BTreeSet<u64> = entries.iter().map(|entry| value_of(entry, 1)).collect::<Option<_>>()?;
    (policies == NOT_REALTIME.into()).then(|| Restriction {
        lines: "RestrictRealtime=yes\n".to_owned(),
        refusal: "with another policy, or anything in the upper half of that argument, it fails with EPERM",
        wider: entries.iter().any(|entry| entry.len() > 1),
    })
}

/// The only value of an argument's lower half that an entry lets through.
fn value_of(entry: &[Condition], index: u8) -> Option<u64> {
    entry.iter().find(|condition| condition.index == index).and_then(|condition| match condition.comparison {
        Comparison::MaskedEqual { mask: 0xffff_ffff, value } => Some(value),
        _ => None,
    })
}
