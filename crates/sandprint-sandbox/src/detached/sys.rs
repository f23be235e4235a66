//! The fork of a helper, and how it is left alone.
#![expect(unsafe_code, reason = "fork without execve")]

use std::ffi::{CStr, c_int};
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::signals::SignalSet;
use crate::signals::sys::{block, keep_exit_statuses, set_mask};

pub(super) fn start(name: &CStr, work: impl FnOnce(&OwnedFd)) -> io::Result<(OwnedFd, u32)> {
    let (ours, theirs) = socket_pair()?;
    // It is to hear no signal, and no handler of ours is to run in it.
    let mask = block(SignalSet::ALL)?;
    // SAFETY: there are no other threads (see `start` of the module above), and the C library's fork makes its
    // allocator usable in the child.
    let child = unsafe { libc::fork() };
    if child == 0 {
        help(name, work, &theirs);
    }
    let error = io::Error::last_os_error();
    set_mask(mask)?;
    let pid = u32::try_from(child).map_err(|_negative| error)?;
    Ok((ours, pid))
}

fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends: [c_int; 2] = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: there is room for the two descriptors.
    if unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made them, and nobody else knows them.
    Ok(ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) }).into())
}

/// Has a process of its own do `work`, from a helper, which has no other threads: a child, whose end this takes note of
/// when the next is started.
pub fn beside(work: impl FnOnce()) -> io::Result<()> {
    // Whoever waits for what it traces is not told if ends are ignored.
    keep_exit_statuses()?;
    // SAFETY: no memory is involved.
    while unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } > 0 {}
    // SAFETY: there are no other threads, and the C library's fork makes its allocator usable in the child.
    let child = unsafe { libc::fork() };
    if child == 0 {
        end_after(work);
    }
    if child < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn end_after(work: impl FnOnce()) -> ! {
    // It has nobody to tell.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_default();
    // SAFETY: no memory is involved.
    unsafe { libc::_exit(0) }
}

fn help(name: &CStr, work: impl FnOnce(&OwnedFd), socket: &OwnedFd) -> ! {
    // SAFETY: no memory is involved.
    unsafe { libc::setsid() };
    // SAFETY: the path is a C string.
    unsafe { libc::chdir(c"/".as_ptr()) };
    // SAFETY: the name is a C string.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    let ours = socket.as_raw_fd();
    close_range(0, ours - 1);
    close_range(ours + 1, RawFd::MAX);
    end_after(|| {
        work(socket);
        // Those beside it end when what they are for has ended; nobody else takes note of that where the first process
        // of a container does not.
        // SAFETY: no memory is involved.
        while unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) } > 0 {}
    })
}

/// Closes what others may wait for the end of: pipes, terminals.
fn close_range(first: RawFd, last: RawFd) {
    if first <= last {
        // SAFETY: nothing here uses them any more. Since 5.9, and 5.10 is the oldest kernel that we are for.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    }
}
