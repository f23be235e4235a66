//! What Landlock can refuse as well where a policy refuses it, so that it stays refused where seccomp is blind.
//!
//! Seccomp sees system calls, and not what is submitted through `io_uring`, nor what a call does by the way. Landlock
//! sees the access itself. A right is handled only where the policy refuses *every* call that exercises it, in every
//! ABI of the machine and with any arguments: then Landlock refuses nothing that the policy allows. A policy knows no
//! paths and no ports, so there are no exceptions: what is handled is refused everywhere.
//!
//! Rights that are never handled, and why:
//!
//! - `EXECUTE` and `READ_FILE`: the workload itself is executed, which takes both.
//! - `WRITE_FILE` and `READ_DIR`: too much opens files by the way (an ioctl of a terminal or of a file system,
//!   accounting, swap, fanotify, core dumps) for "every call" to be said with certainty.
//! - `IOCTL_DEV`: no operation of `io_uring` is an ioctl.
//! - `REFER`: implied by every other right of files, as Linux 5.13 to 5.18 could do it in no other way.
//!
//! Sources: landlock(7); security/landlock/{fs,net,task}.c of Linux 6.18 for the hooks, and the callers of
//! `security_path_*`, `security_socket_*`, `security_unix_*` and `security_task_kill` for what reaches them.

use std::fmt;

use sandprint_model::{Abi, Action, Arch, Comparison, Condition, Policy, Rule, Syscall};

/// What of `struct landlock_ruleset_attr` a right belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `handled_access_fs`.
    Filesystem,
    /// `handled_access_net`.
    Network,
    /// `scoped`.
    Scope,
}

/// Something that a Landlock domain can refuse.
pub struct Right {
    /// Its name in linux/landlock.h, without `LANDLOCK_ACCESS_FS_` and the like.
    pub name: &'static str,
    /// What it is about.
    pub kind: Kind,
    /// Its value in that field.
    pub bit: u64,
    /// The version of Landlock's interface that was the first to have it.
    pub abi: u32,
    /// What is refused, in words that follow "refuses".
    pub what: &'static str,
    /// The calls that exercise it.
    exercised_by: &'static [Exercise],
}

impl fmt::Debug for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A call that exercises a right.
#[derive(Clone, Copy)]
enum Exercise {
    /// Whatever its arguments.
    Always(&'static str),
    /// With one of these values in the argument of that index, of which 32 bits count.
    With(&'static str, u8, &'static [u64]),
}

impl Exercise {
    fn name(self) -> &'static str {
        match self {
            Exercise::Always(name) | Exercise::With(name, ..) => name,
        }
    }
}

use Exercise::{Always, With};

/// Moving or linking a file takes the right to make one of its kind, and moving the right to remove it; and a domain
/// with any right of files refuses both between directories (`REFER`).
const LINK_AND_RENAME: [Exercise; 5] =
    [Always("link"), Always("linkat"), Always("rename"), Always("renameat"), Always("renameat2")];

/// What a domain with any right of files refuses altogether: link and rename between directories, and changes to the
/// tree of mounts (`hook_sb_mount`, `hook_move_mount`, `hook_sb_umount`, `hook_sb_remount`, `hook_sb_pivotroot`).
const ANY_FILESYSTEM_RIGHT: &[Exercise] = &[
    LINK_AND_RENAME[0],
    LINK_AND_RENAME[1],
    LINK_AND_RENAME[2],
    LINK_AND_RENAME[3],
    LINK_AND_RENAME[4],
    Always("mount"),
    Always("move_mount"),
    Always("fsconfig"),
    Always("umount"),
    Always("umount2"),
    Always("pivot_root"),
];

/// i386 reaches the calls of sockets by one more, whose first argument says which (linux/net.h).
const SOCKETCALL_BIND: Exercise = With("socketcall", 0, &[2]);

/// Every right that is handled where the policy lets it be, in the order of the header. What all rights of files have
/// in common (links, renames, mounts) is not repeated.
pub const RIGHTS: &[Right] = &[
    Right {
        name: "REMOVE_DIR",
        kind: Kind::Filesystem,
        bit: 1 << 4,
        abi: 1,
        what: "removing directories",
        exercised_by: &[Always("rmdir"), Always("unlinkat")],
    },
    Right {
        name: "REMOVE_FILE",
        kind: Kind::Filesystem,
        bit: 1 << 5,
        abi: 1,
        what: "removing files",
        exercised_by: &[Always("unlink"), Always("unlinkat")],
    },
    Right {
        name: "MAKE_CHAR",
        kind: Kind::Filesystem,
        bit: 1 << 6,
        abi: 1,
        what: "making character devices",
        exercised_by: &[Always("mknod"), Always("mknodat")],
    },
    Right {
        name: "MAKE_DIR",
        kind: Kind::Filesystem,
        bit: 1 << 7,
        abi: 1,
        what: "making directories",
        exercised_by: &[Always("mkdir"), Always("mkdirat")],
    },
    Right {
        name: "MAKE_REG",
        kind: Kind::Filesystem,
        bit: 1 << 8,
        abi: 1,
        what: "making files (core dumps too)",
        // bpf pins objects as files (bpf_obj_do_pin).
        exercised_by: &[
            Always("open"),
            Always("openat"),
            Always("openat2"),
            Always("creat"),
            Always("open_by_handle_at"),
            Always("mknod"),
            Always("mknodat"),
            Always("bpf"),
        ],
    },
    Right {
        name: "MAKE_SOCK",
        kind: Kind::Filesystem,
        bit: 1 << 9,
        abi: 1,
        what: "making sockets in directories",
        exercised_by: &[Always("bind"), SOCKETCALL_BIND, Always("mknod"), Always("mknodat")],
    },
    Right {
        name: "MAKE_FIFO",
        kind: Kind::Filesystem,
        bit: 1 << 10,
        abi: 1,
        what: "making named pipes",
        exercised_by: &[Always("mknod"), Always("mknodat")],
    },
    Right {
        name: "MAKE_BLOCK",
        kind: Kind::Filesystem,
        bit: 1 << 11,
        abi: 1,
        what: "making block devices",
        exercised_by: &[Always("mknod"), Always("mknodat")],
    },
    Right {
        name: "MAKE_SYM",
        kind: Kind::Filesystem,
        bit: 1 << 12,
        abi: 1,
        what: "making symbolic links",
        exercised_by: &[Always("symlink"), Always("symlinkat")],
    },
    Right {
        name: "TRUNCATE",
        kind: Kind::Filesystem,
        bit: 1 << 14,
        abi: 3,
        what: "truncating files",
        // Opening truncates as well (O_TRUNC).
        exercised_by: &[
            Always("truncate"),
            Always("truncate64"),
            Always("ftruncate"),
            Always("ftruncate64"),
            Always("open"),
            Always("openat"),
            Always("openat2"),
            Always("creat"),
            Always("open_by_handle_at"),
        ],
    },
    Right {
        name: "BIND_TCP",
        kind: Kind::Network,
        bit: 1,
        abi: 4,
        what: "binding TCP sockets to ports",
        exercised_by: &[Always("bind"), SOCKETCALL_BIND],
    },
    Right {
        name: "CONNECT_TCP",
        kind: Kind::Network,
        bit: 1 << 1,
        abi: 4,
        what: "connecting TCP sockets",
        // A send with MSG_FASTOPEN connects as well, and no kernel up to 6.18 asks Landlock about it: where a newer
        // one does, it refuses what is a connect in all but name.
        exercised_by: &[Always("connect"), With("socketcall", 0, &[3])],
    },
    Right {
        name: "ABSTRACT_UNIX_SOCKET",
        kind: Kind::Scope,
        bit: 1,
        abi: 6,
        what: "reaching abstract UNIX sockets of processes outside",
        // Connecting, and sending to an address: SYS_CONNECT, SYS_SENDTO, SYS_SENDMSG, SYS_SENDMMSG.
        exercised_by: &[
            Always("connect"),
            Always("sendto"),
            Always("sendmsg"),
            Always("sendmmsg"),
            With("socketcall", 0, &[3, 11, 16, 20]),
        ],
    },
    Right {
        name: "SIGNAL",
        kind: Kind::Scope,
        bit: 1 << 1,
        abi: 6,
        what: "signalling processes outside",
        // Besides kill and its relatives, SIGIO: F_SETOWN and F_SETOWN_EX, FIOSETOWN and SIOCSPGRP say to whom.
        exercised_by: &[
            Always("kill"),
            Always("tkill"),
            Always("tgkill"),
            Always("rt_sigqueueinfo"),
            Always("rt_tgsigqueueinfo"),
            Always("pidfd_send_signal"),
            With("fcntl", 1, &[8, 15]),
            With("fcntl64", 1, &[8, 15]),
            With("ioctl", 1, &[0x8901, 0x8902]),
        ],
    },
];

/// Calls that look into or control another process, which any domain refuses for processes outside of it.
const LOOKS_OUTSIDE: [&str; 6] =
    ["ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", "process_madvise"];

/// What Landlock can take over from a policy.
#[derive(Debug, Default)]
pub struct Derived {
    /// The rights to handle, each with every call that exercises it.
    pub restrictions: Vec<Restriction>,
    /// The rights that must not be handled, each with a call that the policy may allow.
    pub withheld: Vec<Withheld>,
    /// Calls that the policy may allow, and that any domain refuses where they are about a process outside.
    pub also_refused: Vec<Syscall>,
}

/// A right to handle.
#[derive(Debug, Clone, Copy)]
pub struct Restriction {
    /// It.
    pub right: &'static Right,
}

impl Restriction {
    /// Why nothing that the policy allows is lost: the calls that exercise the right, all refused.
    pub fn reason(&self) -> String {
        let shared = if self.right.kind == Kind::Filesystem { ANY_FILESYSTEM_RIGHT } else { &[] };
        let names: Vec<_> = self.right.exercised_by.iter().chain(shared).map(|call| call.name()).collect();
        format!("the policy refuses {}", names.join(", "))
    }
}

/// A right that is not handled.
#[derive(Debug, Clone, Copy)]
pub struct Withheld {
    /// It.
    pub right: &'static Right,
    /// A call that the policy may allow, and that a domain with this right could refuse.
    pub for_the_sake_of: Syscall,
}

/// What Landlock can refuse on a machine of that architecture without refusing anything that the policy allows.
pub fn derive(policy: &Policy, arch: Arch) -> Derived {
    let mut derived = Derived::default();
    let first = |calls: &[Exercise]| calls.iter().find_map(|call| may_run(policy, arch, *call));
    let any_filesystem_right = first(ANY_FILESYSTEM_RIGHT);
    for right in RIGHTS {
        let shared = if right.kind == Kind::Filesystem { any_filesystem_right } else { None };
        match first(right.exercised_by).or(shared) {
            None => derived.restrictions.push(Restriction { right }),
            Some(for_the_sake_of) => derived.withheld.push(Withheld { right, for_the_sake_of }),
        }
    }
    derived.also_refused =
        LOOKS_OUTSIDE.into_iter().filter_map(|name| may_run(policy, arch, Always(name))).collect();
    derived
}

/// The call, in the first ABI in which the policy may let it run; `None` if it is surely refused in all.
fn may_run(policy: &Policy, arch: Arch, exercise: Exercise) -> Option<Syscall> {
    let calls = arch.abis().iter().filter_map(|abi| Syscall::from_name(*abi, exercise.name()));
    let mut calls =
        calls.filter(|syscall| has_rules(policy, syscall.abi) || may_let_run(policy.calls.foreign_action));
    calls.find(|syscall| match exercise {
        Always(_) => may_run_with(policy, *syscall, None),
        With(_, index, values) => {
            values.iter().any(|value| may_run_with(policy, *syscall, Some((index, *value))))
        }
    })
}

fn has_rules(policy: &Policy, abi: Abi) -> bool {
    policy.calls.rules.keys().any(|syscall| syscall.abi == abi)
}

/// Whether there may be arguments with which the call runs; of one argument, the lower 32 bits may be known.
fn may_run_with(policy: &Policy, syscall: Syscall, known: Option<(u8, u64)>) -> bool {
    for rule in policy.calls.rules.get(&syscall).into_iter().flatten() {
        match matches(rule, known) {
            Match::Perhaps if may_let_run(rule.action) => return true,
            Match::Never | Match::Perhaps => {}
            Match::Always => return may_let_run(rule.action),
        }
    }
    may_let_run(if has_rules(policy, syscall.abi) {
        policy.calls.default_action
    } else {
        policy.calls.foreign_action
    })
}

/// Whether a call with that action may run: a tracer or a supervisor may say so.
fn may_let_run(action: Action) -> bool {
    match action {
        Action::Allow | Action::Log | Action::Trace(_) | Action::Notify => true,
        Action::Errno(_) | Action::Trap | Action::KillThread | Action::KillProcess => false,
    }
}

/// Whether a rule matches a call of which little is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Match {
    Never,
    Perhaps,
    Always,
}

fn matches(rule: &Rule, known: Option<(u8, u64)>) -> Match {
    let mut result = Match::Always;
    for condition in &rule.conditions {
        match known {
            Some((index, value)) if index == condition.index && only_lower_half(*condition) => {
                let mut args = [0; 6];
                if let Some(argument) = args.get_mut(usize::from(index)) {
                    *argument = value;
                }
                if !condition.holds(&args) {
                    return Match::Never;
                }
            }
            _ => result = Match::Perhaps,
        }
    }
    result
}

/// Whether a condition depends on nothing but the lower 32 bits of its argument.
fn only_lower_half(condition: Condition) -> bool {
    condition.width == sandprint_model::Width::Bits32
        || matches!(condition.comparison, Comparison::MaskedEqual { mask, .. } if mask >> 32 == 0)
}

#[cfg(test)]
mod tests;
