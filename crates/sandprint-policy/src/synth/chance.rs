//! Calls that chance decides: whether a recording shows them depends on which thread or process was faster.
//!
//! A run on a busier machine makes them, and their callers cannot live with a refusal: glibc aborts where `futex`
//! fails, and dash, which has blocked its signals, tries `rt_sigsuspend` for ever. So they are added where the same
//! program was seen to do what brings them, and only calls that give nothing but waiting: no object, no data, no
//! privilege, no effect on another process.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::{Abi, Image, Reason, Syscall, Trace};

/// What follows where a program made one call of each group.
struct Entry {
    seen: &'static [&'static [&'static str]],
    needed: &'static [&'static str],
    why: &'static str,
}

const STARTS: &[&str] = &["clone", "clone3"];
const WAITS: &[&str] = &["wait4", "waitid", "waitpid"];

/// Sources: dash's `waitproc` (src/jobs.c) asks with WNOHANG, and only where no child has ended blocks signals and
/// suspends itself; glibc's `pthread_join` calls futex only where the thread has not ended yet; only threads end
/// with `exit`, for libraries end processes with `exit_group`.
const CHANCE: &[Entry] = &[
    Entry {
        seen: &[STARTS, &["exit"]],
        needed: &["futex"],
        why: "a thread of this program ended: others wait for its end, or for a lock, with it where they come too early",
    },
    Entry {
        seen: &[STARTS, &["exit", "futex", "futex_time64"]],
        needed: &["sched_yield"],
        why: "a thread that finds a lock taken may let others run first: no more than that, and whether it does is \
              chance",
    },
    Entry {
        seen: &[&["rt_sigaction", "sigaction"], WAITS],
        needed: &["rt_sigprocmask", "rt_sigsuspend"],
        why: "a program that handles signals and waits for its children pauses this way where none has ended yet (a \
              shell's `wait`)",
    },
];

/// What the programs of a trace may call on another run, where the trace does not show it.
pub(super) fn needed(trace: &Trace) -> BTreeSet<(Syscall, Reason)> {
    let observed = trace.syscalls();
    let mut programs: BTreeMap<(&Image, Abi), BTreeSet<&str>> = BTreeMap::new();
    // Programs that are not known may be several.
    for fact in trace.observations.keys().filter(|fact| !fact.image.path.is_empty()) {
        let seen = programs.entry((&*fact.image, fact.syscall.abi)).or_default();
        seen.extend(fact.syscall.name());
    }
    let mut needed = BTreeSet::new();
    for ((_, abi), seen) in &programs {
        let brings =
            |entry: &&Entry| entry.seen.iter().all(|group| group.iter().any(|name| seen.contains(name)));
        for entry in CHANCE.iter().filter(brings) {
            let calls = entry.needed.iter().filter_map(|name| Syscall::from_name(*abi, name));
            let unseen = calls.filter(|syscall| !observed.contains(syscall));
            needed.extend(unseen.map(|syscall| (syscall, Reason::Baseline(entry.why.to_owned()))));
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sandprint_model::{ByteString, Fact, RunId, Seen};

    use super::*;

    /// What is added to a trace in which these programs made these calls.
    fn added(programs: &[(&str, Abi, &[&str])]) -> BTreeSet<(Abi, &'static str)> {
        let mut trace = Trace::default();
        let run = RunId::from_bits(1);
        for (path, abi, names) in programs {
            let image = Arc::new(Image { path: ByteString::from(*path), build_id: None, script: None });
            for name in *names {
                let syscall = Syscall::from_name(*abi, name).unwrap();
                let fact = Fact { image: Arc::clone(&image), scope: None, syscall };
                trace.observe(fact, &run, Seen { count: 1, first: None, arguments: None });
            }
        }
        needed(&trace).into_iter().map(|(syscall, _)| (syscall.abi, syscall.name().unwrap())).collect()
    }

    fn of_one(names: &[&str]) -> Vec<&'static str> {
        added(&[("/bin/a", Abi::X86_64, names)]).into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn threads_may_wait_for_each_other() {
        assert_eq!(of_one(&["clone3", "exit"]), ["futex", "sched_yield"]);
        assert_eq!(of_one(&["clone", "futex"]), ["sched_yield"]);
        assert_eq!(of_one(&["clone3", "exit", "futex", "sched_yield"]), [""; 0], "they were all seen");
    }

    #[test]
    fn who_waits_for_children_may_have_to_pause() {
        assert_eq!(of_one(&["rt_sigaction", "wait4"]), ["rt_sigprocmask", "rt_sigsuspend"]);
        assert_eq!(of_one(&["rt_sigaction", "rt_sigprocmask", "waitid"]), ["rt_sigsuspend"]);
    }

    #[test]
    fn half_of_a_sign_is_none() {
        for seen in [
            &["futex"][..],
            &["exit"],
            &["exit_group", "futex"],
            &["clone"],
            &["clone3", "exit_group"],
            &["rt_sigaction", "rt_sigprocmask"],
            &["wait4", "rt_sigprocmask"],
            &["fork", "exit_group", "futex"],
        ] {
            assert_eq!(of_one(seen), [""; 0], "{seen:?}");
        }
    }

    #[test]
    fn what_two_programs_did_is_no_sign() {
        let (a, b): (&[&str], &[&str]) = (&["clone3"], &["exit", "futex"]);
        assert_eq!(added(&[("/bin/a", Abi::X86_64, a), ("/bin/b", Abi::X86_64, b)]), [].into());
        assert_eq!(added(&[("", Abi::X86_64, a), ("", Abi::X86_64, b)]), [].into(), "which, is not known");
        let two_abis = added(&[("/bin/a", Abi::X86_64, &["clone3"]), ("/bin/a", Abi::I386, &["exit"])]);
        assert_eq!(two_abis, [].into());
    }

    #[test]
    fn each_abi_gets_its_own() {
        let seen: &[&str] = &["clone", "exit"];
        let expected = |abi| [(abi, "futex"), (abi, "sched_yield")].into();
        for abi in Abi::ALL {
            assert_eq!(added(&[("/bin/a", abi, seen)]), expected(abi), "{abi}");
        }
    }

    #[test]
    fn every_name_is_a_call() {
        for entry in CHANCE {
            for name in entry.seen.iter().copied().flatten().chain(entry.needed) {
                assert!(Abi::ALL.iter().any(|abi| Syscall::from_name(*abi, name).is_some()), "{name}");
            }
        }
    }
}
