//! Filters of a process, by ptrace(2), which the standard library does not wrap.
#![expect(unsafe_code, reason = "ptrace(2) has no safe wrapper")]

use std::io;
use std::ptr;

/// `PTRACE_SECCOMP_GET_FILTER` (linux/ptrace.h), since Linux 4.4: `addr` is which filter, from 0, the oldest;
/// `data` the array that takes it, or null to ask how many instructions it has.
const GET_FILTER: libc::c_uint = 0x420c;

/// `struct sock_filter` as eight bytes.
type Instruction = [u8; 8];

/// The filters of a process, oldest first, each as the kernel keeps it.
///
/// The process stops meanwhile. Only root of the first user namespace may ask, and only if it has no filter itself.
pub(super) fn filters(pid: u32) -> io::Result<Vec<Vec<Instruction>>> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: PTRACE_SEIZE takes numbers only.
    checked(unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0_usize, 0_usize) })?;
    let read = stopped_filters(pid);
    // SAFETY: PTRACE_DETACH takes numbers only.
    checked(unsafe { libc::ptrace(libc::PTRACE_DETACH, pid, 0_usize, 0_usize) })?;
    read
}

fn stopped_filters(pid: libc::pid_t) -> io::Result<Vec<Vec<Instruction>>> {
    // SAFETY: PTRACE_INTERRUPT takes numbers only.
    checked(unsafe { libc::ptrace(libc::PTRACE_INTERRUPT, pid, 0_usize, 0_usize) })?;
    // SAFETY: a null pointer for the status is allowed, wait4(2).
    let waited = unsafe { libc::waitpid(pid, ptr::null_mut(), libc::__WALL) };
    checked(libc::c_long::from(waited))?;
    let mut all = Vec::new();
    loop {
        // SAFETY: with a null array, the kernel writes nothing.
        let length =
            checked(unsafe { libc::ptrace(GET_FILTER, pid, all.len(), ptr::null_mut::<Instruction>()) });
        let length = match length {
            Ok(length) => usize::try_from(length).map_err(io::Error::other)?,
            // There are no more: ENOENT; or none at all: EINVAL.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINVAL)) => {
                return Ok(all);
            }
            Err(error) => return Err(error),
        };
        let mut filter: Vec<Instruction> = vec![[0; 8]; length];
        // SAFETY: the array has room for as many instructions as the kernel has just said; filters never change.
        checked(unsafe { libc::ptrace(GET_FILTER, pid, all.len(), filter.as_mut_ptr()) })?;
        all.push(filter);
    }
}

fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
