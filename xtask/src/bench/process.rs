//! Running a program with a limit on its time, its output in files, and nothing left behind.
//!
//! Output goes to files, so that nobody has to be awake to read pipes while something is measured.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

/// The most that one run of anything may take. The C programs end themselves after the same time.
pub(super) const LIMIT: Duration = Duration::from_mins(5);

/// The number of SIGINT, on every architecture (signal(7)).
const INTERRUPTED: i32 = 2;

/// A program that runs. Dropped, it is killed with all its descendants.
pub(super) struct Running {
    /// None once its end has been waited for.
    child: Option<Child>,
    program: String,
    output: PathBuf,
    errors: PathBuf,
    started: Instant,
}

/// What a program left that ended well.
pub(super) struct Finished {
    pub(super) output: String,
    pub(super) errors: String,
    /// From before its start until its end was seen.
    pub(super) elapsed: Duration,
}

/// Starts a program in `directory`; its standard input is a pipe that stays open until [`Running::end_input`].
///
/// `label` names the files of its output; two programs at a time need two labels.
pub(super) fn start(directory: &Path, label: &str, argv: &[String]) -> anyhow::Result<Running> {
    let (program, arguments) = argv.split_first().context("an empty command")?;
    let output = directory.join(format!("{label}.out"));
    let errors = directory.join(format!("{label}.err"));
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(directory)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(File::create(&output).context("create a file for output")?)
        .stderr(File::create(&errors).context("create a file for errors")?);
    let program = Path::new(program).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let started = Instant::now();
    let child = command.spawn().with_context(|| format!("start {program}"))?;
    Ok(Running { child: Some(child), program, output, errors, started })
}

/// Starts a program and waits for it.
pub(super) fn run(directory: &Path, argv: &[String]) -> anyhow::Result<Finished> {
    start(directory, "run", argv)?.wait()
}

impl Running {
    /// The first line of its output, once there is one.
    pub(super) fn first_line(&mut self) -> anyhow::Result<String> {
        self.until(|output, _| Some(output.split_once('\n')?.0.to_owned()))
    }

    /// Waits for a line with that word on its standard error.
    pub(super) fn complains_of(&mut self, word: &str) -> anyhow::Result<()> {
        self.until(|_, errors| {
            let (whole, _) = errors.rsplit_once('\n')?;
            whole.to_lowercase().contains(word).then_some(())
        })
    }

    /// Waits until what it has printed so far, its output and its errors, is what is waited for.
    fn until<T>(&mut self, found: impl Fn(&str, &str) -> Option<T>) -> anyhow::Result<T> {
        while self.started.elapsed() < LIMIT {
            if let Some(found) = found(&read(&self.output), &read(&self.errors)) {
                return Ok(found);
            }
            let child = self.child.as_mut().context("it was waited for")?;
            if let Some(status) = child.try_wait().context("look at a child")? {
                bail!("{} ended early with {status}: {}", self.program, one_line(&read(&self.errors)));
            }
            thread::sleep(Duration::from_millis(5));
        }
        bail!("{} did not get ready in {} s", self.program, LIMIT.as_secs())
    }

    /// Whether it holds a BPF link, by which a program is attached.
    pub(super) fn holds_links(&self) -> bool {
        let Some(child) = &self.child else { return false };
        let descriptors = std::fs::read_dir(format!("/proc/{}/fdinfo", child.id()));
        let mut texts =
            descriptors.into_iter().flatten().flatten().map(|entry| std::fs::read_to_string(entry.path()));
        texts.any(|text| text.is_ok_and(|text| text.contains("\nlink_id:")))
    }

    /// Interrupts it as a terminal does, and waits until it ends: well, or of that signal.
    pub(super) fn interrupt(mut self) -> anyhow::Result<()> {
        let child = self.child.as_mut().context("it was waited for")?;
        if let Some(status) = child.try_wait().context("look at a child")? {
            bail!("{} ended early with {status}: {}", self.program, one_line(&read(&self.errors)));
        }
        kill_process(Pid::from_child(child), Signal::INT).context("interrupt a child")?;
        let status = self.end_within(LIMIT)?;
        let of_the_signal = status.signal() == Some(INTERRUPTED) || status.code() == Some(128 + INTERRUPTED);
        if !status.success() && !of_the_signal {
            bail!("{} ended with {status}: {}", self.program, one_line(&read(&self.errors)));
        }
        Ok(())
    }

    /// Lets its standard input end.
    pub(super) fn end_input(&mut self) {
        if let Some(child) = &mut self.child {
            drop(child.stdin.take());
        }
    }

    /// Waits until it ends, which must be in time and with success.
    pub(super) fn wait(self) -> anyhow::Result<Finished> {
        self.wait_within(LIMIT)
    }

    fn wait_within(mut self, limit: Duration) -> anyhow::Result<Finished> {
        self.end_input();
        let status = self.end_within(limit)?;
        let elapsed = self.started.elapsed();
        let errors = read(&self.errors);
        if !status.success() {
            bail!("{} ended with {status}: {}", self.program, one_line(&errors));
        }
        Ok(Finished { output: read(&self.output), errors, elapsed })
    }

    /// Waits until it ends, within a time from its start.
    fn end_within(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let child = self.child.as_mut().context("it was waited for")?;
        let descriptor = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).context("open a pidfd")?;
        let left = limit.saturating_sub(self.started.elapsed());
        let timeout = Timespec::try_from(left).context("a limit too long")?;
        let ready = poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&timeout)).context("poll")?;
        if ready == 0 {
            bail!("{} took longer than {} s", self.program, limit.as_secs());
        }
        let status = child.wait().context("wait for a child")?;
        self.child = None;
        Ok(status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        for pid in descendants(child.id(), &parents()) {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                // Whoever is gone already is gone.
                kill_process(pid, Signal::KILL).unwrap_or_default();
            }
        }
        child.kill().unwrap_or_default();
        drop(child.wait());
    }
}

/// The text of a file, as far as it is there and is text.
fn read(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// Several lines as one.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// The parent of every process that there is now.
fn parents() -> BTreeMap<u32, u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // proc_pid_stat(5): after the name, which may hold anything, its last `)`, the state and the parent.
        let (_, rest) = stat.rsplit_once(')')?;
        Some((pid, rest.split_whitespace().nth(1)?.parse().ok()?))
    })
    .collect()
}

/// All processes below `ancestor`.
fn descendants(ancestor: u32, parents: &BTreeMap<u32, u32>) -> Vec<u32> {
    let mut found = vec![ancestor];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, of)| **of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.remove(0);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[&str]) -> Vec<String> {
        line.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn output_and_failure_are_told() {
        let scratch = tempfile::tempdir().unwrap();
        let run = |script: &str| run(scratch.path(), &words(&["sh", "-c", script]));
        let finished = run("echo out; echo err >&2").unwrap();
        assert_eq!((finished.output.as_str(), finished.errors.as_str()), ("out\n", "err\n"));
        let error = run("echo first >&2; echo second >&2; exit 3").err().unwrap().to_string();
        assert_eq!(error, "sh ended with exit status: 3: first; second");
    }

    #[test]
    fn what_is_interrupted_must_have_been_there() {
        let scratch = tempfile::tempdir().unwrap();
        let start = |script: &str| {
            let mut running = start(scratch.path(), "watch", &words(&["bash", "-c", script])).unwrap();
            running.complains_of("watching").map(|()| running)
        };
        start("echo Watching >&2; exec sleep 100").unwrap().interrupt().unwrap();
        start("trap 'exit 130' INT; echo watching >&2; read").unwrap().interrupt().unwrap();
        let failed = start("trap 'echo lost >&2; exit 1' INT; echo watching >&2; read").unwrap().interrupt();
        assert_eq!(failed.unwrap_err().to_string(), "bash ended with exit status: 1: watching; lost");
        let error = start("echo no such command >&2; exit 2").err().unwrap().to_string();
        assert_eq!(error, "bash ended early with exit status: 2: no such command");
        assert!(!start("echo watching >&2; read").unwrap().holds_links());
    }

    #[test]
    fn what_takes_too_long_is_an_error() {
        let scratch = tempfile::tempdir().unwrap();
        let running = start(scratch.path(), "slow", &words(&["sleep", "100"])).unwrap();
        let error = running.wait_within(Duration::from_millis(20)).err().unwrap().to_string();
        assert_eq!(error, "sleep took longer than 0 s");
    }

    #[test]
    fn what_is_dropped_is_killed_with_its_descendants() {
        let scratch = tempfile::tempdir().unwrap();
        let script = "sh -c 'echo $$; exec sleep 100' & wait";
        let mut running = start(scratch.path(), "tree", &words(&["sh", "-c", script])).unwrap();
        let grandchild: u32 = running.first_line().unwrap().parse().unwrap();
        let child = running.child.as_ref().unwrap().id();
        assert_eq!(parents().get(&grandchild), Some(&child));
        drop(running);
        // A killed process takes its time on a busy machine, and whoever adopts it may leave it a zombie.
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ") || stat.contains(") X ")
        };
        let waited = Instant::now();
        while !gone() {
            assert!(waited.elapsed() < Duration::from_secs(20), "{grandchild} lives on");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn descendants_are_found_at_any_depth() {
        let parents = BTreeMap::from([(2, 1), (3, 2), (4, 3), (5, 2), (6, 1), (7, 6)]);
        assert_eq!(descendants(2, &parents), [3, 5, 4]);
        assert_eq!(descendants(7, &parents), [0; 0]);
    }
}
