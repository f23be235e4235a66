//! Traces and policies that the tests share.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use sandprint_model::{
    Abi, Action, ByteString, Call, CallRules, CallSeen, Comparison, Condition, Date, Host, Image, Note,
    Policy, Reason, Recorder, Rule, Run, RunId, Subject, Syscall, Trace, Width,
};
use sandprint_policy::synth::{SynthConfig, synthesize};

pub mod grid;
pub mod losses;
pub mod native;

/// What `ls /tmp` does on a glibc system, with its counts.
pub const LS: &[(&str, u64)] = &[
    ("mmap", 36),
    ("openat", 35),
    ("close", 26),
    ("newfstatat", 23),
    ("write", 19),
    ("execve", 1),
    ("read", 9),
    ("mprotect", 6),
    ("prctl", 6),
    ("brk", 5),
    ("getdents64", 5),
    ("statx", 2),
    ("pread64", 2),
    ("munmap", 3),
    ("ioctl", 2),
    ("faccessat", 3),
    ("prlimit64", 1),
    ("getrandom", 1),
    ("set_tid_address", 1),
    ("set_robust_list", 1),
    ("rseq", 1),
    ("futex", 1),
    ("statfs", 2),
    ("exit_group", 1),
];

/// A call that must exist.
pub fn call(abi: Abi, name: &str) -> Syscall {
    Syscall::from_name(abi, name).unwrap_or_else(|| panic!("no {name} in {abi}"))
}

/// A trace of one run on one kernel.
pub fn trace(abi: Abi, kernel: &str, run: u128, image: &[u8], calls: &[(Syscall, u64)]) -> Trace {
    let id = RunId::from_bits(run);
    let mut trace = Trace::default();
    trace.runs.insert(
        id,
        Run {
            duration_ms: Some(12),
            exit: Some(sandprint_model::Exit::Code(0)),
            name: None,
            command: vec![ByteString::from("ls"), ByteString::from("/tmp")],
            target: None,
            recorder: Recorder::Ebpf,
            started_unix_ms: Some(1_760_000_000_000),
            host: Some(Host { kernel: kernel.to_owned(), arch: abi.arch() }),
            tool_version: "0.1.0".to_owned(),
            facts: BTreeSet::new(),
            peaks: std::collections::BTreeMap::new(),
        },
    );
    let image = Arc::new(Image { path: ByteString::new(image), build_id: None, script: None });
    for (syscall, count) in calls {
        trace.calls.join(Subject::of(&image), *syscall, id, CallSeen::times(*count));
    }
    trace
}

/// `ls /tmp`, recorded on Linux 6.1, as far as the ABI has its calls.
pub fn ls(abi: Abi) -> Trace {
    let here = LS.iter().filter_map(|(name, count)| Some((Syscall::from_name(abi, name)?, *count)));
    let calls: Vec<_> = here.collect();
    trace(abi, "6.1.0-50-cloud-amd64", 1, b"/usr/bin/ls", &calls)
}

/// The policy of a trace, as `generate` makes it without options.
pub fn policy(trace: &Trace) -> Policy {
    synthesize(trace, &SynthConfig::default()).unwrap()
}

/// A policy that allows these calls with any arguments, and nothing else.
pub fn allowing(calls: &[Syscall]) -> Policy {
    let rule = |_: &Syscall| Rule {
        conditions: Vec::new(),
        action: Action::Allow,
        reasons: BTreeSet::from([Reason::ByHand("a test".to_owned())]),
    };
    Policy {
        kernel: None,
        calls: CallRules {
            default_action: Action::Errno(1),
            foreign_action: Action::KillProcess,
            rules: calls.iter().map(|call| (*call, vec![rule(call)])).collect(),
        },
        notes: BTreeSet::new(),
    }
}

/// Calls that are interesting for one format or another, in every ABI that has them.
const NAMES: &[&str] = &[
    "read",
    "openat",
    "clone3",
    "socket",
    "socketcall",
    "semget",
    "ipc",
    "mmap",
    "mmap2",
    "exit_group",
    "pause",
    "getpid",
    "execve",
    "uretprobe",
    "mseal",
    "fchmodat2",
    "futex_time64",
    "ioctl",
];

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => Just(Action::Allow),
        2 => Just(Action::Errno(1)),
        2 => Just(Action::Errno(38)),
        1 => select(&[
            Action::Log,
            Action::Errno(0),
            Action::Errno(97),
            Action::Trace(7),
            Action::Notify,
            Action::Trap,
            Action::KillThread,
            Action::KillProcess,
        ][..]),
    ]
}

fn any_condition() -> impl Strategy<Value = Condition> {
    let value = prop_oneof![
        6 => 0..3u64,
        1 => (0..3u64).prop_map(|near| 0xffff_fffe + near),
        1 => (0..2u64).prop_map(|near| u64::MAX - near),
        1 => any::<u64>(),
    ];
    let mask = prop_oneof![
        4 => Just(6u64),
        2 => select(&[0, 1, 0x7e02_0000, 0xffff_ffff, 0xffff_ffff_0000_0000, u64::MAX][..]),
        1 => any::<u64>(),
    ];
    let comparison =
        (value, mask, any::<bool>(), 0..11u8).prop_map(|(value, mask, inside, kind)| match kind {
            0 => Comparison::NotEqual(value),
            1 => Comparison::Less(value),
            2 => Comparison::LessOrEqual(value),
            3 => Comparison::Greater(value),
            4 => Comparison::GreaterOrEqual(value),
            // A value outside its mask never matches.
            5 | 6 => Comparison::MaskedEqual { mask, value: if inside { value & mask } else { value } },
            _ => Comparison::Equal(value),
        });
    (prop_oneof![4 => 0..2u8, 1 => 2..6u8], select(&[Width::Bits32, Width::Bits64][..]), comparison)
        .prop_map(|(index, width, comparison)| Condition { index, width, comparison })
}

fn any_reason() -> impl Strategy<Value = Reason> {
    let path =
        prop_oneof![any::<String>().prop_map(String::into_bytes), vec(any::<u8>(), 0..12), hostile_path()];
    let image = (path.clone(), proptest::option::of(path)).prop_map(|(path, script)| {
        let script = script.map(ByteString::new);
        Arc::new(Image { path: ByteString::new(path), build_id: None, script })
    });
    prop_oneof![
        (any::<u64>(), 1..3usize, vec(image, 0..4)).prop_map(|(count, runs, images)| Reason::Observed {
            count,
            runs,
            images
        }),
        any::<String>().prop_map(Reason::ByHand),
        (any::<String>(), any::<u32>(), any::<String>()).prop_map(|(words, ms, by)| Reason::Decided {
            words,
            on: Date::from_unix_ms(u64::from(ms)),
            by,
        }),
        any::<String>().prop_map(Reason::Imported),
        any::<String>().prop_map(Reason::Baseline),
        any::<[String; 2]>().prop_map(|[runtime, why]| Reason::Runtime { runtime, why }),
    ]
}

/// What ends one kind of quotes or another.
fn hostile_path() -> impl Strategy<Value = Vec<u8>> {
    let part = select(
        &["*/", "/*", "`", "|", "<b>", "&lt;", "\n", "\\", "??/", "\"", "#", "\u{202e}", "|x|\n|"][..],
    );
    vec(part, 1..4).prop_map(|parts| parts.concat().into_bytes())
}

fn any_rule(conditions: std::ops::Range<usize>) -> impl Strategy<Value = Rule> {
    (vec(any_condition(), conditions), any_action(), any_reason()).prop_map(|(conditions, action, reason)| {
        Rule { conditions, action, reasons: BTreeSet::from([reason]) }
    })
}

/// Policies with every ABI, action and kind of condition, numbers without names, and hostile texts.
pub fn any_policy() -> impl Strategy<Value = Policy> {
    let abi = select(&[Abi::X86_64, Abi::X86_64, Abi::I386, Abi::X32, Abi::Aarch64, Abi::Arm][..]);
    let named = (abi.clone(), select(NAMES))
        .prop_filter_map("not in this ABI", |(abi, name)| Syscall::from_name(abi, name));
    let numbered = (abi, select(&[5000, u32::MAX][..])).prop_map(|(abi, nr)| Syscall { abi, nr });
    let syscall = prop_oneof![9 => named, 1 => numbered];
    let rules = prop_oneof![3 => vec(any_rule(0..1), 1..2), 1 => vec(any_rule(0..4), 1..5)];
    let default = prop_oneof![6 => Just(Action::Errno(1)), 1 => any_action()];
    let foreign = prop_oneof![3 => Just(Action::KillProcess), 1 => any_action()];
    (btree_map(syscall, rules, 1..24), default, foreign, any::<String>()).prop_map(
        |(rules, default_action, foreign_action, note)| Policy {
            kernel: None,
            calls: CallRules { default_action, foreign_action, rules },
            notes: BTreeSet::from([Note::Words(note)]),
        },
    )
}

/// Calls that could tell a profile from its policy: every interesting name and number, and arguments near
/// those that [`any_policy`] compares with.
pub fn telling_calls(policy: &Policy, args: [u64; 6]) -> impl Iterator<Item = Call> {
    let named = Abi::ALL
        .into_iter()
        .flat_map(|abi| NAMES.iter().filter_map(move |name| Syscall::from_name(abi, name)));
    let calls: BTreeSet<Syscall> = named.chain(policy.calls.rules.keys().copied()).collect();
    calls.into_iter().flat_map(move |syscall| {
        let near = (0..16u64).map(|n| [n / 4, n % 4, 0, 0, 0, 0]);
        let far = (0..4u64).map(|n| [n | 1 << 40, n ^ 1, 0, 0, 0, 0]);
        let is_32_bit = matches!(syscall.abi, Abi::Arm | Abi::I386);
        near.chain(far).chain([args]).map(move |args| Call {
            syscall,
            // A 32-bit register holds no more.
            args: if is_32_bit { args.map(|arg| arg & 0xffff_ffff) } else { args },
        })
    })
}
