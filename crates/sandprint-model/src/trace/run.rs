//! A recorded run: its id, what observed it, how it ended, and where it ran.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::{Arch, ByteString};

/// Names one run for good: 128 random bits, or the hash of an imported recording's content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId([u8; 16]);

impl RunId {
    /// The id made of these 128 bits.
    pub fn from_bits(bits: u128) -> RunId {
        RunId(bits.to_be_bytes())
    }

    /// Reads an id back: 32 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<RunId> {
        let valid = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        valid.then(|| u128::from_str_radix(text, 16).ok().map(RunId::from_bits))?
    }
}

impl fmt::Display for RunId {
    /// The 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:032x}", u128::from_be_bytes(self.0)))
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunId({self})")
    }
}

/// One recorded run.
///
/// The derived order makes joining two states of the same run (a checkpoint and the end) a maximum:
/// the longer one wins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// How long it was observed, in milliseconds; `None` where the recording does not say.
    pub duration_ms: Option<u64>,
    /// How its first process ended; `None` while it runs, or where that was not seen.
    pub exit: Option<Exit>,
    /// The user's name for it.
    pub name: Option<String>,
    /// The command and its arguments; empty when a running target was attached to, or redacted.
    pub command: Vec<ByteString>,
    /// What was attached to, in words, when it was not a command ("pid 12", "cgroup /x").
    pub target: Option<String>,
    /// What observed it.
    pub recorder: Recorder,
    /// When it began, in milliseconds since 1970 UTC.
    pub started_unix_ms: Option<u64>,
    /// Where it ran, as far as the recording says.
    pub host: Option<Host>,
    /// The version of the tool that recorded it ("0.1.0").
    pub tool_version: String,
    /// What was recorded beside the calls.
    pub facts: BTreeSet<FactKind>,
    /// The most that there was of something at any time, as far as that was recorded.
    pub peaks: BTreeMap<Peak, u64>,
}

/// Something of which a run had most at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peak {
    /// The highest number of an open descriptor of any process, and one more.
    Descriptors,
    /// Bytes of memory mapped by one process.
    Memory,
    /// Processes at a time.
    Processes,
    /// Threads at a time, those of all processes.
    Threads,
}

impl Peak {
    /// Every peak, in name order.
    pub const ALL: [Peak; 4] = [Peak::Descriptors, Peak::Memory, Peak::Processes, Peak::Threads];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Peak::Descriptors => "descriptors",
            Peak::Memory => "memory",
            Peak::Processes => "processes",
            Peak::Threads => "threads",
        }
    }

    /// The peak of that name.
    pub fn from_name(name: &str) -> Option<Peak> {
        Peak::ALL.into_iter().find(|peak| peak.name() == name)
    }
}

/// A kind of fact beside which calls were made, which a recorder may record or not. Where it did and there are none,
/// there were none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FactKind {
    /// The values of arguments.
    Arguments,
    /// Which capabilities were asked for.
    Capabilities,
    /// What was done to files.
    Files,
    /// What was submitted through `io_uring`.
    IoUring,
    /// Memory that became writable and executable.
    Memory,
    /// Which names stood for which addresses.
    Names,
    /// The flags of calls that make tasks or namespaces.
    Namespaces,
    /// The most that there was of something.
    Peaks,
    /// Calls that a filter answered with an error in their place. What it trapped, killed, or had somebody else answer
    /// is none.
    Refused,
    /// Which calls failed, and how. A call that ends to be made again has not, even where the kernel makes an EINTR of
    /// that later, because a signal's handler runs.
    Results,
    /// What was done with sockets.
    Sockets,
}

impl FactKind {
    /// Every kind, in name order.
    pub const ALL: [FactKind; 11] = [
        FactKind::Arguments,
        FactKind::Capabilities,
        FactKind::Files,
        FactKind::IoUring,
        FactKind::Memory,
        FactKind::Names,
        FactKind::Namespaces,
        FactKind::Peaks,
        FactKind::Refused,
        FactKind::Results,
        FactKind::Sockets,
    ];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            FactKind::Arguments => "arguments",
            FactKind::Capabilities => "capabilities",
            FactKind::Files => "files",
            FactKind::IoUring => "io-uring",
            FactKind::Memory => "memory",
            FactKind::Names => "names",
            FactKind::Namespaces => "namespaces",
            FactKind::Peaks => "peaks",
            FactKind::Refused => "refused",
            FactKind::Results => "results",
            FactKind::Sockets => "sockets",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<FactKind> {
        FactKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What made a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recorder {
    /// Audit records, imported.
    Audit,
    /// sandprint by eBPF.
    Ebpf,
    /// sandprint by seccomp user notification.
    Notify,
    /// sandprint by tracing (ptrace).
    Ptrace,
    /// The upstream tool's trace with `schema_version` 1, imported.
    Sandprint01,
    /// A log of `strace -f`, imported.
    Strace,
}

impl Recorder {
    /// Every recorder, in name order.
    pub const ALL: [Recorder; 6] = [
        Recorder::Audit,
        Recorder::Ebpf,
        Recorder::Notify,
        Recorder::Ptrace,
        Recorder::Sandprint01,
        Recorder::Strace,
    ];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Recorder::Audit => "audit",
            Recorder::Ebpf => "ebpf",
            Recorder::Notify => "notify",
            Recorder::Ptrace => "ptrace",
            Recorder::Sandprint01 => "sandprint-0.1",
            Recorder::Strace => "strace",
        }
    }

    /// The recorder of that name.
    pub fn from_name(name: &str) -> Option<Recorder> {
        Recorder::ALL.into_iter().find(|recorder| recorder.name() == name)
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exit {
    /// It exited with this status, 0 to 255.
    Code(u8),
    /// This signal ended it.
    Signal(u8),
}

/// Facts about the machine of a run, as far as policies depend on them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host {
    /// The kernel release as `uname -r` prints it.
    pub kernel: String,
    /// The machine.
    pub arch: Arch,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_are_32_lower_case_digits() {
        let id = RunId::from_bits(0xAB);
        assert_eq!(id.to_string(), "000000000000000000000000000000ab");
        assert_eq!(RunId::parse(&id.to_string()), Some(id));
        for text in ["", "AB", "000000000000000000000000000000AB", "zz0000000000000000000000000000ab"] {
            assert_eq!(RunId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn ids_are_ordered_as_their_digits() {
        let ids = [0, 1, 0xff, 1 << 64, u128::MAX].map(RunId::from_bits);
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1] && pair[0].to_string() < pair[1].to_string()));
    }
}
