//! What two traces have and have not in common.

use std::collections::{BTreeMap, BTreeSet};

use crate::errno::Errno;
use crate::{FactKind, Gap, Image, Syscall, Trace};

/// What two traces, A and B, have and have not in common.
///
/// It compares sets: a call that both have is no difference, however often each made it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TraceDiff {
    /// The calls, whichever program made them.
    pub calls: CallDiff,
    /// The same for each program that either has. The images in it are without build id, since a program
    /// that was built anew is the same program.
    pub programs: BTreeMap<Image, CallDiff>,
    /// How calls failed in one of them only; nothing where not both show how.
    pub failures: Option<FailureDiff>,
    /// The gaps of A behind which calls may hide: what is only in B may have been made in A too.
    pub blocking_in_a: BTreeMap<Gap, u64>,
    /// The same for B.
    pub blocking_in_b: BTreeMap<Gap, u64>,
}

/// Which calls failed with which error in A only, and which in B only, with their counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FailureDiff {
    /// In A.
    pub only_in_a: BTreeMap<(Syscall, Errno), u64>,
    /// In B.
    pub only_in_b: BTreeMap<(Syscall, Errno), u64>,
}

/// Which calls are in A, in B, and in both. No call is in two of the three.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallDiff {
    /// With their counts in A, summed over runs.
    pub only_in_a: BTreeMap<Syscall, u64>,
    /// With their counts in B.
    pub only_in_b: BTreeMap<Syscall, u64>,
    /// With their counts in A and in B.
    pub in_both: BTreeMap<Syscall, (u64, u64)>,
}

impl TraceDiff {
    /// Compares two traces.
    pub fn between(a: &Trace, b: &Trace) -> TraceDiff {
        let (in_a, in_b) = (by_program(a), by_program(b));
        let names: BTreeSet<&Image> = in_a.keys().chain(in_b.keys()).collect();
        let none = BTreeMap::new();
        let programs = names.into_iter().map(|name| {
            let calls_of = |programs: &BTreeMap<Image, _>| programs.get(name).unwrap_or(&none).clone();
            (name.clone(), CallDiff::between(calls_of(&in_a), &calls_of(&in_b)))
        });
        let blocking =
            |trace: &Trace| trace.blocking_gaps().map(|(gap, count)| (gap.clone(), count)).collect();
        TraceDiff {
            calls: CallDiff::between(a.totals(), &b.totals()),
            programs: programs.collect(),
            failures: (a.shows(FactKind::Results) && b.shows(FactKind::Results))
                .then(|| FailureDiff::between(a, b)),
            blocking_in_a: blocking(a),
            blocking_in_b: blocking(b),
        }
    }

    /// Whether both have the same calls, whichever of their programs made them, and however they failed.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The programs whose calls differ.
    pub fn changed_programs(&self) -> impl Iterator<Item = (&Image, &CallDiff)> {
        self.programs.iter().filter(|(_, calls)| !calls.is_empty())
    }
}

impl FailureDiff {
    fn between(a: &Trace, b: &Trace) -> FailureDiff {
        let (mut only_in_a, mut only_in_b) = (a.failures(), b.failures());
        let in_a: BTreeSet<(Syscall, Errno)> = only_in_a.keys().copied().collect();
        only_in_a.retain(|result, _| !only_in_b.contains_key(result));
        only_in_b.retain(|result, _| !in_a.contains(result));
        FailureDiff { only_in_a, only_in_b }
    }
}

impl CallDiff {
    fn between(a: BTreeMap<Syscall, u64>, b: &BTreeMap<Syscall, u64>) -> CallDiff {
        let mut diff = CallDiff {
            only_in_b: b.iter().filter(|(call, _)| !a.contains_key(*call)).map(|(c, n)| (*c, *n)).collect(),
            ..CallDiff::default()
        };
        for (syscall, count) in a {
            match b.get(&syscall) {
                Some(other) => drop(diff.in_both.insert(syscall, (count, *other))),
                None => drop(diff.only_in_a.insert(syscall, count)),
            }
        }
        diff
    }

    /// Whether A and B have the same calls.
    pub fn is_empty(&self) -> bool {
        self.only_in_a.is_empty() && self.only_in_b.is_empty()
    }
}

/// Counts per call and program, summed over runs, scopes and builds.
fn by_program(trace: &Trace) -> BTreeMap<Image, BTreeMap<Syscall, u64>> {
    let mut programs: BTreeMap<Image, BTreeMap<Syscall, u64>> = BTreeMap::new();
    for (subject, syscall, runs) in trace.calls.iter() {
        let program = Image { build_id: None, ..subject.image.as_ref().clone() };
        let count = programs.entry(program).or_default().entry(*syscall).or_default();
        *count = runs.values().fold(*count, |sum, seen| sum.saturating_add(seen.count));
    }
    programs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;

    fn swapped(diff: CallDiff) -> CallDiff {
        CallDiff {
            only_in_a: diff.only_in_b,
            only_in_b: diff.only_in_a,
            in_both: diff.in_both.into_iter().map(|(call, (a, b))| (call, (b, a))).collect(),
        }
    }

    proptest! {
        #[test]
        fn a_trace_does_not_differ_from_itself(a in arbitrary::trace()) {
            let diff = TraceDiff::between(&a, &a);
            prop_assert!(diff.is_empty());
            prop_assert_eq!(diff.changed_programs().count(), 0);
            prop_assert!(diff.failures.is_none_or(|failures| failures == FailureDiff::default()));
            prop_assert_eq!(
                diff.calls.in_both.into_iter().map(|(call, (count, _))| (call, count)).collect::<BTreeMap<_, _>>(),
                a.totals()
            );
        }

        #[test]
        fn swapping_the_traces_swaps_the_sides(a in arbitrary::trace(), b in arbitrary::trace()) {
            let (forth, back) = (TraceDiff::between(&a, &b), TraceDiff::between(&b, &a));
            prop_assert_eq!(swapped(back.calls), forth.calls);
            let programs = back.programs.into_iter().map(|(program, calls)| (program, swapped(calls)));
            prop_assert_eq!(programs.collect::<BTreeMap<_, _>>(), forth.programs);
            prop_assert_eq!((back.blocking_in_b, back.blocking_in_a), (forth.blocking_in_a, forth.blocking_in_b));
        }

        #[test]
        fn the_three_sets_are_those_of_set_algebra(a in arbitrary::trace(), b in arbitrary::trace()) {
            let diff = TraceDiff::between(&a, &b).calls;
            let (in_a, in_b) = (a.syscalls(), b.syscalls());
            let keys = |map: &BTreeMap<Syscall, u64>| map.keys().copied().collect::<BTreeSet<_>>();
            prop_assert_eq!(keys(&diff.only_in_a), in_a.difference(&in_b).copied().collect());
            prop_assert_eq!(keys(&diff.only_in_b), in_b.difference(&in_a).copied().collect());
            prop_assert_eq!(
                diff.in_both.keys().copied().collect::<BTreeSet<_>>(),
                in_a.intersection(&in_b).copied().collect()
            );
            prop_assert_eq!(diff.is_empty(), in_a == in_b);
        }

        /// The difference is exactly what subtracting one from the other leaves.
        #[test]
        fn it_agrees_with_subtract(a in arbitrary::trace(), b in arbitrary::trace()) {
            let diff = TraceDiff::between(&a, &b).calls;
            prop_assert_eq!(diff.only_in_a, a.subtract(std::slice::from_ref(&b)).totals());
            prop_assert_eq!(diff.only_in_b, b.subtract(&[a]).totals());
        }
    }
}
