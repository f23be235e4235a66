//! The table of equivalents.
//!
//! A row holds only calls that give a caller no more power than the observed one does, or that every libc
//! makes of one and the same function. So `sendfile` does not stand for `copy_file_range`, nor `fchmod` for
//! `chmod`, and a row whose columns differ goes one way only.
//!
//! Sources: the sources of glibc 2.41 (sysdeps/unix/sysv/linux) and musl 1.2.5, and the kernel's tables.

use super::Equivalents;

const LIBCS: &str = "which one a libc uses depends on its version and on the architecture";
const NEWER_FLAGS: &str = "a libc uses the variant with flags where it wants close-on-exec or non-blocking";
const AT: &str = "newer architectures have the variant with a directory descriptor only";
const WIDE_IDS: &str = "32-bit libcs use the variant with 32-bit ids, older ones the one with 16-bit ids";
const WIDE_FILES: &str =
    "32-bit libcs use the variant with 64-bit offsets, programs without large files the other";
const TIME64: &str =
    "32-bit libcs with a 64-bit time_t use the variant with 64-bit times and fall back to the other";
const SIGNALS: &str = "older 32-bit libcs use the variant without real-time signals";
const DIRECT: &str = "newer 32-bit libcs make the call directly instead of through the multiplexer";

pub(super) const EQUIVALENTS: &[Equivalents] = &[
    // Files by path.
    both(
        &["open", "openat", "openat2"],
        "glibc uses openat, musl open, libraries that resolve paths safely openat2",
    ),
    one_way(&["creat"], &["open"], "musl opens a new file by open"),
    one_way(&["open", "openat", "openat2"], &["creat"], "older glibc makes a new file by creat"),
    both(
        &["stat", "lstat", "fstat", "newfstatat", "statx", "stat64", "lstat64", "fstat64", "fstatat64"],
        "which one a libc uses for the stat functions depends on its version and on the architecture",
    ),
    both(&["access", "faccessat", "faccessat2"], LIBCS),
    both(&["readlink", "readlinkat"], AT),
    both(&["mkdir", "mkdirat"], AT),
    both(&["mknod", "mknodat"], AT),
    both(&["unlink", "unlinkat"], AT),
    both(&["rmdir", "unlinkat"], AT),
    both(&["rename", "renameat", "renameat2"], LIBCS),
    both(&["link", "linkat"], AT),
    both(&["symlink", "symlinkat"], AT),
    both(&["chmod", "fchmodat", "fchmodat2"], LIBCS),
    both(&["chown", "lchown", "fchownat", "chown32", "lchown32"], AT),
    both(&["utime", "utimes", "futimesat", "utimensat", "utimensat_time64"], LIBCS),
    // Descriptors.
    both(&["getdents", "getdents64"], LIBCS),
    both(&["dup2", "dup3"], "newer architectures have dup3 only"),
    both(&["pipe", "pipe2"], NEWER_FLAGS),
    both(&["eventfd", "eventfd2"], NEWER_FLAGS),
    both(&["signalfd", "signalfd4"], NEWER_FLAGS),
    both(&["inotify_init", "inotify_init1"], NEWER_FLAGS),
    both(&["epoll_create", "epoll_create1"], NEWER_FLAGS),
    both(&["epoll_wait", "epoll_pwait", "epoll_pwait2"], LIBCS),
    both(&["poll", "ppoll", "ppoll_time64"], LIBCS),
    both(&["select", "_newselect", "pselect6", "pselect6_time64"], LIBCS),
    both(&["read", "readv"], "musl reads its streams by readv, glibc by read"),
    both(&["write", "writev"], "musl writes its streams by writev, glibc by write"),
    both(&["preadv", "preadv2"], "glibc's preadv2 falls back to preadv, and libraries call either"),
    both(&["pwritev", "pwritev2"], "glibc's pwritev2 falls back to pwritev, and libraries call either"),
    one_way(&["close_range"], &["close"], "an older kernel or libc closes descriptors one by one"),
    one_way(&["execveat"], &["execve"], "glibc's fexecve uses execve of /proc/self/fd on older kernels"),
    // Sockets.
    both(&["accept", "accept4"], NEWER_FLAGS),
    both(&["send", "sendto"], "a libc makes send of sendto where the architecture has no send"),
    both(&["recv", "recvfrom"], "a libc makes recv of recvfrom where the architecture has no recv"),
    one_way(
        &["socketcall"],
        &[
            "accept4",
            "bind",
            "connect",
            "getpeername",
            "getsockname",
            "getsockopt",
            "listen",
            "recvfrom",
            "recvmmsg",
            "recvmsg",
            "sendmmsg",
            "sendmsg",
            "sendto",
            "setsockopt",
            "shutdown",
            "socket",
            "socketpair",
        ],
        DIRECT,
    ),
    one_way(
        &["ipc"],
        &["msgctl", "msgget", "msgrcv", "msgsnd", "semctl", "semget", "shmat", "shmctl", "shmdt", "shmget"],
        DIRECT,
    ),
    both(&["semop", "semtimedop", "semtimedop_time64"], "newer glibc makes semop of semtimedop"),
    // Processes and threads.
    both(
        &["clone", "clone3", "fork", "vfork"],
        "which one a libc uses for fork, vfork, posix_spawn and threads depends on its version and on the architecture",
    ),
    both(&["wait4", "waitid", "waitpid"], LIBCS),
    both(
        &["getrlimit", "setrlimit", "prlimit64", "ugetrlimit"],
        "newer libcs use prlimit64 for both directions",
    ),
    both(&["tkill", "tgkill"], "glibc's raise uses tgkill, musl's tkill"),
    one_way(&["alarm"], &["setitimer"], "musl makes alarm of setitimer"),
    one_way(&["nice"], &["setpriority"], "glibc and musl make nice of setpriority"),
    both(&["getpgrp", "getpgid"], "newer architectures have getpgid only"),
    one_way(&["mlock2"], &["mlock"], "glibc's mlock2 falls back to mlock on older kernels"),
    one_way(&["pkey_mprotect"], &["mprotect"], "glibc makes mprotect of it where there is no key"),
    both(
        &["nanosleep", "clock_nanosleep", "clock_nanosleep_time64"],
        "newer libcs make nanosleep of clock_nanosleep",
    ),
    one_way(
        &["time", "gettimeofday"],
        &["clock_gettime", "clock_gettime64"],
        "newer libcs make time and gettimeofday of clock_gettime",
    ),
    // Signals.
    both(&["sigaction", "rt_sigaction"], SIGNALS),
    one_way(&["signal"], &["rt_sigaction"], SIGNALS),
    both(&["sigprocmask", "rt_sigprocmask"], SIGNALS),
    both(&["sigpending", "rt_sigpending"], SIGNALS),
    both(&["sigsuspend", "rt_sigsuspend"], SIGNALS),
    // Variants of 32-bit ABIs.
    both(&["mmap", "mmap2"], "32-bit libcs use mmap2"),
    both(&["lseek", "_llseek"], WIDE_FILES),
    both(&["truncate", "truncate64"], WIDE_FILES),
    both(&["ftruncate", "ftruncate64"], WIDE_FILES),
    both(&["statfs", "statfs64"], WIDE_FILES),
    both(&["fstatfs", "fstatfs64"], WIDE_FILES),
    both(&["fcntl", "fcntl64"], WIDE_FILES),
    both(&["sendfile", "sendfile64"], WIDE_FILES),
    both(&["fadvise64", "fadvise64_64"], WIDE_FILES),
    both(&["getuid", "getuid32"], WIDE_IDS),
    both(&["geteuid", "geteuid32"], WIDE_IDS),
    both(&["getgid", "getgid32"], WIDE_IDS),
    both(&["getegid", "getegid32"], WIDE_IDS),
    both(&["getresuid", "getresuid32"], WIDE_IDS),
    both(&["getresgid", "getresgid32"], WIDE_IDS),
    both(&["getgroups", "getgroups32"], WIDE_IDS),
    both(&["setuid", "setuid32"], WIDE_IDS),
    both(&["setgid", "setgid32"], WIDE_IDS),
    both(&["setreuid", "setreuid32"], WIDE_IDS),
    both(&["setregid", "setregid32"], WIDE_IDS),
    both(&["setresuid", "setresuid32"], WIDE_IDS),
    both(&["setresgid", "setresgid32"], WIDE_IDS),
    both(&["setfsuid", "setfsuid32"], WIDE_IDS),
    both(&["setfsgid", "setfsgid32"], WIDE_IDS),
    both(&["setgroups", "setgroups32"], WIDE_IDS),
    both(&["fchown", "fchown32"], WIDE_IDS),
    both(&["clock_adjtime", "clock_adjtime64"], TIME64),
    both(&["clock_getres", "clock_getres_time64"], TIME64),
    both(&["clock_gettime", "clock_gettime64"], TIME64),
    both(&["clock_settime", "clock_settime64"], TIME64),
    both(&["futex", "futex_time64"], TIME64),
    both(&["io_pgetevents", "io_pgetevents_time64"], TIME64),
    both(&["mq_timedreceive", "mq_timedreceive_time64"], TIME64),
    both(&["mq_timedsend", "mq_timedsend_time64"], TIME64),
    both(&["recvmmsg", "recvmmsg_time64"], TIME64),
    both(&["rt_sigtimedwait", "rt_sigtimedwait_time64"], TIME64),
    both(&["sched_rr_get_interval", "sched_rr_get_interval_time64"], TIME64),
    both(&["timer_gettime", "timer_gettime64"], TIME64),
    both(&["timer_settime", "timer_settime64"], TIME64),
    both(&["timerfd_gettime", "timerfd_gettime64"], TIME64),
    both(&["timerfd_settime", "timerfd_settime64"], TIME64),
];

/// Any of these stands for any other.
const fn both(calls: &'static [&'static str], why: &'static str) -> Equivalents {
    Equivalents { observed: calls, allowed: calls, why }
}

/// The second stand for the first, and not the other way round.
const fn one_way(
    observed: &'static [&'static str],
    allowed: &'static [&'static str],
    why: &'static str,
) -> Equivalents {
    Equivalents { observed, allowed, why }
}
