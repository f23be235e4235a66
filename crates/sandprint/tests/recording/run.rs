//! Runs a command to its end, or ends it when that does not come.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use testkit::signals;
use testkit::wait::DEADLINE;

/// What a command left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Gives the command what every run of these tests has: a folder, an environment, no input.
pub(crate) fn prepare(command: &mut Command, folder: &Path) {
    command.current_dir(folder).env_clear().stdin(Stdio::null());
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command.env("HOME", folder).env("LC_ALL", "C");
    // The names of git's files follow from when they were made, and a command is run more than once.
    for date in ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"] {
        command.env(date, "2001-01-01 00:00:00 +0000");
    }
}

/// Runs a prepared command. Its output goes to files beside `folder`, so that nothing waits for a reader.
pub(crate) fn to_the_end(command: &mut Command) -> Ended {
    let output = tempfile::tempdir().expect("a temporary folder");
    let create = |name| File::create(output.path().join(name)).expect("the folder is ours");
    let mut child = command
        .stdout(create("stdout"))
        .stderr(create("stderr"))
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
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
    let text = |name| {
        let bytes = fs::read(output.path().join(name)).expect("it was created above");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Ended { status, stdout: text("stdout"), stderr: text("stderr") }
}
