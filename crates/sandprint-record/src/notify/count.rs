//! The answer of a recording: every call goes on, and is counted.

use std::io;
use std::sync::Arc;

use sandprint_sandbox::guardian::Guardian;

use super::ledger::{Ledger, Seen};
use super::serve::{Answerer, Waiting};
use crate::books::Shared;

/// Counts in the ledger, and arms the guardian when the workload begins.
pub(super) struct Counter {
    pub(super) guardian: Arc<Guardian>,
    pub(super) shared: Arc<Shared<Ledger>>,
}

impl Answerer for Counter {
    fn answer(&mut self, waiting: Waiting<'_>) -> io::Result<()> {
        let call = waiting.call();
        // Held until it is counted: who sees that the workload is gone sees all its calls.
        let mut ledger = self.shared.books();
        let seen = ledger.look(&call);
        if seen == Seen::Launch {
            self.guardian.arm()?;
        }
        let found = ledger.find(&call, seen);
        if waiting.go_on()? {
            ledger.count(&call, seen);
            if let Some((key, found)) = found {
                ledger.books.find(key, found);
            }
        }
        if std::mem::take(&mut ledger.books.news) {
            self.shared.tell();
        }
        Ok(())
    }

    fn interrupted(&mut self) {
        self.shared.books().interrupted();
    }

    fn ended(&mut self, failed: Option<io::Error>) {
        match failed {
            Some(error) => self.shared.fail(error),
            None => self.shared.tell(),
        }
    }
}
