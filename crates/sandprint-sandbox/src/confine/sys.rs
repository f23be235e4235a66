//! Calls that show a filter in force, landlock(7), and children that try what we would not survive.
//!
//! What a child may use between fork and execve asks for no memory, takes no lock and cannot panic: so results are
//! plain numbers, an errno or 0.
#![expect(unsafe_code, reason = "std wraps neither Landlock nor fork, nor calls by number")]

use std::ffi::{c_int, c_long};
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::ptr;

use crate::seccomp::errno_of;

/// Takes a descriptor that a call has just returned.
pub(super) fn owned(descriptor: i64) -> io::Result<OwnedFd> {
    let descriptor = c_int::try_from(descriptor).map_err(io::Error::other)?;
    // SAFETY: the caller has it from a call that made it, and from nowhere else.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Makes a call without arguments.
pub(super) fn call(number: u32) -> i32 {
    // SAFETY: the caller names a number that no kernel gives to a call; zeros are addresses of nothing.
    errno_of(unsafe {
        libc::syscall(c_long::from(number), 0_usize, 0_usize, 0_usize, 0_usize, 0_usize, 0_usize)
    })
}

/// Whether this thread may be under a filter: also where it is not told (`PR_GET_SECCOMP`, prctl(2)).
pub(super) fn may_be_filtered() -> bool {
    // SAFETY: no memory is involved.
    unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) != 0 }
}

/// A child that is a copy of this process, in which the closure runs and which then ends. It sends no signal when
/// it ends. The closure may only make system calls.
fn fork(child: impl FnOnce()) -> Result<libc::pid_t, i32> {
    // SAFETY: without CLONE_VM the child has its own copy of all memory, and a null stack means that it goes on with
    // this one. It runs the closure, which the callers below keep to system calls, and ends.
    let pid = unsafe { libc::syscall(libc::SYS_clone, 0_usize, 0_usize, 0_usize, 0_usize, 0_usize) };
    if pid == 0 {
        child();
        // SAFETY: no memory is involved.
        unsafe { libc::_exit(0) };
    }
    if pid < 0 {
        return Err(errno_of(pid));
    }
    libc::pid_t::try_from(pid).map_err(|_not_a_pid| libc::EIO)
}

/// Waits for the end of such a child; its wait status.
fn reap(pid: libc::pid_t) -> Result<c_int, i32> {
    let mut status = 0;
    loop {
        // SAFETY: the kernel writes one word of ours.
        let result = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
        match errno_of(result.into()) {
            0 => return Ok(status),
            libc::EINTR => {}
            errno => return Err(errno),
        }
    }
}

/// Makes a call in a child; the signal that ended it for that.
pub(super) fn call_in_child(number: u32) -> Result<Option<i32>, i32> {
    let pid = fork(|| {
        call(number);
    })?;
    let status = reap(pid)?;
    Ok(libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)))
}

/// A child of ours that does nothing, until this is dropped.
pub(super) struct Outsider {
    pid: libc::pid_t,
    /// Its end is what the child waits for: it cannot outlive us, however we end.
    line: Option<OwnedFd>,
}

impl Outsider {
    pub(super) fn start() -> Result<Outsider, i32> {
        let mut ends: [c_int; 2] = [-1; 2];
        // SAFETY: there is room for the two descriptors.
        let result = unsafe {
            libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0, ends.as_mut_ptr())
        };
        if result < 0 {
            return Err(errno_of(result.into()));
        }
        let [ours, theirs] = ends;
        // SAFETY: the kernel has just made it, and nobody else knows it.
        let ours = unsafe { OwnedFd::from_raw_fd(ours) };
        // SAFETY: the same.
        let theirs = unsafe { OwnedFd::from_raw_fd(theirs) };
        let pid = fork(|| {
            // A binary with capabilities of its own is not dumpable, and then nobody may look into it.
            // SAFETY: no memory is involved.
            unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0) };
            // SAFETY: the child's own copy of the descriptor, which nothing in it uses any more.
            unsafe { libc::close(ours.as_raw_fd()) };
            let mut byte = [b'r'];
            // SAFETY: one byte of ours. If nobody reads it, what comes next says so.
            unsafe { libc::send(theirs.as_raw_fd(), byte.as_ptr().cast(), 1, libc::MSG_NOSIGNAL) };
            // SAFETY: there is room for one byte.
            unsafe { libc::recv(theirs.as_raw_fd(), byte.as_mut_ptr().cast(), 1, 0) };
        })?;
        drop(theirs);
        let outsider = Outsider { pid, line: Some(ours) };
        outsider.wait_until_ready()?;
        Ok(outsider)
    }

    fn wait_until_ready(&self) -> Result<(), i32> {
        let line = self.line.as_ref().map_or(-1, std::os::fd::AsRawFd::as_raw_fd);
        let mut byte = [0_u8];
        loop {
            // SAFETY: there is room for one byte.
            let length = unsafe { libc::recv(line, byte.as_mut_ptr().cast(), 1, 0) };
            match length {
                1 => return Ok(()),
                // It was ended before.
                0 => return Err(libc::ESRCH),
                _ => match errno_of(-1) {
                    libc::EINTR => {}
                    errno => return Err(errno),
                },
            }
        }
    }

    /// Looks into it, in a way that changes nothing: `get_robust_list(2)` takes the right to read its state
    /// (`PTRACE_MODE_READ_REALCREDS`), and every kernel has it.
    pub(super) fn look(&self) -> Result<(), i32> {
        let mut head = 0_usize;
        let mut length = 0_usize;
        // SAFETY: the kernel writes one word to each of the two addresses.
        let result = unsafe {
            libc::syscall(
                libc::SYS_get_robust_list,
                self.pid,
                ptr::from_mut(&mut head),
                ptr::from_mut(&mut length),
            )
        };
        match errno_of(result) {
            0 => Ok(()),
            errno => Err(errno),
        }
    }
}

impl Drop for Outsider {
    fn drop(&mut self) {
        // Not by a signal: a domain may refuse to send one.
        drop(self.line.take());
        // A child of ours that nobody else reaps: it cannot fail.
        reap(self.pid).unwrap_or_default();
    }
}

/// `struct landlock_ruleset_attr` (linux/landlock.h). Older kernels take it as long as what they do not know is 0.
#[repr(C)]
struct RulesetAttributes {
    filesystem: u64,
    network: u64,
    scopes: u64,
}

/// `LANDLOCK_CREATE_RULESET_VERSION`.
const ASK_VERSION: u32 = 1;
/// `LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON`.
const LOG_AFTER_EXEC: u32 = 1 << 1;

/// The version of the interface.
pub(super) fn landlock_abi() -> Result<u32, i32> {
    let nothing = ptr::null::<RulesetAttributes>();
    // SAFETY: the kernel is given no memory.
    let result = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0_usize, ASK_VERSION) };
    if result < 0 { Err(errno_of(result)) } else { u32::try_from(result).map_err(|_large| libc::EIO) }
}

/// A ruleset without rules, close-on-exec.
pub(super) fn landlock_ruleset(filesystem: u64, network: u64, scopes: u64) -> Result<OwnedFd, i32> {
    let attributes = RulesetAttributes { filesystem, network, scopes };
    // SAFETY: the kernel reads a struct of ours, and is told its size.
    let result = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            ptr::from_ref(&attributes),
            size_of::<RulesetAttributes>(),
            0_u32,
        )
    };
    if result < 0 { Err(errno_of(result)) } else { owned(result).map_err(|_large| libc::EIO) }
}

/// Enters the domain of a ruleset.
pub(super) fn landlock_restrict(ruleset: &OwnedFd, log: bool) -> i32 {
    let flags = if log { LOG_AFTER_EXEC } else { 0 };
    // SAFETY: no memory is involved.
    errno_of(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), flags) })
}
