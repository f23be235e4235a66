//! Looking before `main`, from `.init_array`, and the environment.
#![expect(unsafe_code, reason = "code that runs before main, and the C environment")]

use std::ffi::{CStr, CString, c_char};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::{Inherited, LIMITS, Limit};
use crate::signals::signal::{Signal, SignalSet};
use crate::signals::sys::SET_SIZE;

static IGNORED: AtomicU64 = AtomicU64::new(0);
static BLOCKED: AtomicU64 = AtomicU64::new(0);
static CLOSED: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];
// A soft limit above the hard one does not exist: it says that the limit is not known.
static SOFT: [AtomicU64; LIMITS] = [const { AtomicU64::new(1) }; LIMITS];
static HARD: [AtomicU64; LIMITS] = [const { AtomicU64::new(0) }; LIMITS];

/// Makes the C library call `capture` before `main`.
// SAFETY: .init_array holds addresses of functions that take what they like of (argc, argv, envp) and return
// nothing; `capture` takes nothing. It runs once, before there are threads.
#[used]
#[unsafe(link_section = ".init_array")]
static CAPTURE: extern "C" fn() = capture;

/// Runs before std is set up: only system calls and atomics.
extern "C" fn capture() {
    let ignored = (1..=64).filter_map(Signal::from_number).filter(|&signal| is_ignored(signal));
    IGNORED.store(ignored.fold(0, |set, signal| set | SignalSet::of(&[signal]).0), Relaxed);

    let mut blocked = 0_u64;
    // SAFETY: the new set is null, so nothing changes; the old one has the size that the call is told.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_BLOCK,
            ptr::null::<u64>(),
            ptr::from_mut(&mut blocked),
            SET_SIZE,
        )
    };
    if result == 0 {
        BLOCKED.store(blocked, Relaxed);
    }

    for (number, closed) in (0..).zip(&CLOSED) {
        // SAFETY: no memory is involved.
        closed.store(unsafe { libc::fcntl(number, libc::F_GETFD) } < 0, Relaxed);
    }

    for (number, (soft, hard)) in (0..).zip(SOFT.iter().zip(&HARD)) {
        if let Some(limit) = limit(number) {
            soft.store(limit.soft, Relaxed);
            hard.store(limit.hard, Relaxed);
        }
    }
}

fn is_ignored(signal: Signal) -> bool {
    // The kernel's own struct, by its own call, since the C library hides two signals. Its first word is the
    // handler on every architecture; it has at most four words.
    let mut action = [0_usize; 4];
    // SAFETY: the new action is null, so nothing changes; the old one fits.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal.raw(),
            ptr::null::<usize>(),
            action.as_mut_ptr(),
            SET_SIZE,
        )
    };
    let [handler, ..] = action;
    result == 0 && handler == libc::SIG_IGN
}

pub(super) fn captured() -> Inherited {
    let mut limits = [None; LIMITS];
    for (limit, (soft, hard)) in limits.iter_mut().zip(SOFT.iter().zip(&HARD)) {
        let (soft, hard) = (soft.load(Relaxed), hard.load(Relaxed));
        *limit = (soft <= hard).then_some(Limit { soft, hard });
    }
    Inherited {
        ignored: SignalSet(IGNORED.load(Relaxed)),
        blocked: SignalSet(BLOCKED.load(Relaxed)),
        closed: CLOSED.each_ref().map(|closed| closed.load(Relaxed)),
        limits,
    }
}

/// The resource limit of that number, now.
pub(super) fn limit(number: u32) -> Option<Limit> {
    let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the new limit is null, so nothing changes; the old one is ours.
    let result = unsafe {
        libc::syscall(
            libc::SYS_prlimit64,
            0,
            number,
            ptr::null::<libc::rlimit64>(),
            ptr::from_mut(&mut limit),
        )
    };
    (result == 0).then_some(Limit { soft: limit.rlim_cur, hard: limit.rlim_max })
}

unsafe extern "C" {
    /// environ(7).
    static environ: *const *const c_char;
}

/// The environment, entry by entry as it is: std's iterator leaves out entries that are not `NAME=value`,
/// which a workload would have been given.
pub(crate) fn environment() -> Vec<CString> {
    let mut entries = Vec::new();
    // SAFETY: reading the address. Nothing else writes it at this time: std::env::set_var is unsafe, and its
    // callers answer for having one thread.
    let mut entry = unsafe { environ };
    if entry.is_null() {
        return entries;
    }
    loop {
        // SAFETY: the list ends with null, and the loop with it.
        let text = unsafe { *entry };
        if text.is_null() {
            return entries;
        }
        // SAFETY: each entry is a C string that lives as long as nobody changes the environment.
        entries.push(unsafe { CStr::from_ptr(text) }.to_owned());
        // SAFETY: the entry was not the last, so the next is within the list.
        entry = unsafe { entry.add(1) };
    }
}
