//! What the recorders keep of arguments is what strace shows of them, value by value and as often; and a policy made of it lets the same run, and refuses another value.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use sandprint_model::arguments::{Selected, Selecting, render_selected};
use sandprint_model::{Abi, Arch, ArgumentsSeen, CallArguments, Syscall, Trace};

use crate::header::{Size, Strace};
use crate::notified::{OTHER_TESTS, steady};
use crate::recorder::{self, CHOSEN, FULL, FULL_BY_TID, How, NOTIFIED, SANDPRINT, TRACED};
use crate::witnesses::{LISTED, ready};
use crate::{run, strace, traced, turns, workshop};
use testkit::expect::skip;
use testkit::gcc;

/// The recorders that see arguments.
const KEEPING: [How; 4] = [NOTIFIED, TRACED, FULL, FULL_BY_TID];

/// What calls were made with, and how often; none for more than are kept apart.
type Values = BTreeMap<Syscall, Option<BTreeMap<Selected, u64>>>;

/// Calls whose arguments a shell chooses by what it has heard of its children, and when.
const TIMED: &[&str] = &["wait4"];

/// What strace shows of the arguments that select what a call does.
fn straced(around: &[&str], words: &[String], folder: &Path) -> (Values, run::Ended) {
    let log = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut command = strace::command(around, log.path());
    command.args(words);
    run::prepare(&mut command, folder);
    let ended = run::to_the_end(&mut command);
    let mut values = Values::new();
    for made in strace::read_made(log.path()) {
        let syscall =
            Syscall { abi: Abi::from_name(made.abi).expect("strace's reader has ours"), nr: made.nr };
        let Some(selecting) = Selecting::of(syscall) else { continue };
        let mut args = [0; 6];
        args.iter_mut().zip(made.args).for_each(|(slot, value)| *slot = value);
        let seen =
            values.entry(syscall).or_insert_with(|| Some(BTreeMap::new())).as_mut().expect("still apart");
        *seen.entry(selecting.values(&args)).or_default() += 1;
    }
    for seen in values.values_mut() {
        seen.take_if(|seen| seen.len() > ArgumentsSeen::MOST);
    }
    (values, ended)
}

/// The same, of a trace.
fn recorded(trace: &Trace) -> Values {
    let value = |(syscall, call): (Syscall, CallArguments<'_>)| {
        assert!(call.unrecorded.is_empty(), "{syscall}");
        let counts =
            call.values.iter().map(|(value, seen)| (*value, seen.iter().map(|(_, _, count)| count).sum()));
        let counts: BTreeMap<Selected, u64> = counts.collect();
        (syscall, call.too_many.is_empty().then_some(counts))
    };
    // Not shown raw by strace.
    let shown = trace.arguments(|_, syscall| syscall.name() != Some("execveat"));
    shown.into_iter().map(value).collect()
}

/// Every call in which they differ, one a line.
fn differences(strace: &Values, recorded: &Values) -> String {
    let calls: BTreeSet<&Syscall> = strace.keys().chain(recorded.keys()).collect();
    let words = |values: &Values, syscall: &Syscall| match values.get(syscall) {
        None => "nothing".to_owned(),
        Some(None) => "too many".to_owned(),
        Some(Some(seen)) => {
            let each =
                seen.iter().map(|(value, count)| format!("{count} ({})", render_selected(*syscall, value)));
            each.collect::<Vec<_>>().join(", ")
        }
    };
    let differing = calls.into_iter().filter(|call| strace.get(call) != recorded.get(call));
    let line = |call: &Syscall| {
        format!("  {call}: strace shows {}; recorded are {}", words(strace, call), words(recorded, call))
    };
    differing.map(line).collect::<Vec<_>>().join("\n")
}

fn but_timed(values: &Values) -> Values {
    let is_timed = |call: &Syscall| call.name().is_some_and(|name| TIMED.contains(&name));
    values.iter().filter(|(call, _)| !is_timed(call)).map(|(call, seen)| (*call, seen.clone())).collect()
}

fn has_strace() -> bool {
    let there = Command::new("strace").arg("-V").output();
    if let Err(error) = &there {
        skip("oracle", &format!("strace: {error}"));
    }
    there.is_ok() && KEEPING.into_iter().all(How::can_record)
}

#[test]
fn arguments_are_what_strace_shows_of_real_programs() {
    let _turn = turns::beside_others();
    if !has_strace() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut compared, mut distinct) = (0, 0);
    for words in steady() {
        let (strace, ended) = straced(&["setarch", "-R"], &words, folder.path());
        for how in KEEPING {
            let recording = recorder::record(&["setarch", "-R"], how, &words, folder.path());
            assert_eq!(ended.status.code(), recording.status.code(), "{words:?}");
            let seen = recorded(&recording.trace.decoded());
            assert_eq!(differences(&but_timed(&strace), &but_timed(&seen)), "", "{words:?}, {how:?}");
            distinct += seen.values().flatten().map(BTreeMap::len).sum::<usize>();
        }
        compared += 1;
    }
    assert!(compared >= 15 && distinct >= 30 * compared, "{compared} {distinct}");
}

#[test]
fn arguments_are_what_strace_shows_of_every_witness() {
    let _turn = turns::beside_others();
    if !has_strace() {
        return;
    }
    let mut wrong = Vec::new();
    let elsewhere = || OTHER_TESTS.iter().chain(traced::OTHER_TESTS);
    for name in LISTED.iter().filter(|name| elsewhere().all(|(other, _)| other != *name)) {
        let Some((witness, folder)) = ready(name, Size::Straced, &[]) else { continue };
        if matches!(witness.strace, Strace::Nothing(_)) {
            continue;
        }
        let words = witness.command(Size::Straced);
        let (strace, _) = straced(&[], &words, folder.path());
        drop(folder);
        for how in KEEPING {
            let folder = workshop::stage(&witness).expect("it has just been built");
            let recording = recorder::record(&[], how, &words, folder.path());
            let differing = differences(&strace, &recorded(&recording.trace.decoded()));
            if !differing.is_empty() {
                wrong.push(format!("{name}, {how:?}:\n{differing}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// `arguments.c`, built; none where this machine cannot.
fn program() -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the build folder is ours");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recording/arguments.c");
    gcc::can_build(&source, &folder.path().join("arguments"), &[]).then_some(folder)
}

#[test]
fn what_has_no_meaning_is_not_kept_and_what_has_no_end_is_said() {
    let _turn = turns::beside_others();
    let Some(folder) = program().filter(|_| has_strace()) else { return };
    let words = ["./arguments".to_owned()];
    let (strace, _) = straced(&[], &words, folder.path());
    let [recording, others @ ..] = KEEPING.map(|how| recorder::record(&[], how, &words, folder.path()));
    for other in others {
        assert_eq!(differences(&strace, &recorded(&other.trace.decoded())), "");
    }
    let seen = recorded(&recording.trace.decoded());
    assert_eq!(differences(&strace, &seen), "");
    let native = Arch::from_name(std::env::consts::ARCH).expect("sandprint records here").native_abi();
    let of = |name: &str| {
        let syscall = Syscall::from_name(native, name).expect("every ABI has it");
        let values = seen[&syscall].as_ref()?;
        let each = values.iter().map(|(value, count)| format!("{count} {}", render_selected(syscall, value)));
        Some(each.collect::<BTreeSet<_>>())
    };
    let own = |name: &str, expected: &[&str]| {
        let seen = of(name).expect("not too many");
        for one in expected {
            assert!(seen.contains(*one), "{name}: {one} is not in {seen:?}");
        }
        seen.len()
    };
    let sockets = [
        "1 family=AF_UNIX, type=SOCK_STREAM|SOCK_CLOEXEC, protocol=0",
        "1 family=AF_INET, type=SOCK_DGRAM, protocol=IPPROTO_IP",
    ];
    assert_eq!(own("socket", &sockets), 2);
    own("openat", &["1 flags=O_WRONLY|O_CREAT|O_TRUNC, mode=0600"]);
    assert_eq!(own("fcntl", &["1 cmd=F_GETFD", "1 cmd=F_SETFD, arg=FD_CLOEXEC", "97 cmd=F_DUPFD"]), 3);
    assert_eq!(own("prctl", &["1 option=PR_SET_DUMPABLE, arg2=1", "1 option=PR_GET_DUMPABLE"]), 2);
    assert_eq!(own("madvise", &[]), ArgumentsSeen::MOST);
    assert_eq!(of("ioctl"), None);
    let shown = sandprint(folder.path(), &["profile", "show", &recording.trace.0.to_string_lossy()]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("\n          97  fcntl(cmd=F_DUPFD)\n"), "{shown}");
    assert!(shown.contains("\n           -  ioctl: more than 64 different ones, by "), "{shown}");
}

fn sandprint(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(SANDPRINT);
    command.args(words);
    run::prepare(&mut command, folder);
    command.output().expect("sandprint starts")
}

/// Makes a policy of recordings, with rules about arguments.
fn generate(folder: &Path, traces: &[&Path], options: &[&str]) -> Output {
    let mut words = vec!["profile", "generate", "--arguments", "--format", "toml", "-o", "policy.toml", "-i"];
    words.extend(traces.iter().map(|trace| trace.to_str().expect("a plain path")));
    words.extend(options);
    sandprint(folder, &words)
}

/// What is said on stderr.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_policy_with_arguments_lets_the_same_run_and_refuses_another_value() {
    let _turn = turns::beside_others();
    if !NOTIFIED.can_record() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = |more: &[&'static str]| [&["dd", "status=none", "if=/etc/passwd", "of=copied"], more].concat();
    let words: Vec<String> = copy(&[]).into_iter().map(str::to_owned).collect();
    let recording = recorder::record(&[], NOTIFIED, &words, folder.path());
    assert_eq!(recording.status.code(), Some(0), "{}", recording.stderr);
    let confined =
        |words: &[&str]| sandprint(folder.path(), &[&["run", "-p", "policy.toml", "--"], words].concat());
    let copied = || fs::read(folder.path().join("copied")).expect("it is there");
    // The same calls, of which one has another flag.
    let appended = copy(&["oflag=append", "conv=notrunc"]);

    let whole = generate(folder.path(), &[&recording.trace.0], &[]);
    assert!(whole.status.success(), "{}", said(&whole));
    let trace = recording.trace.0.to_string_lossy().into_owned();
    let plain =
        sandprint(folder.path(), &["profile", "generate", "-f", "toml", "-o", "plain.toml", "-i", &trace]);
    assert!(plain.status.success(), "{}", said(&plain));
    let policy = |name: &str| fs::read_to_string(folder.path().join(name)).expect("it was written");
    assert_ne!(conditions(&policy("policy.toml")), ADDED);
    assert_eq!(conditions(&policy("plain.toml")), [&[DUPLICATES][..], &ADDED].concat());

    let same = confined(&copy(&[]));
    assert!(same.status.success(), "{}", said(&same));
    assert_eq!(copied(), fs::read("/etc/passwd").expect("every machine has it"));
    let other = confined(&appended);
    assert!(!other.status.success() && said(&other).contains("Operation not permitted"), "{}", said(&other));
    let unchanged = copied();
    fs::rename(folder.path().join("plain.toml"), folder.path().join("policy.toml"))
        .expect("the folder is ours");
    let allowed = confined(&appended);
    assert!(allowed.status.success(), "{}", said(&allowed));
    assert_eq!(copied().len(), 2 * unchanged.len());
}

#[test]
fn a_run_whose_arguments_are_not_known_makes_no_rules_about_them() {
    let _turn = turns::beside_others();
    if !NOTIFIED.can_record() || !CHOSEN.can_record() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let words = ["cat".to_owned(), "/etc/passwd".to_owned()];
    let notified = recorder::record(&[], NOTIFIED, &words, folder.path());
    let by_ebpf = recorder::record(&[], CHOSEN, &words, folder.path());
    let refused = generate(folder.path(), &[&by_ebpf.trace.0], &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(
        said(&refused),
        "error: failed to make rules about arguments: no run of the trace recorded them\n\
         hint: record it without `--detail calls`, or leave out `--arguments`\n"
    );
    let mixed = generate(folder.path(), &[&notified.trace.0, &by_ebpf.trace.0], &[]);
    assert!(mixed.status.success(), "{}", said(&mixed));
    let policy = fs::read_to_string(folder.path().join("policy.toml")).expect("it was written");
    assert_eq!(policy.matches(". 1 run did not record them.").count(), 1, "{policy}");
    // Of calls that no run made, and of none that was made.
    let unseen = [
        "when = [\"arg0.u32 & 0xfffffff0 == 0\"]",
        "when = [\"arg0.u32 & 0xfffffff0 == 0\"]",
        DUPLICATES,
        "when = [\"arg1.u32 & 0x7e == 0\"]",
        "when = [\"arg1.u32 & 0x7f == FUTEX_REQUEUE\"]",
        "when = [\"arg1.u32 & 0x7e == FUTEX_CMP_REQUEUE\"]",
        "when = [\"arg1.u32 & 0x7f == FUTEX_WAIT_BITSET\"]",
        "when = [\"arg1.u32 & 0x7f == FUTEX_WAKE_BITSET\"]",
    ];
    assert_eq!(conditions(&policy), [&unseen[..], &ADDED].concat(), "{policy}");
}

/// What is added of `fcntl`, with such arguments only.
const DUPLICATES: &str = "when = [\"arg1.u32 == F_DUPFD\"]";

/// What else is added with such arguments only: `getpgid` and `getsid` of the caller, questions about a terminal,
/// `personality`, `setfsgid` and `setfsuid` that change nothing, and the signal of abort(3).
const ADDED: [&str; 8] = [
    "when = [\"arg0.u32 == 0\"]",
    "when = [\"arg0.u32 == 0\"]",
    "when = [\"arg1.u32 == TCGETS\"]",
    "when = [\"arg1.u32 == TCGETS2\"]",
    "when = [\"arg0.u32 == 0xffffffff\"]",
    "when = [\"arg0.u32 == 0xffffffff\"]",
    "when = [\"arg0.u32 == 0xffffffff\"]",
    "when = [\"arg2.u32 == SIGABRT\"]",
];

/// The conditions of a policy file, in its order.
fn conditions(policy: &str) -> Vec<&str> {
    policy.lines().filter(|line| line.starts_with("when = ")).collect()
}
