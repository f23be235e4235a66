//! What the start of a program proves missing: calls that nothing comes that far without.
//!
//! A log does not say what `-e` left out. But a program that the log shows from its execve to its own exit has been
//! loaded, and loaders and C libraries begin in the same way everywhere: who maps a library has opened and read it.
//! Each rule is of that kind. Programs that end by a signal, or with 127 as a loader does that finds no library,
//! prove nothing, and a program without a C library need not call anything.

use std::collections::HashSet;

use super::line::{self, Call};
use crate::Abi;

/// What one of a program's first calls shows, as bits.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sign(u16);

impl Sign {
    /// It asked for `ld.so.preload`: the loader of glibc, which nobody else does.
    const PRELOAD: Sign = Sign(1);
    /// It opened `ld.so.cache`: the loader of glibc, or a static program that loads a library.
    const CACHE: Sign = Sign(1 << 1);
    /// It mapped code from a file.
    const CODE: Sign = Sign(1 << 2);
    /// It read the head of a library, as loaders do.
    const HEADER: Sign = Sign(1 << 3);
    /// It asked where its heap ends.
    const HEAP: Sign = Sign(1 << 4);
    /// It made its heap larger.
    const GROWN: Sign = Sign(1 << 5);
    /// It mapped something.
    const MAPPED: Sign = Sign(1 << 6);
    /// It said where its thread's data is, or what hangs on that.
    const THREAD: Sign = Sign(1 << 7);
    /// It told the kernel of a list or an area in its thread's data, which glibc does.
    const AREA: Sign = Sign(1 << 8);
    /// It did what only a C library does, later than that.
    const LATER: Sign = Sign(1 << 9);

    const fn with(self, other: Sign) -> Sign {
        Sign(self.0 | other.0)
    }

    fn has(self, other: Sign) -> bool {
        self.0 & other.0 != 0
    }

    /// What a call shows, whether or not it succeeds. `None` where it shows nothing.
    pub(super) fn of(call: &Call<'_>) -> Option<Sign> {
        let holds = |wanted: &[u8]| line::find(call.text, wanted).is_some();
        // Even one that fails: the file is seldom there.
        let sign = match call.name {
            b"access" | b"faccessat" | b"faccessat2" if holds(b"\"/etc/ld.so.preload\"") => Sign::PRELOAD,
            b"open" | b"openat" | b"openat2" if holds(b"/ld.so.cache\"") => Sign::CACHE,
            b"read" if holds(b"\"\\177ELF") && HEADS.iter().any(|size| holds(size)) => Sign::HEADER,
            // The program headers of a library that is a program too: glibc's own.
            b"pread64" if holds(b"\"\\6\\0\\0\\0\\4\\0\\0\\0@\\0") && holds(b", 64) = ") => Sign::HEADER,
            b"brk" if is_null(call.text) => Sign::HEAP,
            b"brk" => Sign::GROWN,
            b"mmap" | b"mmap2" | b"old_mmap" => {
                let is_code = holds(b"PROT_EXEC") && holds(b"MAP_PRIVATE") && !holds(b"MAP_ANON");
                if is_code { Sign::MAPPED.with(Sign::CODE) } else { Sign::MAPPED }
            }
            b"arch_prctl" if holds(b"ARCH_SET_FS") => Sign::THREAD,
            b"set_thread_area" | b"set_tls" | b"set_tid_address" => Sign::THREAD,
            b"set_robust_list" | b"rseq" => Sign::THREAD.with(Sign::AREA),
            // The seed of malloc.
            b"getrandom" if holds(b", 8, GRND_NONBLOCK)") => Sign::LATER,
            b"prlimit64" | b"ugetrlimit" | b"getrlimit"
                if holds(b"RLIMIT_STACK, ") && !holds(b"RLIMIT_STACK, {") =>
            {
                Sign::LATER
            }
            _ => return None,
        };
        Some(sign)
    }

    /// Whether a call that failed shows it too.
    pub(super) fn needs_no_success(self) -> bool {
        self.has(Sign::PRELOAD.with(Sign::AREA))
    }
}

/// How much of a library the loaders of glibc and musl read first, on 64 and on 32 bits.
const HEADS: [&[u8]; 3] = [b", 832) = 832", b", 512) = 512", b", 960) = 960"];

/// Whether the first argument is no address.
fn is_null(text: &[u8]) -> bool {
    let first = line::unnamed(text);
    [&b"NULL"[..], b"0)", b"0x0)"].iter().any(|null| first.starts_with(null))
}

/// What the calls of a program show, in their order.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// Everything.
    all: Sign,
    /// What came before its thread had data. What comes later may be of the program itself: also a static one may load
    /// libraries.
    early: Sign,
    /// Whether it began to load another program in itself, as valgrind does: which calls of that one reach the kernel is
    /// its own affair.
    hosts: bool,
}

impl Seen {
    /// Adds what the next call shows.
    pub(super) fn add(&mut self, sign: Sign) {
        self.hosts |= self.all.has(Sign::LATER) && sign.has(Sign::PRELOAD);
        if !self.all.has(Sign::THREAD) {
            self.early = self.early.with(sign);
        }
        self.all = self.all.with(sign);
    }

    /// Whether the loader of glibc started the program.
    fn loader(self) -> bool {
        self.all.has(Sign::PRELOAD) || self.early.has(Sign::CACHE)
    }
}

const MAPS: &[&str] = &["mmap", "mmap2", "old_mmap"];
const OPENS: &[&str] = &["openat", "open", "openat2"];
const STATS: &[&str] = &["newfstatat", "fstat", "fstat64", "fstatat64", "statx"];
const LIMITS: &[&str] = &["prlimit64", "ugetrlimit", "getrlimit"];
const TLS: &[&str] = &["arch_prctl", "set_thread_area", "set_tls"];
/// What the loader of glibc may call where it only lists libraries, or says what is wrong.
const LISTING: &[&[&str]] = &[
    MAPS,
    OPENS,
    STATS,
    TLS,
    &[
        "execve",
        "brk",
        "access",
        "faccessat",
        "faccessat2",
        "close",
        "read",
        "pread64",
        "readlink",
        "uname",
        "getcwd",
    ],
    &["set_tid_address", "set_robust_list", "rseq", "write", "writev", "exit_group"],
];

/// Calls that a program must have made to come to its end, of which it shows none. Each is named by the usual one.
/// `calls` are those that it shows.
pub(super) fn missing<'c>(seen: Seen, abi: Abi, calls: impl Iterator<Item = &'c str>) -> Vec<&'static str> {
    if seen.hosts {
        return Vec::new();
    }
    let calls: HashSet<&str> = calls.collect();
    let any = |names: &[&str]| names.iter().any(|name| calls.contains(name));
    let mut missing = Vec::new();
    let mut needs = |when: bool, names: &[&'static str]| {
        if when
            && !any(names)
            && let Some(name) = names.first()
            && !missing.contains(name)
        {
            missing.push(*name);
        }
    };
    let (all, early) = (seen.all, seen.early);
    // aarch64 sets it without a call.
    let tls_is_a_call = abi != Abi::Aarch64;
    // What every C library does first: memory, its thread's id, where its thread's data is.
    let begins = [&["brk", "set_tid_address"], MAPS, TLS].concat();
    needs(true, &begins);
    // `ldd` has the loader end before the program runs.
    let runs = calls.iter().any(|name| !LISTING.iter().any(|names| names.contains(name)));
    // Who maps nothing but memory has no library, whoever started it.
    let libraries = (seen.loader() && (all.has(Sign::CODE) || !any(MAPS)))
        || (all.has(Sign::HEADER) && runs)
        || (early.has(Sign::CODE) && all.has(Sign::AREA));
    needs(libraries || all.has(Sign::CACHE), MAPS);
    needs(libraries || all.has(Sign::CACHE), &["close"]);
    needs(libraries, &["read"]);
    needs(libraries || all.has(Sign::CODE), OPENS);
    needs(seen.loader(), &["brk"]);
    needs(libraries && seen.loader(), STATS);
    needs(seen.loader(), &["access", "faccessat", "faccessat2"]);
    needs(any(&["munmap"]), &[MAPS, &["mremap", "shmat"]].concat());
    // glibc takes memory for its thread's data, from its heap in a static program; musl has it.
    let is_glibc = early.has(Sign::HEAP) || (all.has(Sign::AREA) && !any(&["get_robust_list"]));
    let from_nothing = is_glibc && all.has(Sign::THREAD) && !early.has(Sign::MAPPED.with(Sign::GROWN));
    needs(from_nothing, &["brk"]);
    needs(from_nothing, MAPS);
    needs((seen.loader() || all.has(Sign::LATER)) && tls_is_a_call, TLS);
    needs(abi == Abi::X86_64 && calls.contains("set_tid_address"), TLS);
    needs(any(TLS), &[&["set_tid_address", "brk"], MAPS].concat());
    needs(all.has(Sign::AREA), &["set_tid_address"]);
    needs(any(&["rseq"]), &["set_robust_list"]);
    needs(libraries && seen.loader() && runs, &["mprotect"]);
    needs(early.has(Sign::CACHE) && runs, &["munmap"]);
    let is_static = early.has(Sign::GROWN) && !early.has(Sign::MAPPED);
    needs(any(&["rseq"]) && (is_static || (libraries && runs)), LIMITS);
    needs(any(&["rt_sigreturn", "sigreturn"]), &["rt_sigaction", "sigaction", "signal"]);
    missing
}

#[cfg(test)]
mod tests;
