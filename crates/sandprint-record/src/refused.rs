//! Calls that a seccomp filter kept from running, as the kernel shows them: whoever installed the filter.

use std::time::{Duration, SystemTime};

use sandprint_model::{Ancestor, ByteString, Call, Code};

/// What came of a call that did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It returned this: `-errno` where a filter refused it (`SECCOMP_RET_ERRNO`), ENOSYS where a tracer or a supervisor
    /// was to be asked and there is none, and whatever such a one answered in its place.
    Returned(i64),
    /// Its thread was sent SIGSYS (`SECCOMP_RET_TRAP`).
    Trapped,
    /// Its process was ended: by `SECCOMP_RET_KILL_PROCESS`, or by `SECCOMP_RET_KILL_THREAD` of its last thread.
    KilledProcess,
    /// Its thread alone was ended (`SECCOMP_RET_KILL_THREAD`), or, before Linux 5.16 (307d522f5eb8), its process.
    KilledThread,
}

/// Calls that did not run, alike in all that a rule or a reader would tell apart: the same call with the same selecting
/// arguments from the same code of the same process, with the same outcome under the same filters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The same as long as the watcher lives, and no other's.
    pub id: u64,
    /// The first of them.
    pub call: Call,
    /// What came of it.
    pub outcome: Outcome,
    /// How often, so far.
    pub count: u64,
    /// When the first and the last of them were made.
    pub first: SystemTime,
    /// See [`Refused::first`].
    pub last: SystemTime,
    /// The process, as the watcher's PID namespace numbers it; none where it has no number there.
    pub tgid: Option<u32>,
    /// The thread that was first, in the initial PID namespace.
    pub host_tid: u32,
    /// The process, in the initial PID namespace.
    pub host_tgid: u32,
    /// The name of the thread that was first.
    pub comm: ByteString,
    /// The executable, as its process sees the path; empty where it is not known.
    pub image: ByteString,
    /// The processes above it and itself, the nearest to PID 1 first; 16 at most.
    pub ancestry: Vec<Ancestor>,
    /// Its cgroup2, from the root of the hierarchy: `/` where no cgroup2 hierarchy is in use.
    pub cgroup: ByteString,
    /// Just behind the instruction that made the call.
    pub instruction_pointer: u64,
    /// The file which that code was mapped from, or why it is not known.
    pub code: Result<Code, &'static str>,
    /// The filters that decided, the newest first, as [`Watcher::filter`](crate::ebpf::Watcher::filter) knows them.
    pub filters: Vec<FilterId>,
    /// Whether there were more filters than were read.
    pub more_filters: bool,
    /// Whether somebody traced the thread (ptrace(2)), and could have answered in the call's place.
    pub traced: bool,
    /// Whether one of the filters has a listener, which could have answered in the call's place.
    pub supervised: bool,
    /// How long after the last of them the process ended; none while it lives.
    pub ended: Option<Duration>,
}

/// A filter by its content: two with the same instructions are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilterId(pub u64);
