//! The books of a recording by notification: which tasks there are, what they run, and what they called.
//!
//! A call is looked up while its task waits, so what /proc says of the task holds; it is counted once it has been
//! let go on. Memory grows with tasks that live, programs and distinct calls with some of their arguments, never with
//! calls.

use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;

use rustix::event::epoll;
use rustix::process::{Pid, PidfdFlags};
use sandprint_model::Arch;
use sandprint_sandbox::notify::Notification;
use sandprint_sandbox::process;

use crate::books::asked::{self, Asked};
use crate::books::kinds::{self, Kind};
use crate::books::look::{Found, Look};
use crate::books::task::{self, Belongs, Change, Waiting};
use crate::books::{Books, Caller, Key, UNKNOWN};
use crate::detail::Detail;
use crate::host;

/// What could not be seen, or was disturbed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Disturbed {
    /// Calls that were gone before they could be received, and may have failed.
    pub(super) interrupted: u64,
    /// Whether a handler was set, whose returns are not reported.
    pub(super) handles: bool,
    /// Filters that the workload installed.
    pub(super) own_filters: u64,
    /// Filters with a listener, which it was refused.
    pub(super) listeners: u64,
    /// Strict modes, which it was refused.
    pub(super) strict: u64,
}

impl Disturbed {
    fn note(&mut self, asked: Asked) {
        match asked {
            Asked::Nothing => {}
            Asked::Strict => self.strict += 1,
            Asked::Filter => self.own_filters += 1,
            Asked::Listener => self.listeners += 1,
        }
    }
}

#[derive(Debug)]
struct Process {
    image: usize,
    threads: HashSet<u32>,
    /// Signals whose handlers make an interrupted call fail, a bit for each from 1 on.
    failing: u64,
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
    /// To be counted; and what it asks of seccomp, which was read before the call could change it.
    Call { key: Key, tgid: u32, asked: Asked },
}

/// A thread, as the ledger has it.
#[derive(Debug, Clone, Copy)]
struct Thread {
    group: u32,
    /// What it was last let go on with.
    last: Option<Waiting>,
    /// How often it had come onto a processor when it was last known to wait.
    runs: Option<u64>,
}

impl Thread {
    fn new(group: u32) -> Thread {
        Thread { group, last: None, runs: None }
    }

    /// Whether it may have made a call that we have not heard of. What has not run since it waited has made none, and
    /// neither has what is still in the call that it was let go on with.
    fn may_have_called(&mut self, tid: u32) -> bool {
        let runs = task::runs(tid);
        if runs.is_some() && runs == self.runs {
            return false;
        }
        let waits = self.last.is_some_and(|last| task::is_still_in(tid, &last));
        if waits {
            self.runs = runs;
        }
        !waits
    }
}

/// The books, and who is who.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) books: Books,
    /// The workload's first process.
    first: u32,
    follow_children: bool,
    launch: Launch,
    processes: HashMap<u32, Process>,
    threads: HashMap<u32, Thread>,
    /// Threads that were let go on to make a task and have not been heard of since: while there are any, a number
    /// may be given again, and the dead are looked for first.
    creating: HashSet<u32>,
    ended: OwnedFd,
    /// Processes that are not in it: descriptors ran out.
    unwatched: HashSet<u32>,
    pub(super) disturbed: Disturbed,
    pub(super) launched_ns: u64,
    pub(super) admitted: u64,
}

impl Ledger {
    pub(super) fn new(
        arch: Arch,
        detail: Detail,
        first: u32,
        follow_children: bool,
    ) -> std::io::Result<Ledger> {
        Ok(Ledger {
            books: Books::new(arch, detail),
            first,
            follow_children,
            launch: Launch::Executing(0),
            processes: HashMap::new(),
            threads: HashMap::new(),
            creating: HashSet::new(),
            ended: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            unwatched: HashSet::new(),
            disturbed: Disturbed::default(),
            launched_ns: 0,
            admitted: 0,
        })
    }

    /// A call was gone before it could be received. Whose it was the kernel does not say: it may have failed if there
    /// is a thread which it can be of, in a process with a handler that has calls fail.
    pub(super) fn interrupted(&mut self) {
        if self.launch != Launch::Begun || self.books.closed {
            return;
        }
        self.bury();
        // All are looked at: what is found of each helps the next time.
        let mut may_have_failed = false;
        for process in self.processes.values().filter(|process| process.failing != 0) {
            for tid in &process.threads {
                may_have_failed |=
                    self.threads.get_mut(tid).is_none_or(|thread| thread.may_have_called(*tid));
            }
        }
        self.disturbed.interrupted += u64::from(may_have_failed);
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
        let call = self.books.kinds.call(notification.audit_arch, notification.nr);
        let Some((group, parent)) = self.process_of(thread) else {
            return Seen::Call { key: Key { image: UNKNOWN, call }, tgid: 0, asked: Asked::Nothing };
        };
        if !self.follow_children && group != self.first {
            return Seen::Foreign;
        }
        let image = self.image_of(thread, group, parent);
        let key = Key { image, call };
        let mut asked = Asked::Nothing;
        match (self.books.kinds.of(call), notification.args) {
            (Kind::Seccomp, args) => asked = asked::by_seccomp(thread, &args),
            (Kind::Prctl, args) => asked = asked::by_prctl(thread, &args),
            (Kind::Handle, [signal, action, ..]) => {
                self.handle(Caller { tgid: group, tid: thread }, key, signal, action);
            }
            (Kind::UringSetup, [_, parameters, ..]) => self.set_up_uring(thread, parameters),
            _ => {}
        }
        self.note_wait(thread, group);
        Seen::Call { key, tgid: group, asked }
    }

    /// Takes note that a thread waits for us, if it must be told from others when a call is lost.
    fn note_wait(&mut self, thread: u32, group: u32) {
        let may_fail = self.processes.get(&group).is_some_and(|process| process.failing != 0);
        let has_others = self.threads.len() > 1;
        if let Some(known) = self.threads.get_mut(&thread) {
            known.runs = if may_fail && has_others { task::runs_before_it_waited(thread) } else { None };
        }
    }

    /// Takes note of a call that was let go on.
    pub(super) fn count(&mut self, notification: &Notification, seen: Seen) {
        match seen {
            Seen::Launch => self.launch = Launch::Executing(host::monotonic_ns()),
            Seen::Foreign => {}
            Seen::Call { key, tgid: group, asked } => {
                let arguments = self.books.kinds.selected(key.call, &notification.args);
                let caller = Caller { tgid: group, tid: notification.tid };
                self.books.add(key, arguments, caller, host::monotonic_ns());
                self.disturbed.note(asked);
                if let Some(thread) = self.threads.get_mut(&notification.tid) {
                    let Notification { nr, args, instruction_pointer, .. } = *notification;
                    thread.last = Some(Waiting { nr, args, instruction_pointer });
                }
                let kind = self.books.kinds.of(key.call);
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
        self.threads.insert(first, Thread::new(first));
        let image = self.image_of(first, first, 0);
        let execve = self.books.kinds.execve();
        self.books.add(Key { image, call: execve }, None, Caller { tgid: first, tid: first }, at);
        self.books.find_executed(first, image, image);
        true
    }

    /// What a call has to do with files and sockets that waits, if that is wanted: it is only tried as yet.
    pub(super) fn find(&self, notification: &Notification, seen: Seen) -> Option<(Key, Found)> {
        let Seen::Call { key, tgid: group, .. } = seen else { return None };
        let wanted = self.books.wanted(key.call)?;
        let Notification { tid, args, .. } = *notification;
        let who = Caller { tgid: if group == 0 { tid } else { group }, tid };
        let look = Look { call: key.call, args, who, result: None, began: None };
        Some((key, look.at(wanted)))
    }

    /// A handler is set, or taken away: its returns will not be reported, only that there may be some is known.
    fn handle(&mut self, caller: Caller, key: Key, signal: u64, action: u64) {
        let handler = match task::handler(caller.tid, key.call, action) {
            Change::None => return,
            Change::Removed => None,
            Change::Set(handler) => Some(handler),
        };
        if let Some(process) = self.processes.get_mut(&caller.tgid) {
            let bit = asked::low(signal).checked_sub(1).and_then(|signal| 1_u64.checked_shl(signal));
            let bit = bit.unwrap_or_default();
            process.failing &= !bit;
            if handler.is_some_and(|handler| !handler.restarts) {
                process.failing |= bit;
            }
        }
        let Some(handler) = handler else { return };
        self.disturbed.handles = true;
        if let Some(call) = kinds::return_of(key.call, handler.information) {
            self.books.expect(Key { call, ..key }, caller, host::monotonic_ns());
        }
    }

    fn set_up_uring(&mut self, thread: u32, parameters: u64) {
        /// `IORING_SETUP_SQPOLL`: the kernel takes work without a call.
        const SQPOLL: u32 = 1 << 1;
        // What cannot be read is taken for the worse.
        if task::uring_flags(thread, parameters).is_none_or(|flags| flags & SQPOLL != 0) {
            self.books.uring_submits += 1;
        }
    }

    /// The process of a thread, and the parent of a process that is new.
    fn process_of(&mut self, thread: u32) -> Option<(u32, u32)> {
        if let Some(known) = self.threads.get(&thread) {
            return Some((known.group, 0));
        }
        let Belongs { tgid: group, parent } = task::belongs(thread)?;
        self.threads.insert(thread, Thread::new(group));
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
                Some(program) => self.books.image(program),
                // A process may hide from us (prctl(2), PR_SET_DUMPABLE), and its children do from their start: what
                // has not executed anything runs what its parent does.
                None => self.processes.get(&parent).map_or(UNKNOWN, |parent| parent.image),
            };
            let pidfd = self.watch(group);
            if pidfd.is_none() {
                self.unwatched.insert(group);
            }
            // What it has not changed itself it has from its parent.
            let failing = self.processes.get(&parent).map_or(0, |parent| parent.failing);
            let threads = [thread].into();
            let process = Process { image, threads, failing, executing: None, _pidfd: pidfd };
            self.processes.insert(group, process);
            return image;
        };
        let Some(executing) = process.executing else { return process.image };
        // An execve ends all other threads and takes over the number of the first: either the thread that called it
        // is heard of, or it is no more. In between, another thread may still make calls of the old program.
        let over =
            executing == thread || task::belongs(executing).is_none_or(|belongs| belongs.tgid != group);
        let before = process.image;
        let image = task::program(thread).map(|program| self.books.image(program));
        let image = image.unwrap_or(if over { UNKNOWN } else { before });
        let Some(process) = self.processes.get_mut(&group) else { return image };
        process.image = image;
        if over {
            process.executing = None;
        }
        let is_another = image != before && image != UNKNOWN;
        if over || image != before {
            process.failing = 0;
            // Other threads are gone, or are looked up again.
            let others = std::mem::replace(&mut process.threads, [thread].into());
            for other in others.into_iter().filter(|&other| other != thread) {
                self.forget_thread(other);
            }
        }
        if is_another {
            // That its execve has succeeded is seen by that. Of one that brings the same program it is not.
            self.books.find_executed(group, before, image);
        }
        image
    }

    /// What follows from a call that was let go on.
    fn follow(&mut self, notification: &Notification, kind: Kind, group: u32) {
        let [_, second, ..] = notification.args;
        let thread = notification.tid;
        match kind {
            Kind::Other | Kind::Handle | Kind::UringSetup | Kind::Trace | Kind::Seccomp | Kind::Prctl => {}
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
            Kind::UringEnter => self.books.uring_submits += u64::from(asked::low(second) != 0),
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
