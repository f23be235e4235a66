//! One program as a user without rights, bare and recorded: it does the same, and nothing is said to be missing that is
//! not.

use std::fs;
use std::os::unix::fs::chown;
use std::process::{Command, Stdio};

use sandprint_model::{GapKind, Recorder, wire};

use crate::recorded::{Done, SANDPRINT, environment, installed, prepare, rounds};
use testkit::expect;
use testkit::users::{AS_NOBODY, NOBODY};

const LIMIT: [&str; 5] = ["timeout", "--foreground", "-k", "5", "100"];
/// Runs the program as bare and as it is recorded without rights.
pub(crate) fn check(name: &str) {
    let Some(program) = installed(name) else { return };
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let (work, trace) = (scratch.path().join("work"), scratch.path().join("traces"));
    fs::create_dir(&trace).expect("the folder is ours");
    if chown(&trace, Some(NOBODY), None).is_err() {
        return expect::skip("root", "only root can become a user without rights");
    }
    fs::set_permissions(scratch.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("ours");
    let trace = trace.join("trace.json");
    let bare = [&LIMIT[..], &AS_NOBODY].concat();
    let record = [SANDPRINT, "profile", "run", "-o", trace.to_str().expect("plain"), "--"];
    // Who becomes the user may still look into our folders until the execve.
    let recorded = [&bare[..], &record].concat();
    let run = |around: &[&str]| {
        prepare(program, &work);
        let given = Command::new("chown").args(["-R", &NOBODY.to_string()]).arg(&work).status();
        assert!(given.is_ok_and(|status| status.success()));
        let words = [around, program.run].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(&work).stdin(Stdio::null()).env_clear();
        command.envs(environment(work.to_str().expect("it has a plain name")));
        command.output().unwrap_or_else(|error| panic!("{words:?}: {error}"))
    };
    let expected = Done::of(program, &run(&bare));
    for round in 0..rounds() {
        let output = run(&recorded);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(Done::of(program, &output), expected, "round {round}: {said}");
        let trace = wire::decode_trace(&fs::read(&trace).expect("it was written")).expect("it can be read");
        assert!(trace.runs.values().all(|run| run.recorder == Recorder::Ptrace), "round {round}: {said}");
        let blocking: Vec<GapKind> = trace.blocking_gaps().map(|(gap, _)| gap.kind).collect();
        assert_eq!(blocking, [], "round {round}: {said}");
        fs::remove_file(scratch.path().join("traces/trace.json")).expect("it is there");
    }
}
