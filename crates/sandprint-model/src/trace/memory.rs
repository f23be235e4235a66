//! Memory that became writable and executable.

use crate::{ByteString, Key};

/// How memory came to hold code that the program could write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemoryKind {
    /// It was mapped writable and executable at once (mmap(2)).
    MapWriteExec,
    /// It was made executable, whatever it held before (mprotect(2), `pkey_mprotect(2)`).
    ProtectExec,
    /// It was made writable and executable at once.
    ProtectWriteExec,
    /// Shared memory was attached executable (shmat(2)).
    ShmExec,
}

impl MemoryKind {
    /// Every kind, in name order.
    pub const ALL: [MemoryKind; 4] = [
        MemoryKind::MapWriteExec,
        MemoryKind::ProtectExec,
        MemoryKind::ProtectWriteExec,
        MemoryKind::ShmExec,
    ];

    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            MemoryKind::MapWriteExec => "map-write-exec",
            MemoryKind::ProtectExec => "protect-exec",
            MemoryKind::ProtectWriteExec => "protect-write-exec",
            MemoryKind::ShmExec => "shm-exec",
        }
    }

    /// The kind of that word.
    pub fn from_name(name: &str) -> Option<MemoryKind> {
        MemoryKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Memory that became so, and the file that it is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Memory {
    /// How.
    pub kind: MemoryKind,
    /// The file; none for memory of no file, and where that is not known.
    pub path: Option<ByteString>,
}

impl Key for Memory {
    fn first() -> Memory {
        Memory { kind: MemoryKind::MapWriteExec, path: None }
    }
}
