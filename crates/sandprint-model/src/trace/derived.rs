//! What follows from the arguments of calls: memory that became code, and how tasks and namespaces were made.

use crate::arguments::Selected;
use crate::{ArgumentsSeen, Count, Memory, MemoryKind, RunId, Subject, Syscall, Trace};

/// `PROT_WRITE`, `PROT_EXEC`, `MAP_ANONYMOUS` (asm-generic/mman-common.h), `SHM_EXEC` (linux/shm.h).
const PROT_WRITE: u64 = 2;
const PROT_EXEC: u64 = 4;
const MAP_ANONYMOUS: u64 = 0x20;
const SHM_EXEC: u64 = 0o100_000;

impl Trace {
    /// Adds what the arguments of a call say beside themselves. `files` says whether code that is mapped writable from a
    /// file counts too; where that is known with its path, it does not.
    pub fn add_what_follows(
        &mut self,
        (subject, call): (&Subject, Syscall),
        run: RunId,
        seen: &ArgumentsSeen,
        files: bool,
    ) {
        let Some(values) = seen.values() else { return };
        for (value, count) in values {
            if let Some(kind) = memory(call, value, files) {
                self.memory.add(subject.clone(), Memory { kind, path: None }, run, Count(*count));
            }
            if let Some(flags) = flags(call, value) {
                self.namespaces.add(subject.clone(), (call, flags), run, Count(*count));
            }
        }
    }
}

fn memory(call: Syscall, Selected(args): &Selected, files: bool) -> Option<MemoryKind> {
    let has = |index: usize, bits: u64| {
        args.get(index).copied().flatten().is_some_and(|value| value & bits == bits)
    };
    match call.name()? {
        "mmap" | "mmap2" if has(2, PROT_WRITE | PROT_EXEC) && (files || has(3, MAP_ANONYMOUS)) => {
            Some(MemoryKind::MapWriteExec)
        }
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
    type Followed = (Vec<(MemoryKind, u64)>, Vec<(u64, u64)>);

    fn follows(name: &str, args: [Option<u64>; 6], files: bool) -> Followed {
        let mut trace = Trace::default();
        let call = Syscall::from_name(Abi::X86_64, name).unwrap();
        let subject = Subject::of(&Arc::new(Image::default()));
        let seen = ArgumentsSeen::new(Selected(args), 3);
        trace.add_what_follows((&subject, call), RunId::from_bits(1), &seen, files);
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

    #[test]
    fn code_that_could_be_written_is_told_by_how_it_came_to_be() {
        let prot = |prot, flags| [None, None, Some(prot), Some(flags), None, None];
        for (name, args, files, expected) in [
            ("mmap", prot(7, 0x22), false, Some(MemoryKind::MapWriteExec)),
            ("mmap", prot(7, 0x2), false, None),
            ("mmap", prot(7, 0x2), true, Some(MemoryKind::MapWriteExec)),
            ("mmap", prot(5, 0x22), true, None),
            ("mprotect", prot(7, 0), true, Some(MemoryKind::ProtectWriteExec)),
            ("mprotect", prot(5, 0), true, Some(MemoryKind::ProtectExec)),
            ("mprotect", prot(3, 0), true, None),
            ("shmat", prot(0o100_000, 0), true, Some(MemoryKind::ShmExec)),
        ] {
            let expected: Vec<_> = expected.map(|kind| (kind, 3)).into_iter().collect();
            assert_eq!(follows(name, args, files).0, expected, "{name} {args:?}");
        }
    }

    #[test]
    fn what_makes_tasks_and_namespaces_is_told_with_its_flags() {
        assert_eq!(
            follows("unshare", [Some(0x1000_0000), None, None, None, None, None], true).1,
            [(0x1000_0000, 3)]
        );
        assert_eq!(
            follows("setns", [None, Some(0x4000_0000), None, None, None, None], true).1,
            [(0x4000_0000, 3)]
        );
        assert_eq!(follows("fork", [None; 6], true).1, []);
    }
}
