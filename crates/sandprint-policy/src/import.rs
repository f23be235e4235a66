//! A profile of another tool becomes a policy, so that it can be compared, audited and tightened.
//!
//! Each format is one file below and one line in [`Format::ALL`]. An importer says what the profile's own
//! consumer would do, faults and habits included: which names it skips, which rule wins, what it adds unasked.
//! What a policy cannot hold is a [`Loss`]; what was assumed is a note of the policy.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::wire::Position;
use sandprint_model::{
    Abi, About, Action, Arch, CallRules, KernelVersion, Loss, LossKind, Note, Policy, Reason, Rule, Syscall,
};

use crate::cbpf::{Invalid, Program};
use crate::check::{Severity, check};
use crate::enforce::runs;

mod bpf;
mod docker;
pub(crate) mod groups;
mod json;
mod libseccomp;
mod oci;
mod profile;
pub(crate) mod systemd;

pub use docker::{DEFAULT_CAPABILITIES, capability};

/// Most bytes of a profile that is read; the largest real ones have some 100 KiB.
pub const MOST_BYTES: usize = 16 * 1024 * 1024;

/// A kind of profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// A raw classic BPF program: `struct sock_filter` after `struct sock_filter`, little-endian.
    Bpf,
    /// The JSON of Docker, and of Podman (containers-common).
    Docker,
    /// The `linux.seccomp` object of the OCI runtime specification.
    Oci,
    /// A unit file of systemd, or a drop-in.
    Systemd,
}

impl Format {
    /// Every format, in name order.
    pub const ALL: [Format; 4] = [Format::Bpf, Format::Docker, Format::Oci, Format::Systemd];

    /// The stable name used on the command line and in reasons.
    pub fn name(self) -> &'static str {
        match self {
            Format::Bpf => "bpf",
            Format::Docker => "docker",
            Format::Oci => "oci",
            Format::Systemd => "systemd",
        }
    }

    /// The format of that name.
    pub fn from_name(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name)
    }

    /// What it is, in half a line.
    pub fn summary(self) -> &'static str {
        match self {
            Format::Bpf => "raw classic BPF, as bubblewrap, crun and `seccomp_export_bpf` have it",
            Format::Docker => "seccomp profile of Docker or Podman",
            Format::Oci => "linux.seccomp of an OCI runtime, or a part of it",
            Format::Systemd => "unit file or drop-in (SystemCallFilter= and its relatives)",
        }
    }
}

/// Where a profile would be used, as far as its meaning depends on that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The machine.
    pub arch: Arch,
    /// Its kernel, which `minKernel` of Docker is compared with; none means newer than any.
    pub kernel: Option<KernelVersion>,
    /// The container's capabilities (`CAP_...`), which `caps` of Docker is compared with.
    pub capabilities: BTreeSet<String>,
}

impl Site {
    /// A machine with the newest kernel, and a container with the capabilities that Docker gives without being asked.
    pub fn new(arch: Arch) -> Site {
        let capabilities = DEFAULT_CAPABILITIES.iter().map(|name| (*name).to_owned()).collect();
        Site { arch, kernel: None, capabilities }
    }
}

/// A profile as a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// What it says. Its notes say what was assumed.
    pub policy: Policy,
    /// What of the profile the policy does not hold.
    pub losses: BTreeSet<Loss>,
    /// What a consumer of the profile is known to make otherwise of it than it says, and so than the policy; weaker is
    /// what may let more run.
    pub faults: BTreeSet<Loss>,
}

/// Why a profile could not be imported at all. Text from the file is escaped and cut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// There is nothing to read.
    #[error("it is empty")]
    Empty,
    /// More than [`MOST_BYTES`].
    #[error("it has {0} bytes, and no profile has more than {MOST_BYTES}")]
    TooLarge(usize),
    /// [`sniff`] does not know it.
    #[error("it is no profile of a kind that is known here")]
    Unrecognized,
    /// A text format, and no UTF-8.
    #[error("it is no text: byte {0} is not UTF-8")]
    NotText(usize),
    /// It does not follow the rules of its language, or of its format.
    #[error("{problem}, at line {}, column {}", at.line, at.column)]
    Text {
        /// Where.
        at: Position,
        /// What is wrong there.
        problem: String,
    },
    /// The unit filters no system calls.
    #[error("the unit has no setting that filters system calls")]
    NoFilter,
    /// Its length is no multiple of eight.
    #[error("it has {0} bytes, and instructions of classic BPF have 8 each")]
    NotWhole(usize),
    /// The kernel would not take it.
    #[error("the kernel would refuse the program: {0}")]
    Invalid(#[from] Invalid),
    /// Its decisions depend on numbers in too many ways to be listed.
    #[error("the program treats numbers of system calls in more ways than can be listed")]
    TooComplex,
}

/// Reads a profile.
pub fn import(format: Format, bytes: &[u8], site: &Site) -> Result<Imported, ImportError> {
    if bytes.len() > MOST_BYTES {
        return Err(ImportError::TooLarge(bytes.len()));
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(ImportError::Empty);
    }
    let mut imported = match format {
        Format::Bpf => bpf::import(bytes)?,
        _ => from_text(format, bytes, site)?,
    };
    without_idle_rules(&mut imported.policy);
    Ok(imported)
}

fn from_text(format: Format, bytes: &[u8], site: &Site) -> Result<Imported, ImportError> {
    let text = std::str::from_utf8(bytes).map_err(|error| ImportError::NotText(error.valid_up_to()))?;
    match format {
        Format::Docker => docker::import(text, site),
        Format::Systemd => systemd::import(text, site),
        Format::Oci | Format::Bpf => oci::import(text, site),
    }
}

/// Takes out rules that can never decide anything, which other commands refuse as a mistake, and says so.
fn without_idle_rules(policy: &mut Policy) {
    let mut idle: BTreeMap<Syscall, BTreeSet<usize>> = BTreeMap::new();
    for fault in check(policy) {
        if let Some(at) = fault.at.filter(|_| fault.severity == Severity::Error) {
            idle.entry(at.syscall).or_default().insert(at.rule);
        }
    }
    let mut left_out = BTreeSet::new();
    for (syscall, places) in idle {
        let Some(rules) = policy.calls.rules.get_mut(&syscall) else { continue };
        let mut place = 0;
        rules.retain(|_| {
            place += 1;
            !places.contains(&(place - 1))
        });
        if rules.is_empty() {
            // An ABI without a rule would get the foreign action.
            let action = policy.calls.default_action;
            let reasons = BTreeSet::from([Reason::Imported("no rule of this ABI can decide".to_owned())]);
            rules.push(Rule { conditions: Vec::new(), action, reasons });
            if policy.calls.rules.keys().filter(|other| other.abi == syscall.abi).count() > 1 {
                policy.calls.rules.remove(&syscall);
            }
        }
        left_out.insert(syscall);
    }
    if !left_out.is_empty() {
        policy.notes.insert(Note::IdleRules(left_out));
    }
}

/// Finds out what a profile is.
///
/// JSON with a word that only Docker's and Podman's profiles have is theirs, any other that looks like a
/// profile or a part of one is OCI's.
pub fn sniff(bytes: &[u8]) -> Option<Format> {
    if bytes.len() > MOST_BYTES {
        return None;
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if systemd::looks_like(text) {
            return Some(Format::Systemd);
        }
        if let Some(format) = profile::looks_like(text) {
            return Some(format);
        }
    }
    let program = Program::from_bytes(bytes)?;
    crate::cbpf::validate(&program).is_ok().then_some(Format::Bpf)
}

/// The reason of a rule: the format, and what the profile's author wrote beside it.
fn reason(format: Format, comment: &str) -> Reason {
    let comment = comment.trim();
    Reason::Imported(if comment.is_empty() {
        format.name().to_owned()
    } else {
        format!("{}: {comment}", format.name())
    })
}

/// What a loss about something that only the profile's language has is about; safe to print.
fn word(word: impl Into<String>) -> About {
    About::Word(word.into())
}

/// The loss of names that no call has: weaker where one of them was refused, and the default action does not.
fn unknown_names(names: BTreeSet<String>, weaker: bool) -> Loss {
    Loss::weaker_if(weaker, word("unknown names"), LossKind::UnknownNames(names))
}

/// Puts a policy together. An ABI that takes part without a rule of its own gets one that says the default
/// action, because an ABI without any gets the foreign action.
fn policy(
    format: Format,
    (default_action, foreign_action): (Action, Action),
    abis: &[Abi],
    mut rules: BTreeMap<Syscall, Vec<Rule>>,
    notes: BTreeSet<Note>,
) -> Policy {
    for abi in abis {
        let has_rules = rules.keys().any(|syscall| syscall.abi == *abi);
        if has_rules || default_action == foreign_action {
            continue;
        }
        if let Some(first) = Syscall::all(*abi).next() {
            let words = "no rule is about this ABI, which takes part: its calls get the default action";
            let reasons = BTreeSet::from([reason(format, words)]);
            rules.insert(first, vec![Rule { conditions: Vec::new(), action: default_action, reasons }]);
        }
    }
    let mut policy =
        Policy { kernel: None, calls: CallRules { default_action, foreign_action, rules }, notes };
    // Rules that say what holds anyway would only be in the way of comparing, unless they stand for their ABI.
    for abi in abis {
        let idle: Vec<Syscall> = policy
            .calls
            .rules
            .iter()
            .filter(|(syscall, rules)| syscall.abi == *abi && is_idle(rules, default_action))
            .map(|(syscall, _)| *syscall)
            .collect();
        let others = policy.calls.rules.keys().filter(|syscall| syscall.abi == *abi).count() > idle.len();
        for syscall in idle.iter().skip(usize::from(!others && default_action != foreign_action)) {
            policy.calls.rules.remove(syscall);
        }
    }
    policy
}

/// Whether rules do nothing but what the default action does.
fn is_idle(rules: &[Rule], default: Action) -> bool {
    rules.iter().all(|rule| rule.action == default)
}

#[cfg(test)]
mod tests;
