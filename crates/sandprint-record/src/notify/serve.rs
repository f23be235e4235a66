//! The thread that answers: receive a call, look it up, let it go on, count it.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use sandprint_sandbox::guardian::Guardian;
use sandprint_sandbox::notify::{Inbox, Listener};

use super::ledger::{Ledger, Seen};

/// What the thread and the recorder share.
#[derive(Debug)]
pub(super) struct Shared {
    ledger: Mutex<Ledger>,
    /// Readable when there is news: an image to be looked into, or the thread's end.
    news: OwnedFd,
    failed: Mutex<Option<io::Error>>,
}

impl Shared {
    pub(super) fn new(ledger: Ledger) -> io::Result<Shared> {
        let flags = rustix::event::EventfdFlags::CLOEXEC | rustix::event::EventfdFlags::NONBLOCK;
        let news = rustix::event::eventfd(0, flags)?;
        Ok(Shared { ledger: Mutex::new(ledger), news, failed: Mutex::new(None) })
    }

    /// The books. What holds the lock answers nobody: nothing that may wait for the workload.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn news(&self) -> rustix::fd::BorrowedFd<'_> {
        self.news.as_fd()
    }

    /// Takes note of the news.
    pub(super) fn heard(&self) {
        // Nothing to read: no news.
        rustix::io::read(&self.news, &mut [0_u8; 8]).unwrap_or_default();
    }

    /// Why the thread ended, if it failed.
    pub(super) fn failure(&self) -> Option<io::Error> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn tell(&self) {
        // It fails only where news have not been heard yet 2^64 times.
        rustix::io::write(&self.news, &1_u64.to_ne_bytes()).unwrap_or_default();
    }

    fn fail(&self, error: io::Error) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        self.tell();
    }
}

/// Tells of a thread that ends without saying why: every call would wait for it.
struct Ending<'a>(&'a Shared);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail(io::Error::other("the answering thread panicked"));
        }
    }
}

/// Starts the thread. It answers until nobody has the filter any more, or until this process ends.
pub(super) fn start(
    listener: Listener,
    inbox: Inbox,
    guardian: Arc<Guardian>,
    shared: Arc<Shared>,
) -> io::Result<()> {
    let serve = move || {
        let ending = Ending(&shared);
        if let Err(error) = serve(&listener, inbox, &guardian, &shared) {
            shared.fail(error);
        }
        shared.tell();
        drop(ending);
    };
    thread::Builder::new().name("notifications".to_owned()).spawn(serve).map(drop)
}

fn serve(listener: &Listener, mut inbox: Inbox, guardian: &Guardian, shared: &Shared) -> io::Result<()> {
    loop {
        let Some(notification) = listener.receive(&mut inbox)? else {
            if listener.is_hung_up()? {
                return Ok(());
            }
            shared.ledger().interrupted();
            continue;
        };
        // Held until it is counted: who sees that the workload is gone sees all its calls.
        let mut ledger = shared.ledger();
        let seen = ledger.look(&notification);
        if seen == Seen::Launch {
            guardian.arm()?;
        }
        if listener.go_on(&mut inbox, &notification)? {
            ledger.count(&notification, seen);
        }
        if std::mem::take(&mut ledger.news) {
            shared.tell();
        }
    }
}
