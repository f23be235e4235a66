//! A small process that outlives us, so that a workload outlives its recorder.
//!
//! When the last holder of a [`Listener`] is gone, every call of whoever has the filter fails with ENOSYS, for good.
//! So a guardian holds the listener too. It sleeps until this process is gone, whatever ended that; from then on it
//! answers every call as its [`Orders`] say, also the one that this process had received and not answered, until
//! nobody has the filter any more, and ends.
//!
//! It has a session of its own, so no terminal and no job's signal reaches it; it holds nothing but the listener,
//! one end of a pipe and some shared memory; its working directory is the root. What remains: whoever kills it as well
//! (SIGKILL, the kernel out of memory) takes the calls of the workload with it.

mod orders;
mod sys;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use self::orders::Orders;
use crate::notify::{Inbox, Listener, Notification};

/// How long it may take to notice that nobody is left to be guarded.
const TO_END: Duration = Duration::from_secs(1);

/// The guardian of one listener.
///
/// Dropped, it goes on guarding, and takes over when this process ends and not before: until then somebody else
/// here may still answer.
#[derive(Debug)]
pub struct Guardian {
    forked: sys::Forked,
    /// Lives as long as somebody may replace them.
    orders: Arc<Orders>,
    armed: AtomicBool,
}

impl Guardian {
    /// Starts one. `inbox` is where this process receives: what it leaves unanswered there, the guardian answers.
    pub fn start(listener: &Listener, inbox: &Inbox, orders: Arc<Orders>) -> io::Result<Guardian> {
        let forked = sys::fork(listener, inbox, &orders)?;
        Ok(Guardian { forked, orders, armed: AtomicBool::new(false) })
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.forked.pid()
    }

    /// From here on it takes over. Before, it leaves with us: what has not executed yet is not to begin without us.
    pub fn arm(&self) -> io::Result<()> {
        self.forked.arm()?;
        self.armed.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Answers a received call in this process as the guardian would after our end: armed, as the orders say, and
    /// before, as the kernel does where nobody is left. For when what was to answer here cannot any more.
    pub fn answer(&self, listener: &Listener, inbox: &mut Inbox, call: &Notification) {
        if self.armed.load(Ordering::SeqCst) {
            sys::answer(listener, &self.orders, call);
        } else {
            sys::refuse_as_nobody(listener, call);
        }
        inbox.clear();
    }

    /// Waits for its end, which comes by itself once nobody has the filter any more.
    pub fn wait_ended(&self) -> io::Result<()> {
        self.forked.wait(TO_END)
    }

    /// Has it take over at once, as it would after our end.
    #[cfg(test)]
    pub(crate) fn abandon(self) {
        self.forked.abandon();
    }
}
