//! The one loop that answers seccomp notifications: receive a call, have it answered, and again.
//!
//! Who answers is an [`Answerer`]; it may count, explain, ask somebody. Whatever becomes of it, no call is left waiting:
//! one that it did not answer, and after an error or a panic every later one, is answered as the [`Guardian`] would.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sandprint_sandbox::guardian::Guardian;
use sandprint_sandbox::notify::{Inbox, Listener, Notification};

/// How long receiving rests after an error that may pass, such as a want of memory.
const REST: Duration = Duration::from_millis(10);

/// Who answers.
pub trait Answerer: Send + 'static {
    /// Answers a call, while its task waits. After an error nothing more is asked here.
    fn answer(&mut self, waiting: Waiting<'_>) -> io::Result<()>;

    /// A task was interrupted before its call could be received.
    fn interrupted(&mut self) {}

    /// It is over: nobody has the filter any more, or answering failed, and the guardian's orders answer from now on.
    fn ended(&mut self, failed: Option<io::Error>);
}

/// A call that waits for its answer. Dropped without one, it is answered as the guardian would.
#[derive(Debug)]
pub struct Waiting<'a> {
    call: Notification,
    listener: &'a Listener,
    inbox: &'a mut Inbox,
    guardian: &'a Guardian,
    is_answered: bool,
}

impl Waiting<'_> {
    /// The call.
    pub fn call(&self) -> Notification {
        self.call
    }

    /// Whether it still waits: whatever was read of its task in the meantime was the task's.
    pub fn still_waits(&self) -> bool {
        self.listener.still_waits(&self.call)
    }

    /// Lets it go on. False if its task has been ended or interrupted meanwhile: the call is not made.
    pub fn go_on(mut self) -> io::Result<bool> {
        let sent = self.listener.go_on(self.inbox, &self.call);
        self.is_answered = sent.is_ok();
        sent
    }

    /// Has it fail with an errno, 1 to 4095, instead of being made. False if its task has been ended or interrupted
    /// meanwhile.
    pub fn refuse(mut self, errno: u16) -> io::Result<bool> {
        let sent = self.listener.refuse(self.inbox, &self.call, errno);
        self.is_answered = sent.is_ok();
        sent
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.guardian.answer(self.listener, self.inbox, &self.call);
        }
    }
}

/// Starts a thread of that name that answers until nobody has the filter any more, or until this process ends. `inbox` is
/// the one that the guardian knows.
pub fn start(
    name: &str,
    listener: Listener,
    inbox: Inbox,
    guardian: Arc<Guardian>,
    mut answerer: impl Answerer,
) -> io::Result<()> {
    let mut inbox = inbox;
    let serve = move || {
        let served =
            panic::catch_unwind(AssertUnwindSafe(|| serve(&listener, &mut inbox, &guardian, &mut answerer)));
        let failed = match served {
            Ok(served) => served.err(),
            Err(_) => Some(io::Error::other("the answering thread panicked")),
        };
        let is_over = failed.is_none();
        // Who panicked may do so again: what is left to be done is done all the same.
        drop(panic::catch_unwind(AssertUnwindSafe(|| answerer.ended(failed))));
        if !is_over {
            stand_in(&listener, &mut inbox, &guardian);
        }
    };
    thread::Builder::new().name(name.to_owned()).spawn(serve).map(drop)
}

fn serve(
    listener: &Listener,
    inbox: &mut Inbox,
    guardian: &Guardian,
    answerer: &mut impl Answerer,
) -> io::Result<()> {
    loop {
        match listener.receive(inbox)? {
            Some(call) => {
                answerer.answer(Waiting { call, listener, inbox, guardian, is_answered: false })?;
            }
            None if listener.is_hung_up()? => return Ok(()),
            None => answerer.interrupted(),
        }
    }
}

/// Answers as the guardian would, which takes over only when this process ends.
fn stand_in(listener: &Listener, inbox: &mut Inbox, guardian: &Guardian) {
    loop {
        match listener.receive(inbox) {
            Ok(Some(call)) => guardian.answer(listener, inbox, &call),
            Ok(None) if listener.is_hung_up().unwrap_or(true) => return,
            Ok(None) => {}
            Err(_) => thread::sleep(REST),
        }
    }
}

#[cfg(test)]
mod tests;
