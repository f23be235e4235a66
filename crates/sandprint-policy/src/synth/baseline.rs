//! Calls that a recording need not show although the workload needs them.
//!
//! Three kinds: what the kernel makes a process call, what every end of a process calls, and what the vDSO
//! answers without a call as long as the host's clocksource lets it.

use std::collections::BTreeSet;

use sandprint_model::{Abi, Reason, Syscall};

/// One call of the baseline.
struct Entry {
    name: &'static str,
    abis: &'static [Abi],
    why: &'static str,
}

const EVERY_ABI: &[Abi] = &Abi::ALL;
const X86: &[Abi] = &[Abi::I386, Abi::X32, Abi::X86_64];
const OLD_SIGNAL_FRAMES: &[Abi] = &[Abi::Arm, Abi::I386];

const CLOCK: &str = "the vDSO answers it without a call only where the clocksource is fit for that; on other \
                     hosts it is a real call";
const END: &str = "every process ends with it, also on paths that no run took";
const SIGNAL: &str = "the kernel puts it on the stack as the way back from a signal handler";

/// Why `uretprobe` is here: with it, whoever traces a function's return kills no filtered process. Kernels
/// 6.11 to 6.13 make the traced process call it; since 6.14 it passes filters (kernel commit cf6cb56ef244).
/// Called from anywhere but the kernel's trampoline it ends the caller with SIGILL, so allowing it costs nothing.
const BASELINE: &[Entry] = &[
    Entry { name: "exit", abis: EVERY_ABI, why: "every thread ends with it, also on paths that no run took" },
    Entry { name: "exit_group", abis: EVERY_ABI, why: END },
    Entry {
        name: "restart_syscall",
        abis: EVERY_ABI,
        why: "the kernel makes a process call it when it goes on after a stop in a sleep or a wait",
    },
    Entry { name: "rt_sigreturn", abis: EVERY_ABI, why: SIGNAL },
    Entry { name: "sigreturn", abis: OLD_SIGNAL_FRAMES, why: SIGNAL },
    Entry {
        name: "uretprobe",
        abis: &[Abi::X86_64],
        why: "Linux 6.11 to 6.13 make a process call it when somebody traces the return of a function in it",
    },
    Entry { name: "clock_gettime", abis: EVERY_ABI, why: CLOCK },
    Entry { name: "clock_gettime64", abis: OLD_SIGNAL_FRAMES, why: CLOCK },
    Entry { name: "clock_getres", abis: EVERY_ABI, why: CLOCK },
    Entry { name: "clock_getres_time64", abis: OLD_SIGNAL_FRAMES, why: CLOCK },
    Entry { name: "gettimeofday", abis: EVERY_ABI, why: CLOCK },
    Entry { name: "time", abis: X86, why: CLOCK },
    Entry {
        name: "getcpu",
        abis: X86,
        why: "the vDSO answers it without a call where it can; elsewhere it is a real call",
    },
    Entry {
        name: "getrandom",
        abis: &[Abi::Aarch64, Abi::X86_64],
        why: "since Linux 6.11 the vDSO answers it without a call; older kernels, and the vDSO itself now and \
              then, make it a real one",
    },
];

/// What these ABIs need.
pub(crate) fn needed(abis: &BTreeSet<Abi>) -> impl Iterator<Item = (Syscall, Reason)> {
    BASELINE.iter().flat_map(move |entry| {
        let here = entry.abis.iter().filter(|abi| abis.contains(abi));
        let calls = here.filter_map(|abi| Syscall::from_name(*abi, entry.name));
        calls.map(|syscall| (syscall, Reason::Baseline(entry.why.to_owned())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_exists_in_every_abi_it_is_for() {
        for entry in BASELINE {
            for abi in entry.abis {
                assert!(Syscall::from_name(*abi, entry.name).is_some(), "{abi} {}", entry.name);
            }
        }
    }

    #[test]
    fn each_abi_gets_its_own_baseline() {
        let names = |abi| -> Vec<&str> {
            let mut names: Vec<_> =
                needed(&BTreeSet::from([abi])).filter_map(|(syscall, _)| syscall.name()).collect();
            names.sort_unstable();
            names
        };
        let common = ["clock_getres", "clock_gettime", "exit", "exit_group", "gettimeofday"];
        let kernel = ["restart_syscall", "rt_sigreturn"];
        for (abi, own) in [
            (Abi::X86_64, &["getcpu", "getrandom", "time", "uretprobe"][..]),
            (Abi::X32, &["getcpu", "time"]),
            (Abi::I386, &["clock_getres_time64", "clock_gettime64", "getcpu", "sigreturn", "time"]),
            (Abi::Aarch64, &["getrandom"]),
            (Abi::Arm, &["clock_getres_time64", "clock_gettime64", "sigreturn"]),
        ] {
            let mut expected = [&common[..], &kernel[..], own].concat();
            expected.sort_unstable();
            assert_eq!(names(abi), expected, "{abi}");
        }
    }
}
