//! A scratch directory with the workload in it, recorders that run beside the test, and what they recorded.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio, id};
use std::sync::OnceLock;
use std::time::Duration;

use sandprint_model::{Trace, wire};

pub(crate) use testkit::process::lives;
pub(crate) use testkit::wait::until;

use testkit::expect::skip;
use testkit::output::Output;

/// The program under test.
pub(crate) const SANDPRINT: &str = env!("CARGO_BIN_EXE_sandprint");
/// Both ways of keeping tasks, by their name in `SANDPRINT_TASKS`.
pub(crate) const WAYS: [&str; 2] = ["storage", "tid"];
/// Every way of recording a command: both, by notification, and by tracing.
pub(crate) const RUN_WAYS: [&str; 4] = ["storage", "tid", NOTIFY, PTRACE];
/// By notification.
pub(crate) const NOTIFY: &str = "notify";
/// By tracing.
pub(crate) const PTRACE: &str = "ptrace";

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
        let unfinished = program.with_extension(id().to_string());
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/session/workload.c");
        let gcc = Command::new("gcc")
            .args(["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"])
            .args([&unfinished, &source])
            .output()
            .map_err(|error| ("gcc", error.to_string()))?;
        assert!(gcc.status.success(), "{}", String::from_utf8_lossy(&gcc.stderr));
        fs::rename(&unfinished, &program).unwrap();
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
pub(crate) struct Scratch(tempfile::TempDir);

impl Scratch {
    /// `None` where this machine cannot run the test.
    pub(crate) fn new() -> Option<Scratch> {
        testkit::signals::have_default_actions();
        let program = workload()?;
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        // Not by ourselves: a child of another test would hold our descriptor until its execve, and what is open for
        // writing cannot be executed (ETXTBSY).
        let copied = Command::new("cp").arg(program).arg(directory.path().join("workload")).status();
        assert!(copied.is_ok_and(|status| status.success()));
        Some(Scratch(directory))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The path of the workload.
    pub(crate) fn workload(&self) -> String {
        self.path("workload").to_str().unwrap().to_owned()
    }

    /// A program in this directory, without input, whose output nobody reads.
    pub(crate) fn program(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.0.path());
        for variable in ["SUDO_UID", "SUDO_GID", "SUDO_USER", "SANDPRINT_TASKS", "SANDPRINT_CHECKPOINT_MS"] {
            command.env_remove(variable);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
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

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn trace(&self, name: &str) -> Trace {
        let bytes = fs::read(self.path(name)).unwrap_or_else(|_| panic!("no {name}: {}", self.read("said")));
        wire::decode_trace(&bytes).unwrap()
    }

    /// The names of the files there, but for those that every test has.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let ours = ["workload", "ledger", "said"];
        let mut names: Vec<String> = names.filter(|name| !ours.contains(&name.as_str())).collect();
        names.sort();
        names
    }
}

/// A process that runs beside the test. Dropped, it is killed.
pub(crate) struct Beside {
    child: Child,
    input: Option<ChildStdin>,
}

impl Beside {
    pub(crate) fn start(command: &mut Command) -> Beside {
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let input = child.stdin.take();
        Beside { child, input }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it and all its descendants write; their output is to be piped.
    pub(crate) fn output(&mut self) -> Output {
        Output::of(self.child.stdout.take().unwrap())
    }

    /// Ends its input, for it and for all its descendants.
    pub(crate) fn go(&mut self) {
        self.input = None;
    }

    pub(crate) fn try_wait(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// How it ended, at last.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        until("the end of a process", || self.try_wait())
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends a signal to a process.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap();
    assert!(status.success(), "kill -{name} {pid}");
}

/// A time for an option.
pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

/// How often a call was made in all, by its name; numbers without one are `#number`.
pub(crate) fn count(trace: &Trace, call: &str) -> u64 {
    let of_name = |(syscall, count): (_, &u64)| {
        let syscall: &sandprint_model::Syscall = syscall;
        let name = syscall.name().map_or_else(|| format!("#{}", syscall.nr), ToString::to_string);
        (name == call).then_some(*count)
    };
    trace.totals().iter().filter_map(of_name).sum()
}

/// How often the workload's rare call was made.
pub(crate) fn rare(trace: &Trace) -> u64 {
    count(trace, "sched_get_priority_max")
}

/// The gaps of a trace, by name.
pub(crate) fn gaps(trace: &Trace) -> Vec<&str> {
    trace.gaps.keys().map(|gap| gap.kind.name()).collect()
}

/// The gaps of a trace that was recorded in this way, but for one that every recording by notification may have:
/// nobody counts how often signal handlers return.
pub(crate) fn gaps_by<'a>(way: &str, trace: &'a Trace) -> Vec<&'a str> {
    let mut gaps = gaps(trace);
    gaps.retain(|gap| way != NOTIFY || *gap != "counts-inexact");
    gaps
}
