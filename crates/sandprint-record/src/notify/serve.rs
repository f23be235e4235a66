//! The thread that answers: receive a call, look it up, let it go on, count it.

use std::io;
use std::sync::Arc;
use std::thread;

use sandprint_sandbox::guardian::Guardian;
use sandprint_sandbox::notify::{Inbox, Listener};

use super::ledger::{Ledger, Seen};
use crate::books::{Ending, Shared};

/// Starts the thread. It answers until nobody has the filter any more, or until this process ends.
pub(super) fn start(
    listener: Listener,
    inbox: Inbox,
    guardian: Arc<Guardian>,
    shared: Arc<Shared<Ledger>>,
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

fn serve(
    listener: &Listener,
    mut inbox: Inbox,
    guardian: &Guardian,
    shared: &Shared<Ledger>,
) -> io::Result<()> {
    loop {
        let Some(notification) = listener.receive(&mut inbox)? else {
            if listener.is_hung_up()? {
                return Ok(());
            }
            shared.books().interrupted();
            continue;
        };
        // Held until it is counted: who sees that the workload is gone sees all its calls.
        let mut ledger = shared.books();
        let seen = ledger.look(&notification);
        if seen == Seen::Launch {
            guardian.arm()?;
        }
        if listener.go_on(&mut inbox, &notification)? {
            ledger.count(&notification, seen);
        }
        if std::mem::take(&mut ledger.books.news) {
            shared.tell();
        }
    }
}
