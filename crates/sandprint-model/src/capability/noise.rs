//! Where the kernel asks for a capability, and the answer means nothing: the call works as well without.
//!
//! The tracepoint that tells of the questions (`capability:cap_capable`) does not tell who asks, nor whether the
//! answer is looked at. A row is here only where the kernel's sources leave no other asker in that call, or none that
//! matters; every other question counts as a need. Device drivers are left out of account.
//!
//! Not here, though it is often asked without need, since the same call may ask in earnest: `CAP_SYS_ADMIN` when a
//! file in memory is written (`shmem_inode_acct_blocks`), and when a process starts by `clone3`, whose flags are in
//! memory; `CAP_SETPCAP` of `capset`; `CAP_SYS_PTRACE` of reading /proc/PID/stat.
//!
//! The functions that ask were read in the sources. Those marked as seen were also met at that place by
//! `perf record -g -e capability:cap_capable`, on Linux 6.18.

use super::Capability;
use crate::Syscall;

/// Calls in which a capability is asked for without need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The names of the calls. Not every ABI has each.
    pub calls: &'static [&'static str],
    /// What is asked for.
    pub capability: Capability,
    /// In which of these calls.
    pub given: Given,
    /// Why the answer means nothing.
    pub why: &'static str,
    /// Who asks: the function and its file in the kernel's sources.
    pub source: &'static str,
}

/// Which calls of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// All.
    Always,
    /// Those that have none of these bits in an argument.
    NoneOf {
        /// The argument, from 0.
        index: u8,
        /// The bits.
        bits: u64,
    },
}

impl Given {
    /// Whether a call with these arguments is meant. Without them nothing is known, unless it is [`Given::Always`].
    pub fn holds(self, args: Option<&[u64; 6]>) -> bool {
        match self {
            Given::Always => true,
            Given::NoneOf { index, bits } => {
                args.and_then(|args| args.get(usize::from(index))).is_some_and(|value| value & bits == 0)
            }
        }
    }
}

/// `CLONE_NEWNS` to `CLONE_NEWNET` (linux/sched.h): a new namespace takes `CAP_SYS_ADMIN` in earnest.
const NAMESPACES: u64 = 0x7e02_0000;

/// `O_ACCMODE`, `O_CREAT` and `O_TRUNC` (asm-generic/fcntl.h): opening for more than reading what is there.
const MORE_THAN_READING: u64 = 0o3 | 0o100 | 0o1000;

/// `S_ISGID` (linux/stat.h).
const SET_GROUP_ID: u64 = 0o2000;

const MEMORY: &str = "only a reserve of memory depends on it";
const MEMORY_SOURCE: &str = "cap_vm_enough_memory, security/commoncap.c (seen)";
const NET: &str = "what may be read in /proc/sys/net is asked for as a network administrator first";
const NET_SOURCE: &str = "net_ctl_permissions, net/sysctl_net.c (seen)";
const LIMITS: &str = "who may not change /proc/sys/user and /proc/sys/fs/mqueue may still read them";
const LIMITS_SOURCE: &str = "set_permissions, kernel/ucount.c (seen)";
const GROUP: &str = "only the set-group-id bit depends on it, which is not given";
const GROUP_SOURCE: &str = "setattr_prepare and setattr_copy, fs/attr.c (seen)";

/// What is asked in a call.
const ROWS: &[Row] = &[
    Row {
        calls: &[
            "brk",
            "execve",
            "execveat",
            "fork",
            "mmap",
            "mmap2",
            "mprotect",
            "mremap",
            "pkey_mprotect",
            "shmget",
        ],
        capability: Capability::SYS_ADMIN,
        given: Given::Always,
        why: MEMORY,
        source: MEMORY_SOURCE,
    },
    Row {
        calls: &["clone"],
        capability: Capability::SYS_ADMIN,
        given: Given::NoneOf { index: 0, bits: NAMESPACES },
        why: MEMORY,
        source: MEMORY_SOURCE,
    },
    Row {
        calls: &["flistxattr", "listxattr", "listxattrat", "llistxattr"],
        capability: Capability::SYS_ADMIN,
        given: Given::Always,
        why: "only names that begin with trusted. depend on it, and it is asked where there are none",
        source: "simple_xattr_list, fs/xattr.c (seen)",
    },
    Row {
        calls: &["fgetxattr", "getxattr", "getxattrat", "lgetxattr"],
        capability: Capability::MAC_ADMIN,
        given: Given::Always,
        why: "only labels that the policy does not know are shown otherwise",
        source: "selinux_inode_getsecurity, security/selinux/hooks.c",
    },
    Row {
        calls: &["open"],
        capability: Capability::NET_ADMIN,
        given: Given::NoneOf { index: 1, bits: MORE_THAN_READING },
        why: NET,
        source: NET_SOURCE,
    },
    Row {
        calls: &["openat"],
        capability: Capability::NET_ADMIN,
        given: Given::NoneOf { index: 2, bits: MORE_THAN_READING },
        why: NET,
        source: NET_SOURCE,
    },
    Row {
        calls: &[
            "fstatat64",
            "lstat",
            "lstat64",
            "newfstatat",
            "readlink",
            "readlinkat",
            "stat",
            "stat64",
            "statx",
        ],
        capability: Capability::NET_ADMIN,
        given: Given::Always,
        why: NET,
        source: NET_SOURCE,
    },
    Row {
        calls: &["open"],
        capability: Capability::SYS_RESOURCE,
        given: Given::NoneOf { index: 1, bits: MORE_THAN_READING },
        why: LIMITS,
        source: LIMITS_SOURCE,
    },
    Row {
        calls: &["openat"],
        capability: Capability::SYS_RESOURCE,
        given: Given::NoneOf { index: 2, bits: MORE_THAN_READING },
        why: LIMITS,
        source: LIMITS_SOURCE,
    },
    Row {
        calls: &["chmod", "fchmod"],
        capability: Capability::FSETID,
        given: Given::NoneOf { index: 1, bits: SET_GROUP_ID },
        why: GROUP,
        source: GROUP_SOURCE,
    },
    Row {
        calls: &["fchmodat", "fchmodat2"],
        capability: Capability::FSETID,
        given: Given::NoneOf { index: 2, bits: SET_GROUP_ID },
        why: GROUP,
        source: GROUP_SOURCE,
    },
    Row {
        calls: &["pread64", "preadv", "preadv2", "read", "readv"],
        capability: Capability::SYSLOG,
        given: Given::Always,
        why: "only whether addresses of the kernel are shown in /proc depends on it (kptr_restrict)",
        source: "restricted_pointer, lib/vsprintf.c",
    },
];

/// Every row.
pub fn rows() -> &'static [Row] {
    ROWS
}

/// Why a question means nothing; None where it may mean a need.
///
/// `call` is the call that the kernel is in, with its arguments where they are known. None is for no call: a page
/// that is touched is made, and the memory for it is counted as in `mmap` (`expand_downwards`, mm/vma.c;
/// `shmem_inode_acct_blocks`, mm/shmem.c). Nothing but `CAP_SYS_ADMIN` is asked then.
///
/// Granted or refused makes no difference here: who is refused goes on as well, and who is granted needs it no more.
pub fn why(call: Option<Syscall>, args: Option<&[u64; 6]>, capability: Capability) -> Option<&'static str> {
    let Some(call) = call else {
        return (capability == Capability::SYS_ADMIN).then_some(MEMORY);
    };
    let name = call.name()?;
    let row = ROWS
        .iter()
        .find(|row| row.capability == capability && row.calls.contains(&name) && row.given.holds(args));
    row.map(|row| row.why)
}

/// Whether a question may mean that the program needs the capability: the opposite of [`why`].
pub fn is_need(call: Option<Syscall>, args: Option<&[u64; 6]>, capability: Capability) -> bool {
    why(call, args, capability).is_none()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::arguments::{Argument, constant, of};
    use crate::{Abi, Arch};

    fn given(row: &Row) -> String {
        match row.given {
            Given::Always => String::new(),
            Given::NoneOf { index, bits } => format!(" unless argument {index} has any of {bits:#x}"),
        }
    }

    #[test]
    fn the_table() {
        let lines: Vec<String> = rows()
            .iter()
            .map(|row| {
                let calls = row.calls.join(" ");
                format!("{} {calls}{}\n  {}\n  {}", row.capability, given(row), row.why, row.source)
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn each_call_exists_on_both_machines_or_is_known_to_be_of_some() {
        let mut missing = BTreeSet::new();
        for row in rows() {
            assert!(row.calls.is_sorted(), "{:?}", row.calls);
            for name in row.calls {
                let abis: Vec<Abi> =
                    Abi::ALL.into_iter().filter(|abi| Syscall::from_name(*abi, name).is_some()).collect();
                assert!(!abis.is_empty(), "{name}");
                if !Arch::ALL.into_iter().all(|arch| abis.contains(&arch.native_abi())) {
                    let abis: Vec<&str> = abis.into_iter().map(Abi::name).collect();
                    missing.insert(format!("{name}: {}", abis.join(" ")));
                }
            }
        }
        let missing: Vec<String> = missing.into_iter().collect();
        insta::assert_snapshot!(missing.join("\n"));
    }

    #[test]
    fn the_arguments_that_are_looked_at_are_flags_and_modes() {
        for row in rows() {
            let Given::NoneOf { index, .. } = row.given else { continue };
            for name in row.calls {
                for call in Abi::ALL.into_iter().filter_map(|abi| Syscall::from_name(abi, name)) {
                    let argument: &Argument = &of(call)[usize::from(index)];
                    assert!(["flags", "clone_flags", "mode"].contains(&argument.name), "{call} {argument:?}");
                }
            }
        }
    }

    #[test]
    fn the_bits_are_those_of_the_constants() {
        let all = |abi, names: &[&str]| {
            names.iter().map(|name| constant(abi, name).unwrap()).fold(0, |all, one| all | one)
        };
        for abi in Abi::ALL {
            let namespaces = [
                "CLONE_NEWNS",
                "CLONE_NEWCGROUP",
                "CLONE_NEWUTS",
                "CLONE_NEWIPC",
                "CLONE_NEWUSER",
                "CLONE_NEWPID",
                "CLONE_NEWNET",
            ];
            assert_eq!(all(abi, &namespaces), NAMESPACES);
            assert_eq!(all(abi, &["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"]), MORE_THAN_READING);
            assert_eq!(all(abi, &["S_ISGID"]), SET_GROUP_ID);
        }
    }

    #[test]
    fn what_is_asked_in_earnest_is_a_need() {
        let need = |name: &str, args: Option<[u64; 6]>, capability| {
            is_need(Syscall::from_name(Abi::X86_64, name), args.as_ref(), capability)
        };
        let second = |value| Some([0, value, 0, 0, 0, 0]);
        assert!(!need("mmap", None, Capability::SYS_ADMIN));
        assert!(need("mmap", None, Capability::NET_ADMIN));
        assert!(need("mount", None, Capability::SYS_ADMIN));
        assert!(need("seccomp", None, Capability::SYS_ADMIN));
        assert!(need("write", None, Capability::SYS_ADMIN));
        assert!(!need("clone", Some([0x0120_0011, 0, 0, 0, 0, 0]), Capability::SYS_ADMIN));
        assert!(need("clone", Some([0x0002_0011, 0, 0, 0, 0, 0]), Capability::SYS_ADMIN));
        assert!(need("clone", None, Capability::SYS_ADMIN));
        assert!(need("clone3", None, Capability::SYS_ADMIN));
        assert!(!need("open", second(0o2_000_000), Capability::NET_ADMIN));
        assert!(need("open", second(0o1), Capability::NET_ADMIN));
        assert!(!need("chmod", second(0o644), Capability::FSETID));
        assert!(need("chmod", second(0o2755), Capability::FSETID));
        assert!(!is_need(None, None, Capability::SYS_ADMIN));
        assert!(is_need(None, None, Capability::NET_ADMIN));
        assert!(is_need(Some(Syscall { abi: Abi::X86_64, nr: 9999 }), None, Capability::SYS_ADMIN));
    }
}
