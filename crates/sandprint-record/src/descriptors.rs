//! File descriptors: as many as may be had, and whether they are enough.

use std::fs;
use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// As many as programs, maps and links of the recorder and of the watcher take at once, and those of the kernel's types.
const OF_BPF: u64 = 40;

/// Raises the limit of this process as far as it may. The workload gets back the limit that we were given.
pub(crate) fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current < maximum {
        // With fewer, what they are for fails, or is done otherwise.
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap_or_default();
    }
}

/// Whether BPF programs can be loaded with what is left: where libbpf runs out of descriptors half-way, the error is
/// about something else.
pub(crate) fn suffice_for_bpf() -> io::Result<()> {
    raise();
    let open = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let needed = u64::try_from(open).unwrap_or(u64::MAX).saturating_add(OF_BPF);
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < needed => Err(rustix::io::Errno::MFILE.into()),
        _ => Ok(()),
    }
}
