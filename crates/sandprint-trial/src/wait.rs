//! Waiting for a workload to end, with the rules for signals that every launch has.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::Duration;

use sandprint_model::Exit;
use sandprint_sandbox::foreground::Foreground;
use sandprint_sandbox::launch::Running;
use sandprint_sandbox::{poll, process};

use crate::verify::VerifyError;

/// How long a tree may go on after its first process before it is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Waits until the first process has ended and `is_over` says that the rest of its tree has. A signal that comes to
/// us after the first process has ended stops the waiting.
pub(crate) fn until_ended(
    running: &mut Running,
    foreground: &mut Foreground,
    mut attend: impl FnMut() -> Result<bool, VerifyError>,
) -> Result<Exit, VerifyError> {
    let ours = running.pid();
    let in_tree = |pid| process::descends(pid, ours);
    let mut exit = None;
    loop {
        if foreground.attend(Some(running), in_tree)?.is_some() {
            return Err(VerifyError::Interrupted);
        }
        if exit.is_none() {
            exit = running.try_wait()?.map(|ended| ended.exit);
        }
        let over = attend()?;
        if let (Some(exit), true) = (exit, over) {
            return Ok(exit);
        }
        let end: BorrowedFd<'_> = if exit.is_none() { running.end() } else { foreground.as_fd() };
        poll::readable([foreground.as_fd(), end], Some(LOOK_AGAIN)).map_err(VerifyError::Wait)?;
    }
}
