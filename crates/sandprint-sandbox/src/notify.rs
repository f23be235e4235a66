//! Seccomp user notification: every system call of a workload is reported, and then goes on.
//!
//! A launch with a filter ([`Launch::notified`](crate::launch::Launch)) installs it in the child, right before the
//! child reports that it is ready; the [`Listener`] comes with that report. The filter reports every call of every
//! ABI to the listener, but for two kinds:
//!
//! - the few that the child still makes itself: these carry a key, 128 random bits in arguments that their calls
//!   do not have. The execve drops the key with all memory and registers.
//! - the return from a signal handler (`rt_sigreturn`). A signal that comes before a notification is received ends the
//!   wait; where its handler was set without `SA_RESTART`, the call then fails with EINTR. Any other call can: a
//!   return that returns runs into whatever lies behind it in memory.
//!
//! Kernel facts: `seccomp_unotify(2)`; `SECCOMP_USER_NOTIF_FLAG_CONTINUE` since 5.5.

mod heard;
mod sys;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub use heard::{Answered, Heard};
pub(crate) use sys::{Filter, install, receive, refuse, still_waits};
pub use sys::{Inbox, is_available};

/// Whether the kernel refuses a filter with these flags (seccomp(2)) whatever the program, and whoever asks.
pub fn refuses_flags(flags: u32) -> bool {
    crate::seccomp::try_filter(flags.into()) == libc::EINVAL
}

/// 128 random bits: a call with these in its fourth and fifth argument is the child's own, and not reported.
#[derive(Clone, Copy)]
pub(crate) struct Key([u8; 16]);

impl Key {
    /// The two arguments.
    pub(crate) fn arguments(self) -> [u64; 2] {
        let [low, high, low2, high2] = self.words().map(u64::from);
        [high << 32 | low, high2 << 32 | low2]
    }

    /// The same, in words from low to high.
    fn words(self) -> [u32; 4] {
        let mut words = [0; 4];
        let (chunks, _none) = self.0.as_chunks();
        for (word, chunk) in words.iter_mut().zip(chunks) {
            *word = u32::from_le_bytes(*chunk);
        }
        words
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

/// A call that waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notification {
    /// What the answer is addressed to.
    pub id: u64,
    /// The calling thread, as this process's PID namespace numbers it; 0 where that does not see it.
    pub tid: u32,
    /// `AUDIT_ARCH_*` of the call (linux/audit.h): which entry into the kernel was taken.
    pub audit_arch: u32,
    /// The number, with x32's bit where that is set.
    pub nr: u32,
    /// The address of the instruction after the call.
    pub instruction_pointer: u64,
    /// The arguments.
    pub args: [u64; 6],
}

/// Which calls of a launch are reported to its [`Listener`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported {
    /// Every one.
    Every,
    /// Those that a classic BPF program answers with `SECCOMP_RET_USER_NOTIF`; it decides all others. 8 bytes an
    /// instruction, as `struct sock_filter` lies in memory.
    Program(Vec<u8>),
}

/// Where the notifications of one filter arrive.
///
/// There may be several holders. When the last one is gone, every call of whoever has the filter fails with
/// ENOSYS: see [`Guardian`](crate::guardian::Guardian).
#[derive(Debug)]
pub struct Listener {
    descriptor: OwnedFd,
    /// Whether a task that is waiting for its answer is woken by signals that end it, and by no others.
    killable: bool,
    /// Where it is noted which calls go on, for a tracer.
    heard: Option<Arc<Heard>>,
}

impl Listener {
    pub(crate) fn new(descriptor: OwnedFd, killable: bool) -> Listener {
        Listener { descriptor, killable, heard: None }
    }

    /// From now on, whoever answers notes there which calls go on.
    pub fn note_in(&mut self, heard: Arc<Heard>) {
        self.heard = Some(heard);
    }

    /// Whether a received call waits undisturbed by signals that do not end its task
    /// (`SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`, 5.19). Where not, a call may be reported twice.
    pub fn is_killable(&self) -> bool {
        self.killable
    }

    /// Has sender and receiver take turns on one CPU (`SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`, 6.6); false where the
    /// kernel cannot.
    pub fn wake_synchronously(&self) -> bool {
        sys::wake_synchronously(self.descriptor.as_fd()).is_ok()
    }

    /// Waits for the next call. `None` if a task was interrupted before its call could be received, or, from 6.11
    /// on, if nobody has the filter any more ([`Listener::is_hung_up`]); before 6.11 nothing ends that wait.
    pub fn receive(&self, inbox: &mut Inbox) -> io::Result<Option<Notification>> {
        sys::receive(self.descriptor.as_fd(), inbox)
    }

    /// Lets a call go on. False if its task has been ended or interrupted meanwhile: the call is not made.
    pub fn go_on(&self, inbox: &mut Inbox, notification: &Notification) -> io::Result<bool> {
        let sent = self.let_go_on(notification);
        inbox.clear();
        sent
    }

    /// The same. Allocates nothing.
    pub(crate) fn let_go_on(&self, notification: &Notification) -> io::Result<bool> {
        let send = || sys::go_on(self.descriptor.as_fd(), notification.id);
        match &self.heard {
            Some(heard) => heard.let_go_on(notification.tid, send),
            None => send(),
        }
    }

    /// Has a call fail with an errno, 1 to 4095, instead of being made. False if its task has been ended or interrupted
    /// meanwhile.
    pub fn refuse(&self, inbox: &mut Inbox, notification: &Notification, errno: u16) -> io::Result<bool> {
        let sent = sys::refuse(self.descriptor.as_fd(), notification.id, errno);
        inbox.clear();
        sent
    }

    /// Whether a call still waits for its answer: whatever was read of its task in the meantime was the task's.
    pub fn still_waits(&self, notification: &Notification) -> bool {
        sys::still_waits(self.descriptor.as_fd(), notification.id)
    }

    /// Whether nobody has the filter any more. A task that has ended counts until it is reaped, before 6.11.
    pub fn is_hung_up(&self) -> io::Result<bool> {
        let mut polled = [PollFd::new(&self.descriptor, PollFlags::empty())];
        poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
        let [entry] = polled;
        Ok(entry.revents().contains(PollFlags::HUP))
    }

    /// Another handle of the same listener.
    pub fn try_clone(&self) -> io::Result<Listener> {
        Ok(Listener {
            descriptor: self.descriptor.try_clone()?,
            killable: self.killable,
            heard: self.heard.clone(),
        })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests;
