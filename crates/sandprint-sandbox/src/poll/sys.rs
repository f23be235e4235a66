//! ppoll(2).
#![expect(unsafe_code, reason = "std has no poll")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::ptr;
use std::time::Duration;

pub(super) fn readable<const N: usize>(
    descriptors: [BorrowedFd<'_>; N],
    timeout: Option<Duration>,
) -> io::Result<[bool; N]> {
    let mut polled =
        descriptors.map(|fd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 });
    let length = libc::nfds_t::try_from(N).map_err(|_too_many| io::Error::from_raw_os_error(libc::EINVAL))?;
    let timeout = timeout.map(|duration| libc::timespec {
        // A wait of more than 292,000,000,000 years is as good as that long.
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    });
    let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: `polled` holds `length` entries and, like `timeout`, outlives the call.
    let count = unsafe { libc::ppoll(polled.as_mut_ptr(), length, timeout, ptr::null()) };
    if count >= 0 {
        return Ok(polled.map(|entry| entry.revents != 0));
    }
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::Interrupted { Ok([false; N]) } else { Err(error) }
}
