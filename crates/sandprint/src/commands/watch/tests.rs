//! What is printed of every kind of news, as text and as JSON.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sandprint_model::import::SeccompRecord;
use sandprint_model::{Abi, Action, Ancestor, ByteString, Call, Code, Reason, Rule, Syscall};
use sandprint_policy::suggest::allowing;
use sandprint_record::ebpf::Missed;
use sandprint_record::refused::{Outcome, Refused};
use sandprint_trial::watch::judge::{By, Judgement, Verdict};
use sandprint_trial::watch::{Seen, Totals};

use super::suggest::{Says, suggest};
use super::teller::Teller;
use super::told::Told;
use super::{Format, json, text};
use crate::policy_source::PolicySource;
use crate::target::Host;
use testkit::event_schema::event;

const FIRST: SystemTime = UNIX_EPOCH;

fn seen(abi: Abi, name: &str, args: [u64; 6], outcome: Outcome, verdict: Verdict) -> Seen {
    let call = Call { syscall: Syscall::from_name(abi, name).unwrap(), args };
    let mut rule = allowing(&call, Reason::ByHand(String::new()));
    rule.reasons.clear();
    let ancestor = |tgid, host_tgid, comm: &str| Ancestor {
        tgid,
        host_tgid: Some(host_tgid),
        comm: ByteString::from(comm),
    };
    Seen {
        refused: Refused {
            id: 77,
            call,
            outcome,
            count: 1,
            first: FIRST,
            last: FIRST + Duration::from_millis(1500),
            tgid: Some(7),
            host_tid: 1008,
            host_tgid: 1007,
            comm: ByteString::from("worker"),
            image: ByteString::from("/bin/app"),
            ancestry: vec![ancestor(None, 1000, "sh"), ancestor(Some(7), 1007, "app")],
            cgroup: ByteString::from("/system.slice/app.service"),
            instruction_pointer: 0x1000,
            code: Err("it was not read"),
            filters: Vec::new(),
            more_filters: false,
            traced: false,
            supervised: false,
            ended: None,
        },
        judgement: Judgement { verdict, filter: None, doubt: None },
        location: Ok(Code { module: ByteString::from("/lib/libc.so.6"), inode: 1, offset: 0x1234 }
            .within(Some("socket".to_owned()))),
        rule,
    }
}

fn denied(action: Action, by: By, outcome: Outcome) -> Seen {
    seen(Abi::X86_64, "socket", [2, 1, 0, 0, 0, 0], outcome, Verdict::Denied { action, by })
}

#[test]
fn people_are_told_once_what_several_processes_do_alike() {
    let mut teller = Teller::new(Format::Text, None);
    let mut seen = denied(Action::Errno(1), By::Filter, Outcome::Returned(-1));
    assert!(!teller.is_alike(&seen).unwrap());
    for id in 78..100 {
        seen.refused.id = id;
        seen.refused.host_tgid += 1;
        assert!(teller.is_alike(&seen).unwrap());
    }
    for change in [
        |seen: &mut Seen| seen.refused.image = ByteString::from("/bin/other"),
        |seen: &mut Seen| seen.refused.cgroup = ByteString::from("/other"),
        |seen: &mut Seen| seen.refused.call.syscall = Syscall::from_name(Abi::X86_64, "mkdir").unwrap(),
        |seen: &mut Seen| seen.location = Err("it was not read".to_owned()),
        |seen: &mut Seen| seen.judgement.verdict = Verdict::Emulated { by: By::Supervisor },
    ] {
        let mut other = seen.clone();
        change(&mut other);
        assert!(!teller.is_alike(&other).unwrap());
    }
}

/// Text and JSON of what was seen.
fn told(seen: &Seen, policy: Option<&PolicySource>) -> (String, serde_json::Value) {
    let place = Host::here().place(&seen.refused.cgroup);
    let suggestion = policy.map(|policy| suggest(policy, seen));
    let told = Told { number: 3, seen, place: &place, suggestion };
    let line = json::seen(&told);
    assert_eq!(line.matches('\n').count(), 1, "{line}");
    (text::seen(&told), event(&line))
}

fn policy(text: &str) -> PolicySource {
    PolicySource::from_bytes(std::path::Path::new("app.policy.toml"), text.as_bytes()).unwrap()
}

#[test]
fn a_denial_says_all_that_is_known() {
    let (text, json) = told(&denied(Action::Errno(1), By::Filter, Outcome::Returned(-1)), None);
    assert_eq!(
        text,
        "#3  1970-01-01T00:00:00.000Z  socket(AF_INET, SOCK_STREAM, IPPROTO_IP)  -> errno EPERM\n    \
         by    /bin/app (sh[(1000)] > app[7])\n    \
         in    unit app.service\n    \
         from  socket in /lib/libc.so.6 (offset 0x1234)\n    \
         rule  allow socket when arg0.u32 == AF_INET and arg1.u32 & 0xf == SOCK_STREAM and arg2.u32 == 0\n"
    );
    let expected = serde_json::json!({
        "event": "denial",
        "id": 3,
        "time": "1970-01-01T00:00:00.000Z",
        "abi": "x86_64",
        "nr": 41,
        "name": "socket",
        "call": "socket(AF_INET, SOCK_STREAM, IPPROTO_IP)",
        "args": [2, 1, 0, 0, 0, 0],
        "action": "errno EPERM",
        "by": "filter",
        "returned": -1,
        "doubt": null,
        "count": 1,
        "last": "1970-01-01T00:00:01.500Z",
        "process": {"pid": 7, "host_pid": 1007, "host_tid": 1008, "comm": "worker", "image": "/bin/app"},
        "ancestry": [{"pid": null, "host_pid": 1000, "comm": "sh"}, {"pid": 7, "host_pid": 1007, "comm": "app"}],
        "cgroup": "/system.slice/app.service",
        "container": null,
        "unit": "app.service",
        "location": {"module": "/lib/libc.so.6", "offset": 0x1234, "function": "socket"},
        "no_location": null,
        "ended_after_ms": null,
        "rule": {
            "do": "allow",
            "when": ["arg0.u32 == AF_INET", "arg1.u32 & 0xf == SOCK_STREAM", "arg2.u32 == 0"],
        },
        "suggestion": null,
    });
    assert_eq!(json, expected);
}

#[test]
fn who_answered_is_told_apart() {
    let emulated = |by, value| {
        seen(
            Abi::X86_64,
            "mkdir",
            [0x10, 0o755, 0, 0, 0, 0],
            Outcome::Returned(value),
            Verdict::Emulated { by },
        )
    };
    for (seen, kind, answer) in [
        (denied(Action::Errno(13), By::Filter, Outcome::Returned(-13)), "denial", "errno EACCES"),
        (denied(Action::Trap, By::Filter, Outcome::Trapped), "denial", "trap"),
        (denied(Action::KillThread, By::Filter, Outcome::KilledThread), "denial", "kill-thread"),
        (denied(Action::KillProcess, By::Filter, Outcome::KilledProcess), "denial", "kill-process"),
        (
            denied(Action::Notify, By::Filter, Outcome::Returned(-38)),
            "denial",
            "notify: ENOSYS, since there is no supervisor",
        ),
        (
            denied(Action::Notify, By::Supervisor, Outcome::Returned(-1)),
            "denial",
            "notify: EPERM, by its supervisor",
        ),
        (
            denied(Action::Trace(7), By::Filter, Outcome::Returned(-38)),
            "denial",
            "trace 7: ENOSYS, since there is no tracer",
        ),
        (
            denied(Action::Trace(7), By::Tracer, Outcome::Returned(-1)),
            "denial",
            "trace 7: EPERM, by its tracer",
        ),
        (emulated(By::Supervisor, 3), "emulated", "3, by its supervisor in its place"),
        (emulated(By::Tracer, i64::MIN), "emulated", "-9223372036854775808, by its tracer in its place"),
    ] {
        let (text, json) = told(&seen, None);
        let first = text.lines().next().unwrap();
        assert_eq!((first.split_once("  -> ").unwrap().1, json["event"].as_str()), (answer, Some(kind)));
        assert_eq!(text.contains("    rule  "), kind == "denial", "{text}");
    }
}

#[test]
fn what_is_not_known_and_what_is_not_certain_is_said() {
    let mut unknown = denied(Action::Errno(1), By::Filter, Outcome::Returned(-1));
    unknown.judgement.doubt = Some("its filters could not be read");
    unknown.location = Err("the stack was gone".to_owned());
    unknown.refused.image = ByteString::default();
    unknown.refused.ancestry.clear();
    unknown.refused.tgid = None;
    unknown.refused.cgroup = ByteString::from("/");
    unknown.refused.count = 5;
    unknown.refused.ended = Some(Duration::from_millis(12));
    let (text, json) = told(&unknown, None);
    assert_eq!(
        text.lines().skip(1).take(4).collect::<Vec<_>>(),
        [
            "    by    a program (worker[(1007)])",
            "    from  unknown: the stack was gone",
            "    then  the process ended 12 ms later",
            "    note  not certain: its filters could not be read",
        ]
    );
    assert!(text.contains("  5x  socket("), "{text}");
    assert_eq!(json["process"]["image"], serde_json::Value::Null);
    assert_eq!(json["no_location"], "the stack was gone");
    assert_eq!((&json["ended_after_ms"], &json["count"]), (&serde_json::json!(12), &serde_json::json!(5)));
}

#[test]
fn calls_of_other_abis_and_without_a_name_are_named_as_such() {
    let verdict = Verdict::Denied { action: Action::Errno(38), by: By::Filter };
    let (text, json) =
        told(&seen(Abi::I386, "socketcall", [1, 0x10, 0, 0, 0, 0], Outcome::Returned(-38), verdict), None);
    assert!(text.contains("  i386: socketcall(") && text.contains("allow i386: socketcall"), "{text}");
    assert_eq!(json["abi"], "i386");
    let mut unnamed = denied(Action::Errno(38), By::Filter, Outcome::Returned(-38));
    unnamed.refused.call.syscall.nr = 4000;
    unnamed.rule = Rule { conditions: Vec::new(), action: Action::Allow, reasons: [].into() };
    let (text, json) = told(&unnamed, None);
    assert!(text.contains("  syscall_0xfa0(") && text.contains("    rule  allow syscall_4000\n"), "{text}");
    assert_eq!((&json["name"], &json["nr"]), (&serde_json::Value::Null, &serde_json::json!(4000)));
}

#[test]
fn nothing_of_a_process_reaches_the_terminal_or_the_log_as_it_is() {
    let hostile = "\u{1b}[2J\n\u{202e}\"\\";
    let mut seen = denied(Action::Errno(1), By::Filter, Outcome::Returned(-1));
    seen.refused.image = ByteString::from(hostile);
    seen.refused.comm = ByteString::from(hostile);
    seen.refused.ancestry[1].comm = ByteString::from(hostile);
    seen.location =
        Ok(Code { module: ByteString::from(hostile), inode: 1, offset: 1 }.within(Some(hostile.to_owned())));
    let source = policy(
        "version = 1\ndefault = \"errno EPERM\"\nforeign = \"kill-process\"\n[[x86_64.read]]\ndo = \"allow\"\n",
    );
    let record = SeccompRecord {
        at_ms: None,
        syscall: seen.refused.call.syscall,
        pid: 9,
        comm: ByteString::from(hostile),
        exe: ByteString::from(hostile),
        instruction_pointer: 1,
        returned: 0x7ffc_0000,
    };
    for cgroup in [format!("/a{hostile}"), format!("/default/{hostile}"), format!("/{hostile}.service")] {
        seen.refused.cgroup = ByteString::from(cgroup.as_str());
        let place = Host::here().place(&seen.refused.cgroup);
        let told = Told { number: 3, seen: &seen, place: &place, suggestion: Some(suggest(&source, &seen)) };
        for line in [
            text::seen(&told),
            json::seen(&told),
            text::logged(1, &record, 1, None),
            json::logged(1, &record, 1, None),
        ] {
            let plain = |c: char| c == '\n' || !c.is_control() && c.is_ascii();
            assert!(line.chars().all(plain), "{line:?}");
            assert!(line.lines().count() < 20 && !line.contains("[2J\n"), "{line}");
        }
    }
}

#[test]
fn a_policy_says_whether_it_allows_refuses_or_lacks_the_call() {
    let head = "version = 1\ndefault = \"errno EPERM\"\nforeign = \"kill-process\"\n";
    let seen = denied(Action::Errno(1), By::Filter, Outcome::Returned(-1));
    let lines = "[[x86_64.socket]]\n\
        do = \"allow\"\n\
        when = [\"arg0.u32 == AF_INET\", \"arg1.u32 & 0xf == SOCK_STREAM\", \"arg2.u32 == 0\"]\n\
        why = [\n    \"/bin/app made it, in socket of /lib/libc.so.6, and was refused: seen by sandprint watch on 1970-01-01\",\n]";
    let netlink = "[[x86_64.socket]]\ndo = \"allow\"\nwhen = [\"arg0.u32 == AF_NETLINK\"]\n";
    for (rules, says, words, at, fix) in [
        (
            "[[x86_64.socket]]\ndo = \"allow\"\n".to_owned(),
            Says::Allows,
            "the rule at app.policy.toml:4:1 allows it already: the process runs under another profile",
            Some("app.policy.toml:4:1"),
            None,
        ),
        (
            format!("{netlink}[[x86_64.socket]]\ndo = \"errno EACCES\"\n"),
            Says::Refuses,
            "the rule at app.policy.toml:7:1 refuses it (errno EACCES); to allow it, before that rule:",
            Some("app.policy.toml:7:1"),
            Some(lines),
        ),
        (
            netlink.to_owned(),
            Says::Lacks,
            "app.policy.toml has no rule for it (errno EPERM); to allow it, add:",
            None,
            Some(lines),
        ),
        (
            "[[aarch64.read]]\ndo = \"allow\"\n".to_owned(),
            Says::Lacks,
            "app.policy.toml has no rule for it (kill-process); to allow it, add:",
            None,
            Some(lines),
        ),
    ] {
        let source = policy(&format!("{head}{rules}"));
        let suggestion = suggest(&source, &seen);
        assert_eq!(
            (suggestion.says, suggestion.at.as_deref(), suggestion.lines.as_deref()),
            (says, at, fix),
            "{rules}"
        );
        let (text, json) = told(&seen, Some(&source));
        let indented =
            fix.map_or_else(String::new, |fix| format!("          {}\n", fix.replace('\n', "\n          ")));
        assert!(text.ends_with(&format!("    file  {words}\n{indented}")), "{text}");
        assert_eq!(json["suggestion"]["toml"], serde_json::json!(fix));
        // What is suggested does it, where it is said to be put.
        if let Some(fix) = fix {
            let fixed = policy(&format!("{head}{fix}\n{rules}"));
            assert_eq!(suggest(&fixed, &seen).says, Says::Allows);
        }
    }
}

#[test]
fn everything_else_is_a_line_by_itself() {
    let record = SeccompRecord {
        at_ms: Some(5),
        syscall: Syscall::from_name(Abi::X86_64, "mkdir").unwrap(),
        pid: 9,
        comm: ByteString::from("app"),
        exe: ByteString::from("/bin/app"),
        instruction_pointer: 0x10,
        returned: 0x7ffc_0000,
    };
    assert_eq!(
        text::logged(4, &record, 2, Some(9)),
        "#4  1970-01-01T00:00:00.005Z  2x  mkdir(...)  -> ran, and was logged\n    by    /bin/app (app, pid 9)\n"
    );
    assert_eq!(text::repeated(4, 2, 3, 1), "#4  2 more, 3 in all\n");
    assert_eq!(text::repeated(4, 2, 3, 2), "#4  2 more, 3 in all, by 2 processes\n");
    assert_eq!(
        text::ended(4, Duration::from_millis(3)),
        Some("#4  its process ended 3 ms later\n".to_owned())
    );
    assert_eq!(text::ended(4, Duration::from_secs(3)), None);
    let totals = Totals { denials: 2, denied: 3, emulated: 1, not_refused: 0 };
    assert_eq!(text::summary(Totals::default(), 0), "No call was seen refused");
    assert_eq!(
        text::summary(totals, 4),
        "3 calls refused, of 2 kinds; 1 call answered by a supervisor or tracer; 4 calls ran and logged"
    );
    let missed = [Missed { what: "calls".to_owned(), count: 2 }];
    for (line, expected) in [
        (
            json::logged(4, &record, 2, None),
            serde_json::json!({
                "event": "logged", "id": 4, "time": "1970-01-01T00:00:00.005Z", "abi": "x86_64", "nr": 83,
                "name": "mkdir", "call": "mkdir", "count": 2, "instruction_pointer": 16,
                "process": {"pid": null, "host_pid": 9, "host_tid": null, "comm": "app", "image": "/bin/app"},
            }),
        ),
        (
            json::repeated(4, 2, 3, Some(FIRST)),
            serde_json::json!({
                "event": "repeated", "id": 4, "time": "1970-01-01T00:00:00.000Z", "more": 2, "count": 3,
            }),
        ),
        (
            json::ended(4, Duration::from_millis(3)),
            serde_json::json!({"event": "ended", "id": 4, "after_ms": 3}),
        ),
        (
            json::missed("calls", Some("no right"), None),
            serde_json::json!({"event": "missed", "what": "calls", "why": "no right", "count": null}),
        ),
        (
            json::summary(totals, 4, &missed),
            serde_json::json!({
                "event": "summary", "denials": 2, "denied": 3, "emulated": 1, "logged": 4,
                "missed": [{"what": "calls", "count": 2}],
            }),
        ),
    ] {
        assert_eq!(event(&line), expected);
    }
}
