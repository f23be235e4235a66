//! Whose audit records those are that come from everybody: whether their processes are watched.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use sandprint_record::cgroup::{self, Mounts};
use sandprint_record::ebpf::Missed;
use sandprint_record::target::Target;

/// The initial PID namespace's inode (`PROC_PID_INIT_INO`, `linux/proc_ns.h`).
const INITIAL_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// See the module.
#[derive(Debug)]
pub(super) struct Attribution {
    target: Target,
    /// Whether numbers in audit records are numbers in our /proc.
    numbers_are_ours: bool,
    /// Processes that the kernel's side watches, as a refused call of theirs showed, and when that was seen last.
    shown: BTreeMap<u32, Instant>,
    /// Records of which it is not known whose they are.
    unattributed: u64,
}

impl Attribution {
    pub(super) fn new(target: &Target) -> Attribution {
        let (target, numbers_are_ours) = (target.clone(), numbers_are_ours());
        Attribution { target, numbers_are_ours, shown: BTreeMap::new(), unattributed: 0 }
    }

    /// Forgets what was seen a while ago. To be called now and then.
    pub(super) fn look(&mut self) {
        self.shown.retain(|_, seen| seen.elapsed() < REMEMBERED);
    }

    /// Takes note of a process, by its number in the initial PID namespace, that is watched since a call of it was told.
    pub(super) fn shows(&mut self, host_pid: u32) {
        self.shown.insert(host_pid, Instant::now());
    }

    /// Whether a process, by its number in the initial PID namespace, is watched; counted where that is not known.
    /// `in_tree` is what the watcher says of a process by its number in ours.
    pub(super) fn holds<E>(
        &mut self,
        host_pid: u32,
        in_tree: impl FnOnce(u32) -> Result<Option<bool>, E>,
    ) -> Result<bool, E> {
        let known = match &self.target {
            Target::System => Some(true),
            _ if self.shown.contains_key(&host_pid) => Some(true),
            _ if !self.numbers_are_ours => None,
            Target::Cgroup { directory, .. } => {
                let mounts = Mounts::here();
                mounts.and_then(|mounts| Some(mounts.is_below(directory, &cgroup::of_process(host_pid)?)))
            }
            // Processes and their descendants, which the watcher knows.
            Target::Processes(_) | Target::Command => in_tree(host_pid)?,
        };
        if known.is_none() {
            self.unattributed = self.unattributed.saturating_add(1);
        }
        Ok(known.unwrap_or(false))
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
pub fn numbers_are_ours() -> bool {
    fs::metadata("/proc/self/ns/pid").is_ok_and(|namespace| namespace.ino() == INITIAL_PID_NAMESPACE)
}

/// How long a process that has ended is remembered: records come a little later.
const REMEMBERED: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::path::PathBuf;

    use super::*;

    fn holds(attribution: &mut Attribution, pid: u32, in_tree: Option<bool>) -> bool {
        let Ok(holds) = attribution.holds(pid, |_| Ok::<_, Infallible>(in_tree));
        holds
    }

    #[test]
    fn of_a_tree_the_watcher_knows_every_process_if_the_numbers_are_the_same() {
        let mut attribution = Attribution::new(&Target::Processes(vec![1]));
        attribution.numbers_are_ours = true;
        assert!(holds(&mut attribution, 5, Some(true)) && !holds(&mut attribution, 5, Some(false)));
        assert_eq!(attribution.missed(), None);
        attribution.numbers_are_ours = false;
        assert!(!holds(&mut attribution, 5, Some(true)));
        assert_eq!(attribution.missed().unwrap().count, 1);
        // It made a call that was told.
        attribution.shows(5);
        attribution.look();
        assert!(holds(&mut attribution, 5, None));
        assert_eq!(attribution.missed().unwrap().count, 1);
    }

    #[test]
    fn a_process_that_has_ended_is_in_no_cgroup_that_is_known() {
        let all = Target::Cgroup { directory: PathBuf::from("/sys/fs/cgroup"), words: String::new() };
        let mut attribution = Attribution::new(&all);
        attribution.numbers_are_ours = true;
        // A number that nobody has.
        assert!(!holds(&mut attribution, u32::MAX, None));
        assert_eq!(attribution.missed().unwrap().count, 1);
        assert!(holds(&mut Attribution::new(&Target::System), u32::MAX, None));
    }
}
