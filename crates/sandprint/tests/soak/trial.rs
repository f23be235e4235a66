//! One program through the whole loop: record, generate, run, verify, and do something else.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::expect;
use crate::programs::{PROGRAMS, Program};

const SANDPRINT: &str = env!("CARGO_BIN_EXE_sandprint");

/// How often a program is recorded before its policy is made: what depends on timing may need more than one run.
const RECORDINGS: usize = 4;

/// Fewest of the programs that must be there for the whole to mean something.
const ENOUGH: usize = 16;

fn is_here(program: &str) -> bool {
    let found = |folder: &str| Path::new(folder).join(program).exists();
    ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"].iter().any(|folder| found(folder))
}

fn command(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(folder).stdin(Stdio::null());
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin").env("LC_ALL", "C");
    command.env("HOME", folder).env("TMPDIR", folder);
    command
}

fn output(folder: &Path, words: &[&str]) -> Output {
    command(folder, words).output().unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

/// Status and output; lines in any order where the program has none.
fn result(program: &Program, output: &Output) -> (Option<i32>, Vec<String>) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if program.unordered {
        lines.sort();
    }
    (output.status.code(), lines)
}

/// A program that is refused what it waits for may wait for ever: that fails the test instead.
fn sandprint(folder: &Path, words: &[&str]) -> Output {
    output(folder, &[&["timeout", "--foreground", "-k", "5", "100", SANDPRINT], words].concat())
}

fn assert_done(output: &Output, what: &str) {
    assert!(
        output.status.success(),
        "{what}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

fn prepare(folder: &Path, program: &Program) {
    assert_done(&output(folder, &["sh", "-ec", program.prepare]), "prepare");
}

fn report(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("verdict.json")).unwrap()).unwrap()
}

/// The whole loop for one program.
pub(crate) fn check(name: &str) {
    let program = PROGRAMS.iter().find(|program| program.name == name).unwrap();
    if let Some(missing) = program.needs.iter().find(|needed| !is_here(needed)) {
        // Whether enough of them are there is a test of its own.
        eprintln!("not run: {missing} is not installed");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    prepare(folder, program);
    let bare = result(program, &output(folder, program.run));
    assert_eq!(bare.0, Some(0), "{bare:?}");
    for _ in 0..RECORDINGS {
        prepare(folder, program);
        let record = [&["profile", "run", "-o", "trace.json", "--append", "--"], program.run].concat();
        let recorded = sandprint(folder, &record);
        assert_eq!(result(program, &recorded), bare, "{}", String::from_utf8_lossy(&recorded.stderr));
    }
    let generate = ["profile", "generate", "-i", "trace.json", "-f", "toml", "-o", "policy.toml"];
    assert_done(&sandprint(folder, &generate), "generate");
    let rounds: usize = std::env::var("SANDPRINT_SOAK")
        .map_or(1, |rounds| rounds.parse().expect("SANDPRINT_SOAK is a number"));
    for round in 0..rounds {
        prepare(folder, program);
        let run = sandprint(folder, &[&["run", "-p", "policy.toml", "--"], program.run].concat());
        assert_eq!(result(program, &run), bare, "round {round}: {}", String::from_utf8_lossy(&run.stderr));
    }
    prepare(folder, program);
    let verify = ["profile", "verify", "-p", "policy.toml", "-f", "json", "-o", "verdict.json", "--"];
    let verified = sandprint(folder, &[&verify, program.run].concat());
    let verdict = report(folder);
    let denials = verdict["denials"].as_array().unwrap();
    let sometimes = |denial: &&Value| program.sometimes.iter().any(|(call, _)| denial["name"] == *call);
    assert!(denials.iter().all(|denial| sometimes(&denial)), "{verdict:#}");
    let expected = if denials.is_empty() { 0 } else { 3 };
    assert_eq!(verified.status.code(), Some(expected), "{verdict:#}");

    let Some(beyond) = &program.beyond else { return };
    prepare(folder, program);
    let verified = sandprint(folder, &[&verify, beyond.run].concat());
    let verdict = report(folder);
    assert_eq!(verified.status.code(), Some(3), "{verdict:#}");
    let denial = verdict["denials"].as_array().unwrap().iter().find(|denial| denial["name"] == beyond.call);
    let denial = denial.unwrap_or_else(|| panic!("{} was not refused: {verdict:#}", beyond.call));
    assert!(denial["image"].as_str().unwrap().contains(beyond.program), "{denial:#}");
    let module = denial["location"]["module"].as_str().unwrap_or_default();
    assert!(module.starts_with('/'), "{denial:#}");
    assert!(denial["ancestry"].as_array().is_some_and(|ancestry| !ancestry.is_empty()), "{denial:#}");
}

#[test]
fn enough_programs_are_here() {
    let here = PROGRAMS.iter().filter(|program| program.needs.iter().all(|needed| is_here(needed))).count();
    if here < ENOUGH {
        expect::skip("soak", &format!("only {here} of the {} programs are installed", PROGRAMS.len()));
    }
}

/// One test for each program, so that they run beside each other and fail by themselves.
macro_rules! programs {
    ($($name:ident,)*) => {
        $(#[test]
        fn $name() {
            check(stringify!($name));
        })*

        #[test]
        fn every_program_has_its_test() {
            let tested = [$(stringify!($name)),*];
            assert_eq!(tested.to_vec(), PROGRAMS.iter().map(|program| program.name).collect::<Vec<_>>());
        }
    };
}

programs! {
    awk,
    bash,
    cp,
    curl,
    dash,
    find,
    gcc,
    git,
    grep,
    ls,
    make,
    nginx,
    node,
    openssl,
    perl,
    python3,
    redis,
    sed,
    sqlite3,
    tar,
    workers,
    xz,
}
