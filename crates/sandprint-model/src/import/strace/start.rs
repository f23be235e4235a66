//! What the start of a program proves missing: calls that nothing comes that far without.
//!
//! A log does not say what `-e` left out. But a program that the log shows from its execve to its own exit has been
//! loaded, and loaders and C libraries begin in the same way everywhere: who maps a library has opened and read it.
//! Each rule is of that kind. Programs that end by a signal, or with 127 as a loader does that finds no library,
//! prove nothing, and a program without a C library need not call anything.

use crate::Abi;

/// What the arguments of a program's first calls show.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// It opened `ld.so.cache`: the loader of glibc.
    pub(super) cache: bool,
    /// It opened a shared library.
    pub(super) library: bool,
    /// It mapped code from a file.
    pub(super) code: bool,
}

impl Seen {
    /// Adds what another call shows.
    pub(super) fn join(&mut self, other: Seen) {
        self.cache |= other.cache;
        self.library |= other.library;
        self.code |= other.code;
    }

    /// Notes what a call shows if it succeeds.
    pub(super) fn note(&mut self, name: &[u8], text: &[u8]) {
        let holds = |wanted: &[u8]| super::line::find(text, wanted).is_some();
        match name {
            b"open" | b"openat" | b"openat2" => {
                self.cache |= holds(b"/ld.so.cache\"");
                self.library |= holds(b".so\"") || holds(b".so.");
            }
            b"mmap" | b"mmap2" | b"old_mmap" => {
                self.code |= holds(b"PROT_EXEC") && holds(b"MAP_PRIVATE") && !holds(b"MAP_ANON");
            }
            _ => {}
        }
    }
}

const MAPS: &[&str] = &["mmap", "mmap2", "old_mmap"];
const OPENS: &[&str] = &["openat", "open", "openat2"];
const STATS: &[&str] = &["newfstatat", "fstat", "fstat64", "fstatat64", "statx"];
const LIMITS: &[&str] = &["prlimit64", "ugetrlimit", "getrlimit"];
const TLS: &[&str] = &["arch_prctl", "set_thread_area", "set_tls"];

/// Calls that a program must have made to come to its end, of which it shows none. Each is named by the usual one.
pub(super) fn missing(seen: Seen, abi: Abi, calls: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let any = |names: &[&str]| names.iter().any(|name| calls(name));
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
    // What every C library does first: memory, its thread's id, where its thread's data is.
    let begins = [&["brk", "set_tid_address"], MAPS, TLS].concat();
    needs(true, &begins);
    needs(seen.library || seen.cache, MAPS);
    needs(seen.library || seen.cache, &["close"]);
    needs(seen.library, &["read"]);
    needs(seen.code, OPENS);
    if seen.cache {
        needs(true, &["brk"]);
        needs(true, STATS);
        needs(true, &["access", "faccessat", "faccessat2"]);
    }
    // aarch64 sets it without a call.
    needs(seen.cache && abi != Abi::Aarch64, TLS);
    needs(abi == Abi::X86_64 && calls("set_tid_address"), TLS);
    needs(any(TLS), &[&["set_tid_address", "brk"], MAPS].concat());
    needs(any(&["rseq"]), &["set_tid_address"]);
    needs(any(&["rseq"]), &["set_robust_list"]);
    // `ldd` has the loader end before these.
    let relocates = seen.cache && any(&[&["mprotect", "munmap"], LIMITS].concat());
    needs(relocates, &["mprotect"]);
    needs(relocates, &["munmap"]);
    needs(relocates && any(&["rseq"]), LIMITS);
    needs(any(&["rt_sigreturn", "sigreturn"]), &["rt_sigaction", "sigaction", "signal"]);
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `cat FILE` of glibc 2.36 calls.
    const DYNAMIC: [&str; 18] = [
        "execve",
        "brk",
        "mmap",
        "access",
        "openat",
        "newfstatat",
        "close",
        "read",
        "pread64",
        "arch_prctl",
        "set_tid_address",
        "set_robust_list",
        "rseq",
        "mprotect",
        "prlimit64",
        "munmap",
        "write",
        "exit_group",
    ];
    const ALL_SEEN: Seen = Seen { cache: true, library: true, code: true };

    #[test]
    fn a_whole_start_lacks_nothing() {
        assert_eq!(missing(ALL_SEEN, Abi::X86_64, |name| DYNAMIC.contains(&name)), [] as [&str; 0]);
        for (abi, calls) in [
            // Static ones of musl, glibc and Go.
            (Abi::X86_64, &["execve", "arch_prctl", "set_tid_address", "exit_group"][..]),
            (
                Abi::X86_64,
                &["execve", "brk", "arch_prctl", "set_tid_address", "set_robust_list", "rseq", "exit_group"],
            ),
            (
                Abi::X86_64,
                &[
                    "execve",
                    "arch_prctl",
                    "sched_getaffinity",
                    "mmap",
                    "rt_sigaction",
                    "rt_sigreturn",
                    "exit_group",
                ],
            ),
            (Abi::Aarch64, &["execve", "set_tid_address", "exit_group"]),
            (Abi::I386, &["execve", "brk", "set_thread_area", "exit_group"]),
            // The loader alone.
            (
                Abi::X86_64,
                &[
                    "execve",
                    "brk",
                    "mmap",
                    "arch_prctl",
                    "set_tid_address",
                    "set_robust_list",
                    "rseq",
                    "write",
                    "exit_group",
                ],
            ),
        ] {
            assert_eq!(
                missing(Seen::default(), abi, |name| calls.contains(&name)),
                [] as [&str; 0],
                "{calls:?}"
            );
        }
    }

    #[test]
    fn each_call_of_a_start_that_is_left_out_is_named() {
        for left_out in [
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
        ] {
            let calls = |name: &str| DYNAMIC.contains(&name) && name != left_out;
            assert_eq!(missing(ALL_SEEN, Abi::X86_64, calls), [left_out]);
        }
        let calls = |name: &str| matches!(name, "execve" | "exit_group" | "wait4");
        assert_eq!(missing(Seen::default(), Abi::X86_64, calls), ["brk"]);
    }
}
