//! The books of a recording by notification: which tasks there are, what they run, and what they called.
//!
//! A call is looked up while its task waits, so what /proc says of the task holds; it is counted once it has been
//! let go on. Memory grows with tasks that live, programs and distinct calls with some of their arguments, never with
//! calls.

use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;

use rustix::event::epoll;
use rustix::process::{Pid, PidfdFlags};
use sandprint_model::arguments::Selected;
use sandprint_model::{Arch, ArgumentsSeen, ByteString, Syscall};
use sandprint_sandbox::notify::Notification;
use sandprint_sandbox::process;

use super::kinds::{self, Kind, Kinds};
use super::task::{self, Belongs, Identity, Program};
use crate::host;

/// Most images that are kept apart, as in the BPF recorder.
const MOST_IMAGES: usize = 4096;
/// The image of what could not be identified.
const UNKNOWN: usize = 0;
/// The image of what comes after the last that is kept apart.
const MERGED: usize = 1;
/// The first image that is a program's own.
pub(super) const FIRST: usize = 2;

/// A program that ran.
#[derive(Debug, Default)]
pub(super) struct Image {
    pub(super) path: ByteString,
    pub(super) script: Option<ByteString>,
    pub(super) mode: u16,
    /// The file, until somebody who may wait for a file system has looked into it.
    pub(super) file: Option<OwnedFd>,
}

/// Who made which call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) image: usize,
    pub(super) call: Syscall,
}

/// How often, with what, and when and by whom first.
#[derive(Debug, Clone)]
pub(super) struct Count {
    pub(super) calls: u64,
    /// Of a call that has arguments by which a rule can tell calls apart.
    pub(super) arguments: Option<ArgumentsSeen>,
    pub(super) first_ns: u64,
    pub(super) tgid: u32,
    pub(super) tid: u32,
    pub(super) comm: ByteString,
}

/// What could not be seen, or was disturbed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Disturbed {
    /// Calls that were gone before they could be received.
    pub(super) interrupted: u64,
    /// Whether a handler was set that makes such a call fail.
    pub(super) fails_calls: bool,
    /// Whether a handler was set, whose returns are not reported.
    pub(super) handles: bool,
    /// Filters that the workload installed.
    pub(super) own_filters: u64,
    /// Filters with a listener, which it was refused.
    pub(super) listeners: u64,
    /// Strict modes, which it was refused.
    pub(super) strict: u64,
    /// Calls by which `io_uring` was given work.
    pub(super) uring_submits: u64,
    /// Programs after the last that is kept apart.
    pub(super) merged: u64,
}

#[derive(Debug)]
struct Process {
    image: usize,
    threads: HashSet<u32>,
    /// The thread whose execve is under way, or was: until it is heard of again, the image is looked at each time.
    executing: Option<u32>,
    /// Readable once the process has ended. Closed, it leaves the set of those that are waited for.
    _pidfd: Option<OwnedFd>,
}

/// How far the launch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Launch {
    /// The child has not executed yet. When its execve was last let go on.
    Executing(u64),
    /// It has.
    Begun,
}

/// A call that waits, as the books have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// The first execve, not yet successful.
    Launch,
    /// Not of a task that is followed.
    Foreign,
    /// To be counted.
    Call { key: Key, tgid: u32 },
}

/// The books.
#[derive(Debug)]
pub(super) struct Ledger {
    kinds: Kinds,
    /// The workload's first process.
    first: u32,
    follow_children: bool,
    launch: Launch,
    processes: HashMap<u32, Process>,
    threads: HashMap<u32, u32>,
    /// Threads that were let go on to make a task and have not been heard of since: while there are any, a number
    /// may be given again, and the dead are looked for first.
    creating: HashSet<u32>,
    ended: OwnedFd,
    /// Processes that are not in it: descriptors ran out.
    unwatched: HashSet<u32>,
    known: HashMap<Identity, usize>,
    pub(super) images: Vec<Image>,
    pub(super) calls: HashMap<Key, Count>,
    pub(super) disturbed: Disturbed,
    pub(super) launched_ns: u64,
    pub(super) last_new_ns: u64,
    pub(super) admitted: u64,
    /// Calls of which it is not known what made them.
    pub(super) unidentified: u64,
    /// Nothing is counted any more.
    pub(super) closed: bool,
    /// Whether there are images with a file.
    pub(super) news: bool,
}

impl Ledger {
    pub(super) fn new(arch: Arch, first: u32, follow_children: bool) -> std::io::Result<Ledger> {
        Ok(Ledger {
            kinds: Kinds::new(arch),
            first,
            follow_children,
            launch: Launch::Executing(0),
            processes: HashMap::new(),
            threads: HashMap::new(),
            creating: HashSet::new(),
            ended: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            known: HashMap::new(),
            images: vec![Image::default(), Image::default()],
            unwatched: HashSet::new(),
            calls: HashMap::new(),
            disturbed: Disturbed::default(),
            launched_ns: 0,
            last_new_ns: 0,
            admitted: 0,
            unidentified: 0,
            closed: false,
            news: false,
        })
    }

    /// A call was gone before it could be received.
    pub(super) fn interrupted(&mut self) {
        if self.launch == Launch::Begun && !self.closed {
            self.disturbed.interrupted = self.disturbed.interrupted.saturating_add(1);
        }
    }

    /// Looks a call up, while its task waits.
    pub(super) fn look(&mut self, notification: &Notification) -> Seen {
        let thread = notification.tid;
        if let Launch::Executing(_) = self.launch {
            if process::has_never_executed(thread) == Some(true) {
                return Seen::Launch;
            }
            self.begin();
        }
        if !self.creating.is_empty() {
            self.bury();
            self.creating.remove(&thread);
        }
        let call = self.kinds.call(notification.audit_arch, notification.nr);
        let Some((group, parent)) = self.process_of(thread) else {
            return Seen::Call { key: Key { image: UNKNOWN, call }, tgid: 0 };
        };
        if !self.follow_children && group != self.first {
            return Seen::Foreign;
        }
        let image = self.image_of(thread, group, parent);
        let key = Key { image, call };
        match (self.kinds.of(call), notification.args) {
            (Kind::Handle, [_, action, ..]) => self.handle(thread, group, key, action),
            (Kind::UringSetup, [_, parameters, ..]) => self.set_up_uring(thread, parameters),
            _ => {}
        }
        Seen::Call { key, tgid: group }
    }

    /// Takes note of a call that was let go on.
    pub(super) fn count(&mut self, notification: &Notification, seen: Seen) {
        match seen {
            Seen::Launch => self.launch = Launch::Executing(host::monotonic_ns()),
            Seen::Foreign => {}
            Seen::Call { key, tgid: group } => {
                if !self.closed {
                    let arguments = self.kinds.selected(key.call, &notification.args);
                    self.add(key, arguments, group, notification.tid, host::monotonic_ns());
                }
                let kind = self.kinds.of(key.call);
                if kind != Kind::Other {
                    self.follow(notification, kind, group);
                }
            }
        }
    }

    /// The launch succeeded: the footprint begins with that execve, under the program that it brought.
    ///
    /// False where it was not let go on by us.
    pub(super) fn begin(&mut self) -> bool {
        let Launch::Executing(at) = self.launch else { return true };
        if at == 0 {
            return false;
        }
        self.launch = Launch::Begun;
        self.launched_ns = at;
        let first = self.first;
        self.threads.insert(first, first);
        let image = self.image_of(first, first, 0);
        let execve = self.kinds.execve();
        self.add(Key { image, call: execve }, None, first, first, at);
        true
    }

    fn add(&mut self, key: Key, arguments: Option<Selected>, group: u32, thread: u32, now: u64) {
        self.unidentified = self.unidentified.saturating_add(u64::from(key.image == UNKNOWN));
        if let Some(known) = self.calls.get_mut(&key) {
            known.calls = known.calls.saturating_add(1);
            if let (Some(seen), Some(arguments)) = (&mut known.arguments, arguments) {
                seen.add(arguments, 1);
            }
            return;
        }
        self.last_new_ns = now;
        let arguments = arguments.map(|arguments| ArgumentsSeen::new(arguments, 1));
        let comm = task::comm(thread);
        self.calls.insert(key, Count { calls: 1, arguments, first_ns: now, tgid: group, tid: thread, comm });
    }

    /// A handler is set: its returns will not be reported, only that there may be some is known.
    fn handle(&mut self, thread: u32, group: u32, key: Key, action: u64) {
        let Some(handler) = task::handler(thread, key.call, action) else { return };
        self.disturbed.handles = true;
        self.disturbed.fails_calls |= !handler.restarts;
        if let Some(call) = kinds::return_of(key.call, handler.information)
            && !self.closed
        {
            let now = host::monotonic_ns();
            let comm = || task::comm(thread);
            let returns =
                || Count { calls: 0, arguments: None, first_ns: now, tgid: group, tid: thread, comm: comm() };
            self.calls.entry(Key { call, ..key }).or_insert_with(returns);
        }
    }

    fn set_up_uring(&mut self, thread: u32, parameters: u64) {
        /// `IORING_SETUP_SQPOLL`: the kernel takes work without a call.
        const SQPOLL: u32 = 1 << 1;
        // What cannot be read is taken for the worse.
        if task::uring_flags(thread, parameters).is_none_or(|flags| flags & SQPOLL != 0) {
            self.disturbed.uring_submits += 1;
        }
    }

    /// The process of a thread, and the parent of a process that is new.
    fn process_of(&mut self, thread: u32) -> Option<(u32, u32)> {
        if let Some(&group) = self.threads.get(&thread) {
            return Some((group, 0));
        }
        let Belongs { tgid: group, parent } = task::belongs(thread)?;
        self.threads.insert(thread, group);
        self.admitted = self.admitted.saturating_add(1);
        if let Some(process) = self.processes.get_mut(&group) {
            process.threads.insert(thread);
        }
        Some((group, parent))
    }

    /// What the process of a waiting thread runs.
    fn image_of(&mut self, thread: u32, group: u32, parent: u32) -> usize {
        let Some(process) = self.processes.get(&group) else {
            let image = match task::program(thread) {
                Some(program) => self.image(program),
                // A process may hide from us (prctl(2), PR_SET_DUMPABLE), and its children do from their start: what
                // has not executed anything runs what its parent does.
                None => self.processes.get(&parent).map_or(UNKNOWN, |parent| parent.image),
            };
            let pidfd = self.watch(group);
            if pidfd.is_none() {
                self.unwatched.insert(group);
            }
            self.processes
                .insert(group, Process { image, threads: [thread].into(), executing: None, _pidfd: pidfd });
            return image;
        };
        let Some(executing) = process.executing else { return process.image };
        // An execve ends all other threads and takes over the number of the first: either the thread that called it
        // is heard of, or it is no more. In between, another thread may still make calls of the old program.
        let over =
            executing == thread || task::belongs(executing).is_none_or(|belongs| belongs.tgid != group);
        let before = process.image;
        let image = task::program(thread).map(|program| self.image(program));
        let image = image.unwrap_or(if over { UNKNOWN } else { before });
        let Some(process) = self.processes.get_mut(&group) else { return image };
        process.image = image;
        if over {
            process.executing = None;
        }
        if over || image != before {
            // Other threads are gone, or are looked up again.
            let others = std::mem::replace(&mut process.threads, [thread].into());
            for other in others.into_iter().filter(|&other| other != thread) {
                self.forget_thread(other);
            }
        }
        image
    }

    fn image(&mut self, program: Program) -> usize {
        if let Some(&known) = self.known.get(&program.identity) {
            return known;
        }
        if self.images.len() >= FIRST + MOST_IMAGES {
            self.disturbed.merged = self.disturbed.merged.saturating_add(1);
            return MERGED;
        }
        let Program { identity, path, script, mode, file } = program;
        let id = self.images.len();
        self.images.push(Image { path, script, mode, file: Some(file) });
        self.known.insert(identity, id);
        self.news = true;
        id
    }

    /// What follows from a call that was let go on.
    fn follow(&mut self, notification: &Notification, kind: Kind, group: u32) {
        /// linux/prctl.h, linux/seccomp.h.
        const PR_SET_SECCOMP: u64 = 22;
        const STRICT: u64 = 1;
        const FILTER: u64 = 2;
        let [first, second, third, ..] = notification.args;
        let thread = notification.tid;
        let disturbed = &mut self.disturbed;
        match kind {
            Kind::Other | Kind::Handle | Kind::UringSetup => {}
            Kind::Create => drop(self.creating.insert(thread)),
            Kind::Execute => {
                if let Some(process) = self.processes.get_mut(&group) {
                    process.executing = Some(thread);
                }
            }
            Kind::Exit => {
                if let Some(process) = self.processes.get_mut(&group) {
                    process.threads.remove(&thread);
                }
                self.forget_thread(thread);
            }
            Kind::ExitGroup => self.forget(group),
            // SECCOMP_SET_MODE_STRICT is 0 here; a null filter is a question about flags.
            Kind::Seccomp => match (first, third) {
                (0, _) => disturbed.strict += 1,
                (1, filter) if filter != 0 => {
                    let listener = second & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER != 0;
                    if listener { disturbed.listeners += 1 } else { disturbed.own_filters += 1 }
                }
                _ => {}
            },
            Kind::Prctl => match (first, second) {
                (PR_SET_SECCOMP, STRICT) => disturbed.strict += 1,
                (PR_SET_SECCOMP, FILTER) => disturbed.own_filters += 1,
                _ => {}
            },
            Kind::UringEnter => disturbed.uring_submits += u64::from(second != 0),
        }
    }

    fn watch(&self, group: u32) -> Option<OwnedFd> {
        let pid = Pid::from_raw(i32::try_from(group).ok()?)?;
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
        let data = epoll::EventData::new_u64(u64::from(group));
        epoll::add(&self.ended, &pidfd, data, epoll::EventFlags::IN).ok()?;
        Some(pidfd)
    }

    /// Forgets every process that has ended, before its number can be taken for its.
    pub(super) fn bury(&mut self) {
        let now = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
        loop {
            let mut room = [const { std::mem::MaybeUninit::uninit() }; 16];
            let Ok((events, _)) = epoll::wait(&self.ended, &mut room, Some(&now)) else { break };
            if events.is_empty() {
                break;
            }
            for event in events {
                self.forget(u32::try_from(event.data.u64()).unwrap_or_default());
            }
        }
        // Whose end cannot be waited for is looked at anew each time.
        for group in std::mem::take(&mut self.unwatched) {
            self.forget(group);
        }
    }

    fn forget(&mut self, group: u32) {
        if let Some(process) = self.processes.remove(&group) {
            for thread in process.threads {
                self.forget_thread(thread);
            }
        }
    }

    fn forget_thread(&mut self, thread: u32) {
        self.threads.remove(&thread);
        self.creating.remove(&thread);
    }

    /// The processes that have made a call and live.
    pub(super) fn processes(&mut self) -> Vec<u32> {
        self.bury();
        self.processes.keys().copied().collect()
    }

    /// Whether the first process lives, or has been heard of and did not end.
    pub(super) fn has_first(&mut self) -> bool {
        self.bury();
        self.processes.contains_key(&self.first)
    }

    /// Threads that are known and have not ended.
    pub(super) fn live(&mut self) -> u64 {
        self.bury();
        u64::try_from(self.threads.len()).unwrap_or(u64::MAX)
    }
}
