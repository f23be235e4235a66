//! Records as the kernel, auditd, ausearch and journald write them.
//!
//! `kernel.log` is what dmesg showed of `programs/logged.c` on kernel 6.18, with a line about suppression that
//! stood near it. `auditd.log` holds the same records as auditd writes them, and more by hand; `ausearch -i`
//! (3.0.9) made `interpreted.log` from it. `journal.log` is by hand, after published journals.

use std::collections::BTreeSet;

use super::*;
use crate::{Abi, Arch, PerRun, Run};

const KERNEL: &[u8] = include_bytes!("../../../tests/data/audit/kernel.log");
const AUDITD: &[u8] = include_bytes!("../../../tests/data/audit/auditd.log");
const INTERPRETED: &[u8] = include_bytes!("../../../tests/data/audit/interpreted.log");
const JOURNAL: &[u8] = include_bytes!("../../../tests/data/audit/journal.log");

fn import(bytes: &[u8]) -> Result<Trace, ImportError> {
    crate::import::import(Source::Audit, bytes, &crate::import::ImportConfig { arch: Arch::X86_64 })
}

/// `program abi:call count` of every fact.
fn facts(trace: &Trace) -> BTreeSet<String> {
    let row = |(subject, syscall, runs): (&Subject, &Syscall, &PerRun<CallSeen>)| {
        let count: u64 = runs.values().map(|seen| seen.count).sum();
        format!("{} {}:{syscall} {count}", subject.image, syscall.abi)
    };
    trace.calls.iter().map(row).collect()
}

fn set(rows: &[&str]) -> BTreeSet<String> {
    rows.iter().map(|row| (*row).to_owned()).collect()
}

fn gaps(trace: &Trace) -> Vec<(GapKind, u64, &str)> {
    trace
        .gaps
        .iter()
        .map(|(gap, count)| (gap.kind, *count, gap.detail.as_deref().unwrap_or_default()))
        .collect()
}

fn only_run(trace: &Trace) -> &Run {
    assert_eq!(trace.runs.len(), 1);
    trace.runs.values().next().unwrap()
}

const SAMPLED: (GapKind, u64, &str) =
    (GapKind::ImportSampled, 0, "an audit log holds only the calls that a filter or a rule logged");

/// What `programs/logged.c` does, and the end of any program.
const LOGGED: [&str; 7] = [
    "/tmp/tmp.oKqlSDhLkN/logged i386:getppid 1",
    "/tmp/tmp.oKqlSDhLkN/logged x32:getpid 1",
    "/tmp/tmp.oKqlSDhLkN/logged x32:syscall_999 1",
    "/tmp/tmp.oKqlSDhLkN/logged x86_64:exit_group 1",
    "/tmp/tmp.oKqlSDhLkN/logged x86_64:getppid 2",
    "/tmp/tmp.oKqlSDhLkN/logged x86_64:syscall_1000 1",
    "/tmp/tmp.oKqlSDhLkN/logged x86_64:syscall_4294967295 1",
];

#[test]
fn the_kernels_own_lines_give_exactly_what_the_program_does() {
    let trace = import(KERNEL).unwrap();
    assert_eq!(facts(&trace), set(&LOGGED));
    assert_eq!(
        gaps(&trace),
        [SAMPLED, (GapKind::ImportSampled, 10730, "records that the kernel suppressed or lost")]
    );
    let run = only_run(&trace);
    assert_eq!((run.started_unix_ms, run.duration_ms), (Some(1_795_299_359_603), Some(0)));
    assert_eq!(run.target.as_deref(), Some("audit records"));
    let first = trace.calls.iter().flat_map(|(_, _, runs)| runs.values()).find_map(|seen| seen.first.clone());
    let comm = ByteString::from("a \"arch=0");
    assert_eq!(first, Some(FirstSeen { after_ns: 0, tgid: 1225, tid: 1225, comm }));
}

/// The programs that `auditd.log` holds besides; a call with two records counts once.
const BESIDES: [&str; 4] = [
    "(unknown image) arm:write 1",
    "/a b\\xff aarch64:newfstatat 1",
    "/usr/bin/ls x86_64:execve 1",
    "/usr/bin/ls x86_64:getdents64 1",
];

#[test]
fn auditd_files_are_read_enriched_or_not() {
    let trace = import(AUDITD).unwrap();
    assert_eq!(facts(&trace), set(&[&LOGGED[..], &BESIDES].concat()));
    assert_eq!(gaps(&trace), [SAMPLED]);
    assert_eq!(only_run(&trace).duration_ms, Some(1149));
    let getdents = Syscall::from_name(Abi::X86_64, "getdents64").unwrap();
    let (_, _, runs) = trace.calls.iter().find(|(_, syscall, _)| **syscall == getdents).unwrap();
    let first = runs.values().next().unwrap().first.clone().unwrap();
    assert_eq!((first.after_ns, first.tgid, first.comm), (1_147_000_000, 1226, "ls".into()));
    let plain: Vec<u8> = AUDITD
        .split(|byte| *byte == b'\n')
        .map(|line| line.split(|byte| *byte == 0x1d).next().unwrap())
        .collect::<Vec<_>>()
        .join(&b'\n');
    assert_eq!(facts(&import(&plain).unwrap()), facts(&trace));
}

#[test]
fn what_ausearch_made_readable_is_read_too() {
    let trace = import(INTERPRETED).unwrap();
    assert_eq!(facts(&trace), set(&[&LOGGED[..], &BESIDES].concat()));
    assert_eq!(gaps(&trace), [SAMPLED]);
    assert_eq!(only_run(&trace).duration_ms, None, "its times are in the words of some country");
}

#[test]
fn journald_writes_records_twice_and_they_count_once() {
    let trace = import(JOURNAL).unwrap();
    assert_eq!(
        facts(&trace),
        set(&["/repro/mount x86_64:mount 2", "/usr/bin/python3.11 x86_64:setpgid 1"])
            .into_iter()
            .map(|fact| fact.replace("setpgid", &Syscall { abi: Abi::X86_64, nr: 105 }.to_string()))
            .collect()
    );
    assert_eq!(
        gaps(&trace),
        [SAMPLED, (GapKind::ImportSampled, 12, "records that the kernel suppressed or lost")]
    );
}

#[test]
fn the_same_lines_twice_count_once() {
    let twice = [AUDITD, AUDITD].concat();
    assert_eq!(facts(&import(&twice).unwrap()), facts(&import(AUDITD).unwrap()));
}

#[test]
fn machines_of_one_log_are_told_apart() {
    let line = |node: &str| {
        format!(
            "node={node} type=SECCOMP msg=audit(1.000:5): pid=1 comm=\"a\" exe=\"/a\" arch=c000003e syscall=1\n"
        )
    };
    let trace = import(format!("{}{}{}", line("a"), line("b"), line("a")).as_bytes()).unwrap();
    assert_eq!(facts(&trace), set(&["/a x86_64:write 2"]));
}

#[test]
fn a_hostile_name_changes_no_field() {
    for (line, expected) in [
        (
            "type=SECCOMP msg=audit(1.000:5): pid=1 comm=\"x arch=c000003e syscall=2\" exe=\"/a syscall=3\" sig=0 arch=c00000b7 syscall=64",
            "/a syscall=3 aarch64:write 1",
        ),
        (
            "type=SECCOMP msg=audit(x:5) : pid=1 comm=x arch=x86_64 syscall=open exe=/b exe=/a sig=SIG0 arch=aarch64 syscall=write compat=0",
            "/a aarch64:write 1",
        ),
        (
            "type=SYSCALL msg=audit(x:5) : arch=aarch64 syscall=write ppid=1 pid=2 comm=x arch=x86_64 syscall=open exe=/a key=(null)",
            "/a aarch64:write 1",
        ),
    ] {
        assert_eq!(facts(&import(line.as_bytes()).unwrap()), set(&[expected]), "{line}");
    }
}

#[test]
fn what_cannot_be_read_is_noted() {
    let log = b"type=SECCOMP msg=audit(1.000:1): pid=1 comm=\"a\" exe=\"/a\" arch=80000016 syscall=1
type=SECCOMP msg=audit(1.000:2): pid=1 comm=\"a\" exe=\"/a\"
type=SECCOMP msg=audit(x:3) : pid=1 comm=a exe=/a sig=0 arch=x86_64 syscall=frobnicate
type=SECCOMP msg=audit(1.000:4): pid=1 comm=\"a exe=\"/a\" arch=c000003e syscall=zero
type=SECCOMP msg=audit(1.000:5): pid=1 comm=\"a\" exe=\"/a\" arch=c000003e syscall=0";
    let trace = import(log).unwrap();
    assert_eq!(facts(&trace), set(&["/a x86_64:read 1"]));
    assert_eq!(
        gaps(&trace),
        [
            (GapKind::ImportIncomplete, 2, "lines that are not understood, the first is line 2"),
            (GapKind::ImportIncomplete, 1, "machines that are not known here: 80000016"),
            (GapKind::ImportIncomplete, 1, "names that are no call: frobnicate"),
            SAMPLED,
        ]
    );
}

#[test]
fn a_file_without_records_of_calls_is_refused() {
    let expected = ImportError::NothingFound { expected: "an audit log about system calls" };
    for text in ["hello", "type=USER_AUTH msg=audit(1.000:1): pid=1 res=success\n", "{\"a\": 1}"] {
        assert_eq!(import(text.as_bytes()), Err(expected.clone()), "{text}");
    }
    let config = crate::import::ImportConfig { arch: Arch::X86_64 };
    for source in Source::ALL {
        assert_eq!(Source::from_name(source.name()), Some(source));
        assert_eq!(crate::import::import(source, b" \n", &config), Err(ImportError::Empty));
    }
}

const RECORD: &str = "audit(1.000:5): auid=0 pid=1 comm=\"a\" exe=\"/a\" sig=0 arch=c000003e syscall=1 compat=0 ip=0x1 code=0x50000";

#[test]
fn records_in_other_wrappings_are_records() {
    let escaped = RECORD.replace('"', "\\\"");
    let fields = RECORD.split_once(' ').unwrap().1;
    let escaped_fields = fields.replace('"', "\\\"");
    let twice =
        format!("{{\"log\":\"type=SECCOMP msg={escaped}\"}}").replace('\\', "\\\\").replace('"', "\\\"");
    for (line, what) in [
        (format!("type=SECCOMP msg={RECORD}"), "auditd"),
        (format!("type=1326 {RECORD}"), "the kernel"),
        (format!("<13>1 2026-01-01T00:00:00Z host audispd 7 - - node=n type=SECCOMP msg={RECORD}"), "syslog"),
        (format!("Jan 01 00:00:00 host audit[1]: SECCOMP {fields}"), "journalctl"),
        (format!("SECCOMP {fields}"), "journalctl -o cat"),
        (format!("AUDIT1326 {fields}"), "an old journald"),
        (format!("audit: type=1326 {RECORD}"), "journalctl -o cat, of the kernel"),
        (format!("    MESSAGE=SECCOMP {fields}"), "journalctl -o verbose"),
        (format!("MESSAGE=audit: type=1326 {RECORD}"), "journalctl -o export"),
        (
            format!(
                "{{\"_TRANSPORT\":\"audit\",\"MESSAGE\":\"SECCOMP {escaped_fields}\",\"_AUDIT_ID\":\"5\"}}"
            ),
            "journalctl -o json",
        ),
        (format!("{{\"MESSAGE\":\"audit: type=1326 {escaped}\"}}"), "journalctl -o json, of the kernel"),
        (format!("        \"MESSAGE\" : \"SECCOMP {escaped_fields}\","), "journalctl -o json-pretty"),
        (
            format!("{{ \"message\": \"type=SECCOMP msg={}\" }}", escaped.replace("=0", "\\u003d0")),
            "other JSON",
        ),
        (format!("{{\"log\":\"{twice}\\n\",\"stream\":\"stdout\"}}"), "JSON in JSON"),
    ] {
        let trace = import(line.as_bytes()).unwrap_or_else(|error| panic!("{what}: {error}: {line}"));
        assert_eq!(facts(&trace), set(&["/a x86_64:write 1"]), "{what}: {line}");
        assert_eq!(gaps(&trace), [SAMPLED], "{what}: {line}");
    }
    // A word in capitals is no record, and what is in quotes in a record is no JSON.
    assert!(import(b"SECCOMP is a feature\nSYSCALL table\n").is_err());
    let odd = "type=SECCOMP msg=audit(1.000:5): pid=1 comm=\"{a\" exe=\"/a\" arch=c000003e syscall=1";
    assert_eq!(facts(&import(odd.as_bytes()).unwrap()), set(&["/a x86_64:write 1"]));
}

/// What auditd's enriched format has is not printable: journald keeps it as bytes.
#[test]
fn a_message_that_journald_writes_as_bytes_is_read() {
    let enriched = format!("type=SECCOMP msg={RECORD}\u{1d}ARCH=x86_64 SYSCALL=write AUID=\"root\"");
    let of_audit = format!("SECCOMP {}\u{1d}ARCH=x86_64", RECORD.split_once(' ').unwrap().1);
    for text in [enriched, of_audit] {
        let joined = |by: &str| text.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(by);
        let in_json = format!("{{\"_PID\":\"7\",\"MESSAGE\":[{}],\"_UID\":\"0\"}}", joined(","));
        let nested = in_json.replace('"', "\\\"");
        let mut exported = b"_PID=7\nMESSAGE\n".to_vec();
        // The length's first byte may be that which ends a line.
        exported.extend(if text.len() % 2 == 0 { &b"\x0a\x01"[..] } else { b"\x82\x00" });
        exported.extend([0; 6]);
        exported.extend(text.bytes());
        for (log, what) in [
            (in_json.clone().into_bytes(), "journalctl -o json"),
            (format!("{{ \"MESSAGE\" : [ {} ] }}", joined(", ")).into_bytes(), "journalctl -o json of old"),
            (
                format!("{{\"MESSAGE\":[[{}],[104,105]]}}", joined(",")).into_bytes(),
                "a field that is there twice",
            ),
            (
                format!("{{\n\t\"MESSAGE\" : [\n\t\t{}\n\t],\n\t\"A\" : \"b\"\n}}\n", joined(",\n\t\t"))
                    .into_bytes(),
                "journalctl -o json-pretty",
            ),
            (format!("{{\"log\":\"{nested}\\n\"}}").into_bytes(), "JSON in JSON"),
            (exported, "journalctl -o export"),
        ] {
            let shown = String::from_utf8_lossy(&log);
            let trace = import(&log).unwrap_or_else(|error| panic!("{what}: {error}: {shown}"));
            assert_eq!(facts(&trace), set(&["/a x86_64:write 1"]), "{what}: {shown}");
            assert_eq!(gaps(&trace), [SAMPLED], "{what}: {shown}");
        }
    }
    // An array that breaks off, or holds something else, hides no line behind it.
    let behind = format!("{{\"a\":[1,\"b\"]}}\n\"A\" : [\n1,\n300,\ntype=SECCOMP msg={RECORD}\n");
    assert_eq!(facts(&import(behind.as_bytes()).unwrap()), set(&["/a x86_64:write 1"]));
}

#[test]
fn readable_records_need_not_name_the_executable() {
    for (line, expected) in [
        (
            "type=SECCOMP msg=audit(x:5) : auid=unset pid=7 comm=a b sig=SIG0 arch=x86_64 syscall=write compat=0",
            "(unknown image) x86_64:write 1",
        ),
        (
            "type=SYSCALL msg=audit(x:6) : arch=x86_64 syscall=write success=no ppid=1 pid=7 comm=a b key=(null)",
            "(unknown image) x86_64:write 1",
        ),
        (
            "type=SYSCALL msg=audit(x:7) : arch=x86_64 syscall=write success=no ppid=1 pid=7 comm=a",
            "(unknown image) x86_64:write 1",
        ),
    ] {
        let trace = import(line.as_bytes()).unwrap();
        assert_eq!(facts(&trace), set(&[expected]), "{line}");
        assert_eq!(gaps(&trace), [SAMPLED], "{line}");
    }
}

#[test]
fn operations_of_io_uring_are_a_gap_as_in_a_recording() {
    let log = b"type=URINGOP msg=audit(1.000:7): uring_op=18 success=yes exit=5 items=1 ppid=1 pid=2 uid=0\n\
                type=UNKNOWN[1336] msg=audit(1.000:8): uring_op=18 success=yes exit=5 items=1 ppid=1 pid=2 uid=0\n\
                type=URINGOP msg=audit(1.000:7): uring_op=18 success=yes exit=5 items=1 ppid=1 pid=2 uid=0\n\
                type=URINGOP msg=audit(x:9) : uring_op=openat2 success=yes pid=2\n\
                type=URINGOP msg=audit(1.000:10): success=yes pid=2\n";
    let trace = import(log).unwrap();
    assert_eq!(facts(&trace), set(&[]));
    let expected = [
        (GapKind::IoUringOperations, 3, "operations 18, openat2"),
        (GapKind::ImportIncomplete, 1, "lines that are not understood, the first is line 5"),
        SAMPLED,
    ];
    assert_eq!(gaps(&trace), expected);
}

/// The same rules as of an strace log.
#[test]
fn calls_of_io_uring_are_a_gap_as_in_an_strace_log() {
    const UNSEEN: (GapKind, u64, &str) = (GapKind::IoUringUnseen, 1, "an audit log does not show them");
    const PROBE: (GapKind, u64, &str) =
        (GapKind::IoUringProbe, 1, "an audit log does not show the flags of the setup");
    let raw = |nr: u32, a1: &str| {
        format!(
            "type=SYSCALL msg=audit(1.000:{nr}): arch=c000003e syscall={nr} success=yes exit=7 a0=3 a1={a1} a2=1 \
             a3=0 items=0 ppid=1 pid=2 comm=\"a\" exe=\"/a\" key=(null)\n"
        )
    };
    let readable = |name: &str, a1: &str| {
        format!(
            "type=SYSCALL msg=audit(x:5) : arch=x86_64 syscall={name} success=yes exit=7 a0=0x3 a1={a1} a2=0x1 \
             a3=0x0 items=0 ppid=1 pid=2 comm=a exe=/a key=(null)\n"
        )
    };
    let seccomp = |code: &str| {
        format!(
            "type=SECCOMP msg=audit(1.000:5): pid=2 comm=\"a\" exe=\"/a\" sig=0 arch=c000003e syscall=426 \
             compat=0 ip=0x1 code={code}\n"
        )
    };
    let setup = raw(425, "7ffd12345678");
    let operation =
        "type=URINGOP msg=audit(1.000:7): uring_op=18 success=yes exit=5 items=1 ppid=1 pid=2 uid=0\n";
    for (log, expected) in [
        (raw(426, "7"), vec![UNSEEN]),
        (raw(426, "7").replace("syscall=426", "syscall=1073742250"), vec![UNSEEN]),
        (raw(426, "0"), vec![]),
        (raw(426, "100000000"), vec![]),
        (format!("{setup}{}", raw(426, "7")), vec![UNSEEN]),
        (format!("{setup}{}", raw(426, "0")), vec![PROBE]),
        (format!("{setup}{setup}"), vec![PROBE]),
        (format!("{setup}{operation}"), vec![(GapKind::IoUringOperations, 1, "operations 18")]),
        (readable("io_uring_enter", "0x7"), vec![UNSEEN]),
        (readable("io_uring_enter", "0x0"), vec![]),
        (readable("io_uring_setup", "0x7ffd12345678"), vec![PROBE]),
        // A record of seccomp has no arguments, but what became of the call.
        (seccomp("0x7ffc0000"), vec![UNSEEN]),
        (seccomp("log"), vec![UNSEEN]),
        (seccomp("0x7fc00000"), vec![UNSEEN]),
        (seccomp("0x50001"), vec![]),
        (seccomp("0x80000000"), vec![]),
        (seccomp("errno"), vec![]),
        // journald's own line of the same call.
        (
            format!(
                "{}audit[2]: SYSCALL arch=c000003e syscall=426 a0=3 a1=7 pid=2 comm=\"a\" exe=\"/a\"\n",
                raw(426, "7")
            ),
            vec![UNSEEN],
        ),
        (raw(1, "7"), vec![]),
    ] {
        let trace = import(log.as_bytes()).unwrap();
        let found: Vec<_> = gaps(&trace).into_iter().filter(|gap| *gap != SAMPLED).collect();
        assert_eq!(found, expected, "{log}");
    }
}

#[test]
fn the_call_by_which_sandprint_asks_whether_its_filter_is_there_is_none_of_the_workloads() {
    let line = |nr: u32| {
        format!(
            "type=SECCOMP msg=audit(1.000:{nr}): pid=1 comm=\"a\" exe=\"/a\" arch=c000003e syscall={nr}\n"
        )
    };
    let log: String = [1, 0x3fff_5350, 0x3fff_5340, 0x3fff_5351].into_iter().map(line).collect();
    let expected = ["/a x86_64:write 1", "/a x86_64:syscall_1073697617 1"];
    assert_eq!(facts(&import(log.as_bytes()).unwrap()), set(&expected));
    assert_eq!(facts(&import(line(0x3fff_5350).as_bytes()).unwrap()), set(&[]));
}

#[test]
fn what_is_kept_of_a_log_has_bounds() {
    let line = |at: usize| {
        format!(
            "type=SECCOMP msg=audit(1.000:{at}): pid=1 comm=\"a\" exe=\"/{at}\" arch=c000003e syscall=1\n"
        )
    };
    let log: String = (0..MOST_IMAGES + 5).map(line).collect();
    let trace = import(log.as_bytes()).unwrap();
    assert_eq!(trace.images().len(), MOST_IMAGES + 1);
    assert!(gaps(&trace).contains(&(
        GapKind::ImagesMerged,
        5,
        "the log has more programs than are kept apart"
    )));
    let names: Vec<String> = (0..200)
        .map(|at| {
            format!(
                "type=SECCOMP msg=audit(x:{at}) : pid=1 comm=a exe=/a sig=0 arch=x86_64 syscall=name{at}\n"
            )
        })
        .collect();
    assert!(
        gaps(&import(names.concat().as_bytes()).unwrap())
            .iter()
            .any(|(kind, count, _)| (*kind, *count) == (GapKind::ImportIncomplete, 200))
    );
}
