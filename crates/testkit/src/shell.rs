//! Runs a command to its end, with a deadline, and keeps what it printed.

use std::fmt;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::signals;
use crate::wait::DEADLINE;

/// What a command left.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nstdout: {}\nstderr: {}", self.status, self.stdout, self.stderr)
    }
}

/// Runs a command without input. Kills its process group when it takes too long.
pub fn run(command: &mut Command) -> Ended {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stdout = read_all(child.stdout.take().expect("it is piped"));
    let stderr = read_all(child.stderr.take().expect("it is piped"));
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            break status;
        }
        if begin.elapsed() > DEADLINE {
            signals::send_to_group(child.id(), Signal::KILL);
            panic!("{command:?} did not end within {DEADLINE:?}");
        }
        thread::sleep(Duration::from_millis(3));
    };
    let text = |reader: thread::JoinHandle<String>| reader.join().expect("it only reads");
    Ended { status, stdout: text(stdout), stderr: text(stderr) }
}

fn read_all(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("a pipe can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Where a program is, by PATH and the folders of the administrator's programs.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/sbin"])
        .map(|folder| PathBuf::from(folder).join(program))
        .find(|candidate| candidate.is_file())
}

/// Whether this process may do what only root may.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A busybox that needs no loader, for file trees that hold little else.
pub fn static_busybox() -> Option<PathBuf> {
    find("busybox").filter(|program| {
        // A loader would be named in the program headers.
        let readelf = run(Command::new("readelf").arg("--program-headers").arg(program));
        readelf.status.success() && !readelf.stdout.contains("INTERP")
    })
}
