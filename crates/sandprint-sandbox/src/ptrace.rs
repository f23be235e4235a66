//! Tracing a tree of processes (ptrace(2)), in a way that lets it go on unharmed whenever the tracer dies.
//!
//! Tasks are seized, never made to die with their tracer (no `PTRACE_O_EXITKILL`). A stop is looked at and left in
//! place (`WNOWAIT`) until the task is let go on: waiting for it otherwise makes the kernel forget the signal that is
//! about to be delivered, which would be lost if the tracer died before it lets the task go on. Only ends are taken
//! note of.
//!
//! Whatever a thread seizes, and all that comes of it, is traced by that thread alone, and left by the kernel when
//! that thread ends: so a [`Tracer`] stays in its thread.

mod sys;

use std::io;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

pub use sys::{Followed, Registers};

use crate::process::Ended;

/// A thread that traces.
#[derive(Debug)]
pub struct Tracer {
    follow: Followed,
    /// What one thread traces no other may touch.
    _here: PhantomData<*const ()>,
}

/// What happened to a traced task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It has ended, and [`Tracer::bury`] is to take note of it.
    Ended(Ended),
    /// It is about to enter a call, or has come back from one.
    Call,
    /// A signal is about to be delivered to it.
    Signal(i32),
    /// It is stopped with its process, by this signal.
    Stopped(i32),
    /// It has executed another program.
    Executed,
    /// It has made a task.
    Created,
    /// Any other stop, after which it just goes on.
    Paused,
}

/// A call, as the kernel tells of it at a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// On its way in.
    Entry {
        /// `AUDIT_ARCH_*`.
        audit_arch: u32,
        /// Its number.
        nr: u64,
        /// Its registers.
        args: [u64; 6],
        /// Where the instruction behind the call lies.
        instruction_pointer: u64,
        /// The stack.
        stack_pointer: u64,
    },
    /// On its way out, with this result.
    Exit(i64),
    /// In no call.
    Elsewhere,
}

impl Tracer {
    /// Traces the task `tid`, and all processes and threads that it makes, or only its threads.
    ///
    /// It goes on, unseen, until its next execve or its next stop. An error means that it may not be traced, or that
    /// this kernel cannot tell enough, and it is not traced then.
    pub fn seize(tid: u32, follow: Followed) -> io::Result<Tracer> {
        sys::seize(tid, follow)?;
        let tracer = Tracer { follow, _here: PhantomData };
        match tracer.try_out(tid) {
            Ok(()) => Ok(tracer),
            Err(error) => {
                // If it is not stopped, it is gone.
                sys::detach(tid, 0).unwrap_or_default();
                Err(error)
            }
        }
    }

    /// What is asked at every stop must be answered here.
    fn try_out(&self, tid: u32) -> io::Result<()> {
        sys::interrupt(tid)?;
        match sys::wait_for(tid, true)? {
            Some(Change::Paused | Change::Stopped(_) | Change::Signal(_) | Change::Call) => {}
            _ => return Err(io::Error::from_raw_os_error(libc::ESRCH)),
        }
        self.at(tid)?;
        self.registers(tid)?;
        sys::let_run(tid)
    }

    /// Whether processes are followed too.
    pub fn follows_processes(&self) -> bool {
        self.follow == Followed::Processes
    }

    /// Waits until something happened to any task; `None` once there are none left.
    pub fn next(&self) -> io::Result<Option<(u32, Change)>> {
        sys::wait_any()
    }

    /// What happened to one task, if anything did.
    pub fn look(&self, tid: u32) -> io::Result<Option<Change>> {
        sys::wait_for(tid, false)
    }

    /// Takes note of an end.
    pub fn bury(&self, tid: u32) {
        sys::reap(tid);
    }

    /// Lets it go on to its next call, or back from it, with this signal or none (0).
    pub fn go_on(&self, tid: u32, signal: i32) {
        // It fails where the task was killed meanwhile, which is then told.
        sys::to_next_call(tid, signal).unwrap_or_default();
    }

    /// Leaves it stopped with its process, until that is continued.
    pub fn stay_stopped(&self, tid: u32) {
        sys::listen(tid).unwrap_or_default();
    }

    /// Traces it no more.
    pub fn leave(&self, tid: u32) {
        self.leave_with(tid, 0);
    }

    /// Traces it no more, and lets it have this signal, or none (0).
    pub fn leave_with(&self, tid: u32, signal: i32) {
        sys::detach(tid, signal).unwrap_or_default();
    }

    /// Brings a task to a stop, within that time: then it says which signal waits to be delivered, or 0.
    pub fn stop(&self, tid: u32, within: Duration) -> Option<i32> {
        sys::interrupt(tid).ok()?;
        let until = Instant::now() + within;
        loop {
            match sys::wait_for(tid, false).ok()? {
                Some(Change::Ended(_)) => return None,
                Some(Change::Signal(signal)) => return Some(signal),
                Some(Change::Executed) => {
                    self.take_execve(tid);
                    return Some(0);
                }
                Some(_) => return Some(0),
                None if Instant::now() > until => return None,
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Takes note of an execve. Until then the kernel takes whoever asks about the task for one that does not know that
    /// its number may have changed (`looks_like_a_spurious_pid`, dbb5afad100a). No signal is at stake.
    pub fn take_execve(&self, tid: u32) {
        sys::take(tid);
    }

    /// What the event is about: the task that was made, or the number that the task had before its execve.
    pub fn about(&self, tid: u32) -> io::Result<u32> {
        sys::message(tid).map(|message| u32::try_from(message).unwrap_or_default())
    }

    /// Where it stands.
    pub fn at(&self, tid: u32) -> io::Result<At> {
        sys::call(tid)
    }

    /// Its registers.
    pub fn registers(&self, tid: u32) -> io::Result<Registers> {
        sys::registers(tid)
    }

    /// Sets its registers.
    pub fn set_registers(&self, tid: u32, registers: &Registers) -> io::Result<()> {
        sys::set_registers(tid, registers)
    }

    /// Writes words into its memory.
    pub fn write(&self, tid: u32, address: u64, words: &[u64]) -> io::Result<()> {
        (address..).step_by(8).zip(words).try_for_each(|(address, &word)| sys::write(tid, address, word))
    }
}
