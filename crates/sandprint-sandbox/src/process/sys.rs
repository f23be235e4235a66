//! Signals of any number: `pidfd_send_signal(2)` and killpg(3), which rustix has for those with a name alone.
#![expect(unsafe_code, reason = "no safe wrapper takes real-time signals")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::ptr;

use crate::signals::Signal;

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
