//! The tables of facts beside calls: how they are written, and what of them is refused.

use super::*;
use crate::{
    Address, Capability, Doubt, Failures, Family, FileSeen, Meaning, Memory, MemoryKind, Name, Operation,
    Outcomes, Peak, Right, Rights, Socket, SocketType,
};

/// A trace with a row in every table of facts, which has every field.
fn sample() -> Trace {
    let run = RunId::from_bits(0xa1);
    let subject = Subject { image: image_of("/usr/bin/ls"), scope: Some("serve".into()) };
    let call = |nr| Syscall { abi: Abi::X86_64, nr };
    let rights = |rights: &[Right]| -> Rights { rights.iter().copied().collect() };
    let mut trace = Trace::default();
    trace.runs.insert(
        run,
        Run {
            duration_ms: None,
            exit: None,
            name: None,
            command: Vec::new(),
            target: Some("pid 7".to_owned()),
            recorder: Recorder::Ebpf,
            started_unix_ms: None,
            host: None,
            tool_version: "0.1.0".to_owned(),
            facts: BTreeSet::from([FactKind::Files, FactKind::Peaks]),
            peaks: Peak::ALL.into_iter().zip([20, 1 << 40, 3, 4]).collect(),
        },
    );
    trace.calls.add(subject.clone(), call(100_000), run, CallSeen::times(9));
    trace.results.add(subject.clone(), (call(100_000), Errno(2)), run, Count(3));
    trace.refused.add(subject.clone(), (call(100_000), Errno(1)), run, Count(2));
    let seen = FileSeen {
        succeeded: rights(&[Right::Read, Right::MapExec]),
        failed: Failures::from([(Errno(13), rights(&[Right::Write])), (Errno(524), rights(&[Right::Ioctl]))]),
        tried: rights(&[Right::Metadata]),
        written: Some("../a\n".into()),
        by_kernel: true,
        doubts: [Doubt::Unlinked, Doubt::Cut].into_iter().collect(),
    };
    trace.files.add(subject.clone(), "/tmp/a\n".into(), run, seen);
    let tried = FileSeen { tried: rights(&[Right::List]), ..FileSeen::default() };
    trace.files.add(subject.clone(), "/tmp".into(), run, tried);
    let socket = Socket {
        family: Family(2),
        kind: SocketType(1),
        protocol: 6,
        operation: Operation::Connect,
        address: Address::parse("127.0.0.1:80").unwrap(),
    };
    let both = Outcomes { succeeded: true, failed: true };
    trace.sockets.add(subject.clone(), socket.clone(), run, both);
    let bare = Socket { operation: Operation::Socket, address: Address::None, ..socket };
    trace.sockets.add(subject.clone(), bare, run, Outcomes::default());
    for (name, source, address) in
        [("a\n.test", "connect", ":443"), ("b.test", "dns", "2001:db8::1"), ("b.test", "hosts", "127.0.0.1")]
    {
        let meaning = Meaning::parse(source, address).unwrap();
        trace.names.add(subject.clone(), Name { name: name.into(), meaning }, run, ());
    }
    let capability = Capability::parse("CAP_NET_RAW").unwrap();
    trace.capabilities.add(subject.clone(), (capability, Some(call(100_000))), run, Outcomes::FAILED);
    trace.capabilities.add(subject.clone(), (capability, None), run, both);
    let memory = |kind, path: Option<&str>| Memory { kind, path: path.map(Into::into) };
    trace.memory.add(subject.clone(), memory(MemoryKind::MapWriteExec, Some("/tmp")), run, Count(1));
    trace.memory.add(subject.clone(), memory(MemoryKind::ProtectExec, None), run, Count(u64::MAX));
    trace.namespaces.add(subject.clone(), (call(100_001), 0x1000_0000), run, Count(5));
    trace.uring.add(subject, 22, run, Count(6));
    trace
}

/// The text of [`sample`], pinned like that of the smallest trace.
const SAMPLE: &str = include_str!("../../../tests/data/wire/trace-v1-facts.json");

#[test]
fn the_written_form_of_every_kind_of_fact_is_pinned() {
    let trace = sample();
    let encoded = encode_trace(&trace).replace(env!("CARGO_PKG_VERSION"), "0.1.0");
    assert_eq!(encoded, SAMPLE);
    assert_eq!(decode_trace(SAMPLE.as_bytes()), Ok(trace));
}

#[test]
fn facts_that_cannot_be_are_refused() {
    let peak = r#""threads":4"#;
    let read = r#""rights":"read,map-exec""#;
    for (from, to, path, problem) in [
        (peak, r#""threads":4,"threads":5"#, "runs[0].peaks.threads", ContentProblem::Repeated),
        (r#""tried":"list""#, r#""tried":"""#, "files[0].facts[0]", ContentProblem::NoRights),
        (
            r#""rights":"write""#,
            r#""rights":"""#,
            "files[0].facts[1].failed[0].rights",
            ContentProblem::NoRights,
        ),
        (
            r#""address":":443""#,
            r#""address":"192.0.2.1""#,
            "names[0].facts[0].address",
            ContentProblem::Word { expected: "address", found: "192.0.2.1".to_owned() },
        ),
        (
            r#""source":"dns""#,
            r#""source":"mdns""#,
            "names[0].facts[1].source",
            ContentProblem::Word { expected: "source of names", found: "mdns".to_owned() },
        ),
        (
            read,
            r#""rights":"read,run""#,
            "files[0].facts[1].rights",
            ContentProblem::Word { expected: "list of rights", found: "read,run".to_owned() },
        ),
    ] {
        assert_eq!(SAMPLE.matches(from).count(), 1, "{from}");
        let found = decode_trace(SAMPLE.replace(from, to).as_bytes());
        let path = path.to_owned();
        assert_eq!(found, Err(DecodeError::Content { document: Document::Trace, path, problem }));
    }
}
