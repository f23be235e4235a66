//! The pass that is observed: the workload under the filter itself, byte for byte, while BPF programs see what the
//! filter refuses. Nobody is in between, and what is reported is what really happened.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use sandprint_model::{Ancestor, Denial, Next, Pass, Policy};
use sandprint_policy::cbpf::Program;
use sandprint_policy::enforce;
use sandprint_record::ebpf::{RecorderError, Watcher};
use sandprint_record::host::HostFacts;
use sandprint_record::refused::{Outcome, Refused};
use sandprint_record::target::Target;
use sandprint_sandbox::confine::{Confinement, Filter, Flags};
use sandprint_sandbox::launch::Launch;

use super::WENT_ON;
use super::confirm::has_filter;
use crate::denials::{Denials, Kind};
use crate::error::TrialError;
use crate::trial::Trial;
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
    let mut findings = Findings {
        policy,
        first,
        watch: Watch::default(),
        denials: Denials::default(),
        firsts: BTreeMap::new(),
        places: BTreeMap::new(),
        others: 0,
    };
    let waited = wait.until_ended(&mut running, &mut trial.foreground, || {
        // Before the news: what comes after the end of all is nothing.
        let is_over = watcher.is_over().map_err(TrialError::Observe)?;
        for refused in watcher.news().map_err(TrialError::Observe)? {
            findings.take(refused, &watcher);
        }
        Ok(is_over)
    })?;
    let missed = watcher.missed().map_err(TrialError::Observe)?;
    let mut caveats: Vec<String> =
        missed.iter().map(|missed| format!("{} {}", missed.count, missed.what)).collect();
    caveats.extend(findings.caveats());
    let pass = Pass::Observed { exit: waited.exit, instructions: program.0.len(), in_force };
    Ok(Observed { pass, waited, denials: findings.denials.into_sorted(), caveats })
}

/// The first call of a kind.
#[derive(Debug, Clone, Copy)]
struct First {
    /// Who made it, and is asked what it did next.
    process: u32,
    order: (SystemTime, u64),
    /// Whether that is not known yet.
    is_open: bool,
}

/// Where calls are entered.
#[derive(Debug)]
enum Place {
    Denial(Kind),
    /// Of a kind for which there was no room.
    Untold,
    /// The policy allows them.
    Others,
}

struct Findings<'p> {
    policy: &'p Policy,
    /// The first process of the trial.
    first: u32,
    watch: Watch,
    denials: Denials,
    firsts: BTreeMap<Kind, First>,
    /// Where calls are entered that [`Refused::id`] names, as long as more of them can come.
    places: BTreeMap<u64, Place>,
    /// Calls that a filter of the workload's own refused.
    others: u64,
}

impl Findings<'_> {
    fn take(&mut self, refused: Refused, watcher: &Watcher) {
        let (id, process, is_killed) =
            (refused.id, refused.host_tgid, refused.outcome == Outcome::KilledProcess);
        let ended = refused.ended;
        // A process that is heard of again went on.
        for (kind, first) in &mut self.firsts {
            let is_another = id != first.order.1 && (refused.first, id) > first.order;
            if first.is_open && first.process == process && is_another {
                first.is_open = false;
                self.denials.came_of(kind, Next::WentOn);
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
        for (kind, first) in &mut self.firsts {
            if first.is_open && first.process == process {
                first.is_open = false;
                self.denials.came_of(kind, what_next(is_killed, after));
            }
        }
    }

    fn repeat(&mut self, id: u64, more: u64) {
        match self.places.get(&id) {
            Some(Place::Denial(kind)) => {
                self.denials.came_of(kind, Next::WentOn);
                if let Some(denial) = self.denials.get_mut(kind) {
                    denial.count = denial.count.saturating_add(more);
                }
            }
            Some(Place::Untold) => self.denials.add_untold(more),
            Some(Place::Others) => self.others = self.others.saturating_add(more),
            None => {}
        }
    }

    fn enter(&mut self, id: u64, seen: Seen) {
        let Verdict::Denied { action, .. } = seen.judgement.verdict else { return };
        let Seen { refused, location, rule, .. } = seen;
        if enforce::runs(self.policy.calls.decide(&refused.call)) {
            self.others = self.others.saturating_add(refused.count);
            self.places.insert(id, Place::Others);
            return;
        }
        let is_killed = matches!(refused.outcome, Outcome::KilledProcess | Outcome::KilledThread);
        let next = if is_killed {
            Next::Killed
        } else if refused.count > 1 {
            Next::WentOn
        } else {
            Next::Unknown
        };
        let ancestry = self.ancestry(&refused);
        let first =
            First { process: refused.host_tgid, order: (refused.first, id), is_open: next == Next::Unknown };
        let denial = Denial {
            call: refused.call,
            action,
            count: refused.count,
            image: refused.image,
            ancestry,
            location,
            next,
            rule,
        };
        let kind = Kind::of(&denial);
        let place = if self.denials.enter(&kind, denial).is_some() {
            self.firsts.entry(kind.clone()).or_insert(first);
            Place::Denial(kind)
        } else {
            Place::Untold
        };
        self.places.insert(id, place);
    }

    /// From the first process of the trial down.
    fn ancestry(&self, refused: &Refused) -> Vec<Ancestor> {
        let chain = &refused.ancestry;
        let from = chain.iter().position(|process| process.tgid == Some(self.first)).unwrap_or_default();
        chain.get(from..).unwrap_or_default().to_vec()
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
        caveats.extend(self.denials.untold());
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
            calls: sandprint_model::CallRules {
                default_action: sandprint_model::Action::Errno(1),
                foreign_action: sandprint_model::Action::KillProcess,
                rules: BTreeMap::new(),
            },
            notes: std::collections::BTreeSet::new(),
        };
        let mut findings = Findings {
            policy: &policy,
            first: 1,
            watch: Watch::default(),
            denials: Denials::default(),
            firsts: BTreeMap::new(),
            places: [(7, Place::Untold), (8, Place::Others)].into(),
            others: 1,
        };
        for (id, more) in [(7, 2), (8, 4), (9, 100), (7, 8)] {
            findings.repeat(id, more);
        }
        assert_eq!(findings.others, 5);
        assert!(findings.denials.untold().unwrap().starts_with("10 more calls"));
    }
}
