//! How setting up a recorder or a watcher fails.

use std::io;
use std::path::PathBuf;

use sandprint_sandbox::probe::Deadly;

use super::perf::PerfError;

/// Loading or attaching the recorder failed.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// libbpf could not read the object.
    #[error("read the BPF object")]
    Open(#[source] libbpf_rs::Error),
    /// The kernel refused a map or a program.
    #[error("load the BPF programs{}", detail(.log))]
    Load {
        /// The kernel's answer.
        #[source]
        source: libbpf_rs::Error,
        /// What libbpf and the verifier said, last lines first cut.
        log: String,
    },
    /// A program could not be attached.
    #[error("attach the BPF program {program}{}", detail(.log))]
    Attach {
        /// The program's name.
        program: String,
        /// The kernel's answer.
        #[source]
        source: libbpf_rs::Error,
        /// What libbpf said.
        log: String,
    },
    /// The object is not the one this program was built for.
    #[error("find {0} in the BPF object")]
    Missing(String),
    /// A program could not be attached to a perf event.
    #[error(transparent)]
    Perf(#[from] PerfError),
    /// The memory of an array could not be mapped.
    #[error("map the memory of the BPF map {map}")]
    Array {
        /// The map's name.
        map: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A map could not be read or written.
    #[error("use the BPF map {map}")]
    Map {
        /// The map's name.
        map: String,
        /// The kernel's answer.
        #[source]
        source: libbpf_rs::Error,
    },
    /// The tasks could not be walked.
    #[error("walk the running tasks")]
    Walk(#[source] io::Error),
}

fn detail(log: &str) -> String {
    if log.is_empty() { String::new() } else { format!(" ({log})") }
}

/// A recorder could not be set up or read.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// The target is none of those that can be observed so.
    #[error("{act} {target}: that is no target for it")]
    NoTarget {
        /// What was to be done.
        act: &'static str,
        /// With what.
        target: String,
    },
    /// The machine is none that sandprint knows.
    #[error("record on a {0} machine")]
    UnknownArch(String),
    /// The kernel does not describe its types.
    #[error("load the recorder: the kernel's types (/sys/kernel/btf/vmlinux) are missing")]
    NoBtf,
    /// A capability is missing.
    #[error("load the recorder: {} {} missing", .0.join(" and "), if .0.len() == 1 { "is" } else { "are" })]
    NoCapability(Vec<&'static str>),
    /// The capabilities are those of a user namespace, where BPF does not count them (`bpf_capable`, kernel/bpf).
    #[error("load the recorder: the kernel lets no root of a user namespace load BPF programs")]
    UserNamespace,
    /// A filter on this process ends whoever makes the calls that BPF programs need.
    #[error("load the recorder: {0}")]
    Deadly(#[from] Deadly),
    /// /proc or random bits could not be read, or too few descriptors are left.
    #[error("set up the recorder in this process")]
    Host(#[source] io::Error),
    /// The BPF side failed.
    #[error("set up the recorder")]
    Load(#[from] LoadError),
    /// The ring buffer could not be opened or read.
    #[error("read the ring buffer")]
    Ring(#[source] libbpf_rs::Error),
    /// The cgroup to follow cannot be opened.
    #[error("open the cgroup {}", directory.display())]
    Cgroup {
        /// Its directory.
        directory: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A process to attach to is not there.
    #[error("find process {0}")]
    NoProcess(u32),
}

impl RecorderError {
    /// Whether libbpf or the kernel had too little memory.
    pub fn is_out_of_memory(&self) -> bool {
        let (RecorderError::Load(
            LoadError::Open(error)
            | LoadError::Load { source: error, .. }
            | LoadError::Attach { source: error, .. }
            | LoadError::Map { source: error, .. },
        )
        | RecorderError::Ring(error)) = self
        else {
            return false;
        };
        error.kind() == libbpf_rs::ErrorKind::OutOfMemory
    }
}
