//! Which runs bring calls that no other brings, which bring nothing new, and which few cover everything.

use std::collections::{BTreeMap, BTreeSet};

use crate::{RunId, Syscall, Trace};

mod smallest;

pub use smallest::Cover;

/// What each of several recordings contributes to their union.
///
/// A run that several inputs hold is one run. Everything is in the order of the inputs, then of when runs
/// began, then of run ids, so the same inputs give the same answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// Every call that any of them made.
    pub calls: BTreeSet<Syscall>,
    /// Run by run.
    pub runs: Vec<RunCoverage>,
    /// Input by input: an input may hold several runs.
    pub inputs: Vec<InputCoverage>,
    /// Few runs that together make every call: indexes into `runs`.
    pub few_runs: Cover,
    /// Few inputs that together hold every call: indexes into `inputs`.
    pub few_inputs: Cover,
}

/// What one run contributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunCoverage {
    /// The run.
    pub id: RunId,
    /// The user's name for it.
    pub name: Option<String>,
    /// The labels of the inputs that hold it.
    pub inputs: Vec<String>,
    /// How many distinct calls it made.
    pub calls: usize,
    /// Those that no other run made. Empty: the run brings nothing new beside the others.
    pub only: BTreeSet<Syscall>,
}

/// What one input contributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputCoverage {
    /// Its label, such as its file name.
    pub label: String,
    /// How many runs it holds.
    pub runs: usize,
    /// How many distinct calls it holds.
    pub calls: usize,
    /// Those that no other input holds. Empty: the input brings nothing new beside the others.
    pub only: BTreeSet<Syscall>,
}

impl Coverage {
    /// Compares labelled traces.
    pub fn of(inputs: &[(String, Trace)]) -> Coverage {
        let input_calls: Vec<BTreeSet<Syscall>> = inputs.iter().map(|(_, trace)| trace.syscalls()).collect();
        let (runs, run_calls) = runs_of(inputs);
        let only_runs = only_here(&run_calls);
        let only_inputs = only_here(&input_calls);
        let runs = runs.into_iter().zip(&run_calls).zip(only_runs);
        let inputs = inputs.iter().zip(&input_calls).zip(only_inputs);
        Coverage {
            runs: runs.map(|((run, calls), only)| RunCoverage { calls: calls.len(), only, ..run }).collect(),
            inputs: inputs
                .map(|(((label, trace), calls), only)| InputCoverage {
                    label: label.clone(),
                    runs: run_ids(trace).len(),
                    calls: calls.len(),
                    only,
                })
                .collect(),
            few_runs: smallest::cover(&run_calls),
            few_inputs: smallest::cover(&input_calls),
            calls: input_calls.into_iter().flatten().collect(),
        }
    }
}

/// Every run that a trace mentions, in the order in which they began.
fn run_ids(trace: &Trace) -> Vec<RunId> {
    let mut ids = trace.calls.runs();
    ids.extend(trace.runs.keys());
    let mut ids: Vec<_> = ids.into_iter().collect();
    ids.sort_by_key(|id| trace.runs.get(id).and_then(|run| run.started_unix_ms));
    ids
}

/// The runs, still without what they contribute, and the calls of each.
fn runs_of(inputs: &[(String, Trace)]) -> (Vec<RunCoverage>, Vec<BTreeSet<Syscall>>) {
    let mut runs: Vec<RunCoverage> = Vec::new();
    let mut index: BTreeMap<RunId, usize> = BTreeMap::new();
    for (label, trace) in inputs {
        for id in run_ids(trace) {
            let at = *index.entry(id).or_insert(runs.len());
            if at == runs.len() {
                let (inputs, only) = (Vec::new(), BTreeSet::new());
                runs.push(RunCoverage { id, name: None, inputs, calls: 0, only });
            }
            if let Some(run) = runs.get_mut(at) {
                run.inputs.push(label.clone());
                let name = trace.runs.get(&id).and_then(|run| run.name.clone());
                run.name = run.name.take().or(name);
            }
        }
    }
    let mut calls = vec![BTreeSet::new(); runs.len()];
    for (_, trace) in inputs {
        for (_, syscall, runs) in trace.calls.iter() {
            for id in runs.runs() {
                if let Some(of_run) = index.get(&id).and_then(|at| calls.get_mut(*at)) {
                    of_run.insert(*syscall);
                }
            }
        }
    }
    (runs, calls)
}

/// For each set, the calls that are in no other.
fn only_here(sets: &[BTreeSet<Syscall>]) -> Vec<BTreeSet<Syscall>> {
    let mut holders: BTreeMap<Syscall, usize> = BTreeMap::new();
    for syscall in sets.iter().flatten() {
        *holders.entry(*syscall).or_default() += 1;
    }
    let only = |set: &BTreeSet<Syscall>| {
        set.iter().filter(|syscall| holders.get(syscall) == Some(&1)).copied().collect()
    };
    sets.iter().map(only).collect()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::{Abi, CallSeen, Recorder, Run, Subject, arbitrary};

    fn trace(runs: &[(u128, &[u32])]) -> Trace {
        let mut trace = Trace::default();
        for (id, calls) in runs {
            for nr in *calls {
                let syscall = Syscall { abi: Abi::X86_64, nr: *nr };
                trace.calls.join(Subject::default(), syscall, RunId::from_bits(*id), CallSeen::times(1));
            }
        }
        trace
    }

    #[test]
    fn runs_are_in_the_order_in_which_they_began_whatever_their_ids() {
        let mut inputs = trace(&[(0xB, &[1]), (0xA, &[1]), (0xC, &[1])]);
        let run = |started_unix_ms| Run {
            duration_ms: None,
            exit: None,
            name: None,
            command: Vec::new(),
            target: None,
            recorder: Recorder::Ebpf,
            started_unix_ms,
            host: None,
            tool_version: String::new(),
            facts: BTreeSet::new(),
            peaks: std::collections::BTreeMap::new(),
        };
        for (id, started) in [(0xA, Some(30)), (0xB, Some(10)), (0xC, Some(20))] {
            inputs.runs.insert(RunId::from_bits(id), run(started));
        }
        let coverage = Coverage::of(&[("x".to_owned(), inputs)]);
        let ids: Vec<RunId> = coverage.runs.into_iter().map(|run| run.id).collect();
        assert_eq!(ids, [0xB, 0xC, 0xA].map(RunId::from_bits));
    }

    #[test]
    fn a_run_is_judged_against_all_others_and_an_input_against_all_other_inputs() {
        let inputs = [
            ("a".to_owned(), trace(&[(1, &[0, 1, 2]), (2, &[0, 1])])),
            ("b".to_owned(), trace(&[(3, &[2, 3]), (2, &[0, 1])])),
            ("c".to_owned(), trace(&[(4, &[1, 3])])),
        ];
        let coverage = Coverage::of(&inputs);
        let runs: Vec<_> = coverage
            .runs
            .iter()
            .map(|run| {
                (
                    run.id.to_string().trim_start_matches('0').to_owned(),
                    run.inputs.join(""),
                    run.calls,
                    run.only.len(),
                )
            })
            .collect();
        assert_eq!(
            runs,
            [
                ("1".to_owned(), "a".to_owned(), 3, 0),
                ("2".to_owned(), "ab".to_owned(), 2, 0),
                ("3".to_owned(), "b".to_owned(), 2, 0),
                ("4".to_owned(), "c".to_owned(), 2, 0)
            ]
        );
        assert_eq!(coverage.few_runs, Cover { chosen: vec![0, 2], proven: true });
        let inputs: Vec<_> =
            coverage.inputs.iter().map(|input| (input.label.as_str(), input.runs, input.calls)).collect();
        assert_eq!(inputs, [("a", 2, 3), ("b", 2, 4), ("c", 1, 2)]);
        assert_eq!(coverage.few_inputs, Cover { chosen: vec![1], proven: true });
    }

    proptest! {
        #[test]
        fn leaving_a_run_out_loses_exactly_the_calls_that_only_it_brings(
            traces in vec(arbitrary::trace(), 0..4),
        ) {
            let inputs: Vec<_> =
                traces.into_iter().enumerate().map(|(at, trace)| (at.to_string(), trace)).collect();
            let coverage = Coverage::of(&inputs);
            for run in &coverage.runs {
                let mut others = BTreeSet::new();
                for (_, syscall, runs) in inputs.iter().flat_map(|(_, trace)| trace.calls.iter()) {
                    if runs.runs().any(|id| id != run.id) {
                        others.insert(*syscall);
                    }
                }
                let lost: BTreeSet<_> = coverage.calls.difference(&others).copied().collect();
                prop_assert_eq!(&lost, &run.only);
            }
        }
    }
}
