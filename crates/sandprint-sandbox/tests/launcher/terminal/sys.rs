//! A pseudo-terminal.
#![expect(unsafe_code, reason = "std makes no terminals")]

use std::ffi::{CStr, OsStr, c_char};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// The side of the one who types, and the path of the side of the programs.
pub(super) fn open() -> io::Result<(File, PathBuf)> {
    let check = |result: i32| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) };
    // SAFETY: no memory is involved.
    let master = check(unsafe { libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC) })?;
    // SAFETY: it was just made, and nobody else knows it.
    let master = unsafe { OwnedFd::from_raw_fd(master) };
    // SAFETY: no memory is involved.
    check(unsafe { libc::grantpt(master.as_raw_fd()) })?;
    // SAFETY: no memory is involved.
    check(unsafe { libc::unlockpt(master.as_raw_fd()) })?;
    let mut name: [c_char; 128] = [0; 128];
    // SAFETY: there is room for as much as the call is told.
    let error = unsafe { libc::ptsname_r(master.as_raw_fd(), name.as_mut_ptr(), name.len()) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    // SAFETY: the call has put a C string there.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) };
    Ok((File::from(master), PathBuf::from(OsStr::from_bytes(name.to_bytes()))))
}
