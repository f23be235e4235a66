//! Calls that newer architectures replaced by one with more arguments, and what the new one takes.
//!
//! The generic table of the kernel (include/uapi/asm-generic/unistd.h, Linux 3.1), which aarch64 has, leaves
//! out every call that a newer one can stand for; libcs call that one there. The other way round, `x86_64`
//! libcs still make the old calls. Sources: that header, glibc 2.41 (sysdeps/unix/sysv/linux), musl 1.2.5.

use super::Arguments::{Differ, Same, Shifted};
use super::Replaced;

const AT: &str = "it takes a directory descriptor besides";
const FLAGS: &str = "it takes flags besides";
const MASK: &str = "it takes a signal mask besides";
const STAT: &str = "it stands for all calls that look a file up by its path";
const TIMES: &str = "it stands for all calls that set a file's times";

/// In the order of the old names.
pub(super) const REPLACED: &[Replaced] = &[
    Replaced { old: "access", new: "faccessat", arguments: Shifted, why: AT },
    Replaced { old: "alarm", new: "setitimer", arguments: Differ, why: "a libc makes alarm of it" },
    Replaced { old: "chmod", new: "fchmodat", arguments: Shifted, why: AT },
    Replaced { old: "chown", new: "fchownat", arguments: Shifted, why: AT },
    Replaced { old: "creat", new: "openat", arguments: Differ, why: "a libc makes creat of it" },
    Replaced { old: "dup2", new: "dup3", arguments: Same, why: FLAGS },
    Replaced { old: "epoll_create", new: "epoll_create1", arguments: Differ, why: FLAGS },
    Replaced { old: "epoll_wait", new: "epoll_pwait", arguments: Same, why: MASK },
    Replaced { old: "eventfd", new: "eventfd2", arguments: Same, why: FLAGS },
    Replaced { old: "fork", new: "clone", arguments: Differ, why: "a libc makes fork of it" },
    Replaced { old: "futimesat", new: "utimensat", arguments: Differ, why: TIMES },
    Replaced { old: "getdents", new: "getdents64", arguments: Same, why: "its entries are 64 bits wide" },
    Replaced { old: "getpgrp", new: "getpgid", arguments: Differ, why: "a libc makes getpgrp of it" },
    Replaced { old: "inotify_init", new: "inotify_init1", arguments: Same, why: FLAGS },
    Replaced { old: "lchown", new: "fchownat", arguments: Shifted, why: AT },
    Replaced { old: "link", new: "linkat", arguments: Differ, why: AT },
    Replaced { old: "lstat", new: "newfstatat", arguments: Differ, why: STAT },
    Replaced { old: "mkdir", new: "mkdirat", arguments: Shifted, why: AT },
    Replaced { old: "mknod", new: "mknodat", arguments: Shifted, why: AT },
    Replaced { old: "open", new: "openat", arguments: Shifted, why: AT },
    Replaced { old: "pause", new: "ppoll", arguments: Differ, why: "a libc makes pause of it" },
    Replaced { old: "pipe", new: "pipe2", arguments: Same, why: FLAGS },
    Replaced { old: "poll", new: "ppoll", arguments: Differ, why: MASK },
    Replaced { old: "readlink", new: "readlinkat", arguments: Shifted, why: AT },
    Replaced { old: "rename", new: "renameat", arguments: Differ, why: AT },
    Replaced { old: "rmdir", new: "unlinkat", arguments: Shifted, why: "with a flag it removes a directory" },
    Replaced { old: "select", new: "pselect6", arguments: Differ, why: MASK },
    Replaced { old: "signalfd", new: "signalfd4", arguments: Same, why: FLAGS },
    Replaced { old: "stat", new: "newfstatat", arguments: Differ, why: STAT },
    Replaced { old: "symlink", new: "symlinkat", arguments: Differ, why: AT },
    Replaced { old: "time", new: "clock_gettime", arguments: Differ, why: "a libc makes time of it" },
    Replaced { old: "unlink", new: "unlinkat", arguments: Shifted, why: AT },
    Replaced { old: "utime", new: "utimensat", arguments: Differ, why: TIMES },
    Replaced { old: "utimes", new: "utimensat", arguments: Differ, why: TIMES },
    Replaced { old: "vfork", new: "clone", arguments: Differ, why: "a libc makes vfork of it" },
];

/// Calls that set up what only their architecture has, and a sentence that says so. Others do the same without a call,
/// or have no need.
pub(super) const OWN: &[(&str, &str)] = &[
    ("arch_prctl", "It sets x86's segment bases, which a thread of another architecture has no need of."),
    ("get_thread_area", "It reads x86's thread-local descriptors."),
    ("ioperm", "It opens x86's IO ports."),
    ("iopl", "It opens x86's IO ports."),
    ("modify_ldt", "It changes x86's segment descriptors."),
    ("set_thread_area", "It sets x86's thread-local descriptors."),
    ("set_tls", "It sets the thread register of 32-bit ARM."),
    ("cacheflush", "It flushes the instruction cache of 32-bit ARM."),
];

/// What every program of these calls before `main`, although one of another architecture does not.
pub(super) const STARTING: &[(sandprint_model::Abi, &str, &str)] = &[
    (
        sandprint_model::Abi::X86_64,
        "access",
        "glibc's loader looks with it for a file of preloaded libraries",
    ),
    (sandprint_model::Abi::X86_64, "arch_prctl", "a libc sets the thread pointer with it"),
    (sandprint_model::Abi::I386, "set_thread_area", "a libc sets the thread pointer with it"),
    (sandprint_model::Abi::Arm, "set_tls", "a libc sets the thread pointer with it"),
];
