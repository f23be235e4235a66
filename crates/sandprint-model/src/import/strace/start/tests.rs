//! Starts of real programs, whole and with calls left out.

use super::*;

/// `puts` and `read` of glibc 2.36.
const DYNAMIC: &str = r#"
execve("./t", ["./t"], 0x7ffc309967b8 /* 35 vars */) = 0
brk(NULL) = 0x55965b3c7000
mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f76c9184000
access("/etc/ld.so.preload", R_OK) = -1 ENOENT (No such file or directory)
openat(AT_FDCWD, "/etc/ld.so.cache", O_RDONLY|O_CLOEXEC) = 3
newfstatat(3, "", {st_mode=S_IFREG|0644, st_size=37807, ...}, AT_EMPTY_PATH) = 0
mmap(NULL, 37807, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f76c917a000
close(3) = 0
openat(AT_FDCWD, "/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY|O_CLOEXEC) = 3
read(3, "\177ELF\2\1\1\3\0\0\0\0\0\0\0\0\3\0>\0\1\0\0\0\20t\2\0\0\0\0\0"..., 832) = 832
pread64(3, "\6\0\0\0\4\0\0\0@\0\0\0\0\0\0\0@\0\0\0\0\0\0\0@\0\0\0\0\0\0\0"..., 784, 64) = 784
newfstatat(3, "", {st_mode=S_IFREG|0755, st_size=1926232, ...}, AT_EMPTY_PATH) = 0
pread64(3, "\6\0\0\0\4\0\0\0@\0\0\0\0\0\0\0@\0\0\0\0\0\0\0@\0\0\0\0\0\0\0"..., 784, 64) = 784
mmap(NULL, 1974096, PROT_READ, MAP_PRIVATE|MAP_DENYWRITE, 3, 0) = 0x7f76c8f98000
mmap(0x7f76c8fbe000, 1400832, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE, 3, 0x26000) = 0x7f76c8fbe000
mmap(0x7f76c9114000, 339968, PROT_READ, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE, 3, 0x17c000) = 0x7f76c9114000
mmap(0x7f76c9167000, 24576, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE, 3, 0x1cf000) = 0x7f76c9167000
mmap(0x7f76c916d000, 53072, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0) = 0x7f76c916d000
close(3) = 0
mmap(NULL, 12288, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f76c8f95000
arch_prctl(ARCH_SET_FS, 0x7f76c8f95740) = 0
set_tid_address(0x7f76c8f95a10) = 19792
set_robust_list(0x7f76c8f95a20, 24) = 0
rseq(0x7f76c8f96060, 0x20, 0, 0x53053053) = 0
mprotect(0x7f76c9167000, 16384, PROT_READ) = 0
mprotect(0x55961cece000, 4096, PROT_READ) = 0
mprotect(0x7f76c91bf000, 8192, PROT_READ) = 0
prlimit64(0, RLIMIT_STACK, NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = 0
munmap(0x7f76c917a000, 37807) = 0
newfstatat(1, "", {st_mode=S_IFCHR|0666, st_rdev=makedev(0x1, 0x3), ...}, AT_EMPTY_PATH) = 0
ioctl(1, TCGETS, 0x7ffce6cf6a40) = -1 ENOTTY (Inappropriate ioctl for device)
getrandom("\x2c\x7d\xd3\x5c\xf6\x98\xeb\x36", 8, GRND_NONBLOCK) = 8
brk(NULL) = 0x55965b3c7000
brk(0x55965b3e8000) = 0x55965b3e8000
openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3
read(3, "root:x:0:", 9) = 9
write(1, "root:x:0:", 9) = 9
write(1, "hi\n", 3) = 3
exit_group(0) = ?
"#;

/// The same, static.
const STATIC: &str = r#"
execve("./ts", ["./ts"], 0x7ffe3b2cba58 /* 35 vars */) = 0
brk(NULL) = 0x2d6b0000
brk(0x2d6b0d00) = 0x2d6b0d00
arch_prctl(ARCH_SET_FS, 0x2d6b0380) = 0
set_tid_address(0x2d6b0650) = 19796
set_robust_list(0x2d6b0660, 24) = 0
rseq(0x2d6b0ca0, 0x20, 0, 0x53053053) = 0
prlimit64(0, RLIMIT_STACK, NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = 0
readlink("/proc/self/exe", "/tmp/imp/ts", 4096) = 11
getrandom("\x65\x53\xcf\xe7\x70\xb3\x70\x95", 8, GRND_NONBLOCK) = 8
brk(NULL) = 0x2d6b0d00
brk(0x2d6d1d00) = 0x2d6d1d00
brk(0x2d6d2000) = 0x2d6d2000
mprotect(0x4a0000, 16384, PROT_READ) = 0
newfstatat(1, "", {st_mode=S_IFCHR|0666, st_rdev=makedev(0x1, 0x3), ...}, AT_EMPTY_PATH) = 0
ioctl(1, TCGETS, 0x7ffeb82d28d0) = -1 ENOTTY (Inappropriate ioctl for device)
openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3
read(3, "root:x:0:", 9) = 9
write(1, "root:x:0:", 9) = 9
write(1, "hi\n", 3) = 3
exit_group(0) = ?
"#;

/// The same of musl, dynamic.
const MUSL: &str = r#"
execve("./tm", ["./tm"], 0x7fffbc92c978 /* 35 vars */) = 0
arch_prctl(ARCH_SET_FS, 0x7f4082400a08) = 0
set_tid_address(0x7f4082400e70) = 19800
brk(NULL) = 0x564f4a0bd000
brk(0x564f4a0bf000) = 0x564f4a0bf000
mmap(0x564f4a0bd000, 4096, PROT_NONE, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0) = 0x564f4a0bd000
mprotect(0x7f40823fd000, 4096, PROT_READ) = 0
mprotect(0x564f2f0b1000, 4096, PROT_READ) = 0
ioctl(1, TIOCGWINSZ, 0x7ffe3f5104d0) = -1 ENOTTY (Inappropriate ioctl for device)
writev(1, [{iov_base="hi", iov_len=2}, {iov_base="\n", iov_len=1}], 2) = 3
open("/etc/passwd", O_RDONLY|O_LARGEFILE) = 3
read(3, "root:x:0:", 9) = 9
write(1, "root:x:0:", 9) = 9
exit_group(0) = ?
"#;

/// A program without libraries, which the loader of glibc starts.
const ALONE: &str = r#"
execve("./nsd", ["./nsd"], 0x7fff28255a48 /* 35 vars */) = 0
brk(NULL) = 0x56145c48f000
mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffb701db000
access("/etc/ld.so.preload", R_OK) = -1 ENOENT (No such file or directory)
arch_prctl(ARCH_SET_FS, 0x7ffb701dbf00) = 0
set_tid_address(0x7ffb701dc1d0) = 21098
set_robust_list(0x7ffb701dc1e0, 24) = 0
rseq(0x7ffb701dc820, 0x20, 0, 0x53053053) = 0
mprotect(0x56144dd1d000, 4096, PROT_READ) = 0
exit_group(0) = ?
"#;

/// Other starts, as far as they matter here.
const OTHERS: [(&str, &str); 5] = [
    (
        "Go",
        r#"
execve("./go", ["./go"], 0x7ffc /* 35 vars */) = 0
arch_prctl(ARCH_SET_FS, 0x54a110) = 0
sched_getaffinity(0, 8192, [0, 1]) = 8
mmap(NULL, 262144, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0
munmap(0x7f0, 4096) = 0
exit_group(0) = ?"#,
    ),
    (
        "a loader that lists libraries",
        r#"
execve("/lib64/ld-linux-x86-64.so.2", ["ld.so", "--list", "/bin/true"], 0x7ffc /* 35 vars */) = 0
brk(NULL) = 0x5596
openat(AT_FDCWD, "/bin/true", O_RDONLY|O_CLOEXEC) = 3
read(3, "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0>\0\1"..., 832) = 832
newfstatat(3, "", {st_mode=S_IFREG|0755, st_size=43424, ...}, AT_EMPTY_PATH) = 0
mmap(NULL, 45104, PROT_READ, MAP_PRIVATE|MAP_DENYWRITE, 3, 0) = 0x7f0
mmap(0x7f1, 20480, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE, 3, 0x2000) = 0x7f1
close(3) = 0
access("/etc/ld.so.preload", R_OK) = -1 ENOENT (No such file or directory)
openat(AT_FDCWD, "/etc/ld.so.cache", O_RDONLY|O_CLOEXEC) = 3
arch_prctl(ARCH_SET_FS, 0x7f2) = 0
set_tid_address(0x7f3) = 21
set_robust_list(0x7f4, 24) = 0
rseq(0x7f5, 0x20, 0, 0x53053053) = 0
writev(1, [{iov_base="\t", iov_len=1}], 1) = 1
exit_group(0) = ?"#,
    ),
    (
        "a loader that is asked about a program of another machine",
        r#"
execve("/lib/ld-linux.so.2", ["/lib/ld-linux.so.2", "--verify", "/bin/ls"], 0x5645 /* 35 vars */) = 0
brk(NULL) = 0x56bcb000
openat(AT_FDCWD, "/bin/ls", O_RDONLY|O_LARGEFILE|O_CLOEXEC) = 3
read(3, "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0>\0\1"..., 512) = 512
close(3) = 0
exit_group(1) = ?"#,
    ),
    (
        "a static program that reads a library, and the cache of libraries",
        r#"
execve("/bin/busybox", ["sha256sum", "/lib/libc.so.6", "/etc/ld.so.cache"], 0x7ffc /* 35 vars */) = 0
brk(NULL) = 0x1
brk(0x2) = 0x2
arch_prctl(ARCH_SET_FS, 0x1) = 0
set_tid_address(0x1) = 21
set_robust_list(0x1, 24) = 0
rseq(0x1, 0x20, 0, 0x53053053) = 0
prlimit64(0, RLIMIT_STACK, NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = 0
getrandom("\xdf", 8, GRND_NONBLOCK) = 8
openat(AT_FDCWD, "/lib/libc.so.6", O_RDONLY) = 3
read(3, "\177ELF\2\1\1\3\0\0\0\0\0\0\0\0\3\0>\0\1"..., 4096) = 4096
write(1, "1", 1) = 1
exit_group(0) = ?"#,
    ),
    (
        "valgrind, which gives the program that it loads memory and thread data itself",
        r#"
execve("/usr/libexec/valgrind/memcheck-amd64-linux", ["valgrind", "true"], 0x559a /* 39 vars */) = 0
mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0
prlimit64(0, RLIMIT_STACK, NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = 0
access("/etc/ld.so.preload", R_OK) = -1 ENOENT (No such file or directory)
openat(AT_FDCWD, "/etc/ld.so.cache", O_RDONLY|O_CLOEXEC) = 3
set_tid_address(0x4a3ea10) = 21
set_robust_list(0x4a3ea20, 24) = 0
exit_group(0) = ?"#,
    ),
];

/// What a log of one program lacks where these calls were left out of it.
fn missing_in(log: &str, left_out: &[&str]) -> Vec<&'static str> {
    let mut seen = Seen::default();
    let mut names = Vec::new();
    for text in log.trim().lines() {
        let line::Event::Call(call) = line::parse(text.as_bytes()).event else { panic!("{text}") };
        let name = text.split_once('(').unwrap().0;
        if left_out.contains(&name) {
            continue;
        }
        names.push(name);
        let failed = text.contains(" = -1 ");
        if let Some(sign) = Sign::of(&call).filter(|sign| !failed || sign.needs_no_success()) {
            seen.add(sign);
        }
    }
    missing(seen, Abi::X86_64, names.into_iter())
}

#[test]
fn a_whole_start_lacks_nothing() {
    let starts = [("glibc", DYNAMIC), ("static glibc", STATIC), ("musl", MUSL), ("no library", ALONE)];
    for (what, log) in starts.into_iter().chain(OTHERS) {
        assert_eq!(missing_in(log, &[]), [] as [&str; 0], "{what}");
    }
    for (abi, calls) in [
        (Abi::Aarch64, &["execve", "set_tid_address", "exit_group"][..]),
        (Abi::I386, &["execve", "brk", "set_thread_area", "exit_group"]),
    ] {
        assert_eq!(missing(Seen::default(), abi, calls.iter().copied()), [] as [&str; 0], "{calls:?}");
    }
}

#[test]
fn each_call_of_a_start_that_is_left_out_is_named() {
    const EACH: [&str; 13] = [
        "brk",
        "mmap",
        "access",
        "newfstatat",
        "close",
        "arch_prctl",
        "set_tid_address",
        "set_robust_list",
        "mprotect",
        "prlimit64",
        "munmap",
        "openat",
        "read",
    ];
    for left_out in EACH {
        assert_eq!(missing_in(DYNAMIC, &[left_out]), [left_out]);
    }
    for left_out in ["brk", "arch_prctl", "set_tid_address", "set_robust_list", "prlimit64"] {
        assert!(missing_in(STATIC, &[left_out]).contains(&left_out), "{left_out}");
    }
    let calls = ["execve", "exit_group", "wait4"];
    assert_eq!(missing(Seen::default(), Abi::X86_64, calls.into_iter()), ["brk"]);
}

/// `-e trace=!%desc` leaves all out by which a library is loaded: what remains is not taken for a static program.
#[test]
fn calls_that_are_left_out_together_are_missed() {
    const DESC: &[&str] = &["mmap", "openat", "newfstatat", "close", "read", "pread64", "ioctl", "write"];
    for left_out in [
        DESC,
        &["mmap", "read", "openat", "close"],
        &["mmap", "read", "openat", "close", "brk", "munmap", "mprotect"],
        &["openat", "read", "close", "mmap", "newfstatat", "pread64", "access"],
        &["openat", "read", "close", "mmap", "newfstatat", "pread64", "access", "munmap"],
        &["openat", "read", "close", "newfstatat", "pread64", "access"],
        &["arch_prctl", "set_tid_address", "set_robust_list", "rseq"],
        &["arch_prctl", "set_tid_address", "set_robust_list", "rseq", "access", "openat"],
        &["mprotect", "munmap", "prlimit64"],
    ] {
        assert!(!missing_in(DYNAMIC, left_out).is_empty(), "{left_out:?}");
    }
}

#[test]
fn one_call_that_is_left_proves_what_must_be_beside_it() {
    const PROOFS: [&str; 4] = ["access", "munmap", "set_robust_list", "rseq"];
    const LOADS: [&str; 8] =
        ["brk", "mmap", "openat", "newfstatat", "close", "read", "arch_prctl", "set_tid_address"];
    for proof in PROOFS {
        for chosen in 1_u32..1 << LOADS.len() {
            let others = PROOFS.into_iter().filter(|other| *other != proof).chain(["pread64"]);
            let chosen = (0..LOADS.len()).filter(|at| chosen & (1 << at) != 0).map(|at| LOADS[at]);
            let left_out: Vec<&str> = others.chain(chosen).collect();
            let found = missing_in(DYNAMIC, &left_out);
            // A mapping that is undone proves no more than mappings.
            let shows_less = proof == "munmap" && !left_out.contains(&"mmap");
            assert!(shows_less || !found.is_empty(), "{proof} without {left_out:?}");
        }
    }
}
