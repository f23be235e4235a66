//! `pidfd_open(2)`, `pidfd_send_signal(2)`, waitid(2), killpg(3), tcsetpgrp(3), and orphans.
#![expect(unsafe_code, reason = "std has no stable pidfd")]

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::ptr;

use sandprint_model::Exit;

use super::Ended;
use crate::signals::Signal;

pub(super) fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: no memory is involved.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let descriptor = i32::try_from(result).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made it (close-on-exec), and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

pub(super) fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    let no_information = ptr::null::<libc::siginfo_t>();
    // SAFETY: without information of ours, the kernel writes its own (SI_USER), and no memory is involved.
    let result = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal.raw(), no_information, 0)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sends a signal to every process of a group.
pub(crate) fn signal_group(group: u32, signal: Signal) -> io::Result<()> {
    let group = libc::pid_t::try_from(group).map_err(io::Error::other)?;
    // SAFETY: no memory is involved.
    let result = unsafe { libc::killpg(group, signal.raw()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether this process may signal another.
pub(super) fn may_signal(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return false };
    // SAFETY: no memory is involved, and no signal is sent.
    unsafe { libc::kill(pid, 0) == 0 }
}

/// Has orphans among our descendants become our children, or not any more.
pub(super) fn adopt(wanted: bool) -> io::Result<()> {
    // SAFETY: no memory is involved.
    let result = unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, libc::c_ulong::from(wanted), 0, 0, 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What became of a child that was to be taken note of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaped {
    /// It lives.
    Lives,
    /// It is gone, or never was ours.
    Gone,
}

/// Takes note of the end of a child, if it has ended.
pub(crate) fn reap(pid: u32) -> Reaped {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return Reaped::Gone };
    // SAFETY: without a place for a status, no memory is involved.
    let waited = unsafe { libc::waitpid(pid, ptr::null_mut(), libc::WNOHANG) };
    if waited == 0 { Reaped::Lives } else { Reaped::Gone }
}

/// Puts a process group of our session into the foreground of our terminal.
pub(crate) fn give_terminal(group: u32) -> io::Result<()> {
    let terminal = File::options().read(true).write(true).open("/dev/tty")?;
    let group = libc::pid_t::try_from(group).map_err(io::Error::other)?;
    // SAFETY: no memory is involved.
    let result = unsafe { libc::tcsetpgrp(terminal.as_raw_fd(), group) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// How a child is to be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Until it has ended.
    UntilEnded,
    /// Not at all: only look.
    Look,
}

/// How a child ended, taking note of it, so that it is gone afterwards; `None` if it has not ended.
pub(crate) fn wait_ended(pidfd: BorrowedFd<'_>, wait: Wait) -> io::Result<Option<Ended>> {
    let look = if wait == Wait::Look { libc::WNOHANG } else { 0 };
    Ok(waitid(pidfd, libc::WEXITED | look)?.and_then(|change| {
        let status = u8::try_from(change.status & 0xff).unwrap_or(u8::MAX);
        match change.code {
            libc::CLD_EXITED => Some(Ended { exit: Exit::Code(status), core_dumped: false }),
            libc::CLD_KILLED => Some(Ended { exit: Exit::Signal(status), core_dumped: false }),
            libc::CLD_DUMPED => Some(Ended { exit: Exit::Signal(status), core_dumped: true }),
            _ => None,
        }
    }))
}

/// The signal that has stopped a child, if it is stopped now.
pub(crate) fn stopped(pidfd: BorrowedFd<'_>) -> io::Result<Option<Signal>> {
    // Without WNOWAIT, the second look would not see it.
    let change = match waitid(pidfd, libc::WSTOPPED | libc::WNOHANG | libc::WNOWAIT) {
        // For one that has ended and was not reaped, the kernel says that there is no child to wait for.
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(None),
        change => change?,
    };
    Ok(change
        .filter(|change| change.code == libc::CLD_STOPPED)
        .and_then(|change| Signal::from_number(change.status)))
}

/// What waitid says of a child.
struct Change {
    code: i32,
    status: i32,
}

fn waitid(pidfd: BorrowedFd<'_>, options: libc::c_int) -> io::Result<Option<Change>> {
    let id = libc::id_t::try_from(pidfd.as_raw_fd()).map_err(io::Error::other)?;
    loop {
        let mut information = MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: the kernel fills the struct, which is ours.
        let result = unsafe { libc::waitid(libc::P_PIDFD, id, information.as_mut_ptr(), options) };
        if result < 0 {
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted {
                continue;
            }
            return Err(error);
        }
        // SAFETY: it was zeroed, and every bit pattern is a value of this plain struct.
        let information = unsafe { information.assume_init() };
        // SAFETY: waitid fills the fields of SIGCHLD, or leaves the zeros.
        let pid = unsafe { information.si_pid() };
        // SAFETY: the same.
        let status = unsafe { information.si_status() };
        // waitid(2): with WNOHANG, zero says that there is nothing to tell.
        return Ok((pid != 0).then_some(Change { code: information.si_code, status }));
    }
}
