//! What a workload adds over something that it is built on.

use std::collections::BTreeSet;

use crate::{Facts, Key, Syscall, Trace};

impl Trace {
    /// What this trace has beyond the bases, for example a script's calls beyond its bare interpreter's.
    ///
    /// It takes away every observation of a call, as (ABI, number), that any base has, whichever image
    /// made it there or here: a policy's rules are about calls, and the image that the script runs in is
    /// the interpreter's own. How a call failed goes with it. Files, sockets and the like go where a base has the same, whatever
    /// it did with them. Runs and gaps stay, since they say how far the rest can be trusted. What a
    /// base may have missed is not taken away, so an incomplete base makes the result larger, never smaller.
    #[must_use]
    pub fn subtract(&self, bases: &[Trace]) -> Trace {
        let known: BTreeSet<Syscall> = bases.iter().flat_map(Trace::syscalls).collect();
        Trace {
            runs: self.runs.clone(),
            calls: self.calls.filtered(|_, syscall| !known.contains(syscall)),
            results: self.results.filtered(|_, (syscall, _)| !known.contains(syscall)),
            refused: self.refused.filtered(|_, (syscall, _)| !known.contains(syscall)),
            files: beyond(&self.files, bases, |base| &base.files),
            sockets: beyond(&self.sockets, bases, |base| &base.sockets),
            capabilities: beyond(&self.capabilities, bases, |base| &base.capabilities),
            memory: beyond(&self.memory, bases, |base| &base.memory),
            namespaces: beyond(&self.namespaces, bases, |base| &base.namespaces),
            uring: beyond(&self.uring, bases, |base| &base.uring),
            gaps: self.gaps.clone(),
        }
    }
}

/// The facts of a table that are about nothing that this table of a base is about.
fn beyond<K: Key, V: Clone>(
    facts: &Facts<K, V>,
    bases: &[Trace],
    table: impl Fn(&Trace) -> &Facts<K, V>,
) -> Facts<K, V> {
    let known: BTreeSet<K> =
        bases.iter().flat_map(|base| table(base).iter().map(|(_, key, _)| key.clone())).collect();
    facts.filtered(|_, key| !known.contains(key))
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
