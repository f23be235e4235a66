//! The recorders outside of the kernel see of files, sockets, memory and namespaces what the one inside does; and the one
//! that sees no ends says of nothing that it succeeded.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use sandprint_model::{ByteString, FactKind, FileSeen, GapKind, Outcomes, Peak, Right, Rights, Trace};

use crate::recorder::{self, FULL, FULL_NOTIFIED, FULL_TRACED, How, REDACTED, Recording, TRACED};
use crate::turns;

/// What a shell does to files of its folder.
const SCRIPT: &str = "echo a > new; echo b >> new; mkdir x; mv new x/; ln -s x l; cat l/new; ln x/new x/hard; \
     chmod 600 x/hard; touch t; cat missing; ( cd x; cat < hard ); echo > /dev/null; \
     printf '#!/bin/sh\\necho hi\\n' > s.sh; chmod +x s.sh; ./s.sh; ./missing; rm t";

/// What a program does with sockets, none of which anybody else serves.
const SOCKETS: &str = "
import os, socket
def fails(call, *args):
    try:
        call(*args)
    except OSError:
        pass
server = socket.socket(socket.AF_UNIX)
server.bind('served')
server.listen(1)
socket.socket(socket.AF_UNIX).connect('served')
fails(socket.socket(socket.AF_UNIX).connect, '/nowhere/socket')
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).bind('\\0sandprint-alike-%d' % os.getppid())
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.sendto(b'x', ('127.0.0.1', 9))
datagrams.sendmsg([b'x'], [], 0, ('127.0.0.1', 10))
datagrams.connect(('127.0.0.1', 11))
datagrams.send(b'x')
fails(socket.socket().connect, ('127.0.0.1', 1))
fails(socket.socket(socket.AF_INET6).connect, ('::1', 1))
fails(socket.socket, 77)
";

/// Programs of which two runs do the same.
fn programs() -> Vec<Vec<String>> {
    let all: [&[&str]; 7] = [
        &["cat", "/etc/passwd"],
        &["ls", "-la", "/usr/lib"],
        &["sh", "-c", SCRIPT],
        &["find", "/etc", "-maxdepth", "1"],
        &["python3", "-c", "import json, subprocess, sys; subprocess.run(['true'])"],
        &["python3", "-c", SOCKETS],
        &["git", "hash-object", "/etc/passwd"],
    ];
    let is_here = |program: &str| {
        let found = Command::new("sh").args(["-c", "command -v \"$0\"", program]).output();
        found.is_ok_and(|output| output.status.success())
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    all.into_iter().filter(|words| is_here(words[0])).map(words).collect()
}

/// A run in an empty folder, which is always the same one. Addresses are not random.
fn record(how: How, words: &[String], folder: &Path) -> Recording {
    fs::remove_dir_all(folder).unwrap_or_default();
    fs::create_dir(folder).expect("the folder is ours");
    recorder::record(&["setarch", "-R"], how, words, folder)
}

/// A path without numbers of processes.
fn steady(path: &ByteString) -> String {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let text = path.to_string();
    let mut parts: Vec<&str> = text.split('/').collect();
    if parts.get(1) == Some(&"proc") && parts.get(2).copied().is_some_and(is_number) {
        parts[2] = "PID";
    }
    parts.join("/").replace(|c: char| c.is_ascii_digit() && text.contains("sandprint-alike"), "N")
}

/// What was done to files, by program and path.
fn files(trace: &Trace) -> BTreeMap<(String, String), FileSeen> {
    let rows = trace.files.iter().flat_map(|(subject, path, runs)| {
        let image = subject.image.to_string();
        runs.values().map(move |seen| {
            let written = seen.written.as_ref().map(|path| ByteString::from(steady(path).as_str()));
            ((image.clone(), steady(path)), FileSeen { written, ..seen.clone() })
        })
    });
    rows.collect()
}

/// The rest, one a line.
fn others(trace: &Trace) -> BTreeSet<String> {
    let sockets = trace.sockets.iter().flat_map(|(subject, socket, runs)| {
        let address = steady(&ByteString::from(socket.address.to_string().as_str()));
        let socket = format!(
            "{} {} {} {} {} {address}",
            subject.image, socket.family, socket.kind, socket.protocol, socket.operation
        );
        runs.values().map(move |outcomes| format!("{socket} {outcomes:?}"))
    });
    let memory = trace.memory.iter().flat_map(|(subject, memory, runs)| {
        runs.values().map(move |count| format!("{} {memory:?} {count:?}", subject.image))
    });
    let namespaces = trace.namespaces.iter().flat_map(|(subject, (call, flags), runs)| {
        runs.values().map(move |count| format!("{} {call} {flags:#x} {count:?}", subject.image))
    });
    sockets.chain(memory).chain(namespaces).collect()
}

/// What one has, and the other has otherwise.
fn differences<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    here: &BTreeMap<K, V>,
    there: &BTreeMap<K, V>,
) -> Vec<String> {
    let keys: BTreeSet<&K> = here.keys().chain(there.keys()).collect();
    let differing = keys.into_iter().filter(|key| here.get(key) != there.get(key));
    differing.map(|key| format!("{key:?}: {:?} {:?}", here.get(key), there.get(key))).collect()
}

#[test]
fn a_tracer_sees_of_files_and_sockets_what_the_kernel_does() {
    let _turn = turns::beside_others();
    if !FULL.can_record() || !FULL_TRACED.can_record() {
        return;
    }
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = scratch.path().join("here");
    let (mut seen, mut compared) = (0, 0);
    for words in programs() {
        let [by_ebpf, traced] = [FULL, FULL_TRACED].map(|how| record(how, &words, &folder));
        assert_eq!(by_ebpf.status, traced.status, "{words:?}");
        let [here, there] = [&by_ebpf, &traced].map(|recording| recording.trace.decoded());
        assert_eq!(differences(&files(&here), &files(&there)), [""; 0], "{words:?}");
        let (ours, theirs) = (others(&here), others(&there));
        assert_eq!(ours.symmetric_difference(&theirs).collect::<Vec<_>>(), [""; 0], "{words:?}");
        assert_eq!(there.gaps.keys().filter(|gap| gap.kind == GapKind::FilesLost).count(), 0, "{words:?}");
        seen += files(&there).len() + theirs.len();
        compared += 1;
    }
    assert!(compared >= 4 && seen >= 50 * compared, "{compared} {seen}");
}

/// What was asked for. Whether a path is a directory, and whether it was made, only its end tells.
fn asked(rights: Rights) -> Rights {
    let rights = rights.iter().filter(|right| !matches!(right, Right::Create | Right::Truncate));
    rights.map(|right| if right == Right::List { Right::Read } else { right }).collect()
}

#[test]
fn who_sees_only_beginnings_sees_the_same_paths_and_rights_as_tried() {
    let _turn = turns::beside_others();
    if !FULL_TRACED.can_record() || !FULL_NOTIFIED.can_record() {
        return;
    }
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = scratch.path().join("here");
    for words in programs() {
        let [traced, notified] =
            [FULL_TRACED, FULL_NOTIFIED].map(|how| record(how, &words, &folder).trace.decoded());
        let all = |trace: &Trace| -> BTreeMap<(String, String), Rights> {
            let all = |seen: FileSeen| asked(seen.succeeded.and(seen.all_failed()).and(seen.tried));
            files(trace).into_iter().map(|(path, seen)| (path, all(seen))).collect()
        };
        let (expected, mut found) = (all(&traced), all(&notified));
        // A link was gone when the end of a path was looked for: it is known as it was written.
        found.retain(|path, _| !is_behind_a_link(path));
        let expected: BTreeMap<_, _> =
            expected.into_iter().filter(|(path, _)| !is_behind_a_link(path)).collect();
        assert_eq!(differences(&expected, &found), [""; 0], "{words:?}");
        // Nothing succeeded that was not seen: only what runs was executed.
        let executed = Rights::from([Right::Execute]);
        for ((_, path), seen) in files(&notified) {
            assert!(seen.failed.is_empty() && seen.succeeded.without(executed).is_empty(), "{path} {seen:?}");
        }
        let outcomes = notified.sockets.iter().flat_map(|(_, _, runs)| runs.values().copied());
        assert!(outcomes.into_iter().all(|outcomes| outcomes == Outcomes::default()), "{words:?}");
        let socket = |trace: &Trace| -> BTreeSet<String> {
            let sockets = trace.sockets.iter().map(|(_, socket, _)| format!("{socket:?}"));
            sockets.filter(|socket| !socket.contains("sandprint-alike")).collect()
        };
        assert_eq!(socket(&traced), socket(&notified), "{words:?}");
    }
}

/// What the script of [`SCRIPT`] reads through its link, in this folder.
fn is_behind_a_link((_, path): &(String, String)) -> bool {
    path.ends_with("here/x/new")
}

/// What is done to files in the folder, in words, without its path.
fn in_folder(trace: &Trace, folder: &Path) -> BTreeSet<String> {
    let folder = folder.to_str().expect("a plain path");
    let mut lines = BTreeSet::new();
    for ((_, path), seen) in files(trace) {
        let Some(path) = path.strip_prefix(folder) else { continue };
        let path = path.strip_prefix('/').unwrap_or(".");
        let failed = seen.failed.iter().map(|(error, rights)| (error.to_string(), rights));
        let ended = [("yes".to_owned(), seen.succeeded), ("tried".to_owned(), seen.tried)];
        for (outcome, rights) in ended.into_iter().chain(failed).filter(|(_, rights)| !rights.is_empty()) {
            let by = if seen.by_kernel { "kernel" } else { "put together" };
            lines.insert(format!("{path} {rights} {outcome}, {by}"));
        }
    }
    lines
}

#[test]
fn a_tracer_tells_what_succeeded_from_what_failed_and_whose_word_a_path_is() {
    let _turn = turns::beside_others();
    if !FULL_TRACED.can_record() || !FULL_NOTIFIED.can_record() {
        return;
    }
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let scratch = scratch.path().canonicalize().expect("it is there");
    let folder = scratch.join("here");
    let words = ["sh", "-c", "echo a > new; cat < new; cat missing; ./new"].map(str::to_owned);
    let traced = record(FULL_TRACED, &words, &folder);
    let expected: BTreeSet<&str> = [
        "missing read ENOENT, put together",
        "new execute EACCES, kernel",
        "new read,write,create,truncate yes, kernel",
    ]
    .into();
    let seen = in_folder(&traced.trace.decoded(), &folder);
    let seen: BTreeSet<&str> =
        seen.iter().map(String::as_str).filter(|line| !line.starts_with('.')).collect();
    assert_eq!(seen, expected, "{}", traced.stderr);
    let notified = record(FULL_NOTIFIED, &words, &folder);
    let expected: BTreeSet<&str> =
        ["missing read tried, put together", "new read,write,create,execute,truncate tried, put together"]
            .into();
    let seen = in_folder(&notified.trace.decoded(), &folder);
    let seen: BTreeSet<&str> =
        seen.iter().map(String::as_str).filter(|line| !line.starts_with('.')).collect();
    assert_eq!(seen, expected, "{}", notified.stderr);
}

#[test]
fn each_recorder_says_what_it_recorded() {
    let _turn = turns::beside_others();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let words = ["sh", "-c", "true | cat"].map(str::to_owned);
    let of = |how: How| {
        let trace = recorder::record(&[], how, &words, folder.path()).trace.decoded();
        let run = trace.runs.values().next().expect("it ran").clone();
        let names: Vec<&str> = run.facts.iter().map(|kind| kind.name()).collect();
        (names.join(" "), run.peaks, trace)
    };
    if !TRACED.can_record() || !FULL_NOTIFIED.can_record() {
        return;
    }
    // As ever: no detail is asked for, and none is paid for.
    let (facts, peaks, trace) = of(TRACED);
    assert_eq!((facts.as_str(), peaks.len()), ("arguments results", 0));
    assert!(trace.files.is_empty() && trace.sockets.is_empty() && trace.namespaces.is_empty());
    let (facts, peaks, trace) = of(FULL_TRACED);
    assert_eq!(facts, "arguments files memory names namespaces peaks results sockets");
    // The shell and one or both of its children.
    let (processes, threads) = (peaks[&Peak::Processes], peaks[&Peak::Threads]);
    assert!((2..=3).contains(&processes) && processes == threads && peaks.len() == 2, "{peaks:?}");
    assert!(trace.shows(FactKind::Files) && !trace.files.is_empty() && !trace.namespaces.is_empty());
    let (facts, peaks, trace) = of(FULL_NOTIFIED);
    assert_eq!((facts.as_str(), peaks.len()), ("arguments files memory namespaces sockets", 0));
    assert!(!trace.files.is_empty() && !trace.namespaces.is_empty());
}

#[test]
fn a_redacted_recording_has_no_paths_and_says_what_cannot_be_made_of_it() {
    let _turn = turns::beside_others();
    if !REDACTED.can_record() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let words = ["cat", "/nowhere/secret"].map(str::to_owned);
    let recording = recorder::record(&[], REDACTED, &words, folder.path());
    let text = fs::read_to_string(&recording.trace.0).expect("it was written");
    assert!(!text.contains("secret") && !text.contains("/nowhere"), "{text}");
    let said = "0 socket uses and 0 names; rules about files and addresses cannot be made from this trace\n";
    assert!(recording.stderr.contains("note: `--redact` left out "), "{}", recording.stderr);
    assert!(recording.stderr.contains(said), "{}", recording.stderr);
    let missing = "does not see capabilities and what is submitted through io_uring and names of addresses and \
                   peaks";
    assert!(recording.stderr.contains(missing), "{}", recording.stderr);
}
