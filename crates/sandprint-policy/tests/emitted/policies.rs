//! Traces and policies that the tests share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sandprint_model::{
    Abi, Action, ByteString, Fact, Host, Image, Policy, Reason, Recorder, Rule, Run, RunId, Seen, Syscall,
    Trace,
};
use sandprint_policy::synth::{SynthConfig, synthesize};

/// What `ls /tmp` does on a glibc system, with its counts.
pub(crate) const LS: &[(&str, u64)] = &[
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
pub(crate) fn call(abi: Abi, name: &str) -> Syscall {
    Syscall::from_name(abi, name).unwrap_or_else(|| panic!("no {name} in {abi}"))
}

/// A trace of one run on one kernel.
pub(crate) fn trace(abi: Abi, kernel: &str, run: u128, image: &[u8], calls: &[(Syscall, u64)]) -> Trace {
    let id = RunId::from_bits(run);
    let mut trace = Trace::default();
    trace.runs.insert(
        id.clone(),
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
        },
    );
    let image = Arc::new(Image { path: ByteString::new(image), build_id: None, script: None });
    for (syscall, count) in calls {
        let fact = Fact { image: Arc::clone(&image), scope: None, syscall: *syscall };
        trace.observe(fact, &id, Seen { count: *count, first: None });
    }
    trace
}

/// `ls /tmp`, recorded on Linux 6.1, as far as the ABI has its calls.
pub(crate) fn ls(abi: Abi) -> Trace {
    let here = LS.iter().filter_map(|(name, count)| Some((Syscall::from_name(abi, name)?, *count)));
    let calls: Vec<_> = here.collect();
    trace(abi, "6.1.0-50-cloud-amd64", 1, b"/usr/bin/ls", &calls)
}

/// The policy of a trace, as `generate` makes it without options.
pub(crate) fn policy(trace: &Trace) -> Policy {
    synthesize(trace, &SynthConfig::default()).unwrap()
}

/// A policy that allows these calls with any arguments, and nothing else.
pub(crate) fn allowing(calls: &[Syscall]) -> Policy {
    let rule = |_: &Syscall| Rule {
        conditions: Vec::new(),
        action: Action::Allow,
        reasons: BTreeSet::from([Reason::ByHand("a test".to_owned())]),
    };
    Policy {
        kernel: None,
        default_action: Action::Errno(1),
        foreign_action: Action::KillProcess,
        rules: calls.iter().map(|call| (*call, vec![rule(call)])).collect::<BTreeMap<_, _>>(),
        notes: BTreeSet::new(),
    }
}
