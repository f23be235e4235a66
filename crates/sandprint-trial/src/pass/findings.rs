//! What a pass finds whose calls are reported to us: the thread that answers enters it, and the one that waits reads it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sandprint_model::errno::ENOSYS;
use sandprint_model::{Action, Arch, Call, Denial, Next, Policy, Syscall};
use sandprint_policy::suggest::smallest_rule;
use sandprint_record::notify::serve::Waiting;
use sandprint_sandbox::notify::Notification;
use sandprint_sandbox::process::{self, Process};
use sandprint_sandbox::signals::Signal;

use super::WENT_ON;
use crate::denials::{Denials, Kind};
use crate::origin::Origins;

/// What both threads share.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<Mutex<Findings>>);

impl Shared {
    pub(super) fn new(findings: Findings) -> Shared {
        Shared(Arc::new(Mutex::new(findings)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Findings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends an answer. What nobody waited for any more is noted.
    pub(super) fn send(&self, waiting: Waiting<'_>, response: Response) -> io::Result<()> {
        let call = waiting.call();
        let sent = match response {
            Response::GoOn => waiting.go_on()?,
            Response::Fail(errno) => waiting.refuse(errno)?,
        };
        if !sent {
            // Unless that signal ends it, the task makes the call again, which is one.
            self.lock().came_too_late(&call);
        }
        Ok(())
    }
}

/// What was found.
#[derive(Debug)]
pub(super) struct Findings {
    policy: Policy,
    arch: Arch,
    first: u32,
    origins: Origins,
    pub(super) denials: Denials,
    /// Processes of which it is not known yet what they did after a denial.
    pending: Vec<Pending>,
    /// Calls whose answer came after a signal, by task: number, arguments and place.
    too_late: BTreeMap<u32, Made>,
    /// Whether the last call is among those that are counted.
    is_counted: bool,
    /// Whether signals were sent in a filter's place.
    pub(super) approximated: bool,
    pub(super) failed: Option<io::Error>,
}

/// What a call has in common with itself when it is made again: number, arguments and place.
#[derive(Debug, PartialEq, Eq)]
struct Made(u32, [u64; 6], u64);

impl Made {
    fn by(notification: &Notification) -> Made {
        Made(notification.nr, notification.args, notification.instruction_pointer)
    }
}

#[derive(Debug)]
struct Pending {
    kind: Kind,
    tgid: u32,
    process: Process,
    since: Instant,
}

/// How a call is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Response {
    GoOn,
    Fail(u16),
}

/// A call that was looked into.
#[derive(Debug)]
pub(super) enum Entered {
    /// Its task waits no more: what was read may be another's.
    Gone,
    /// There was no room for its kind, and it was only counted.
    Untold {
        action: Action,
        tgid: u32,
    },
    Denied(Entry),
}

/// A call that was entered.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) call: Call,
    /// What the policy says.
    pub(super) action: Action,
    pub(super) kind: Kind,
    pub(super) tgid: u32,
    /// Whether it is the first of its kind.
    pub(super) is_new: bool,
}

impl Findings {
    /// Nothing yet, under that policy, of the tree of that first process.
    pub(super) fn new(policy: Policy, arch: Arch, first: u32) -> Findings {
        Findings {
            policy,
            arch,
            first,
            origins: Origins::default(),
            denials: Denials::default(),
            pending: Vec::new(),
            too_late: BTreeMap::new(),
            is_counted: false,
            approximated: false,
            failed: None,
        }
    }

    /// What a task calls, and whether it makes that call again whose answer came too late.
    pub(super) fn begin(&mut self, notification: &Notification) -> (Call, bool) {
        let syscall = Syscall::entered(self.arch, notification.audit_arch, notification.nr);
        let is_again = self.too_late.remove(&notification.tid) == Some(Made::by(notification));
        self.is_counted = is_again;
        (Call { syscall, args: notification.args }, is_again)
    }

    /// Looks into a refused call, and enters it.
    pub(super) fn enter(&mut self, waiting: &Waiting<'_>, call: Call, is_again: bool) -> Entered {
        let notification = waiting.call();
        let action = self.policy.calls.decide(&call);
        let origin = self.origins.look(notification.tid, self.first, notification.instruction_pointer);
        if !waiting.still_waits() {
            // Its number may be another task's by now: what was read says nothing.
            return Entered::Gone;
        }
        let tgid = origin.tgid;
        for pending in &self.pending {
            if pending.tgid == tgid
                && let Some(denial) = self.denials.get_mut(&pending.kind)
            {
                denial.next = Next::WentOn;
            }
        }
        self.pending.retain(|pending| pending.tgid != tgid);
        let denial = Denial {
            call,
            action,
            count: u64::from(!is_again),
            image: origin.image,
            ancestry: origin.ancestry,
            location: origin.location,
            next: Next::Unknown,
            rule: smallest_rule(&call),
        };
        let kind = Kind::of(&denial);
        let is_new = !self.denials.knows(&kind);
        if self.denials.enter(&kind, denial).is_none() {
            return Entered::Untold { action, tgid };
        }
        self.is_counted = true;
        Entered::Denied(Entry { call, action, kind, tgid, is_new })
    }

    /// The denial that a call was entered into, with this very call, not the first of those like it.
    pub(super) fn denial(&mut self, entry: &Entry) -> Option<Denial> {
        self.denials.get_mut(&entry.kind).map(|denial| Denial { call: entry.call, ..denial.clone() })
    }

    /// Lets an entered call go on, which is what came of it.
    pub(super) fn let_go_on(&mut self, entry: &Entry, next: Next) -> Response {
        if let Some(denial) = self.denials.get_mut(&entry.kind) {
            denial.next = next;
        }
        Response::GoOn
    }

    /// Answers an entered call as its action says, as far as a supervisor can.
    pub(super) fn refuse(&mut self, entry: Entry) -> Response {
        let Entry { action, kind, tgid, is_new, .. } = entry;
        let response = self.answer_as(action, tgid);
        let is_killed = matches!(action, Action::KillThread | Action::KillProcess);
        if is_killed && let Some(denial) = self.denials.get_mut(&kind) {
            denial.next = Next::Killed;
        }
        if is_new
            && !is_killed
            && let Ok(Some(process)) = Process::open(tgid)
        {
            self.pending.push(Pending { kind, tgid, process, since: Instant::now() });
        }
        response
    }

    /// The same of a call of which nothing was kept.
    pub(super) fn answer_as(&mut self, action: Action, tgid: u32) -> Response {
        let signal = match action {
            Action::Trap => Signal::from_number(SIGSYS),
            Action::KillThread | Action::KillProcess => Some(Signal::KILL),
            _ => None,
        };
        if let Some(signal) = signal {
            self.approximated = true;
            // It may be gone already, which is what was to come of it.
            process::kill_process(tgid, signal).unwrap_or_default();
        }
        match action {
            Action::Errno(errno) => Response::Fail(errno),
            _ => Response::Fail(ENOSYS),
        }
    }

    /// Takes note of an answer that nobody waited for any more.
    fn came_too_late(&mut self, notification: &Notification) {
        if self.is_counted {
            self.too_late.insert(notification.tid, Made::by(notification));
        }
    }

    /// Finds out what processes did after a denial.
    pub(super) fn look_after_pending(&mut self) {
        let Findings { pending, denials, .. } = self;
        pending.retain(|pending| {
            let elapsed = pending.since.elapsed();
            let ended = pending.process.wait_ended(Duration::ZERO).unwrap_or(false);
            let next = if ended {
                Next::Ended(elapsed)
            } else if elapsed >= WENT_ON {
                Next::WentOn
            } else {
                return true;
            };
            if let Some(denial) = denials.get_mut(&pending.kind) {
                denial.next = next;
            }
            false
        });
    }
}

/// signal(7): the same number on all our machines.
const SIGSYS: i32 = 31;
