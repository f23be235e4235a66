//! What the serialized form promises: nothing lost, nothing misread, small, as its schemas say.

mod facts;
pub(in crate::wire) mod schema;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::*;
use crate::arguments::Selected;
use crate::errno::Errno;
use crate::{
    Action, Arch, ArgumentsSeen, ByteString, CallRules, CallSeen, Comparison, Condition, Count, Date, Exit,
    FactKind, FirstSeen, Gap, GapKind, Host, Image, KernelVersion, Note, Reason, Recorder, Rule, Run, RunId,
    Subject, Syscall, Width, arbitrary,
};

/// One of everything, as small as it can be.
fn sample() -> Trace {
    let run = RunId::from_bits(0xa1);
    let ls =
        Arc::new(Image { path: "/usr/bin/ls".into(), build_id: Some("00c0ffee".to_owned()), script: None });
    let script = Arc::new(Image {
        path: "/bin/sh".into(),
        build_id: None,
        script: Some(ByteString::new(*b"./a\xff\n")),
    });
    let mut trace = Trace::default();
    trace.runs.insert(
        run,
        Run {
            duration_ms: Some(12),
            exit: Some(Exit::Code(0)),
            name: Some("listing".to_owned()),
            command: vec!["ls".into(), "/tmp\u{1b}".into()],
            target: None,
            recorder: Recorder::Ebpf,
            started_unix_ms: Some(1_700_000_000_000),
            host: Some(Host { kernel: "6.1.0".to_owned(), arch: Arch::X86_64 }),
            tool_version: "0.1.0".to_owned(),
            facts: BTreeSet::from([FactKind::Arguments, FactKind::Results]),
            peaks: std::collections::BTreeMap::new(),
        },
    );
    let first = |after_ns| Some(FirstSeen { after_ns, tgid: 7, tid: 7, comm: "ls".into() });
    let mut observe = |image: &Arc<Image>, scope: Option<&str>, abi, nr, count, first| {
        let subject = Subject { image: Arc::clone(image), scope: scope.map(Arc::from) };
        trace.calls.join(subject, Syscall { abi, nr }, run, CallSeen { first, ..CallSeen::times(count) });
    };
    observe(&ls, None, Abi::X86_64, 100_000, 3, first(5));
    observe(&ls, None, Abi::X86_64, 100_001, u64::MAX, first(9));
    observe(&ls, Some("serve"), Abi::X86_64, 100_000, 1, None);
    observe(&script, None, Abi::I386, 100_000, 2, None);
    trace.note_gap(Gap { kind: GapKind::CallsLost, run, detail: Some("counts".to_owned()) }, 4);
    trace.note_gap(Gap { kind: GapKind::Unfinished, run: RunId::from_bits(0xb2), detail: None }, 0);
    trace
}

/// The text of [`sample`]. A trace that this sandprint wrote once must stay readable for good, so this
/// file changes only together with [`VERSION`].
const SAMPLE: &str = include_str!("../../tests/data/wire/trace-v1.json");

#[test]
fn the_written_form_is_pinned() {
    let encoded = encode_trace(&sample()).replace(env!("CARGO_PKG_VERSION"), "0.1.0");
    assert_eq!(encoded, SAMPLE);
    assert_eq!(decode_trace(SAMPLE.as_bytes()), Ok(sample()));
}

/// A trace with the values of arguments, which is as small as it can be.
fn sample_with_arguments() -> Trace {
    let run = RunId::from_bits(0xa1);
    let mut trace = Trace::default();
    let image = Arc::new(Image { path: "/usr/bin/ls".into(), ..Image::default() });
    let mut observe = |nr, count, arguments| {
        let seen = CallSeen { arguments: Some(arguments), ..CallSeen::times(count) };
        trace.calls.join(Subject::of(&image), Syscall { abi: Abi::X86_64, nr }, run, seen);
    };
    let mut values = ArgumentsSeen::new(Selected([Some(2), None, Some(u64::MAX), None, None, None]), 3);
    values.add(Selected([Some(1), Some(0), Some(0), Some(0), Some(0), Some(0)]), u64::MAX);
    values.add(Selected::default(), 1);
    observe(100_000, 4, values);
    observe(100_001, 65, ArgumentsSeen::too_many());
    trace
}

/// The text of [`sample_with_arguments`], pinned like [`SAMPLE`].
const SAMPLE_WITH_ARGUMENTS: &str = include_str!("../../tests/data/wire/trace-v1-arguments.json");

#[test]
fn the_written_form_of_arguments_is_pinned() {
    let trace = sample_with_arguments();
    let encoded = encode_trace(&trace).replace(env!("CARGO_PKG_VERSION"), "0.1.0");
    assert_eq!(encoded, SAMPLE_WITH_ARGUMENTS);
    assert_eq!(decode_trace(SAMPLE_WITH_ARGUMENTS.as_bytes()), Ok(trace));
}

/// A trace with calls that failed, which is as small as it can be.
fn sample_with_results() -> Trace {
    let run = RunId::from_bits(0xa1);
    let mut trace = Trace::default();
    let (ls, cat) = (image_of("/usr/bin/ls"), image_of("/usr/bin/cat"));
    let call = Syscall { abi: Abi::X86_64, nr: 100_000 };
    trace.calls.join(Subject::of(&ls), call, run, CallSeen::times(9));
    for (image, errno, count) in [(&ls, 2, 3), (&ls, 524, 1), (&cat, 13, u64::MAX)] {
        trace.results.join(Subject::of(image), (call, Errno(errno)), run, Count(count));
    }
    trace.refused.join(Subject::of(&cat), (call, Errno(1)), run, Count(2));
    trace
}

fn image_of(path: &str) -> Arc<Image> {
    Arc::new(Image { path: path.into(), ..Image::default() })
}

/// The text of [`sample_with_results`], pinned like [`SAMPLE`].
const SAMPLE_WITH_RESULTS: &str = include_str!("../../tests/data/wire/trace-v1-results.json");

#[test]
fn the_written_form_of_results_is_pinned() {
    let trace = sample_with_results();
    let encoded = encode_trace(&trace).replace(env!("CARGO_PKG_VERSION"), "0.1.0");
    assert_eq!(encoded, SAMPLE_WITH_RESULTS);
    assert_eq!(decode_trace(SAMPLE_WITH_RESULTS.as_bytes()), Ok(trace));
}

#[test]
fn results_that_cannot_be_are_refused() {
    let refused = |from: &str, to: &str| {
        assert!(SAMPLE_WITH_RESULTS.contains(from), "{from}");
        decode_trace(SAMPLE_WITH_RESULTS.replacen(from, to, 1).as_bytes()).unwrap_err().to_string()
    };
    let at = "the trace holds an impossible value: results[1].errors";
    for (from, to, expected) in [
        ("\"errno\":524", "\"errno\":2", format!("{at}[1] is listed a second time")),
        (
            "\"error\":\"ENOENT\"",
            "\"error\":\"EIO\"",
            format!("{at}[0].errno is 2, but its name is `EIO`, which is 5"),
        ),
        (
            "\"run\":0,\"image\":1,\"abi\":\"x86_64\",\"errors\"",
            "\"run\":0,\"image\":2,\"abi\":\"x86_64\",\"errors\"",
            "the trace holds an impossible value: results[1].image is 2, but there are only 2 images"
                .to_owned(),
        ),
    ] {
        assert_eq!(refused(from, to), expected);
    }
    for errno in ["-1", "65536", "\"2\""] {
        let error = refused("\"errno\":2", &format!("\"errno\":{errno}"));
        assert!(error.starts_with("the trace does not follow its schema"), "{errno}: {error}");
    }
}

#[test]
fn arguments_that_cannot_be_are_refused() {
    let refused = |arguments: Value| {
        let mut document: Value = serde_json::from_str(SAMPLE_WITH_ARGUMENTS).unwrap();
        *document.pointer_mut("/observations/0/calls/0/arguments").unwrap() = arguments;
        decode_trace(document.to_string().as_bytes()).unwrap_err().to_string()
    };
    let row = |values: Value| json!({"values": values, "count": 1});
    let at = "the trace holds an impossible value: observations[0].calls[0].arguments";
    for (arguments, expected) in [
        (json!([]), format!("{at} lists no value")),
        (json!([row(json!([1])), row(json!([1, null]))]), format!("{at}[1] is listed a second time")),
        (json!([row(json!([0, 0, 0, 0, 0, 0, 0]))]), format!("{at}[0].values lists 7 values, more than 6")),
        (
            (0..65).map(|value| row(json!([value]))).collect::<Value>(),
            format!("{at} lists 65 values, more than 64"),
        ),
    ] {
        assert_eq!(refused(arguments), expected);
    }
    for arguments in [json!("too-few"), json!(null), json!([1]), json!([row(json!([-1]))]), json!([[1, [2]]])]
    {
        let error = refused(arguments.clone());
        assert!(error.starts_with("the trace does not follow its schema"), "{arguments}: {error}");
    }
}

/// One of everything that a policy can say.
fn sample_policy() -> Policy {
    let call = |nr| Syscall { abi: Abi::X86_64, nr };
    let sh = Arc::new(Image { path: "/bin/sh".into(), ..Image::default() });
    let reasons = BTreeSet::from([
        Reason::Observed { count: 35, runs: 2, images: vec![Arc::clone(&sh)] },
        Reason::Baseline("every process ends".to_owned()),
        Reason::Portability { of: call(100_000), why: "another libc makes it".to_owned() },
        Reason::Runtime { runtime: "runc".to_owned(), why: "1.1.5 makes it \u{1b}".to_owned() },
        Reason::Fallback("callers use the older call".to_owned()),
        Reason::ByHand("asked for".to_owned()),
        Reason::Decided {
            words: "allowed".to_owned(),
            on: Date::from_unix_ms(1_795_305_600_000),
            by: "a person".to_owned(),
        },
        Reason::Imported("the rule of `old.json`".to_owned()),
    ]);
    let rule = |conditions: &[(u8, Width, Comparison)], action| Rule {
        conditions: conditions
            .iter()
            .map(|(index, width, comparison)| Condition {
                index: *index,
                width: *width,
                comparison: *comparison,
            })
            .collect(),
        action,
        reasons: BTreeSet::new(),
    };
    let masked = Comparison::MaskedEqual { mask: u64::MAX, value: 0x10 };
    Policy {
        kernel: Some(KernelVersion::new(5, 10)),
        calls: CallRules {
            default_action: Action::Errno(1),
            foreign_action: Action::KillProcess,
            rules: BTreeMap::from([
                (call(100_000), vec![Rule { reasons, ..rule(&[], Action::Allow) }]),
                (
                    call(100_001),
                    vec![
                        rule(
                            &[(0, Width::Bits32, Comparison::Equal(2)), (5, Width::Bits64, masked)],
                            Action::Log,
                        ),
                        rule(&[(1, Width::Bits64, Comparison::Less(7))], Action::Trace(3)),
                        rule(&[], Action::Errno(38)),
                    ],
                ),
                (Syscall { abi: Abi::I386, nr: 100_000 }, vec![rule(&[], Action::Notify)]),
            ]),
        },
        notes: BTreeSet::from([Note::Words("a note".to_owned())]),
    }
}

/// The text of [`sample_policy`], pinned like [`SAMPLE`].
const SAMPLE_POLICY: &str = include_str!("../../tests/data/wire/policy-v1.json");

#[test]
fn the_written_form_of_a_policy_is_pinned() {
    let encoded = encode_policy(&sample_policy()).replace(env!("CARGO_PKG_VERSION"), "0.1.0");
    assert_eq!(encoded, SAMPLE_POLICY);
    assert_eq!(decode_policy(SAMPLE_POLICY.as_bytes()), Ok(sample_policy()));
}

proptest! {
    #[test]
    fn a_trace_is_read_back_as_it_was(trace in arbitrary::trace()) {
        let text = encode_trace(&trace);
        let read = decode_trace(text.as_bytes());
        prop_assert_eq!(read.as_ref(), Ok(&trace));
        prop_assert_eq!(encode_trace(&read.unwrap()), text);
    }

    /// From a reader as from bytes, in whatever order the tables stand, and with what is wrong said in the same words.
    #[test]
    fn a_reader_gives_the_same_as_bytes(trace in arbitrary::trace(), at in any::<Index>(), change in 0..CHANGES) {
        let by_reader = |text: &str| read_trace(io::Cursor::new(text)).unwrap();
        prop_assert_eq!(by_reader(&encode_trace(&trace)), Ok(trace.clone()));
        // A value of serde_json has its fields by name: `gaps` before `runs`.
        let mut document: Value = serde_json::from_str(&encode_trace(&trace)).unwrap();
        prop_assert_eq!(by_reader(&document.to_string()), Ok(trace));
        mutate(&mut document, at, change);
        let text = document.to_string();
        prop_assert_eq!(by_reader(&text), decode_trace(text.as_bytes()));
    }

    #[test]
    fn a_policy_is_read_back_as_it_was(policy in arbitrary::policy()) {
        let text = encode_policy(&policy);
        let read = decode_policy(text.as_bytes());
        prop_assert_eq!(read.as_ref(), Ok(&policy));
        prop_assert_eq!(encode_policy(&read.unwrap()), text);
    }

    #[test]
    fn what_is_written_follows_the_schema(trace in arbitrary::trace(), policy in arbitrary::policy()) {
        prop_assert_eq!(schema::check(TRACE_SCHEMA, &encode_trace(&trace)), Ok(()));
        prop_assert_eq!(schema::check(POLICY_SCHEMA, &encode_policy(&policy)), Ok(()));
    }

    /// One change anywhere: where the reader accepts the result, the schema does too.
    #[test]
    fn the_reader_accepts_nothing_that_the_schema_refuses(
        trace in arbitrary::trace(),
        policy in arbitrary::policy(),
        at in any::<Index>(),
        change in 0..CHANGES,
    ) {
        let mut document: Value = serde_json::from_str(&encode_trace(&trace)).unwrap();
        mutate(&mut document, at, change);
        let text = document.to_string();
        if decode_trace(text.as_bytes()).is_ok() {
            prop_assert_eq!(schema::check(TRACE_SCHEMA, &text), Ok(()), "{}", text);
        }
        let mut document: Value = serde_json::from_str(&encode_policy(&policy)).unwrap();
        mutate(&mut document, at, change);
        let text = document.to_string();
        if decode_policy(text.as_bytes()).is_ok() {
            prop_assert_eq!(schema::check(POLICY_SCHEMA, &text), Ok(()), "{}", text);
        }
    }

    #[test]
    fn random_bytes_are_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode_trace(&bytes).is_err());
        prop_assert!(decode_policy(&bytes).is_err());
    }
}

const CHANGES: usize = 8;

/// Changes one value of a document, the one that `at` picks.
fn mutate(document: &mut Value, at: Index, change: usize) {
    let mut paths = Vec::new();
    collect(document, String::new(), &mut paths);
    let path = at.get(&paths);
    let value = document.pointer_mut(path).unwrap();
    match (change, &mut *value) {
        (0, Value::Object(fields)) => drop(fields.insert("surprise".to_owned(), json!(1))),
        (1, Value::Object(fields)) => {
            let first = fields.keys().next().cloned();
            first.map(|key| fields.remove(&key));
        }
        (2, Value::Object(fields)) => {
            let last = fields.keys().next_back().cloned();
            last.map(|key| fields.remove(&key));
        }
        (3, _) => *value = Value::Null,
        (4, _) => *value = json!(-1),
        (5, _) => *value = json!("\\z"),
        (6, Value::Object(fields)) => {
            let values = fields.values().cloned().collect();
            *value = Value::Array(values);
        }
        (6, _) => *value = json!([{}]),
        (_, _) => *value = json!(5_000_000_000_u64),
    }
}

/// The JSON pointer of every value in it.
fn collect(value: &Value, path: String, paths: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                collect(item, format!("{path}/{at}"), paths);
            }
        }
        Value::Object(fields) => {
            for (name, item) in fields {
                collect(item, format!("{path}/{name}"), paths);
            }
        }
        _ => {}
    }
    paths.push(path);
}

#[test]
fn every_kind_of_change_breaks_the_schema_somewhere() {
    for change in 0..CHANGES {
        let count = paths_of(SAMPLE).len();
        let broken = (0..count).filter(|at| {
            let mut document: Value = serde_json::from_str(SAMPLE).unwrap();
            // An `Index` picks by scaling, so the middle of each share names one path.
            let index = index_of(*at, count);
            mutate(&mut document, index, change);
            schema::check(TRACE_SCHEMA, &document.to_string()).is_err()
        });
        assert!(broken.count() > 5, "change {change}");
    }
}

fn paths_of(text: &str) -> Vec<String> {
    let mut paths = Vec::new();
    collect(&serde_json::from_str(text).unwrap(), String::new(), &mut paths);
    paths
}

fn index_of(at: usize, count: usize) -> Index {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    std::iter::repeat_with(|| any::<Index>().new_tree(&mut runner).unwrap().current())
        .find(|index| index.index(count) == at)
        .unwrap()
}

/// The sample with one piece of text replaced, and what reading it says.
#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn what_is_wrong_is_named_with_its_place() {
    let replaced = |from: &str, to: &str| {
        assert!(SAMPLE.contains(from), "{from}");
        let text = SAMPLE.replacen(from, to, 1);
        decode_trace(text.as_bytes()).unwrap_err().to_string()
    };
    for (from, to, expected) in [
        (
            "\"version\": 1",
            "\"version\": 7",
            "this trace has version 7; this sandprint reads up to 1: get a newer sandprint",
        ),
        (
            "\"version\": 1",
            "\"version\": 99999999999",
            "this trace has version 99999999999; this sandprint reads up to 1: get a newer sandprint",
        ),
        (
            "\"version\": 1",
            "\"version\": \"1\"",
            "the trace holds an impossible value: version is `\"1\"`, which is no version",
        ),
        (
            "\"version\": 1",
            "\"version\": 0",
            "the trace holds an impossible value: version is `0`, which is no version",
        ),
        (
            "\"version\": 1,",
            "",
            "the trace does not follow its schema at line 1, column 1: missing field `version`",
        ),
        (
            "\"version\": 1",
            "\"version\": 1, \"version\": 1",
            "the trace does not follow its schema at line 3, column 25: duplicate field `version`",
        ),
        ("sandprint-trace", "sandprint-policy", "this is no sandprint trace: it is a sandprint policy"),
        (
            "\"count\":3,",
            "\"count\":3,\"\\u001b[31m\":0,",
            "the trace does not follow its schema at line 18, column 41: \
             unknown field `\\x1b[31m`, expected one of `nr`, `name`, `count`, `first`, `arguments`",
        ),
        (
            "\"count\":3,",
            "",
            "the trace does not follow its schema at line 18, column 45: missing field `count`",
        ),
        (
            "\"count\":3,",
            "\"count\":3,\"count\":3,",
            "the trace does not follow its schema at line 18, column 36: duplicate field `count`",
        ),
        (
            "\"count\":3",
            "\"count\":-3",
            "the trace does not follow its schema at line 18, column 29: \
             invalid value: integer `-3`, expected u64",
        ),
        (
            "\"count\":18446744073709551615",
            "\"count\":18446744073709551616",
            "the trace does not follow its schema at line 19, column 47: \
             invalid type: floating point `1.8446744073709552e+19`, expected u64",
        ),
        (
            "\"count\":3",
            "\"count\":1e999",
            "the trace is no valid JSON at line 18, column 32: number out of range",
        ),
        (
            "\"nr\":100000,\"count\":3",
            "\"nr\":4294967296,\"count\":3",
            "the trace does not follow its schema at line 18, column 22: \
             invalid value: integer `4294967296`, expected u32",
        ),
        (
            "\"run\":0,\"image\":1",
            "\"run\":2,\"image\":1",
            "the trace holds an impossible value: observations[1].run is 2, but there are only 2 runs",
        ),
        (
            "\"run\":0,\"image\":1",
            "\"run\":0,\"image\":9",
            "the trace holds an impossible value: observations[1].image is 9, but there are only 2 images",
        ),
        (
            "\"task\":0",
            "\"task\":1",
            "the trace holds an impossible value: \
             observations[1].calls[0].first.task is 1, but there are only 1 tasks",
        ),
        (
            "\"nr\":100001",
            "\"nr\":100000",
            "the trace holds an impossible value: observations[1].calls[1] is listed a second time",
        ),
        (
            "000000000000000000000000000000b2",
            "000000000000000000000000000000a1",
            "the trace holds an impossible value: runs[1].id is listed a second time",
        ),
        (
            "000000000000000000000000000000b2",
            "0xb2",
            "the trace holds an impossible value: \
             runs[1].id is `0xb2`, which is no run id (32 lower-case hexadecimal digits)",
        ),
        (
            "\"tool_version\":\"0.1.0\",",
            "",
            "the trace holds an impossible value: \
             runs[0] has only one of `recorder` and `tool_version`, or other fields without them",
        ),
        (
            "\"abi\":\"i386\"",
            "\"abi\":\"vax\"",
            "the trace holds an impossible value: observations[0].abi is `vax`, which is no ABI",
        ),
        (
            "\"kind\":\"calls-lost\"",
            "\"kind\":\"\"",
            "the trace holds an impossible value: gaps[0].kind is ``, which is no kind of gap",
        ),
        (
            "./a\\\\xff",
            "./a\\\\xf",
            "the trace holds an impossible value: \
             images[0].script holds a backslash that is no escape (`\\\\` or `\\xNN`)",
        ),
    ] {
        assert_eq!(replaced(from, to), expected, "{from} -> {to}");
    }
}

#[test]
fn foreign_and_broken_files_are_told_apart() {
    let deep = "[".repeat(100_000);
    let deep_field =
        format!("{{\"format\":\"sandprint-trace\",\"version\":1,\"runs\":{deep}{}}}", "]".repeat(100_000));
    for (text, expected) in [
        ("", "the trace is empty"),
        (" \n\t", "the trace is empty"),
        ("{", "the trace ends too early, at line 1, column 1"),
        ("hello", "the trace is no valid JSON at line 1, column 1: expected value"),
        ("\u{7f}ELF", "the trace is no valid JSON at line 1, column 1: expected value"),
        ("[\"sandprint-trace\", 1, null, null]", "this is no sandprint trace: it is JSON of another kind"),
        ("[1, 2]", "this is no sandprint trace: it is JSON of another kind"),
        ("null", "this is no sandprint trace: it is JSON of another kind"),
        ("{}", "this is no sandprint trace: it is JSON of another kind"),
        ("{\"version\": 1}", "this is no sandprint trace: it is JSON of another kind"),
        (
            "{\"version\": {\"a\": [1]}, \"format\": 3}",
            "this is no sandprint trace: it is JSON of another kind",
        ),
        (
            "{\"schema_version\": 1, \"arch\": \"x86_64\"}",
            "this is no sandprint trace: it looks like a trace of sandprint 0.1, which can be imported",
        ),
        (
            "{\"defaultAction\": \"SCMP_ACT_ERRNO\"}",
            "this is no sandprint trace: it looks like a seccomp profile of a container runtime",
        ),
        ("{\"format\": \"sandprint-policy\"}", "this is no sandprint trace: it is a sandprint policy"),
        (deep.as_str(), "the trace ends too early, at line 1, column 100000"),
        (
            deep_field.as_str(),
            "the trace does not follow its schema at line 1, column 48: \
             invalid type: sequence, expected an object",
        ),
    ] {
        let shown: String = text.chars().take(60).collect();
        assert_eq!(decode_trace(text.as_bytes()).unwrap_err().to_string(), expected, "{shown}");
    }
    let latin1 = SAMPLE.replace("listing", "listin*").into_bytes();
    let latin1: Vec<u8> = latin1.into_iter().map(|byte| if byte == b'*' { 0xe9 } else { byte }).collect();
    assert_eq!(
        decode_trace(&latin1).unwrap_err().to_string(),
        "the trace is no valid JSON at line 6, column 60: invalid unicode code point"
    );
}

#[test]
fn a_cut_trace_is_never_read_as_a_whole_one() {
    let whole = SAMPLE.trim_end().len();
    for length in 0..whole {
        let error = decode_trace(&SAMPLE.as_bytes()[..length]).unwrap_err();
        let told = matches!(error, DecodeError::Empty { .. } | DecodeError::Truncated { .. });
        assert!(told, "cut to {length} bytes: {error}");
    }
    assert!(decode_trace(&SAMPLE.as_bytes()[..whole]).is_ok());
}

#[test]
fn a_name_informs_and_the_number_decides() {
    let named = |name: &str| {
        let text = SAMPLE.replacen("\"nr\":100000", &format!("\"nr\":100000,\"name\":\"{name}\""), 1);
        decode_trace(text.as_bytes())
    };
    assert_eq!(named("a_call_of_the_future"), Ok(sample()));
    let Some(write) = Syscall::from_name(Abi::I386, "write") else {
        panic!("the table of i386 has no write");
    };
    assert_eq!(
        named("write").unwrap_err().to_string(),
        format!(
            "the trace holds an impossible value: observations[0].calls[0].nr is 100000, \
             but its name is `write`, which is {} in i386",
            write.nr
        )
    );
}

#[test]
fn long_hostile_text_in_errors_is_cut_and_escaped() {
    let name = "\u{202e}x".repeat(10_000);
    let text = SAMPLE.replacen("\"abi\":\"i386\"", &format!("\"abi\":\"{name}\""), 1);
    let message = decode_trace(text.as_bytes()).unwrap_err().to_string();
    assert!(message.len() < 300 && message.replace('…', "").is_ascii(), "{message}");
}

/// 150 different calls over 10 images, each image making 60 of them with its first call recorded: a large
/// run. The figures are as long as those of a run of hours.
#[test]
fn a_large_run_stays_under_64_kib() {
    let run = RunId::from_bits(u128::MAX / 3);
    let mut trace = sample();
    trace.runs = BTreeMap::from([(run, sample().runs.into_values().next().unwrap())]);
    trace.calls = crate::Facts::default();
    trace.gaps.clear();
    let calls: Vec<Syscall> = Syscall::all(Abi::X86_64).take(150).collect();
    assert_eq!(calls.len(), 150);
    for image in 0..10_usize {
        let path = format!("/usr/lib/some-package/libexec/program-{image}");
        let build_id = Some(format!("{image:040x}"));
        let fact_image = Arc::new(Image { path: path.as_str().into(), build_id, script: None });
        for call in 0..60_usize {
            let tgid = 1_234_560 + u32::try_from(image).unwrap();
            let first = FirstSeen {
                after_ns: 10_000_000_000 * (call as u64 + 1),
                tgid,
                tid: tgid,
                comm: format!("program-{image}").as_str().into(),
            };
            let syscall = calls[(image * 10 + call) % calls.len()];
            let seen = CallSeen { first: Some(first), ..CallSeen::times(123_456_789) };
            trace.calls.join(Subject::of(&fact_image), syscall, run, seen);
        }
    }
    assert_eq!(trace.syscalls().len(), 150);
    let size = encode_trace(&trace).len();
    assert!(size < 64 * 1024, "{size} bytes");
}

#[test]
fn a_line_holds_one_thing() {
    let mut trace = sample();
    let before = encode_trace(&trace);
    let (subject, call, _) = trace.calls.iter().next().unwrap();
    let (subject, call) = (subject.clone(), *call);
    trace.calls.join(subject, call, RunId::from_bits(0xa1), CallSeen::times(1000));
    let after = encode_trace(&trace);
    let differing = before.lines().zip(after.lines()).filter(|(a, b)| a != b).count();
    assert_eq!((before.lines().count(), differing), (after.lines().count(), 1));
}

#[test]
fn impossible_policies_are_named() {
    let policy = |call: &str, default_action: &str| {
        format!(
            "{{\"format\":\"sandprint-policy\",\"version\":1,\"tool\":{{\"name\":\"\",\"version\":\"\"}},\
             \"images\":[],\"calls\":{{\"default_action\":{default_action},\"foreign_action\":\"trap\",\
             \"rules\":[{call}]}},\"notes\":[]}}"
        )
    };
    let rule = |rule: &str| policy(&format!("{{\"abi\":\"x32\",\"nr\":1,\"rules\":[{rule}]}}"), "\"log\"");
    let condition = |text: &str| rule(&format!("{{\"action\":\"allow\",\"conditions\":[{text}]}}"));
    for (text, expected) in [
        (policy("", "{\"errno\":4096}"), "calls.default_action is 4096, above 4095"),
        (rule("{\"action\":{\"errno\":5000}}"), "calls.rules[0].rules[0].action is 5000, above 4095"),
        (
            condition("{\"arg\":6,\"bits\":32,\"op\":\"equal\",\"value\":1}"),
            "calls.rules[0].rules[0].conditions[0].arg is 6, above 5",
        ),
        (
            condition("{\"arg\":0,\"bits\":16,\"op\":\"equal\",\"value\":1}"),
            "calls.rules[0].rules[0].conditions[0].bits is `16`, which is no width (32 or 64)",
        ),
        (
            condition("{\"arg\":0,\"bits\":32,\"op\":\"equal\",\"mask\":1,\"value\":1}"),
            "calls.rules[0].rules[0].conditions[0].mask belongs to `masked-equal`, and only to it",
        ),
        (
            condition("{\"arg\":0,\"bits\":32,\"op\":\"masked-equal\",\"value\":1}"),
            "calls.rules[0].rules[0].conditions[0].mask belongs to `masked-equal`, and only to it",
        ),
        (
            rule(
                "{\"action\":\"allow\",\"reasons\":[{\"observed\":{\"count\":1,\"runs\":1,\"images\":[0]}}]}",
            ),
            "calls.rules[0].rules[0].reasons[0].observed.images is 0, but there are only 0 images",
        ),
        (
            rule("{\"action\":\"allow\",\"reasons\":[{\"baseline\":\"\"},{\"baseline\":\"\"}]}"),
            "calls.rules[0].rules[0].reasons[1] is listed a second time",
        ),
        (
            policy(
                "{\"abi\":\"x32\",\"nr\":1,\"rules\":[{\"action\":\"log\"}]},\
                 {\"abi\":\"x32\",\"nr\":1,\"rules\":[{\"action\":\"log\"}]}",
                "\"log\"",
            ),
            "calls.rules[1] is listed a second time",
        ),
        (policy("{\"abi\":\"x32\",\"nr\":1,\"rules\":[]}", "\"log\""), "calls.rules[0].rules is empty"),
        (
            rule(
                "{\"action\":\"allow\",\"reasons\":[{\"decided\":{\"words\":\"\",\"on\":\"2026-02-30\",\"by\":\"\"}}]}",
            ),
            "calls.rules[0].rules[0].reasons[0].decided.on is `2026-02-30`, which is no day",
        ),
    ] {
        let message = decode_policy(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(message, format!("the policy holds an impossible value: {expected}"));
    }
}
