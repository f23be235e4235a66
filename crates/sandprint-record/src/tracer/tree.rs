//! The books of a tracer: which tasks there are, what they run, and what they called.

use std::collections::{BTreeSet, HashMap};

use sandprint_model::Arch;

use super::again::Interrupted;
use super::handover;
use crate::books::asked::low;
use crate::books::kinds::Kind;
use crate::books::task::Belongs;
use crate::books::{Books, Caller, Key, UNKNOWN, task};
use crate::detail::Detail;

/// What is known of a process.
#[derive(Debug)]
struct Process {
    image: usize,
    threads: usize,
}

/// The books, and who is who.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) books: Books,
    first: u32,
    threads: HashMap<u32, u32>,
    processes: HashMap<u32, Process>,
    pub(super) launched_ns: u64,
    pub(super) admitted: u64,
    /// Nothing is traced any more.
    pub(super) over: bool,
    /// Filters that the workload installed.
    pub(super) own_filters: u64,
    /// Tasks that were left to a tracer of the workload.
    pub(super) left: u64,
    /// Tasks that were made so that no tracer follows them.
    pub(super) untraced: u64,
    /// The most processes and the most threads that there were at a time. What has ended counts until that is told.
    pub(super) most: (usize, usize),
}

impl Tree {
    pub(super) fn new(arch: Arch, detail: Detail, first: u32) -> Tree {
        Tree {
            books: Books::new(arch, detail),
            first,
            threads: HashMap::new(),
            processes: HashMap::new(),
            launched_ns: 0,
            admitted: 0,
            over: false,
            own_filters: 0,
            left: 0,
            untraced: 0,
            most: (0, 0),
        }
    }

    /// Takes note of a task that is traced, and was not known.
    pub(super) fn meet(&mut self, tid: u32) {
        let Some(belongs) = task::belongs(tid) else { return };
        self.add(tid, belongs);
        let (processes, threads) = self.most;
        self.most = (processes.max(self.processes.len()), threads.max(self.threads.len()));
    }

    fn add(&mut self, tid: u32, belongs: Belongs) {
        self.threads.insert(tid, belongs.tgid);
        self.admitted = self.admitted.saturating_add(1);
        if let Some(process) = self.processes.get_mut(&belongs.tgid) {
            process.threads += 1;
            return;
        }
        let image = match self.program(tid) {
            Some(image) => image,
            // A process may hide from us (prctl(2), PR_SET_DUMPABLE), and its children do from their start: what has
            // not executed anything runs what its parent does.
            None => self.processes.get(&belongs.parent).map_or(UNKNOWN, |parent| parent.image),
        };
        self.processes.insert(belongs.tgid, Process { image, threads: 1 });
    }

    /// What it runs, as long as that is wanted: each program's file is kept open for whoever looks into it.
    fn program(&mut self, tid: u32) -> Option<usize> {
        if self.books.closed {
            return None;
        }
        task::program(tid).map(|program| self.books.image(program))
    }

    /// Counts a call as failed that was not made again.
    pub(super) fn settle(&mut self, interrupted: Option<&Interrupted>) {
        if let Some((key, error)) = interrupted.and_then(Interrupted::failed) {
            self.books.fail(key, error);
        }
        if let Some((key, found)) = interrupted.and_then(Interrupted::found) {
            self.books.find(key, found.clone());
        }
    }

    /// Takes note of an end.
    pub(super) fn ended(&mut self, tid: u32) {
        let Some(group) = self.threads.remove(&tid) else { return };
        if let Some(process) = self.processes.get_mut(&group) {
            process.threads = process.threads.saturating_sub(1);
            if process.threads == 0 {
                self.processes.remove(&group);
            }
        }
    }

    /// A process executed; the thread that did had the number `before`, and has `tid` now. The ends of the others are
    /// told.
    pub(super) fn executed(&mut self, tid: u32, before: u32, now: u64) {
        if before != tid {
            // One of the two is no more, and nobody tells of that.
            self.ended(before);
        }
        let image = self.program(tid).unwrap_or(UNKNOWN);
        let begins = tid == self.first && self.launched_ns == 0;
        let mut by = image;
        if let Some(process) = self.processes.get_mut(&tid) {
            if !begins {
                by = process.image;
            }
            process.image = image;
        }
        // Whoever executed it did so; the launcher is none of the workload.
        self.books.find_executed(tid, by, image);
        if begins {
            // The footprint begins with this execve, under the program that it brought.
            self.launched_ns = now.max(1);
            let call = self.books.kinds.execve();
            self.books.add(Key { image, call }, None, Caller { tgid: tid, tid }, now);
        }
    }

    /// Whose a thread is, and what that runs.
    pub(super) fn caller(&self, tid: u32) -> Option<(u32, usize)> {
        let group = *self.threads.get(&tid)?;
        Some((group, self.processes.get(&group).map_or(UNKNOWN, |process| process.image)))
    }

    /// Whose a thread is.
    pub(super) fn process_of(&self, tid: u32) -> Option<u32> {
        self.threads.get(&tid).copied()
    }

    /// The task that this call is to give a tracer, if we trace it.
    pub(super) fn wanted(&self, tid: u32, args: &[u64; 6]) -> Option<u32> {
        handover::wanted(tid, args, &self.threads)
    }

    /// The processes.
    pub(super) fn processes(&self) -> BTreeSet<u32> {
        self.processes.keys().copied().collect()
    }

    /// Tasks that live.
    pub(super) fn live(&self) -> u64 {
        u64::try_from(self.threads.len()).unwrap_or(u64::MAX)
    }

    /// What follows from a call that has this result.
    pub(super) fn came_of(&mut self, tid: u32, kind: Kind, args: &[u64; 6], result: i64) {
        /// linux/prctl.h, linux/seccomp.h, `linux/io_uring.h`.
        const PR_SET_SECCOMP: u32 = 22;
        const FILTER: u64 = 2;
        const SQPOLL: u32 = 1 << 1;
        let [first, second, third, ..] = *args;
        let done = result >= 0;
        match kind {
            // A null filter is a question about flags, which fails.
            Kind::Seccomp => self.own_filters += u64::from(done && low(first) == 1 && third != 0),
            Kind::Prctl => {
                self.own_filters += u64::from(done && (low(first), second) == (PR_SET_SECCOMP, FILTER));
            }
            // The kernel has just written there. What cannot be read is taken for the worse.
            Kind::UringSetup if done => {
                let flags = task::uring_flags(tid, second);
                self.books.uring_submits += u64::from(flags.is_none_or(|flags| flags & SQPOLL != 0));
            }
            Kind::UringEnter => self.books.uring_submits += u64::from(low(second) != 0),
            _ => {}
        }
    }
}
