//! The call seccomp(2), and the prctl(2) that goes before it.
#![expect(unsafe_code, reason = "neither std nor rustix wraps seccomp")]

use std::ffi::{c_long, c_ulong};
use std::io;
use std::ptr;

/// The errno of a call that has failed, else 0.
pub(crate) fn errno_of(result: c_long) -> i32 {
    // Only a number inside: nothing is allocated.
    if result < 0 { io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO) } else { 0 }
}

/// `PR_SET_NO_NEW_PRIVS`.
pub(crate) fn no_new_privileges() -> i32 {
    // SAFETY: no memory is involved.
    errno_of(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())
}

/// Installs a program in this thread, `struct sock_filter` each as it lies in memory: what seccomp(2) returns, or the
/// errno.
pub(crate) fn install(instructions: &[u64], flags: c_ulong) -> Result<i64, i32> {
    let length = u16::try_from(instructions.len()).map_err(|_too_long| libc::EINVAL)?;
    // The kernel only reads it.
    let program = libc::sock_fprog { len: length, filter: instructions.as_ptr().cast_mut().cast() };
    // SAFETY: the program's address and length are of one slice of words, each of the size of an instruction and
    // aligned for it; both live through the call.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, ptr::from_ref(&program))
    };
    if result < 0 { Err(errno_of(result)) } else { Ok(result) }
}

/// Asks for a filter without a program: EFAULT where filters and these flags are known, and nothing is installed.
pub(crate) fn try_filter(flags: c_ulong) -> i32 {
    let no_program = ptr::null::<libc::sock_fprog>();
    // SAFETY: the kernel is given no memory to read.
    errno_of(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, no_program) })
}

/// `SECCOMP_GET_ACTION_AVAIL`.
pub(crate) fn action_available(action: u32) -> i32 {
    // SAFETY: the kernel reads one word of ours.
    errno_of(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, ptr::from_ref(&action))
    })
}
