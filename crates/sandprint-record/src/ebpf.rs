//! The BPF driver: follows tasks in the kernel and reads what they called.
//!
//! The only part of sandprint that knows libbpf.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use libbpf_rs::{MapCore, RingBuffer, RingBufferBuilder};
use sandprint_model::{Arch, CallSeen, FirstSeen, Gap, GapKind, Image, KernelVersion, RunId, Subject, Trace};
use sandprint_sandbox::probe::{self, Deadly};

use crate::descriptors;
use crate::host::{self, HostFacts};
use crate::image::BuildId;
use crate::reader::{Question, Reader};
use crate::target::Target;

mod decode;
mod maps;
mod object;
mod perf;
mod sys;
mod watcher;

pub use decode::{Event, State};
pub use object::{Hooks, LoadError, Tasks};
pub use perf::PerfError;
pub use watcher::{Missed, Watcher};

use decode::{CallKey, CallValue, Config, Control, ImageInfo, Live};
use object::Programs;

/// How often running tasks are walked at most. Memory for a task, which must be had at once, can be short for
/// a moment; what could not be taken in then is a gap all the same.
const MOST_WALKS: usize = 5;

/// How to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What to follow; of a command, see [`Recorder::expect_launch`].
    pub target: Target,
    /// Whether children of followed processes are followed.
    pub follow_children: bool,
    /// How to keep tasks; `None` chooses the best that this kernel has.
    pub tasks: Option<Tasks>,
    /// What to attach to; `None` chooses the way that is exact on this kernel, where that can be had.
    pub hooks: Option<Hooks>,
}

/// Whether task storage can be trusted on that kernel.
///
/// It exists in tracing programs since 5.12, but before 6.2 a lookup fails while the CPU's storage is
/// busy (e8b02296a6b8, 0593dd34e534), and a failed lookup looks like a task that is not followed.
/// Flushing needs `bpf_loop` (5.17).
pub fn choose_tasks(kernel: Option<KernelVersion>) -> Tasks {
    match kernel {
        Some(kernel) if kernel >= KernelVersion::new(6, 2) => Tasks::Storage,
        _ => Tasks::ByTid,
    }
}

/// What is exact on that kernel.
///
/// From 7.0 on programs on raw tracepoints can be preempted, and are then skipped for other tasks; before,
/// they were as exact as those of perf events, and faster.
pub fn choose_hooks(kernel: Option<KernelVersion>) -> Hooks {
    match kernel {
        Some(kernel) if kernel >= KernelVersion::new(7, 0) => Hooks::Tracepoints,
        _ => Hooks::RawTracepoints,
    }
}

/// The ways to load the recorder, best first. What was asked for is not replaced by something else. A kernel that
/// claims to be new enough for the best and still refuses gets the next.
fn ways(options: &Options, kernel: Option<KernelVersion>) -> Vec<(Hooks, Tasks)> {
    let hooks = match options.hooks {
        Some(hooks) => vec![hooks],
        None => match choose_hooks(kernel) {
            Hooks::Tracepoints => vec![Hooks::Tracepoints, Hooks::RawTracepoints],
            Hooks::RawTracepoints => vec![Hooks::RawTracepoints],
        },
    };
    let tasks = match options.tasks {
        Some(tasks) => vec![tasks],
        None => match choose_tasks(kernel) {
            Tasks::Storage => vec![Tasks::Storage, Tasks::ByTid],
            Tasks::ByTid => vec![Tasks::ByTid],
        },
    };
    hooks.iter().flat_map(|hooks| tasks.iter().map(|tasks| (*hooks, *tasks))).collect()
}

/// A loaded recorder.
pub struct Recorder {
    programs: Programs,
    /// Why what would be exact here could not be attached to.
    refused: Option<LoadError>,
    ring: RingBuffer<'static>,
    events: Rc<RefCell<Vec<Event>>>,
    arch: Arch,
    target: Target,
    control: Control,
    images: BTreeMap<u64, ImageInfo>,
    reader: Reader,
    /// Why the counts of live tasks could not be gathered at the end.
    not_gathered: Option<String>,
    stopped: bool,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("target", &self.target).finish_non_exhaustive()
    }
}

/// A recorder could not be set up or read.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// The target is none of those that can be observed so.
    #[error("{act} {target}: that is no target for it")]
    NoTarget {
        /// What was to be done.
        act: &'static str,
        /// With what.
        target: String,
    },
    /// The machine is none that sandprint knows.
    #[error("record on a {0} machine")]
    UnknownArch(String),
    /// The kernel does not describe its types.
    #[error("load the recorder: the kernel's types (/sys/kernel/btf/vmlinux) are missing")]
    NoBtf,
    /// A capability is missing.
    #[error("load the recorder: {} {} missing", .0.join(" and "), if .0.len() == 1 { "is" } else { "are" })]
    NoCapability(Vec<&'static str>),
    /// A filter on this process ends whoever makes the calls that BPF programs need.
    #[error("load the recorder: {0}")]
    Deadly(#[from] Deadly),
    /// /proc or random bits could not be read, or too few descriptors are left.
    #[error("set up the recorder in this process")]
    Host(#[source] std::io::Error),
    /// The BPF side failed.
    #[error("set up the recorder")]
    Load(#[from] LoadError),
    /// The ring buffer could not be opened or read.
    #[error("read the ring buffer")]
    Ring(#[source] libbpf_rs::Error),
    /// The cgroup to follow cannot be opened.
    #[error("open the cgroup {}", directory.display())]
    Cgroup {
        /// Its directory.
        directory: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A process to attach to is not there.
    #[error("find process {0}")]
    NoProcess(u32),
}

impl RecorderError {
    /// Whether libbpf or the kernel had too little memory.
    pub fn is_out_of_memory(&self) -> bool {
        let (RecorderError::Load(
            LoadError::Open(error)
            | LoadError::Load { source: error, .. }
            | LoadError::Attach { source: error, .. }
            | LoadError::Map { source: error, .. },
        )
        | RecorderError::Ring(error)) = self
        else {
            return false;
        };
        error.kind() == libbpf_rs::ErrorKind::OutOfMemory
    }
}

impl Recorder {
    /// Loads the programs. Nothing is attached yet.
    pub fn load(options: &Options, facts: &HostFacts) -> Result<Recorder, RecorderError> {
        if options.target == Target::System {
            return Err(RecorderError::NoTarget { act: "record", target: options.target.describe() });
        }
        let arch = facts.arch().ok_or_else(|| RecorderError::UnknownArch(facts.machine.clone()))?;
        if !facts.capabilities.can_trace() {
            return Err(RecorderError::NoCapability(facts.capabilities.missing()));
        }
        if !facts.btf {
            return Err(RecorderError::NoBtf);
        }
        probe::survive(probe::BPF)?;
        descriptors::suffice_for_bpf().map_err(RecorderError::Host)?;
        let (pid_ns_dev, pid_ns) = host::pid_namespace().map_err(RecorderError::Host)?;
        let mut seed = [0; 8];
        host::random(&mut seed).map_err(RecorderError::Host)?;
        let walks = options.target != Target::Command;
        let config = Config {
            hash_seed: u64::from_ne_bytes(seed),
            pid_ns_dev,
            pid_ns,
            self_pid: std::process::id(),
            execve_nr: execve_nr(arch),
            follow_children: options.follow_children,
            x86: arch == Arch::X86_64,
            walks,
            cgroup: matches!(options.target, Target::Cgroup { .. }),
            page: page_size(),
        };
        let mut refusals: Vec<((Hooks, Tasks), LoadError)> = Vec::new();
        let mut loaded = None;
        for (hooks, tasks) in ways(options, facts.kernel()) {
            // Who may not attach there may not do so for other programs either.
            let hopeless = |((refused, _), error): &((Hooks, Tasks), LoadError)| {
                *refused == hooks && matches!(error, LoadError::Perf(_))
            };
            if refusals.iter().any(hopeless) {
                continue;
            }
            match Programs::load(&config, tasks, hooks, walks) {
                Ok(programs) => {
                    loaded = Some(programs);
                    break;
                }
                Err(error) => refusals.push(((hooks, tasks), error)),
            }
        }
        let mut refusals = refusals.into_iter();
        let first = refusals.next();
        let Some(programs) = loaded else {
            let missing = || LoadError::Missing("a way to record".to_owned());
            return Err(first.map_or_else(missing, |(_, error)| error).into());
        };
        let refused = first.filter(|((hooks, _), _)| *hooks != programs.hooks()).map(|(_, error)| error);
        let events = Rc::new(RefCell::new(Vec::new()));
        let sink = Rc::clone(&events);
        let mut builder = RingBufferBuilder::new();
        builder
            .add(programs.maps().get("events")?, move |bytes| {
                if let Some(event) = Event::decode(bytes) {
                    sink.borrow_mut().push(event);
                }
                0
            })
            .map_err(RecorderError::Ring)?;
        let ring = builder.build().map_err(RecorderError::Ring)?;
        Ok(Recorder {
            programs,
            refused,
            ring,
            events,
            arch,
            target: options.target.clone(),
            control: Control::default(),
            images: BTreeMap::new(),
            reader: Reader::none(),
            not_gathered: None,
            stopped: false,
        })
    }

    /// What it follows.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// How followed tasks are kept.
    pub fn tasks(&self) -> Tasks {
        self.programs.tasks()
    }

    /// Why it is not attached to what would be exact on this kernel ([`choose_hooks`]); `None` where it is.
    /// Events that are missed then are gaps.
    pub fn refused(&self) -> Option<&LoadError> {
        self.refused.as_ref()
    }

    /// Whether this kernel has `io_uring` and does not show what is submitted through it; known once
    /// attached.
    pub fn hides_uring(&self) -> bool {
        self.programs.hides_uring
    }

    /// Attaches everything. From here on forks of followed tasks are seen; a running target is walked.
    pub fn attach(&mut self) -> Result<(), RecorderError> {
        if let Target::Processes(tgids) = &self.target {
            for tgid in tgids {
                self.programs.maps().update("wanted", &tgid.to_ne_bytes(), &1_u32.to_ne_bytes())?;
            }
        }
        if self.target != Target::Command {
            self.programs.resolve()?;
        }
        if let Target::Cgroup { directory, .. } = &self.target {
            let opened = std::fs::File::open(directory)
                .map_err(|source| RecorderError::Cgroup { directory: directory.clone(), source })?;
            self.programs.maps().update("cgroup", &0_u32.to_ne_bytes(), &opened.as_raw_fd().to_ne_bytes())?;
        }
        let Target::Processes(tgids) = &self.target else { return Ok(self.programs.attach()?) };
        let resolved = self.programs.maps().get("targets")?.keys().count();
        if resolved < tgids.iter().collect::<BTreeSet<_>>().len() {
            let gone = tgids.iter().find(|tgid| !std::path::Path::new(&format!("/proc/{tgid}")).exists());
            return Err(RecorderError::NoProcess(gone.or(tgids.first()).copied().unwrap_or_default()));
        }
        // Forks look at ancestors while the walk is under way, so a child born during it is admitted by
        // its fork; the rest is there to be walked.
        self.set_control(|control| control.attaching = true)?;
        self.programs.attach()?;
        for _ in 0..MOST_WALKS {
            let failed = self.lost(0)?;
            self.programs.admit()?;
            if self.lost(0)? == failed {
                break;
            }
        }
        self.set_control(|control| control.attaching = false)
    }

    /// Names the suspended child, by its pid in our namespace, whose next successful `execve` begins the
    /// recording.
    pub fn expect_launch(&mut self, pid: u32) -> Result<(), RecorderError> {
        self.set_control(|control| control.launch_pid = pid)
    }

    fn set_control(&mut self, change: impl FnOnce(&mut Control)) -> Result<(), RecorderError> {
        change(&mut self.control);
        Ok(self.programs.control(self.control)?)
    }

    /// Becomes readable when [`Recorder::events`] has something.
    pub fn events_fd(&self) -> Result<OwnedFd, RecorderError> {
        let raw = self.ring.epoll_fd();
        sys::duplicate(raw).map_err(RecorderError::Host)
    }

    /// Takes the events that arrived, and looks at new images while their processes live.
    pub fn events(&mut self) -> Result<Vec<Event>, RecorderError> {
        self.ring.consume().map_err(RecorderError::Ring)?;
        let events = self.events.take();
        for event in &events {
            if let Event::Image { id, .. } = event {
                self.look_into(*id)?;
            }
        }
        Ok(events)
    }

    /// What the programs know of the recording as a whole.
    pub fn state(&self) -> Result<State, RecorderError> {
        let words = self.programs.maps().array(".bss")?.iter();
        let bytes: Vec<u8> = words.flat_map(|word| word.load(Ordering::SeqCst).to_ne_bytes()).collect();
        State::decode(&bytes).ok_or_else(|| LoadError::Missing("the state".to_owned()).into())
    }

    /// How many tasks are followed now. Where the kernel did not always run the program that sees them end, it is
    /// how many processes are left, which takes a walk over all tasks.
    pub fn live(&self) -> Result<u64, RecorderError> {
        let live = self.state()?.live;
        if live == 0 || !self.programs.missed_ends() {
            return Ok(live);
        }
        Ok(u64::try_from(self.processes()?.len()).unwrap_or(u64::MAX))
    }

    /// The followed processes, by their pid in our namespace. Some may have ended just now.
    pub fn processes(&self) -> Result<BTreeSet<u32>, RecorderError> {
        let bytes = self.programs.list()?;
        Ok(bytes.chunks_exact(4).filter_map(|pid| Some(u32::from_ne_bytes(pid.try_into().ok()?))).collect())
    }

    /// How many calls were counted, roughly, since tasks go on while they are added up; and how many
    /// distinct ones, whoever made them.
    pub fn approximate_calls(&self) -> Result<(u64, usize), RecorderError> {
        let entries = self.counts()?;
        let counted = entries.values().fold(0_u64, |sum, call| sum.saturating_add(call.count));
        let distinct: BTreeSet<_> = entries.keys().map(|key| (key.abi, key.nr)).collect();
        Ok((counted, distinct.len()))
    }

    /// Counts no more calls, and gathers what live tasks have counted: from here on counts are final,
    /// whatever the tasks do.
    ///
    /// Where the walk that gathers them cannot be loaded any more, the counts of live tasks are missing, which
    /// becomes a gap; that a call was made is known without it.
    pub fn stop(&mut self) -> Result<(), RecorderError> {
        self.control.stopped = true;
        self.programs.stop_counting(self.control)?;
        self.stopped = true;
        // A task hands in its own counts before it is no longer among the live ones.
        if self.state()?.live == 0 {
            return Ok(());
        }
        // No task adds to its own counts any more, so each can be moved, by the walk or by the task's own
        // end, whichever comes first.
        sys::wait_for_running_programs();
        // A thread that executed a program took the number of its process, perhaps behind the walk's back:
        // hence twice.
        if let Err(error) = self.programs.collect().and_then(|()| self.programs.collect()) {
            self.not_gathered = Some(error.to_string());
        }
        // What ended just now may still be moving its own.
        sys::wait_for_running_programs();
        Ok(())
    }

    /// Has `reader` look into executables; before, nobody does.
    pub(crate) fn read_by(&mut self, reader: Reader) {
        self.reader = reader;
    }

    /// Reads the description of an image once, and has its file looked into.
    fn look_into(&mut self, id: u64) -> Result<(), RecorderError> {
        if self.images.contains_key(&id) {
            return Ok(());
        }
        self.control.image = id;
        let info = self.programs.image(self.control)?;
        let Some(info) = info.as_deref().and_then(ImageInfo::decode) else { return Ok(()) };
        let path = info.path.as_bytes().to_vec();
        self.reader.ask(id, Question::Described { ino: info.ino, dev: info.dev, tgid: info.tgid, path });
        self.images.insert(id, info);
        Ok(())
    }

    /// The images, as far as they could be looked into in time.
    fn images(&mut self) -> BTreeMap<u64, Arc<Image>> {
        self.reader.settle();
        let known = self.images.iter().map(|(id, info)| {
            let build_id = match self.reader.answer(*id).map(|answer| &answer.build_id) {
                Some(BuildId::Known(id)) => Some(id.clone()),
                _ => None,
            };
            (*id, Arc::new(Image { path: info.path.clone(), build_id, script: info.script.clone() }))
        });
        known.collect()
    }

    /// Adds to `trace` what was observed in `run` so far: calls, images and gaps.
    ///
    /// `started_ns` is the run's begin on `CLOCK_MONOTONIC`. Calls go on being counted unless
    /// [`Recorder::stop`] was called before: until then a count is at least what it was when this was
    /// called but for tasks that ended meanwhile, and never more than what it is when this returns.
    pub fn collect(&mut self, run: &RunId, started_ns: u64, trace: &mut Trace) -> Result<(), RecorderError> {
        let entries = self.counts()?;
        for key in entries.keys() {
            self.look_into(key.image)?;
        }
        let images = self.images();
        for (key, value) in &entries {
            let first = (value.first_ns > 0).then(|| FirstSeen {
                after_ns: value.first_ns.saturating_sub(started_ns),
                tgid: value.tgid,
                tid: value.tid,
                comm: value.comm.clone(),
            });
            let image = images.get(&key.image).map(Arc::clone).unwrap_or_default();
            let seen = CallSeen { first, ..CallSeen::times(value.count) };
            // Two ids can be one image to the user: a file that was touched between two execs.
            trace.calls.add(Subject::of(&image), key.syscall(self.arch), *run, seen);
        }
        self.collect_gaps(run, trace)
    }

    /// Every call with its count, those included that live tasks have not handed in.
    ///
    /// A task that ends hands in its own counts. It must not be counted twice, so what it handed in is read
    /// before and after its own counts: neither way finds more than there was.
    fn counts(&self) -> Result<BTreeMap<CallKey, CallValue>, RecorderError> {
        let before = self.programs.calls()?;
        if self.stopped || self.tasks() == Tasks::ByTid {
            return Ok(before);
        }
        let mut live: BTreeMap<CallKey, u64> = BTreeMap::new();
        for record in self.programs.drain()?.chunks_exact(Live::SIZE).filter_map(Live::decode) {
            let key = CallKey { image: record.image, abi: 0, nr: record.nr };
            let slot = live.entry(key).or_default();
            *slot = slot.saturating_add(record.count);
        }
        let mut entries = self.programs.calls()?;
        for (key, value) in &mut entries {
            let handed_in = before.get(key).map_or(0, |value| value.count);
            let own = live.get(key).copied().unwrap_or_default();
            value.count = value.count.max(handed_in.saturating_add(own));
        }
        Ok(entries)
    }

    fn lost(&self, reason: usize) -> Result<u64, RecorderError> {
        let words = self.programs.maps().array("lost")?;
        Ok(words.get(reason).map_or(0, |word| word.load(Ordering::SeqCst)))
    }

    fn collect_gaps(&self, run: &RunId, trace: &mut Trace) -> Result<(), RecorderError> {
        let mut note = |kind, detail, count| {
            trace.note_gap(Gap { kind, run: *run, detail }, count);
        };
        let state = self.state()?;
        let counted = [
            (GapKind::AdmissionFailed, self.lost(0)?),
            (GapKind::CallsLost, self.lost(1)?),
            (GapKind::ImagesMerged, self.lost(2)?),
            (GapKind::SeccompActive, state.seccomp_active),
            (GapKind::SeccompInstalled, state.seccomp_installed),
        ];
        for (kind, count) in counted.into_iter().filter(|(_, count)| *count > 0) {
            note(kind, None, count);
        }
        let scripts = self.lost(5)?;
        if scripts > 0 {
            let detail = "a script may be counted as its interpreter".to_owned();
            note(GapKind::ImagesMerged, Some(detail), scripts);
        }
        for (program, misses) in self.programs.misses() {
            note(GapKind::ProgramMissed, Some(program), misses);
        }
        if let Some(error) = &self.not_gathered {
            note(GapKind::CountsInexact, Some(format!("failed to {error}")), 1);
        }
        for (id, ImageInfo { path, cut, .. }) in &self.images {
            let answer = self.reader.answer(*id);
            if answer.is_none_or(|answer| answer.build_id == BuildId::Unreadable) {
                note(GapKind::ImageUnreadable, Some(format!("the build id of {path}")), 1);
            }
            if *cut {
                note(GapKind::ImageUnreadable, Some(format!("a path that was cut: {path}")), 1);
            }
        }
        if self.target != Target::Command {
            note(GapKind::AttachedMidRun, None, 1);
        }
        self.uring_gap(run, state.uring_submitted, trace)
    }

    fn uring_gap(&self, run: &RunId, total: u64, trace: &mut Trace) -> Result<(), RecorderError> {
        let setup = trace.syscalls().iter().any(|syscall| syscall.name() == Some("io_uring_setup"));
        let mut operations = Vec::new();
        for (opcode, count) in self.programs.maps().array("uring_ops")?.iter().enumerate() {
            let count = count.load(Ordering::SeqCst);
            if count > 0 {
                operations.push(format!("{opcode} ({count})"));
            }
        }
        let unseen = self.lost(4)? > 0 || (setup && self.programs.hides_uring);
        let gap = if total > 0 {
            Some((GapKind::IoUringOperations, Some(format!("opcodes {}", operations.join(", ")))))
        } else if unseen {
            Some((GapKind::IoUringUnseen, None))
        } else if setup {
            Some((GapKind::IoUringProbe, None))
        } else {
            None
        };
        if let Some((kind, detail)) = gap {
            trace.note_gap(Gap { kind, run: *run, detail }, total.max(1));
        }
        Ok(())
    }

    /// Detaches everything. Dropping the recorder does the same.
    pub fn detach(&mut self) {
        self.programs.detach();
    }
}

/// Bytes of a page.
fn page_size() -> u32 {
    u32::try_from(rustix::param::page_size()).unwrap_or_default()
}

fn execve_nr(arch: Arch) -> u32 {
    match arch {
        Arch::Aarch64 => 221,
        Arch::X86_64 => 59,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_storage_is_used_where_lookups_cannot_fail() {
        for (kernel, tasks) in [
            (Some(KernelVersion::new(5, 10)), Tasks::ByTid),
            (Some(KernelVersion::new(6, 1)), Tasks::ByTid),
            (Some(KernelVersion::new(6, 2)), Tasks::Storage),
            (None, Tasks::ByTid),
        ] {
            assert_eq!(choose_tasks(kernel), tasks);
        }
    }

    #[test]
    fn what_is_exact_is_tried_first_and_what_was_asked_for_stays() {
        use Hooks::{RawTracepoints, Tracepoints};
        let ways = |tasks, hooks, minor| {
            let options = Options { target: Target::Command, follow_children: true, tasks, hooks };
            super::ways(&options, Some(minor))
        };
        let (old, new) = (KernelVersion::new(6, 18), KernelVersion::new(7, 0));
        let both = |hooks| [(hooks, Tasks::Storage), (hooks, Tasks::ByTid)];
        assert_eq!(ways(None, None, old), both(RawTracepoints));
        assert_eq!(ways(None, None, new), [both(Tracepoints), both(RawTracepoints)].concat());
        assert_eq!(ways(None, Some(Tracepoints), old), both(Tracepoints));
        assert_eq!(ways(Some(Tasks::ByTid), Some(RawTracepoints), new), [(RawTracepoints, Tasks::ByTid)]);
    }

    #[test]
    fn a_target_of_the_other_is_refused() {
        let facts = HostFacts::probe();
        let options = Options { target: Target::System, follow_children: true, tasks: None, hooks: None };
        let recorded = Recorder::load(&options, &facts).unwrap_err().to_string();
        assert_eq!(recorded, "record every process: that is no target for it");
        let watched = Watcher::start(&Target::Command, &facts).unwrap_err().to_string();
        assert_eq!(watched, "watch the command: that is no target for it");
    }

    #[test]
    fn execve_numbers_are_the_tables() {
        for arch in Arch::ALL {
            let execve = sandprint_model::Syscall { abi: arch.native_abi(), nr: execve_nr(arch) };
            assert_eq!(execve.name(), Some("execve"));
        }
    }
}
