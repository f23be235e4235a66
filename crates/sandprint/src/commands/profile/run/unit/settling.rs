//! Waiting until the processes of a cgroup are idle: they have done what they were asked for.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

/// How often it is looked at.
const EACH: Duration = Duration::from_millis(200);
/// They are idle when they have used no processor time for so long. Some daemons look at what they were told once in a
/// second.
const IDLE: Duration = Duration::from_secs(2);
/// Those of a service in use are never idle.
const LONGEST: Duration = Duration::from_secs(10);

/// A waiting that is under way.
#[derive(Debug)]
pub(super) struct Settling {
    directory: PathBuf,
    timer: OwnedFd,
    /// The processor time that was used when they were last seen busy, in microseconds; none where it cannot be read.
    used: Option<u64>,
    idle_since: Instant,
    end: Instant,
}

impl Settling {
    /// Begins to wait for the processes of this cgroup.
    pub(super) fn begin(directory: &Path) -> io::Result<Settling> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let each = Timespec { tv_sec: 0, tv_nsec: EACH.subsec_nanos().into() };
        let interval = Itimerspec { it_interval: each, it_value: each };
        rustix::time::timerfd_settime(&timer, TimerfdTimerFlags::empty(), &interval)?;
        let now = Instant::now();
        let used = processor_time(directory);
        Ok(Settling { directory: directory.to_owned(), timer, used, idle_since: now, end: now + LONGEST })
    }

    /// Whether they are idle, or there is no use in waiting longer.
    pub(super) fn is_over(&mut self) -> bool {
        // Nothing to read: it was not the timer that woke us.
        rustix::io::read(&self.timer, &mut [0; 8]).unwrap_or_default();
        let now = Instant::now();
        let used = processor_time(&self.directory);
        if used != self.used {
            (self.used, self.idle_since) = (used, now);
        }
        now >= self.end || now >= self.idle_since + IDLE
    }

    /// Becomes readable when it is to be looked at again.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}

/// `usage_usec` of `cpu.stat`, which every cgroup but the root has (kernel: Documentation/admin-guide/cgroup-v2.rst).
fn processor_time(directory: &Path) -> Option<u64> {
    let statistics = fs::read_to_string(directory.join("cpu.stat")).ok()?;
    let line = statistics.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
    line.parse().ok()
}
