//! Calls for which a filter on this process would end it: a child asks first, so that a feature that is forbidden is an
//! error with a name, or another way is taken, and not a silent death.
//!
//! A filter may end whoever makes a call (`SECCOMP_RET_KILL_PROCESS`, `_THREAD`, `_TRAP`) and says so to nobody. Where
//! this process has none, nothing is asked.

mod sys;

use std::fs;
use std::io::{self, Read as _};

use crate::process::status::{Seccomp, Status};
use crate::shared::SharedWords;

/// A call, with arguments with which it does nothing: addresses and descriptors of nothing.
#[derive(Debug, Clone, Copy)]
pub struct Harmless {
    /// Its name.
    pub name: &'static str,
    pub(crate) number: libc::c_long,
    pub(crate) arguments: [usize; 4],
}

const fn harmless(name: &'static str, number: libc::c_long, arguments: [usize; 4]) -> Harmless {
    Harmless { name, number, arguments }
}

/// No descriptor.
const NONE: usize = usize::MAX;

/// What every command needs that lives beside others: signals as events, processes by descriptor, waiting.
pub const SIGNALS: &[Harmless] = &[
    harmless("signalfd4", libc::SYS_signalfd4, [NONE, 0, 8, 0]),
    harmless("rt_sigprocmask", libc::SYS_rt_sigprocmask, [0, 0, 0, 8]),
    harmless("pidfd_open", libc::SYS_pidfd_open, [0, 0, 0, 0]),
    harmless("pidfd_send_signal", libc::SYS_pidfd_send_signal, [NONE, 0, 0, 0]),
    harmless("ppoll", libc::SYS_ppoll, [0, 0, 1, 0]),
    harmless("waitid", libc::SYS_waitid, [NONE, 0, 0, 0]),
];

/// What every command needs, but for what happens before there is a command.
pub const EVERY: &[Harmless] = &[harmless("statx", libc::SYS_statx, [NONE, 0, 0, 0])];

/// What finding a program takes.
pub const LOOKUP: &[Harmless] = &[harmless("faccessat2", libc::SYS_faccessat2, [NONE, 0, 0, 0])];

/// What finding out about the host takes, which every command does that lives beside others.
pub const HOST: &[Harmless] = &[
    harmless("capget", libc::SYS_capget, [0, 0, 0, 0]),
    harmless("uname", libc::SYS_uname, [0, 0, 0, 0]),
    harmless("sysinfo", libc::SYS_sysinfo, [0, 0, 0, 0]),
    harmless("getdents64", libc::SYS_getdents64, [NONE, 0, 0, 0]),
    harmless("readlinkat", libc::SYS_readlinkat, [NONE, 0, 0, 0]),
    #[cfg(target_arch = "x86_64")]
    harmless("readlink", libc::SYS_readlink, [0, 0, 0, 0]),
    harmless("faccessat2", libc::SYS_faccessat2, [NONE, 0, 0, 0]),
];

/// What putting a file into its place takes.
pub const OUTPUT: &[Harmless] = &[
    harmless("linkat", libc::SYS_linkat, [NONE, 0, NONE, 0]),
    harmless("renameat2", libc::SYS_renameat2, [NONE, 0, NONE, 0]),
    harmless("unlinkat", libc::SYS_unlinkat, [NONE, 0, NONE, 0]),
    harmless("flock", libc::SYS_flock, [NONE, 0, 0, 0]),
    harmless("fsync", libc::SYS_fsync, [NONE, 0, 0, 0]),
    harmless("fchmod", libc::SYS_fchmod, [NONE, 0, 0, 0]),
    harmless("fchown", libc::SYS_fchown, [NONE, 0, 0, 0]),
    harmless("ftruncate", libc::SYS_ftruncate, [NONE, 0, 0, 0]),
    harmless("fallocate", libc::SYS_fallocate, [NONE, 0, 0, 0]),
];

/// What starting a child needs.
pub const LAUNCH: &[Harmless] = &[
    harmless("socketpair", libc::SYS_socketpair, [NONE, 0, 0, 0]),
    harmless("sendto", libc::SYS_sendto, [NONE, 0, 0, 0]),
    harmless("recvmsg", libc::SYS_recvmsg, [NONE, 0, 0, 0]),
    harmless("sendmsg", libc::SYS_sendmsg, [NONE, 0, 0, 0]),
    harmless("prctl", libc::SYS_prctl, [NONE, 0, 0, 0]),
    harmless("faccessat2", libc::SYS_faccessat2, [NONE, 0, 0, 0]),
    harmless("rt_sigaction", libc::SYS_rt_sigaction, [NONE, 0, 0, 8]),
    harmless("execve", libc::SYS_execve, [0, 0, 0, 0]),
];

/// What BPF programs need.
pub const BPF: &[Harmless] = &[
    harmless("bpf", libc::SYS_bpf, [NONE, 0, 0, 0]),
    harmless("perf_event_open", libc::SYS_perf_event_open, [0, NONE, NONE, NONE]),
    harmless("epoll_create1", libc::SYS_epoll_create1, [NONE, 0, 0, 0]),
    harmless("epoll_ctl", libc::SYS_epoll_ctl, [NONE, 0, NONE, 0]),
    harmless("eventfd2", libc::SYS_eventfd2, [0, NONE, 0, 0]),
    harmless("memfd_create", libc::SYS_memfd_create, [0, NONE, 0, 0]),
    harmless("prctl", libc::SYS_prctl, [NONE, 0, 0, 0]),
];

/// A thread, of nothing: by a structure without room.
const THREAD: Harmless = harmless("clone3", libc::SYS_clone3, [0, 0, 0, 0]);

/// What seccomp notifications need: `SECCOMP_GET_NOTIF_SIZES`, a listener without a filter, and who answers.
pub const NOTIFICATIONS: &[Harmless] = &[
    harmless("seccomp", libc::SYS_seccomp, [3, 0, 0, 0]),
    harmless("seccomp", libc::SYS_seccomp, [1, 1 << 3, 0, 0]),
    harmless("epoll_create1", libc::SYS_epoll_create1, [NONE, 0, 0, 0]),
    harmless("eventfd2", libc::SYS_eventfd2, [0, NONE, 0, 0]),
    harmless("setsid", libc::SYS_setsid, [0, 0, 0, 0]),
    harmless("close_range", libc::SYS_close_range, [NONE, 0, 0, 0]),
    THREAD,
];

/// What tracing needs: `PTRACE_SEIZE` of nobody, and who traces.
pub const TRACING: &[Harmless] = &[
    harmless("ptrace", libc::SYS_ptrace, [0x4206, 0, 0, 0]),
    harmless("eventfd2", libc::SYS_eventfd2, [0, NONE, 0, 0]),
    THREAD,
];

/// What finding out about the sockets of another process needs.
pub const SOCKETS: &[Harmless] = &[
    harmless("pidfd_open", libc::SYS_pidfd_open, [0, 0, 0, 0]),
    harmless("pidfd_getfd", libc::SYS_pidfd_getfd, [NONE, NONE, 0, 0]),
    harmless("getsockopt", libc::SYS_getsockopt, [NONE, 0, 0, 0]),
];

/// What a filter of seccomp(2) needs: one without a program.
pub const FILTERS: &[Harmless] = &[
    harmless("seccomp", libc::SYS_seccomp, [1, 0, 0, 0]),
    harmless("seccomp", libc::SYS_seccomp, [2, 0, 0, 0]),
    harmless("prctl", libc::SYS_prctl, [NONE, 0, 0, 0]),
];

/// What Landlock needs: a ruleset of nothing, its domain, and an outsider to look at.
pub const LANDLOCK: &[Harmless] = &[
    harmless("landlock_create_ruleset", libc::SYS_landlock_create_ruleset, [0, 0, NONE, 0]),
    harmless("landlock_restrict_self", libc::SYS_landlock_restrict_self, [NONE, 0, 0, 0]),
    harmless("get_robust_list", libc::SYS_get_robust_list, [NONE, 0, 0, 0]),
    harmless("socketpair", libc::SYS_socketpair, [NONE, 0, 0, 0]),
    harmless("sendto", libc::SYS_sendto, [NONE, 0, 0, 0]),
    harmless("recvfrom", libc::SYS_recvfrom, [NONE, 0, 0, 0]),
];

/// What reading audit records needs: a netlink socket of no protocol.
pub const AUDIT: &[Harmless] = &[
    harmless("socket", libc::SYS_socket, [16, NONE, NONE, 0]),
    harmless("bind", libc::SYS_bind, [NONE, 0, 0, 0]),
    harmless("setsockopt", libc::SYS_setsockopt, [NONE, 0, 0, 0]),
    harmless("recvfrom", libc::SYS_recvfrom, [NONE, 0, 0, 0]),
];

/// A filter on this process ends whoever makes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a seccomp filter on sandprint itself ends whoever calls {call}")]
pub struct Deadly {
    /// Its name.
    pub call: &'static str,
}

impl From<Deadly> for io::Error {
    fn from(deadly: Deadly) -> io::Error {
        io::Error::new(io::ErrorKind::PermissionDenied, deadly)
    }
}

/// Whether all these calls can be made without dying of it, whatever they are answered with.
pub fn survive(calls: &[Harmless]) -> Result<(), Deadly> {
    if !is_filtered() {
        return Ok(());
    }
    // Where there is no memory, or no child, the attempt itself will tell.
    let Ok(reached) = SharedWords::new(1) else { return Ok(()) };
    match sys::died_at(calls, &reached).and_then(|index| calls.get(index)) {
        Some(call) => Err(Deadly { call: call.name }),
        None => Ok(()),
    }
}

/// Whether this process has a filter (`Seccomp: 2`, proc(5)); without /proc nobody knows.
fn is_filtered() -> bool {
    // By open and read alone: whoever reads a whole file asks for its size first, which may be deadly (statx). Where the
    // line is not within this (there are many groups before it), there may be a filter.
    let mut status = [0; 8192];
    let read = fs::File::open("/proc/self/status").and_then(|mut file| file.read(&mut status));
    let text = read.ok().and_then(|length| status.get(..length)).unwrap_or_default();
    Status::from_bytes(text).seccomp().is_none_or(|mode| mode == Seccomp::Filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_changes_nothing_and_is_survived() {
        let reached = SharedWords::new(1).unwrap();
        for calls in [
            EVERY,
            HOST,
            LOOKUP,
            OUTPUT,
            SIGNALS,
            LAUNCH,
            BPF,
            NOTIFICATIONS,
            TRACING,
            SOCKETS,
            FILTERS,
            LANDLOCK,
            AUDIT,
        ] {
            assert_eq!(sys::died_at(calls, &reached), None);
        }
    }

    #[test]
    fn the_first_call_of_which_a_child_dies_is_found() {
        let reached = SharedWords::new(1).unwrap();
        // A child that signals itself stands for one that a filter ends.
        let deadly = harmless("kill", libc::SYS_kill, [0, 0, 0, 0]);
        let own = harmless("tkill", libc::SYS_tkill, [0, usize::MAX, 0, 0]);
        assert_eq!(sys::died_at(&[deadly, own], &reached), None);
        let end = harmless("exit", libc::SYS_exit, [1, 0, 0, 0]);
        assert_eq!(sys::died_at(&[own, end, own], &reached), Some(1));
    }
}
