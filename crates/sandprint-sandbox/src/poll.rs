//! Waiting until one of several file descriptors can be read.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Which of `descriptors` can be read now, waiting until one can or until `timeout` is over (`None`: for
/// as long as it takes).
///
/// A descriptor that has been hung up or is in error counts as readable: reading it says so. A pidfd is
/// readable once its process has ended, [`Signals`](crate::signals::Signals) once a signal has come.
/// All `false` means that the time was over, or that a signal handler interrupted the wait.
pub fn readable<const N: usize>(
    descriptors: [BorrowedFd<'_>; N],
    timeout: Option<Duration>,
) -> io::Result<[bool; N]> {
    let mut polled = descriptors.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    let timeout = timeout.map(|duration| Timespec {
        // A wait of more than 292,000,000,000 years is as good as that long.
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    });
    match poll(&mut polled, timeout.as_ref()) {
        Ok(_) => Ok(polled.map(|entry| !entry.revents().is_empty())),
        Err(Errno::INTR) => Ok([false; N]),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Write as _, pipe};
    use std::os::fd::AsFd as _;

    #[test]
    fn only_what_can_be_read_is_reported() {
        let (empty, _keeps_it_open) = pipe().unwrap();
        let (full, mut writer) = pipe().unwrap();
        writer.write_all(b"x").unwrap();
        let (hung_up, closed) = pipe().unwrap();
        drop(closed);
        let ready = readable([empty.as_fd(), full.as_fd(), hung_up.as_fd()], None).unwrap();
        assert_eq!(ready, [false, true, true]);
        assert_eq!(readable([empty.as_fd()], Some(Duration::ZERO)).unwrap(), [false]);
        assert_eq!(readable([empty.as_fd()], Some(Duration::from_micros(1))).unwrap(), [false]);
    }
}
