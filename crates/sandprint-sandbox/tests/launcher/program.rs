//! The program under test, and what all tests need to watch processes.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime};

use sandprint_sandbox::process::Process;
use sandprint_sandbox::signals::Signal;

/// How long anything may take that takes no time: the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

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

/// Asks until there is an answer.
pub(crate) fn wait_for<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What a process writes, read by a thread, so that a test that waits in vain fails and does not hang.
pub(crate) struct Output {
    bytes: Receiver<Vec<u8>>,
    unread: Vec<u8>,
}

impl Output {
    pub(crate) fn of(mut source: impl Read + Send + 'static) -> Output {
        let (sender, bytes) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = source.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Output { bytes, unread: Vec::new() }
    }

    /// The next line, without its end.
    pub(crate) fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.unread.iter().position(|&byte| byte == b'\n') {
                let rest = self.unread.split_off(end + 1);
                let line = std::mem::replace(&mut self.unread, rest);
                return String::from_utf8(line).unwrap().trim_end().to_owned();
            }
            assert!(self.more(), "no line, but the end after {:?}", self.unread);
        }
    }

    /// All that comes until the last process that could write has ended.
    pub(crate) fn rest(&mut self) -> String {
        while self.more() {}
        String::from_utf8(std::mem::take(&mut self.unread)).unwrap()
    }

    fn more(&mut self) -> bool {
        match self.bytes.recv_timeout(PATIENCE) {
            Ok(bytes) => self.unread.extend(bytes),
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => panic!("nothing more came after {:?}", self.unread),
        }
        true
    }
}

/// The fields of /proc/PID/stat after the name, so that proc(5)'s field n is at n-3; `None` if it is gone.
pub(crate) fn stat(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

/// Its state as ps(1) shows it: R, S, T, Z ...; `None` if it is gone.
pub(crate) fn state(pid: u32) -> Option<char> {
    stat(pid)?.first()?.chars().next()
}

/// Waits until it is in that state.
pub(crate) fn wait_for_state(pid: u32, wanted: char) {
    wait_for(&format!("state {wanted} of {pid}"), || (state(pid) == Some(wanted)).then_some(()));
}

/// Its children.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().map(|number| number.parse().unwrap()).collect()
}

/// Its only child, once that has executed a program of that name.
pub(crate) fn child_running(pid: u32, name: &str) -> u32 {
    wait_for(&format!("{name} below {pid}"), || {
        let [child] = children(pid)[..] else { return None };
        (is_running(child, name)).then_some(child)
    })
}

/// The first process below, at any depth, that has executed a program of that name.
///
/// To be waited for before a stop: a shell that is stopped between its vfork and its child's execve hangs
/// until the child is continued, without us as well.
pub(crate) fn descendant_running(pid: u32, name: &str) -> u32 {
    wait_for(&format!("{name} somewhere below {pid}"), || {
        let mut waiting = children(pid);
        while let Some(pid) = waiting.pop() {
            if is_running(pid, name) {
                return Some(pid);
            }
            waiting.extend(children(pid));
        }
        None
    })
}

/// Whether the process has executed a program of that name.
pub(crate) fn is_running(pid: u32, name: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim_end() == name)
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

/// Whether this test cannot run here. Says why, unless `SANDPRINT_EXPECT` names the need: then it must.
pub(crate) fn skips_without(need: &str, there: bool) -> bool {
    let expected = std::env::var("SANDPRINT_EXPECT").unwrap_or_default();
    assert!(there || !expected.split(',').any(|word| word == need), "{need} is expected here");
    if !there {
        println!("skipped: this test needs {need}");
    }
    !there
}

/// Whether PATH has that program.
pub(crate) fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).exists())
}

/// Whether we are root.
pub(crate) fn is_root() -> bool {
    fs::read_to_string("/proc/self/status").unwrap().contains("\nUid:\t0\t0\t0\t0\n")
}
