//! What an strace log is known to lack, as gaps.

use std::collections::BTreeSet;

use super::Log;
use super::thread::{Ending, Thread};
use crate::import::first_few;
use crate::{Gap, GapKind, RunId, Trace};

impl Log {
    /// Notes as gaps what is known to be missing, and what is only assumed to be there.
    pub(super) fn note_what_is_missing(&self, run: &RunId, trace: &mut Trace) {
        use GapKind::{
            AttachedMidRun, CallsLost, CountsInexact, ImagesMerged, ImportAssumed, ImportIncomplete,
            IoUringProbe, IoUringUnseen, SeccompInstalled,
        };
        let left: BTreeSet<u32> = self.groups_where(|thread| thread.left_group).collect();
        let alive: BTreeSet<u32> = self.groups_where(|thread| thread.ending == Ending::None).collect();
        let alive = alive.difference(&left).count();
        let unseen = self.unseen();
        let pids = first_few(unseen.iter().map(u32::to_string));
        let childless = unseen.len().saturating_sub(self.all_unexplained());
        let (parentless, leaves_out_exits) = (self.parentless(), self.leaves_out_exits());
        let is_probe = self.urings > 0 && self.uring_submits == 0;
        let children = format!("child processes are not in the log (strace without -f): {pids}");
        for (kind, is_so, count, detail) in [
            (
                AttachedMidRun,
                !self.begins_with_exec,
                0,
                "the log does not begin with an execve: strace was attached, or its beginning is missing",
            ),
            (
                ImportIncomplete,
                self.orphan_ends > 0,
                self.orphan_ends,
                "calls that end in the log and begin nowhere in it",
            ),
            (
                ImportIncomplete,
                leaves_out_exits,
                0,
                "processes exited without a call for it: strace was told to leave calls out (-e)",
            ),
            (ImportIncomplete, alive > 0, alive, "processes still ran where the log ends"),
            (ImportIncomplete, childless > 0, childless, &children),
            (
                ImportIncomplete,
                parentless > 0,
                parentless,
                "processes that no call in the log made: strace was told to leave calls out (-e)",
            ),
            (
                ImportIncomplete,
                self.injected > 0,
                self.injected,
                "calls that strace had fail or changed (-e inject): the program may have done other things",
            ),
            (IoUringUnseen, self.uring_submits > 0, self.uring_submits, "strace does not show them"),
            (IoUringProbe, is_probe, self.urings, ""),
            (
                SeccompInstalled,
                self.filters > 0,
                self.filters,
                "strace --seccomp-bpf does not show what they refuse",
            ),
            (
                CallsLost,
                self.calls_lost > 0,
                self.calls_lost,
                "the log has more different calls than are kept",
            ),
            (
                CountsInexact,
                self.results_lost > 0,
                self.results_lost,
                "calls that failed, of which it is not kept how",
            ),
            (ImagesMerged, self.images_merged > 0, self.images_merged, ""),
            (ImportAssumed, true, 0, "an strace log does not say which calls strace was told to leave out"),
        ] {
            if is_so {
                let detail = (!detail.is_empty()).then(|| detail.to_owned());
                let count = u64::try_from(count).unwrap_or(u64::MAX);
                trace.note_gap(Gap { kind, run: *run, detail }, count);
            }
        }
    }

    /// Whether the log shows that strace was told to leave calls out.
    pub(super) fn leaves_out_calls(&self) -> bool {
        self.leaves_out_exits() || self.parentless() > 0
    }

    fn leaves_out_exits(&self) -> bool {
        self.exited > 0 && !self.saw_exit_call
    }

    /// Children that a clone returned, and that are not in the log. In another PID namespace a child has an id that the
    /// log does not use: then it is one of these, and one of those that nobody explains.
    fn unseen(&self) -> Vec<u32> {
        self.children.iter().filter(|(_, parent)| !parent.seen).map(|(pid, _)| *pid).collect()
    }

    fn all_unexplained(&self) -> usize {
        self.unexplained + self.threads.values().filter(|thread| thread.unexplained.is_some()).count()
    }

    /// Processes that no call in the log made.
    fn parentless(&self) -> usize {
        if !self.begins_with_exec {
            return 0;
        }
        self.all_unexplained().saturating_sub(self.unseen().len() + self.unreturned_clones)
    }

    /// The thread groups of some threads.
    fn groups_where(&self, wanted: impl Fn(&Thread) -> bool) -> impl Iterator<Item = u32> {
        let threads = self.threads.values().filter(move |thread| wanted(thread));
        threads.filter_map(|thread| self.segments.get(thread.segment)).map(|segment| segment.tgid)
    }
}
