//! Tests of the argument tables as others use them: facts that are easily wrong, and calls decoded on every ABI.

use proptest::prelude::*;

use super::*;
use Abi::{Aarch64, Arm, I386, X32, X86_64};

fn syscall(abi: Abi, name: &str) -> Syscall {
    Syscall::from_name(abi, name).unwrap_or_else(|| panic!("{abi} has no {name}"))
}

/// A negative `int` as a sign-extending libc leaves it in a register.
const fn negative(value: i64) -> u64 {
    value.cast_unsigned()
}

/// What a call left in the upper half of a register.
const GARBAGE: u64 = 0xdead_beef_0000_0000;

/// A call, its registers, and how it is shown.
const CALLS: &[(Abi, &str, [u64; 6], &str)] = &[
    (X86_64, "getpid", [1, 2, 3, 4, 5, 6], "getpid()"),
    (X86_64, "socket", [1, 0x80001, 0, 9, 9, 9], "socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0)"),
    (X86_64, "socket", [2, 3, 1, 0, 0, 0], "socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)"),
    (X86_64, "socket", [2, 2, 0, 0, 0, 0], "socket(AF_INET, SOCK_DGRAM, IPPROTO_IP)"),
    (
        X86_64,
        "socket",
        [16, 0x80803, 15, 0, 0, 0],
        "socket(AF_NETLINK, SOCK_RAW|SOCK_NONBLOCK|SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT)",
    ),
    (X86_64, "socket", [99, 15, 7, 0, 0, 0], "socket(0x63, 0xf, 7)"),
    (X86_64, "socket", [GARBAGE | 1, GARBAGE | 2, GARBAGE, 0, 0, 0], "socket(AF_UNIX, SOCK_DGRAM, 0)"),
    (
        X86_64,
        "openat",
        [0xffff_ff9c, 0x7f00, 0x80000, 0o644, 0, 0],
        "openat(AT_FDCWD, 0x7f00, O_RDONLY|O_CLOEXEC)",
    ),
    (
        X86_64,
        "openat",
        [negative(-100), 0x7f00, 0x241, 0o644, 0, 0],
        "openat(AT_FDCWD, 0x7f00, O_WRONLY|O_CREAT|O_TRUNC, 0644)",
    ),
    (X86_64, "openat", [3, 0, 0x41_0002, 0o600, 0, 0], "openat(3, NULL, O_RDWR|O_TMPFILE, 0600)"),
    (X86_64, "openat", [3, 1, 0x10000, 0o600, 0, 0], "openat(3, 0x1, O_RDONLY|O_DIRECTORY)"),
    (Aarch64, "openat", [3, 1, 0x4000, 0, 0, 0], "openat(3, 0x1, O_RDONLY|O_DIRECTORY)"),
    (Aarch64, "openat", [3, 1, 0x10000, 0, 0, 0], "openat(3, 0x1, O_RDONLY|O_DIRECT)"),
    (Arm, "openat", [3, 1, 0x28000, 0, 0, 0], "openat(3, 0x1, O_RDONLY|O_NOFOLLOW|O_LARGEFILE)"),
    (I386, "open", [1, 0x8441, 0o600, 0, 0, 0], "open(0x1, O_WRONLY|O_CREAT|O_APPEND|O_LARGEFILE, 0600)"),
    (X86_64, "open", [1, 3, 0, 0, 0, 0], "open(0x1, 0x3)"),
    (X86_64, "open", [1, 0x10_1000, 0, 0, 0, 0], "open(0x1, O_RDONLY|O_SYNC)"),
    (X86_64, "open", [1, 0x1000, 0, 0, 0, 0], "open(0x1, O_RDONLY|O_DSYNC)"),
    (
        X86_64,
        "mmap",
        [0, 8192, 3, 0x22, 0xffff_ffff, 0],
        "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)",
    ),
    (
        X86_64,
        "mmap",
        [0x1000, 1, 0, 0x13, 3, 0x2000],
        "mmap(0x1000, 1, PROT_NONE, MAP_SHARED_VALIDATE|MAP_FIXED, 3, 0x2000)",
    ),
    (
        X86_64,
        "mmap",
        [0, 1, 1, 0x5404_0022, negative(-1), 0],
        "mmap(NULL, 1, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_HUGETLB|MAP_HUGE_2MB, -1, 0)",
    ),
    (I386, "mmap", [0xbfff_0000, 1, 1, 1, 1, 1], "mmap(0xbfff0000)"),
    (
        I386,
        "mmap2",
        [0, 4096, 5, 0x12, 3, 1],
        "mmap2(NULL, 4096, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_FIXED, 3, 0x1)",
    ),
    (
        Aarch64,
        "mprotect",
        [0x1000, 4096, 0x15, 0, 0, 0],
        "mprotect(0x1000, 4096, PROT_READ|PROT_EXEC|PROT_BTI)",
    ),
    (X86_64, "mprotect", [0x1000, 4096, 0x15, 0, 0, 0], "mprotect(0x1000, 4096, PROT_READ|PROT_EXEC|0x10)"),
    (
        X86_64,
        "clone",
        [GARBAGE | 0x0120_0011, 0, 0, 0x7f10, 0, 0],
        "clone(SIGCHLD|CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID, NULL, NULL, 0x7f10, NULL)",
    ),
    (Aarch64, "kill", [negative(-1), 9, 0, 0, 0, 0], "kill(-1, SIGKILL)"),
    (X86_64, "tgkill", [10, 11, 33, 0, 0, 0], "tgkill(10, 11, SIGRT_1)"),
    (X86_64, "kill", [0, 0, 0, 0, 0, 0], "kill(0, 0)"),
    (X86_64, "kill", [0, 65, 0, 0, 0, 0], "kill(0, 65)"),
    (X86_64, "clock_gettime", [4, 0x10, 0, 0, 0, 0], "clock_gettime(CLOCK_MONOTONIC_RAW, 0x10)"),
    (I386, "clock_gettime64", [6, 0x10, 0, 0, 0, 0], "clock_gettime64(CLOCK_MONOTONIC_COARSE, 0x10)"),
    (X86_64, "clock_gettime", [negative(-6), 0x10, 0, 0, 0, 0], "clock_gettime(0xfffffffa, 0x10)"),
    (X86_64, "fcntl", [3, 1, 77, 0, 0, 0], "fcntl(3, F_GETFD)"),
    (X86_64, "fcntl", [3, 2, 1, 0, 0, 0], "fcntl(3, F_SETFD, FD_CLOEXEC)"),
    (X86_64, "fcntl", [3, 4, 0x802, 0, 0, 0], "fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK)"),
    (X86_64, "fcntl", [3, 1030, 10, 0, 0, 0], "fcntl(3, F_DUPFD_CLOEXEC, 10)"),
    (X86_64, "fcntl", [3, 6, 0, 0, 0, 0], "fcntl(3, F_SETLK, NULL)"),
    (I386, "fcntl64", [3, 13, 0xbf00_0000, 0, 0, 0], "fcntl64(3, F_SETLK64, 0xbf000000)"),
    (X86_64, "setsockopt", [4, 1, 2, 0x10, 4, 0], "setsockopt(4, SOL_SOCKET, SO_REUSEADDR, 0x10, 4)"),
    (X86_64, "setsockopt", [4, 6, 31, 0x10, 4, 0], "setsockopt(4, SOL_TCP, TCP_ULP, 0x10, 4)"),
    (X86_64, "setsockopt", [4, 777, 31, 0x10, 4, 0], "setsockopt(4, 0x309, 31, 0x10, 4)"),
    (X86_64, "ioctl", [0, 0x5413, 0x7ff0, 0, 0, 0], "ioctl(0, TIOCGWINSZ, 0x7ff0)"),
    (X86_64, "ioctl", [0, 0x1_0000_5412, 0, 0, 0, 0], "ioctl(0, TIOCSTI, 0)"),
    (X86_64, "ioctl", [3, 0x8008_6601, 1, 0, 0, 0], "ioctl(3, FS_IOC_GETFLAGS, 0x1)"),
    (I386, "ioctl", [3, 0x8008_6601, 1, 0, 0, 0], "ioctl(3, 0x80086601, 0x1)"),
    (I386, "ioctl", [3, 0x8004_6601, 1, 0, 0, 0], "ioctl(3, FS_IOC_GETFLAGS, 0x1)"),
    (
        X86_64,
        "futex",
        [0x10, 0x189, 7, 0, 0, u64::MAX],
        "futex(0x10, FUTEX_WAIT_BITSET|FUTEX_PRIVATE_FLAG|FUTEX_CLOCK_REALTIME, 7, NULL, NULL, 4294967295)",
    ),
    (
        X86_64,
        "futex",
        [0x10, 0x81, 1, 0, 0, 0],
        "futex(0x10, FUTEX_WAKE|FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0)",
    ),
    (X86_64, "mknodat", [3, 1, 0o20666, 0x103, 0, 0], "mknodat(3, 0x1, S_IFCHR|0666, 0x103)"),
    (X86_64, "shmget", [0, 4096, 0o1600, 0, 0, 0], "shmget(0, 4096, IPC_CREAT|0600)"),
    (X86_64, "fchmod", [3, 0o4755, 0, 0, 0, 0], "fchmod(3, 04755)"),
    (X86_64, "unlinkat", [3, 1, 0x200, 0, 0, 0], "unlinkat(3, 0x1, AT_REMOVEDIR)"),
    (X86_64, "faccessat2", [3, 1, 4, 0x200, 0, 0], "faccessat2(3, 0x1, R_OK, AT_EACCESS)"),
    (X86_64, "access", [1, 0, 0, 0, 0, 0], "access(0x1, F_OK)"),
    (X86_64, "prctl", [38, 1, 0, 0, 0, 0], "prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)"),
    (X86_64, "prctl", [1, 15, 0, 0, 0, 0], "prctl(PR_SET_PDEATHSIG, SIGTERM)"),
    // Registers that were not passed are not shown.
    (X86_64, "prctl", [23, 5, 0, 0x7fff_0000, 7, 0], "prctl(PR_CAPBSET_READ, 0x5)"),
    (X86_64, "prctl", [3, 5, 0, 0x7fff_0000, 7, 0], "prctl(PR_GET_DUMPABLE)"),
    (X86_64, "arch_prctl", [0x1002, 0x7f00, 0, 0, 0, 0], "arch_prctl(ARCH_SET_FS, 0x7f00)"),
    (X86_64, "getrusage", [negative(-1), 0x10, 0, 0, 0, 0], "getrusage(RUSAGE_CHILDREN, 0x10)"),
    (X86_64, "getrusage", [0xffff_ffff, 0x10, 0, 0, 0, 0], "getrusage(RUSAGE_CHILDREN, 0x10)"),
    (X86_64, "setresuid", [negative(-1), 1000, 0xffff_ffff, 0, 0, 0], "setresuid(-1, 1000, -1)"),
    (X86_64, "lseek", [3, negative(-10), 2, 0, 0, 0], "lseek(3, -10, SEEK_END)"),
    (I386, "lseek", [3, 0xffff_fff6, 2, 0, 0, 0], "lseek(3, -10, SEEK_END)"),
    (I386, "pread64", [3, 0x10, 5, 1, 2, 0], "pread64(3, 0x10, 5, 0x1, 0x2)"),
    (X32, "read", [3, 0xffff_0000, 100, 0, 0, 0], "read(3, 0xffff0000, 100)"),
    (X32, "ptrace", [16, 77, 0, 0, 0, 0], "ptrace(PTRACE_ATTACH, 77, 0, 0)"),
    (X86_64, "ptrace", [1 << 32, 77, 0, 0, 0, 0], "ptrace(0x100000000, 77, 0, 0)"),
    (X86_64, "mount", [1, 2, 3, 0xc0ed_1000, 0, 0], "mount(0x1, 0x2, 0x3, MS_BIND|MS_MGC_VAL, NULL)"),
    (X86_64, "umount2", [1, 2, 0, 0, 0, 0], "umount2(0x1, MNT_DETACH)"),
    (
        X86_64,
        "keyctl",
        [0, negative(-3), 1, 0, 0, 0],
        "keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0x1, 0, 0)",
    ),
    (X86_64, "close_range", [3, 0xffff_ffff, 4, 0, 0, 0], "close_range(3, 4294967295, CLOSE_RANGE_CLOEXEC)"),
    (I386, "socketcall", [1, 0xbf00_0000, 0, 0, 0, 0], "socketcall(SYS_SOCKET, 0xbf000000)"),
    (Arm, "arm_fadvise64_64", [3, 4, 0, 0, 0, 9], "arm_fadvise64_64(3, POSIX_FADV_DONTNEED, 0, 0, 0, 0x9)"),
    (
        X86_64,
        "sched_setscheduler",
        [0, 0x4000_0002, 1, 0, 0, 0],
        "sched_setscheduler(0, SCHED_RR|SCHED_RESET_ON_FORK, 0x1)",
    ),
    (
        X86_64,
        "io_uring_register",
        [3, 0x8000_0002, 0, 0, 0, 0],
        "io_uring_register(3, IORING_REGISTER_FILES|IORING_REGISTER_USE_REGISTERED_RING, NULL, 0)",
    ),
];

#[test]
fn calls_are_shown_as_strace_shows_registers() {
    let mut wrong = Vec::new();
    for (abi, name, args, expected) in CALLS {
        let shown = render(syscall(*abi, name), args);
        if shown != *expected {
            wrong.push(format!("{abi}: {shown}\n   not: {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_call_without_a_name_is_shown_by_number_with_all_its_registers() {
    let args = [1, 0, u64::MAX, 3, 4, 5];
    let unnamed = Syscall { abi: Abi::X86_64, nr: 0x1b2_0000 };
    assert_eq!(render(unnamed, &args), "syscall_0x1b20000(0x1, 0, 0xffffffffffffffff, 0x3, 0x4, 0x5)");
    let unnamed = Syscall { abi: Abi::I386, nr: 0x1b2_0000 };
    assert_eq!(render(unnamed, &args), "syscall_0x1b20000(0x1, 0, 0xffffffff, 0x3, 0x4, 0x5)");
    assert_eq!((of(unnamed), selectors(unnamed)), (&[][..], &[][..]));
}

#[test]
fn one_value_is_shown_by_what_its_argument_alone_tells() {
    for (abi, name, index, value, expected) in [
        (Abi::X86_64, "socket", 0, 10, "AF_INET6"),
        (Abi::X86_64, "socket", 2, 6, "6"),
        (Abi::X86_64, "openat", 3, 0o644, "0644"),
        (Abi::X86_64, "socket", 5, 10, "0xa"),
        (Abi::X86_64, "socket", 99, 0, "0"),
        (Abi::I386, "getpid", 0, u64::MAX, "0xffffffff"),
    ] {
        assert_eq!(render_value(syscall(abi, name), index, value), expected, "{name} {index}");
    }
}

#[test]
fn constants_have_the_values_of_their_abi() {
    let known = [
        ("AF_UNIX", 1),
        ("AF_LOCAL", 1),
        ("AF_NETLINK", 16),
        ("SOCK_CLOEXEC", 0o2_000_000),
        ("CLOCK_MONOTONIC_RAW", 4),
        ("CLOCK_REALTIME_COARSE", 5),
        ("CLOCK_MONOTONIC_COARSE", 6),
        ("CLONE_NEWUSER", 0x1000_0000),
        ("UNSHARE_EMPTY_MNTNS", 0x10_0000),
        ("PR_SET_MDWE", 65),
        ("MFD_NOEXEC_SEAL", 8),
        ("SIGSYS", 31),
        ("AT_FDCWD", negative(-100)),
        ("KEYCTL_SEARCH", 10),
        ("PTRACE_SEIZE", 0x4206),
        ("SPLICE_F_GIFT", 8),
    ];
    for abi in Abi::ALL {
        for (name, value) in known {
            assert_eq!(constant(abi, name), Some(value), "{abi} {name}");
        }
        for name in ["", "af_unix", "AF_UNIX ", "AF_", "NOTHING", "ZZZ"] {
            assert_eq!(constant(abi, name), None, "{abi} {name}");
        }
        let x86 = abi.arch() == crate::Arch::X86_64;
        let own = |ours: u64, arms: u64| Some(if x86 { ours } else { arms });
        assert_eq!(constant(abi, "O_DIRECTORY"), own(0o200_000, 0o40_000));
        assert_eq!(constant(abi, "O_NOFOLLOW"), own(0o400_000, 0o100_000));
        assert_eq!(constant(abi, "O_DIRECT"), own(0o40_000, 0o200_000));
        assert_eq!(constant(abi, "O_LARGEFILE"), own(0o100_000, 0o400_000));
        assert_eq!(constant(abi, "ARCH_SET_FS"), x86.then_some(0x1002));
    }
}

#[test]
fn arguments_have_the_names_and_widths_of_the_kernel() {
    let shown = |abi, name| {
        let arguments = of(syscall(abi, name)).iter();
        let all: Vec<String> = arguments
            .map(|one| format!("{}:{}", one.name, if one.width == Width::Bits32 { 32 } else { 64 }))
            .collect();
        all.join(" ")
    };
    for (abi, name, expected) in [
        (Abi::X86_64, "socket", "family:32 type:32 protocol:32"),
        (Abi::X86_64, "clock_gettime", "which_clock:32 tp:64"),
        (Abi::X86_64, "read", "fd:32 buf:64 count:64"),
        (Abi::I386, "read", "fd:32 buf:32 count:32"),
        (Abi::X86_64, "clone", "clone_flags:32 newsp:64 parent_tidptr:64 child_tidptr:64 tls:64"),
        (Abi::X32, "clone", "clone_flags:32 newsp:64 parent_tidptr:64 child_tidptr:64 tls:64"),
        (Abi::Aarch64, "clone", "clone_flags:32 newsp:64 parent_tidptr:64 tls:64 child_tidptr:64"),
        (Abi::I386, "clone", "clone_flags:32 newsp:32 parent_tidptr:32 tls:32 child_tidptr:32"),
        (Abi::X86_64, "mount", "dev_name:64 dir_name:64 type:64 flags:64 data:64"),
        (Abi::Arm, "pread64", "fd:32 buf:32 count:32 padding:32 pos_low:32 pos_high:32"),
        (Abi::X86_64, "personality", "personality:32"),
        (Abi::X86_64, "prctl", "option:32 arg2:64 arg3:64 arg4:64 arg5:64"),
        (Abi::X86_64, "vserver", ""),
    ] {
        assert_eq!(shown(abi, name), expected, "{abi} {name}");
    }
}

#[test]
fn selectors_are_those_that_filters_need() {
    let first = |abi, name| selectors(syscall(abi, name)).first().copied();
    let plain = |index, width, matching| Selector { index, width, matching, with: None, note: None };
    let without_note = |selector: Option<Selector>| selector.map(|one| Selector { note: None, ..one });
    for (abi, name, expected) in [
        (Abi::X86_64, "ioctl", plain(1, Width::Bits32, Match::Exact)),
        (Abi::X86_64, "clone", plain(0, Width::Bits32, Match::ForbiddenBits(0x7e02_0000))),
        (Abi::X86_64, "unshare", plain(0, Width::Bits32, Match::ForbiddenBits(0x7e12_0080))),
        (Abi::X86_64, "mmap", plain(2, Width::Bits32, Match::NotTogether(6))),
        (Abi::I386, "mmap2", plain(2, Width::Bits32, Match::NotTogether(6))),
        (Abi::X86_64, "openat", plain(2, Width::Bits32, Match::Field(3))),
        (Abi::X86_64, "futex", plain(1, Width::Bits32, Match::Masked(0x7f))),
        (Abi::X86_64, "ptrace", plain(0, Width::Bits64, Match::Exact)),
        (Abi::X86_64, "mount", plain(3, Width::Bits64, Match::AllowedBits)),
        (Abi::I386, "mount", plain(3, Width::Bits32, Match::AllowedBits)),
        (Abi::X86_64, "preadv2", plain(5, Width::Bits32, Match::AllowedBits)),
        (Abi::X32, "preadv2", plain(4, Width::Bits32, Match::AllowedBits)),
        (Abi::X86_64, "sync_file_range", plain(3, Width::Bits32, Match::AllowedBits)),
        (Abi::Arm, "arm_sync_file_range", plain(1, Width::Bits32, Match::AllowedBits)),
        (Abi::X86_64, "userfaultfd", plain(0, Width::Bits32, Match::RequiredBits(1))),
        (Abi::X86_64, "chmod", plain(1, Width::Bits32, Match::ForbiddenBits(0o6000))),
        (Abi::X86_64, "copy_file_range", plain(5, Width::Bits32, Match::Zero)),
        (Abi::X86_64, "lsm_set_self_attr", plain(0, Width::Bits32, Match::Exact)),
    ] {
        assert_eq!(without_note(first(abi, name)), Some(expected), "{abi} {name}");
    }
    for (abi, name) in [
        (Abi::X86_64, "clone3"),
        (Abi::X86_64, "openat2"),
        (Abi::X86_64, "sched_setattr"),
        (Abi::X86_64, "read"),
        (Abi::I386, "mmap"),
    ] {
        assert_eq!(selectors(syscall(abi, name)), [], "{abi} {name}");
    }
    let with = |name| -> Vec<(usize, Option<usize>)> {
        selectors(syscall(Abi::X86_64, name)).iter().map(|one| (one.index, one.with)).collect()
    };
    assert_eq!(with("setsockopt"), [(1, None), (2, Some(1))]);
    assert_eq!(with("socket"), [(0, None), (1, None), (2, Some(0))]);
}

#[test]
fn no_selector_is_an_address_or_an_id_of_a_process() {
    for abi in Abi::ALL {
        for syscall in Syscall::all(abi) {
            for selector in selectors(syscall) {
                let kind = of(syscall)[selector.index].kind;
                let opaque = matches!(
                    kind,
                    Kind::Pointer | Kind::Path | Kind::String | Kind::Pid | Kind::Fd | Kind::DirFd
                );
                assert!(!opaque, "{abi} {syscall} {}", selector.index);
            }
        }
    }
}

#[test]
fn what_decides_comes_by_its_lower_half() {
    let fcntl = syscall(Abi::X86_64, "fcntl");
    assert_eq!(kind_given(fcntl, 2, &[3, GARBAGE | 8, 1, 0, 0, 0]), Some(Kind::Pid));
    assert_eq!(kind_given(fcntl, 2, &[3, 1, 1, 0, 0, 0]), None);
    assert_eq!(kind_given(fcntl, 2, &[3, 999, 1, 0, 0, 0]), Some(Kind::Word));
    assert_eq!(kind_given(fcntl, 3, &[3, 999, 1, 0, 0, 0]), None);
}

/// Any call: named ones of every ABI, and numbers that nobody has.
fn any_syscall() -> impl Strategy<Value = Syscall> {
    let nr = prop_oneof![0_u32..600, any::<u32>()];
    (prop::sample::select(&Abi::ALL[..]), nr).prop_map(|(abi, nr)| Syscall { abi, nr })
}

/// Values that registers hold: small, flags, negative, anything.
fn any_register() -> impl Strategy<Value = u64> {
    prop_oneof![
        0_u64..70,
        any::<u32>().prop_map(u64::from),
        (-300_i64..0).prop_map(i64::cast_unsigned),
        any::<u64>()
    ]
}

proptest! {
    #[test]
    fn any_call_is_shown_in_printable_ascii(
        syscall in any_syscall(),
        args in prop::array::uniform6(any_register()),
    ) {
        let shown = render(syscall, &args);
        prop_assert!(shown.ends_with(')') && shown.chars().all(|c| c == ' ' || c.is_ascii_graphic()), "{}", shown);
        for index in 0..8 {
            prop_assert!(!render_value(syscall, index, args[index % 6]).is_empty());
        }
    }

    /// The upper half of an argument of 32 bits changes nothing.
    #[test]
    fn what_the_kernel_does_not_look_at_is_not_shown(
        syscall in any_syscall(),
        args in prop::array::uniform6(any_register()),
        garbage in any::<u32>(),
    ) {
        let mut other = args;
        for (value, argument) in other.iter_mut().zip(of(syscall)) {
            if argument.width == Width::Bits32 {
                *value = (*value & 0xffff_ffff) | u64::from(garbage) << 32;
            }
        }
        if !of(syscall).is_empty() {
            prop_assert_eq!(render(syscall, &args), render(syscall, &other));
        }
    }

    /// The names and numbers that are shown, or-ed together, are the value.
    #[test]
    fn the_names_of_flags_make_up_the_value(value in any::<u32>()) {
        for abi in Abi::ALL {
            for (name, index) in [("openat", 2), ("mprotect", 2), ("clone", 0), ("socket", 1), ("unshare", 0)] {
                let shown = render_value(syscall(abi, name), index, u64::from(value));
                let mut bits = 0;
                for part in shown.split('|') {
                    let number = part.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok());
                    bits |= constant(abi, part).or(number).or(part.parse().ok()).unwrap();
                }
                prop_assert_eq!(bits, u64::from(value), "{}", shown);
            }
        }
    }
}
