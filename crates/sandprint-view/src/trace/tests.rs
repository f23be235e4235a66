//! Exact texts of every view, for traces made by hand.

use super::*;
use std::sync::Arc;

use sandprint_model::arguments::Selected;
use sandprint_model::errno::Errno;
use sandprint_model::{
    Abi, Arch, ArgumentsSeen, ByteString, CallSeen, Count, Doubt, Exit, FactKind, Failures, FileSeen, Gap,
    GapKind, Host, Image, Meaning, Name, Recorder, Rights, Run, RunId, Subject, Syscall,
};
use serde_json::{Value, json};

fn id(run: u128) -> RunId {
    RunId::from_bits(run)
}

fn run(name: Option<&str>, command: &[&str], arch: Option<Arch>) -> Run {
    Run {
        duration_ms: Some(1234),
        exit: Some(Exit::Code(0)),
        name: name.map(str::to_owned),
        command: command.iter().map(|word| ByteString::from(*word)).collect(),
        target: None,
        recorder: Recorder::Ebpf,
        started_unix_ms: Some(1_709_251_199_000),
        host: arch.map(|arch| Host { kernel: "6.1.0-50-amd64".to_owned(), arch }),
        tool_version: "0.1.0".to_owned(),
        facts: std::collections::BTreeSet::new(),
        peaks: std::collections::BTreeMap::new(),
    }
}

fn image(path: &str, script: Option<&str>) -> Arc<Image> {
    Arc::new(Image { path: path.into(), build_id: None, script: script.map(ByteString::from) })
}

fn observe(trace: &mut Trace, image: &Arc<Image>, abi: Abi, nr: u32, run: u128, count: u64) {
    trace.calls.join(Subject::of(image), Syscall { abi, nr }, id(run), CallSeen::times(count));
}

/// One run of two programs, with calls of three ABIs and one number that no table has.
fn mixed() -> Trace {
    let mut trace = Trace::default();
    trace.runs.insert(id(1), run(None, &["sh", "-c", "ls /tmp; ./x\u{1b}"], Some(Arch::X86_64)));
    let (sh, script) = (image("/bin/sh", None), image("/usr/bin/python3", Some("/tmp/a\tb")));
    observe(&mut trace, &sh, Abi::X86_64, 9, 1, 20);
    observe(&mut trace, &script, Abi::X86_64, 9, 1, 16);
    observe(&mut trace, &sh, Abi::X86_64, 257, 1, 35);
    observe(&mut trace, &sh, Abi::I386, 3, 1, 2);
    observe(&mut trace, &sh, Abi::X32, 513, 1, 2);
    observe(&mut trace, &script, Abi::X86_64, 9999, 1, 1);
    trace
}

#[test]
fn the_table_is_the_one_that_people_know() {
    assert_eq!(
        summary(&mixed()),
        "\
Observed 76 syscall events (5 unique syscalls)

   NR       COUNT  NAME
    9          36  mmap
  257          35  openat
    3           2  read (i386)
  513           2  rt_sigreturn (x32)
 9999           1  -
"
    );
}

#[test]
fn an_empty_trace_has_a_headline_only() {
    assert_eq!(summary(&Trace::default()), "Observed 0 syscall events (0 unique syscalls)\n");
    assert_eq!(tsv(&Trace::default(), false), "abi\tnr\tname\tcount\n");
    let mut one = Trace::default();
    observe(&mut one, &image("/x", None), Abi::X86_64, 0, 1, 1);
    assert!(summary(&one).starts_with("Observed 1 syscall event (1 unique syscall)\n"));
}

#[test]
fn tsv_is_sorted_by_abi_and_number() {
    assert_eq!(
        tsv(&mixed(), false),
        "abi\tnr\tname\tcount\n\
         i386\t3\tread\t2\n\
         x32\t513\trt_sigreturn\t2\n\
         x86_64\t9\tmmap\t36\n\
         x86_64\t257\topenat\t35\n\
         x86_64\t9999\t-\t1\n"
    );
    assert_eq!(
        tsv(&mixed(), true),
        "image\tabi\tnr\tname\tcount\n\
         /bin/sh\ti386\t3\tread\t2\n\
         /bin/sh\tx32\t513\trt_sigreturn\t2\n\
         /bin/sh\tx86_64\t9\tmmap\t20\n\
         /bin/sh\tx86_64\t257\topenat\t35\n\
         /usr/bin/python3 /tmp/a\\x09b\tx86_64\t9\tmmap\t16\n\
         /usr/bin/python3 /tmp/a\\x09b\tx86_64\t9999\t-\t1\n"
    );
}

#[test]
fn a_table_is_sorted_as_asked() {
    let names = |sort| -> Vec<String> {
        let text = text(&mixed(), false, sort, false);
        let rows = text.lines().skip_while(|line| !line.contains("COUNT")).skip(1);
        rows.take_while(|line| !line.is_empty())
            .map(|line| line.split_whitespace().nth(2).unwrap().to_owned())
            .collect()
    };
    let (by_count, by_name, by_number) = (names(Sort::Count), names(Sort::Name), names(Sort::Number));
    let mut sorted = by_count.clone();
    sorted.sort();
    // A call without a name comes first.
    sorted.sort_by_key(|name| name != "-");
    assert_eq!(by_name, sorted);
    assert_ne!(by_name, by_count);
    assert_ne!(by_number, by_count);
}

#[test]
fn showing_by_image_says_who_made_which_call() {
    assert_eq!(
        text(&mixed(), true, Sort::Count, false),
        "\
Observed 76 syscall events (5 unique syscalls)

/bin/sh: 59 events, 4 unique
   NR       COUNT  NAME
  257          35  openat
    9          20  mmap
    3           2  read (i386)
  513           2  rt_sigreturn (x32)

/usr/bin/python3 /tmp/a\\x09b: 17 events, 2 unique
   NR       COUNT  NAME
    9          16  mmap
 9999           1  -

1 run:
  - sh -c 'ls /tmp; ./x\\x1b', at 2024-02-29 23:59:59 UTC, for 1.2 s, exit status 0, recorded by ebpf on 6.1.0-50-amd64 x86_64
"
    );
}

#[test]
fn no_abi_goes_without_saying_where_machines_differ() {
    let mut trace = Trace::default();
    trace.runs.insert(id(1), run(None, &["a"], Some(Arch::X86_64)));
    trace.runs.insert(id(2), run(None, &["a"], Some(Arch::Aarch64)));
    let program = image("/a", None);
    observe(&mut trace, &program, Abi::X86_64, 0, 1, 1);
    observe(&mut trace, &program, Abi::Aarch64, 63, 2, 2);
    assert!(summary(&trace).ends_with(
        "   NR       COUNT  NAME\n   63           2  read (aarch64)\n    0           1  read (x86_64)\n"
    ));
}

#[test]
fn a_machine_that_is_not_named_is_known_by_its_calls() {
    let mut trace = Trace::default();
    observe(&mut trace, &image("/a", None), Abi::X86_64, 0, 1, 1);
    observe(&mut trace, &image("/a", None), Abi::I386, 3, 1, 1);
    assert!(summary(&trace).ends_with("    0           1  read\n    3           1  read (i386)\n"));
}

#[test]
fn gaps_are_told_in_plain_words_and_notes_apart() {
    let mut trace = mixed();
    let mut gap = |kind, run, detail: Option<&str>, count| {
        trace.note_gap(Gap { kind, run: id(run), detail: detail.map(str::to_owned) }, count);
    };
    gap(GapKind::CallsLost, 1, Some("calls"), 7);
    gap(GapKind::IoUringProbe, 1, None, 1);
    gap(GapKind::ImageUnreadable, 1, Some("/a\\x1bb \u{1b}[2J"), 0);
    assert!(summary(&trace).ends_with(
        "\
 9999           1  -

The recording may be incomplete:
  - A map of the recorder was full; some calls were not counted. (calls, 7 times)

Notes:
  - io_uring was set up, but no operation was submitted through it.
  - The path or the build id of a program could not be read in full. (/a\\x1bb \\x1b[2J)
"
    ));
}

#[test]
fn a_gap_of_several_runs_is_told_once() {
    let mut trace = Trace::default();
    for number in 1..=3 {
        trace.runs.insert(id(number), run(None, &["a"], None));
    }
    for number in 1..=2 {
        trace.note_gap(Gap { kind: GapKind::CallsLost, run: id(number), detail: None }, 2);
    }
    assert!(summary(&trace).ends_with(
        "  - A map of the recorder was full; some calls were not counted. (4 times, in 2 of 3 runs)\n"
    ));
}

#[test]
fn runs_are_told_in_the_order_they_began_and_not_without_end() {
    let mut trace = Trace::default();
    for number in 0..25_u32 {
        let mut one = run(Some(&format!("r{number}")), &[], None);
        one.started_unix_ms = Some(u64::from(1000 - number));
        one.target = Some("pid 7".to_owned());
        one.exit = Some(Exit::Signal(9));
        trace.runs.insert(id(number.into()), one);
    }
    let text = text(&trace, false, Sort::Count, false);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[2], "25 runs:");
    assert_eq!(
        lines[3],
        "  - r24: pid 7, at 1970-01-01 00:00:00 UTC, for 1.2 s, ended by signal 9, recorded by ebpf"
    );
    assert_eq!(lines.len(), 24);
    assert_eq!(lines[23], "  - and 5 more");
}

#[test]
fn commands_can_be_read_again() {
    for (command, expected) in [
        (&["ls", "-la", "--color=auto", "/tmp"][..], "ls -la --color=auto /tmp"),
        (&["sh", "-c", "echo 'a b'"], "sh -c 'echo '\\''a b'\\'''"),
        (&["", "*"], "'' '*'"),
        (&["é"], "é"),
    ] {
        let one = run(None, command, None);
        assert_eq!(runs::subject(&one), expected);
    }
    let mut unknown = run(Some("n"), &[], None);
    assert_eq!(runs::subject(&unknown), "n: (command not recorded)");
    unknown.target = Some("cgroup /x".to_owned());
    assert_eq!(runs::subject(&unknown), "n: cgroup /x");
}

#[test]
fn json_holds_what_the_table_holds() {
    let mut trace = mixed();
    trace.note_gap(Gap { kind: GapKind::CallsLost, run: id(1), detail: Some("calls".to_owned()) }, 7);
    let text = super::json(&trace, false);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        value,
        serde_json::json!({
            "events": 76,
            "unique": 5,
            "calls": [
                {"abi": "i386", "nr": 3, "name": "read", "count": 2},
                {"abi": "x32", "nr": 513, "name": "rt_sigreturn", "count": 2},
                {"abi": "x86_64", "nr": 9, "name": "mmap", "count": 36},
                {"abi": "x86_64", "nr": 257, "name": "openat", "count": 35},
                {"abi": "x86_64", "nr": 9999, "name": null, "count": 1},
            ],
            "runs": [{
                "id": id(1).to_string(),
                "name": null,
                "command": ["sh", "-c", "ls /tmp; ./x\\x1b"],
                "target": null,
                "started_unix_ms": 1_709_251_199_000_u64,
                "duration_ms": 1234,
                "exit_code": 0,
                "exit_signal": null,
                "recorder": "ebpf",
                "kernel": "6.1.0-50-amd64",
                "arch": "x86_64",
                "facts": [],
            }],
            "gaps": [{
                "kind": "calls-lost",
                "blocking": true,
                "explanation": "A map of the recorder was full; some calls were not counted.",
                "detail": "calls",
                "count": 7,
                "runs": [id(1).to_string()],
            }],
        })
    );
    let by_image: serde_json::Value = serde_json::from_str(&super::json(&trace, true)).unwrap();
    assert_eq!(by_image["calls"], serde_json::Value::Null);
    assert_eq!(by_image["images"][1]["image"], "/usr/bin/python3 /tmp/a\\x09b");
    assert_eq!(by_image["images"][1]["calls"].as_array().unwrap().len(), 2);
}

/// A trace of an strace log says how calls failed; the most frequent first, and of many the first few.
#[test]
fn calls_that_failed_are_shown() {
    let mut trace = Trace::default();
    observe(&mut trace, &image("/a", None), Abi::X86_64, 257, 1, 9);
    let mut fail = |path, abi, nr, errno, count| {
        let result = (Syscall { abi, nr }, sandprint_model::errno::Errno(errno));
        trace.results.join(Subject::of(&image(path, None)), result, id(1), sandprint_model::Count(count));
    };
    fail("/a", Abi::X86_64, 257, 2, 3);
    fail("/b", Abi::X86_64, 257, 2, 1);
    fail("/a", Abi::I386, 5, 13, 9);
    fail("/a", Abi::X86_64, 257, 524, 1);
    let section = "      FAILED  CALL\n           9  open (i386): EACCES\n           4  openat: ENOENT\n           1  openat: 524\n";
    assert!(text(&trace, false, Sort::Count, false).contains(section));
    let json: serde_json::Value = serde_json::from_str(&super::json(&trace, false)).unwrap();
    let error = |errno: u16, name: Option<&str>, count: u64| serde_json::json!({"errno": errno, "name": name, "count": count});
    let expected = serde_json::json!([error(2, Some("ENOENT"), 4), error(524, None, 1)]);
    assert_eq!(json["calls"][0]["errors"], expected);
    let json: serde_json::Value = serde_json::from_str(&super::json(&trace, true)).unwrap();
    let expected = serde_json::json!([error(2, Some("ENOENT"), 3), error(524, None, 1)]);
    assert_eq!(json["images"][0]["calls"][0]["errors"], expected);

    for errno in 20..40 {
        let result = (Syscall { abi: Abi::X86_64, nr: 257 }, sandprint_model::errno::Errno(errno));
        trace.results.join(Subject::default(), result, id(1), sandprint_model::Count(1));
    }
    assert!(text(&trace, false, Sort::Count, false).contains("           -  and 13 more\n"));
    assert!(!text(&trace, false, Sort::Count, true).contains("more"));
}

/// One run with arguments, too many of them, errors and a refusal, by two programs.
fn detailed() -> Trace {
    let run = id(1);
    let call = |abi, name| Syscall::from_name(abi, name).unwrap();
    let (sh, ls) = (image("/bin/sh", None), image("/bin/ls\t", None));
    let mut trace = Trace::default();
    let socket = call(Abi::X86_64, "socket");
    let value = |family| Selected([Some(family), Some(1), Some(0), None, None, None]);
    let mut seen = ArgumentsSeen::new(value(1), 2);
    seen.add(value(2), 1);
    let made = |count, arguments| CallSeen { count, first: None, arguments: Some(arguments) };
    trace.calls.join(Subject::of(&sh), socket, run, made(3, seen));
    let ioctl = call(Abi::I386, "ioctl");
    trace.calls.join(Subject::of(&ls), ioctl, run, made(99, ArgumentsSeen::too_many()));
    let nameless = Syscall { abi: Abi::X86_64, nr: 5000 };
    for (image, call, errno, count) in [(&sh, socket, 97, 1), (&ls, nameless, 38, 4), (&ls, nameless, 600, 1)]
    {
        trace.results.join(Subject::of(image), (call, Errno(errno)), run, Count(count));
    }
    trace.refused.join(Subject::of(&ls), (socket, Errno(1)), run, Count(7));
    trace
}

#[test]
fn one_kind_of_fact_by_itself_is_an_interface() {
    let trace = detailed();
    let tsv = |kind, by_image| only(&trace, kind, by_image, Form::Tsv);
    assert_eq!(
        tsv(FactKind::Arguments, false),
        "abi\tname\targuments\tcount\n\
         i386\tioctl\tmore than 64\t-\n\
         x86_64\tsocket\tfamily=AF_UNIX, type=SOCK_STREAM, protocol=0\t2\n\
         x86_64\tsocket\tfamily=AF_INET, type=SOCK_STREAM, protocol=IPPROTO_IP\t1\n"
    );
    assert_eq!(
        tsv(FactKind::Results, true),
        "image\tabi\tname\terrno\tcount\n\
         /bin/ls\\x09\tx86_64\t5000\tENOSYS\t4\n\
         /bin/ls\\x09\tx86_64\t5000\t600\t1\n\
         /bin/sh\tx86_64\tsocket\tEAFNOSUPPORT\t1\n"
    );
    assert_eq!(tsv(FactKind::Refused, false), "abi\tname\terrno\tcount\nx86_64\tsocket\tEPERM\t7\n");
    assert_eq!(
        only(&trace, FactKind::Refused, true, Form::Text),
        "/bin/ls\\x09:\nCOUNT  ABI     NAME    ERRNO\n    7  x86_64  socket  EPERM\n"
    );
    let json: Value = serde_json::from_str(&only(&trace, FactKind::Arguments, true, Form::Json)).unwrap();
    assert_eq!(
        json[0],
        json!({"image": "/bin/ls\\x09", "abi": "i386", "nr": 54, "name": "ioctl", "arguments": "more than 64", "count": null})
    );
    for (by_image, image) in [(false, ""), (true, "image\t")] {
        let tsv = only(&Trace::default(), FactKind::Refused, by_image, Form::Tsv);
        assert_eq!(tsv, format!("{image}abi\tname\terrno\tcount\n"));
    }
}

#[test]
fn a_summary_says_what_else_there_is() {
    let also = "Also recorded, and shown by `profile show --only KIND`:\n  arguments (3), refused (1), results (3)\n";
    assert!(summary(&detailed()).contains(also), "{}", summary(&detailed()));
    assert!(!summary(&Trace::default()).contains("Also"));
}

#[test]
fn what_was_done_to_a_file_is_told_from_what_failed_and_what_was_only_tried() {
    let mut trace = Trace::default();
    let run = RunId::from_bits(1);
    let rights = |rights: &str| Rights::parse(rights).unwrap();
    for (path, succeeded, failed, tried) in [
        ("/a", "read", "read", ""),
        ("/b", "read,write", "write", "read,execute"),
        ("/c", "", "", "list"),
        ("/d", "read", "", "read"),
    ] {
        let failed =
            if failed.is_empty() { Failures::default() } else { [(Errno(2), rights(failed))].into() };
        let seen =
            FileSeen { succeeded: rights(succeeded), failed, tried: rights(tried), ..FileSeen::default() };
        trace.files.add(Subject::default(), path.into(), run, seen);
    }
    assert_eq!(
        only(&trace, FactKind::Files, false, Form::Tsv),
        "path\trights\tsucceeded\tfailed\n\
         /a\tread\tyes\tyes\n\
         /b\tread,write\tyes\tno\n\
         /b\twrite\tno\tyes\n\
         /b\texecute\tno\tno\n\
         /c\tlist\tno\tno\n\
         /d\tread\tyes\tno\n"
    );
}

#[test]
fn a_path_that_may_be_another_one_is_told_to_people_and_in_json() {
    let mut trace = Trace::default();
    let run = RunId::from_bits(1);
    for (path, doubts) in [("/a", &[][..]), ("/b", &[Doubt::Unlinked]), ("/b", &[Doubt::Cut])] {
        let succeeded = Rights::parse("read").unwrap();
        let doubts = doubts.iter().copied().collect();
        let seen = FileSeen { succeeded, doubts, ..FileSeen::default() };
        trace.files.add(Subject::default(), path.into(), run, seen);
    }
    let (tsv, text, json) = (
        only(&trace, FactKind::Files, false, Form::Tsv),
        only(&trace, FactKind::Files, false, Form::Text),
        only(&trace, FactKind::Files, false, Form::Json),
    );
    assert_eq!(tsv, "path\trights\tsucceeded\tfailed\n/a\tread\tyes\tno\n/b\tread\tyes\tno\n");
    assert_eq!(
        text,
        "RIGHTS  SUCCEEDED  FAILED  DOUBTS        PATH\n\
         read    yes        no      -             /a\n\
         read    yes        no      cut,unlinked  /b\n"
    );
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json[0]["doubts"], &json[1]["doubts"]), (&Value::Null, &Value::from("cut,unlinked")));
    assert!(summary(&trace).contains("  files (2)\n  1 path is doubtful: `--only files` says why\n"));
}

#[test]
fn names_are_shown_with_what_they_stand_for_and_escaped() {
    let mut trace = Trace::default();
    let meaning = |source, address| Meaning::parse(source, address).unwrap();
    for (name, source, address) in [
        ("b.test", "dns", "2001:db8::1"),
        ("a\u{1b}.test", "connect", ":443"),
        ("b.test", "hosts", "127.0.0.1"),
    ] {
        let name = Name { name: name.into(), meaning: meaning(source, address) };
        for run in [1, 2] {
            trace.names.add(Subject::default(), name.clone(), RunId::from_bits(run), ());
        }
    }
    assert_eq!(
        only(&trace, FactKind::Names, false, Form::Tsv),
        "name\taddress\tsource\n\
         a\\x1b.test\t:443\tconnect\n\
         b.test\t2001:db8::1\tdns\n\
         b.test\t127.0.0.1\thosts\n"
    );
    assert!(summary(&trace).contains("  names (3)\n"), "{}", summary(&trace));
}
