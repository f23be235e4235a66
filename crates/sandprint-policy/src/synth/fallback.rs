//! Calls that are answered with ENOSYS, so that their callers use an older call.
//!
//! A libc takes ENOSYS for "this kernel is too old, do it the old way" and EPERM for the final answer. So
//! whatever came after the oldest kernel that the policy is for is answered as that kernel would, and so are
//! the calls below, which libraries try first and have another way for.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::{Abi, KernelVersion, Reason, Syscall};

/// Calls that are tried first, and what their callers do without them.
const TRIED_FIRST: &[(&str, &str)] = &[
    ("clone3", "glibc tries it for threads and children, and uses clone on ENOSYS only"),
    ("close_range", "libraries that close many descriptors fall back to closing one by one"),
    ("copy_file_range", "language runtimes that copy files fall back to sendfile, or read and write"),
    ("epoll_pwait2", "event loops fall back to epoll_pwait or epoll_wait"),
    ("execveat", "glibc's fexecve falls back to execve of /proc/self/fd"),
    ("faccessat2", "glibc's faccessat with flags falls back to faccessat"),
    ("fchmodat2", "glibc's fchmodat with flags falls back to fchmodat"),
    ("io_uring_setup", "event loops probe it and fall back to epoll and threads"),
    ("landlock_create_ruleset", "sandboxing libraries take ENOSYS for a kernel without Landlock and go on"),
    ("memfd_create", "libraries fall back to a temporary file"),
    ("mlock2", "glibc's mlock2 without flags falls back to mlock"),
    ("openat2", "libraries that resolve paths safely fall back to openat"),
    ("pidfd_open", "language runtimes probe it and fall back to waiting by process id"),
    ("pidfd_send_signal", "language runtimes probe it and fall back to kill"),
    ("preadv2", "glibc's preadv2 without flags falls back to preadv"),
    ("process_madvise", "allocators fall back to madvise"),
    ("pwritev2", "glibc's pwritev2 without flags falls back to pwritev"),
    ("renameat2", "glibc and coreutils fall back to renameat"),
    ("rseq", "glibc registers it for every thread and does without where it is absent"),
    ("statx", "libraries fall back to newfstatat and its kin"),
];

/// Calls with 64-bit times of 32-bit ABIs (Linux 5.1): a libc with a 64-bit `time_t` tries them first.
pub(super) const TIME64: &[&str] = &[
    "clock_adjtime64",
    "clock_getres_time64",
    "clock_gettime64",
    "clock_nanosleep_time64",
    "clock_settime64",
    "futex_time64",
    "io_pgetevents_time64",
    "mq_timedreceive_time64",
    "mq_timedsend_time64",
    "ppoll_time64",
    "pselect6_time64",
    "recvmmsg_time64",
    "rt_sigtimedwait_time64",
    "sched_rr_get_interval_time64",
    "semtimedop_time64",
    "timer_gettime64",
    "timer_settime64",
    "timerfd_gettime64",
    "timerfd_settime64",
    "utimensat_time64",
];

const TIME64_WHY: &str = "a 32-bit libc tries it first and falls back to the call with 32-bit times";

/// The calls of these ABIs that are answered as absent unless they are allowed, with their reasons.
pub(crate) fn absent(
    abis: &BTreeSet<Abi>,
    kernel: Option<KernelVersion>,
) -> BTreeMap<Syscall, BTreeSet<Reason>> {
    let mut absent: BTreeMap<Syscall, BTreeSet<Reason>> = BTreeMap::new();
    for abi in abis {
        let time64 = TIME64.iter().map(|name| (*name, TIME64_WHY));
        for (name, why) in TRIED_FIRST.iter().copied().chain(time64) {
            if let Some(syscall) = Syscall::from_name(*abi, name) {
                absent.entry(syscall).or_default().insert(Reason::Fallback(why.to_owned()));
            }
        }
        let Some(kernel) = kernel else { continue };
        for syscall in Syscall::all(*abi) {
            let Some(since) = syscall.since().filter(|since| *since > kernel) else { continue };
            let why = format!("it came with Linux {since}, after the oldest kernel of this policy, {kernel}");
            absent.entry(syscall).or_default().insert(Reason::Fallback(why));
        }
    }
    absent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_exists_somewhere_and_time64_calls_in_32_bit_abis_only() {
        for (name, _) in TRIED_FIRST {
            for abi in Abi::ALL {
                assert!(Syscall::from_name(abi, name).is_some(), "{abi} {name}");
            }
        }
        for name in TIME64 {
            for abi in Abi::ALL {
                let expected = matches!(abi, Abi::Arm | Abi::I386);
                assert_eq!(Syscall::from_name(abi, name).is_some(), expected, "{abi} {name}");
            }
        }
        let all_time64 =
            |abi| Syscall::all(abi).filter(|call| call.name().is_some_and(|n| n.ends_with("time64")));
        for call in all_time64(Abi::I386) {
            assert!(TIME64.contains(&call.name().unwrap()), "{call}");
        }
    }

    #[test]
    fn newer_calls_are_those_that_came_after_the_kernel_and_no_others() {
        let abis = BTreeSet::from([Abi::X86_64]);
        let without = absent(&abis, None);
        let with = absent(&abis, Some(KernelVersion::new(5, 15)));
        let added: BTreeSet<_> = with.keys().filter(|call| !without.contains_key(call)).copied().collect();
        let expected: BTreeSet<_> = Syscall::all(Abi::X86_64)
            .filter(|call| call.since() > Some(KernelVersion::new(5, 15)) && !without.contains_key(call))
            .collect();
        assert_eq!(added, expected);
        assert!(added.contains(&Syscall { abi: Abi::X86_64, nr: 449 }), "futex_waitv, 5.16");
        assert!(!with.contains_key(&Syscall { abi: Abi::X86_64, nr: 448 }), "process_mrelease, 5.15");
    }
}
