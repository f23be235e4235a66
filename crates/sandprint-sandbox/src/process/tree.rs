//! Trees of processes: who descends from us, orphans that stay ours, and why something does not end.

use std::fs;
use std::io;

use sandprint_model::ByteString;

use super::stat::{field, parent};
use super::{comm, number, reap};

/// The processes that descend from this one, as far as /proc can tell, but for those of `others` and what descends from
/// them.
pub fn descendants(others: &[u32]) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut parents: Vec<(u32, u32)> = numbers.filter_map(|pid| Some((pid, parent(pid)?))).collect();
    parents.retain(|(pid, _)| !others.contains(pid));
    let mut found = vec![std::process::id()];
    let mut looked_at = 0;
    while let Some(&ancestor) = found.get(looked_at) {
        looked_at = looked_at.saturating_add(1);
        found.extend(parents.iter().filter(|(_, parent)| *parent == ancestor).map(|(pid, _)| *pid));
        parents.retain(|(_, parent)| *parent != ancestor);
    }
    found.remove(0);
    found
}

/// While this lives, orphans among the descendants of this process become its children, so that it knows them as its
/// own (`PR_SET_CHILD_SUBREAPER`).
#[derive(Debug)]
pub struct Adopter(());

impl Adopter {
    /// Adopts from now on.
    pub fn new() -> io::Result<Adopter> {
        adopt(true).map(|()| Adopter(()))
    }

    /// Takes note of the end of adopted children, but for those of `others`.
    pub fn reap(&self, others: &[u32]) {
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        for children in children {
            let numbers = children.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok());
            for pid in numbers.filter(|pid| !others.contains(pid)) {
                reap(pid);
            }
        }
    }
}

impl Drop for Adopter {
    fn drop(&mut self) {
        // It cannot fail, and a destructor has nobody to tell.
        adopt(false).unwrap_or_default();
    }
}

/// Has orphans among our descendants become our children, or not any more.
fn adopt(wanted: bool) -> io::Result<()> {
    let us = wanted.then(rustix::process::getpid);
    Ok(rustix::process::set_child_subreaper(us)?)
}

/// Whether this process may signal another.
fn may_signal(pid: u32) -> bool {
    number(pid).is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
}

/// Where cgroups say that they are frozen: the controller, the mount, the file and its line (cgroups(7)).
const FREEZERS: [(&str, &str, &str, &str); 4] = [
    ("", "/sys/fs/cgroup", "cgroup.events", "frozen 1"),
    ("", "/sys/fs/cgroup/unified", "cgroup.events", "frozen 1"),
    ("freezer", "/sys/fs/cgroup/freezer", "freezer.state", "FROZEN"),
    ("freezer", "/sys/fs/cgroup/freezer", "freezer.state", "FREEZING"),
];

/// The number and name of a process, and why it has not ended though SIGKILL was sent to it, in words.
pub fn why_it_lives(pid: u32) -> String {
    let name = comm(pid).escaped();
    let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let why = match (cgroups.lines().find_map(frozen), field(pid, 3).as_deref()) {
        (Some(frozen), _) => frozen,
        (None, Some("D")) => "it waits in the kernel, where no signal reaches it".to_owned(),
        (None, Some("t")) => "a tracer holds it".to_owned(),
        (None, _) if !may_signal(pid) => "it belongs to another user, whom we may not signal".to_owned(),
        (None, _) => "it has not ended yet".to_owned(),
    };
    format!("process {pid} ({name}): {why}")
}

/// That the cgroup of a line of /proc/PID/cgroup is frozen, in words, if it is.
fn frozen(line: &str) -> Option<String> {
    let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
    let is_so = |(controller, mount, file, wanted): &(&str, &str, &str, &str)| {
        let state = || fs::read_to_string(format!("{mount}{path}/{file}")).unwrap_or_default();
        controllers == *controller && state().lines().any(|line| line == *wanted)
    };
    FREEZERS.iter().any(is_so).then(|| format!("its cgroup {} is frozen", ByteString::from(path).escaped()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn descendants_are_found_but_for_those_that_are_left_out() {
        let mut shell = Command::new("sh").args(["-c", "sleep 1000 & wait"]).spawn().unwrap();
        let mut other = Command::new("sleep").arg("1000").spawn().unwrap();
        let child = || {
            let found = descendants(&[other.id()]);
            found.into_iter().find(|&pid| super::super::parent(pid) == Some(shell.id()))
        };
        let child = std::iter::repeat_with(child).flatten().next().unwrap();
        let found = descendants(&[other.id()]);
        assert!(found.contains(&shell.id()) && !found.contains(&other.id()), "{found:?}");
        assert!(descendants(&[shell.id()]).contains(&other.id()));
        assert!(!descendants(&[shell.id()]).contains(&child));
        for pid in [child, shell.id(), other.id()] {
            super::super::kill_process(pid, crate::signals::Signal::KILL).unwrap();
        }
        shell.wait().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn a_process_that_lives_has_a_reason() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id();
        // Its name is the one of its parent's thread until its execve.
        let told = std::iter::repeat_with(|| why_it_lives(pid)).find(|told| told.contains("sleep")).unwrap();
        assert_eq!(told, format!("process {pid} (sleep): it has not ended yet"));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
