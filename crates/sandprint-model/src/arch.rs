//! Machines and their system call ABIs.

use std::fmt;

/// A machine architecture that sandprint runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arch {
    /// 64-bit ARM.
    Aarch64,
    /// 64-bit x86.
    X86_64,
}

impl Arch {
    /// Every architecture, in name order.
    pub const ALL: [Arch; 2] = [Arch::Aarch64, Arch::X86_64];

    /// The name as `uname -m` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Arch::Aarch64 => "aarch64",
            Arch::X86_64 => "x86_64",
        }
    }

    /// The architecture of that name (`uname -m`), if sandprint knows it.
    pub fn from_name(name: &str) -> Option<Arch> {
        Arch::ALL.into_iter().find(|arch| arch.name() == name)
    }

    /// The ABI that programs of this architecture use.
    pub fn native_abi(self) -> Abi {
        match self {
            Arch::Aarch64 => Abi::Aarch64,
            Arch::X86_64 => Abi::X86_64,
        }
    }

    /// Every ABI that a kernel of this architecture may serve, the native one first.
    pub fn abis(self) -> &'static [Abi] {
        match self {
            Arch::Aarch64 => &[Abi::Aarch64, Abi::Arm],
            Arch::X86_64 => &[Abi::X86_64, Abi::I386, Abi::X32],
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A way of making system calls: one numbering, one calling convention.
///
/// The order of the variants is the order of their names, so that sorted output is sorted for `sort` too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Abi {
    /// 64-bit ARM.
    Aarch64,
    /// 32-bit ARM (EABI), on an aarch64 kernel.
    Arm,
    /// 32-bit x86: `int 0x80`, `sysenter`, also from a 64-bit process.
    I386,
    /// 64-bit registers with 32-bit pointers; numbers carry bit 30 in the kernel, not here.
    X32,
    /// 64-bit x86.
    X86_64,
}

impl Abi {
    /// Every ABI, in name order.
    pub const ALL: [Abi; 5] = [Abi::Aarch64, Abi::Arm, Abi::I386, Abi::X32, Abi::X86_64];

    /// The bit that the kernel sets in the number of an x32 call (`__X32_SYSCALL_BIT`, asm/unistd.h).
    pub const X32_BIT: u32 = 0x4000_0000;

    /// The stable name used in traces and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Abi::Aarch64 => "aarch64",
            Abi::Arm => "arm",
            Abi::I386 => "i386",
            Abi::X32 => "x32",
            Abi::X86_64 => "x86_64",
        }
    }

    /// The ABI of that name.
    pub fn from_name(name: &str) -> Option<Abi> {
        Abi::ALL.into_iter().find(|abi| abi.name() == name)
    }

    /// The architecture whose kernels serve this ABI.
    pub fn arch(self) -> Arch {
        match self {
            Abi::Aarch64 | Abi::Arm => Arch::Aarch64,
            Abi::I386 | Abi::X32 | Abi::X86_64 => Arch::X86_64,
        }
    }

    /// The `AUDIT_ARCH_*` value that seccomp sees for this ABI (linux/audit.h).
    ///
    /// x32 shares `x86_64`'s: only bit 30 of the number tells them apart.
    pub fn audit_arch(self) -> u32 {
        match self {
            Abi::Aarch64 => 0xC000_00B7,
            Abi::Arm => 0x4000_0028,
            Abi::I386 => 0x4000_0003,
            Abi::X32 | Abi::X86_64 => 0xC000_003E,
        }
    }
}

impl fmt::Display for Abi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variant_order_is_name_order() {
        assert!(Abi::ALL.windows(2).all(|pair| pair[0].name() < pair[1].name() && pair[0] < pair[1]));
        assert!(Arch::ALL.windows(2).all(|pair| pair[0].name() < pair[1].name() && pair[0] < pair[1]));
    }

    #[test]
    fn every_abi_belongs_to_the_architecture_that_lists_it() {
        for abi in Abi::ALL {
            assert!(abi.arch().abis().contains(&abi));
            assert_eq!(Abi::from_name(abi.name()), Some(abi));
        }
    }
}
