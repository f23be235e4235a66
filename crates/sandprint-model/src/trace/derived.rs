//! What follows from the arguments of calls: memory that became code, and how tasks and namespaces were made.

use std::collections::BTreeMap;

use crate::arguments::Selected;
use crate::errno::Errno;
use crate::{
    ArgumentsSeen, CallSeen, Count, Facts, Gap, GapKind, Memory, MemoryKind, RunId, Subject, Syscall, Trace,
};

/// `PROT_WRITE`, `PROT_EXEC` (asm-generic/mman-common.h), `SHM_EXEC` (linux/shm.h).
const PROT_WRITE: u64 = 2;
const PROT_EXEC: u64 = 4;
const SHM_EXEC: u64 = 0o100_000;

impl Trace {
    /// Adds what the arguments of the calls of a run say beside themselves. After the calls and the results.
    pub fn add_what_follows(&mut self, run: RunId) {
        let Trace { calls, results, memory, namespaces, gaps, .. } = self;
        let mut followed = Followed { memory, namespaces, gaps };
        for (subject, call, runs) in calls.iter() {
            let Some(CallSeen { count, arguments: Some(seen), .. }) = runs.get(run) else { continue };
            let failed = failed(results, subject, *call, run);
            followed.add((subject, *call), run, seen, (*count, failed));
        }
    }

    /// The same of one call, whose arguments are not all known and so not in the trace.
    pub(crate) fn add_what_follows_of(
        &mut self,
        (subject, call): (&Subject, Syscall),
        run: RunId,
        seen: &ArgumentsSeen,
    ) {
        let known = self.calls.get(subject, &call).and_then(|runs| runs.get(run));
        let count = known.map_or(0, |known| known.count);
        let failed = failed(&self.results, subject, call, run);
        let Trace { memory, namespaces, gaps, .. } = self;
        Followed { memory, namespaces, gaps }.add((subject, call), run, seen, (count, failed));
    }
}

/// How often a call failed in a run, as far as that is known.
fn failed(results: &Facts<(Syscall, Errno), Count>, subject: &Subject, call: Syscall, run: RunId) -> u64 {
    let errors = results.range(subject, (call, Errno(0))..=(call, Errno(u16::MAX)));
    let counts = errors.filter_map(|(_, runs)| runs.get(run));
    counts.fold(0, |sum, count| sum.saturating_add(count.0))
}

/// Where that goes which follows from arguments.
struct Followed<'t> {
    memory: &'t mut Facts<Memory, Count>,
    namespaces: &'t mut Facts<(Syscall, u64), Count>,
    gaps: &'t mut BTreeMap<Gap, u64>,
}

impl Followed<'_> {
    /// Adds what follows from a call, of which so many were made and failed.
    ///
    /// Arguments are seen when a call begins, and errors when it ends: with which arguments it failed is not known. So
    /// memory is counted as often as it can have become code at most, and not at all where every call failed.
    fn add(
        &mut self,
        (subject, call): (&Subject, Syscall),
        run: RunId,
        seen: &ArgumentsSeen,
        (made, failed): (u64, u64),
    ) {
        let Some(values) = seen.values() else {
            if let Some(missing) = missing(call) {
                let most = ArgumentsSeen::MOST;
                let detail = format!("more than {most} different ones of {call}: {missing} may be missing");
                let gap = Gap { kind: GapKind::ArgumentsLost, run, detail: Some(detail) };
                let count = self.gaps.entry(gap).or_default();
                *count = (*count).max(made);
            }
            return;
        };
        let succeeded = made.saturating_sub(failed);
        for (value, count) in values {
            let most = if failed > 0 { succeeded.min(*count) } else { *count };
            if let Some(kind) = memory(call, value)
                && most > 0
            {
                self.memory.add(subject.clone(), Memory { kind, path: None }, run, Count(most));
            }
            if let Some(flags) = flags(call, value) {
                self.namespaces.add(subject.clone(), (call, flags), run, Count(*count));
            }
        }
    }
}

/// What follows from the arguments of a call, in words; none where nothing does.
fn missing(call: Syscall) -> Option<&'static str> {
    match call.name()? {
        "mmap" | "mmap2" | "mprotect" | "pkey_mprotect" | "shmat" => Some("memory that became code"),
        "clone" | "setns" | "unshare" => Some("flags of new tasks or namespaces"),
        _ => None,
    }
}

fn memory(call: Syscall, Selected(args): &Selected) -> Option<MemoryKind> {
    let has = |index: usize, bits: u64| {
        args.get(index).copied().flatten().is_some_and(|value| value & bits == bits)
    };
    match call.name()? {
        "mmap" | "mmap2" if has(2, PROT_WRITE | PROT_EXEC) => Some(MemoryKind::MapWriteExec),
        "mprotect" | "pkey_mprotect" if has(2, PROT_WRITE | PROT_EXEC) => Some(MemoryKind::ProtectWriteExec),
        "mprotect" | "pkey_mprotect" if has(2, PROT_EXEC) => Some(MemoryKind::ProtectExec),
        "shmat" if has(2, SHM_EXEC) => Some(MemoryKind::ShmExec),
        _ => None,
    }
}

/// The flags of a call that makes tasks or namespaces; those of clone3(2) are in memory.
fn flags(call: Syscall, Selected(args): &Selected) -> Option<u64> {
    match call.name()? {
        "clone" | "unshare" => args[0],
        "setns" => args[1],
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Abi, Image};

    /// Kinds of memory, and flags, each with how often.
    type Told = (Vec<(MemoryKind, u64)>, Vec<(u64, u64)>);

    /// What follows from a call that was seen so, made as often as `made` says and failed as often as `failed`.
    fn trace(name: &str, seen: ArgumentsSeen, made: u64, failed: &[u64]) -> Trace {
        let mut trace = Trace::default();
        let call = Syscall::from_name(Abi::X86_64, name).unwrap();
        let (subject, run) = (Subject::of(&Arc::new(Image::default())), RunId::from_bits(1));
        let of = CallSeen { arguments: Some(seen), ..CallSeen::times(made) };
        trace.calls.add(subject.clone(), call, run, of);
        for (error, count) in (1..).zip(failed) {
            trace.results.add(subject.clone(), (call, Errno(error)), run, Count(*count));
        }
        // Of another call, and in another run.
        let other = Syscall { nr: call.nr + 1, ..call };
        trace.results.add(subject.clone(), (other, Errno(1)), run, Count(100));
        trace.results.add(subject.clone(), (call, Errno(1)), RunId::from_bits(2), Count(100));
        trace.add_what_follows(run);
        trace
    }

    fn of_trace(trace: &Trace) -> Told {
        let count = |count: &Count| count.0;
        (
            trace
                .memory
                .iter()
                .map(|(_, memory, runs)| (memory.kind, runs.values().map(count).sum()))
                .collect(),
            trace
                .namespaces
                .iter()
                .map(|(_, (_, flags), runs)| (*flags, runs.values().map(count).sum()))
                .collect(),
        )
    }

    fn follows(name: &str, args: [Option<u64>; 6]) -> Told {
        of_trace(&trace(name, ArgumentsSeen::new(Selected(args), 3), 3, &[]))
    }

    #[test]
    fn calls_that_failed_made_no_code() {
        const WRITE_EXEC: [Option<u64>; 6] = [None, None, Some(7), Some(0x22), None, None];
        const WRITE: [Option<u64>; 6] = [None, None, Some(3), Some(0x22), None, None];
        for (failed, expected) in
            [(&[][..], &[3][..]), (&[1, 1], &[3]), (&[2, 2], &[1]), (&[5], &[]), (&[3, 2], &[]), (&[9], &[])]
        {
            let mut seen = ArgumentsSeen::new(Selected(WRITE_EXEC), 3);
            seen.add(Selected(WRITE), 2);
            let (memory, _) = of_trace(&trace("mmap", seen, 5, failed));
            let counts: Vec<u64> = memory.iter().map(|(_, count)| *count).collect();
            assert_eq!(counts, expected, "{failed:?}");
        }
        // The flags are those of calls, whatever became of them.
        let flags = Selected([Some(0x1000_0000), None, None, None, None, None]);
        let (_, flags) = of_trace(&trace("unshare", ArgumentsSeen::new(flags, 3), 3, &[3]));
        assert_eq!(flags, [(0x1000_0000, 3)]);
    }

    #[test]
    fn what_too_many_arguments_would_say_is_told_as_missing() {
        for (name, missing) in [
            ("mmap", Some("memory that became code")),
            ("unshare", Some("flags of new tasks or namespaces")),
            ("ioctl", None),
        ] {
            let trace = trace(name, ArgumentsSeen::too_many(), 70, &[]);
            let gaps: Vec<_> =
                trace.gaps.iter().map(|(gap, count)| (gap.kind, gap.detail.clone(), *count)).collect();
            let expected = missing.map(|missing| {
                let detail = format!("more than 64 different ones of {name}: {missing} may be missing");
                (GapKind::ArgumentsLost, Some(detail), 70)
            });
            assert_eq!(gaps, expected.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn code_that_could_be_written_is_told_by_how_it_came_to_be() {
        let prot = |prot, flags| [None, None, Some(prot), Some(flags), None, None];
        for (name, args, expected) in [
            ("mmap", prot(7, 0x22), Some(MemoryKind::MapWriteExec)),
            ("mmap", prot(7, 0x2), Some(MemoryKind::MapWriteExec)),
            ("mmap", prot(5, 0x22), None),
            ("mprotect", prot(7, 0), Some(MemoryKind::ProtectWriteExec)),
            ("mprotect", prot(5, 0), Some(MemoryKind::ProtectExec)),
            ("mprotect", prot(3, 0), None),
            ("shmat", prot(0o100_000, 0), Some(MemoryKind::ShmExec)),
        ] {
            let expected: Vec<_> = expected.map(|kind| (kind, 3)).into_iter().collect();
            assert_eq!(follows(name, args).0, expected, "{name} {args:?}");
        }
    }

    #[test]
    fn what_makes_tasks_and_namespaces_is_told_with_its_flags() {
        assert_eq!(
            follows("unshare", [Some(0x1000_0000), None, None, None, None, None]).1,
            [(0x1000_0000, 3)]
        );
        assert_eq!(follows("setns", [None, Some(0x4000_0000), None, None, None, None]).1, [(0x4000_0000, 3)]);
        assert_eq!(follows("fork", [None; 6]).1, []);
    }
}
