//! What a workload adds over something that it is built on.

use std::collections::BTreeSet;

use crate::{Syscall, Trace};

impl Trace {
    /// What this trace has beyond the bases, for example a script's calls beyond its bare interpreter's.
    ///
    /// It takes away every observation of a call, as (ABI, number), that any base has, whichever image
    /// made it there or here: a policy's rules are about calls, and the image that the script runs in is
    /// the interpreter's own. How a call failed goes with it. Runs and gaps stay, since they say how far the rest can be trusted. What a
    /// base may have missed is not taken away, so an incomplete base makes the result larger, never smaller.
    #[must_use]
    pub fn subtract(&self, bases: &[Trace]) -> Trace {
        let known: BTreeSet<Syscall> = bases.iter().flat_map(Trace::syscalls).collect();
        Trace {
            runs: self.runs.clone(),
            calls: self.calls.filtered(|_, syscall| !known.contains(syscall)),
            results: self.results.filtered(|_, (syscall, _)| !known.contains(syscall)),
            refused: self.refused.filtered(|_, (syscall, _)| !known.contains(syscall)),
            gaps: self.gaps.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;

    proptest! {
        #[test]
        fn what_remains_is_what_no_base_has(
            trace in arbitrary::trace(),
            bases in vec(arbitrary::trace(), 0..3),
        ) {
            let rest = trace.subtract(&bases);
            let known: BTreeSet<Syscall> = bases.iter().flat_map(Trace::syscalls).collect();
            prop_assert_eq!(rest.syscalls(), trace.syscalls().difference(&known).copied().collect());
            for (subject, syscall, runs) in trace.calls.iter() {
                let kept = rest.calls.get(subject, syscall);
                prop_assert_eq!(kept, (!known.contains(syscall)).then_some(runs));
            }
            for (subject, result, runs) in trace.results.iter() {
                let kept = rest.results.get(subject, result);
                prop_assert_eq!(kept, (!known.contains(&result.0)).then_some(runs));
            }
            for (subject, result, runs) in trace.refused.iter() {
                let kept = rest.refused.get(subject, result);
                prop_assert_eq!(kept, (!known.contains(&result.0)).then_some(runs));
            }
            prop_assert!(rest.calls.iter().all(|(subject, call, _)| trace.calls.get(subject, call).is_some()));
            prop_assert_eq!((rest.runs, rest.gaps), (trace.runs.clone(), trace.gaps.clone()));
        }

        #[test]
        fn bases_one_by_one_or_merged_are_the_same(
            trace in arbitrary::trace(),
            a in arbitrary::trace(),
            b in arbitrary::trace(),
        ) {
            let mut merged = a.clone();
            merged.merge(b.clone());
            let at_once = trace.subtract(&[a.clone(), b.clone()]);
            prop_assert_eq!(&trace.subtract(&[a]).subtract(&[b]), &at_once);
            prop_assert_eq!(&trace.subtract(&[merged]), &at_once);
        }
    }
}
