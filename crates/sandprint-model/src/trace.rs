//! What was observed: a [`Trace`] of one or more runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::errno::Errno;
use crate::{ByteString, Capability, Gap, Name, Outcomes, Socket, Syscall};

mod arguments;
mod coverage;
mod derived;
mod diff;
mod facts;
mod failures;
mod file;
mod image;
mod images;
mod memory;
mod merge;
mod per_run;
mod run;
mod seen;
mod subtract;

pub use arguments::{ArgumentsSeen, CallArguments};
pub use coverage::{Cover, Coverage, InputCoverage, RunCoverage};
pub use diff::{CallDiff, FailureDiff, TraceDiff};
pub use facts::{Facts, Key, Subject};
pub use failures::Failures;
pub use file::{Doubt, Doubts, FileSeen};
pub use image::Image;
pub use memory::{Memory, MemoryKind};
pub use merge::Merger;
pub use per_run::PerRun;
pub use run::{Exit, FactKind, Host, Peak, Recorder, Run, RunId};
pub use seen::{CallSeen, Count, FirstSeen, Join};

/// What was observed in one or more runs, and what may have been missed.
///
/// Every count is kept per run, so that merging is a join: any order, any grouping, the same run twice
/// changes nothing. Memory grows with distinct (fact, run) pairs, never with calls.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    /// The runs, by id.
    pub runs: BTreeMap<RunId, Run>,
    /// Who made which calls, and in which run how often.
    pub calls: Facts<Syscall, CallSeen>,
    /// Which calls failed, with which error, and in which run how often; from those recorders that see it.
    pub results: Facts<(Syscall, Errno), Count>,
    /// Which calls a seccomp filter answered with an error in their place, so that they did not run, and in which run
    /// how often.
    pub refused: Facts<(Syscall, Errno), Count>,
    /// What was done to which file, by its absolute path as the target's root shows it.
    pub files: Facts<ByteString, FileSeen>,
    /// What was done with which sockets.
    pub sockets: Facts<Socket, Outcomes>,
    /// Which names stood for which addresses.
    pub names: Facts<Name, ()>,
    /// Which capabilities were asked for in which call, outside of any where there is none; and whether they were granted
    /// (succeeded) or refused (failed).
    pub capabilities: Facts<(Capability, Option<Syscall>), Outcomes>,
    /// Memory that became executable after it could be written.
    pub memory: Facts<Memory, Count>,
    /// The calls that make tasks or namespaces, with their flags.
    pub namespaces: Facts<(Syscall, u64), Count>,
    /// Operations that were submitted through `io_uring`, by opcode.
    pub uring: Facts<u8, Count>,
    /// What may have been missed. The value is how often; 0 where that is not known.
    pub gaps: BTreeMap<Gap, u64>,
}

impl Trace {
    /// Notes something that may have been missed, `count` times.
    pub fn note_gap(&mut self, gap: Gap, count: u64) {
        let slot = self.gaps.entry(gap).or_default();
        *slot = (*slot).max(count);
    }

    /// Counts per call, summed over runs, images and scopes.
    pub fn totals(&self) -> BTreeMap<Syscall, u64> {
        let mut totals = BTreeMap::new();
        for (_, syscall, runs) in self.calls.iter() {
            let slot: &mut u64 = totals.entry(*syscall).or_default();
            *slot = runs.values().fold(*slot, |sum, seen| sum.saturating_add(seen.count));
        }
        totals
    }

    /// The distinct calls observed.
    pub fn syscalls(&self) -> BTreeSet<Syscall> {
        self.calls.iter().map(|(_, syscall, _)| *syscall).collect()
    }

    /// How often each call failed with each error, summed over runs, images and scopes.
    pub fn failures(&self) -> BTreeMap<(Syscall, Errno), u64> {
        summed(&self.results)
    }

    /// How often filters answered each call with each error in its place, summed over runs, images and scopes.
    pub fn refusals(&self) -> BTreeMap<(Syscall, Errno), u64> {
        summed(&self.refused)
    }

    /// Whether all of its runs recorded this kind of fact.
    pub fn shows(&self, kind: FactKind) -> bool {
        !self.runs.is_empty() && self.runs.values().all(|run| run.facts.contains(&kind))
    }

    /// The distinct images observed.
    pub fn images(&self) -> BTreeSet<Arc<Image>> {
        self.calls.images().map(Arc::clone).collect()
    }

    /// The gaps behind which calls may hide.
    pub fn blocking_gaps(&self) -> impl Iterator<Item = (&Gap, u64)> {
        self.gaps.iter().filter(|(gap, _)| gap.kind.is_blocking()).map(|(gap, count)| (gap, *count))
    }
}

/// Counts per key, summed over runs, images and scopes.
fn summed<K: Key>(facts: &Facts<K, Count>) -> BTreeMap<K, u64> {
    let mut sums = BTreeMap::new();
    for (_, key, runs) in facts.iter() {
        let slot: &mut u64 = sums.entry(key.clone()).or_default();
        *slot = runs.values().fold(*slot, |sum, count| sum.saturating_add(count.0));
    }
    sums
}
