//! The answer of a refinement: a refused call is decided about while it waits.

use std::io;
use std::sync::Arc;

use sandprint_model::Next;
use sandprint_model::errno::ENOSYS;
use sandprint_policy::{cbpf, enforce};
use sandprint_record::notify::serve::{Answerer, Waiting};
use sandprint_sandbox::guardian::Orders;
use sandprint_sandbox::process;

use super::findings::{Entered, Entry, Response, Shared};
use crate::asking::Asking;
use crate::draft::Standing;

/// Has calls decided about that nothing but a default refuses.
pub(super) struct Asker {
    pub(super) findings: Shared,
    pub(super) asking: Asking,
    /// What the guardian does, which is kept as it was decided.
    pub(super) orders: Arc<Orders>,
}

impl Answerer for Asker {
    fn answer(&mut self, waiting: Waiting<'_>) -> io::Result<()> {
        let response = self.response(&waiting)?;
        self.findings.send(waiting, response)
    }

    fn ended(&mut self, failed: Option<io::Error>) {
        self.findings.lock().failed = failed;
    }
}

impl Asker {
    fn response(&self, waiting: &Waiting<'_>) -> io::Result<Response> {
        let mut findings = self.findings.lock();
        let (call, is_again) = findings.begin(&waiting.call());
        let standing = self.asking.standing(&call);
        if standing == Standing::Allowed {
            // Since it was decided: the filter in force is older than that.
            return Ok(Response::GoOn);
        }
        Ok(match findings.enter(waiting, call, is_again) {
            Entered::Gone => Response::Fail(ENOSYS),
            // Nor is anybody asked about them: answers would have no end either.
            Entered::Untold { action, .. } if enforce::runs(action) || standing == Standing::Once => {
                Response::GoOn
            }
            Entered::Untold { action, tgid } => findings.answer_as(action, tgid),
            Entered::Denied(entry) if enforce::runs(entry.action) => findings.let_go_on(&entry, Next::Logged),
            Entered::Denied(entry) => match standing {
                Standing::Open => {
                    // Nobody else waits for the findings while somebody thinks.
                    drop(findings);
                    self.decide(waiting, entry)?
                }
                Standing::Allowed | Standing::Once => findings.let_go_on(&entry, Next::Allowed),
                Standing::Refused => findings.refuse(entry),
            },
        })
    }

    /// Has a call decided that was entered.
    fn decide(&self, waiting: &Waiting<'_>, entry: Entry) -> io::Result<Response> {
        let tid = waiting.call().tid;
        // A traced task does not end of a deadly signal before it has its answer.
        let still_waits = || waiting.still_waits() && !process::is_about_to_end(tid);
        let denial = self.findings.lock().denial(&entry);
        if let Some(denial) = denial {
            self.asking.ask(&denial, &still_waits);
        }
        if let Ok(program) = cbpf::compile(&self.asking.unattended()) {
            self.orders.replace(&program.to_bytes())?;
        }
        let mut findings = self.findings.lock();
        Ok(match self.asking.standing(&entry.call) {
            Standing::Allowed | Standing::Once => findings.let_go_on(&entry, Next::Allowed),
            Standing::Refused | Standing::Open => findings.refuse(entry),
        })
    }
}
