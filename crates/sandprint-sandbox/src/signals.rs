//! Signals: their names, sets of them, and their arrival as events of a file descriptor.

mod held;
pub(crate) mod signal;
pub(crate) mod sys;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::inherited::Inherited;

pub use signal::Signal;

pub use held::{Held, hold, ignore_file_size_signal};
pub(crate) use signal::SignalSet;

/// What is never taken as an event: what nothing can take, faults of our own code, the broken pipe that
/// std ignores, our own resource limits, and the two signals that the C library keeps for itself.
const NOT_TAKEN: SignalSet = SignalSet::of(&[
    Signal(4), // ILL
    Signal(5), // TRAP
    Signal(7), // BUS
    Signal(8), // FPE
    Signal::KILL,
    Signal(11), // SEGV
    Signal::PIPE,
    Signal::STOP,
    Signal(24), // XCPU
    Signal(25), // XFSZ
    Signal(31), // SYS
    Signal(32),
    Signal(33),
]);

/// Failures of [`Signals`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignalsError {
    /// Other threads run already: a signal to the process would reach them, with its default action.
    #[error("take signals as events: {count} threads run already, and this must come before all but one")]
    Threads {
        /// How many there are.
        count: usize,
    },
    /// signalfd(2), sigaction(2) or sigprocmask(2).
    #[error("take signals as events")]
    Install {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A read of the signalfd.
    #[error("read the next signal")]
    Read {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// A signal that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Which.
    pub signal: Signal,
    /// From where.
    pub sender: Sender,
}

/// Who sent a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The kernel: for the terminal (then the whole foreground process group got it), a timer, or the end
    /// of a child.
    Kernel,
    /// A process, by kill(2) or sigqueue(3); 0 if it is of an outer pid namespace.
    Process(u32),
}

/// The signals of this process, as events of a file descriptor, until this is dropped.
///
/// All that can be taken are, other than those that the caller of this process had ignored (`nohup`, a
/// background job of a shell without job control): for these nothing changes. SIGCHLD is always among
/// them, since a caller that ignores it would make the kernel throw exit statuses away.
///
/// A workload started by [`launch`](crate::launch) sees nothing of this: it gets the mask and the
/// dispositions that we were given.
#[derive(Debug)]
pub struct Signals {
    descriptor: OwnedFd,
    previous_mask: SignalSet,
}

impl Signals {
    /// Takes the signals from now on. To be called while the process has one thread: those started later
    /// inherit what it sets, and others would die of the signals.
    pub fn install() -> Result<Signals, SignalsError> {
        Signals::install_though_ignored(&[])
    }

    /// As [`Signals::install`], and takes `wanted` also where the caller had them ignored.
    pub fn install_though_ignored(wanted: &[Signal]) -> Result<Signals, SignalsError> {
        crate::probe::survive(crate::probe::SIGNALS)
            .map_err(|deadly| SignalsError::Install { source: deadly.into() })?;
        // Without /proc there is nothing to count; then it is as the caller says.
        let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
        if threads > 1 {
            return Err(SignalsError::Threads { count: threads });
        }
        let ignored = Inherited::get().ignored.without(SignalSet::of(&[Signal::CHLD]));
        // What is blocked is kept for us even where it is ignored (`sig_ignored` in the kernel's signal.c).
        let ignored = ignored.without(SignalSet::of(wanted));
        let taken = SignalSet::ALL.without(NOT_TAKEN).without(ignored);
        let install = |source| SignalsError::Install { source };
        sys::keep_exit_statuses().map_err(install)?;
        let descriptor = sys::signalfd(taken).map_err(install)?;
        let previous_mask = sys::block(taken).map_err(install)?;
        Ok(Signals { descriptor, previous_mask })
    }

    /// The next signal that came, without waiting. Several of one kind may have become one.
    #[expect(clippy::should_implement_trait, reason = "not an iterator: None now says nothing of later")]
    pub fn next(&mut self) -> Result<Option<Event>, SignalsError> {
        loop {
            let read = sys::read(self.descriptor.as_fd()).map_err(|source| SignalsError::Read { source })?;
            let Some(raw) = read else { return Ok(None) };
            // A number out of range does not exist; an entry with one says nothing.
            if let Some(signal) = Signal::from_number(raw.number) {
                let sender = if raw.from_process { Sender::Process(raw.pid) } else { Sender::Kernel };
                return Ok(Some(Event { signal, sender }));
            }
        }
    }
}

impl AsFd for Signals {
    /// Readable when a signal has come. Not for reading by others.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for Signals {
    /// Gives the signals back. What came and was not asked for is forgotten, so that a late Ctrl-C does not
    /// end the process in the middle of what it does next.
    fn drop(&mut self) {
        while let Ok(Some(_)) = self.next() {}
        // It cannot fail with a valid operation and an address of ours, and a destructor has nobody to tell.
        sys::set_mask(self.previous_mask).unwrap_or_default();
    }
}

/// Ends this process by a signal, as a workload that it stands for was ended, without a core dump of its own. Returns
/// where it does not end of it: a signal that ends nobody, or the first process of a PID namespace.
pub fn end_by(number: u8) {
    if let Some(signal) = Signal::from_number(number.into()) {
        // Where it fails, the caller goes on.
        sys::end_by(signal).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_agree_with_this_machine() {
        let cases = [
            (Signal::HUP, libc::SIGHUP, "SIGHUP"),
            (Signal::INT, libc::SIGINT, "SIGINT"),
            (Signal::QUIT, libc::SIGQUIT, "SIGQUIT"),
            (Signal::ABRT, libc::SIGABRT, "SIGABRT"),
            (Signal::KILL, libc::SIGKILL, "SIGKILL"),
            (Signal::USR1, libc::SIGUSR1, "SIGUSR1"),
            (Signal::USR2, libc::SIGUSR2, "SIGUSR2"),
            (Signal::PIPE, libc::SIGPIPE, "SIGPIPE"),
            (Signal::ALRM, libc::SIGALRM, "SIGALRM"),
            (Signal::TERM, libc::SIGTERM, "SIGTERM"),
            (Signal::CHLD, libc::SIGCHLD, "SIGCHLD"),
            (Signal::CONT, libc::SIGCONT, "SIGCONT"),
            (Signal::STOP, libc::SIGSTOP, "SIGSTOP"),
            (Signal::TSTP, libc::SIGTSTP, "SIGTSTP"),
            (Signal::TTIN, libc::SIGTTIN, "SIGTTIN"),
            (Signal::TTOU, libc::SIGTTOU, "SIGTTOU"),
            (Signal::WINCH, libc::SIGWINCH, "SIGWINCH"),
            (Signal(4), libc::SIGILL, "SIGILL"),
            (Signal(5), libc::SIGTRAP, "SIGTRAP"),
            (Signal(7), libc::SIGBUS, "SIGBUS"),
            (Signal(8), libc::SIGFPE, "SIGFPE"),
            (Signal(11), libc::SIGSEGV, "SIGSEGV"),
            (Signal(24), libc::SIGXCPU, "SIGXCPU"),
            (Signal(25), libc::SIGXFSZ, "SIGXFSZ"),
            (Signal(31), libc::SIGSYS, "SIGSYS"),
        ];
        for (signal, number, name) in cases {
            assert_eq!(signal.raw(), number, "{name}");
            assert_eq!(Signal::from_number(number), Some(signal));
            assert_eq!(signal.to_string(), name);
        }
        assert_eq!(Signal::from_number(40).map(|signal| signal.to_string()).as_deref(), Some("signal 40"));
        for number in [i32::MIN, -1, 0, 65, 257] {
            assert_eq!(Signal::from_number(number), None);
        }
    }

    #[test]
    fn a_set_holds_what_was_put_into_it() {
        let set = SignalSet::of(&[Signal::HUP, Signal(64)]);
        assert_eq!(set.0, 1 | 1 << 63);
        assert!(set.contains(Signal::HUP) && set.contains(Signal(64)) && !set.contains(Signal::INT));
        assert_eq!(set.without(SignalSet::of(&[Signal::HUP])), SignalSet::of(&[Signal(64)]));
    }

    #[test]
    fn signals_are_not_taken_from_a_process_with_threads() {
        // The test harness runs each test in a thread of its own.
        assert!(matches!(Signals::install(), Err(SignalsError::Threads { count: 2.. })));
    }
}
