//! The recorder that needs nothing: seccomp user notification. Every call is reported, counted, and goes on.
//!
//! - [`serve`]: the thread that answers.
//! - `count`: its answer, for a recording.
//! - `ledger`: who is who, and what they called.

mod count;
mod ledger;
pub mod serve;

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use rustix::event::epoll;
use sandprint_model::{FactKind, Gap, GapKind, KernelVersion, RunId, Trace};
use sandprint_sandbox::guardian::{Guardian, Orders};
use sandprint_sandbox::notify::{Inbox, Listener};

use crate::books::observed::Observed;
use crate::books::{Shared, task};
use crate::descriptors;
use crate::detail::Detail;
use crate::followed::Followed;
use crate::host::HostFacts;
use crate::reader::Reader;

use count::Counter;
use ledger::Ledger;

/// A recorder that answers.
#[derive(Debug)]
pub struct Recorder {
    listener: Listener,
    shared: Arc<Shared<Ledger>>,
    guardian: Arc<Guardian>,
    wake: OwnedFd,
    first: u32,
    follow_children: bool,
    detail: Detail,
    kernel: Option<KernelVersion>,
    /// Whether the filter took `no_new_privs`.
    no_new_privileges: bool,
    /// Whether this process has a filter already, which the workload inherits.
    filtered: bool,
    observed: Observed,
}

/// A recorder by notification could not be set up or read.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The launch gave no listener.
    #[error("get the listener of the seccomp filter")]
    NoListener,
    /// The machine is none that sandprint knows.
    #[error("record on a {0} machine")]
    UnknownArch(String),
    /// Memory, descriptors, a thread or a process could not be had.
    #[error("set up the answering of seccomp notifications")]
    SetUp(#[source] io::Error),
    /// Calls could not be answered any more.
    #[error("answer seccomp notifications")]
    Answer(#[source] io::Error),
}

impl Recorder {
    /// Answers from now on what `listener` reports of a suspended child with the number `first`.
    pub(crate) fn start(
        listener: Listener,
        first: u32,
        (follow_children, detail): (bool, Detail),
        facts: &HostFacts,
        reader: Reader,
    ) -> Result<Recorder, NotifyError> {
        let arch = facts.arch().ok_or_else(|| NotifyError::UnknownArch(facts.machine.clone()))?;
        let set_up = || -> io::Result<Recorder> {
            // Each process of the workload takes one; without, its end is not waited for, but looked for.
            descriptors::raise();
            // A kernel that cannot takes turns as well as it can.
            listener.wake_synchronously();
            let of_child = task::restrictions(first);
            let ours = task::restrictions(std::process::id());
            let inbox = Inbox::new()?;
            let guardian = Arc::new(Guardian::start(&listener, &inbox, Orders::all_go_on()?.into())?);
            let shared = Arc::new(Shared::new(Ledger::new(arch, detail, first, follow_children)?)?);
            let wake = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            // Of the listener, only its end.
            let nothing = epoll::EventData::new_u64(0);
            epoll::add(&wake, listener.as_fd(), nothing, epoll::EventFlags::empty())?;
            epoll::add(&wake, shared.news(), nothing, epoll::EventFlags::IN)?;
            let counter = Counter { guardian: Arc::clone(&guardian), shared: Arc::clone(&shared) };
            serve::start("notifications", listener.try_clone()?, inbox, Arc::clone(&guardian), counter)?;
            let no_new_privileges =
                of_child.is_some_and(|(child, _)| child) && ours.is_some_and(|(ours, _)| !ours);
            Ok(Recorder {
                listener,
                shared,
                guardian,
                wake,
                first,
                follow_children,
                detail,
                kernel: facts.kernel(),
                no_new_privileges,
                filtered: ours.is_none_or(|(_, filter)| filter),
                observed: Observed::new(reader, no_new_privileges),
            })
        };
        set_up().map_err(NotifyError::SetUp)
    }

    /// Becomes readable when [`Recorder::events`] has something to do, or when the last task has ended.
    pub fn events_fd(&self) -> Result<OwnedFd, NotifyError> {
        self.wake.try_clone().map_err(NotifyError::SetUp)
    }

    /// Looks into new images while their files are there.
    pub fn events(&mut self) -> Result<(), NotifyError> {
        self.shared.heard();
        if let Some(error) = self.shared.failure() {
            return Err(NotifyError::Answer(error));
        }
        self.look_into_images();
        Ok(())
    }

    /// When the target's execve succeeded, on `CLOCK_MONOTONIC`; the caller knows that it has. `None` where that
    /// was not reported.
    pub fn launched_ns(&self) -> Option<u64> {
        let mut ledger = self.shared.books();
        ledger.begin().then_some(ledger.launched_ns)
    }

    /// What is known of the recording as a whole. No task is live once it is known that none is left, and one at least
    /// before.
    pub(crate) fn followed(&self) -> Result<Followed, NotifyError> {
        let gone = self.listener.is_hung_up().map_err(NotifyError::Answer)?;
        let mut ledger = self.shared.books();
        let over = gone || (!self.follow_children && !ledger.has_first());
        let live = if over { 0 } else { ledger.live().max(1) };
        Ok(Followed { live, admitted: ledger.admitted, last_new_ns: ledger.books.last_new_ns })
    }

    /// What it records beside the calls.
    pub(crate) fn facts(&self) -> BTreeSet<FactKind> {
        let mut facts = BTreeSet::from([FactKind::Arguments]);
        if self.detail == Detail::Full {
            facts.extend([FactKind::Files, FactKind::Memory, FactKind::Namespaces, FactKind::Sockets]);
        }
        facts
    }

    /// The processes of the tree. Some may have ended just now.
    pub fn processes(&self) -> BTreeSet<u32> {
        if !self.follow_children {
            return [self.first].into();
        }
        let mut found: BTreeSet<u32> = self.shared.books().processes().into_iter().collect();
        found.insert(self.first);
        // Who has made no call yet is not in the books: look for children of those who are.
        task::with_descendants(found)
    }

    /// How many calls were counted, and how many distinct ones, whoever made them.
    pub fn approximate_calls(&self) -> (u64, usize) {
        self.shared.books().books.approximate_calls()
    }

    /// Counts no more calls. They are answered all the same, by us and then by the guardian.
    pub fn stop(&mut self) {
        self.shared.books().books.closed = true;
    }

    /// Adds to `trace` what was observed in `run` so far: calls, images and gaps. `started_ns` is the run's begin on
    /// `CLOCK_MONOTONIC`.
    pub fn collect(&mut self, run: &RunId, started_ns: u64, trace: &mut Trace) {
        self.look_into_images();
        let content = self.shared.books().books.content();
        self.observed.add(content, run, started_ns, trace);
        let disturbed = {
            let ledger = self.shared.books();
            self.observed.gaps(&ledger.books, run, trace);
            ledger.disturbed
        };
        let mut note = |kind, detail: Option<&str>, count| {
            if count > 0 {
                trace.note_gap(Gap { kind, run: *run, detail: detail.map(str::to_owned) }, count);
            }
        };
        note(GapKind::NoNewPrivileges, None, u64::from(self.no_new_privileges));
        note(GapKind::SeccompActive, None, u64::from(self.filtered));
        let hidden = "answers of TRACE and LOG were not acted on";
        note(GapKind::SeccompInstalled, Some(hidden), disturbed.own_filters);
        note(GapKind::SeccompRefused, Some("a listener: the recorder has the only one"), disturbed.listeners);
        note(GapKind::SeccompRefused, Some("strict mode, after the recorder's filter"), disturbed.strict);
        note(GapKind::CallsInterrupted, None, disturbed.interrupted);
        let returns = "how often signal handlers returned is not known: it is counted as 0";
        note(GapKind::CountsInexact, Some(returns), u64::from(disturbed.handles));
        if may_count_twice(self.listener.is_killable(), self.kernel) {
            note(GapKind::CountsInexact, Some("a call that a signal restarted may be counted twice"), 1);
        }
    }

    fn look_into_images(&mut self) {
        let fresh = self.shared.books().books.fresh_images(self.observed.seen());
        self.observed.look_into(fresh);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // Nobody is left: neither is the guardian, as soon as it has noticed.
        if self.listener.is_hung_up().unwrap_or(false) {
            self.guardian.wait_ended().unwrap_or_default();
        }
    }
}

/// Whether a signal can make one call two: between the answer and the task's waking (before
/// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`, 5.19; with it still possible before 6.17, "seccomp: Fix a race with
/// `WAIT_KILLABLE_RECV` if the tracer replies too fast").
fn may_count_twice(killable: bool, kernel: Option<KernelVersion>) -> bool {
    !killable || kernel.is_none_or(|kernel| kernel < KernelVersion::new(6, 17))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact_where_the_kernel_allows_it() {
        for (killable, kernel, twice) in [
            (false, Some(KernelVersion::new(5, 10)), true),
            (true, Some(KernelVersion::new(6, 12)), true),
            (true, Some(KernelVersion::new(6, 17)), false),
            (true, None, true),
        ] {
            assert_eq!(may_count_twice(killable, kernel), twice, "{kernel:?}");
        }
    }
}
