//! The recorder that needs nothing: seccomp user notification. Every call is reported, counted, and goes on.
//!
//! - `serve`: the thread that answers.
//! - `ledger`: who called what.
//! - `task`: what /proc says of a task that waits.
//! - `kinds`: the few calls that mean something to whoever follows tasks.

mod kinds;
mod ledger;
mod serve;
mod task;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::event::epoll;
use rustix::process::{Resource, Rlimit};
use sandprint_model::{Fact, FirstSeen, Gap, GapKind, Image, KernelVersion, RunId, Seen, Trace};
use sandprint_sandbox::guardian::Guardian;
use sandprint_sandbox::notify::{Inbox, Listener};
use sandprint_sandbox::process;

use crate::driver::State;
use crate::host::HostFacts;
use crate::image::{self, BuildId};

use ledger::{FIRST, Ledger};
use serve::Shared;

/// A recorder that answers.
#[derive(Debug)]
pub struct Recorder {
    listener: Listener,
    shared: Arc<Shared>,
    guardian: Arc<Guardian>,
    wake: OwnedFd,
    first: u32,
    follow_children: bool,
    kernel: Option<KernelVersion>,
    /// Whether the filter took `no_new_privs`.
    no_new_privileges: bool,
    /// Whether this process has a filter already, which the workload inherits.
    filtered: bool,
    images: BTreeMap<usize, Arc<Image>>,
    image_gaps: BTreeSet<String>,
    withheld: BTreeSet<String>,
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
    pub fn start(
        listener: Listener,
        first: u32,
        follow_children: bool,
        facts: &HostFacts,
    ) -> Result<Recorder, NotifyError> {
        let arch = facts.arch().ok_or_else(|| NotifyError::UnknownArch(facts.machine.clone()))?;
        let set_up = || -> io::Result<Recorder> {
            raise_descriptors();
            // A kernel that cannot takes turns as well as it can.
            listener.wake_synchronously();
            let of_child = task::restrictions(first);
            let ours = task::restrictions(std::process::id());
            let inbox = Inbox::new()?;
            let guardian = Arc::new(Guardian::start(&listener, &inbox)?);
            let shared = Arc::new(Shared::new(Ledger::new(arch, first, follow_children)?)?);
            let wake = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            // Of the listener, only its end.
            let nothing = epoll::EventData::new_u64(0);
            epoll::add(&wake, listener.as_fd(), nothing, epoll::EventFlags::empty())?;
            epoll::add(&wake, shared.news(), nothing, epoll::EventFlags::IN)?;
            serve::start(listener.try_clone()?, inbox, Arc::clone(&guardian), Arc::clone(&shared))?;
            Ok(Recorder {
                listener,
                shared,
                guardian,
                wake,
                first,
                follow_children,
                kernel: facts.kernel(),
                no_new_privileges: of_child.is_some_and(|(child, _)| child)
                    && ours.is_some_and(|(ours, _)| !ours),
                filtered: ours.is_none_or(|(_, filter)| filter),
                images: BTreeMap::new(),
                image_gaps: BTreeSet::new(),
                withheld: BTreeSet::new(),
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
        let mut ledger = self.shared.ledger();
        ledger.begin().then_some(ledger.launched_ns)
    }

    /// What is known of the recording as a whole. No task is live once it is known that none is left, and one at least
    /// before.
    pub(crate) fn state(&self) -> Result<State, NotifyError> {
        let gone = self.listener.is_hung_up().map_err(NotifyError::Answer)?;
        let mut ledger = self.shared.ledger();
        let over = gone || (!self.follow_children && !ledger.has_first());
        let live = if over { 0 } else { ledger.live().max(1) };
        Ok(State { live, admitted: ledger.admitted, last_new_ns: ledger.last_new_ns })
    }

    /// The processes of the tree. Some may have ended just now.
    pub fn processes(&self) -> BTreeSet<u32> {
        if !self.follow_children {
            return [self.first].into();
        }
        let mut found: BTreeSet<u32> = self.shared.ledger().processes().into_iter().collect();
        found.insert(self.first);
        // Who has made no call yet is not in the books: look for children of those who are.
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers: Vec<u32> =
            entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        let parents: Vec<(u32, u32)> =
            numbers.into_iter().filter_map(|pid| Some((pid, process::parent(pid)?))).collect();
        loop {
            let before = found.len();
            found.extend(
                parents
                    .iter()
                    .filter(|(_, parent)| found.contains(parent))
                    .map(|(pid, _)| *pid)
                    .collect::<Vec<_>>(),
            );
            if found.len() == before {
                return found;
            }
        }
    }

    /// How many calls were counted, and how many distinct ones, whoever made them.
    pub fn approximate_calls(&self) -> (u64, usize) {
        let ledger = self.shared.ledger();
        let counted = ledger.calls.values().fold(0_u64, |sum, call| sum.saturating_add(call.calls));
        let distinct: BTreeSet<_> = ledger.calls.keys().map(|key| key.call).collect();
        (counted, distinct.len())
    }

    /// Counts no more calls. They are answered all the same, by us and then by the guardian.
    pub fn stop(&mut self) {
        self.shared.ledger().closed = true;
    }

    /// Adds to `trace` what was observed in `run` so far: calls, images and gaps. `started_ns` is the run's begin on
    /// `CLOCK_MONOTONIC`.
    pub fn collect(&mut self, run: &RunId, started_ns: u64, trace: &mut Trace) {
        self.look_into_images();
        let (calls, disturbed, unidentified) = {
            let ledger = self.shared.ledger();
            (ledger.calls.clone(), ledger.disturbed, ledger.unidentified)
        };
        let unknown = Arc::new(Image::default());
        for (key, value) in calls {
            // A return that may come is known before it has.
            let seen_first = value.calls > 0;
            let image = self.images.get(&key.image).map_or_else(|| Arc::clone(&unknown), Arc::clone);
            let fact = Fact { image, scope: None, syscall: key.call };
            let first = FirstSeen {
                after_ns: value.first_ns.saturating_sub(started_ns),
                tgid: value.tgid,
                tid: value.tid,
                comm: value.comm,
            };
            // Two images can be one to the user: a file that was touched between two execs.
            let before =
                trace.observations.get(&fact).and_then(|runs| runs.get(run)).cloned().unwrap_or_default();
            let first = before.first.map_or(first.clone(), |before| before.min(first));
            let first = Some(first).filter(|_| seen_first);
            let arguments = match (value.arguments, before.arguments) {
                (Some(mut here), Some(before)) => {
                    here.add_all(&before);
                    Some(here)
                }
                (here, before) => here.or(before),
            };
            let count = before.count.saturating_add(value.calls);
            trace.observe(fact, run, Seen { count, first, arguments });
        }
        let mut note = |kind, detail: Option<&str>, count| {
            if count > 0 {
                trace.note_gap(Gap { kind, run: run.clone(), detail: detail.map(str::to_owned) }, count);
            }
        };
        note(GapKind::NoNewPrivileges, None, u64::from(self.no_new_privileges));
        note(GapKind::SeccompActive, None, u64::from(self.filtered));
        let hidden = "answers of TRACE and LOG were not acted on";
        note(GapKind::SeccompInstalled, Some(hidden), disturbed.own_filters);
        note(GapKind::SeccompRefused, Some("a listener: the recorder has the only one"), disturbed.listeners);
        note(GapKind::SeccompRefused, Some("strict mode, after the recorder's filter"), disturbed.strict);
        // Where handlers have calls made again, that is all that happens; and of a task that is killed nobody knows.
        note(GapKind::CallsInterrupted, None, if disturbed.fails_calls { disturbed.interrupted } else { 0 });
        let returns = "how often signal handlers returned is not known: it is counted as 0";
        note(GapKind::CountsInexact, Some(returns), u64::from(disturbed.handles));
        note(GapKind::ImagesMerged, None, disturbed.merged);
        note(GapKind::ImageUnreadable, Some("which program made a call"), unidentified);
        if may_count_twice(self.listener.is_killable(), self.kernel) {
            note(GapKind::CountsInexact, Some("a call that a signal restarted may be counted twice"), 1);
        }
        for detail in &self.image_gaps {
            note(GapKind::ImageUnreadable, Some(detail), 1);
        }
        for path in &self.withheld {
            note(GapKind::PrivilegesWithheld, Some(path), 1);
        }
        note(GapKind::IoUringUnseen, Some("seccomp notifications do not show them"), disturbed.uring_submits);
        let set_up = trace.syscalls().iter().any(|syscall| syscall.name() == Some("io_uring_setup"));
        if set_up && disturbed.uring_submits == 0 {
            trace.note_gap(Gap { kind: GapKind::IoUringProbe, run: run.clone(), detail: None }, 1);
        }
    }

    /// Reads the build ids of images that are new, and what privileges their files give. Not under the lock: a file
    /// system may be the workload's own, and wait for an answer.
    fn look_into_images(&mut self) {
        let fresh: Vec<(usize, ledger::Image)> = {
            let mut ledger = self.shared.ledger();
            let rest = ledger.images.iter_mut().enumerate().skip(FIRST + self.images.len());
            rest.map(|(id, image)| {
                let (path, script) = (image.path.clone(), image.script.clone());
                (id, ledger::Image { path, script, mode: image.mode, file: image.file.take() })
            })
            .collect()
        };
        for (id, image) in fresh {
            let ledger::Image { path, script, mode, file } = image;
            let build_id = file.as_ref().map_or(BuildId::Unreadable, |file| {
                let link = format!("/proc/self/fd/{}", file.as_raw_fd());
                if self.no_new_privileges && gives_privileges(mode, Path::new(&link)) {
                    self.withheld.insert(path.to_string());
                }
                image::build_id_at(Path::new(&link))
            });
            let build_id = match build_id {
                BuildId::Known(id) => Some(id),
                BuildId::None => None,
                BuildId::Unreadable => {
                    self.image_gaps.insert(format!("the build id of {path}"));
                    None
                }
            };
            self.images.insert(id, Arc::new(Image { path, build_id, script }));
        }
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

/// Whether executing the file at `link` gives privileges: set-user-id or set-group-id bits, or capabilities
/// (capabilities(7)), on a file system that grants them.
fn gives_privileges(mode: u16, link: &Path) -> bool {
    const SET_USER: u16 = 0o4000;
    const SET_GROUP_AND_EXECUTE: u16 = 0o2010;
    let granted = rustix::fs::statvfs(link)
        .is_ok_and(|system| !system.f_flag.contains(rustix::fs::StatVfsMountFlags::NOSUID));
    let bits = mode & SET_USER != 0 || mode & SET_GROUP_AND_EXECUTE == SET_GROUP_AND_EXECUTE;
    granted && (bits || rustix::fs::getxattr(link, "security.capability", &mut [0_u8; 64]).is_ok())
}

/// As many descriptors as may be had: each process of the workload takes one. The workload gets back the limit that
/// we were given.
fn raise_descriptors() {
    let Rlimit { current, maximum } = rustix::process::getrlimit(Resource::Nofile);
    if current < maximum {
        // Without more, the ends of some processes are not waited for, but looked for.
        rustix::process::setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
            .unwrap_or_default();
    }
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
