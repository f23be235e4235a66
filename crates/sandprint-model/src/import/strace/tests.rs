//! Real logs, held against strace's own counts; and the notation of strace, case by case.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::GapKind;
use crate::import::ImportConfig;
use crate::{FirstSeen, Syscall};

macro_rules! log {
    ($name:literal) => {
        ($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/strace/", $name)).as_slice())
    };
}

mod details;
mod files;
mod notation;

/// Logs of whole trees that end with strace's table (`-C`).
const WITH_TABLE: [(&str, &[u8]); 7] = [
    log!("pipe.log"),
    log!("threads.log"),
    log!("numbers.log"),
    log!("numbers-n.log"),
    log!("i386.log"),
    log!("i386-n.log"),
    log!("stderr.log"),
];

fn import(bytes: &[u8], arch: Arch) -> Result<Trace, ImportError> {
    crate::import::import(Source::Strace, bytes, &ImportConfig { arch })
}

fn read(bytes: &[u8]) -> Trace {
    import(bytes, Arch::X86_64).expect("a log")
}

/// Calls by name, from strace's own tables at the end of a log.
fn table(bytes: &[u8]) -> BTreeMap<String, u64> {
    let text = String::from_utf8_lossy(bytes);
    let mut counts = BTreeMap::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("------") {
            inside = !inside;
        } else if inside {
            let words: Vec<&str> = line.split_whitespace().collect();
            *counts.entry((*words.last().unwrap()).to_owned()).or_default() +=
                words[3].parse::<u64>().unwrap();
        }
    }
    counts
}

/// Calls that never returned, by name: strace counts a call only when it returns.
fn unreturned(bytes: &[u8]) -> BTreeMap<String, u64> {
    let text = String::from_utf8_lossy(bytes);
    let mut counts = BTreeMap::new();
    for line in text.lines().filter(|line| line.ends_with("= ?")) {
        let name = match line.split_once("<... ") {
            Some((_, rest)) => rest.split_once(' ').unwrap().0,
            None => line.split_once('(').unwrap().0.rsplit_once(' ').map_or(line, |(_, name)| name),
        };
        *counts.entry(name.to_owned()).or_default() += 1;
    }
    counts
}

#[test]
fn counts_are_exactly_those_of_strace_itself() {
    for (log, bytes) in WITH_TABLE {
        let mut expected = table(bytes);
        assert!(expected.values().sum::<u64>() > 15, "{log}");
        for (name, count) in unreturned(bytes) {
            *expected.entry(name).or_default() += count;
        }
        // Calls without a name are in no table of strace's, and it prints those of socketcall and ipc by
        // what they multiplex; where it is ambiguous, both are imported.
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for (syscall, count) in read(bytes).totals() {
            match syscall.name() {
                Some("socketcall") => *counts.entry("socket".to_owned()).or_default() |= count,
                Some("ipc") => *counts.entry("shmget".to_owned()).or_default() |= count,
                Some("socket" | "shmget") if syscall.abi == Abi::I386 => {}
                Some(name) => *counts.entry(name.to_owned()).or_default() += count,
                None => {}
            }
        }
        assert_eq!(counts, expected, "{log}");
    }
}

#[test]
fn each_call_belongs_to_the_program_that_made_it() {
    for ((log, bytes), expected) in [
        (log!("pipe.log"), include_str!("../../../tests/data/strace/pipe.tsv")),
        (log!("threads.log"), include_str!("../../../tests/data/strace/threads.tsv")),
        (log!("namespace.log"), include_str!("../../../tests/data/strace/namespace.tsv")),
        (log!("decorated.log"), include_str!("../../../tests/data/strace/decorated.tsv")),
    ] {
        let mut rows: BTreeSet<String> = BTreeSet::new();
        for (subject, syscall, runs) in read(bytes).calls.iter() {
            let count: u64 = runs.values().map(|seen| seen.count).sum();
            assert_eq!(syscall.abi, Abi::X86_64);
            rows.insert(format!("{}\t{syscall}\t{count}", subject.image.path));
        }
        assert_eq!(rows, expected.lines().skip(1).map(str::to_owned).collect(), "{log}");
    }
}

/// Whether a gap is about what calls were made with, and not about calls.
fn is_of_details(kind: GapKind) -> bool {
    matches!(kind, GapKind::ArgumentsLost | GapKind::FilesLost | GapKind::SocketsLost)
}

/// What a log is known to lack of its calls, kind by kind with how often; beside what is said of every log.
fn gaps(bytes: &[u8]) -> Vec<(GapKind, u64, String)> {
    let mut gaps = read(bytes).gaps;
    gaps.retain(|gap, _| gap.kind != GapKind::ImportAssumed && !is_of_details(gap.kind));
    gaps.into_iter().map(|(gap, count)| (gap.kind, count, gap.detail.unwrap_or_default())).collect()
}

#[test]
fn a_whole_log_has_no_gap_but_that_this_is_assumed() {
    for (log, bytes) in [
        log!("pipe.log"),
        log!("threads.log"),
        log!("numbers.log"),
        log!("numbers-n.log"),
        log!("i386-n.log"),
        log!("decorated.log"),
        log!("relative.log"),
        log!("killed.log"),
        log!("namespace.log"),
    ] {
        assert_eq!(gaps(bytes), [], "{log}");
        let mut kinds: Vec<GapKind> = read(bytes).gaps.into_keys().map(|gap| gap.kind).collect();
        kinds.retain(|kind| !is_of_details(*kind));
        assert_eq!(kinds, [GapKind::ImportAssumed], "{log}");
    }
}

#[test]
fn what_a_log_lacks_is_said() {
    use GapKind::{AttachedMidRun, ImageUnreadable, ImportAmbiguous, ImportIncomplete};
    for ((log, bytes), expected) in [
        (
            log!("not-followed.log"),
            vec![(ImportIncomplete, 1, "child processes are not in the log (strace without -f)")],
        ),
        (
            log!("filtered.log"),
            vec![
                (ImportIncomplete, 0, "processes exited without a call for it: strace was told"),
                (ImportIncomplete, 1, "programs that show no brk, without which none starts"),
            ],
        ),
        (
            log!("attached.log"),
            vec![
                (AttachedMidRun, 0, "the log does not begin with an execve"),
                (ImageUnreadable, 1, "threads whose program the log does not say"),
                (ImportIncomplete, 1, "processes still ran where the log ends"),
            ],
        ),
        (log!("cut.log"), vec![(ImportIncomplete, 1, "processes still ran where the log ends")]),
        (
            log!("i386.log"),
            vec![(
                ImportAmbiguous,
                2,
                "on i386 each of these may be the call of that name, socketcall or ipc",
            )],
        ),
        (
            log!("stderr.log"),
            vec![(
                ImportAmbiguous,
                2,
                "on i386 each of these may be the call of that name, socketcall or ipc",
            )],
        ),
    ] {
        let found = gaps(bytes);
        assert_eq!(found.len(), expected.len(), "{log}: {found:?}");
        for ((kind, count, detail), (expected_kind, expected_count, begins)) in found.iter().zip(expected) {
            assert_eq!((*kind, *count), (expected_kind, expected_count), "{log}: {detail}");
            assert!(detail.starts_with(begins), "{log}: {detail}");
        }
    }
}

/// Counts of one program by ABI.
fn by_abi(bytes: &[u8], program: &str) -> BTreeMap<Abi, u64> {
    let mut counts = BTreeMap::new();
    for (subject, syscall, runs) in read(bytes).calls.iter() {
        if subject.image.path == program.into() {
            *counts.entry(syscall.abi).or_default() += runs.values().map(|seen| seen.count).sum::<u64>();
        }
    }
    counts
}

#[test]
fn the_abi_is_the_one_that_the_log_announces_numbers_or_implies() {
    // Announced, for a 32-bit program and for single calls of a 64-bit one.
    let (_, stderr) = log!("stderr.log");
    let in_numbers = by_abi(stderr, "./numbers");
    assert_eq!((in_numbers.get(&Abi::X32), in_numbers.get(&Abi::I386)), (Some(&2), Some(&1)));
    assert_eq!(by_abi(stderr, "./numbers32").keys().collect::<Vec<_>>(), [&Abi::I386]);
    assert_eq!(by_abi(stderr, "/usr/bin/sh").keys().collect::<Vec<_>>(), [&Abi::X86_64]);
    // By number.
    let (_, numbered) = log!("numbers-n.log");
    let in_numbers = by_abi(numbered, "./numbers");
    assert_eq!((in_numbers.get(&Abi::X32), in_numbers.get(&Abi::I386)), (Some(&2), Some(&1)));
    let (_, numbered) = log!("i386-n.log");
    assert_eq!(by_abi(numbered, "./numbers32").keys().collect::<Vec<_>>(), [&Abi::I386]);
    let calls = read(numbered).totals();
    let call = |name| calls.get(&Syscall::from_name(Abi::I386, name).unwrap()).copied();
    assert_eq!(
        [call("socketcall"), call("socket"), call("ipc"), call("shmget")],
        [Some(1), None, Some(1), None]
    );
    // By the names of the program.
    let (_, silent) = log!("i386.log");
    assert_eq!(by_abi(silent, "./numbers32").keys().collect::<Vec<_>>(), [&Abi::I386]);
    assert_eq!(by_abi(silent, "/usr/bin/sh").keys().collect::<Vec<_>>(), [&Abi::X86_64]);
}

#[test]
fn calls_without_a_name_are_kept() {
    for (log, bytes) in [log!("numbers.log"), log!("numbers-n.log"), log!("i386-n.log"), log!("stderr.log")] {
        let calls: Vec<(Abi, u32)> = read(bytes)
            .totals()
            .into_keys()
            .filter(|syscall| syscall.name().is_none())
            .map(|syscall| (syscall.abi, syscall.nr))
            .collect();
        let expected: &[(Abi, u32)] = match log {
            "i386-n.log" => &[(Abi::I386, 1000), (Abi::I386, u32::MAX)],
            "stderr.log" => &[
                (Abi::I386, 1000),
                (Abi::I386, u32::MAX),
                (Abi::X32, 999),
                (Abi::X86_64, 1000),
                (Abi::X86_64, u32::MAX),
            ],
            _ => &[(Abi::X32, 999), (Abi::X86_64, 1000), (Abi::X86_64, u32::MAX)],
        };
        assert_eq!(calls, expected, "{log}");
    }
}

#[test]
fn the_run_says_what_the_log_says_of_it() {
    let run = |bytes| read(bytes).runs.into_values().next().unwrap();
    let (_, pipe) = log!("pipe.log");
    let about = run(pipe);
    assert_eq!((about.exit, about.started_unix_ms), (Some(Exit::Code(0)), None));
    // strace cuts strings at 32 bytes, and says so.
    let command: Vec<String> = about.command.iter().map(ByteString::escaped).collect();
    assert_eq!(command, ["sh", "-c", "ls empty | cat; (exit 3); true"]);
    let (_, killed) = log!("killed.log");
    assert_eq!(run(killed).exit, Some(Exit::Signal(9)));
    let (_, decorated) = log!("decorated.log");
    assert!(run(decorated).started_unix_ms > Some(1_700_000_000_000));
    assert!(run(decorated).duration_ms >= Some(10));
    let (_, relative) = log!("relative.log");
    assert!(run(relative).duration_ms.is_some());
    assert_eq!(
        run(b"1 execve(\"a\", [\"x\", \"\\303\\n\\\"]\"...], 0x1) = 0\n").command,
        [ByteString::from("x"), ByteString::new(*b"\xc3\n\"]..."),]
    );
}

#[test]
fn the_same_log_is_the_same_run() {
    let (_, pipe) = log!("pipe.log");
    let id = |trace: &Trace| trace.runs.keys().next().copied();
    let (first, again) = (read(pipe), read(pipe));
    assert_eq!(first, again);
    assert_ne!(id(&first), id(&import(pipe, Arch::Aarch64).unwrap()), "it was read as another machine's");
    let mut longer = pipe.to_vec();
    longer.push(b'\n');
    assert_ne!(id(&first), id(&read(&longer)));
}

#[test]
fn what_is_no_log_is_refused() {
    let (_, summary) = log!("summary.log");
    assert_eq!(import(summary, Arch::X86_64), Err(ImportError::OnlySummary));
    for text in ["hello\nworld\n", "{}", "\u{7f}ELF\u{1}\u{2}"] {
        assert_eq!(
            import(text.as_bytes(), Arch::X86_64),
            Err(ImportError::NothingFound { expected: "an strace log" })
        );
    }
}

fn first_seen(trace: &Trace, name: &str) -> Vec<FirstSeen> {
    let facts = trace.calls.iter().filter(|(_, syscall, _)| syscall.name() == Some(name));
    facts.flat_map(|(_, _, runs)| runs.values()).filter_map(|seen| seen.first.clone()).collect()
}

#[test]
fn the_first_call_is_placed_where_ids_and_times_are_known() {
    let log = b"\
10<sh> 23:59:59.500000 execve(\"/bin/sh\", [\"sh\"], 0x7 /* 1 var */) = 0
10<sh> 23:59:59.750000 clone(child_stack=0x7, flags=CLONE_VM|CLONE_THREAD) = 11<sh>
11<work> 00:00:01.000000 getppid() = 1
11<work> 00:00:02.000000 getppid() = 1
10<sh> 00:00:02.000001 exit_group(0) = ?
11<work> 00:00:02.000002 +++ exited with 0 +++
10<sh> 00:00:02.000003 +++ exited with 0 +++
";
    let trace = read(log);
    let found: Vec<GapKind> = gaps(log).into_iter().map(|(kind, _, _)| kind).collect();
    assert_eq!(found, [GapKind::ImportIncomplete], "it has no start");
    let expected = FirstSeen { after_ns: 1_500_000_000, tgid: 10, tid: 11, comm: "work".into() };
    assert_eq!(first_seen(&trace, "getppid"), [expected]);
    assert_eq!(trace.runs.into_values().next().unwrap().duration_ms, Some(2500));
    let (_, pipe) = log!("pipe.log");
    assert!(read(pipe).calls.iter().flat_map(|(_, _, runs)| runs.values()).all(|seen| seen.first.is_none()));
}
