//! Processes held by a file descriptor (pidfd), and signals to them.
//!
//! A process number is given to somebody else once its process is gone; a pidfd never is.

mod stat;
pub(crate) mod status;
pub(crate) mod sys;
mod tree;
pub(crate) mod wait;

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use sandprint_model::{ByteString, Exit};

use crate::poll;
use crate::signals::Signal;

pub use stat::{descends, has_ended, has_never_executed, living_group, parent, waits};
pub(crate) use stat::{foreground_group, group, is_job, session};
pub use status::{Seccomp, Status};
pub use tree::{Adopter, descendants, why_it_lives};
pub(crate) use wait::{Reaped, reap, wait_for_helper};

/// Failures of operations on a process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// `pidfd_open(2)`.
    #[error("open process {pid}")]
    Open {
        /// Its number.
        pid: u32,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// `pidfd_send_signal(2)`: usually a process of another user.
    #[error("send {signal} to process {pid}")]
    Send {
        /// What was sent.
        signal: Signal,
        /// To whom.
        pid: u32,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// waitid(2).
    #[error("wait for process {pid}")]
    Wait {
        /// For whom.
        pid: u32,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// A process, whether it still lives or not. Any process, not only a child.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    pidfd: OwnedFd,
}

impl Process {
    /// Holds the process that has the number `pid` now; `None` if there is none, or if `pid` is the number
    /// of a thread that is not the first of its process.
    ///
    /// The number may have changed hands since the caller learned it. Who must be sure compares what it
    /// knows of the process (a start time, an executable) *after* this has returned: if that is right
    /// then, what is held is right.
    pub fn open(pid: u32) -> Result<Option<Process>, ProcessError> {
        let Some(named) = number(pid) else { return Ok(None) };
        match pidfd_open(named, PidfdFlags::empty()) {
            Ok(pidfd) => Ok(Some(Process { pid, pidfd })),
            // `pidfd_open(2)`: EINVAL for threads; newer kernels say ENOENT.
            Err(Errno::SRCH | Errno::INVAL | Errno::NOENT) => Ok(None),
            Err(source) => Err(ProcessError::Open { pid, source: source.into() }),
        }
    }

    pub(crate) fn new(pid: u32, pidfd: OwnedFd) -> Process {
        Process { pid, pidfd }
    }

    /// Its number. Somebody else's too, perhaps, once it has ended.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends it `signal`. False if it is gone already.
    pub fn signal(&self, signal: Signal) -> Result<bool, ProcessError> {
        match sys::pidfd_send_signal(self.pidfd.as_fd(), signal) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(false),
            Err(source) => Err(ProcessError::Send { signal, pid: self.pid, source }),
        }
    }

    /// Waits until it has ended, at most for `timeout`; whether it has. A parent may still have to take
    /// note of it.
    pub fn wait_ended(&self, timeout: Duration) -> io::Result<bool> {
        poll::readable([self.pidfd.as_fd()], Some(timeout)).map(|[ended]| ended)
    }
}

impl AsFd for Process {
    /// The pidfd: readable once the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// Sends `signal` to the process that has the number `pid` now. False if there is none.
///
/// For a number that was learned just now, of a process that was seen to live; otherwise hold a [`Process`]
/// and make sure of it first.
pub fn kill_process(pid: u32, signal: Signal) -> Result<bool, ProcessError> {
    Process::open(pid)?.map_or(Ok(false), |process| process.signal(signal))
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its status.
    pub exit: Exit,
    /// Whether it left a core dump, as shells report.
    pub core_dumped: bool,
}

/// Whether a signal waits for a task that will end it, as far as /proc can tell: none that it blocks, ignores or handles,
/// and whose default is to end a process (signal(7)).
pub fn is_about_to_end(tid: u32) -> bool {
    const SPARING: [Signal; 8] = [
        Signal::CHLD,
        Signal::CONT,
        Signal::URG,
        Signal::WINCH,
        Signal::STOP,
        Signal::TSTP,
        Signal::TTIN,
        Signal::TTOU,
    ];
    let Some(status) = Status::of(tid) else { return false };
    let spared = SPARING.iter().fold(0_u64, |all, signal| all | 1 << (signal.raw() - 1));
    status.pending() & !status.blocked() & !status.ignored() & !status.caught() & !spared != 0
}

/// The name of a task; empty where it is gone.
pub fn comm(tid: u32) -> ByteString {
    let mut name = fs::read(format!("/proc/{tid}/comm")).unwrap_or_default();
    name.pop_if(|last| *last == b'\n');
    ByteString::new(name)
}

/// A process number as rustix has it; nobody has 0, or more than 31 bits.
fn number(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// Puts a process group of our session into the foreground of our terminal.
pub(crate) fn give_terminal(group: u32) -> io::Result<()> {
    let terminal = File::options().read(true).write(true).open("/dev/tty")?;
    let group = number(group).ok_or(Errno::INVAL)?;
    Ok(rustix::termios::tcsetpgrp(&terminal, group)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Child, Command, id};
    use std::time::Instant;

    fn sleeper() -> Child {
        Command::new("sleep").arg("1000").spawn().unwrap()
    }

    #[test]
    fn a_signal_reaches_the_process_that_is_held() {
        let mut child = sleeper();
        let process = Process::open(child.id()).unwrap().unwrap();
        assert!(!process.wait_ended(Duration::ZERO).unwrap());
        assert!(process.signal(Signal::TERM).unwrap());
        assert!(process.wait_ended(Duration::from_secs(10)).unwrap());
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
        assert!(!process.signal(Signal::TERM).unwrap(), "it was reaped");
        assert!(!kill_process(child.id(), Signal::TERM).unwrap());
    }

    #[test]
    fn what_will_end_a_task_is_told_from_what_will_not() {
        let stopped = |command: &mut Command| {
            let child = command.spawn().unwrap();
            let ready = Instant::now() + Duration::from_secs(10);
            let comm = || fs::read_to_string(format!("/proc/{}/comm", child.id())).unwrap_or_default();
            while comm() != "sleep\n" && Instant::now() < ready {
                std::thread::yield_now();
            }
            assert!(kill_process(child.id(), Signal::STOP).unwrap());
            while stat::field(child.id(), 3).is_none_or(|state| state != "T") && Instant::now() < ready {
                std::thread::yield_now();
            }
            child
        };
        let about_to_end = |child: &Child, signal: Signal| {
            assert!(kill_process(child.id(), signal).unwrap());
            is_about_to_end(child.id())
        };
        let mut child = stopped(Command::new("sleep").arg("1000"));
        assert!(!is_about_to_end(child.id()));
        assert!(
            ![Signal::WINCH, Signal::CHLD, Signal::TSTP].map(|one| about_to_end(&child, one)).contains(&true)
        );
        assert!(about_to_end(&child, Signal::TERM));
        let mut ignoring = stopped(Command::new("sh").args(["-c", "trap '' TERM; exec sleep 1000"]));
        assert!(!about_to_end(&ignoring, Signal::TERM));
        assert!(about_to_end(&ignoring, Signal::USR1));
        for child in [&mut child, &mut ignoring] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    #[test]
    fn a_number_kills_its_process() {
        let mut child = sleeper();
        assert!(kill_process(child.id(), Signal::KILL).unwrap());
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    }

    #[test]
    fn numbers_without_a_process_are_nobody() {
        for pid in [0, i32::MAX.unsigned_abs(), u32::MAX] {
            assert!(Process::open(pid).unwrap().is_none(), "{pid}");
            assert!(!kill_process(pid, Signal::KILL).unwrap(), "{pid}");
        }
    }

    #[test]
    fn a_thread_is_not_a_process() {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let threads: Vec<u32> = tasks
            .filter_map(|entry| entry.unwrap().file_name().into_string().unwrap().parse().ok())
            .filter(|&tid| tid != id())
            .collect();
        // The test harness runs this in a thread; others may end meanwhile, and are then nobody too.
        assert!(!threads.is_empty());
        for tid in threads {
            assert!(Process::open(tid).unwrap().is_none(), "{tid}");
        }
    }
}
