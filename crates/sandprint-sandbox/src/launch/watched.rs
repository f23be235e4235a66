//! What a tracer in this process knows of a child of this process.
//!
//! The kernel tells stops and the end of a child once, to the tracer where there is one in its parent (ptrace(2)); so
//! whoever holds the child asks here instead.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::process::{self, Ended};
use crate::signals::Signal;
use crate::signals::sys::{eventfd, raise_event, tell_no_stops};

/// How a traced child is.
#[derive(Debug)]
pub struct Watched {
    state: Mutex<State>,
    /// Readable once it has ended, or is not traced any more.
    over: OwnedFd,
}

#[derive(Debug, Clone, Copy)]
struct State {
    stopped: Option<Signal>,
    end: End,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    /// It lives.
    Lives,
    /// It has ended.
    Ended(Ended),
    /// Nobody traces it: the kernel tells.
    Untraced,
}

impl Watched {
    /// Of a child that lives, is not stopped, and will be traced. Stops of children are not told to this process by
    /// SIGCHLD any more: there is one at every call.
    pub fn new() -> io::Result<Watched> {
        tell_no_stops()?;
        Ok(Watched { state: Mutex::new(State { stopped: None, end: End::Lives }), over: eventfd()? })
    }

    /// It is stopped by this signal, or goes on.
    pub fn stopped(&self, signal: Option<Signal>) {
        let before = std::mem::replace(&mut self.state().stopped, signal);
        if signal.is_some() && before != signal {
            // Whoever looks at stops does so when the kernel says that there may be one. It cannot fail.
            process::kill_process(std::process::id(), Signal::CHLD).map(drop).unwrap_or_default();
        }
    }

    /// It has ended.
    pub fn ended(&self, ended: Ended) {
        self.end(End::Ended(ended));
    }

    /// It is not traced any more.
    pub fn left(&self) {
        self.end(End::Untraced);
    }

    fn end(&self, end: End) {
        let mut state = self.state();
        if let End::Lives = state.end {
            *state = State { stopped: None, end };
            raise_event(self.over.as_raw_fd());
        }
    }

    pub(super) fn is_stopped(&self) -> Option<Signal> {
        self.state().stopped
    }

    pub(super) fn how_it_ended(&self) -> End {
        self.state().end
    }

    /// Whether this knows more than the kernel would tell.
    pub(super) fn is_traced(&self) -> bool {
        !matches!(self.how_it_ended(), End::Untraced)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.over.as_fd()
    }
}
