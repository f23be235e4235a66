//! Logs of strace: `strace -f -o FILE`, and whatever else of its options people have used.
//!
//! Read are logs with and without thread ids, times in every form, numbers (`-n`), names (`-Y`, `-N`), decorations
//! (`-y`, `-yy`), colours, instruction pointers (`-i`), stacks (`-k`), dumps (`-e read=`), the table of `-C`, and the
//! files of `-ff` in any order. A call counts when it is entered, as in the kernel.
//!
//! What such a log cannot say:
//!
//! - *The ABI.* A log on standard error announces when a process changes to another; a file written by `-o`
//!   does not, and `-n` gives numbers. Without either, a program all of whose names are native is taken for
//!   native, one with names that only the other ABI has for one of that ABI, and in a program with both kinds
//!   each name for itself.
//! - *Calls through `socketcall` and `ipc`* on i386, which strace prints under the name of what they
//!   multiplex. Where `-n` does not tell, both are kept, with a note.
//! - *Calls that it was told to leave out* (`-e`, `-P`, `-z`). What the start of a program proves missing ([`start`]),
//!   and processes that no call made or ended, are gaps; otherwise that all is there is assumed, which is a note.
//!
//! What calls were made with, what they did to files and with sockets is read where the log has it ([`reading`]): of
//! arguments the values by name or number, of paths what was written, and with `-y` the kernel's own. What a process holds
//! open, and where it is, is followed from call to call ([`held`]), so that `-y` is not needed. What cannot be read is
//! counted and becomes a gap, and a kind of fact of which the log has none for that reason is not claimed.
//!
//! The log is read line by line, and what is kept of it is bounded: segments that have ended are settled, and beyond
//! the bounds a gap says what is missing.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::{ImportError, MOST_FACTS, MOST_IMAGES, NotUnderstood, Source, imported_run};
use crate::errno::Errno;
use crate::{Abi, Arch, ByteString, Exit, Image, RunId, Trace};
use called::{Called, Spoken};
use clock::Clock;
use files::File;
use held::AllHeld;
use learn::Meanings;
use line::{Call, CallEnd, Event, Line, Personality};
use names::Names;
use parts::Parts;
use reading::Outcome;
use segment::{Failed, Segment, SegmentImage};
use settled::Settled;
use table::Table;
use thread::{Effect, Ending, Parent, Pending, Thread, effect_of, exec_of, submits};

mod address;
mod called;
mod clock;
mod descriptor;
mod details;
mod family;
mod files;
mod follow;
mod held;
mod learn;
mod line;
mod missing;
mod names;
mod parts;
mod paths;
mod reading;
mod segment;
mod settled;
mod sockets;
mod start;
mod table;
mod tally;
mod thread;
mod value;

/// Most programs and threads that are kept apart.
const MOST_SEGMENTS: usize = 1 << 20;
/// Most threads among which the one is looked for whose id was left out.
const LOOKED_AT: usize = 64;
/// The longest name of a thread that is kept; the kernel's have 15 bytes.
const LONGEST_COMM: usize = 64;
/// The longest path that an image keeps (`PATH_MAX`).
const LONGEST_PATH: usize = 4096;

/// What is known after the lines read so far.
#[derive(Debug)]
pub(super) struct Log {
    arch: Arch,
    clock: Clock,
    names: Names,
    table: Table,
    segments: Vec<Segment>,
    settled: Settled,
    /// How many different calls and results all segments have that are not settled.
    unsettled: usize,
    /// What is to be read of calls.
    meanings: HashMap<Called, Meanings>,
    /// What all threads hold open, and where they are.
    held: AllHeld,
    /// How much text is kept of calls that have not ended.
    begun: usize,
    /// Every thread of the log; 0 stands for the one that has no id because it is alone.
    threads: HashMap<u32, Thread>,
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
    /// Programs that a thread's execve started, of which the log has not said yet what they are.
    unnamed_execs: VecDeque<usize>,
    /// Programs that a thread's execve started, whose segment has not come yet.
    early_execs: VecDeque<Arc<Image>>,
    /// Threads without an id, one after the other.
    files: Vec<File>,
    root_exit: Option<Exit>,
    command: Vec<ByteString>,
    images: BTreeMap<Image, Arc<Image>>,
    calls: usize,
    /// Lines of tables of counts.
    rows: usize,
    announces: bool,
    saw_exit_call: bool,
    exited: usize,
    begins_with_exec: bool,
    orphan_ends: usize,
    /// Threads whose id came again before their parent was known.
    unexplained: usize,
    /// Clones of which nobody knows what came of them.
    unreturned_clones: usize,
    injected: usize,
    filters: usize,
    urings: usize,
    uring_submits: usize,
    calls_lost: usize,
    results_lost: usize,
    images_merged: usize,
    not_understood: NotUnderstood,
}

impl Log {
    pub(super) fn new(arch: Arch) -> Log {
        Log {
            arch,
            clock: Clock::default(),
            names: Names::default(),
            table: Table::default(),
            segments: Vec::new(),
            settled: Settled::default(),
            unsettled: 0,
            meanings: HashMap::new(),
            held: AllHeld::default(),
            begun: 0,
            threads: HashMap::new(),
            alive: BTreeSet::new(),
            cloning: BTreeSet::new(),
            root: None,
            last_thread: None,
            last_spoken: None,
            open_call: None,
            children: BTreeMap::new(),
            unnamed_execs: VecDeque::new(),
            early_execs: VecDeque::new(),
            files: Vec::new(),
            root_exit: None,
            command: Vec::new(),
            images: BTreeMap::new(),
            calls: 0,
            rows: 0,
            announces: false,
            saw_exit_call: false,
            exited: 0,
            begins_with_exec: false,
            orphan_ends: 0,
            unexplained: 0,
            unreturned_clones: 0,
            injected: 0,
            filters: 0,
            urings: 0,
            uring_submits: 0,
            calls_lost: 0,
            results_lost: 0,
            images_merged: 0,
            not_understood: NotUnderstood::default(),
        }
    }

    /// Takes a line; lines count from 1.
    pub(super) fn line(&mut self, number: usize, text: &[u8]) {
        let text = line::without_colours(text);
        if text.trim_ascii().is_empty() {
            return;
        }
        if self.open_call.is_none() && self.table.takes(&text) {
            self.rows += 1;
            return;
        }
        self.read(number, &line::parse(&text));
    }

    /// Whether anything of such a log was found.
    pub(super) fn found(&self) -> bool {
        self.calls > 0 || self.rows > 0
    }

    fn read(&mut self, number: usize, line: &Line<'_>) {
        let open_call = self.open_call.take();
        self.clock.advance(line.time);
        match (&line.event, open_call) {
            (Event::Continued(rest) | Event::Unknown(rest), Some(pid)) => return self.go_on(pid, rest),
            // What strace says at its very end (`--tips`): no line of its own begins with a space.
            (Event::Unknown(_), None) if line.is_indented && self.exited > 0 && self.alive.is_empty() => {
                return;
            }
            (Event::Continued(_) | Event::Unknown(_), None) => return self.not_understood.note(number),
            // Several messages may come one after the other.
            (Event::Attached(_) | Event::Chatter | Event::Signal, Some(pid)) => self.open_call = Some(pid),
            // An interrupted call may also end further below, as a resumed one.
            (Event::Resumed { .. }, _) | (_, None) => {}
            (_, Some(_)) => self.not_understood.note(number - 1),
        }
        match line.event {
            Event::Chatter | Event::Signal => return,
            Event::Attached(pid) => return self.meet(pid, false),
            _ => {}
        }
        let superseded = match line.event {
            // Where the other threads are gone, the leader's id is left out.
            Event::Superseded(by) if line.pid.is_none() => self.process_of(by),
            _ => None,
        };
        let pid =
            superseded.unwrap_or_else(|| self.whose(line.pid, matches!(line.event, Event::Resumed { .. })));
        self.meet(pid, matches!(line.event, Event::Call(_)));
        if let Some(comm) = line.comm
            && let Some(segment) = self.segment_of(pid)
        {
            segment.comm = Some(ByteString::new(comm.get(..LONGEST_COMM).unwrap_or(comm)));
        }
        match line.event {
            Event::Call(ref call) => self.enter(pid, line.number, call),
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
            if self.alive.len() == 1
                && let Some(only) = self.alive.first()
            {
                return *only;
            }
            // With `-qq` nothing is said of a thread's end: who has called exit is gone.
            let stays =
                |pid: &&u32| self.threads.get(pid).is_some_and(|thread| thread.ending == Ending::None);
            let mut here = self.alive.iter().take(LOOKED_AT).filter(stays);
            let only = here.next().filter(|_| here.next().is_none() && self.alive.len() <= LOOKED_AT);
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

    /// A new segment of a thread, and whether it is one: beyond the most that are kept, the last is everybody's.
    fn new_segment(&mut self, pid: u32) -> (usize, bool) {
        if self.segments.len() < MOST_SEGMENTS {
            self.segments.push(Segment::new(pid));
            return (self.segments.len() - 1, true);
        }
        self.images_merged += 1;
        let last = self.segments.len() - 1;
        if let Some(segment) = self.segments.get_mut(last) {
            segment.image = SegmentImage::Unknown;
        }
        (last, false)
    }

    /// The image of a path, or the unknown one beyond the most that are kept.
    fn image(&mut self, path: &ByteString) -> Arc<Image> {
        let path = path.as_bytes();
        let kept = path.get(..LONGEST_PATH).unwrap_or(path);
        let mut image = Image { path: ByteString::new(kept), ..Image::default() };
        if self.images.len() >= MOST_IMAGES && !self.images.contains_key(&image) {
            self.images_merged += 1;
            image = Image::default();
        }
        Arc::clone(self.images.entry(image.clone()).or_insert_with(|| Arc::new(image)))
    }

    /// What a segment ran, as far as it is known by now.
    fn image_of(&self, mut at: usize) -> Option<Arc<Image>> {
        loop {
            match &self.segments.get(at)?.image {
                SegmentImage::Known(image) => return Some(Arc::clone(image)),
                // Segments inherit from earlier ones only.
                SegmentImage::Inherited(from) => at = *from,
                SegmentImage::Unknown => return None,
            }
        }
    }

    fn segment_of(&mut self, pid: u32) -> Option<&mut Segment> {
        let thread = self.threads.get(&pid)?;
        self.segments.get_mut(thread.segment)
    }

    fn enter(&mut self, pid: u32, number: Option<u32>, call: &Call<'_>) {
        let is_first = self.calls == 0;
        // The call that starts the target belongs to the target, and strace itself made it, natively.
        let begins_file = pid == 0 && self.begins_file();
        let exec = if is_first && !begins_file { exec_of(call) } else { None };
        let starts_target = exec.is_some();
        self.begins_with_exec |= starts_target;
        self.calls += 1;
        if begins_file {
            // Which file is the target's is known where all have been read.
            self.go_on_in_file(exec_of(call));
        }
        self.uring_submits += usize::from(submits(call));
        let Some(thread) = self.threads.get_mut(&pid) else { return };
        let (spoken, segment) = (thread.spoken, thread.segment);
        if matches!(call.name, b"exit" | b"_exit" | b"exit_group") {
            self.saw_exit_call = true;
            thread.left_group |= call.name == b"exit_group";
            thread.ending = Ending::Called;
        }
        let effect = if starts_target { Effect::Nothing } else { effect_of(call) };
        if matches!(effect, Effect::Clone { .. }) {
            self.cloning.insert(pid);
        }
        let spoken = if starts_target { Spoken::Said(self.arch.native_abi()) } else { Spoken::of(spoken) };
        let called = Called { spoken, number, name: self.names.intern(call.name) };
        let begun = self.begun(called, call.begun().unwrap_or_default()).filter(|_| call.begun().is_some());
        if let Some(thread) = self.threads.get_mut(&pid) {
            thread.pending = Some(Pending { called, effect, segment, begun });
        }
        if let Some(exec) = exec {
            let image = self.image(&exec.path);
            self.command = exec.arguments;
            if let Some(segment) = self.segments.get_mut(segment) {
                segment.image = SegmentImage::Known(image);
                segment.is_start = true;
            }
        }
        self.count(segment, called);
        match call.end {
            CallEnd::Result => self.end_call(pid, call.text),
            CallEnd::Pending | CallEnd::Unknown => {}
            CallEnd::Superseding => self.become_leader(pid),
            CallEnd::Open => self.open_call = Some(pid),
            CallEnd::Attaching(child) => {
                self.open_call = Some(pid);
                self.meet(child, false);
            }
        }
    }

    fn count(&mut self, at: usize, called: Called) {
        let is_full = self.is_full();
        let now = self.clock.now();
        let Some(segment) = self.segments.get_mut(at) else { return };
        if is_full && !segment.has(called) {
            self.calls_lost += 1;
        } else if segment.count(called, now) {
            self.unsettled += 1;
            self.rule_out(at, called);
        }
    }

    /// Counts that a call has failed, which has been counted itself.
    fn fail(&mut self, segment: usize, called: Called, error: Errno) {
        let is_full = self.is_full();
        let Some(segment) = self.segments.get_mut(segment) else { return };
        match segment.fail(called, error, is_full) {
            Failed::New => self.unsettled += 1,
            Failed::Again => {}
            Failed::Lost => self.results_lost += 1,
        }
    }

    /// Whether as much is known of the log as is kept.
    fn is_full(&self) -> bool {
        self.unsettled + self.settled.different() >= MOST_FACTS
    }

    fn resume(&mut self, pid: u32, number: Option<u32>, name: &[u8], rest: &[u8]) {
        let place = self.names.intern(name);
        let is_pending = self.threads.get(&pid).is_some_and(|thread| {
            thread.pending.as_ref().is_some_and(|pending| pending.called.name == place)
        });
        if !is_pending {
            // It was entered before the log began, or on a line that was not understood.
            self.orphan_ends += 1;
            self.enter(pid, number, &Call { name, text: b"", end: CallEnd::Unknown });
        }
        self.end_call(pid, rest);
    }

    /// The end of the call that a thread is in.
    fn end_call(&mut self, pid: u32, rest: &[u8]) {
        let Some(thread) = self.threads.get_mut(&pid) else { return };
        let Some(pending) = thread.pending.take() else { return };
        self.cloning.remove(&pid);
        self.forget_begun(&pending);
        let text = pending.with(rest);
        let parts = text.as_ref().and_then(|text| Parts::of(text));
        let result = parts.as_ref().and_then(Parts::result).or_else(|| line::result(rest));
        let Some(result) = result else { return };
        let is_injected = line::find(result, b"(INJECTED)").is_some();
        self.injected += usize::from(is_injected);
        let error = line::error(result).filter(|_| !is_injected);
        if let Some(error) = error {
            self.fail(pending.segment, pending.called, error);
        }
        let succeeded = !matches!(result.first(), None | Some(b'-' | b'?'));
        let outcome = match error {
            Some(error) => Outcome::Failed(error),
            None if succeeded && !is_injected => Outcome::Succeeded(result),
            None => Outcome::Unknown,
        };
        self.learn(pid, &pending, parts.as_ref(), outcome);
        let Some(thread) = self.threads.get_mut(&pid) else { return };
        match pending.effect {
            // Behind it may stand how long it took (-T).
            Effect::Exec(path) if result.split(u8::is_ascii_whitespace).next() == Some(b"0") => {
                self.exec(pid, path.as_ref());
            }
            Effect::Clone { is_thread, shares } => {
                if let Some(child) = line::child(result) {
                    let is_thread = is_thread || line::makes_thread(rest);
                    let (spoken, held) = (thread.spoken, thread.held);
                    self.bear(
                        child,
                        Parent { segment: pending.segment, is_thread, spoken, held, seen: false },
                        shares,
                    );
                } else if !succeeded && result.starts_with(b"?") {
                    self.unreturned_clones += 1;
                }
            }
            Effect::Uring { polls } => {
                self.urings += 1;
                let polls = polls || line::find(rest, b"IORING_SETUP_SQPOLL").is_some();
                self.uring_submits += usize::from(succeeded && polls);
            }
            Effect::OwnProcess if pid == 0 => {
                if let Some(file) = self.files.last_mut() {
                    file.process = line::child(result).or(file.process);
                }
            }
            Effect::OwnId(sign) if succeeded => {
                if pid == 0
                    && let Some(file) = self.files.last_mut()
                {
                    file.id = line::child(result).or(file.id);
                }
                if let Some(segment) = self.segments.get_mut(pending.segment) {
                    segment.seen.add(sign.unwrap_or_default());
                }
            }
            Effect::Filter => self.filters += usize::from(succeeded),
            Effect::Shows(sign) if succeeded || sign.needs_no_success() => {
                if let Some(segment) = self.segments.get_mut(pending.segment) {
                    segment.seen.add(sign);
                }
            }
            _ => {}
        }
    }

    fn exec(&mut self, pid: u32, path: Option<&ByteString>) {
        let image = path.map(|path| self.image(path));
        let (at, is_new) = self.new_segment(pid);
        if let Some(segment) = self.segments.get_mut(at).filter(|_| is_new) {
            match image {
                Some(image) => segment.image = SegmentImage::Known(image),
                None => match self.early_execs.pop_front() {
                    Some(image) => segment.image = SegmentImage::Known(image),
                    None => self.unnamed_execs.push_back(at),
                },
            }
            segment.is_start = true;
        }
        if pid == 0 && is_new {
            self.extend_file(at);
        }
        if let Some(mut held) = self.threads.get(&pid).and_then(|thread| thread.held) {
            self.held.execute(&mut held);
            self.hold(pid, held);
        }
        // Whichever thread called execve, afterwards it is the leader of its process.
        let before = self.threads.get_mut(&pid).map(|thread| std::mem::replace(&mut thread.segment, at));
        if let Some(before) = before.filter(|before| *before != at) {
            if let Some(segment) = self.segments.get_mut(before) {
                segment.left_by_exec = true;
            }
            // One without an id may still be given one.
            if pid != 0 {
                self.settle(before);
            }
        }
    }

    /// A thread's execve has succeeded, and from here on its process speaks for it. In the files of `-ff` it has done so
    /// before.
    fn become_leader(&mut self, pid: u32) {
        let Some(thread) = self.threads.get_mut(&pid) else { return };
        thread.ending = Ending::Seen;
        self.alive.remove(&pid);
        // In a log with ids, its leader takes it over instead.
        let at = self.unnamed_execs.pop_front();
        if at.is_none() && pid != 0 {
            return;
        }
        let Some(Pending { effect: Effect::Exec(Some(path)), .. }) = &thread.pending else { return };
        let path = path.clone();
        let image = self.image(&path);
        match at.and_then(|at| self.segments.get_mut(at)) {
            Some(segment) => segment.image = SegmentImage::Known(image),
            // The file of its process comes later.
            None if self.early_execs.len() < MOST_SEGMENTS => self.early_execs.push_back(image),
            None => {}
        }
    }

    /// A thread's execve ended the other threads of its process and took its leader's id.
    fn supersede(&mut self, leader: u32, by: u32) {
        let pending = match self.threads.get_mut(&by) {
            Some(thread) => thread.pending.take(),
            // In the files of `-ff` what the thread called comes later, and has no id.
            None => Some(Pending {
                called: Called { spoken: Spoken::Silent, number: None, name: self.names.intern(b"execve") },
                effect: Effect::Exec(None),
                segment: self.threads.get(&leader).map_or(0, |thread| thread.segment),
                begun: None,
            }),
        };
        let others: Vec<u32> =
            self.alive.iter().copied().filter(|pid| self.process_of(*pid) == Some(leader)).collect();
        // Whoever was the leader, what the thread held is there.
        let held = self.threads.get_mut(&by).and_then(|thread| thread.held.take());
        for pid in others.into_iter().chain([by]) {
            self.alive.remove(&pid);
            self.let_go(pid);
            if let Some(thread) = self.threads.get_mut(&pid) {
                thread.ending = Ending::Seen;
            }
        }
        if let Some(thread) = self.threads.get_mut(&leader) {
            thread.ending = Ending::None;
            thread.pending = pending;
            thread.held = held.or(thread.held);
            self.alive.insert(leader);
        }
    }

    fn end(&mut self, pid: u32, exit: Exit) {
        if let Some(thread) = self.threads.get_mut(&pid) {
            thread.ending = Ending::Seen;
            let pending = thread.pending.take();
            if let Some(pending) = &pending {
                self.learn_unended(pid, pending);
            }
            self.let_go(pid);
            let Some(thread) = self.threads.get_mut(&pid) else { return };
            self.unreturned_clones +=
                usize::from(pending.is_some_and(|call| matches!(call.effect, Effect::Clone { .. })));
            self.alive.remove(&pid);
            self.cloning.remove(&pid);
            let (at, is_explained) = (thread.segment, thread.unexplained.is_none());
            if let Some(segment) = self.segments.get_mut(at) {
                segment.exit = Some(exit);
            }
            if pid == 0
                && let Some(file) = self.files.last_mut()
            {
                file.exit = Some(exit);
            }
            // No clone names one without an id.
            if is_explained || pid == 0 {
                self.settle(at);
            }
        }
        // The id may be given to another process from here on.
        if self.children.get(&pid).is_some_and(|parent| parent.seen) {
            self.children.remove(&pid);
        }
    }

    /// Brings the calls of a segment that has ended to those of its image, if nothing that follows can say more of them.
    fn settle(&mut self, at: usize) {
        let Some(image) = self.image_of(at) else { return };
        let Some(segment) = self.segments.get_mut(at) else { return };
        if at + 1 < MOST_SEGMENTS && segment.is_settled(&self.names, self.arch) {
            self.unsettled -= segment.different();
            self.settled.take(segment, &image, &self.names, (self.arch, None));
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

    pub(super) fn into_trace(mut self, run: &RunId) -> Result<Trace, ImportError> {
        if self.calls == 0 {
            return Err(match self.rows {
                0 => ImportError::NothingFound { expected: "an strace log" },
                _ => ImportError::OnlySummary,
            });
        }
        if let Some(pid) = self.open_call {
            // The log ends in the middle of a line; that it ends early is noted below.
            self.threads.entry(pid).and_modify(|thread| {
                thread.ending = Ending::None;
                thread.left_group = false;
            });
        }
        let unended: Vec<u32> =
            self.threads.iter().filter(|(_, thread)| thread.pending.is_some()).map(|(pid, _)| *pid).collect();
        for pid in unended {
            if let Some(pending) = self.threads.get_mut(&pid).and_then(|thread| thread.pending.take()) {
                self.learn_unended(pid, &pending);
            }
        }
        self.arrange_files();
        let mut trace = Trace::default();
        let mut about = imported_run(Source::Strace);
        about.command = std::mem::take(&mut self.command);
        about.duration_ms = self.clock.duration_ms();
        about.started_unix_ms = self.clock.started_unix_ms();
        let root = self.root.and_then(|root| self.threads.get(&root));
        about.exit = self.root_exit.or_else(|| root.and_then(|root| self.segments.get(root.segment)?.exit));
        trace.runs.insert(*run, about);
        self.note_what_is_missing(run, &mut trace);
        let assumed = if self.announces { Some(self.arch.native_abi()) } else { None };
        let unknown_image = Arc::new(Image::default());
        for at in 0..self.segments.len() {
            let image = self.image_of(at).unwrap_or_else(|| Arc::clone(&unknown_image));
            if let Some(segment) = self.segments.get_mut(at) {
                self.settled.take(segment, &image, &self.names, (self.arch, assumed));
            }
        }
        let is_filtered = self.leaves_out_calls() || self.settled.lacks_calls();
        self.settled.observe(self.arch, run, &mut trace, is_filtered);
        self.not_understood.into_gap(run, &mut trace);
        Ok(trace)
    }
}

#[cfg(test)]
mod tests;
