//! Which processes are watched, as far as that is to be known outside of the kernel: for audit records, which come from
//! everybody.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sandprint_record::ebpf::{Missed, Watched};
use sandprint_sandbox::process;

use crate::target::{Host, TargetError};

/// The initial PID namespace's inode (`PROC_PID_INIT_INO`, linux/proc_ns.h).
const INITIAL_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// See the module.
#[derive(Debug)]
pub(super) struct Scope {
    what: What,
    /// Whether numbers in audit records are numbers in our /proc.
    numbers_are_ours: bool,
    /// Processes that the kernel's side watches, as a refused call of theirs showed, and when that was seen last.
    shown: BTreeMap<u32, Instant>,
    /// Records of which it is not known whose they are.
    unattributed: u64,
}

#[derive(Debug)]
enum What {
    System,
    Cgroup(PathBuf),
    Tree(Tree),
}

impl Scope {
    pub(super) fn new(watched: &Watched) -> Result<Scope, TargetError> {
        let what = match watched {
            Watched::System => What::System,
            Watched::Cgroup(directory) => What::Cgroup(directory.clone()),
            Watched::Process(pid) => What::Tree(Tree::of(*pid).ok_or(TargetError::NoProcess(*pid))?),
        };
        let numbers_are_ours = numbers_are_ours();
        Ok(Scope { what, numbers_are_ours, shown: BTreeMap::new(), unattributed: 0 })
    }

    /// Takes note of what there is now. To be called now and then.
    pub(super) fn look(&mut self) {
        self.shown.retain(|_, seen| seen.elapsed() < REMEMBERED);
        if let What::Tree(tree) = &mut self.what {
            tree.look();
        }
    }

    /// Takes note of a process, by its number in the initial PID namespace, that is watched since a call of it was told.
    pub(super) fn shows(&mut self, host_pid: u32) {
        self.shown.insert(host_pid, Instant::now());
    }

    /// Whether a process, by its number in the initial PID namespace, is watched; counted where that is not known.
    pub(super) fn holds(&mut self, host_pid: u32) -> bool {
        let known = match &self.what {
            What::System => Some(true),
            _ if self.shown.contains_key(&host_pid) => Some(true),
            _ if !self.numbers_are_ours => None,
            What::Cgroup(directory) => {
                let host = Host::here();
                host.cgroup_of(host_pid).and_then(|cgroup| host.is_below(directory, &cgroup).ok())
            }
            What::Tree(tree) => tree.holds(host_pid),
        };
        if known.is_none() {
            self.unattributed = self.unattributed.saturating_add(1);
        }
        known.unwrap_or(false)
    }

    /// What was missed here.
    pub(super) fn missed(&self) -> Option<Missed> {
        (self.unattributed > 0).then(|| Missed {
            what: "logged calls of processes that had ended, or are numbered otherwise here, so that it is not known \
                   whether they are watched"
                .to_owned(),
            count: self.unattributed,
        })
    }
}

/// Whether a process has the number in our /proc that the kernel writes into audit records.
pub(super) fn numbers_are_ours() -> bool {
    fs::metadata("/proc/self/ns/pid").is_ok_and(|namespace| namespace.ino() == INITIAL_PID_NAMESPACE)
}

/// How long a process that has ended is remembered: records come a little later.
const REMEMBERED: Duration = Duration::from_secs(5);

/// A process and those of its descendants that were seen.
#[derive(Debug)]
struct Tree {
    first: u32,
    members: BTreeMap<u32, Member>,
}

#[derive(Debug)]
struct Member {
    /// See [`started`].
    start: u64,
    /// When it was first found to have ended.
    ended: Option<Instant>,
}

impl Tree {
    fn of(first: u32) -> Option<Tree> {
        let member = Member { start: started(first)?, ended: None };
        let mut tree = Tree { first, members: BTreeMap::from([(first, member)]) };
        tree.look();
        Some(tree)
    }

    /// Takes in children that are new, and leaves out what ended a while ago.
    fn look(&mut self) {
        let now = Instant::now();
        self.members.retain(|pid, member| {
            if started(*pid) != Some(member.start) {
                member.ended.get_or_insert(now);
            }
            member.ended.is_none_or(|ended| now.duration_since(ended) < REMEMBERED)
        });
        let mut pending: Vec<u32> = self.members.keys().copied().collect();
        while let Some(pid) = pending.pop() {
            for child in children(pid) {
                if self.members.get(&child).is_none_or(|member| member.ended.is_some())
                    && let Some(start) = started(child)
                {
                    self.members.insert(child, Member { start, ended: None });
                    pending.push(child);
                }
            }
        }
    }

    /// None where the process is gone and was never seen.
    fn holds(&self, pid: u32) -> Option<bool> {
        if self.members.contains_key(&pid) || process::descends(pid, self.first) {
            return Some(true);
        }
        started(pid).map(|_| false)
    }
}

/// The children of a process, of all its threads (`CONFIG_PROC_CHILDREN`).
fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// When a process began, in clock ticks since boot; none where it has ended: /proc/PID/stat, fields 3 and 22 (proc(5)).
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn descendants_are_known_also_after_their_parent_and_they_themselves_have_ended() {
        let script = "sleep 60 & echo $!; read line";
        let mut shell = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let left: u32 = line.trim().parse().unwrap();
        let mut scope = Scope::new(&Watched::Process(shell.id())).unwrap();
        scope.numbers_are_ours = true;
        assert!(scope.holds(shell.id()) && scope.holds(left) && !scope.holds(std::process::id()));
        drop(shell.stdin.take());
        shell.wait().unwrap();
        scope.look();
        assert!(scope.holds(left), "an orphan");
        process::kill_process(left, sandprint_sandbox::signals::Signal::TERM).unwrap();
        while started(left).is_some() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        scope.look();
        assert!(scope.holds(left) && scope.holds(shell.id()));
        assert_eq!(scope.missed(), None);
        // A number that nobody has.
        assert!(!scope.holds(u32::MAX));
        assert_eq!(scope.missed().unwrap().count, 1);
        // It made a call that was told, and has ended since.
        scope.shows(u32::MAX);
        assert!(scope.holds(u32::MAX));
    }

    #[test]
    fn a_process_that_is_not_there_cannot_be_watched() {
        assert!(matches!(Scope::new(&Watched::Process(u32::MAX)), Err(TargetError::NoProcess(u32::MAX))));
    }
}
