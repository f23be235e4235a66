//! Tracepoints as perf events: how programs are attached that must not be preempted.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::{fs, io};

use libbpf_rs::{MapCore as _, MapFlags, MapHandle, ProgramMut};

use super::sys;

/// Where tracefs is: by itself, or below debugfs.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// A program could not be attached to a perf event.
#[derive(Debug, thiserror::Error)]
pub enum PerfError {
    /// tracefs is not mounted, may not be read, or does not have the tracepoint.
    #[error("read the number of the tracepoint {event} from {}", TRACEFS[0])]
    Number {
        /// The tracepoint, as `raw_syscalls/sys_enter`.
        event: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The kernel refused the event.
    #[error("open a perf event for the tracepoint {event}")]
    Open {
        /// The tracepoint.
        event: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The kernel refused the program.
    #[error("attach a BPF program to the perf event of {event}")]
    Attach {
        /// The tracepoint.
        event: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The map refused the event.
    #[error("put the perf event of {event} into a map")]
    Hold {
        /// The tracepoint.
        event: String,
        /// Why.
        #[source]
        source: libbpf_rs::Error,
    },
}

/// The tracepoint of a program, from the section that it is in; `None` where it is not for a perf event.
pub(super) fn tracepoint_of(program: &ProgramMut<'_>) -> Option<String> {
    Some(program.section().to_str()?.strip_prefix("tracepoint/")?.to_owned())
}

/// Opens an event, which is also put into `held` at `index`, a map of perf events. No program runs on it yet.
///
/// To be called before the first program is attached: while bpf(2) writes a map, the kernel runs no program of a perf
/// event on that CPU (`bpf_disable_instrumentation`), and who does so can be preempted.
///
/// Whoever gives up the last descriptor of an event waits for several RCU grace periods, one event after the other
/// (`perf_event_detach_bpf_prog`, `perf_trace_event_unreg`): half a second in all was seen. What a map holds the
/// kernel gives up in its own time, once the map's last descriptor is closed. The same goes for links, hence none.
pub(super) fn open(event: &str, held: &MapHandle, index: u32) -> Result<OwnedFd, PerfError> {
    let named = || event.to_owned();
    let number = number(event).map_err(|source| PerfError::Number { event: named(), source })?;
    let opened = sys::open_tracepoint(number).map_err(|source| PerfError::Open { event: named(), source })?;
    held.update(&index.to_ne_bytes(), &opened.as_raw_fd().to_ne_bytes(), MapFlags::ANY)
        .map_err(|source| PerfError::Hold { event: named(), source })?;
    Ok(opened)
}

/// Attaches a program to an event that was opened.
pub(super) fn attach(program: &ProgramMut<'_>, event: &str, opened: &OwnedFd) -> Result<(), PerfError> {
    sys::set_program(opened.as_fd(), program.as_fd())
        .map_err(|source| PerfError::Attach { event: event.to_owned(), source })
}

/// The kernel's number for a tracepoint.
fn number(event: &str) -> io::Result<u64> {
    let read = |folder: &&str| fs::read_to_string(format!("{folder}/events/{event}/id"));
    let [own, below_debugfs] = &TRACEFS;
    let text = read(own).or_else(|error| read(below_debugfs).map_err(|_second| error))?;
    text.trim().parse().map_err(io::Error::other)
}
