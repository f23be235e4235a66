//! Logs of strace: `strace -f -o FILE`, and whatever else of its options people have used.
//!
//! Read are logs with and without thread ids, times (`-t`, `-tt`, `-ttt`, `-r`), numbers (`-n`), names
//! (`-Y`), decorations (`-y`, `-yy`), instruction pointers (`-i`), stacks (`-k`) and the table of `-C`.
//! A call counts when it is entered, as in the kernel.
//!
//! What such a log cannot say:
//!
//! - *The ABI.* A log on standard error announces when a process changes to another; a file written by `-o`
//!   does not, and `-n` gives numbers. Without either, a program all of whose names are native is taken for
//!   native, one with names that only the other ABI has for one of that ABI, and in a program with both kinds
//!   each name for itself.
//! - *Calls through `socketcall` and `ipc`* on i386, which strace prints under the name of what they
//!   multiplex. Where `-n` does not tell, both are kept, with a note.
//! - *Calls that it was told to leave out* (`-e`). A log without any `exit_group` of a process that exited is
//!   known for that; others are not.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::{ImportError, NotUnderstood, Source, first_few, imported_run, note, run_id};
use crate::{Abi, Arch, ByteString, Exit, GapKind, Image, RunId, Trace};
use clock::Clock;
use line::{Call, CallEnd, Event, Line, Personality};
use segment::{Called, Segment, SegmentImage, Spoken};
use thread::{Ending, Exec, Parent, Pending, Thread, exec_of, is_clone};

mod clock;
mod line;
mod segment;
mod thread;

pub(super) fn import(bytes: &[u8], arch: Arch) -> Result<Trace, ImportError> {
    let mut log = Log::new(arch);
    for (at, text) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if !text.trim_ascii().is_empty() {
            log.read(at + 1, line::parse(text));
        }
    }
    if log.calls == 0 {
        return Err(match log.summary_rows {
            0 => ImportError::NothingFound { expected: "an strace log" },
            _ => ImportError::OnlySummary,
        });
    }
    Ok(log.into_trace(&run_id(Source::Strace, Some(arch), bytes)))
}

/// What is known after the lines read so far.
struct Log<'l> {
    arch: Arch,
    clock: Clock,
    segments: Vec<Segment<'l>>,
    /// Every thread of the log; 0 stands for the one that has no id because it is alone.
    threads: HashMap<u32, Thread<'l>>,
    /// Those of them whose end was not seen, and those that are in a clone.
    alive: BTreeSet<u32>,
    cloning: BTreeSet<u32>,
    /// The first thread of the log.
    root: Option<u32>,
    /// The thread of the last line, and its ABI where that was announced: what strace takes for a new one's.
    last_thread: Option<u32>,
    last_spoken: Option<Abi>,
    /// A call whose line was interrupted, to be continued on the next line.
    open_call: Option<u32>,
    /// Children that a clone returned, with what they inherit.
    children: BTreeMap<u32, Parent>,
    command: Vec<ByteString>,
    images: BTreeMap<Image, Arc<Image>>,
    calls: usize,
    summary_rows: usize,
    announces: bool,
    saw_exit_call: bool,
    exited: usize,
    begins_with_exec: bool,
    orphan_ends: usize,
    not_understood: NotUnderstood,
}

impl<'l> Log<'l> {
    fn new(arch: Arch) -> Log<'l> {
        Log {
            arch,
            clock: Clock::default(),
            segments: Vec::new(),
            threads: HashMap::new(),
            alive: BTreeSet::new(),
            cloning: BTreeSet::new(),
            root: None,
            last_thread: None,
            last_spoken: None,
            open_call: None,
            children: BTreeMap::new(),
            command: Vec::new(),
            images: BTreeMap::new(),
            calls: 0,
            summary_rows: 0,
            announces: false,
            saw_exit_call: false,
            exited: 0,
            begins_with_exec: false,
            orphan_ends: 0,
            not_understood: NotUnderstood::default(),
        }
    }

    fn read(&mut self, number: usize, line: Line<'l>) {
        let open_call = self.open_call.take();
        self.clock.advance(line.time);
        match (&line.event, open_call) {
            (Event::Continued(rest) | Event::Unknown(rest), Some(pid)) => return self.go_on(pid, rest),
            (Event::Continued(_) | Event::Unknown(_), None) => return self.not_understood.note(number),
            // An interrupted call may also end further below, as a resumed one.
            (Event::Resumed { .. }, _) | (_, None) => {}
            (_, Some(_)) => self.not_understood.note(number - 1),
        }
        match line.event {
            Event::Chatter | Event::Signal => return,
            Event::Summary => {
                self.summary_rows += 1;
                return;
            }
            Event::Attached(pid) => return self.meet(pid, false),
            _ => {}
        }
        let pid = self.whose(line.pid, matches!(line.event, Event::Resumed { .. }));
        self.meet(pid, matches!(line.event, Event::Call(_)));
        if let Some(comm) = line.comm
            && let Some(segment) = self.segment_of(pid)
        {
            segment.comm = Some(comm);
        }
        match line.event {
            Event::Call(call) => self.enter(pid, line.number, &call),
            Event::Resumed { name, rest } => self.resume(pid, line.number, name, rest),
            Event::Exited(code) => {
                self.exited += 1;
                self.end(pid, Exit::Code(code));
            }
            Event::Killed(signal) => self.end(pid, Exit::Signal(signal)),
            Event::Superseded(by) => self.supersede(pid, by),
            Event::Personality(personality) => self.change_abi(pid, personality),
            _ => {}
        }
        self.last_thread = Some(pid);
        self.last_spoken = self.threads.get(&pid).and_then(|thread| thread.spoken);
    }

    /// A line that goes on with an interrupted call: with the rest of its text, or with what the workload
    /// itself wrote to the same place meanwhile.
    fn go_on(&mut self, pid: u32, rest: &[u8]) {
        if rest.trim_ascii_end().ends_with(b" ...>") {
            return;
        }
        if line::result(rest).is_some() {
            self.end_call(pid, rest);
        } else {
            self.open_call = Some(pid);
        }
    }

    /// The thread that a line is about. strace leaves the id out while there is only one thread.
    fn whose(&mut self, pid: Option<u32>, resumes: bool) -> u32 {
        let Some(pid) = pid else {
            let only = self.alive.first().filter(|_| self.alive.len() == 1);
            return only.copied().or(self.last_thread).unwrap_or(0);
        };
        // The first id that no clone has returned names the thread that had none so far. A thread that comes
        // while that one is cloning may be the child, unless it is the one that goes on.
        let is_new = !self.threads.contains_key(&pid) && !self.children.contains_key(&pid);
        let may_be_child = self.cloning.contains(&0) && !resumes;
        if self.root == Some(0)
            && is_new
            && !may_be_child
            && self.alive.remove(&0)
            && let Some(thread) = self.threads.remove(&0)
        {
            self.threads.insert(pid, thread);
            self.alive.insert(pid);
            if self.cloning.remove(&0) {
                self.cloning.insert(pid);
            }
            self.root = Some(pid);
            self.rename(0, pid);
        }
        pid
    }

    /// Gives everything that is known of one thread id to another.
    fn rename(&mut self, from: u32, to: u32) {
        for segment in self.segments.iter_mut().filter(|segment| segment.tid == from) {
            segment.tid = to;
        }
        for segment in self.segments.iter_mut().filter(|segment| segment.tgid == from) {
            segment.tgid = to;
        }
    }

    /// Makes sure that a thread is known. A new one begins where its parent was when it cloned.
    fn meet(&mut self, pid: u32, calls: bool) {
        let is_told = self.children.get(&pid).is_some_and(|parent| !parent.seen);
        match self.threads.get(&pid) {
            Some(thread) if thread.ending != Ending::Seen => return,
            // An id comes again with another thread; a call shows it, any other sign may be of the dead one.
            Some(_) if !is_told && !calls => return,
            _ => {}
        }
        let parent = match self.children.get_mut(&pid).filter(|parent| !parent.seen) {
            Some(parent) => {
                parent.seen = true;
                Some(*parent)
            }
            None => self.presumed_parent(),
        };
        let at = self.segments.len();
        let mut segment = Segment::new(pid);
        if let Some(parent) = parent {
            segment.inherit(parent.segment, at);
            if parent.is_thread {
                segment.tgid = self.segments.get(parent.segment).map_or(pid, |parent| parent.tgid);
            }
        }
        self.segments.push(segment);
        let thread = Thread {
            segment: at,
            spoken: parent.map_or(self.last_spoken, |parent| parent.spoken),
            pending: None,
            ending: Ending::None,
            left_group: false,
            unexplained: (!is_told && self.root.is_some()).then_some(at),
        };
        self.threads.insert(pid, thread);
        self.alive.insert(pid);
        self.root.get_or_insert(pid);
    }

    /// The parent of a thread that comes before its clone has returned: the only thread that is cloning.
    fn presumed_parent(&self) -> Option<Parent> {
        let only = self.cloning.first().filter(|_| self.cloning.len() == 1)?;
        let thread = self.threads.get(only)?;
        let pending = thread.pending.as_ref()?;
        let (segment, is_thread) = (pending.segment, pending.is_thread);
        Some(Parent { segment, is_thread, spoken: thread.spoken, seen: true })
    }

    fn segment_of(&mut self, pid: u32) -> Option<&mut Segment<'l>> {
        let thread = self.threads.get(&pid)?;
        self.segments.get_mut(thread.segment)
    }

    fn enter(&mut self, pid: u32, number: Option<u32>, call: &Call<'l>) {
        let exec = exec_of(call);
        let is_first = self.calls == 0;
        if is_first {
            self.begins_with_exec = exec.is_some();
        }
        self.calls += 1;
        let native = self.arch.native_abi();
        let Some(thread) = self.threads.get_mut(&pid) else { return };
        let spoken = thread.spoken;
        let segment = thread.segment;
        let is_thread = line::find(call.text, b"CLONE_THREAD").is_some();
        // The call that starts the target belongs to the target, and strace itself made it, natively.
        let starts_target = is_first && exec.is_some();
        if matches!(call.name, b"exit" | b"exit_group") {
            self.saw_exit_call = true;
            thread.left_group |= call.name == b"exit_group";
            thread.ending = Ending::Called;
        }
        if is_clone(call.name) {
            self.cloning.insert(pid);
        }
        thread.pending = Some(Pending { name: call.name, exec: None, is_thread, segment });
        if let Some(exec) = exec {
            if starts_target {
                let image = intern(&mut self.images, exec.path);
                self.command = exec.arguments;
                if let Some(segment) = self.segments.get_mut(segment) {
                    segment.image = SegmentImage::Known(image);
                }
            } else if let Some(pending) = &mut thread.pending {
                pending.exec = Some(exec);
            }
        }
        let spoken = if starts_target { Spoken::Said(native) } else { Spoken::of(spoken) };
        let called = Called { spoken, number, name: call.name };
        if let Some(segment) = self.segments.get_mut(segment) {
            segment.count(called, self.clock.now());
        }
        match call.end {
            CallEnd::Result => self.end_call(pid, call.text),
            CallEnd::Pending => {}
            CallEnd::Open => self.open_call = Some(pid),
            CallEnd::Attaching(child) => {
                self.open_call = Some(pid);
                self.meet(child, false);
            }
        }
    }

    fn resume(&mut self, pid: u32, number: Option<u32>, name: &'l [u8], rest: &'l [u8]) {
        let is_pending = self
            .threads
            .get(&pid)
            .is_some_and(|thread| thread.pending.as_ref().is_some_and(|pending| pending.name == name));
        if !is_pending {
            // It was entered before the log began, or on a line that was not understood.
            self.orphan_ends += 1;
            self.enter(pid, number, &Call { name, text: b"", end: CallEnd::Pending });
        }
        self.end_call(pid, rest);
    }

    /// The end of the call that a thread is in.
    fn end_call(&mut self, pid: u32, rest: &[u8]) {
        let Some(thread) = self.threads.get_mut(&pid) else { return };
        let Some(pending) = thread.pending.take() else { return };
        self.cloning.remove(&pid);
        let Some(result) = line::result(rest) else { return };
        if let Some(exec) = pending.exec {
            // Behind it may stand how long it took (-T).
            if result.split(u8::is_ascii_whitespace).next() == Some(b"0") {
                self.exec(pid, exec);
            }
        } else if is_clone(pending.name)
            && let Some(child) = line::child(result)
        {
            let is_thread = pending.is_thread || line::find(rest, b"CLONE_THREAD").is_some();
            let spoken = thread.spoken;
            self.bear(child, Parent { segment: pending.segment, is_thread, spoken, seen: false });
        }
    }

    /// A clone has returned: whoever has that id, or will have it, is this child.
    fn bear(&mut self, child: u32, mut parent: Parent) {
        let segments = &mut self.segments;
        if let Some(thread) = self.threads.get_mut(&child)
            && let Some(at) = thread.unexplained.take()
        {
            parent.seen = true;
            let tgid = segments.get(parent.segment).map(|parent| parent.tgid);
            if let Some(segment) = segments.get_mut(at) {
                segment.inherit(parent.segment, at);
                segment.tgid = tgid.filter(|_| parent.is_thread).unwrap_or(segment.tid);
            }
        }
        self.children.insert(child, parent);
    }

    fn exec(&mut self, pid: u32, exec: Exec) {
        let image = intern(&mut self.images, exec.path);
        let at = self.segments.len();
        let mut segment = Segment::new(pid);
        segment.image = SegmentImage::Known(image);
        // Whichever thread called execve, afterwards it is the leader of its process.
        if let Some(thread) = self.threads.get_mut(&pid) {
            thread.segment = at;
        }
        self.segments.push(segment);
    }

    /// A thread's execve ended the other threads of its process and took its leader's id.
    fn supersede(&mut self, leader: u32, by: u32) {
        let pending = self.threads.get_mut(&by).and_then(|thread| {
            thread.ending = Ending::Seen;
            thread.pending.take()
        });
        self.alive.remove(&by);
        if let Some(thread) = self.threads.get_mut(&leader) {
            thread.ending = Ending::None;
            thread.pending = pending;
            self.alive.insert(leader);
        }
    }

    fn end(&mut self, pid: u32, exit: Exit) {
        if let Some(thread) = self.threads.get_mut(&pid) {
            thread.ending = Ending::Seen;
            thread.pending = None;
            self.alive.remove(&pid);
            self.cloning.remove(&pid);
            if let Some(segment) = self.segments.get_mut(thread.segment) {
                segment.exit = Some(exit);
            }
        }
        // The id may be given to another process from here on.
        if self.children.get(&pid).is_some_and(|parent| parent.seen) {
            self.children.remove(&pid);
        }
    }

    fn change_abi(&mut self, pid: u32, personality: Personality) {
        self.announces = true;
        let spoken = match (personality, self.arch) {
            (Personality::Bits64, arch) => arch.native_abi(),
            (Personality::Bits32, Arch::X86_64) => Abi::I386,
            (Personality::Bits32, Arch::Aarch64) => Abi::Arm,
            (Personality::X32, _) => Abi::X32,
        };
        if let Some(thread) = self.threads.get_mut(&pid) {
            thread.spoken = Some(spoken);
        }
    }

    fn into_trace(mut self, run: &RunId) -> Trace {
        if let Some(pid) = self.open_call {
            // The log ends in the middle of a line; that it ends early is noted below.
            self.threads.entry(pid).and_modify(|thread| {
                thread.ending = Ending::None;
                thread.left_group = false;
            });
        }
        let mut trace = Trace::default();
        let mut about = imported_run(Source::Strace);
        about.command = std::mem::take(&mut self.command);
        about.duration_ms = self.clock.duration_ms();
        about.started_unix_ms = self.clock.started_unix_ms();
        let root = self.root.and_then(|root| self.threads.get(&root));
        about.exit = root.and_then(|root| self.segments.get(root.segment)?.exit);
        trace.runs.insert(run.clone(), about);
        self.note_what_is_missing(run, &mut trace);
        let assumed = if self.announces { Some(self.arch.native_abi()) } else { None };
        segment::observe(&self.segments, self.arch, assumed, run, &mut trace);
        self.not_understood.into_gap(run, &mut trace);
        trace
    }

    fn note_what_is_missing(&self, run: &RunId, trace: &mut Trace) {
        if !self.begins_with_exec {
            let detail =
                "the log does not begin with an execve: strace was attached, or its beginning is missing";
            note(trace, run, GapKind::AttachedMidRun, detail, 0);
        }
        if self.orphan_ends > 0 {
            let detail = "calls that end in the log and begin nowhere in it";
            note(trace, run, GapKind::ImportIncomplete, detail, self.orphan_ends);
        }
        if self.exited > 0 && !self.saw_exit_call {
            let detail = "processes exited without a call for it: strace was told to leave calls out (-e)";
            note(trace, run, GapKind::ImportIncomplete, detail, 0);
        }
        let left: BTreeSet<u32> = self.groups_where(|thread| thread.left_group).collect();
        let alive: BTreeSet<u32> = self.groups_where(|thread| thread.ending == Ending::None).collect();
        let alive = alive.difference(&left).count();
        if alive > 0 {
            let detail = "processes still ran where the log ends";
            note(trace, run, GapKind::ImportIncomplete, detail, alive);
        }
        // In another PID namespace a child has an id that the log does not use: then both are left over.
        let unseen: Vec<u32> =
            self.children.iter().filter(|(_, parent)| !parent.seen).map(|(pid, _)| *pid).collect();
        let unexplained = self.threads.values().filter(|thread| thread.unexplained.is_some()).count();
        if unseen.len() > unexplained {
            let pids = first_few(unseen.iter().map(u32::to_string));
            let detail = format!("child processes are not in the log (strace without -f): {pids}");
            note(trace, run, GapKind::ImportIncomplete, detail, unseen.len() - unexplained);
        }
    }

    /// The thread groups of some threads.
    fn groups_where(&self, wanted: impl Fn(&Thread<'l>) -> bool) -> impl Iterator<Item = u32> {
        let threads = self.threads.values().filter(move |thread| wanted(thread));
        threads.filter_map(|thread| self.segments.get(thread.segment)).map(|segment| segment.tgid)
    }
}

fn intern(images: &mut BTreeMap<Image, Arc<Image>>, path: ByteString) -> Arc<Image> {
    let image = Image { path, ..Image::default() };
    Arc::clone(images.entry(image.clone()).or_insert_with(|| Arc::new(image)))
}

#[cfg(test)]
mod tests;
