//! The pass that is observed: the workload under the filter itself, byte for byte, while BPF programs see what the
//! filter refuses. Nobody is in between, and what is reported is what really happened.

use std::collections::BTreeMap;
use std::time::Duration;

use sandprint_model::{ByteString, Condition, Policy, Syscall};
use sandprint_policy::cbpf::Program;
use sandprint_policy::enforce;
use sandprint_record::ebpf::{RecorderError, Watcher};
use sandprint_record::host::HostFacts;
use sandprint_record::refused::{Outcome, Refused};
use sandprint_record::target::Target;
use sandprint_sandbox::confine::{Confinement, Filter, Flags};
use sandprint_sandbox::launch::Launch;

use super::confirm::has_filter;
use super::explain::{MOST_KINDS, WENT_ON, untold};
use crate::denial::{Ancestor, Denial, Location, Next};
use crate::error::TrialError;
use crate::trial::Trial;
use crate::verdict::Pass;
use crate::wait::{Wait, Waited};
use crate::watch::judge::Verdict;
use crate::watch::{News, Seen, Watch};

/// What the pass found.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) pass: Pass,
    pub(crate) waited: Waited,
    pub(crate) denials: Vec<Denial>,
    pub(crate) caveats: Vec<String>,
}

/// Why there was no such pass.
#[derive(Debug)]
pub(crate) enum NotObserved {
    /// Calls cannot be watched here; nothing was executed.
    Unwatched(RecorderError),
    /// The trial failed.
    Failed(TrialError),
}

impl<E: Into<TrialError>> From<E> for NotObserved {
    fn from(error: E) -> NotObserved {
        NotObserved::Failed(error.into())
    }
}

/// Runs it.
pub(crate) fn run(trial: &mut Trial, policy: &Policy, program: &Program) -> Result<Observed, NotObserved> {
    let filter = Filter::new(&program.to_bytes()).map_err(TrialError::from)?;
    let confinement = Confinement { filter, flags: Flags::NONE, proof: None };
    let wait = Wait::begin(trial.timeout, trial.others(None))?;
    let launch = Launch { confinement: Some(confinement), ..trial.launch.clone() };
    let mut suspended = launch.suspend()?;
    let first = suspended.pid();
    let tree = Target::Processes(vec![first]);
    let mut watcher =
        Watcher::start(&tree, &HostFacts::probe()).map_err(|error| match suspended.ended() {
            Some(ended) => NotObserved::Failed(ended.into()),
            None => NotObserved::Unwatched(error),
        })?;
    let mut running = trial.foreground.release(suspended)?;
    let in_force = has_filter(running.pid());
    let mut books = Books {
        policy,
        first,
        watch: Watch::default(),
        denials: BTreeMap::new(),
        places: BTreeMap::new(),
        untold: 0,
        others: 0,
    };
    let waited = wait.until_ended(&mut running, &mut trial.foreground, || {
        // Before the news: what comes after the end of all is nothing.
        let is_over = watcher.is_over().map_err(TrialError::Observe)?;
        for refused in watcher.news().map_err(TrialError::Observe)? {
            books.take(refused, &watcher);
        }
        Ok(is_over)
    })?;
    let missed = watcher.missed().map_err(TrialError::Observe)?;
    let mut caveats: Vec<String> =
        missed.iter().map(|missed| format!("{} {}", missed.count, missed.what)).collect();
    caveats.extend(books.caveats());
    let pass = Pass::Observed { exit: waited.exit, instructions: program.0.len(), in_force };
    Ok(Observed { pass, waited, denials: books.denials(), caveats })
}

/// What makes calls alike, whichever process makes them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    syscall: Syscall,
    conditions: Vec<Condition>,
    image: ByteString,
    location: Result<Location, String>,
}

/// A denial as far as it is known.
#[derive(Debug)]
struct Entry {
    denial: Denial,
    /// The first process that made it, which is asked what it did next.
    process: u32,
    order: (std::time::SystemTime, u64),
}

/// Where calls are entered.
#[derive(Debug)]
enum Place {
    Denial(Key),
    /// Of a kind beyond [`MOST_KINDS`].
    Untold,
    /// The policy allows them.
    Others,
}

struct Books<'p> {
    policy: &'p Policy,
    /// The first process of the trial.
    first: u32,
    watch: Watch,
    denials: BTreeMap<Key, Entry>,
    /// Where calls are entered that [`Refused::id`] names, as long as more of them can come.
    places: BTreeMap<u64, Place>,
    /// Calls of kinds beyond [`MOST_KINDS`].
    untold: u64,
    /// Calls that a filter of the workload's own refused.
    others: u64,
}

impl Books<'_> {
    fn take(&mut self, refused: Refused, watcher: &Watcher) {
        let (id, process, is_killed) =
            (refused.id, refused.host_tgid, refused.outcome == Outcome::KilledProcess);
        let ended = refused.ended;
        // A process that is heard of again went on.
        for entry in self.denials.values_mut().filter(|entry| entry.process == process) {
            let is_another = id != entry.order.1 && (refused.first, id) > entry.order;
            if entry.denial.next == Next::Unknown && is_another {
                entry.denial.next = Next::WentOn;
            }
        }
        for news in self.watch.take(refused, |id| watcher.filter(id)) {
            match news {
                News::New(seen) => self.enter(id, *seen),
                News::Repeated { more, .. } => self.repeat(id, more),
                News::Ended { .. } => {}
            }
        }
        let Some(after) = ended else { return };
        self.places.remove(&id);
        for entry in self.denials.values_mut() {
            if entry.process == process && entry.denial.next == Next::Unknown {
                entry.denial.next = what_next(is_killed, after);
            }
        }
    }

    fn repeat(&mut self, id: u64, more: u64) {
        let count = match self.places.get(&id) {
            Some(Place::Denial(key)) => {
                let Some(entry) = self.denials.get_mut(key) else { return };
                if entry.denial.next == Next::Unknown {
                    entry.denial.next = Next::WentOn;
                }
                &mut entry.denial.count
            }
            Some(Place::Untold) => &mut self.untold,
            Some(Place::Others) => &mut self.others,
            None => return,
        };
        *count = count.saturating_add(more);
    }

    fn enter(&mut self, id: u64, seen: Seen) {
        let Verdict::Denied { action, .. } = seen.judgement.verdict else { return };
        let Seen { refused, location, rule, .. } = seen;
        if enforce::runs(self.policy.decide(&refused.call)) {
            self.others = self.others.saturating_add(refused.count);
            self.places.insert(id, Place::Others);
            return;
        }
        let key = Key {
            syscall: refused.call.syscall,
            conditions: rule.conditions.clone(),
            image: refused.image.clone(),
            location: location.clone(),
        };
        if self.denials.len() >= MOST_KINDS && !self.denials.contains_key(&key) {
            self.untold = self.untold.saturating_add(refused.count);
            self.places.insert(id, Place::Untold);
            return;
        }
        self.places.insert(id, Place::Denial(key.clone()));
        let is_killed = matches!(refused.outcome, Outcome::KilledProcess | Outcome::KilledThread);
        let next = if is_killed {
            Next::Killed
        } else if refused.count > 1 {
            Next::WentOn
        } else {
            Next::Unknown
        };
        let ancestry = self.ancestry(&refused);
        let fresh = || Entry {
            denial: Denial {
                call: refused.call,
                action,
                count: 0,
                image: refused.image.clone(),
                ancestry,
                location,
                next,
                rule,
            },
            process: refused.host_tgid,
            order: (refused.first, id),
        };
        let entry = self.denials.entry(key).or_insert_with(fresh);
        entry.denial.count = entry.denial.count.saturating_add(refused.count);
    }

    /// From the first process of the trial down.
    fn ancestry(&self, refused: &Refused) -> Vec<Ancestor> {
        let chain = &refused.ancestry;
        let from = chain.iter().position(|process| process.tgid == Some(self.first)).unwrap_or_default();
        let chain = chain.get(from..).unwrap_or_default().iter();
        chain
            .map(|process| Ancestor {
                pid: process.tgid.unwrap_or(process.host_tgid),
                comm: process.comm.clone(),
            })
            .collect()
    }

    fn caveats(&self) -> Vec<String> {
        let mut caveats = Vec::new();
        if self.others > 0 {
            caveats.push(format!(
                "refused though the policy allows it, by a filter that the workload installed itself or that sandprint \
                 was started under: {}",
                times(self.others)
            ));
        }
        caveats.extend(untold(self.untold));
        let totals = self.watch.totals();
        if totals.not_refused > 0 {
            caveats.push(format!(
                "seemed not to run though no filter refuses it, perhaps because the kernel skipped the program that sees \
                 calls begin: {}",
                times(totals.not_refused)
            ));
        }
        caveats
    }

    fn denials(self) -> Vec<Denial> {
        let mut denials: Vec<Denial> = self.denials.into_values().map(|entry| entry.denial).collect();
        denials.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.call.syscall.cmp(&b.call.syscall)));
        denials
    }
}

fn times(calls: u64) -> String {
    format!("{calls} call{}", if calls == 1 { "" } else { "s" })
}

/// What a process did that ended so long after its last refused call.
fn what_next(is_killed: bool, after: Duration) -> Next {
    if is_killed {
        Next::Killed
    } else if after < WENT_ON {
        Next::Ended(after)
    } else {
        Next::WentOn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_of_what_is_not_kept_are_counted_too() {
        let policy = Policy {
            kernel: None,
            default_action: sandprint_model::Action::Errno(1),
            foreign_action: sandprint_model::Action::KillProcess,
            rules: BTreeMap::new(),
            notes: std::collections::BTreeSet::new(),
        };
        let mut books = Books {
            policy: &policy,
            first: 1,
            watch: Watch::default(),
            denials: BTreeMap::new(),
            places: [(7, Place::Untold), (8, Place::Others)].into(),
            untold: 1,
            others: 1,
        };
        for (id, more) in [(7, 2), (8, 4), (9, 100), (7, 8)] {
            books.repeat(id, more);
        }
        assert_eq!((books.untold, books.others), (11, 5));
    }
}
