//! The recorder that needs nothing and disturbs least: a tracer (ptrace(2)), which sees every call on its way in.
//!
//! - `serve`: the thread that traces.
//! - `tree`: who is who, and what they called.
//! - `again`: calls that only we have interrupted are made again.
//! - `handover`: whom the workload wants to trace itself.
//! - `shield`: no recorder but a tracer beside a supervisor, by which no call fails that nobody has heard of.

mod again;
mod handover;
mod inside;
mod serve;
mod shield;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::thread::CapabilitySet;
use sandprint_model::{FactKind, Gap, GapKind, Peak, RunId, Trace};
use sandprint_sandbox::launch::{Suspended, Watched};
use sandprint_sandbox::probe;

use crate::books::observed::Observed;
use crate::books::{Shared, task};
use crate::detail::Detail;
use crate::followed::Followed;
use crate::host::HostFacts;
use crate::reader::Reader;

pub use shield::Shield;
use tree::Tree;

/// A recorder that traces.
#[derive(Debug)]
pub struct Recorder {
    shared: Arc<Shared<Tree>>,
    detail: Detail,
    first: u32,
    /// Whether this process has a filter, which the workload inherits.
    filtered: bool,
    observed: Observed,
}

/// A recorder by tracing could not be set up or read.
#[derive(Debug, thiserror::Error)]
pub enum TracerError {
    /// The machine is none that sandprint knows.
    #[error("record on a {0} machine")]
    UnknownArch(String),
    /// Memory, descriptors or a thread could not be had.
    #[error("set up the tracing")]
    SetUp(#[source] io::Error),
    /// It may not be traced.
    #[error("trace the command")]
    Seize(#[source] io::Error),
    /// It could be traced no more.
    #[error("go on tracing")]
    Trace(#[source] io::Error),
}

impl Recorder {
    /// Traces a suspended child from now on.
    pub fn start(
        suspended: &mut Suspended,
        follow_children: bool,
        facts: &HostFacts,
    ) -> Result<Recorder, TracerError> {
        Recorder::start_with(suspended, (follow_children, Detail::Calls), facts, &mut Reader::none)
    }

    /// The same; once it is traced somebody is asked for who looks into executables.
    pub(crate) fn start_with(
        suspended: &mut Suspended,
        (follow_children, detail): (bool, Detail),
        facts: &HostFacts,
        reader: &mut dyn FnMut() -> Reader,
    ) -> Result<Recorder, TracerError> {
        let arch = facts.arch().ok_or_else(|| TracerError::UnknownArch(facts.machine.clone()))?;
        probe::survive(probe::TRACING).map_err(|deadly| TracerError::SetUp(deadly.into()))?;
        let first = suspended.pid();
        let of_child = task::restrictions(first);
        let may_gain = of_child.is_none_or(|(no_new_privileges, _)| !no_new_privileges);
        // A program gains what its file gives only if its tracer may trace what has that (ptrace(2), "execve").
        let capabilities = rustix::thread::capabilities(None).map(|sets| sets.effective);
        let withholds = may_gain && !capabilities.is_ok_and(|sets| sets.contains(CapabilitySet::SYS_PTRACE));
        let watched = Arc::new(Watched::new().map_err(TracerError::SetUp)?);
        let shared = Shared::new(Tree::new(arch, detail, first)).map_err(TracerError::SetUp)?;
        let shared = Arc::new(shared);
        serve::start(first, follow_children, Arc::clone(&watched), Arc::clone(&shared))?;
        suspended.watched_by(watched);
        Ok(Recorder {
            shared,
            detail,
            first,
            filtered: task::restrictions(std::process::id()).is_none_or(|(_, filter)| filter),
            observed: Observed::new(reader(), withholds),
        })
    }

    /// Becomes readable when [`Recorder::events`] has something to do, or when the last task has ended.
    pub fn events_fd(&self) -> Result<OwnedFd, TracerError> {
        self.shared.news().try_clone_to_owned().map_err(TracerError::SetUp)
    }

    /// Looks into new images while their files are there.
    pub fn events(&mut self) -> Result<(), TracerError> {
        self.shared.heard();
        if let Some(error) = self.shared.failure() {
            return Err(TracerError::Trace(error));
        }
        self.look_into_images();
        Ok(())
    }

    /// When the target's execve succeeded, on `CLOCK_MONOTONIC`; the caller knows that it has. `None` where that was
    /// not seen.
    pub fn launched_ns(&self) -> Option<u64> {
        // The new program's descriptors are closed before its tracer hears of it.
        let tree = self.shared.wait_until(|tree| tree.launched_ns > 0 || tree.over);
        Some(tree.launched_ns).filter(|&at| at > 0)
    }

    /// What is known of the recording as a whole.
    pub(crate) fn followed(&self) -> Followed {
        let tree = self.shared.books();
        let live = if tree.over { 0 } else { tree.live().max(1) };
        Followed { live, admitted: tree.admitted, last_new_ns: tree.books.last_new_ns }
    }

    /// What it records beside the calls.
    pub(crate) fn facts(&self) -> BTreeSet<FactKind> {
        let mut facts = BTreeSet::from([FactKind::Arguments, FactKind::Results]);
        if self.detail == Detail::Full {
            facts.extend([
                FactKind::Files,
                FactKind::Memory,
                FactKind::Names,
                FactKind::Namespaces,
                FactKind::Peaks,
                FactKind::Sockets,
            ]);
        }
        facts
    }

    /// The most that there was of something, as far as that was recorded.
    pub(crate) fn peaks(&self) -> BTreeMap<Peak, u64> {
        if self.detail == Detail::Calls {
            return BTreeMap::new();
        }
        let (processes, threads) = self.shared.books().most;
        let peak = |most: usize| u64::try_from(most).unwrap_or(u64::MAX);
        BTreeMap::from([(Peak::Processes, peak(processes)), (Peak::Threads, peak(threads))])
    }

    /// The processes of the tree. Some may have ended just now.
    pub fn processes(&self) -> BTreeSet<u32> {
        let mut found = self.shared.books().processes();
        found.insert(self.first);
        found
    }

    /// How many calls were counted, and how many distinct ones, whoever made them.
    pub fn approximate_calls(&self) -> (u64, usize) {
        self.shared.books().books.approximate_calls()
    }

    /// Counts no more calls. What still runs is traced as long as this process lives, and then goes on alone.
    pub fn stop(&mut self) {
        self.shared.books().books.closed = true;
    }

    /// Adds to `trace` what was observed in `run` so far: calls, images and gaps. `started_ns` is the run's begin on
    /// `CLOCK_MONOTONIC`.
    pub fn collect(&mut self, run: &RunId, started_ns: u64, trace: &mut Trace) {
        self.look_into_images();
        let content = self.shared.books().books.content();
        self.observed.add(content, run, started_ns, trace);
        let tree = self.shared.books();
        self.observed.gaps(&tree.books, run, trace);
        let mut note = |kind, detail: Option<&str>, count| {
            if count > 0 {
                trace.note_gap(Gap { kind, run: *run, detail: detail.map(str::to_owned) }, count);
            }
        };
        note(GapKind::RefusedCounted, Some("of a filter from before"), u64::from(self.filtered));
        note(GapKind::RefusedCounted, Some("of its own"), tree.own_filters);
        note(GapKind::LeftToTracer, None, tree.left);
        note(GapKind::AdmissionFailed, Some("made by clone3 with CLONE_UNTRACED"), tree.untraced);
    }

    fn look_into_images(&mut self) {
        let fresh = self.shared.books().books.fresh_images(self.observed.seen());
        self.observed.look_into(fresh);
    }
}
