//! A system call: an ABI and a number, never a bare number.

use std::fmt;
use std::ops::RangeInclusive;

use crate::{Abi, Arch, KernelVersion};

mod tables;

use tables::Table;

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
    /// The call that a kernel of this machine means by its entry (`AUDIT_ARCH_*`, linux/audit.h) and a number, as seccomp
    /// and the audit log have them. An entry of another machine is taken for the native one.
    pub fn entered(arch: Arch, audit_arch: u32, nr: u32) -> Syscall {
        let abi = arch.abis().iter().copied().find(|abi| abi.audit_arch() == audit_arch);
        Syscall::numbered(abi.unwrap_or(arch.native_abi()), nr)
    }

    /// The call that the kernel's number means: x32 shares `x86_64`'s entry, and sets bit 30.
    pub fn numbered(abi: Abi, nr: u32) -> Syscall {
        // -1 and the like have that bit too, but are no numbers of x32.
        if abi == Abi::X86_64 && nr & Abi::X32_BIT != 0 && nr < Abi::X32_BIT << 1 {
            Syscall { abi: Abi::X32, nr: nr & !Abi::X32_BIT }
        } else {
            Syscall { abi, nr }
        }
    }

    /// Its name, where the table has one. A call without a name is kept and shown by number.
    ///
    /// Names are the kernel's own, as libseccomp and the OCI runtimes use them: `newfstatat`, `umount2`, `_llseek`.
    /// A name means one number of an ABI, and a number one name: what only a header's alias gives a second name
    /// (`sync_file_range2` on arm, which the kernel calls `arm_sync_file_range`) is known by the kernel's.
    pub fn name(self) -> Option<&'static str> {
        Table::of(self.abi).numbered(self.nr).map(|entry| entry.name)
    }

    /// The call of that name in an ABI. Exact: no prefix, no other spelling.
    pub fn from_name(abi: Abi, name: &str) -> Option<Syscall> {
        Table::of(abi).named(name).map(|entry| Syscall { abi, nr: entry.nr })
    }

    /// The mainline kernel release whose table for this ABI was the first to have it.
    ///
    /// None for a number without a name, and for a slot that has a name but was never filled (`getpmsg`, `tuxcall`):
    /// no mainline kernel answers those with anything but ENOSYS.
    ///
    /// From 5.0 on the release is exact for every ABI. Before that it is the one in which the call appeared on its
    /// first architecture, though never older than the ABI itself (aarch64 3.7, x32 3.4, `x86_64` and arm 2.6); the
    /// releases 2.6.0 to 2.6.39 are one, 2.6; a call that is as old as the syscalls(2) man page remembers has 1.0.
    ///
    /// A release says no more than that the number was taken then: a kernel may be built without the call, may have
    /// lost it since (`_sysctl`), and a distributor's may have got it earlier.
    ///
    /// The sources are in `data/syscalls/since.tsv`, row by row.
    pub fn since(self) -> Option<KernelVersion> {
        Table::of(self.abi).numbered(self.nr).and_then(|entry| entry.since)
    }

    /// Every named call of an ABI, by number.
    pub fn all(abi: Abi) -> impl ExactSizeIterator<Item = Syscall> {
        Table::of(abi).entries().iter().map(move |entry| Syscall { abi, nr: entry.nr })
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

/// Numbers by which sandprint asks whether a filter is in force, from the last downwards: one below the last is taken only
/// where a policy has a rule for that, and for the next, and so on.
///
/// They must be numbers that no kernel gives to a call: tables of calls are arrays that begin at 0, and one that
/// came this far would have half a thousand million entries. They must be below bit 30, which makes an x32 call of them,
/// and away from round numbers and from the few hundred above a table's end, which patched kernels and other tools
/// (rr) use for calls of their own.
pub const PROBE_NUMBERS: RangeInclusive<u32> = 0x3fff_5340..=0x3fff_5350;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn entry_and_number_make_the_call() {
        const X86_64: u32 = 0xc000_003e;
        const I386: u32 = 0x4000_0003;
        for (arch, audit_arch, nr, abi, number) in [
            (Arch::X86_64, X86_64, 59, Abi::X86_64, 59),
            (Arch::X86_64, I386, 11, Abi::I386, 11),
            (Arch::X86_64, I386, 0x4000_0208, Abi::I386, 0x4000_0208),
            (Arch::X86_64, X86_64, 0x4000_0208, Abi::X32, 520),
            (Arch::X86_64, X86_64, u32::MAX, Abi::X86_64, u32::MAX),
            (Arch::Aarch64, 0xc000_00b7, 221, Abi::Aarch64, 221),
            (Arch::Aarch64, 0xc000_00b7, 0x4000_0208, Abi::Aarch64, 0x4000_0208),
            (Arch::Aarch64, 0x4000_0028, 11, Abi::Arm, 11),
        ] {
            assert_eq!(
                Syscall::entered(arch, audit_arch, nr),
                Syscall { abi, nr: number },
                "{audit_arch:x} {nr:x}"
            );
        }
    }

    #[test]
    fn number_to_name_to_number_is_the_identity_and_names_are_unique() {
        for abi in Abi::ALL {
            let names: BTreeSet<&str> = Syscall::all(abi).filter_map(Syscall::name).collect();
            assert_eq!(names.len(), Syscall::all(abi).len(), "{abi}");
            for syscall in Syscall::all(abi) {
                let name = syscall.name().unwrap();
                assert_eq!(Syscall::from_name(abi, name), Some(syscall), "{abi} {name}");
            }
        }
    }

    #[test]
    fn calls_are_listed_by_number_and_x32_without_its_bit() {
        for abi in Abi::ALL {
            let numbers: Vec<u32> = Syscall::all(abi).map(|syscall| syscall.nr).collect();
            assert!(numbers.is_sorted(), "{abi}");
            assert!(numbers.iter().all(|nr| nr & Abi::X32_BIT == 0), "{abi}");
        }
    }

    #[test]
    fn names_that_other_tables_get_wrong() {
        let cases: [(Abi, u32, Option<&str>); 32] = [
            (Abi::X86_64, 0, Some("read")),
            (Abi::X86_64, 156, Some("_sysctl")),
            (Abi::X86_64, 166, Some("umount2")),
            (Abi::X86_64, 262, Some("newfstatat")),
            (Abi::X86_64, 335, Some("uretprobe")),
            (Abi::X86_64, 336, Some("uprobe")),
            (Abi::X86_64, 337, None),
            (Abi::X86_64, 471, Some("rseq_slice_yield")),
            (Abi::X86_64, 512, None),
            (Abi::I386, 18, Some("oldstat")),
            (Abi::I386, 22, Some("umount")),
            (Abi::I386, 52, Some("umount2")),
            (Abi::I386, 140, Some("_llseek")),
            (Abi::I386, 142, Some("_newselect")),
            (Abi::I386, 149, Some("_sysctl")),
            (Abi::I386, 300, Some("fstatat64")),
            (Abi::I386, 403, Some("clock_gettime64")),
            (Abi::X32, 0, Some("read")),
            (Abi::X32, 13, None),
            (Abi::X32, 512, Some("rt_sigaction")),
            (Abi::X32, 547, Some("pwritev2")),
            (Abi::X32, Abi::X32_BIT, None),
            (Abi::Aarch64, 79, Some("newfstatat")),
            (Abi::Aarch64, 80, Some("fstat")),
            (Abi::Aarch64, 244, None),
            (Abi::Aarch64, 403, None),
            (Abi::Arm, 13, None),
            (Abi::Arm, 270, Some("arm_fadvise64_64")),
            (Abi::Arm, 341, Some("arm_sync_file_range")),
            (Abi::Arm, 0x000f_0001, Some("breakpoint")),
            (Abi::Arm, 0x000f_0005, Some("set_tls")),
            (Abi::Arm, u32::MAX, None),
        ];
        for (abi, nr, name) in cases {
            assert_eq!(Syscall { abi, nr }.name(), name, "{abi} {nr}");
        }
        for (abi, name) in [
            (Abi::X86_64, ""),
            (Abi::X86_64, "READ"),
            (Abi::X86_64, "rea"),
            (Abi::X86_64, "zzz"),
            (Abi::X86_64, "socketcall"),
            (Abi::Aarch64, "fstatat"),
            (Abi::Aarch64, "futex_time64"),
            (Abi::Aarch64, "open"),
            (Abi::Arm, "sync_file_range2"),
        ] {
            assert_eq!(Syscall::from_name(abi, name), None, "{abi} {name}");
        }
    }

    #[test]
    fn releases_after_5_0_are_those_of_the_kernel_tables() {
        let everywhere = [
            ("pidfd_send_signal", 5, 1),
            ("io_uring_setup", 5, 1),
            ("open_tree", 5, 2),
            ("pidfd_open", 5, 3),
            ("clone3", 5, 3),
            ("openat2", 5, 6),
            ("pidfd_getfd", 5, 6),
            ("faccessat2", 5, 8),
            ("close_range", 5, 9),
            ("process_madvise", 5, 10),
            ("epoll_pwait2", 5, 11),
            ("mount_setattr", 5, 12),
            ("landlock_create_ruleset", 5, 13),
            ("quotactl_fd", 5, 14),
            ("process_mrelease", 5, 15),
            ("futex_waitv", 5, 16),
            ("set_mempolicy_home_node", 5, 17),
            ("cachestat", 6, 5),
            ("fchmodat2", 6, 6),
            ("futex_wake", 6, 7),
            ("futex_wait", 6, 7),
            ("futex_requeue", 6, 7),
            ("statmount", 6, 8),
            ("listmount", 6, 8),
            ("lsm_get_self_attr", 6, 8),
            ("lsm_set_self_attr", 6, 8),
            ("lsm_list_modules", 6, 8),
            ("mseal", 6, 10),
            ("setxattrat", 6, 13),
            ("removexattrat", 6, 13),
            ("open_tree_attr", 6, 15),
            ("file_getattr", 6, 17),
            ("file_setattr", 6, 17),
            ("listns", 6, 19),
            ("rseq_slice_yield", 7, 0),
        ];
        for abi in Abi::ALL {
            for (name, major, minor) in everywhere {
                let since = Syscall::from_name(abi, name).unwrap().since();
                assert_eq!(since, Some(KernelVersion::new(major, minor)), "{abi} {name}");
            }
        }
    }

    #[test]
    fn releases_differ_between_abis_where_the_kernel_wired_a_call_later() {
        for (abi, name, since) in [
            (Abi::X86_64, "map_shadow_stack", Some((6, 6))),
            (Abi::I386, "map_shadow_stack", Some((6, 7))),
            (Abi::X32, "map_shadow_stack", Some((6, 10))),
            (Abi::I386, "clock_gettime64", Some((5, 1))),
            (Abi::I386, "semget", Some((5, 1))),
            (Abi::X86_64, "semget", Some((2, 6))),
            (Abi::I386, "socket", Some((4, 3))),
            (Abi::Aarch64, "read", Some((3, 7))),
            (Abi::X32, "read", Some((3, 4))),
            (Abi::I386, "read", Some((1, 0))),
            (Abi::X86_64, "uretprobe", Some((6, 11))),
            (Abi::X86_64, "uprobe", Some((6, 18))),
            (Abi::X86_64, "tuxcall", None),
        ] {
            let expected = since.map(|(major, minor)| KernelVersion::new(major, minor));
            assert_eq!(Syscall::from_name(abi, name).unwrap().since(), expected, "{abi} {name}");
        }
        assert_eq!(Syscall { abi: Abi::X86_64, nr: 400 }.since(), None);
    }

    #[test]
    fn a_call_without_a_name_is_shown_by_number() {
        assert_eq!(Syscall { abi: Abi::X86_64, nr: 3 }.to_string(), "close");
        assert_eq!(Syscall { abi: Abi::X86_64, nr: 400 }.to_string(), "syscall_400");
        assert_eq!(format!("{:>12}|", Syscall { abi: Abi::X86_64, nr: 400 }), " syscall_400|");
    }
}
