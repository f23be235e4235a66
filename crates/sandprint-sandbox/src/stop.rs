//! Stopping together with the workload.

use std::io;

use crate::process;
use crate::signals::{Signal, sys::stop_self};

/// Stops this process, given the signal that stopped the workload, where somebody will see it and continue
/// us: a stop of the terminal's kind has a shell behind it (otherwise the kernel refuses it: orphaned
/// process groups, setpgid(2)). Any other stop may be between the workload and somebody who knows nothing of
/// us: then we stop only as a shell's own job, or if a stop was asked of us (`asked`).
pub(crate) fn with(signal: Signal, asked: bool) -> io::Result<()> {
    match signal {
        Signal::TSTP | Signal::TTIN | Signal::TTOU => stop_self(signal),
        _ if asked || process::is_job() => stop_self(Signal::TSTP),
        _ => Ok(()),
    }
}
