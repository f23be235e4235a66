//! The recorder agrees with strace on commands of this machine.
//!
//! Each command runs once under either, in the same folder, with the same environment and without random
//! addresses. The sets of calls must be equal, and the counts too, but for what its case lists by name and
//! reason: what differs between two runs under strace as well.

pub(crate) mod case;
pub(crate) mod commands;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::calls::{Key, Named, Table, differences, table, totals};
use crate::recorder::CHOSEN;
use testkit::expect;

use crate::{recorder, run, strace, turns};
use case::Case;

/// One test for each kind of command.
macro_rules! kinds {
    ($($name:ident: $cases:ident,)*) => {
        pub(crate) const ALL: &[&[Case]] = &[$(commands::$cases),*];

        $(#[test]
        fn $name() {
            check(commands::$cases, Side::Recorder);
        })*

        /// Which counts strace itself does not see twice: shows what the cases have to list.
        mod strace_agrees_with_itself {
            $(#[test]
            #[ignore = "tells nothing of the recorder: run it when the commands change"]
            fn $name() {
                super::check(super::commands::$cases, super::Side::StraceAgain);
            })*
        }
    };
}

kinds! {
    files: FILES,
    texts: TEXTS,
    archives: ARCHIVES,
    system: SYSTEM,
    languages: LANGUAGES,
    tools: TOOLS,
}

/// The status of a shell that did not find a command (exec's own in POSIX, 2.8.2), and of those that run one.
pub(crate) const NOT_FOUND: i32 = 127;

/// Who is compared with strace.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Recorder,
    StraceAgain,
}

#[test]
fn at_least_sixty_commands_are_here() {
    let here = ALL.iter().copied().flatten().filter(|case| is_here(case)).count();
    if here < 60 {
        expect::skip("oracle", &format!("this machine has only {here} of the commands"));
    }
}

fn check(cases: &[Case], side: Side) {
    if side == Side::Recorder && !recorder::can_record() {
        return;
    }
    for tool in ["strace", "setarch"] {
        if let Err(error) = Command::new(tool).arg("-V").output() {
            return expect::skip("oracle", &format!("{tool}: {error}"));
        }
    }
    let wrong: Vec<String> = cases.iter().filter_map(|case| differing(case, side)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// How a command's two runs differ where they must not.
fn differing(case: &Case, side: Side) -> Option<String> {
    let _turn = turns::beside_others();
    let title = case.words().join(" ");
    if !is_here(case) {
        eprintln!("not on this machine: {title}");
        return None;
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the build folder is ours");
    let (seen_by_strace, status) = straced(case, &folder);
    if status == Some(NOT_FOUND) && case.status != NOT_FOUND {
        eprintln!("not on this machine, or a part of it: {title}");
        return None;
    }
    let (seen, other_status) = match side {
        Side::Recorder => recorded(case, &folder),
        Side::StraceAgain => straced(case, &folder),
    };
    let ended_wrongly = (status, other_status) != (Some(case.status), Some(case.status));
    let ending = ended_wrongly.then(|| format!("  ended with {status:?}, then {other_status:?}"));
    let calls = differences(&comparable(case, &seen_by_strace), &comparable(case, &seen));
    let wrong: Vec<String> = ending.into_iter().chain((!calls.is_empty()).then_some(calls)).collect();
    (!wrong.is_empty()).then(|| format!("{title}\n{}", wrong.join("\n")))
}

/// The table with what may differ made equal: calls that are only sometimes made are left out, counts that
/// vary are 1.
fn comparable(case: &Case, table: &Table) -> Table {
    let is_in = |list: &[(&str, case::Why)], key: &Key| {
        list.iter().any(|(name, _)| key.call == Named::Name((*name).to_owned()))
    };
    let made = table.iter().filter(|(key, _)| !is_in(case.sometimes, key));
    made.map(|(key, count)| (key.clone(), if is_in(case.varying, key) { 1 } else { *count })).collect()
}

pub(crate) fn is_here(case: &Case) -> bool {
    let program = case.line.split_whitespace().next().expect("a command has a word");
    // The inner command of a shell's script is what may be missing.
    let inner = case.script.filter(|_| program == "sh").and_then(|script| script.split_whitespace().next());
    [Some(program), inner].into_iter().flatten().all(found) && (!case.mounted || root_is_a_mount())
}

fn root_is_a_mount() -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    // proc_pid_mountinfo(5): the fifth field is where it is mounted, as this process sees it.
    mounts.lines().any(|mount| mount.split(' ').nth(4) == Some("/"))
}

fn found(program: &str) -> bool {
    if !program.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/.-_".contains(&byte)) {
        return true; // Shell syntax.
    }
    let mut which = Command::new("sh");
    run::prepare(&mut which, Path::new("/"));
    which.args(["-c", "command -v \"$0\"", program]).output().is_ok_and(|output| output.status.success())
}

/// A folder in which the command can run, the same each time.
pub(crate) fn prepare(case: &Case, folder: &TempDir) -> PathBuf {
    let work = folder.path().join("work");
    if work.exists() {
        fs::remove_dir_all(&work).expect("the folder is ours");
    }
    fs::create_dir(&work).expect("the folder is ours");
    let mut setup = Command::new("sh");
    setup.args(["-e", "-c", case.setup]);
    run::prepare(&mut setup, &work);
    let ended = run::to_the_end(&mut setup);
    assert!(ended.status.success(), "{}: {}", case.setup, ended.stderr);
    work
}

fn straced(case: &Case, folder: &TempDir) -> (Table, Option<i32>) {
    let work = prepare(case, folder);
    let log = folder.path().join("strace.log");
    let mut command = strace::command(&["setarch", "-R"], &log);
    command.args(case.words());
    run::prepare(&mut command, &work);
    let ended = run::to_the_end(&mut command);
    (totals(&table(&strace::read(&log), &Table::new())), ended.status.code())
}

fn recorded(case: &Case, folder: &TempDir) -> (Table, Option<i32>) {
    let work = prepare(case, folder);
    let recording = recorder::record(&["setarch", "-R"], CHOSEN, &case.words(), &work);
    let blocking: Vec<String> =
        recording.trace.decoded().blocking_gaps().map(|(gap, count)| format!("{gap:?} {count}")).collect();
    assert_eq!(blocking, Vec::<String>::new(), "{:?}", case.words());
    (table(&recording.trace.totals(), &Table::new()), recording.status.code())
}
