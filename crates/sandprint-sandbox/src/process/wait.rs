//! What becomes of children: waitid(2) and waitpid(2).

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::io::{Errno, retry_on_intr};
use rustix::process::{WaitId, WaitIdOptions, WaitIdStatus, WaitOptions, waitid, waitpid};
use sandprint_model::Exit;

use super::{Ended, number};
use crate::poll;
use crate::signals::Signal;

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
    let Some(pid) = number(pid) else { return Reaped::Gone };
    match waitpid(Some(pid), WaitOptions::NOHANG) {
        Ok(None) => Reaped::Lives,
        Ok(Some(_)) | Err(_) => Reaped::Gone,
    }
}

/// Waits for the end of a helper, a child of ours without a signal for its end, and takes note of that; whether it has
/// ended.
pub(crate) fn wait_for_helper(pidfd: BorrowedFd<'_>, timeout: Duration) -> io::Result<bool> {
    /// `__WALL`, for children that tell nobody of their end.
    const ALL: WaitIdOptions = WaitIdOptions::from_bits_retain(libc::__WALL.cast_unsigned());

    let [ended] = poll::readable([pidfd], Some(timeout))?;
    if ended {
        waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED | ALL).map(drop).unwrap_or_default();
    }
    Ok(ended)
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
    let look = if wait == Wait::Look { WaitIdOptions::NOHANG } else { WaitIdOptions::empty() };
    Ok(ask(pidfd, WaitIdOptions::EXITED | look)?.and_then(|status| ended(&status)))
}

fn ended(status: &WaitIdStatus) -> Option<Ended> {
    let byte = |status: i32| u8::try_from(status & 0xff).unwrap_or(u8::MAX);
    if let Some(code) = status.exit_status() {
        return Some(Ended { exit: Exit::Code(byte(code)), core_dumped: false });
    }
    let exit = Exit::Signal(byte(status.terminating_signal()?));
    Some(Ended { exit, core_dumped: status.dumped() })
}

/// The signal that has stopped a child, if it is stopped now.
pub(crate) fn stopped(pidfd: BorrowedFd<'_>) -> io::Result<Option<Signal>> {
    // Without WNOWAIT, the second look would not see it.
    let look = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match ask(pidfd, look) {
        Ok(status) => Ok(status.and_then(|status| Signal::from_number(status.stopping_signal()?))),
        // For one that has ended and was not reaped, the kernel says that there is no child to wait for.
        Err(Errno::CHILD) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn ask(pidfd: BorrowedFd<'_>, options: WaitIdOptions) -> Result<Option<WaitIdStatus>, Errno> {
    retry_on_intr(|| waitid(WaitId::PidFd(pidfd), options))
}
