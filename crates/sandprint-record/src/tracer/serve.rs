//! The thread that traces: wait for a stop, take note of it, let the task go on.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use sandprint_model::errno::Errno;
use sandprint_sandbox::launch::Watched;
use sandprint_sandbox::notify::Heard;
use sandprint_sandbox::ptrace::{At, Change, Followed, Tracer};
use sandprint_sandbox::signals::Signal;

use super::TracerError;
use super::again::{self, Interrupted};
use super::inside::{Inside, Unheard};
use super::tree::Tree;
use crate::books::kinds::{Kind, is_return};
use crate::books::{Caller, Ending, Key, Shared, UNKNOWN, task};
use crate::host;

/// How many stops are served before all tasks are looked at in turn: the kernel tells of the one that it traces longest
/// first, so that others could wait for ever.
const TURN: u32 = 64;

/// How long a task has to come to a stop.
const TO_STOP: Duration = Duration::from_secs(1);

/// Starts the thread. It traces until nothing is left to be traced, or until this process ends.
pub(super) fn start(
    first: u32,
    follow_children: bool,
    watched: Arc<Watched>,
    shared: Arc<Shared<Tree>>,
) -> Result<(), TracerError> {
    let (say, said) = mpsc::sync_channel(1);
    let trace = move || {
        let follow = if follow_children { Followed::Processes } else { Followed::Threads };
        // Who asked waits for this.
        let say = |seized| say.send(seized).unwrap_or_default();
        run(first, follow, &watched, &shared, None, say);
    };
    thread::Builder::new().name("tracer".to_owned()).spawn(trace).map_err(TracerError::SetUp)?;
    match said.recv() {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(TracerError::Seize(error)),
        Err(_) => Err(TracerError::SetUp(io::Error::other("the tracing thread panicked"))),
    }
}

/// Seizes a task, says whether that went well, and traces until nothing is left to be traced.
pub(super) fn run(
    first: u32,
    follow: Followed,
    watched: &Watched,
    shared: &Shared<Tree>,
    heard: Option<&Heard>,
    say: impl FnOnce(io::Result<()>),
) {
    let tracer = match Tracer::seize(first, follow) {
        Ok(tracer) => tracer,
        Err(error) => return say(Err(error)),
    };
    say(Ok(()));
    let _left = Left(watched, shared);
    let ending = Ending(shared);
    let mut server = Server { tracer, first, watched, shared, heard, threads: HashMap::new() };
    if let Err(error) = server.serve() {
        shared.fail(error);
    }
    drop(ending);
}

/// The end of the thread, whichever way it comes: nobody is traced any more.
struct Left<'a>(&'a Watched, &'a Shared<Tree>);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        self.0.left();
        self.1.books().over = true;
        self.1.changed();
        self.1.tell();
    }
}

/// What the tracing thread alone knows of a task.
#[derive(Debug, Default)]
struct Thread {
    /// The call that it is in.
    inside: Option<Inside>,
    /// A call that ended early, until it is clear why.
    interrupted: Option<Interrupted>,
    /// Tasks that it has made in that call.
    created: u32,
}

struct Server<'a> {
    tracer: Tracer,
    first: u32,
    watched: &'a Watched,
    shared: &'a Shared<Tree>,
    /// Of a tree whose calls are reported to a supervisor.
    heard: Option<&'a Heard>,
    threads: HashMap<u32, Thread>,
}

impl Server<'_> {
    fn serve(&mut self) -> io::Result<()> {
        let mut served = 0;
        while let Some((tid, change)) = self.tracer.next()? {
            self.attend(tid, change);
            served += 1;
            if served >= TURN {
                served = 0;
                let all: Vec<u32> = self.threads.keys().copied().collect();
                for tid in all {
                    if let Some(change) = self.tracer.look(tid)? {
                        self.attend(tid, change);
                    }
                }
            }
        }
        Ok(())
    }

    fn attend(&mut self, tid: u32, change: Change) {
        if let Change::Ended(ended) = change {
            let thread = self.threads.remove(&tid);
            let mut tree = self.shared.books();
            tree.settle(thread.as_ref().and_then(|thread| thread.interrupted.as_ref()));
            tree.ended(tid);
            drop(tree);
            if tid == self.first {
                self.first = 0;
                self.watched.ended(ended);
            }
            return self.tracer.bury(tid);
        }
        self.meet(tid);
        if !self.tracer.follows_processes() && self.shared.books().process_of(tid) != Some(self.first) {
            self.threads.remove(&tid);
            self.shared.books().ended(tid);
            return self.tracer.leave(tid);
        }
        self.tell_of_stops(tid, change);
        match change {
            Change::Ended(_) => {}
            Change::Call => self.call(tid),
            Change::Signal(signal) => self.signal(tid, signal),
            Change::Stopped(_) => {
                self.meant(tid);
                self.tracer.stay_stopped(tid);
            }
            Change::Executed => {
                self.executed(tid);
                self.tracer.go_on(tid, 0);
            }
            Change::Created => {
                if let Some(thread) = self.threads.get_mut(&tid) {
                    thread.created += 1;
                }
                // Its maker may ask to trace it before its own first stop is told; and it may have ended already.
                if let Ok(made) = self.tracer.about(tid)
                    && task::is_traced_by(made, rustix::thread::gettid().as_raw_pid().cast_unsigned())
                {
                    self.meet(made);
                }
                self.tracer.go_on(tid, 0);
            }
            Change::Paused => self.tracer.go_on(tid, 0),
        }
        if std::mem::take(&mut self.shared.books().books.news) {
            self.shared.tell();
        }
    }

    /// Takes note of a task that may be new.
    fn meet(&mut self, tid: u32) {
        if !self.threads.contains_key(&tid) {
            self.shared.books().meet(tid);
            self.threads.insert(tid, Thread::default());
        }
    }

    /// Whether the first process is stopped, which its parent is not told.
    fn tell_of_stops(&self, tid: u32, change: Change) {
        if self.first != 0 && (tid == self.first || self.shared.books().process_of(tid) == Some(self.first)) {
            let signal =
                if let Change::Stopped(signal) = change { Signal::from_number(signal) } else { None };
            self.watched.stopped(signal);
        }
    }

    fn executed(&mut self, tid: u32) {
        self.tracer.take_execve(tid);
        // A thread that executes takes over the number of its process's first.
        let before = self.tracer.about(tid).unwrap_or(tid);
        if before != tid
            && let Some(thread) = self.threads.remove(&before)
        {
            self.threads.insert(tid, thread);
        }
        let mut tree = self.shared.books();
        tree.executed(tid, before, host::monotonic_ns());
        drop(tree);
        self.shared.changed();
    }

    fn call(&mut self, tid: u32) {
        // It fails where the task was killed meanwhile, which is then told.
        match self.tracer.at(tid) {
            Ok(at @ At::Entry { .. }) => self.enter(tid, at),
            Ok(At::Exit(result)) => self.leave(tid, result),
            Ok(At::Elsewhere) | Err(_) => {}
        }
        self.tracer.go_on(tid, 0);
    }

    fn enter(&mut self, tid: u32, at: At) {
        let Some(thread) = self.threads.get_mut(&tid) else { return };
        let At::Entry { audit_arch, nr, args, instruction_pointer, stack_pointer } = at else { return };
        let interrupted = thread.interrupted.take();
        let mut tree = self.shared.books();
        // Where /proc hides it (`hidepid=`), nobody knows whose it is; its calls count all the same.
        let (process, image) = tree.caller(tid).unwrap_or((tid, UNKNOWN));
        // The upper half of a number is nothing; only a tracer could have put something there.
        let number = u32::try_from(nr & u64::from(u32::MAX)).unwrap_or_default();
        let call = tree.books.kinds.call(audit_arch, number);
        let kind = tree.books.kinds.of(call);
        let key = Key { image, call };
        let mut inside = Inside::new(key, kind, nr, args, instruction_pointer, stack_pointer);
        if again::fails_for_good(inside.call) {
            inside.since_ns = host::monotonic_ns();
        }
        let (again, settled) = match interrupted {
            Some(interrupted) if interrupted.is_made_again_by(&inside) => (Some(interrupted), None),
            settled => (None, settled),
        };
        tree.settle(settled.as_ref());
        if again.is_none() {
            let arguments = tree.books.kinds.selected(call, &args);
            tree.books.add(key, arguments, Caller { tgid: process, tid }, host::monotonic_ns());
        }
        inside.wanted = tree.books.wanted(call).map(|wanted| (wanted, wanted.begin(&args)));
        drop(tree);
        inside.unheard = self.heard.and_then(|heard| Unheard::of(heard, tid, audit_arch, &inside));
        thread.created = 0;
        if let Some(interrupted) = again {
            inside = interrupted.resume(inside, &self.tracer, tid);
        }
        if kind == Kind::Create {
            inside.follow_untraced(&self.tracer, tid);
        }
        thread.inside = Some(inside);
        if kind == Kind::Trace {
            let wanted = self.shared.books().wanted(tid, &args);
            if let Some(wanted) = wanted {
                self.hand_over(wanted, wanted == tid);
            }
        }
    }

    /// Leaves a task to a tracer of the workload. `here` says whether it is at a stop; else it is brought to one.
    fn hand_over(&mut self, tid: u32, here: bool) {
        let signal = if here { Some(0) } else { self.tracer.stop(tid, TO_STOP) };
        // If it does not stop, it stays ours, and the kernel refuses it to the other.
        let Some(signal) = signal else { return };
        self.tracer.leave_with(tid, signal);
        self.threads.remove(&tid);
        {
            let mut tree = self.shared.books();
            tree.left = tree.left.saturating_add(1);
            tree.ended(tid);
        }
        if tid == self.first {
            self.first = 0;
            self.watched.left();
        }
    }

    fn leave(&mut self, tid: u32, result: i64) {
        let Some(thread) = self.threads.get_mut(&tid) else { return };
        let Some(inside) = thread.inside.take() else { return };
        inside.put_back(&self.tracer, tid);
        let result = match (inside.unheard, self.heard) {
            (Some(unheard), Some(heard)) => unheard.make_again(heard, &self.tracer, tid, result),
            _ => result,
        };
        match inside.kind {
            Kind::Create => {
                let untraced = inside.leaves_untraced(result, thread.created);
                self.shared.books().untraced += u64::from(untraced);
            }
            kind @ (Kind::Seccomp | Kind::Prctl | Kind::UringSetup | Kind::UringEnter) => {
                self.shared.books().came_of(tid, kind, &inside.args, result);
            }
            _ => {}
        }
        thread.interrupted = Interrupted::of(inside, result);
        let found = inside.wanted.and_then(|_| {
            let process = self.shared.books().process_of(tid).unwrap_or(tid);
            inside.look(Caller { tgid: process, tid }, result)
        });
        // What may be made again for our sake has not failed yet.
        if let Some(interrupted) = &mut thread.interrupted {
            interrupted.found = found;
        } else if let Some(found) = found {
            self.shared.books().books.find(inside.key(), found);
        }
        if thread.interrupted.is_none()
            && let Some(error) = Errno::of_result(result)
            && !is_return(inside.call)
        {
            self.shared.books().books.fail(inside.key(), error);
        }
    }

    fn signal(&mut self, tid: u32, signal: i32) {
        if let Some(thread) = self.threads.get_mut(&tid)
            && let Some(interrupted) = &mut thread.interrupted
        {
            if task::ignores(tid, signal) {
                interrupted.by_ignored(&self.tracer, tid);
            } else {
                interrupted.meant(&self.tracer, tid);
            }
        }
        self.tracer.go_on(tid, signal);
    }

    /// What interrupts it would have done so without us.
    fn meant(&mut self, tid: u32) {
        if let Some(interrupted) = self.threads.get_mut(&tid).and_then(|thread| thread.interrupted.as_mut()) {
            interrupted.meant(&self.tracer, tid);
        }
    }
}
