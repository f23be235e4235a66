//! The program under test, and what all tests need to watch processes.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

use sandprint_sandbox::process::Process;
use sandprint_sandbox::signals::Signal;

use testkit::expect::skip;
pub(crate) use testkit::output::Output;
pub(crate) use testkit::process::{children, is_running, stat, state};
pub(crate) use testkit::wait::{DEADLINE as PATIENCE, until as wait_for};

/// The example `launch`, which `cargo test` builds beside the tests (but not if it is given `--test`).
pub(crate) fn path() -> PathBuf {
    static CHECKED: OnceLock<PathBuf> = OnceLock::new();
    let find = || {
        let tests = std::env::current_exe().unwrap();
        let path = tests.ancestors().nth(2).unwrap().join("examples/launch");
        assert!(path.exists(), "{} is missing: it is built by `cargo test` without --test", path.display());
        let built = modified(&path);
        let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut waiting = vec![sources.join("src"), sources.join("examples")];
        while let Some(source) = waiting.pop() {
            // Where the tests were copied to another machine, there is nothing to compare with.
            let Ok(entries) = fs::read_dir(&source) else { continue };
            for entry in entries {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    waiting.push(entry.path());
                } else if entry.file_name() != "tests.rs" {
                    // Tests are no part of the example, and cargo does not build it anew for them.
                    let path = entry.path();
                    assert!(modified(&path) <= built, "launch is older than {}", path.display());
                }
            }
        }
        path
    };
    CHECKED.get_or_init(find).clone()
}

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

/// The same as text, for shells.
pub(crate) fn word() -> String {
    path().into_os_string().into_string().unwrap()
}

/// `launch` with these arguments.
pub(crate) fn command(arguments: &[&str]) -> Command {
    testkit::signals::have_default_actions();
    let mut command = Command::new(path());
    command.args(arguments);
    command
}

/// Waits until it is in that state.
pub(crate) fn wait_for_state(pid: u32, wanted: char) {
    wait_for(&format!("state {wanted} of {pid}"), || (state(pid) == Some(wanted)).then_some(()));
}

/// Its only child, once that has executed a program of that name.
pub(crate) fn child_running(pid: u32, name: &str) -> u32 {
    wait_for(&format!("{name} below {pid}"), || {
        let [child] = children(pid)[..] else { return None };
        (is_running(child, name)).then_some(child)
    })
}

/// A named pipe by which a workload waits for the test, wherever its input is: `read line < PATH` of a shell.
pub(crate) struct Gate {
    folder: tempfile::TempDir,
    file: File,
}

impl Gate {
    pub(crate) fn new() -> Gate {
        let folder = tempfile::tempdir().unwrap();
        assert!(Command::new("mkfifo").arg(folder.path().join("gate")).status().unwrap().success());
        // Both ends, so that nobody waits for the other one to be opened.
        let file = File::options().read(true).write(true).open(folder.path().join("gate")).unwrap();
        Gate { folder, file }
    }

    pub(crate) fn path(&self) -> String {
        self.folder.path().join("gate").into_os_string().into_string().unwrap()
    }

    /// Lets one that waits go on.
    pub(crate) fn open(&mut self) {
        self.file.write_all(b"\n").unwrap();
    }
}

/// Kills every process that `wanted` says is a test's own, and that the test may have left.
pub(crate) fn kill_those(wanted: impl Fn(&[String]) -> bool) {
    for entry in fs::read_dir("/proc").unwrap() {
        let name = entry.unwrap().file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // Held first, looked at then: the number cannot change hands in between.
        let Ok(Some(process)) = Process::open(pid) else { continue };
        if stat(pid).is_some_and(|fields| wanted(&fields)) {
            process.signal(Signal::KILL).unwrap();
        }
    }
}

/// Whether this test cannot run here for lack of a program; says so.
pub(crate) fn skips_without(need: &str) -> bool {
    let there = testkit::shell::find(need).is_some();
    if !there {
        skip(need, "it is not installed");
    }
    !there
}

/// Whether this test cannot run here for lack of rights; says so.
pub(crate) fn skips_without_root() -> bool {
    let there = testkit::shell::is_root();
    if !there {
        skip("root", "the tests run as somebody else");
    }
    !there
}
