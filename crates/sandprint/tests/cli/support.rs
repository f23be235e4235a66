//! Running the binary in a scratch directory, and telling exactly what it did.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use sandprint_model::arguments::Selecting;
use sandprint_model::{
    Abi, Arch, ArgumentsSeen, ByteString, CallSeen, Exit, Host, Image, Recorder, Run, RunId, Subject,
    Syscall, Trace, wire,
};

use testkit::expect;

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_sandprint");

/// A scratch directory, in which commands run.
pub(crate) struct Scratch(tempfile::TempDir);

impl Scratch {
    pub(crate) fn new() -> Scratch {
        Scratch(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn trace(&self, name: &str) -> Trace {
        wire::decode_trace(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// The files there, with their content.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    }

    /// The binary with these arguments, in the scratch directory, without a terminal and without sudo.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(arguments);
        self.prepare(&mut command);
        command
    }

    /// Another program in the same surroundings.
    pub(crate) fn program(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments);
        self.prepare(&mut command);
        command
    }

    fn prepare(&self, command: &mut Command) {
        command.current_dir(self.0.path()).stdin(Stdio::null());
        for variable in ["COLUMNS", "SUDO_UID", "SUDO_GID", "SUDO_USER", "NO_COLOR", "TERM"] {
            command.env_remove(variable);
        }
    }

    /// What it did.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&self.command(arguments).output().unwrap())
    }
}

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// As a shell has it: 128+N for signal N.
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn of(output: &Output) -> Ended {
        Ended {
            status: output.status.code().or(output.status.signal().map(|signal| 128 + signal)).unwrap(),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// Nothing but an error and its hint, each on one line.
    pub(crate) fn failed(status: i32, error: &str, hint: &str) -> Ended {
        Ended { status, stdout: String::new(), stderr: format!("error: {error}\nhint: {hint}\n") }
    }

    /// Nothing but data.
    pub(crate) fn printed(stdout: &str) -> Ended {
        Ended { status: 0, stdout: stdout.to_owned(), stderr: String::new() }
    }

    /// The same, whatever was said on stderr.
    pub(crate) fn without_words(self) -> Ended {
        Ended { stderr: String::new(), ..self }
    }

    /// Everything, for a snapshot.
    pub(crate) fn all(&self) -> String {
        let mut text = format!("exit status {}\n", self.status);
        for (name, content) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !content.is_empty() {
                text.extend(["--- ", name, "\n", content]);
            }
        }
        text
    }
}

/// A trace of one run of one program: `calls` are numbers of x86-64 with their counts.
pub(crate) fn trace(run: u128, name: &str, calls: &[(u32, u64)]) -> Trace {
    let id = RunId::from_bits(run);
    let mut trace = Trace::default();
    trace.runs.insert(
        id,
        Run {
            duration_ms: Some(12),
            exit: Some(Exit::Code(0)),
            name: Some(name.to_owned()),
            command: vec![ByteString::from("/bin/app"), ByteString::from(name)],
            target: None,
            recorder: Recorder::Ebpf,
            started_unix_ms: Some(1_700_000_000_000),
            host: Some(Host { kernel: "6.1.0-50-amd64".to_owned(), arch: Arch::X86_64 }),
            tool_version: "0.1.0".to_owned(),
        },
    );
    let image = Arc::new(Image { path: "/bin/app".into(), build_id: None, script: None });
    for (nr, count) in calls {
        let syscall = Syscall { abi: Abi::X86_64, nr: *nr };
        trace.calls.join(Subject::of(&image), syscall, id, CallSeen::times(*count));
    }
    trace
}

/// A trace of one run whose recorder kept arguments: sockets, files, and an ioctl with too many commands.
pub(crate) fn trace_with_arguments(run: u128) -> Trace {
    let mut trace = trace(run, "told apart", &[(0, 300), (16, 70), (41, 4), (257, 7)]);
    let called: Vec<_> =
        trace.calls.iter().map(|(subject, syscall, _)| (subject.clone(), *syscall)).collect();
    for (subject, syscall) in called {
        let values: &[([u64; 6], u64)] = match syscall.name() {
            Some("ioctl") => &[],
            Some("socket") => &[([1, 0x80001, 0, 0, 0, 0], 3), ([2, 2, 17, 0, 0, 0], 1)],
            Some("openat") => &[([3, 4, 0x80000, 9, 0, 0], 6), ([3, 4, 0x241, 0o600, 0, 0], 1)],
            _ => continue,
        };
        let selecting = Selecting::of(syscall).unwrap();
        let mut values = values.iter().map(|(args, count)| (selecting.values(args), *count));
        let mut known = values.next().map(|(value, count)| ArgumentsSeen::new(value, count));
        values.for_each(|(value, count)| known.as_mut().unwrap().add(value, count));
        let arguments = Some(known.unwrap_or_else(ArgumentsSeen::too_many));
        let seen = CallSeen { arguments, ..CallSeen::default() };
        trace.calls.add(subject, syscall, RunId::from_bits(run), seen);
    }
    trace
}

/// The trace as a file has it.
pub(crate) fn encoded(trace: &Trace) -> String {
    wire::encode_trace(trace)
}

/// Whether the tests run as root; says that a test is skipped where they do not.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        expect::skip("root", "the tests run as somebody else");
    }
    root
}

/// Whether this host can record; says that a test is skipped where it cannot.
pub(crate) fn can_record() -> bool {
    let doctor = Scratch::new().run(&["doctor"]);
    let can = doctor.status == 0 && !doctor.stdout.contains("\nmissing ");
    if !can {
        expect::skip("ebpf", &doctor.stdout);
    }
    can
}

/// Whether a private mount namespace with a tmpfs can be had here.
pub(crate) fn can_mount() -> bool {
    let probe = Command::new("unshare")
        .args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"])
        .stdin(Stdio::null())
        .output();
    let works = probe.is_ok_and(|output| output.status.success());
    if !works {
        expect::skip("root", "`unshare -m mount` does not work");
    }
    works
}

/// Mode bits and owner of a file.
pub(crate) fn mode_and_owner(path: &Path) -> (u32, u32, u32) {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(path).unwrap();
    (metadata.mode() & 0o7777, metadata.uid(), metadata.gid())
}
