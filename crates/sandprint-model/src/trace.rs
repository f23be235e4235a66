//! What was observed: a [`Trace`] of one or more runs.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::{Arch, ByteString, Gap, Syscall};

mod arguments;
mod coverage;
mod diff;
mod images;
mod merge;
mod render;
mod subtract;

pub use arguments::{ArgumentsSeen, CallArguments};
pub use coverage::{Cover, Coverage, InputCoverage, RunCoverage};
pub use diff::{CallDiff, TraceDiff};

/// What was observed in one or more runs, and what may have been missed.
///
/// Every count is kept per run, so that merging is a join: any order, any grouping, the same run twice
/// changes nothing. Memory grows with distinct (fact, run) pairs, never with calls.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    /// The runs, by id.
    pub runs: BTreeMap<RunId, Run>,
    /// Who called what, and in which run how often.
    pub observations: BTreeMap<Fact, BTreeMap<RunId, Seen>>,
    /// What may have been missed. The value is how often; 0 where that is not known.
    pub gaps: BTreeMap<Gap, u64>,
}

impl Trace {
    /// Adds what was seen of one fact in one run. What is there already stays where it is larger.
    pub fn observe(&mut self, fact: Fact, run: &RunId, seen: Seen) {
        join_into(self.observations.entry(fact).or_default(), run.clone(), seen);
    }

    /// Notes something that may have been missed, `count` times.
    pub fn note_gap(&mut self, gap: Gap, count: u64) {
        let slot = self.gaps.entry(gap).or_default();
        *slot = (*slot).max(count);
    }

    /// Counts per call, summed over runs, images and scopes.
    pub fn totals(&self) -> BTreeMap<Syscall, u64> {
        let mut totals = BTreeMap::new();
        for (fact, runs) in &self.observations {
            let slot: &mut u64 = totals.entry(fact.syscall).or_default();
            *slot = runs.values().fold(*slot, |sum, seen| sum.saturating_add(seen.count));
        }
        totals
    }

    /// The distinct calls observed.
    pub fn syscalls(&self) -> BTreeSet<Syscall> {
        self.observations.keys().map(|fact| fact.syscall).collect()
    }

    /// The distinct images observed.
    pub fn images(&self) -> BTreeSet<Arc<Image>> {
        self.observations.keys().map(|fact| Arc::clone(&fact.image)).collect()
    }

    /// The gaps behind which calls may hide.
    pub fn blocking_gaps(&self) -> impl Iterator<Item = (&Gap, u64)> {
        self.gaps.iter().filter(|(gap, _)| gap.kind.is_blocking()).map(|(gap, count)| (gap, *count))
    }
}

/// Adds what was seen in one run. What was not observed at all is less than anything that was: it is no [`Seen`].
fn join_into(runs: &mut BTreeMap<RunId, Seen>, run: RunId, seen: Seen) {
    match runs.entry(run) {
        Entry::Vacant(slot) => drop(slot.insert(seen)),
        Entry::Occupied(mut slot) => drop(slot.insert(slot.get().join(seen))),
    }
}

/// Names one run for good: 128 random bits, or the hash of an imported recording's content.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(Arc<str>);

impl RunId {
    /// The id made of these 128 bits.
    pub fn from_bits(bits: u128) -> RunId {
        RunId(format!("{bits:032x}").into())
    }

    /// Reads an id back: 32 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<RunId> {
        let valid = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        valid.then(|| RunId(text.into()))
    }

    /// The 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunId({})", self.0)
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

/// An observed fact: who made which call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fact {
    /// The program that made it.
    pub image: Arc<Image>,
    /// The named part of the run it was made in, if the run has parts.
    pub scope: Option<Arc<str>>,
    /// The call.
    pub syscall: Syscall,
}

/// An executable that ran in the observed tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Image {
    /// Its path as the workload saw it; for a script the interpreter's. Empty where it could not be read.
    pub path: ByteString,
    /// The GNU build id of the executable, in hexadecimal, where it has one that could be read.
    pub build_id: Option<String>,
    /// For a `#!` script: the script's path as it was given to execve.
    pub script: Option<ByteString>,
}

impl fmt::Display for Image {
    /// The path in its escaped form, and the script's where there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.script, self.path.is_empty()) {
            (_, true) => f.write_str("(unknown image)"),
            (None, false) => write!(f, "{}", self.path),
            (Some(script), false) => write!(f, "{} {script}", self.path),
        }
    }
}

/// What was seen of one fact in one run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// How many calls.
    pub count: u64,
    /// The first of them, where that was recorded.
    pub first: Option<FirstSeen>,
    /// The values of the arguments that select what the call does; `None` where they were not recorded, and for a
    /// call that has no such argument.
    pub arguments: Option<ArgumentsSeen>,
}

impl Seen {
    /// Joins two states of the same (fact, run): the larger count, the earlier first call, the values of both.
    ///
    /// Where one of them does not know the values, the join does not either: what that one counted beyond the other
    /// may have had any.
    #[must_use]
    pub fn join(&self, other: Seen) -> Seen {
        let first = match (&self.first, other.first) {
            (Some(a), Some(b)) => Some(a.clone().min(b)),
            (a, b) => a.clone().or(b),
        };
        let arguments = match (&self.arguments, other.arguments) {
            (Some(a), Some(b)) => Some(a.clone().join(b)),
            _ => None,
        };
        Seen { count: self.count.max(other.count), first, arguments }
    }
}

/// The first time a fact was seen in a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FirstSeen {
    /// Nanoseconds after the run began.
    pub after_ns: u64,
    /// The process (its tgid in the recorder's initial PID namespace).
    pub tgid: u32,
    /// The thread (its tid in the same namespace).
    pub tid: u32,
    /// The thread's name (`comm`) at that moment.
    pub comm: ByteString,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_are_32_lower_case_digits() {
        let id = RunId::from_bits(0xAB);
        assert_eq!(id.as_str(), "000000000000000000000000000000ab");
        assert_eq!(RunId::parse(id.as_str()), Some(id));
        for text in ["", "AB", "000000000000000000000000000000AB", "zz0000000000000000000000000000ab"] {
            assert_eq!(RunId::parse(text), None, "{text}");
        }
    }
}
