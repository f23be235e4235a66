//! The guardian's fork, and what it does until its end: system calls, and nothing that allocates.
#![expect(unsafe_code, reason = "clone without execve, and the calls of a process that may use nothing else")]

use std::ffi::{c_int, c_long};
use std::io::{self, Read as _, Write as _};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use super::Orders;
use crate::notify::{Inbox, Listener, Notification, receive, refuse, still_waits};
use crate::signals::SignalSet;
use crate::signals::sys::{block, set_mask};

/// What a guardian is known by, at most 15 bytes (`PR_SET_NAME`).
const NAME: &std::ffi::CStr = c"sandprint-guard";

/// A guardian just made.
#[derive(Debug)]
pub(super) struct Forked {
    pid: u32,
    pidfd: OwnedFd,
    /// Never closed but by the kernel when this process ends, after every thread is gone.
    line: ManuallyDrop<io::PipeWriter>,
}

pub(super) fn fork(listener: &Listener, inbox: &Inbox, orders: &Orders) -> io::Result<Forked> {
    let (theirs, ours) = io::pipe()?;
    let mut pidfd: c_int = -1;
    // No signal at its end: the caller's SIGCHLD is about the workload.
    let flags = c_long::from(libc::CLONE_PIDFD);
    // It is to hear no signal, and no handler of ours is to run in it.
    let mask = block(SignalSet::ALL)?;
    // SAFETY: without CLONE_VM the child has its own copy of all memory, so a null stack means that it goes on with
    // this one. It makes only system calls, and never returns from `guard`. The kernel writes the pidfd to ours.
    let pid =
        unsafe { libc::syscall(libc::SYS_clone, flags, ptr::null::<u8>(), ptr::from_mut(&mut pidfd), 0, 0) };
    if pid == 0 {
        guard(listener, inbox, orders, &theirs);
    }
    let error = io::Error::last_os_error();
    set_mask(mask)?;
    if pid < 0 {
        return Err(error);
    }
    // SAFETY: clone succeeded, so it made this descriptor, and nobody else knows it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Forked { pid: u32::try_from(pid).map_err(io::Error::other)?, pidfd, line: ManuallyDrop::new(ours) })
}

impl Forked {
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn arm(&self) -> io::Result<()> {
        (&*self.line).write_all(b"a")
    }

    /// Waits until it has ended, and takes note of that.
    pub(super) fn wait(&self, timeout: Duration) -> io::Result<()> {
        crate::process::wait_for_helper(self.pidfd.as_fd(), timeout).map(drop)
    }

    #[cfg(test)]
    pub(super) fn abandon(self) {
        drop(ManuallyDrop::into_inner(self.line));
    }
}

// From here on, everything runs in the guardian: no allocation, no lock, no panic.

fn guard(listener: &Listener, inbox: &Inbox, orders: &Orders, line: &io::PipeReader) -> ! {
    // SAFETY: no memory is involved.
    unsafe { libc::setsid() };
    // SAFETY: the path is a C string.
    unsafe { libc::chdir(c"/".as_ptr()) };
    // SAFETY: the name is a C string.
    unsafe { libc::prctl(libc::PR_SET_NAME, NAME.as_ptr()) };
    let descriptor = listener.as_fd();
    close_others(descriptor.as_raw_fd(), line.as_raw_fd());
    if wait_for_our_turn(descriptor, line) {
        // Its receiver may have been killed before it could answer.
        if let Some(unanswered) = inbox.unanswered() {
            answer(listener, orders, &unanswered);
        }
        while wait(descriptor, libc::POLLIN) {
            match receive(descriptor, inbox) {
                Ok(Some(call)) => answer(listener, orders, &call),
                Ok(None) => {}
                Err(_) => break,
            }
        }
    }
    // SAFETY: no memory is involved.
    unsafe { libc::_exit(0) }
}

/// Answers as the orders say, as far as a supervisor can.
pub(super) fn answer(listener: &Listener, orders: &Orders, call: &Notification) {
    let decided = orders.decide(call);
    let errno = match decided & libc::SECCOMP_RET_ACTION_FULL {
        libc::SECCOMP_RET_ALLOW | libc::SECCOMP_RET_LOG => {
            drop(listener.let_go_on(call));
            return;
        }
        libc::SECCOMP_RET_ERRNO => decided & libc::SECCOMP_RET_DATA,
        libc::SECCOMP_RET_TRAP => {
            signal(listener.as_fd(), call, libc::SIGSYS);
            ENOSYS
        }
        // Nobody is there to be asked.
        libc::SECCOMP_RET_TRACE | libc::SECCOMP_RET_USER_NOTIF => ENOSYS,
        _ => {
            signal(listener.as_fd(), call, libc::SIGKILL);
            ENOSYS
        }
    };
    // seccomp(2): the largest errno there is. 0 makes the call a success that did nothing.
    drop(refuse(listener.as_fd(), call.id, u16::try_from(errno.min(4095)).unwrap_or_default()));
}

/// Has a call fail as the kernel has it where it has nobody to ask.
pub(super) fn refuse_as_nobody(listener: &Listener, call: &Notification) {
    drop(refuse(listener.as_fd(), call.id, u16::try_from(ENOSYS).unwrap_or_default()));
}

/// What the kernel answers where it has nobody to ask.
const ENOSYS: u32 = libc::ENOSYS.cast_unsigned();

/// Signals the process of a call that still waits. Its thread's number does for that (kill(2) on Linux).
fn signal(listener: BorrowedFd<'_>, call: &Notification, signal: c_int) {
    if let Ok(tid @ 1..) = libc::pid_t::try_from(call.tid)
        && still_waits(listener, call.id)
    {
        // SAFETY: no memory is involved.
        unsafe { libc::kill(tid, signal) };
    }
}

/// Waits until the other process is gone. False if nobody needs us then, or any more.
fn wait_for_our_turn(listener: BorrowedFd<'_>, mut line: &io::PipeReader) -> bool {
    let mut armed = false;
    loop {
        let mut polled = [
            // Nothing but its end.
            libc::pollfd { fd: listener.as_raw_fd(), events: 0, revents: 0 },
            libc::pollfd { fd: line.as_raw_fd(), events: libc::POLLIN, revents: 0 },
        ];
        // SAFETY: two entries, which are ours.
        unsafe { libc::poll(polled.as_mut_ptr(), 2, -1) };
        let [end, said] = polled.map(|entry| entry.revents != 0);
        if end {
            return false;
        }
        if said {
            let mut byte = [0];
            match line.read(&mut byte) {
                Ok(1) => armed = true,
                _ => return armed,
            }
        }
    }
}

/// Waits for a call. False once nobody has the filter any more.
fn wait(listener: BorrowedFd<'_>, events: i16) -> bool {
    let mut polled = libc::pollfd { fd: listener.as_raw_fd(), events, revents: 0 };
    // SAFETY: one entry, which is ours.
    unsafe { libc::poll(ptr::from_mut(&mut polled), 1, -1) };
    polled.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) == 0
}

/// Closes every descriptor but these two: pipes, terminals and directories of others are not to be kept.
fn close_others(one: RawFd, other: RawFd) {
    let (low, high) = (one.min(other), one.max(other));
    close_range(0, low - 1);
    close_range(low + 1, high - 1);
    close_range(high + 1, RawFd::MAX);
}

fn close_range(first: RawFd, last: RawFd) {
    if first > last {
        return;
    }
    // SAFETY: nothing here uses them any more. Since 5.9, and 5.10 is the oldest kernel that we are for.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
}
