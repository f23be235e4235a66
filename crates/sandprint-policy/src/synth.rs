//! A [`Trace`] becomes a [`Policy`]: what was seen is allowed, and what observation cannot show is added by
//! rules, each with its reason.
//!
//! In order: observed calls, what is needed beside them (`additions`), what a launcher does after it has loaded the
//! filter, equivalents of observed calls, calls that are answered as absent so that their callers use an older one, and
//! what was observed of arguments. The same trace gives the same policy on every machine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sandprint_model::arguments::selectors;
use sandprint_model::errno::{ENOSYS, EPERM};
use sandprint_model::{
    Abi, Action, CallRules, GapKind, Image, KernelVersion, Note, Policy, Reason, Rule, RunId, Syscall, Trace,
};

pub(crate) mod additions;
mod arguments;
pub(crate) mod fallback;
mod gaps;
mod notes;
pub(crate) mod portable;
mod runtime;

pub use additions::Additions;
use arguments::AboutArguments;
pub use runtime::Runtime;

/// The policy to start from where there is no recording: the execve that starts a program. All else fails with EPERM;
/// other ABIs kill. What every process needs without asking for it is added by [`Additions::complete`].
pub fn starting_point(native: Abi) -> Policy {
    let execve = Syscall::from_name(native, "execve");
    let why = "the program is started with it".to_owned();
    let start = rule(Action::Allow, BTreeSet::from([Reason::Baseline(why)]));
    Policy {
        kernel: None,
        calls: CallRules {
            default_action: Action::Errno(EPERM),
            foreign_action: Action::KillProcess,
            rules: execve.map(|syscall| (syscall, vec![start])).into_iter().collect(),
        },
        notes: BTreeSet::new(),
    }
}

/// How a policy is made of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynthConfig {
    /// What happens to a call that no rule allows.
    pub default_action: DefaultAction,
    /// The oldest kernel that the policy is for; `None` takes the oldest that the trace was recorded on.
    pub kernel: Option<KernelVersion>,
    /// Whether to add what is needed although a run need not show it ([`Additions`]).
    pub baseline: bool,
    /// Whether to add the equivalents of observed calls.
    pub portable: bool,
    /// The launchers that may load the filter, and what they start before the workload.
    pub runtimes: BTreeSet<Runtime>,
    /// Whether that launcher sets `no_new_privs`; `None` serves both ways.
    pub no_new_privs: Option<bool>,
    /// With which arguments calls are allowed.
    pub arguments: AllowedArguments,
    /// Whether to go on although calls may be missing from the recording.
    pub allow_incomplete: bool,
}

impl Default for SynthConfig {
    /// Errno by default, the oldest recorded kernel, with the baseline, nothing else added, whatever the arguments, no
    /// gaps accepted.
    fn default() -> SynthConfig {
        SynthConfig {
            default_action: DefaultAction::Errno,
            kernel: None,
            baseline: true,
            portable: false,
            runtimes: BTreeSet::new(),
            no_new_privs: None,
            arguments: AllowedArguments::Any,
            allow_incomplete: false,
        }
    }
}

/// With which arguments an observed call is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AllowedArguments {
    /// With any.
    #[default]
    Any,
    /// With such as it was observed with, as far as they select what it does and all of them are known.
    Observed,
}

/// What happens to a call that no rule allows.
///
/// Under all of them but [`DefaultAction::Log`], calls that came after the oldest kernel and calls that a
/// libc falls back from fail with ENOSYS: a libc that merely probes `clone3` must neither die of it nor take
/// EPERM for a final answer. Under `Log` nothing is refused, so there is nothing to fall back from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DefaultAction {
    /// It fails with EPERM.
    Errno,
    /// The process is killed.
    Kill,
    /// The thread is killed. The rest of the process goes on without it.
    KillThread,
    /// The thread gets SIGSYS, which a handler can catch.
    Trap,
    /// It runs and is logged: for trying a policy out.
    Log,
}

impl DefaultAction {
    /// Every default action, in the order of the command line's help.
    pub const ALL: [DefaultAction; 5] = [
        DefaultAction::Errno,
        DefaultAction::Kill,
        DefaultAction::KillThread,
        DefaultAction::Trap,
        DefaultAction::Log,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            DefaultAction::Errno => "errno",
            DefaultAction::Kill => "kill",
            DefaultAction::KillThread => "kill-thread",
            DefaultAction::Trap => "trap",
            DefaultAction::Log => "log",
        }
    }

    /// The default action of that name.
    pub fn from_name(name: &str) -> Option<DefaultAction> {
        DefaultAction::ALL.into_iter().find(|action| action.name() == name)
    }

    /// What it means for a call.
    pub fn action(self) -> Action {
        match self {
            DefaultAction::Errno => Action::Errno(EPERM),
            DefaultAction::Kill => Action::KillProcess,
            DefaultAction::KillThread => Action::KillThread,
            DefaultAction::Trap => Action::Trap,
            DefaultAction::Log => Action::Log,
        }
    }

    /// What it means for a call through an ABI that the policy has no rules for. Such a call never belongs to
    /// the workload, and is how filters are evaded: the process is killed, unless nothing shall be refused.
    fn foreign_action(self) -> Action {
        match self {
            DefaultAction::Log => Action::Log,
            _ => Action::KillProcess,
        }
    }
}

/// Why no policy was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SynthError {
    /// The trace holds no call, and an allow-list without entries is refused: in some languages it means "no
    /// filter".
    #[error("make a policy of a trace that holds no system call")]
    Empty,
    /// Rules about arguments were asked for, and no run recorded any.
    #[error("make rules about arguments: no run of the trace recorded them")]
    NoArguments,
    /// Calls may be missing from the recording.
    #[error("make a policy of an incomplete recording: {}", sentences(.gaps))]
    Incomplete {
        /// What is missing, each kind with a sentence in plain words.
        gaps: Vec<(GapKind, String)>,
    },
    /// The table of what is added, which is part of the program, is broken.
    #[error("read the table of what is added to a policy, line {line}: {problem}")]
    AdditionsTable {
        /// Where, from 1.
        line: usize,
        /// What is wrong there.
        problem: String,
    },
    /// The table of launchers, which is part of the program, is broken.
    #[error("read the table of launchers, line {line}: {problem}")]
    RuntimeTable {
        /// Where, from 1.
        line: usize,
        /// What is wrong there.
        problem: String,
    },
}

fn sentences(gaps: &[(GapKind, String)]) -> String {
    gaps.iter().map(|(_, sentence)| sentence.as_str()).collect::<Vec<_>>().join(" ")
}

/// Makes a policy of everything that a trace holds.
pub fn synthesize(trace: &Trace, config: &SynthConfig) -> Result<Policy, SynthError> {
    let observed = observed(trace);
    if observed.is_empty() {
        return Err(SynthError::Empty);
    }
    let mut notes = gaps::accept(trace, config.allow_incomplete)?;

    let mut allowed = observed.clone();
    let mut allow = |syscall: Syscall, reason: Reason| {
        allowed.entry(syscall).or_default().insert(reason);
    };
    let abis: BTreeSet<_> = observed.keys().map(|syscall| syscall.abi).collect();
    let mut told_apart: BTreeMap<Syscall, Vec<Rule>> = BTreeMap::new();
    if config.baseline || config.portable {
        let table = Additions::read()?;
        let mut needed = if config.baseline { table.of_trace(trace) } else { Vec::new() };
        if config.portable {
            needed.extend(table.of_other_libraries(trace));
        }
        for addition in &needed {
            let rule = addition.rule(config.arguments);
            let is_seen = observed.contains_key(&addition.syscall);
            if !rule.conditions.is_empty() {
                let rules = told_apart.entry(addition.syscall).or_default();
                // Two groups may need the same.
                match rules.iter_mut().find(|there| there.conditions == rule.conditions) {
                    Some(there) => there.reasons.extend(rule.reasons),
                    None => rules.push(rule),
                }
            } else if !(is_seen && addition.follows && is_whole(addition.syscall, config.arguments)) {
                allow(addition.syscall, addition.reason());
            }
        }
        let is_unseen =
            |addition: &&additions::Addition| !observed.contains_key(&addition.syscall) && !addition.portable;
        let unseen = needed.iter().filter(is_unseen);
        let counted = table.counted(unseen);
        notes.extend((!counted.is_empty()).then_some(Note::Added(counted)));
    }
    for runtime in &config.runtimes {
        let needed = runtime::needed(*runtime, config.no_new_privs, &abis)?;
        for (syscall, reason) in needed {
            allow(syscall, reason);
        }
    }
    if config.portable {
        let seen = observed.keys().copied().collect();
        portable::equivalents(&seen).for_each(|(syscall, reason)| allow(syscall, reason));
    }

    let default_action = config.default_action.action();
    let kernel = config.kernel.or_else(|| notes::oldest_kernel(trace));
    let mut rules: BTreeMap<Syscall, Vec<Rule>> = BTreeMap::new();
    if config.default_action != DefaultAction::Log {
        let absent = fallback::absent(&abis, kernel).into_iter();
        rules.extend(absent.map(|(syscall, reasons)| (syscall, vec![rule(Action::Errno(ENOSYS), reasons)])));
    }
    notes.extend(notes::of_trace(trace, config));
    // What only a launcher calls is no note's subject: the same policy may be made for it later.
    let is_own =
        |reasons: &BTreeSet<Reason>| reasons.iter().any(|reason| !matches!(reason, Reason::Runtime { .. }));
    let own = allowed.iter().filter(|(_, reasons)| is_own(reasons)).map(|(syscall, _)| syscall);
    let names = own.chain(told_apart.keys()).copied().collect();
    notes.extend(notes::of_allowed(&names, config));
    let about = if config.arguments == AllowedArguments::Observed {
        arguments::rules(trace, &allowed, told_apart)?
    } else {
        told_apart.retain(|syscall, _| !allowed.contains_key(syscall));
        AboutArguments { rules: told_apart, notes: BTreeSet::new() }
    };
    notes.extend(about.notes);
    // What is allowed takes the place of an absent call.
    allowed.retain(|syscall, _| !about.rules.contains_key(syscall));
    rules.extend(allowed.into_iter().map(|(syscall, why)| (syscall, vec![rule(Action::Allow, why)])));
    for (syscall, mut told_apart) in about.rules {
        // What those rules refuse is answered like the whole call would be.
        told_apart.extend(rules.remove(&syscall).into_iter().flatten());
        rules.insert(syscall, told_apart);
    }
    let foreign_action = config.default_action.foreign_action();
    Ok(Policy { kernel, calls: CallRules { default_action, foreign_action, rules }, notes })
}

/// Adds what a launcher does after it has loaded the filter to a policy that was made without it.
///
/// Where the policy refuses such a call, or its default does, it is allowed instead, with the launcher as its reason.
/// Rules of the call that have conditions stay in front of that, also those that refuse: somebody wanted them.
///
/// For a launcher that nobody `named`, calls stay as they are of which somebody has written rules that do not simply
/// allow them. Gives these.
pub fn allow_runtime(
    policy: &mut Policy,
    runtime: Runtime,
    no_new_privs: Option<bool>,
    named: bool,
) -> Result<BTreeSet<Syscall>, SynthError> {
    let abis: BTreeSet<_> = policy.calls.rules.keys().map(|syscall| syscall.abi).collect();
    let mut kept = BTreeSet::new();
    for (syscall, reason) in runtime::needed(runtime, no_new_privs, &abis)? {
        let rules = policy.calls.rules.entry(syscall).or_default();
        let is_open = |rule: &Rule| rule.conditions.is_empty() && rule.action.lets_run();
        if !named && rules.iter().any(is_written) && !rules.iter().any(is_open) {
            kept.insert(syscall);
            continue;
        }
        match rules.iter_mut().find(|rule| rule.conditions.is_empty()) {
            Some(rule) if rule.action.lets_run() => {
                rule.reasons.insert(reason);
            }
            Some(refusing) => *refusing = self::rule(Action::Allow, BTreeSet::from([reason])),
            None => rules.push(self::rule(Action::Allow, BTreeSet::from([reason]))),
        }
    }
    // Also where the policy was read back.
    for abi in abis {
        policy.notes.remove(&Note::NotStarted(abi));
    }
    Ok(kept)
}

/// Whether a rule is somebody's own, and not what a recording or our tables made.
fn is_written(rule: &Rule) -> bool {
    let is_own =
        |reason: &Reason| matches!(reason, Reason::ByHand(_) | Reason::Decided { .. } | Reason::Imported(_));
    rule.reasons.is_empty() || rule.reasons.iter().any(is_own)
}

/// Whether a call that was observed is allowed whatever its arguments.
fn is_whole(syscall: Syscall, arguments: AllowedArguments) -> bool {
    arguments == AllowedArguments::Any || selectors(syscall).is_empty()
}

fn rule(action: Action, reasons: BTreeSet<Reason>) -> Rule {
    Rule { conditions: Vec::new(), action, reasons }
}

/// The observed calls, each with how often it was made, in how many runs, and by which programs.
fn observed(trace: &Trace) -> BTreeMap<Syscall, BTreeSet<Reason>> {
    #[derive(Default)]
    struct Sum<'t> {
        count: u64,
        runs: BTreeSet<RunId>,
        images: BTreeSet<&'t Arc<Image>>,
    }
    let mut sums: BTreeMap<Syscall, Sum<'_>> = BTreeMap::new();
    for (subject, syscall, runs) in trace.calls.iter() {
        for (run, seen) in runs.iter() {
            let sum = sums.entry(*syscall).or_default();
            sum.count = sum.count.saturating_add(seen.count);
            sum.runs.insert(run);
            sum.images.insert(&subject.image);
        }
    }
    sums.into_iter()
        .map(|(syscall, sum)| {
            let images = sum.images.into_iter().cloned().collect();
            let reason = Reason::Observed { count: sum.count, runs: sum.runs.len(), images };
            (syscall, BTreeSet::from([reason]))
        })
        .collect()
}

#[cfg(test)]
mod tests;
