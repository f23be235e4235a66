//! A call as an strace log names it, and the calls of an ABI that it can be.

use super::names::{Name, Names};
use crate::multiplexed::SubCall;
use crate::{Abi, Arch, Syscall};

/// A call as the log names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Called {
    /// The ABI.
    pub spoken: Spoken,
    /// The number that `-n` gave.
    pub number: Option<u32>,
    /// The name.
    pub name: Name,
}

/// Whether the log says which ABI a call used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Spoken {
    /// It does.
    Said(Abi),
    /// It does not.
    Silent,
}

impl Spoken {
    pub(super) fn of(abi: Option<Abi>) -> Spoken {
        abi.map_or(Spoken::Silent, Spoken::Said)
    }
}

impl Called {
    /// Whether an ABI has a call of that name, and of that number where the log gives it.
    pub(super) fn can_be_of(&self, abi: Abi, names: &Names) -> bool {
        let calls = str::from_utf8(names.of(self.name)).map(|name| named(abi, name)).unwrap_or_default();
        match self.number {
            Some(number) => calls.iter().any(|syscall| syscall.nr == number),
            None => !calls.is_empty(),
        }
    }

    /// The calls that it can be: none where the name is unknown, two where strace's name is ambiguous.
    pub(super) fn resolve(&self, names: &Names, arch: Arch, silent_abi: Option<Abi>) -> Vec<Syscall> {
        let Ok(name) = str::from_utf8(names.of(self.name)) else { return Vec::new() };
        let abi = match self.spoken {
            Spoken::Said(abi) => Some(abi),
            Spoken::Silent => silent_abi,
        };
        if let Some(raw) = self.number.or_else(|| raw_number(name)) {
            return vec![self.numbered(raw, names, arch, abi)];
        }
        let abis = abi.into_iter().chain(arch.abis().iter().copied());
        let candidates = abis.map(|abi| named(abi, name));
        // An ABI that is said is not doubted; one that is not may differ from call to call.
        let mut candidates: Box<dyn Iterator<Item = Vec<Syscall>>> = match self.spoken {
            Spoken::Said(_) => Box::new(candidates.take(1)),
            Spoken::Silent => Box::new(candidates),
        };
        candidates.find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// The calls that it may turn out to be, as long as the ABI is not known: those of the machine's own, and of the other
    /// one that has it. One of x32 shows by its number only.
    pub(super) fn candidates(&self, names: &Names, arch: Arch) -> Vec<Syscall> {
        let Ok(name) = str::from_utf8(names.of(self.name)) else { return Vec::new() };
        if let Spoken::Said(_) = self.spoken {
            return self.resolve(names, arch, None);
        }
        if self.number.or_else(|| raw_number(name)).is_some() {
            return self.resolve(names, arch, Some(arch.native_abi()));
        }
        let abis = arch.abis().iter().filter(|abi| **abi != Abi::X32);
        abis.flat_map(|abi| named(*abi, name)).collect()
    }

    /// The call of a number that the log gives: with the name, it says the ABI too.
    fn numbered(&self, raw: u32, names: &Names, arch: Arch, abi: Option<Abi>) -> Syscall {
        let as_native = Syscall::numbered(arch.native_abi(), raw);
        if as_native.abi != arch.native_abi() {
            return as_native;
        }
        let said = match self.spoken {
            Spoken::Said(abi) => Some(abi),
            Spoken::Silent => arch.abis().iter().copied().find(|abi| self.can_be_of(*abi, names)),
        };
        Syscall { abi: said.or(abi).unwrap_or(arch.native_abi()), nr: raw }
    }
}

/// The number in strace's name for a call that it does not know: `syscall_0x1c7`, formerly `SYS_455` and `syscall_455`.
fn raw_number(name: &str) -> Option<u32> {
    if let Some(number) = name.strip_prefix("SYS_") {
        return number.parse().ok();
    }
    let number = name.strip_prefix("syscall_")?;
    // The kernel looks at 32 bits (`nr` of struct seccomp_data).
    let low = |number: u64| u32::try_from(number & 0xffff_ffff).ok();
    match number.strip_prefix("0x") {
        Some(digits) => low(u64::from_str_radix(digits, 16).ok()?),
        None => number.parse::<u64>().ok().and_then(low),
    }
}

/// The calls of an ABI that strace prints under this name.
fn named(abi: Abi, name: &str) -> Vec<Syscall> {
    /// Names that are strace's own, or that it gave up for the kernel's.
    const OTHERWISE: &[(&str, &str)] = &[
        ("_exit", "exit"),
        ("fadvise64_64", "arm_fadvise64_64"),
        ("old_getrlimit", "getrlimit"),
        ("old_mmap", "mmap"),
        ("oldselect", "select"),
        ("pread", "pread64"),
        ("pwrite", "pwrite64"),
        ("sync_file_range2", "arm_sync_file_range"),
        ("umount", "umount2"),
    ];
    // x32's way of calling what has a number of its own there.
    if let Some(name) = name.strip_suffix("#64") {
        let native = Syscall::from_name(Abi::X86_64, name).filter(|_| abi == Abi::X32);
        return native.map(|syscall| Syscall { abi, nr: syscall.nr }).into_iter().collect();
    }
    let direct = Syscall::from_name(abi, name).or_else(|| {
        let (_, present) = OTHERWISE.iter().find(|(other, _)| *other == name)?;
        Syscall::from_name(abi, present)
    });
    let multiplexer = match abi {
        Abi::I386 => SubCall::named(name).and_then(|sub_call| Syscall::from_name(abi, sub_call.multiplexer)),
        _ => None,
    };
    multiplexer.into_iter().chain(direct).collect()
}
