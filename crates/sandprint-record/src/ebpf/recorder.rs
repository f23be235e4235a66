//! The recorder: follows the tasks of its targets, and reads what they called.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use libbpf_rs::MapCore as _;
use sandprint_model::errno::Errno;
use sandprint_model::{
    Arch, ArgumentsSeen, CallSeen, Capability, Count, FactKind, FirstSeen, Gap, GapKind, Image,
    KernelVersion, Outcomes, Peak, RunId, Subject, Trace,
};

use super::cgroups::Cgroups;
use super::decode::{
    CallKey, CallValue, Config, Control, Event, ImageInfo, Live, ResultKey, State, UringKey,
};
use super::error::{LoadError, RecorderError};
use super::lost::Lost;
use super::program::{
    Concern, Hooks, Tasks, WALK_ADMIT, WALK_COLLECT, WALK_DRAIN, WALK_LIST, WALK_RESOLVE, Wanted,
};
use super::programs::Programs;
use super::rings::Rings;
use super::uring::Sight;
use super::uses::Sent;
use super::{Options, TargetId, details, operands, selected, sys, ways};
use crate::detail::Detail;
use crate::host::{self, CgroupUse, HostFacts};
use crate::image::BuildId;
use crate::reader::{Question, Reader};
use crate::target::{Entry, Target};

/// How often running tasks are walked at most. Memory for a task, which must be had at once, can be short for
/// a moment; what could not be taken in then is a gap all the same.
const MOST_WALKS: usize = 5;

/// Who is born so soon, in nanoseconds, after calls are counted may be a child of who was there before, whose fork had
/// begun unseen.
const BORN_BEFORE: u64 = 100_000_000;

/// What reads the ring buffers, and where it puts what it reads.
type Listening = (Rings, Rc<RefCell<Vec<Event>>>, Rc<RefCell<Sent>>);

/// Reads what the programs send.
fn listen(programs: &Programs, arch: Arch, details: bool) -> Result<Listening, RecorderError> {
    let events = Rc::new(RefCell::new(Vec::new()));
    let sent = Rc::new(RefCell::new(Sent::none(arch)));
    let mut rings = Rings::none()?;
    let sink = Rc::clone(&events);
    rings.add(programs.maps().get("events")?, move |bytes| sink.borrow_mut().extend(Event::decode(bytes)))?;
    if details {
        let sink = Rc::clone(&sent);
        rings.add(programs.maps().get("uses")?, move |bytes| sink.borrow_mut().take(bytes))?;
    }
    Ok((rings, events, sent))
}

/// A loaded recorder.
pub struct Recorder {
    programs: Programs,
    /// Why what would be exact here could not be attached to.
    refused: Option<LoadError>,
    rings: Rings,
    events: Rc<RefCell<Vec<Event>>>,
    sent: Rc<RefCell<Sent>>,
    arch: Arch,
    targets: Vec<Target>,
    entry: Entry,
    detail: Detail,
    /// The targets of which calls were made before the recording.
    begun_before: BTreeSet<TargetId>,
    control: Control,
    images: BTreeMap<u64, ImageInfo>,
    reader: Reader,
    /// Why the counts of live tasks could not be gathered at the end.
    not_gathered: Option<String>,
    /// What is seen of `io_uring`.
    uring: Sight,
    /// Whether capabilities are seen being asked for.
    sees_capabilities: bool,
    stopped: bool,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("targets", &self.targets).finish_non_exhaustive()
    }
}

impl Recorder {
    /// Loads the programs. Nothing is attached yet.
    pub fn load(options: &Options, facts: &HostFacts) -> Result<Recorder, RecorderError> {
        let fits = |(id, target): (TargetId, &Target)| match target {
            Target::Command => id == TargetId::FIRST,
            Target::Processes(_) | Target::Cgroup { .. } => true,
            Target::System => false,
        };
        if let Some((_, target)) = TargetId::number(&options.targets).find(|numbered| !fits(*numbered)) {
            return Err(RecorderError::NoTarget { act: "record", target: target.describe() });
        }
        let arch = super::ready(facts)?;
        let walks = options.targets.iter().any(|target| *target != Target::Command);
        let cgroup = options.targets.iter().any(|target| matches!(target, Target::Cgroup { .. }));
        let mut concerns = vec![Concern::Follow, Concern::Images, Concern::Uring, Concern::Calls];
        concerns.extend(walks.then_some(Concern::Walk));
        concerns.extend(cgroup.then_some(Concern::Cgroups));
        let details = options.detail == Detail::Full;
        concerns.extend(details.then_some([Concern::Details, Concern::Capabilities]).into_iter().flatten());
        let follow_children = options.follow_children;
        let config = Config { follow_children, walks, cgroup, details, ..super::config(arch)? };
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
            let kernel = facts.kernel().unwrap_or(KernelVersion::new(0, 0));
            let wanted = Wanted {
                hooks,
                tasks,
                locates: false,
                readers: true,
                concerns: concerns.clone(),
                functions: true,
                kernel,
            };
            let tried = Programs::load(&config, wanted).and_then(|mut programs| {
                if hooks == Hooks::Tracepoints {
                    // Whether they can be attached is seen here. Nothing is followed yet, so they do nothing yet.
                    programs.attach(Concern::Follow)?;
                }
                Ok(programs)
            });
            match tried {
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
        let refused =
            first.filter(|((hooks, _), _)| *hooks != programs.wanted().hooks).map(|(_, error)| error);
        if details {
            selected::fill(programs.maps(), arch)?;
            operands::fill(programs.maps(), arch)?;
        }
        let (rings, events, sent) = listen(&programs, arch, details)?;
        Ok(Recorder {
            programs,
            refused,
            rings,
            events,
            sent,
            arch,
            targets: options.targets.clone(),
            entry: options.entry,
            detail: options.detail,
            begun_before: BTreeSet::new(),
            control: Control::default(),
            images: BTreeMap::new(),
            reader: Reader::none(),
            not_gathered: None,
            uring: Sight::Nothing,
            sees_capabilities: false,
            stopped: false,
        })
    }

    /// What it follows, by their places: the first is [`TargetId::FIRST`].
    pub fn targets(&self) -> impl Iterator<Item = (TargetId, &Target)> {
        TargetId::number(&self.targets)
    }

    /// How much of each call it records.
    pub fn detail(&self) -> Detail {
        self.detail
    }

    /// How followed tasks are kept.
    pub fn tasks(&self) -> Tasks {
        self.programs.wanted().tasks
    }

    /// What the programs are attached to.
    pub fn hooks(&self) -> Hooks {
        self.programs.wanted().hooks
    }

    /// Why it is not attached to what would be exact on this kernel ([`choose_hooks`](super::choose_hooks)); `None` where it is.
    /// Events that are missed then are gaps.
    pub fn refused(&self) -> Option<&LoadError> {
        self.refused.as_ref()
    }

    /// Whether this kernel has `io_uring` and does not show what is submitted through it; known once
    /// attached.
    pub fn hides_uring(&self) -> bool {
        self.uring == Sight::Hidden
    }

    /// Attaches everything. From here on forks of followed tasks are seen; running targets are walked.
    pub fn attach(&mut self) -> Result<(), RecorderError> {
        let processes = self.wanted_processes()?;
        if self.targets.iter().any(|target| *target != Target::Command) {
            self.programs.walk(WALK_RESOLVE)?;
        }
        if self.entry != Entry::Call {
            // All that begins with its exec is none of those that are there.
            self.set_control(|control| control.exec_from = 1)?;
        }
        self.enter_cgroups()?;
        if processes.is_empty() {
            self.attach_programs()?;
            self.note_who_came()?;
            if self.entry == Entry::Exec && !self.begun_before.is_empty() {
                let exec_from = host::boottime_ns().saturating_add(BORN_BEFORE);
                self.set_control(|control| control.exec_from = exec_from)?;
            }
            return Ok(());
        }
        let resolved = self.programs.maps().get("targets")?.keys().count();
        if resolved < processes.len() {
            let gone = processes.iter().find(|tgid| !Path::new(&format!("/proc/{tgid}")).exists());
            return Err(RecorderError::NoProcess(gone.or(processes.first()).copied().unwrap_or_default()));
        }
        // Forks look at ancestors while the walk is under way, so a child born during it is admitted by
        // its fork; the rest is there to be walked.
        self.set_control(|control| control.attaching = true)?;
        self.attach_programs()?;
        for _ in 0..MOST_WALKS {
            let failed = self.lost(Lost::Admission)?;
            self.programs.walk(WALK_ADMIT)?;
            if self.lost(Lost::Admission)? == failed {
                break;
            }
        }
        self.set_control(|control| control.attaching = false)?;
        self.note_who_came()
    }

    /// Tells the programs which processes are targets.
    fn wanted_processes(&self) -> Result<BTreeSet<u32>, RecorderError> {
        let mut processes = BTreeSet::new();
        for (id, target) in self.targets() {
            let Target::Processes(tgids) = target else { continue };
            for tgid in tgids {
                self.programs.maps().update("wanted", &tgid.to_ne_bytes(), &id.0.to_ne_bytes())?;
                processes.insert(*tgid);
            }
        }
        Ok(processes)
    }

    /// Tells the programs which cgroups are targets, and notes which of them are in use.
    fn enter_cgroups(&mut self) -> Result<(), RecorderError> {
        let directories = |(id, target): (TargetId, &Target)| match target {
            Target::Cgroup { directory, .. } => Some((directory.clone(), id)),
            Target::Command | Target::Processes(_) | Target::System => None,
        };
        let directories: Vec<_> = self.targets().filter_map(directories).collect();
        if directories.is_empty() {
            return Ok(());
        }
        let cgroups = Cgroups::expect(self.programs.maps(), directories.iter().cloned())?;
        self.programs.attach(Concern::Cgroups)?;
        cgroups.enter(self.programs.maps())?;
        for (directory, id) in directories {
            if self.entry != Entry::ExecAnew && host::cgroup_use(&directory) == CgroupUse::Populated {
                self.begun_before.insert(id);
            }
        }
        Ok(())
    }

    /// Notes the targets of which calls may have been made before calls were counted.
    fn note_who_came(&mut self) -> Result<(), RecorderError> {
        // Whose cgroup it was is not known.
        let came = self.state()?.populated > 0;
        let may_have = |target: &Target| match target {
            Target::Command | Target::System => false,
            Target::Processes(_) => true,
            Target::Cgroup { .. } => came && self.entry != Entry::ExecAnew,
        };
        let begun: Vec<_> = self.targets().filter(|(_, target)| may_have(target)).map(|(id, _)| id).collect();
        self.begun_before.extend(begun);
        Ok(())
    }

    /// Attaches what sees tasks come and go, `io_uring`, and at last the calls themselves.
    fn attach_programs(&mut self) -> Result<(), RecorderError> {
        self.programs.attach(Concern::Follow)?;
        self.uring = Sight::with(&self.programs.attach(Concern::Uring)?);
        // Who sees a call begin leaves the mark by which its end is known.
        self.programs.attach(Concern::Details)?;
        self.sees_capabilities = !self.programs.attach(Concern::Capabilities)?.is_empty();
        self.programs.attach(Concern::Calls)?;
        Ok(())
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
        self.rings.fd()
    }

    /// Takes the events that arrived, and looks at new images while their processes live.
    pub fn events(&mut self) -> Result<Vec<Event>, RecorderError> {
        self.rings.consume()?;
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
        Ok(self.programs.maps().state()?)
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
        let bytes = self.programs.walk(WALK_LIST)?;
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
        self.programs.control(self.control)?;
        // The end of tasks is still seen.
        // In this order: the end of a call that was not counted must not be taken for that of one before.
        self.programs.detach(Concern::Capabilities);
        self.programs.detach(Concern::Details);
        self.programs.detach(Concern::Calls);
        self.stopped = true;
        self.sent.borrow_mut().ask_again();
        // A task hands in its own counts before it is no longer among the live ones.
        if self.state()?.live == 0 {
            return Ok(());
        }
        // No task adds to its own counts any more, so each can be moved, by the walk or by the task's own
        // end, whichever comes first.
        sys::wait_for_running_programs();
        // A thread that executed a program took the number of its process, perhaps behind the walk's back:
        // hence twice.
        let gathered = self.programs.walk(WALK_COLLECT).and_then(|_| self.programs.walk(WALK_COLLECT));
        if let Err(error) = gathered {
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
        let Some(info) = self.programs.image(self.control)? else { return Ok(()) };
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

    /// Adds to `trace` what was observed in `run` so far, of one target: calls, images and gaps.
    ///
    /// `started_ns` is the run's begin on `CLOCK_MONOTONIC`. Calls go on being counted unless
    /// [`Recorder::stop`] was called before: until then a count is at least what it was when this was
    /// called but for tasks that ended meanwhile, and never more than what it is when this returns.
    pub fn collect(
        &mut self,
        of: TargetId,
        run: &RunId,
        started_ns: u64,
        trace: &mut Trace,
    ) -> Result<(), RecorderError> {
        let content = self.content(of)?;
        let mut ids = content.images();
        ids.extend(self.sent.borrow().images(of));
        for image in &ids {
            self.look_into(*image)?;
        }
        let images = self.images();
        self.add_interpreters(of, &ids);
        let details::Content { calls, results, asked, uring, mut arguments, cloned, too_many_cloned } =
            content;
        let subject_of = |id: u64| Subject::of(&images.get(&id).map(Arc::clone).unwrap_or_default());
        for asked in asked {
            let call = asked.is_in_call().then(|| asked.call.syscall(self.arch));
            let Some(capability) = Capability::numbered(asked.capability) else { continue };
            if details::is_need(call, arguments.get(&asked.call), capability) {
                let outcome = if asked.granted { Outcomes::SUCCEEDED } else { Outcomes::FAILED };
                trace.capabilities.add(subject_of(asked.call.image), (capability, call), *run, outcome);
            }
        }
        for (key, value) in calls {
            let first = (value.first_ns > 0).then(|| FirstSeen {
                after_ns: value.first_ns.saturating_sub(started_ns),
                tgid: value.tgid,
                tid: value.tid,
                comm: value.comm.clone(),
            });
            let seen = CallSeen { count: value.count, first, arguments: arguments.remove(&key) };
            // Two ids can be one image to the user: a file that was touched between two execs.
            trace.calls.add(subject_of(key.image), key.syscall(self.arch), *run, seen);
        }
        for (ResultKey { call, errno, refused }, count) in results {
            let table = if refused { &mut trace.refused } else { &mut trace.results };
            table.add(subject_of(call.image), (call.syscall(self.arch), Errno(errno)), *run, Count(count));
        }
        if self.detail == Detail::Full {
            trace.add_what_follows(*run);
        }
        for (call, count) in too_many_cloned {
            let (most, call) = (ArgumentsSeen::MOST, call.syscall(self.arch));
            let detail = format!(
                "more than {most} different ones of {call}: flags of new tasks or namespaces may be missing"
            );
            trace.note_gap(Gap { kind: GapKind::ArgumentsLost, run: *run, detail: Some(detail) }, count);
        }
        for (call, flags, count) in cloned {
            let key = (call.syscall(self.arch), flags);
            trace.namespaces.add(subject_of(call.image), key, *run, Count(count));
        }
        for ((image, _), uses) in self.sent.borrow().by.iter().filter(|((_, target), _)| *target == of) {
            let subject = subject_of(*image);
            for (path, seen) in &uses.files {
                trace.files.add(subject.clone(), path.clone(), *run, seen.clone());
            }
            for (socket, outcomes) in &uses.sockets {
                trace.sockets.add(subject.clone(), socket.clone(), *run, *outcomes);
            }
            for name in &uses.names {
                trace.names.add(subject.clone(), name.clone(), *run, ());
            }
        }
        let hosts = self.sent.borrow_mut().ask_hosts(of, &mut self.reader);
        hosts.note_gap(run, trace);
        for ((image, _), name) in hosts.names {
            trace.names.add(subject_of(image), name, *run, ());
        }
        let found = self.sent.borrow_mut().leads.ends(|(_, target)| target == of, &mut self.reader);
        found.note_gap(run, trace);
        for ((image, _), path, seen) in found.ends {
            trace.files.add(subject_of(image), path, *run, seen);
        }
        for (UringKey { image, opcode, .. }, count) in &uring {
            trace.uring.add(subject_of(*image), *opcode, *run, Count(*count));
        }
        self.collect_gaps(of, run, &uring, trace)
    }

    /// What there is of one target.
    fn content(&self, of: TargetId) -> Result<details::Content, RecorderError> {
        let mut content = details::Content::default();
        if self.detail == Detail::Full {
            content.results = details::results(&self.programs, of)?;
        }
        if self.sees_capabilities {
            content.asked = details::asked(&self.programs, of)?;
        }
        content.uring = details::uring(&self.programs, of)?;
        // All that the programs have sent, whoever was told of it.
        self.rings.consume()?;
        content.calls = self.counts()?;
        content.calls.retain(|key, _| key.target == of);
        if self.detail == Detail::Full {
            content.read_arguments(&self.programs, self.arch)?;
        }
        Ok(content)
    }

    /// Adds the dynamic loaders of the programs that ran: the kernel executes them too.
    fn add_interpreters(&self, of: TargetId, ids: &BTreeSet<u64>) {
        let mut sent = self.sent.borrow_mut();
        for (id, info) in self.images.iter().filter(|(id, _)| ids.contains(id)) {
            if let Some(interpreter) =
                self.reader.answer(*id).and_then(|answer| answer.interpreter.as_deref())
            {
                sent.add_interpreter((*id, of), &info.path, interpreter);
            }
        }
    }

    /// What it records beside the calls.
    pub fn facts(&self) -> BTreeSet<FactKind> {
        let is_seen = |kind: &FactKind| match kind {
            FactKind::IoUring => self.uring == Sight::Operations,
            FactKind::Capabilities => self.sees_capabilities,
            _ => self.detail == Detail::Full,
        };
        FactKind::ALL.into_iter().filter(is_seen).collect()
    }

    /// The most that there was of something, as far as that was recorded.
    pub fn peaks(&self) -> Result<BTreeMap<Peak, u64>, RecorderError> {
        if self.detail == Detail::Calls {
            return Ok(BTreeMap::new());
        }
        let state = self.state()?;
        let peaks = [
            (Peak::Descriptors, state.most_descriptors),
            (Peak::Memory, state.most_memory.saturating_mul(super::page_size().into())),
            (Peak::Processes, state.most_processes),
            (Peak::Threads, state.most_live),
        ];
        Ok(peaks.into_iter().filter(|(_, most)| *most > 0).collect())
    }

    /// Every call with its count, those included that live tasks have not handed in.
    ///
    /// A task that ends hands in its own counts. It must not be counted twice, so what it handed in is read
    /// before and after its own counts: neither way finds more than there was.
    fn counts(&self) -> Result<BTreeMap<CallKey, CallValue>, RecorderError> {
        let before = self.calls()?;
        if self.stopped || self.tasks() == Tasks::ByTid {
            return Ok(before);
        }
        let mut live: BTreeMap<CallKey, u64> = BTreeMap::new();
        let records = self.programs.walk(WALK_DRAIN)?;
        for record in records.chunks_exact(Live::SIZE).filter_map(Live::decode) {
            let key = CallKey { image: record.image, target: record.target, abi: 0, nr: record.nr };
            let slot = live.entry(key).or_default();
            *slot = slot.saturating_add(record.count);
        }
        let mut entries = self.calls()?;
        for (key, value) in &mut entries {
            let handed_in = before.get(key).map_or(0, |value| value.count);
            let own = live.get(key).copied().unwrap_or_default();
            value.count = value.count.max(handed_in.saturating_add(own));
        }
        Ok(entries)
    }

    /// All entries of the calls map. None is ever deleted, so stepping from key to key misses none that was there before.
    fn calls(&self) -> Result<BTreeMap<CallKey, CallValue>, RecorderError> {
        let entries = self.programs.entries("calls", CallKey::SIZE)?;
        let decode =
            |(key, value): (Vec<u8>, Vec<u8>)| Some((CallKey::decode(&key)?, CallValue::decode(&value)?));
        Ok(entries.into_iter().filter_map(decode).collect())
    }

    fn lost(&self, what: Lost) -> Result<u64, RecorderError> {
        Ok(what.count(self.programs.maps())?)
    }

    fn collect_gaps(
        &self,
        of: TargetId,
        run: &RunId,
        uring: &[(UringKey, u64)],
        trace: &mut Trace,
    ) -> Result<(), RecorderError> {
        let mut note = |kind, detail, count| {
            trace.note_gap(Gap { kind, run: *run, detail }, count);
        };
        let state = self.state()?;
        let counted = [
            (GapKind::AdmissionFailed, self.lost(Lost::Admission)?.saturating_add(self.lost(Lost::Cgroups)?)),
            (GapKind::CallsLost, self.lost(Lost::Calls)?),
            (GapKind::ResultsLost, self.lost(Lost::Results)?),
            (GapKind::FilesLost, self.lost(Lost::Files)?.saturating_add(self.sent.borrow().lost_files)),
            (GapKind::SocketsLost, self.lost(Lost::Sockets)?.saturating_add(self.sent.borrow().lost_sockets)),
            (GapKind::NamesLost, self.lost(Lost::Names)?.saturating_add(self.sent.borrow().lost_names)),
            (GapKind::CapabilitiesLost, self.lost(Lost::Capabilities)?),
            (GapKind::ImagesMerged, self.lost(Lost::Images)?),
            (GapKind::SeccompActive, state.seccomp_active),
            (GapKind::SeccompInstalled, state.seccomp_installed),
        ];
        for (kind, count) in counted.into_iter().filter(|(_, count)| *count > 0) {
            note(kind, None, count);
        }
        let scripts = self.lost(Lost::Scripts)?;
        if scripts > 0 {
            let detail = "a script may be counted as its interpreter".to_owned();
            note(GapKind::ImagesMerged, Some(detail), scripts);
        }
        for (program, misses) in self.programs.misses() {
            let kinds: &[GapKind] = match self.programs.concern_of(&program) {
                Some(Concern::Details) => {
                    &[GapKind::ResultsLost, GapKind::FilesLost, GapKind::SocketsLost, GapKind::NamesLost]
                }
                Some(Concern::Capabilities) => &[GapKind::CapabilitiesLost],
                _ => &[GapKind::ProgramMissed],
            };
            for kind in kinds {
                note(*kind, Some(program.clone()), misses);
            }
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
        if self.begun_before.contains(&of) {
            note(GapKind::AttachedMidRun, None, 1);
        }
        let set_up = trace.syscalls().iter().any(|syscall| syscall.name() == Some("io_uring_setup"));
        if let Some((gap, count)) = self.uring.gap(*run, uring, set_up, self.lost(Lost::Rings)? > 0) {
            trace.note_gap(gap, count);
        }
        Ok(())
    }

    /// Detaches everything. Dropping the recorder does the same.
    pub fn detach(&mut self) {
        self.programs.detach_all();
    }
}
