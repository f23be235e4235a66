//! Traces for the commands that read them.

use std::sync::Arc;

use sandprint_model::arguments::Selecting;
use sandprint_model::{
    Abi, Arch, ArgumentsSeen, ByteString, CallSeen, Exit, Host, Image, Recorder, Run, RunId, Subject,
    Syscall, Trace,
};

/// A trace of one run of one program: `calls` are numbers of x86-64 with their counts.
pub(crate) fn trace(run: u128, name: &str, calls: &[(u32, u64)]) -> Trace {
    let id = RunId::from_bits(run);
    let mut trace = Trace::default();
    trace.runs.insert(
        id,
        Run {
            duration_ms: Some(12),
            exit: Some(Exit::Code(0)),
            name: Some(name.to_owned()),
            command: vec![ByteString::from("/bin/app"), ByteString::from(name)],
            target: None,
            recorder: Recorder::Ebpf,
            started_unix_ms: Some(1_700_000_000_000),
            host: Some(Host { kernel: "6.1.0-50-amd64".to_owned(), arch: Arch::X86_64 }),
            tool_version: "0.1.0".to_owned(),
            facts: std::collections::BTreeSet::new(),
            peaks: std::collections::BTreeMap::new(),
        },
    );
    let image = Arc::new(Image { path: "/bin/app".into(), build_id: None, script: None });
    for (nr, count) in calls {
        let syscall = Syscall { abi: Abi::X86_64, nr: *nr };
        trace.calls.join(Subject::of(&image), syscall, id, CallSeen::times(*count));
    }
    trace
}

/// A trace of one run whose recorder kept arguments: sockets, files, and an ioctl with too many commands.
pub(crate) fn trace_with_arguments(run: u128) -> Trace {
    let mut trace = trace(run, "told apart", &[(0, 300), (16, 70), (41, 4), (257, 7)]);
    let called: Vec<_> =
        trace.calls.iter().map(|(subject, syscall, _)| (subject.clone(), *syscall)).collect();
    for (subject, syscall) in called {
        let values: &[([u64; 6], u64)] = match syscall.name() {
            Some("ioctl") => &[],
            Some("socket") => &[([1, 0x80001, 0, 0, 0, 0], 3), ([2, 2, 17, 0, 0, 0], 1)],
            Some("openat") => &[([3, 4, 0x80000, 9, 0, 0], 6), ([3, 4, 0x241, 0o600, 0, 0], 1)],
            _ => continue,
        };
        let selecting = Selecting::of(syscall).unwrap();
        let mut values = values.iter().map(|(args, count)| (selecting.values(args), *count));
        let mut known = values.next().map(|(value, count)| ArgumentsSeen::new(value, count));
        values.for_each(|(value, count)| known.as_mut().unwrap().add(value, count));
        let arguments = Some(known.unwrap_or_else(ArgumentsSeen::too_many));
        let seen = CallSeen { arguments, ..CallSeen::default() };
        trace.calls.add(subject, syscall, RunId::from_bits(run), seen);
    }
    trace
}
