//! The table of what was recorded, and the tests that hold policies against it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sandprint_model::arguments::Selecting;
use sandprint_model::errno::ENOSYS;
use sandprint_model::{Abi, Action, ArgumentsSeen, Call, CallSeen, Image, Policy, RunId, Syscall, Trace};
use sandprint_policy::synth::{AllowedArguments, SynthConfig, synthesize};

const TABLE: &str = include_str!("../data/circumstances.tsv");

/// One library, static or dynamic, and what was done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Subject<'t> {
    libc: &'t str,
    linked: &'t str,
    version: &'t str,
    name: &'t str,
}

/// Calls, each with the arguments that select what it does.
type Calls = Vec<Call>;

/// The plain runs, and what each circumstance brought beyond them.
#[derive(Default)]
struct Learned<'t> {
    plain: BTreeMap<Subject<'t>, Calls>,
    beyond: Vec<(Subject<'t>, &'t str, Calls)>,
}

fn learned() -> Learned<'static> {
    let mut learned = Learned::default();
    for line in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [libc, linked, versions, name, circumstances, calls] = fields[..] else { panic!("{line}") };
        let calls: Calls = calls.split(' ').map(call).collect();
        for version in versions.split(',') {
            let subject = Subject { libc, linked, version, name };
            if circumstances == "-" {
                assert!(learned.plain.insert(subject, calls.clone()).is_none(), "{line}");
            } else {
                learned.beyond.push((subject, circumstances, calls.clone()));
            }
        }
    }
    assert!(learned.plain.len() > 300, "only {}", learned.plain.len());
    learned
}

/// `openat(2=0x80000)`: arguments by their places; the others select nothing.
fn call(text: &str) -> Call {
    let (name, arguments) = text.trim_end_matches(')').split_once('(').unwrap_or((text, ""));
    let syscall = Syscall::from_name(Abi::X86_64, name).unwrap_or_else(|| panic!("no {name}"));
    let mut args = [0; 6];
    for argument in arguments.split(',').filter(|argument| !argument.is_empty()) {
        let (place, value) = argument.split_once("=0x").unwrap_or_else(|| panic!("{text}"));
        args[place.parse::<usize>().unwrap()] = u64::from_str_radix(value, 16).unwrap();
    }
    Call { syscall, args }
}

/// The policy that follows from a program that made these calls.
fn policy(calls: &Calls, config: &SynthConfig) -> Policy {
    let mut trace = Trace::default();
    let run = RunId::from_bits(1);
    let image = Arc::new(Image { path: "/probe".into(), build_id: None, script: None });
    for call in calls.iter().chain([&self::call("execve")]) {
        let values = Selecting::of(call.syscall).map(|selecting| selecting.values(&call.args));
        let arguments = values.map(|values| ArgumentsSeen::new(values, 1));
        let seen = CallSeen { arguments, ..CallSeen::times(1) };
        trace.calls.add(sandprint_model::Subject::of(&image), call.syscall, run, seen);
    }
    let policy = synthesize(&trace, config).unwrap();
    // A policy file with a rule twice is not read.
    for (syscall, rules) in &policy.calls.rules {
        let told_apart: BTreeSet<String> =
            rules.iter().map(|rule| format!("{:?}", rule.conditions)).collect();
        assert_eq!(told_apart.len(), rules.len(), "{syscall} {rules:?}");
    }
    policy
}

fn configs(portable: bool) -> [(&'static str, SynthConfig); 2] {
    let plain = SynthConfig { portable, ..SynthConfig::default() };
    let arguments = SynthConfig { arguments: AllowedArguments::Observed, ..plain.clone() };
    [("plain", plain), ("arguments", arguments)]
}

fn words(call: &Call) -> String {
    let selecting = Selecting::of(call.syscall);
    let name = call.syscall.name().unwrap();
    let places: Vec<String> = (0..6)
        .filter(|_| selecting.is_some())
        .filter(|place| call.args[*place] != 0)
        .map(|place| format!("{place}={:#x}", call.args[place]))
        .collect();
    if places.is_empty() { name.to_owned() } else { format!("{name}({})", places.join(",")) }
}

/// What is refused all the same, and why nothing ends differently by it.
struct Refused {
    libc: &'static str,
    linked: &'static str,
    /// By subject.
    names: &'static [&'static str],
    calls: &'static [&'static str],
    why: &'static str,
}

const HUGE: &str = "without it the memory is in small pages, and the program does the same";
const NO_FILES: &str = "a static program that opens no file is given none: it goes on as if what the environment names \
                        were not there";
const NO_MEMORY: &str =
    "a static program that asked for no memory is given none: its language stays as it was";
const NO_CODE: &str = "a static program that loads no code is given none: it goes on without the module";
const NO_LOADER: &str =
    "a loader of musl opens a file only where the environment has it load more, and goes on without";
const SILENT: &str =
    "a program that writes nothing is not given writing, though its loader would say what it misses";
const FAULT: &str =
    "static programs of glibc 2.41 and later end by a fault at their first wide character, and print nothing";
const NAME_SERVICE: &str = "a service that keeps names is asked first; where that fails the files are read";

const STAYS_REFUSED: &[Refused] = &[
    of_glibc("dynamic", &["memory", "processors", "temporary"], &["madvise"], HUGE),
    of_glibc("dynamic", &["memory", "processors", "temporary", "threads"], &["mmap"], HUGE),
    of_glibc("dynamic", &["start", "threads"], &["writev"], SILENT),
    of_glibc("static", &["memory", "processors", "start", "temporary"], &["madvise"], HUGE),
    of_glibc("static", &["memory", "processors", "start", "temporary", "threads"], &["mmap"], HUGE),
    of_glibc("static", &["memory", "start", "threads"], &["close", "openat", "pread64", "read"], NO_FILES),
    of_glibc("static", &["start"], &["munmap"], "memory is kept"),
    of_glibc(
        "static",
        &["message"],
        &[
            "fstat",
            "getdents64",
            "ioctl",
            "mmap",
            "munmap",
            "newfstatat",
            "openat",
            "pread64",
            "read",
            "stat",
        ],
        NO_FILES,
    ),
    of_glibc(
        "static",
        &["wide"],
        &["close", "fstat", "getcwd", "getdents64", "mmap", "munmap", "openat", "pread64", "read"],
        NO_FILES,
    ),
    of_glibc(
        "static",
        &["address", "groups", "host", "language", "older-host", "service", "user"],
        &["mmap"],
        NO_CODE,
    ),
    of_musl("dynamic", &["print", "start", "threads"], &["open"], NO_LOADER),
    of_musl("dynamic", &["convert", "language", "message", "wide"], &["open"], NO_LOADER),
    of_musl("static", &["convert", "language", "message", "wide"], &["open"], NO_FILES),
    of_musl("static", &["convert", "language", "message", "wide"], &["mmap"], NO_MEMORY),
    of_musl("dynamic", &["user"], &["connect", "socket"], NAME_SERVICE),
    of_musl("static", &["user"], &["connect", "socket"], NAME_SERVICE),
];

type Names = &'static [&'static str];

const fn of_glibc(linked: &'static str, names: Names, calls: Names, why: &'static str) -> Refused {
    Refused { libc: "glibc", linked, names, calls, why }
}

const fn of_musl(linked: &'static str, names: Names, calls: Names, why: &'static str) -> Refused {
    Refused { libc: "musl", linked, names, calls, why }
}

/// The same of what another library does under a portable policy: from which, to which.
const STAYS_REFUSED_ELSEWHERE: &[(&str, &str, Names, Names, &str)] = &[
    ("musl", "glibc", &["free", "smash"], &["writev"], SILENT),
    ("musl", "glibc", &["service", "user"], &["connect", "socket"], NAME_SERVICE),
    (
        "glibc",
        "musl",
        &["temporary"],
        &["unlink"],
        "musl gives a temporary file a name, and takes that away again",
    ),
    ("glibc", "glibc", &["wide"], &["write"], FAULT),
    ("glibc", "musl", &["wide"], &["writev"], FAULT),
];

fn stays_refused(libc: &str, linked: &str, name: &str, call: &str) -> bool {
    let by = |one: &Refused| {
        !one.why.is_empty()
            && one.libc == libc
            && one.linked == linked
            && one.names.contains(&name)
            && one.calls.contains(&call)
    };
    STAYS_REFUSED.iter().any(by)
}

/// Whether the call is refused in a way that is not followed by another.
fn is_refused(policy: &Policy, call: &Call) -> bool {
    !matches!(policy.calls.decide(call), Action::Allow | Action::Errno(ENOSYS))
}

#[test]
fn what_circumstances_bring_is_allowed() {
    let learned = learned();
    let mut refused: BTreeMap<(Subject<'_>, &str), BTreeSet<String>> = BTreeMap::new();
    for (subject, calls) in &learned.plain {
        for (_, config) in configs(false) {
            let policy = policy(calls, &config);
            for (_, circumstances, calls) in learned.beyond.iter().filter(|(of, _, _)| of == subject) {
                for call in calls.iter().filter(|call| is_refused(&policy, call)) {
                    let about = Subject { version: "", ..*subject };
                    let name = call.syscall.name().unwrap();
                    let place = format!("{} in {circumstances}", words(call));
                    refused.entry((about, name)).or_default().insert(place);
                }
            }
        }
    }
    let mut unknown = Vec::new();
    for ((about, call), places) in &refused {
        if !stays_refused(about.libc, about.linked, about.name, call) {
            unknown.push(format!("{} {} {}: {call} {places:?}", about.libc, about.linked, about.name));
        }
    }
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
    for one in STAYS_REFUSED {
        for (name, call) in one.names.iter().flat_map(|name| one.calls.iter().map(move |call| (*name, *call)))
        {
            let about = Subject { libc: one.libc, linked: one.linked, version: "", name };
            let is_there = refused.contains_key(&(about, call));
            assert!(is_there, "{} {} {name}: {call} is allowed, or nobody makes it", one.libc, one.linked);
        }
    }
}

#[test]
fn every_library_does_the_same_under_the_portable_policy_of_every_other() {
    let learned = learned();
    let names: BTreeSet<&str> = learned.plain.keys().map(|subject| subject.name).collect();
    let mut refused = BTreeSet::new();
    for name in names {
        let of = || learned.plain.iter().filter(|(subject, _)| subject.name == name);
        for (from, calls) in of() {
            for (_, config) in configs(true) {
                let policy = policy(calls, &config);
                for (to, calls) in of() {
                    let calls = calls.iter().filter(|call| is_refused(&policy, call));
                    refused
                        .extend(calls.map(|call| (from.libc, to.libc, name, call.syscall.name().unwrap())));
                }
            }
        }
    }
    let expected: BTreeSet<(&str, &str, &str, &str)> = STAYS_REFUSED_ELSEWHERE
        .iter()
        .flat_map(|(from, to, names, calls, why)| {
            assert!(!why.is_empty());
            let pairs = names.iter().flat_map(|name| calls.iter().map(move |call| (*name, *call)));
            pairs.map(|(name, call)| (*from, *to, name, call))
        })
        .collect();
    assert_eq!(refused.difference(&expected).collect::<Vec<_>>(), [] as [&(&str, &str, &str, &str); 0]);
    assert_eq!(expected.difference(&refused).collect::<Vec<_>>(), [] as [&(&str, &str, &str, &str); 0]);
}

/// What a policy holds beside what was observed and what cannot fail stays little.
#[test]
fn a_small_program_gets_few_rules() {
    let learned = learned();
    let print = Subject { libc: "glibc", linked: "dynamic", version: "2.36", name: "print" };
    let mut calls = learned.plain[&print].clone();
    calls.extend(["getdents64", "ioctl(1=0x5401)", "ioctl(1=0x5413)", "statfs"].map(call));
    let added = |baseline| {
        let policy = policy(&calls, &SynthConfig { baseline, ..SynthConfig::default() });
        policy.calls.rules.into_keys().filter_map(Syscall::name).collect::<BTreeSet<_>>()
    };
    let (with, without) = (added(true), added(false));
    let infallible = [
        "alarm",
        "getegid",
        "geteuid",
        "getgid",
        "getpgid",
        "getpgrp",
        "getpid",
        "getppid",
        "getresgid",
        "getresuid",
        "getsid",
        "gettid",
        "getuid",
        "pause",
        "personality",
        "rt_sigprocmask",
        "rt_sigsuspend",
        "sched_get_priority_max",
        "sched_get_priority_min",
        "sched_yield",
        "setfsgid",
        "setfsuid",
        "times",
        "umask",
    ];
    let mut rest: Vec<_> =
        with.difference(&without).filter(|name| !infallible.contains(name)).copied().collect();
    rest.sort_unstable();
    let baseline = [
        "clock_getres",
        "clock_gettime",
        "exit",
        "getcpu",
        "gettimeofday",
        "restart_syscall",
        "rt_sigreturn",
    ];
    let beside = ["dup", "fcntl", "futex", "getcwd", "lseek", "tgkill", "time", "uretprobe", "writev"];
    let mut expected = [&baseline[..], &beside[..]].concat();
    expected.sort_unstable();
    assert_eq!(rest, expected);
}
