//! Merging traces: a join. Any order, any grouping, and the same trace twice change nothing.

use crate::{Gap, GapKind, RunId, Trace};

impl Trace {
    /// Adds everything that another trace knows.
    ///
    /// Two states of one run are joined, not added up: the later state of the run (the greater [`Run`] in
    /// its own order, which begins with the duration), the larger count, the earlier first call, all values of arguments.
    ///
    /// A gap stays for good, except [`GapKind::Unfinished`], which says of one state of a run that it is a
    /// checkpoint. It stands exactly where that state is the latest one that was merged: the run's final
    /// state takes it away, and an older checkpoint does not bring it back. Of two equal states, one with
    /// the gap and one without, the one without is the final one. What orders the states is (run, finished),
    /// lexically, so this is a join too.
    ///
    /// Equal images of both traces share one allocation afterwards.
    ///
    /// [`Run`]: crate::Run
    pub fn merge(&mut self, other: Trace) {
        let unfinished = self.merge_unfinished(&other);
        self.gaps.retain(|gap, _| gap.kind != GapKind::Unfinished);
        for (gap, count) in other.gaps.into_iter().filter(|(gap, _)| gap.kind != GapKind::Unfinished) {
            self.note_gap(gap, count);
        }
        for (gap, count) in unfinished {
            self.note_gap(gap, count);
        }
        for (id, run) in other.runs {
            match self.runs.get_mut(&id) {
                Some(known) if *known >= run => {}
                Some(known) => *known = run,
                None => drop(self.runs.insert(id, run)),
            }
        }
        self.calls.merge(other.calls);
        self.results.merge(other.results);
        self.refused.merge(other.refused);
        self.files.merge(other.files);
        self.sockets.merge(other.sockets);
        self.names.merge(other.names);
        self.capabilities.merge(other.capabilities);
        self.memory.merge(other.memory);
        self.namespaces.merge(other.namespaces);
        self.uring.merge(other.uring);
    }

    /// The gaps of kind [`GapKind::Unfinished`] that stand after a merge.
    fn merge_unfinished(&self, other: &Trace) -> Vec<(Gap, u64)> {
        let stands = |gap: &Gap, here: &Trace, there: &Trace| {
            let (mine, theirs) = (here.runs.get(&gap.run), there.runs.get(&gap.run));
            // An equal state over there is the final one, unless it has such a gap as well.
            mine > theirs || (mine == theirs && (mine.is_none() || there.has_unfinished(&gap.run)))
        };
        let ours = self.unfinished().filter(|(gap, _)| stands(gap, self, other));
        let theirs = other.unfinished().filter(|(gap, _)| stands(gap, other, self));
        ours.chain(theirs).map(|(gap, count)| (gap.clone(), count)).collect()
    }

    fn unfinished(&self) -> impl Iterator<Item = (&Gap, u64)> {
        let gaps = self.gaps.iter().filter(|(gap, _)| gap.kind == GapKind::Unfinished);
        gaps.map(|(gap, count)| (gap, *count))
    }

    fn has_unfinished(&self, run: &RunId) -> bool {
        let first = Gap { kind: GapKind::Unfinished, run: *run, detail: None };
        let next = self.gaps.range(first..).next();
        next.is_some_and(|(gap, _)| gap.kind == GapKind::Unfinished && gap.run == *run)
    }
}

/// Many traces that become one, in any order.
///
/// Merging them one by one would move all that is known of a fact for each further run. Here a trace waits until there
/// is one of as many inputs, as a carry does in a sum; so each value moves a few times only.
#[derive(Debug, Default)]
pub struct Merger {
    /// Traces, each with how many doublings of one input it holds; from many to few.
    waiting: Vec<(u32, Trace)>,
}

impl Merger {
    /// Takes in one more.
    pub fn add(&mut self, trace: Trace) {
        let (mut doublings, mut sum) = (0, trace);
        while let Some((_, mut waiting)) = self.waiting.pop_if(|(others, _)| *others == doublings) {
            waiting.merge(sum);
            (doublings, sum) = (doublings + 1, waiting);
        }
        self.waiting.push((doublings, sum));
    }

    /// All of them as one.
    pub fn finish(self) -> Trace {
        let mut sum = Trace::default();
        for (_, waiting) in self.waiting.into_iter().rev() {
            sum.merge(waiting);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fmt::Debug;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::errno::Errno;
    use crate::{
        Abi, ArgumentsSeen, CallSeen, Count, Exit, Facts, FileSeen, Image, Key, Outcomes, Recorder, Rights,
        Run, Subject, Syscall, arbitrary,
    };

    fn joined<'t>(traces: impl IntoIterator<Item = &'t Trace>) -> Trace {
        traces.into_iter().fold(Trace::default(), |mut sum, trace| {
            sum.merge(trace.clone());
            sum
        })
    }

    /// What is asked of every kind of value.
    trait Known {
        /// How often it was seen.
        fn count(&self) -> u64;

        /// Whether the whole knows all that this part knows, where it claims to know it.
        fn is_in(&self, whole: &Self) -> bool;
    }

    impl Known for CallSeen {
        fn count(&self) -> u64 {
            self.count
        }

        /// Every value of arguments is in the other, where that claims to hold them all.
        fn is_in(&self, whole: &CallSeen) -> bool {
            let Some(whole) = &whole.arguments else { return true };
            match (self.arguments.as_ref().map(ArgumentsSeen::values), whole.values()) {
                (None, _) => false,
                (Some(None), values) => values.is_none(),
                (Some(Some(_)), None) => true,
                (Some(Some(part)), Some(whole)) => {
                    part.iter().all(|(value, count)| whole.get(value).is_some_and(|more| more >= count))
                }
            }
        }
    }

    impl Known for Count {
        fn count(&self) -> u64 {
            self.0
        }

        fn is_in(&self, whole: &Count) -> bool {
            self <= whole
        }
    }

    /// What is no count is there once.
    impl Known for FileSeen {
        fn count(&self) -> u64 {
            1
        }

        fn is_in(&self, whole: &FileSeen) -> bool {
            let failed = |(error, rights): (Errno, Rights)| {
                let more = whole.failed.get(error);
                !more.is_empty() && more.and(rights) == more
            };
            whole.succeeded.and(self.succeeded) == whole.succeeded
                && self.failed.iter().all(failed)
                && whole.tried.and(self.tried) == whole.tried
                && (whole.doubts.is_empty() || self.doubts.of_both(whole.doubts) == whole.doubts)
                && whole.by_kernel >= self.by_kernel
                && (self.written.is_none() || whole.written.is_some())
        }
    }

    impl Known for () {
        fn count(&self) -> u64 {
            1
        }

        fn is_in(&self, (): &()) -> bool {
            true
        }
    }

    impl Known for Outcomes {
        fn count(&self) -> u64 {
            1
        }

        fn is_in(&self, whole: &Outcomes) -> bool {
            whole.and(*self) == *whole
        }
    }

    /// Holds one table of a sum against those of its two parts.
    fn holds_all<K: Key + Debug, V: Known + Debug>(
        sum: &Facts<K, V>,
        a: &Facts<K, V>,
        b: &Facts<K, V>,
    ) -> Result<(), TestCaseError> {
        let pairs = |facts: &Facts<K, V>| -> BTreeSet<(Subject, K, RunId)> {
            let rows = facts.iter();
            rows.flat_map(|(subject, key, runs)| {
                runs.runs().map(|run| (subject.clone(), key.clone(), run)).collect::<Vec<_>>()
            })
            .collect()
        };
        prop_assert_eq!(pairs(sum), pairs(a).union(&pairs(b)).cloned().collect());
        for (subject, key, runs) in sum.iter() {
            for (run, whole) in runs.iter() {
                let parts = [a, b].map(|facts| facts.get(subject, key).and_then(|runs| runs.get(run)));
                prop_assert_eq!(Some(whole.count()), parts.iter().flatten().map(|part| part.count()).max());
                prop_assert!(parts.iter().flatten().all(|part| part.is_in(whole)), "{parts:?} {whole:?}");
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn order_does_not_matter(a in arbitrary::trace(), b in arbitrary::trace()) {
            prop_assert_eq!(joined([&a, &b]), joined([&b, &a]));
        }

        #[test]
        fn grouping_does_not_matter(a in arbitrary::trace(), b in arbitrary::trace(), c in arbitrary::trace()) {
            prop_assert_eq!(joined([&joined([&a, &b]), &c]), joined([&a, &joined([&b, &c])]));
        }

        #[test]
        fn the_same_trace_twice_changes_nothing(a in arbitrary::trace(), b in arbitrary::trace()) {
            prop_assert_eq!(joined([&a, &a]), a.clone());
            prop_assert_eq!(joined([&a, &b, &a]), joined([&a, &b]));
        }

        #[test]
        fn many_are_merged_as_one_after_the_other(traces in proptest::collection::vec(arbitrary::trace(), 0..9)) {
            let mut merger = Merger::default();
            for trace in &traces {
                merger.add(trace.clone());
            }
            prop_assert_eq!(merger.finish(), joined(&traces));
        }

        /// Nothing is lost: every fact, run and gap is in the join, with all that either knew for sure.
        #[test]
        fn a_join_holds_all_of_both(a in arbitrary::trace(), b in arbitrary::trace()) {
            let sum = joined([&a, &b]);
            holds_all(&sum.calls, &a.calls, &b.calls)?;
            holds_all(&sum.results, &a.results, &b.results)?;
            holds_all(&sum.files, &a.files, &b.files)?;
            holds_all(&sum.sockets, &a.sockets, &b.sockets)?;
            holds_all(&sum.capabilities, &a.capabilities, &b.capabilities)?;
            holds_all(&sum.names, &a.names, &b.names)?;
            holds_all(&sum.memory, &a.memory, &b.memory)?;
            holds_all(&sum.namespaces, &a.namespaces, &b.namespaces)?;
            holds_all(&sum.uring, &a.uring, &b.uring)?;
            let ids = |trace: &Trace| trace.runs.keys().copied().collect::<BTreeSet<_>>();
            prop_assert_eq!(ids(&sum), ids(&a).union(&ids(&b)).copied().collect());
            for trace in [&a, &b] {
                for (gap, count) in &trace.gaps {
                    let kept = sum.gaps.get(gap);
                    prop_assert!(gap.kind == GapKind::Unfinished || kept.is_some_and(|kept| kept >= count));
                }
            }
        }
    }

    fn run_state(duration_ms: u64, exit: Option<Exit>) -> Run {
        Run {
            duration_ms: Some(duration_ms),
            exit,
            name: None,
            command: Vec::new(),
            target: None,
            recorder: Recorder::Ebpf,
            started_unix_ms: None,
            host: None,
            tool_version: String::new(),
            facts: std::collections::BTreeSet::new(),
            peaks: std::collections::BTreeMap::new(),
        }
    }

    fn state(duration_ms: u64, exit: Option<Exit>, count: u64, finished: bool) -> Trace {
        let run = RunId::from_bits(1);
        let mut trace = Trace::default();
        trace.runs.insert(run, run_state(duration_ms, exit));
        let syscall = Syscall { abi: Abi::X86_64, nr: 0 };
        trace.calls.join(Subject::default(), syscall, run, CallSeen::times(count));
        if !finished {
            trace.note_gap(Gap { kind: GapKind::Unfinished, run, detail: None }, 0);
        }
        trace
    }

    #[test]
    fn the_final_state_of_a_run_replaces_its_checkpoints() {
        let first = state(60_000, None, 10, false);
        let second = state(120_000, None, 20, false);
        let exited = state(130_000, Some(Exit::Code(0)), 21, true);
        // A recording of a running target ends without an exit, here in the millisecond of its checkpoint.
        let detached = state(120_000, None, 20, true);
        for (inputs, expected) in [
            (vec![&first, &second], &second),
            (vec![&first, &exited], &exited),
            (vec![&first, &second, &exited], &exited),
            (vec![&second, &detached], &detached),
            (vec![&first, &detached, &second], &detached),
        ] {
            assert_eq!(joined(inputs.iter().copied()), *expected);
            assert_eq!(joined(inputs.iter().rev().copied()), *expected);
        }
    }

    #[test]
    fn a_run_that_is_only_mentioned_elsewhere_keeps_its_unfinished_gap() {
        let checkpoint = state(60_000, None, 10, false);
        let mut other = state(5, None, 1, true);
        other.runs.clear();
        assert_eq!(joined([&checkpoint, &other]).gaps, checkpoint.gaps);
        assert_eq!(joined([&other, &checkpoint]).gaps, checkpoint.gaps);
    }

    /// Thousands of traces of the same program: one image and one scope in memory, however many came.
    #[test]
    fn memory_grows_with_facts_and_runs_and_not_with_traces() {
        let mut sum = Trace::default();
        for run in 0..2000_u32 {
            let id = RunId::from_bits(u128::from(run % 1000));
            let mut trace = Trace::default();
            let image = Arc::new(Image { path: "/bin/true".into(), ..Image::default() });
            trace.runs.insert(id, run_state(1, None));
            for nr in [run % 7, 50] {
                let syscall = Syscall { abi: Abi::X86_64, nr };
                trace.calls.join(Subject::of(&image), syscall, id, CallSeen::times(1));
            }
            sum.merge(trace);
        }
        assert_eq!(sum.calls.len(), 8);
        assert_eq!(
            sum.totals(),
            (0..7)
                .chain([50])
                .map(|nr| {
                    let syscall = Syscall { abi: Abi::X86_64, nr };
                    let runs = sum.calls.iter().filter(|(_, call, _)| **call == syscall);
                    (syscall, runs.map(|(_, _, runs)| runs.len() as u64).sum())
                })
                .collect::<BTreeMap<_, _>>()
        );
        let allocations: BTreeSet<_> =
            sum.calls.iter().map(|(subject, _, _)| Arc::as_ptr(&subject.image).addr()).collect();
        assert_eq!(allocations.len(), 1);
    }
}
