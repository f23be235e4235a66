//! What a workload adds over something that it is built on.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Count, Facts, FileSeen, Join, Key, Outcomes, Syscall, Trace};

impl Trace {
    /// What this trace has beyond the bases, for example a script's calls beyond its bare interpreter's.
    ///
    /// It takes away every observation of a call, as (ABI, number), that any base has, whichever image
    /// made it there or here: a policy's rules are about calls, and the image that the script runs in is
    /// the interpreter's own. How a call failed goes with it. Of a file, those rights go that a base had to it with the same
    /// outcome; of a socket or a capability, the outcomes that a base has; memory, flags and operations go where a base has
    /// the same. Runs and gaps stay, since they say how far the rest can be trusted. What a
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
            names: beyond(&self.names, bases, |base| &base.names),
            capabilities: beyond(&self.capabilities, bases, |base| &base.capabilities),
            memory: beyond(&self.memory, bases, |base| &base.memory),
            namespaces: beyond(&self.namespaces, bases, |base| &base.namespaces),
            uring: beyond(&self.uring, bases, |base| &base.uring),
            gaps: self.gaps.clone(),
        }
    }
}

/// What is left of a fact that a base has too.
trait Beyond: Join + Clone {
    /// None where the base has all of it.
    fn beyond(&self, base: &Self) -> Option<Self>;
}

/// What is there or not.
impl Beyond for () {
    fn beyond(&self, (): &()) -> Option<()> {
        None
    }
}

impl Beyond for Count {
    fn beyond(&self, _: &Count) -> Option<Count> {
        None
    }
}

impl Beyond for Outcomes {
    fn beyond(&self, base: &Outcomes) -> Option<Outcomes> {
        Some(self.without(*base)).filter(|left| *left != Outcomes::default())
    }
}

impl Beyond for FileSeen {
    fn beyond(&self, base: &FileSeen) -> Option<FileSeen> {
        Some(self.without(base)).filter(|left| !left.all().is_empty())
    }
}

/// What is in a table that no base has in its own.
fn beyond<K: Key, V: Beyond>(
    facts: &Facts<K, V>,
    bases: &[Trace],
    table: impl Fn(&Trace) -> &Facts<K, V>,
) -> Facts<K, V> {
    let mut known: BTreeMap<&K, V> = BTreeMap::new();
    for (_, key, runs) in bases.iter().flat_map(|base| table(base).iter()) {
        for value in runs.values() {
            match known.get_mut(key) {
                Some(seen) => seen.join(value.clone()),
                None => drop(known.insert(key, value.clone())),
            }
        }
    }
    facts.filter_map(|key, value| match known.get(key) {
        Some(base) => value.beyond(base),
        None => Some(value.clone()),
    })
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::{Right, Rights, RunId, Subject, arbitrary};

    #[test]
    fn a_path_of_the_base_stays_with_what_only_the_workload_did() {
        let traced = |rights: &[Right], outcomes| {
            let mut trace = Trace::default();
            let succeeded = rights.iter().copied().collect();
            let seen = FileSeen { succeeded, ..FileSeen::default() };
            trace.files.add(Subject::default(), "/etc/hosts".into(), RunId::from_bits(1), seen);
            let capability = crate::Capability::numbered(1).unwrap();
            trace.capabilities.add(Subject::default(), (capability, None), RunId::from_bits(1), outcomes);
            trace
        };
        let both = Outcomes { succeeded: true, failed: true };
        let rest = traced(&[Right::Read, Right::Write], both)
            .subtract(&[traced(&[Right::Read, Right::Metadata], Outcomes::SUCCEEDED)]);
        assert_eq!(rest, traced(&[Right::Write], Outcomes::FAILED));
    }

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
            for (subject, path, runs) in trace.files.iter() {
                for (run, seen) in runs.iter() {
                    let left = rest.files.get(subject, path).and_then(|runs| runs.get(run));
                    let of_base = bases.iter().flat_map(|base| base.files.iter()).filter(|(_, of, _)| *of == path);
                    let base: Vec<_> = of_base.flat_map(|(_, _, runs)| runs.values()).collect();
                    let succeeded = base.iter().fold(Rights::NONE, |all, base| all.and(base.succeeded));
                    prop_assert_eq!(
                        left.map_or(Rights::NONE, |left| left.succeeded),
                        seen.succeeded.without(succeeded)
                    );
                }
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
