//! A directory with the workload in it, and recorders that run there beside the test.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use sandprint_model::Trace;
use testkit::beside::Beside;
use testkit::expect::skip;
use testkit::gcc;
use testkit::wait::until;

use crate::SANDPRINT;
use crate::traced::WAYS;

/// The workload, built once; `None` where it cannot be, or where this machine cannot record.
fn workload() -> Option<&'static Path> {
    static BUILT: OnceLock<Result<PathBuf, (&str, String)>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let doctor = Command::new(SANDPRINT).arg("doctor").output().unwrap();
        let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
        if !doctor.status.success() || told.contains("\nmissing ") {
            return Err(("ebpf", told));
        }
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("session-workload");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/session/workload.c");
        gcc::build(&source, &program, &["-pthread"]).map_err(|why| ("gcc", why))?;
        Ok(program)
    });
    match built {
        Ok(program) => Some(program),
        Err((need, why)) => {
            skip(need, why);
            None
        }
    }
}

/// A directory for one test, open to every user, with the workload in it.
pub(crate) struct Scratch(testkit::scratch::Scratch);

impl Scratch {
    /// `None` where this machine cannot run the test.
    pub(crate) fn new() -> Option<Scratch> {
        let program = workload()?;
        let scratch = testkit::scratch::Scratch::of(SANDPRINT);
        fs::set_permissions(scratch.root(), fs::Permissions::from_mode(0o777)).unwrap();
        // Not by ourselves: a child of another test would hold our descriptor until its execve, and what is open for
        // writing cannot be executed (ETXTBSY).
        let copied = Command::new("cp").arg(program).arg(scratch.path("workload")).status();
        assert!(copied.is_ok_and(|status| status.success()));
        Some(Scratch(scratch))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    /// What is in a file by now: nothing, if it is not there.
    pub(crate) fn read(&self, name: &str) -> String {
        self.0.so_far(name)
    }

    pub(crate) fn trace(&self, name: &str) -> Trace {
        assert!(self.path(name).exists(), "no {name}: {}", self.read("said"));
        self.0.trace(name)
    }

    /// The path of the workload.
    pub(crate) fn workload(&self) -> String {
        self.path("workload").to_str().unwrap().to_owned()
    }

    /// A program in this directory, without input, whose output nobody reads.
    pub(crate) fn program(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = self.0.program(program, arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// The workload, with an input that [`Beside::go`] ends.
    pub(crate) fn start_workload(&self, arguments: &[&str]) -> Beside {
        let mut command = self.program(&self.workload(), arguments);
        command.stdin(Stdio::piped()).stdout(File::create(self.path("ledger")).unwrap());
        Beside::start(&mut command)
    }

    /// `sandprint profile` with these arguments; the trace goes to `trace`, what it says to `said`.
    pub(crate) fn profile(&self, way: &str, arguments: &[&str]) -> Command {
        self.profile_under(&[], way, arguments)
    }

    /// The same, started by the command line `around`.
    pub(crate) fn profile_under(&self, around: &[&str], way: &str, arguments: &[&str]) -> Command {
        let (verb, rest) = arguments.split_first().unwrap();
        let tasks = if WAYS.contains(&way) { way } else { "" };
        let recorder = if tasks.is_empty() && !way.is_empty() { vec!["--recorder", way] } else { vec![] };
        let line = [around, &[SANDPRINT, "profile", verb, "-o", "trace"], &recorder, rest].concat();
        let mut command = self.program(line[0], &line[1..]);
        command.env("SANDPRINT_TASKS", tasks).env("SANDPRINT_CHECKPOINT_MS", "50");
        command.stderr(File::create(self.path("said")).unwrap());
        command
    }

    /// Waits until a recorder has everything attached: it saves what it knows from then on.
    pub(crate) fn until_attached(&self, recorder: &mut Beside) {
        until("a checkpoint", || {
            // Asked first: what ended has saved it before.
            let ended = recorder.try_wait().is_some();
            let saved = self.path("trace").exists();
            assert!(saved || !ended, "the recorder ended: {}", self.read("said"));
            saved.then_some(())
        });
    }

    /// The names of the files there, but for those that every test has.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.root()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let ours = ["workload", "ledger", "said"];
        let mut names: Vec<String> = names.filter(|name| !ours.contains(&name.as_str())).collect();
        names.sort();
        names
    }
}
