//! What is added: the sets of each ABI, what follows from what, and with which arguments.

use std::sync::Arc;

use sandprint_model::arguments::Selecting;
use sandprint_model::{ByteString, Call, CallSeen, RunId, Subject};

use super::*;
use crate::synth::{SynthConfig, fallback, starting_point, synthesize};

fn syscall(abi: Abi, name: &str) -> Syscall {
    Syscall::from_name(abi, name).unwrap_or_else(|| panic!("no {name} in {abi}"))
}

type Made<'m> = (&'m str, Option<[u64; 6]>);

/// A trace in which these programs made these calls; arguments are recorded where they are given.
fn trace(programs: &[(&str, Abi, &[Made<'_>])]) -> Trace {
    let mut trace = Trace::default();
    for (path, abi, calls) in programs {
        let image = Arc::new(Image { path: ByteString::from(*path), build_id: None, script: None });
        for (at, (name, args)) in calls.iter().enumerate() {
            let syscall = syscall(*abi, name);
            let kept = args.and_then(|args| Some(Selecting::of(syscall)?.values(&args)));
            let arguments = kept.map(|values| ArgumentsSeen::new(values, 1));
            trace.calls.join(
                Subject::of(&image),
                syscall,
                RunId::from_bits(at as u128),
                CallSeen { count: 1, first: None, arguments },
            );
        }
    }
    trace
}

fn names<'m>(names: &[&'m str]) -> Vec<Made<'m>> {
    names.iter().map(|name| (*name, None)).collect()
}

/// The names of what is added to a trace because of what was seen in it, and was not seen itself.
fn follows(programs: &[(&str, Abi, &[Made<'_>])]) -> BTreeSet<(Abi, &'static str)> {
    let trace = trace(programs);
    let seen = trace.syscalls();
    let added = Additions::read().unwrap().of_trace(&trace);
    let new = added.iter().filter(|one| one.follows && !seen.contains(&one.syscall));
    new.map(|one| (one.syscall.abi, one.syscall.name().unwrap())).collect()
}

fn of_one(abi: Abi, calls: &[&str]) -> Vec<&'static str> {
    follows(&[("/bin/a", abi, &names(calls))]).into_iter().map(|(_, name)| name).collect()
}

#[test]
fn each_abi_gets_its_own_whatever_was_seen() {
    let everywhere = "brk clock_getres clock_gettime exit exit_group futex getegid geteuid getgid getpgid getpid \
         getppid getresgid getresuid getsid gettid gettimeofday getuid personality restart_syscall rt_sigprocmask \
         rt_sigreturn rt_sigsuspend sched_get_priority_max sched_get_priority_min sched_yield setfsgid setfsuid \
         set_tid_address times umask";
    let old = "getegid32 geteuid32 getgid32 getresgid32 getresuid32 getuid32 setfsgid32 setfsuid32 clock_gettime64 clock_getres_time64 \
         futex_time64 sigreturn getpgrp pause";
    for (abi, own) in [
        (Abi::X86_64, "alarm getcpu getpgrp getrandom pause time uretprobe"),
        (Abi::X32, "alarm getcpu getpgrp pause time"),
        (Abi::I386, &format!("{old} alarm getcpu sgetmask ssetmask time")),
        (Abi::Aarch64, "getrandom ppoll"),
        (Abi::Arm, old),
    ] {
        let trace = trace(&[("/bin/a", abi, &names(&["read"]))]);
        let added = Additions::read().unwrap().of_trace(&trace);
        let got: BTreeSet<&str> = added.iter().filter_map(|one| one.syscall.name()).collect();
        let expected: BTreeSet<&str> = everywhere.split_whitespace().chain(own.split_whitespace()).collect();
        assert_eq!(got, expected, "{abi}");
        assert!(added.iter().all(|one| one.syscall.abi == abi && !one.follows));
    }
}

/// Few rules stand beside what cannot fail: this is what a plain program gets.
#[test]
fn a_plain_program_gets_few_rules() {
    let ls = [
        "access",
        "arch_prctl",
        "brk",
        "close",
        "execve",
        "exit_group",
        "getdents64",
        "getrandom",
        "ioctl",
        "mmap",
        "mprotect",
        "munmap",
        "newfstatat",
        "openat",
        "pread64",
        "prlimit64",
        "read",
        "rseq",
        "set_robust_list",
        "set_tid_address",
        "statfs",
        "write",
    ];
    let table = Additions::read().unwrap();
    let trace = trace(&[("/usr/bin/ls", Abi::X86_64, &names(&ls))]);
    let of_group = |wanted: &str| {
        let added = table.of_trace(&trace);
        let here = added.iter().filter(|one| table.groups[one.group].name == wanted);
        let names: BTreeSet<&str> = here.filter_map(|one| one.syscall.name()).collect();
        names.into_iter().filter(|name| !ls.contains(name)).collect::<Vec<_>>()
    };
    assert_eq!(of_group("chance"), ["futex"]);
    assert_eq!(of_group("older"), [""; 0]);
    assert_eq!(of_group("kernel").len() + of_group("vdso").len(), 9);
}

#[test]
fn who_starts_others_may_have_to_wait_for_them() {
    let waits = ["clock_nanosleep", "madvise", "nanosleep"];
    assert_eq!(of_one(Abi::X86_64, &["clone"]), waits);
    assert_eq!(of_one(Abi::X86_64, &["clone3"]), [&waits[..1], &["clone"], &waits[1..]].concat());
    assert_eq!(of_one(Abi::X86_64, &["fork", "vfork", "execve"]), [""; 0]);
    assert_eq!(of_one(Abi::X86_64, &["connect"]), [""; 0]);
    assert_eq!(of_one(Abi::X86_64, &["connect", "poll"]), ["getsockopt"]);
    let go = ["clone", "sigaltstack", "rt_sigaction", "sched_getaffinity", "madvise", "nanosleep"];
    assert_eq!(of_one(Abi::X86_64, &go), ["clock_nanosleep", "tgkill"]);
}

#[test]
fn what_two_programs_did_is_no_sign() {
    let (a, b) = (names(&["connect"]), names(&["poll"]));
    assert_eq!(follows(&[("/bin/a", Abi::X86_64, &a), ("/bin/b", Abi::X86_64, &b)]), [].into());
    assert_eq!(follows(&[("", Abi::X86_64, &a), ("", Abi::X86_64, &b)]), [].into(), "which, is not known");
    assert_eq!(follows(&[("/bin/a", Abi::X86_64, &a), ("/bin/a", Abi::I386, &b)]), [].into());
    let both = names(&["connect", "poll"]);
    assert_eq!(follows(&[("/bin/a", Abi::X86_64, &both)]), [(Abi::X86_64, "getsockopt")].into());
    assert_eq!(follows(&[("", Abi::X86_64, &names(&["execveat"]))]), [(Abi::X86_64, "execve")].into());
}

/// The way back goes from the newer call to the older one and never on.
#[test]
fn newer_calls_bring_the_older_ones_in_every_abi() {
    for (abi, newer, older) in [
        (Abi::X86_64, "openat2", &["openat"][..]),
        (Abi::X86_64, "statx", &["fstat", "newfstatat"]),
        (Abi::I386, "statx", &["fstat", "fstat64", "fstatat64"]),
        (Abi::Aarch64, "statx", &["fstat", "newfstatat"]),
        (Abi::X86_64, "faccessat2", &["faccessat"]),
        (Abi::X86_64, "fchmodat2", &["fchmodat"]),
        (Abi::X86_64, "epoll_pwait2", &["epoll_pwait", "epoll_wait"]),
        (Abi::Aarch64, "epoll_pwait2", &["epoll_pwait"]),
        (Abi::Arm, "close_range", &["close"]),
        (Abi::I386, "ppoll_time64", &["poll", "ppoll"]),
        (Abi::X32, "clone3", &["clock_nanosleep", "clone", "madvise", "nanosleep"]),
    ] {
        assert_eq!(of_one(abi, &[newer]), older, "{abi} {newer}");
        for call in older.iter().filter(|call| **call != "clone") {
            assert!(!of_one(abi, &[call]).contains(&newer), "{abi} {call}");
        }
    }
    for abi in [Abi::Arm, Abi::I386] {
        for call in fallback::TIME64.iter().filter(|call| !call.starts_with("futex")) {
            let since = of_one(abi, &[call]);
            let is_baseline = ["clock_getres_time64", "clock_gettime64"].contains(call);
            assert_eq!(since.is_empty(), is_baseline, "{abi} {call} {since:?}");
        }
    }
}

fn decides(policy: &Policy, name: &str, args: [u64; 6]) -> Action {
    policy.calls.decide(&Call { syscall: syscall(Abi::X86_64, name), args })
}

fn of_arguments(calls: &[(&str, [u64; 6])], arguments: AllowedArguments) -> Policy {
    let calls: Vec<Made<'_>> = calls.iter().map(|(name, args)| (*name, Some(*args))).collect();
    let trace = trace(&[("/bin/a", Abi::X86_64, &calls)]);
    synthesize(&trace, &SynthConfig { arguments, ..SynthConfig::default() }).unwrap()
}

/// What was seen, and whether another call runs then.
type Case<'c> = (&'c [(&'c str, [u64; 6])], &'c str, [u64; 6], bool);

/// For each call of which a recording saw one set of arguments: what another run may bring is allowed, and what
/// would be something else is not.
#[test]
fn chance_decides_arguments_and_not_whole_calls() {
    let (yes, no) = (true, false);
    let dontneed = ("madvise", [0, 1, 4, 0, 0, 0]);
    let nothing = ("getpid", [0; 6]);
    let cases: &[Case<'_>] = &[
        (&[nothing, dontneed], "futex", [0, 0x80, 2, 0, 0, 0], yes),
        (&[("futex", [0, 0x81, 1, 0, 0, 0])], "futex", [0, 0x80, 2, 0, 0, 0], yes),
        (&[("futex", [0, 0x80, 1, 0, 0, 0])], "futex", [0, 0x81, 2, 0, 0, 0], yes),
        (&[("futex", [0, 0x80, 1, 0, 0, 0])], "futex", [0, 0x189, 2, 0, 0, 0], yes),
        (&[("futex", [0, 0x80, 1, 0, 0, 0])], "futex", [0, 0x8a, 2, 0, 0, 0], yes),
        (&[("futex", [0, 0x80, 1, 0, 0, 0])], "futex", [0, 0x83, 2, 0, 0, 0], yes),
        (&[("futex", [0, 0x80, 1, 0, 0, 0])], "futex", [0, 0x85, 2, 0, 0, 0], yes),
        (&[("futex", [0, 0x80, 1, 0, 0, 0])], "futex", [0, 0x86, 2, 0, 0, 0], no),
        (&[("futex", [0, 0x80, 1, 0, 0, 0])], "futex", [0, 0x8c, 2, 0, 0, 0], no),
        (&[("futex", [0, 0x86, 1, 0, 0, 0])], "futex", [0, 0x86, 2, 0, 0, 0], yes),
        (&[("wait4", [9, 0, 0, 0, 0, 0])], "wait4", [9, 0, 1, 0, 0, 0], yes),
        (&[("wait4", [9, 0, 0, 0, 0, 0])], "wait4", [9, 0, 11, 0, 0, 0], yes),
        (&[("wait4", [9, 0, 0, 0, 0, 0])], "wait4", [9, 0, 0x8000_0000, 0, 0, 0], no),
        (&[("waitid", [3, 5, 0, 4, 0, 0])], "waitid", [1, 9, 0, 5, 0, 0], yes),
        (&[("waitid", [3, 5, 0, 4, 0, 0])], "wait4", [9, 0, 1, 0, 0, 0], yes),
        (&[("waitid", [1, 5, 0, 4, 0, 0])], "wait4", [9, 0, 1, 0, 0, 0], no),
        (&[("fcntl", [3, 6, 0, 0, 0, 0])], "fcntl", [3, 7, 0, 0, 0, 0], yes),
        (&[("fcntl", [3, 6, 0, 0, 0, 0])], "fcntl", [3, 5, 0, 0, 0, 0], yes),
        (&[("fcntl", [3, 6, 0, 0, 0, 0])], "fcntl", [3, 38, 0, 0, 0, 0], no),
        (&[("fcntl", [3, 37, 0, 0, 0, 0])], "fcntl", [3, 38, 0, 0, 0, 0], yes),
        (&[("fcntl", [3, 1, 0, 0, 0, 0])], "fcntl", [3, 6, 0, 0, 0, 0], no),
        (&[("fcntl", [3, 6, 0, 0, 0, 0])], "fcntl", [3, 4, 0x800, 0, 0, 0], no),
        (&[("flock", [3, 6, 0, 0, 0, 0])], "flock", [3, 2, 0, 0, 0, 0], yes),
        (&[("epoll_ctl", [3, 1, 0, 0, 0, 0])], "epoll_ctl", [3, 3, 0, 0, 0, 0], yes),
        (&[("shutdown", [3, 1, 0, 0, 0, 0])], "shutdown", [3, 2, 0, 0, 0, 0], yes),
        (&[dontneed], "madvise", [0, 1, 8, 0, 0, 0], yes),
        (&[dontneed], "madvise", [0, 1, 15, 0, 0, 0], yes),
        (&[dontneed], "madvise", [0, 1, 9, 0, 0, 0], no),
        (&[dontneed], "madvise", [0, 1, 100, 0, 0, 0], no),
        (&[dontneed, ("clone", [0x3d_0f00, 0, 0, 0, 0, 0])], "madvise", [0, 1, 4, 0, 0, 0], yes),
        // The memory of threads' allocators, and nothing that is executed.
        (&[("mmap", [0, 1, 1, 2, 3, 0])], "mmap", [0, 1, 0, 0x4022, u64::MAX, 0], yes),
        (&[("mmap", [0, 1, 1, 2, 3, 0])], "mmap", [0, 1, 3, 0x20022, u64::MAX, 0], yes),
        (&[("mmap", [0, 1, 1, 2, 3, 0])], "mmap", [0, 1, 7, 0x22, u64::MAX, 0], no),
        (&[("mmap", [0, 1, 1, 2, 3, 0])], "mmap", [0, 1, 3, 0x21, u64::MAX, 0], no),
        (&[("mprotect", [0, 1, 1, 0, 0, 0])], "mprotect", [0, 1, 3, 0, 0, 0], yes),
        (&[("mprotect", [0, 1, 1, 0, 0, 0])], "mprotect", [0, 1, 5, 0, 0, 0], no),
        (&[("clock_nanosleep", [1, 1, 0, 0, 0, 0])], "clock_nanosleep", [0, 0, 0, 0, 0, 0], yes),
        (&[("clock_gettime", [1, 0, 0, 0, 0, 0])], "clock_gettime", [7, 0, 0, 0, 0, 0], yes),
        (&[("clock_gettime", [1, 0, 0, 0, 0, 0])], "clock_gettime", [0xffff_fff6, 0, 0, 0, 0, 0], no),
        (
            &[("clock_gettime", [0xffff_fff6, 0, 0, 0, 0, 0])],
            "clock_gettime",
            [0xffff_fff6, 0, 0, 0, 0, 0],
            yes,
        ),
        (&[("getrandom", [0, 1, 1, 0, 0, 0])], "getrandom", [0, 1, 0, 0, 0, 0], yes),
        (&[("getrandom", [0, 1, 1, 0, 0, 0])], "getrandom", [0, 1, 8, 0, 0, 0], no),
        (&[("clone3", [0; 6]), dontneed], "clone", [0x11, 0, 0, 0, 0, 0], yes),
        (&[("clone3", [0; 6]), dontneed], "clone", [0x1000_0011, 0, 0, 0, 0, 0], no),
        (&[("openat2", [0; 6]), ("openat", [0; 6])], "openat", [0, 0, 0x241, 0o4755, 0, 0], yes),
        (&[dontneed], "personality", [0xffff_ffff, 0, 0, 0, 0, 0], yes),
        (&[dontneed], "getpgid", [0; 6], yes),
    ];
    for (seen, name, args, expected) in cases {
        let policy = of_arguments(seen, AllowedArguments::Observed);
        let runs = decides(&policy, name, *args) == Action::Allow;
        assert_eq!(runs, *expected, "{seen:x?}, then {name}({args:x?})");
        // Without rules about arguments all of that is allowed as a whole.
        let whole = of_arguments(seen, AllowedArguments::Any);
        let is_call = seen.iter().any(|(seen, _)| seen == name);
        assert!(!is_call || decides(&whole, name, *args) == Action::Allow, "{name}");
    }
}

#[test]
fn what_would_give_something_away_is_told_apart_in_every_policy() {
    for arguments in [AllowedArguments::Any, AllowedArguments::Observed] {
        let policy = of_arguments(&[("madvise", [0, 1, 4, 0, 0, 0])], arguments);
        let asking = u64::from(u32::MAX);
        for (name, yes, no) in [
            ("getpgid", 0, 1),
            ("getsid", 0, 1),
            ("personality", asking, 0x0040_0000),
            // The id of root, and the same as others: nobody becomes them by it.
            ("setfsuid", asking, 0),
            ("setfsgid", asking, 0),
            ("setfsgid", asking, 1000),
        ] {
            assert_eq!(decides(&policy, name, [yes, 0, 0, 0, 0, 0]), Action::Allow, "{name}");
            assert_eq!(decides(&policy, name, [no, 0, 0, 0, 0, 0]), Action::Errno(1), "{name}");
        }
        // It cannot fail either, and is the whole machine's.
        assert_eq!(decides(&policy, "sync", [0; 6]), Action::Errno(1));
        // What was observed is not narrowed by it.
        let seen = of_arguments(&[("getpgid", [7; 6]), ("madvise", [0, 1, 4, 0, 0, 0])], arguments);
        assert_eq!(decides(&seen, "getpgid", [9; 6]), Action::Allow);
    }
}

#[test]
fn rules_that_say_the_same_are_one() {
    let seen = [("futex", [0, 0x80, 1, 0, 0, 0]), ("futex", [0, 0x81, 1, 0, 0, 0])];
    let policy = of_arguments(&seen, AllowedArguments::Observed);
    let rules = &policy.calls.rules[&syscall(Abi::X86_64, "futex")];
    assert_eq!(rules.len(), 5);
    let observed = |reason: &Reason| match reason {
        Reason::Observed { count, runs, .. } => Some((*count, *runs)),
        _ => None,
    };
    let counts: Vec<_> = rules.iter().map(|rule| rule.reasons.iter().find_map(observed)).collect();
    assert_eq!(counts, [Some((2, 2)), None, None, None, None]);
    assert_eq!(rules[0].reasons.len(), 2, "it was seen, and is needed: {:?}", rules[0]);
    let all = &policy.calls.rules[&syscall(Abi::X86_64, "clock_gettime")];
    assert_eq!(all.len(), 1);
}

fn rule(action: Action, conditions: &[Condition], reason: Reason) -> Rule {
    Rule { conditions: conditions.to_vec(), action, reasons: BTreeSet::from([reason]) }
}

#[test]
fn a_policy_is_completed_by_what_it_allows() {
    let table = Additions::read().unwrap();
    let decided = || Reason::ByHand("seen".to_owned());
    let mut policy = starting_point(Abi::X86_64);
    table.complete(&mut policy, AllowedArguments::Any);
    let start = policy.clone();
    assert_eq!(decides(&policy, "futex", [0, 0, 0, 0, 0, 0]), Action::Allow);
    assert_eq!(decides(&policy, "clone", [0; 6]), Action::Errno(1));
    table.complete(&mut policy, AllowedArguments::Any);
    assert_eq!(policy, start, "it is complete already");

    policy.calls.rules.insert(syscall(Abi::X86_64, "clone3"), vec![rule(Action::Allow, &[], decided())]);
    table.complete(&mut policy, AllowedArguments::Any);
    let new: BTreeSet<&str> = policy
        .calls
        .allowed()
        .filter(|call| !start.calls.rules.contains_key(call))
        .filter_map(Syscall::name)
        .collect();
    assert_eq!(new, ["clock_nanosleep", "clone", "clone3", "madvise", "nanosleep"].into());
    // The same as of a recording, and in the same words.
    let of_trace = synthesize(
        &trace(&[("/bin/a", Abi::X86_64, &names(&["execve", "clone3"]))]),
        &SynthConfig::default(),
    )
    .unwrap();
    let of_trace_allows: BTreeSet<Syscall> = of_trace.calls.allowed().collect();
    assert_eq!(policy.calls.allowed().collect::<BTreeSet<_>>(), of_trace_allows);
    let madvise = syscall(Abi::X86_64, "madvise");
    assert_eq!(policy.calls.rules[&madvise], of_trace.calls.rules[&madvise]);
}

#[test]
fn what_somebody_refused_stays_refused() {
    let table = Additions::read().unwrap();
    let by_hand = || Reason::ByHand("no".to_owned());
    let mut policy = starting_point(Abi::X86_64);
    let first = Condition { index: 1, width: Width::Bits32, comparison: Comparison::Equal(9) };
    let call = |name| syscall(Abi::X86_64, name);
    let absent = rule(Action::Errno(38), &[], Reason::Fallback("another way".to_owned()));
    policy.calls.rules.extend([
        (call("getpid"), vec![rule(Action::Errno(1), &[], by_hand())]),
        (call("futex"), vec![rule(Action::Errno(5), &[first], by_hand())]),
        (call("mmap"), vec![rule(Action::Allow, &[first], by_hand())]),
        (call("clone3"), vec![rule(Action::Allow, &[], by_hand())]),
        (call("clone"), vec![absent.clone()]),
        (call("getpgid"), vec![absent.clone()]),
    ]);
    table.complete(&mut policy, AllowedArguments::Any);
    for (name, args, action) in [
        ("getpid", [0; 6], Action::Errno(1)),
        ("futex", [0, 9, 0, 0, 0, 0], Action::Errno(5)),
        ("futex", [0, 6, 0, 0, 0, 0], Action::Allow),
        // Who tells arguments apart gets no whole call.
        ("mmap", [0, 0, 3, 0x22, 0, 0], Action::Allow),
        ("mmap", [0, 0, 7, 0x22, 0, 0], Action::Errno(1)),
        ("clone", [0; 6], Action::Allow),
        ("getpgid", [0; 6], Action::Allow),
        ("getpgid", [1, 0, 0, 0, 0, 0], Action::Errno(38)),
    ] {
        assert_eq!(decides(&policy, name, args), action, "{name} {args:x?}");
    }
}

#[test]
fn what_was_added_brings_nothing_by_itself() {
    let mut policy = starting_point(Abi::X86_64);
    let launcher = Reason::Runtime { runtime: "runc".to_owned(), why: "a test".to_owned() };
    policy.calls.rules.insert(syscall(Abi::X86_64, "clone3"), vec![rule(Action::Allow, &[], launcher)]);
    Additions::read().unwrap().complete(&mut policy, AllowedArguments::Any);
    assert_eq!(decides(&policy, "clone", [0; 6]), Action::Errno(1));
}

#[test]
fn narrower_conditions_imply_wider_ones() {
    let at = |index, width, comparison| Condition { index, width, comparison };
    let (narrow, wide) = (Width::Bits32, Width::Bits64);
    let masked = |mask, value| Comparison::MaskedEqual { mask, value };
    for (this, that, expected) in [
        (at(0, narrow, Comparison::Equal(1)), at(0, narrow, masked(0xfe, 0)), true),
        (at(0, narrow, masked(0x7f, 1)), at(0, narrow, masked(0x7e, 0)), true),
        (at(0, narrow, masked(0x7e, 0)), at(0, narrow, masked(0x7f, 0)), false),
        (at(0, narrow, masked(0x7f, 4)), at(0, narrow, masked(0x7e, 0)), false),
        (at(0, narrow, masked(0x7f, 0)), at(1, narrow, masked(0x7f, 0)), false),
        (at(0, wide, masked(0x7f, 0)), at(0, narrow, masked(0x7f, 0)), false),
        (at(0, narrow, Comparison::Less(3)), at(0, narrow, Comparison::Less(3)), true),
        (at(0, narrow, Comparison::Less(3)), at(0, narrow, Comparison::Less(4)), false),
    ] {
        assert_eq!(implies(&[this], &[that]), expected, "{this:?} {that:?}");
    }
    assert!(implies(&[at(0, narrow, Comparison::Equal(1))], &[]));
    assert!(!implies(&[], &[at(0, narrow, Comparison::Equal(1))]));
}

#[test]
fn reasons_are_sentences_and_every_line_has_its_price() {
    for line in table::TABLE.lines().filter(|line| line.matches('\t').count() == 6) {
        let fields: Vec<&str> = line.split('\t').collect();
        for field in &fields[5..] {
            assert!(!field.ends_with('.') && field.len() > 3, "{line}");
            let first = field.split(' ').next().unwrap();
            let is_name = ["Linux", "glibc", "Go"].contains(&first);
            assert!(is_name || first.starts_with(|c: char| c.is_lowercase()), "{line}");
        }
    }
}

#[test]
fn every_name_in_the_table_means_something() {
    let checked = table::parse_and_check(table::TABLE);
    assert!(checked.is_ok(), "{checked:?}");
    assert_eq!(checked, table::parse(table::TABLE));
}

#[test]
fn a_broken_line_is_told_and_not_skipped() {
    let faults =
        |text: &str| table::parse_and_check(text).map(|_| ()).map_err(|fault| (fault.line, fault.problem));
    let with = |line: &str| faults(&format!("# a table\ng\tthat test\tnothing\n{line}\n"));
    assert_eq!(with("g\t*\t-\tfutex\tany\tbecause\tnothing"), Ok(()));
    for (line, problem) in [
        ("g\t*\t-\tfutex\tany\tbecause", "6 columns instead of 7, or 3 for a group"),
        ("h\t*\t-\tfutex\tany\tbecause\tnothing", "there is no group `h`"),
        ("g\t*\t-\tfutexx\tany\tbecause\tnothing", "there is no call `futexx`"),
        ("g\taarch64\t-\tpause\tany\tbecause\tnothing", "there is no call `pause`"),
        ("g\tx86\t-\tpause\tany\tbecause\tnothing", "there is no ABI `x86`"),
        ("g\t*\tclone,cloned\tfutex\tany\tbecause\tnothing", "there is no call `cloned`"),
        ("g\t*\tfcntl(arg1.u32 == 1\tfutex\tany\tbecause\tnothing", "`fcntl(arg1.u32 == 1` has no end"),
        ("g\t*\t-\tfutex\targ1 == 1\tbecause\tnothing", "aarch64 futex: say how much"),
        ("g\t*\t-\tfutex\targ1.u32 == FUTEX_WIAT\tbecause\tnothing", "aarch64 futex: "),
        (
            "g\t*\t-\tfutex\targ1.u32 == 1 and arg1.u32 != 2\tbecause\tnothing",
            "futex: an argument is compared twice",
        ),
        ("g\t*\t-\tfutex \tany\tbecause\tnothing", "`futex ` is empty or has blanks around it"),
        ("g\tthat test again\tnothing", "the group `g` is there twice"),
    ] {
        let Err((at, text)) = with(line) else { panic!("{line}") };
        assert!(at == 3 && text.starts_with(problem), "{line}: {at} {text}");
    }
    let twice = "g\t*\t-\tfutex\tany\tbecause\tnothing\ng\t*\t-\tfutex\tany\tagain\tnothing";
    assert_eq!(with(twice), Err((4, "`futex` is there twice".to_owned())));
}
