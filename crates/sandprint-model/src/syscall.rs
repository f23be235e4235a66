//! A system call: an ABI and a number, never a bare number.

use std::fmt;

use crate::{Abi, KernelVersion};

/// A system call of one ABI.
///
/// The number is the ABI's own: an x32 call is kept without the kernel's bit 30.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Syscall {
    /// The ABI it is made through.
    pub abi: Abi,
    /// Its number in that ABI.
    pub nr: u32,
}

impl Syscall {
    /// Its name, where the table has one. A call without a name is kept and shown by number.
    pub fn name(self) -> Option<&'static str> {
        None
    }

    /// The call of that name in an ABI.
    pub fn from_name(_abi: Abi, _name: &str) -> Option<Syscall> {
        None
    }

    /// The kernel release that introduced it, where the table says.
    pub fn since(self) -> Option<KernelVersion> {
        None
    }

    /// Every named call of an ABI, by number.
    pub fn all(_abi: Abi) -> impl Iterator<Item = Syscall> {
        std::iter::empty()
    }
}

impl fmt::Display for Syscall {
    /// Its name, or `syscall_NR` where it has none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => f.pad(&format!("syscall_{}", self.nr)),
        }
    }
}
