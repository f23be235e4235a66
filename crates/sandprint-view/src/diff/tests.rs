//! Exact texts of a diff, and that nothing of a trace reaches the reader as it is.

use std::sync::Arc;

use proptest::prelude::*;

use sandprint_model::import::{ImportConfig, Source, import};
use sandprint_model::{
    Abi, Arch, ByteString, CallSeen, GapKind, Image, RunId, Subject, Syscall, Trace, is_printable,
};
use serde_json::{Value, json};

use super::*;

fn trace(path: &str, build_id: &str, calls: &[(&str, u64)]) -> Trace {
    let image = Arc::new(Image { path: path.into(), build_id: Some(build_id.to_owned()), script: None });
    let mut trace = Trace::default();
    for (name, count) in calls {
        let syscall = Syscall::from_name(Abi::X86_64, name).unwrap();
        trace.calls.join(Subject::of(&image), syscall, RunId::from_bits(1), CallSeen::times(*count));
    }
    trace
}

fn labelled<'d>(diff: &'d TraceDiff, a: &'d str, b: &'d str) -> Labelled<'d> {
    Labelled { diff, a, b }
}

fn diff() -> TraceDiff {
    let a = trace("/bin/a|b\u{1b}", "0a", &[("read", 9), ("pread64", 4), ("brk", 3)]);
    let mut b = trace("/bin/a|b\u{1b}", "0b", &[("read", 12), ("brk", 3)]);
    let run = RunId::from_bits(1);
    b.note_gap(Gap { kind: GapKind::CallsLost, run, detail: Some("counts\u{1b}".to_owned()) }, 3);
    TraceDiff::between(&a, &b)
}

#[test]
fn as_text() {
    assert_eq!(
        labelled(&diff(), "a.json", "b\u{1b}.json").text(),
        "\
Only in a.json: 1 call
  ABI     NR  NAME     COUNT
  x86_64  17  pread64      4

Only in b\\x1b.json: none

In both: 2 calls
  ABI     NR  NAME  COUNT A  COUNT B
  x86_64   0  read        9       12
  x86_64  12  brk         3        3

/bin/a|b\\x1b differs:
     ABI     NR  NAME     COUNT
  -  x86_64  17  pread64      4

b\\x1b.json is incomplete: A map of the recorder was full; some calls were not counted. (counts\\x1b, 3 times)
"
    );
}

#[test]
fn as_markdown() {
    assert_eq!(
        labelled(&diff(), "a.json", "b|.json").markdown(),
        "\
# System calls: a.json and b&#124;.json

## Only in a.json

| ABI | NR | NAME | COUNT |
| --- | ---: | --- | ---: |
| x86_64 | 17 | pread64 | 4 |

## In both

| ABI | NR | NAME | COUNT A | COUNT B |
| --- | ---: | --- | ---: | ---: |
| x86_64 | 0 | read | 9 | 12 |
| x86_64 | 12 | brk | 3 | 3 |

## /bin/a&#124;b&#92;x1b differs

|  | ABI | NR | NAME | COUNT |
| --- | --- | ---: | --- | ---: |
| - | x86_64 | 17 | pread64 | 4 |

**b&#124;.json is incomplete:** A map of the recorder was full; some calls were not counted. (counts&#92;x1b, 3 times)
"
    );
}

#[test]
fn as_json() {
    let read = json!({"abi": "x86_64", "nr": 0, "name": "read", "count_a": 9, "count_b": 12});
    let brk = json!({"abi": "x86_64", "nr": 12, "name": "brk", "count_a": 3, "count_b": 3});
    let pread64 = json!({"abi": "x86_64", "nr": 17, "name": "pread64", "count": 4});
    let calls = json!({"only_in_a": [pread64], "only_in_b": [], "in_both": [read, brk]});
    let gap = json!({
        "kind": "calls-lost",
        "run": "00000000000000000000000000000001",
        "detail": "counts\\x1b",
        "count": 3,
    });
    let expected = json!({
        "a": "a.json",
        "b": "b.json",
        "equal": false,
        "calls": calls,
        "programs": [{"path": "/bin/a|b\\x1b", "script": null, "calls": calls}],
        "failures": null,
        "blocking_gaps_in_a": [],
        "blocking_gaps_in_b": [gap],
    });
    let text = labelled(&diff(), "a.json", "b.json").json();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
}

#[test]
fn what_failed_on_one_side_is_said_where_both_show_it() {
    let log = |error: &str| format!("1 execve(\"/a\", [], 0x1) = 0\n1 close(3) = -1 {error} (x)\n");
    let config = ImportConfig { arch: Arch::X86_64 };
    let read = |text: &str| import(Source::Strace, text.as_bytes(), &config).unwrap();
    let (a, b) = (read(&log("EBADF")), read(&log("EIO")));
    let diff = TraceDiff::between(&a, &b);
    assert!(diff.is_empty(), "the calls are the same");
    let report = labelled(&diff, "a", "b");
    let text = report.text();
    let table = |label, error| {
        format!(
            "Failed so only in {label}:\n  ABI     NR  NAME   ERROR  COUNT\n  x86_64   3  close  {error}      1\n"
        )
    };
    assert!(text.contains(&table("a", "EBADF")) && text.contains(&table("b", "EIO  ")), "{text}");
    assert!(report.markdown().contains("| x86_64 | 3 | close | EBADF | 1 |"));
    let json: Value = serde_json::from_str(&report.json()).unwrap();
    let close = json!({"abi": "x86_64", "nr": 3, "name": "close", "errno": 9, "error": "EBADF", "count": 1});
    assert_eq!(json["failures"]["only_in_a"], json!([close]));
    assert_eq!(TraceDiff::between(&a, &trace("/a", "0a", &[])).failures, None);
}

const HOSTILE: &str = "[a|`<\\\\\u{1b}\u{9b}\u{202e}\u{feff}\r\n]{0,6}";

/// Traces whose programs and gaps have hostile text.
fn hostile() -> impl Strategy<Value = Trace> {
    let call = (HOSTILE, proptest::option::of(HOSTILE), 0..4_u32, 0..9_u64);
    let calls = proptest::collection::vec(call, 0..6);
    let gaps = proptest::collection::vec((HOSTILE, 0..3_u64), 0..3);
    (calls, gaps).prop_map(|(calls, gaps)| {
        let (mut trace, run) = (Trace::default(), RunId::from_bits(1));
        for (path, script, nr, count) in calls {
            let script = script.map(|script| ByteString::from(script.as_str()));
            let image = Arc::new(Image { path: path.as_str().into(), build_id: None, script });
            let syscall = Syscall { abi: Abi::X86_64, nr };
            trace.calls.join(Subject::of(&image), syscall, run, CallSeen::times(count));
        }
        for (detail, count) in gaps {
            trace.note_gap(Gap { kind: GapKind::CallsLost, run, detail: Some(detail) }, count);
        }
        trace
    })
}

proptest! {
    #[test]
    fn no_control_character_reaches_the_reader(
        a in hostile(),
        b in hostile(),
        label in HOSTILE,
    ) {
        let diff = TraceDiff::between(&a, &b);
        let report = labelled(&diff, &label, "b");
        for text in [report.text(), report.markdown(), report.json()] {
            prop_assert!(text.chars().all(|c| c == '\n' || is_printable(c)), "{text:?}");
        }
    }
}
