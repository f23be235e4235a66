//! What a reader of a policy should know, as data.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::{Abi, Arch, ByteString, GapKind, Image, KernelVersion, Syscall};

#[cfg(test)]
mod tests;
mod words;

/// Where synthesis generalised, what an importer assumed, or what else a reader should know.
///
/// A policy file holds notes as text, and what is read back is text. So a note is what it says: two are the same when
/// their words are, and they are ordered by these.
#[derive(Debug, Clone)]
pub enum Note {
    /// Words of a person, or of a file that was read back.
    Words(String),

    // Of a recording.
    /// Something may have been missed in it.
    Gap {
        /// What.
        kind: GapKind,
        /// On what, in words; a few are told.
        details: BTreeSet<String>,
        /// In how many runs.
        runs: usize,
        /// Whether calls may be missing, and the user went on all the same.
        is_accepted: bool,
    },
    /// Not every run says which kernel it ran on.
    KernelsUnknown {
        /// How many do not.
        unknown: usize,
        /// Of how many.
        runs: usize,
        /// The oldest kernel of the others.
        oldest: Option<KernelVersion>,
    },
    /// The calls of these programs were left out; an empty path is of an unknown one.
    ProgramsLeftOut(BTreeSet<ByteString>),

    // Of what is allowed.
    /// A refused call ends one thread.
    ThreadsLeft,
    /// Calls of an ABI that is not the machine's own.
    OtherAbi(Abi),
    /// A number without a name.
    Nameless(Syscall),
    /// No launcher can start the program.
    NotStarted(Abi),
    /// Calls that do the same as others that are refused.
    SamePower {
        /// What is allowed of them.
        allowed: Vec<Syscall>,
        /// What is not; never empty, nor are the others.
        refused: Vec<Syscall>,
    },
    /// What was added that a run need not show: how many calls, and for what, as the table of additions words it.
    Added(Vec<(usize, &'static str)>),
    /// Calls that are allowed with any arguments, although rules about arguments were asked for.
    AnyArguments(WhyAny, Vec<Syscall>),
    /// So many calls may be made with observed arguments only.
    ObservedArguments(usize),

    // Of a profile.
    /// Nobody named what loads it, which may be any of these launchers.
    LauncherUnnamed(Vec<&'static str>),

    // Of a translation.
    /// From where to where.
    Translated {
        /// From.
        from: BTreeSet<Arch>,
        /// To.
        to: Arch,
    },
    /// A call that only its own architecture has a need of.
    OwnCall {
        /// Its name.
        name: &'static str,
        /// Its ABI.
        abi: Abi,
        /// What it does, in a sentence.
        why: &'static str,
    },

    // Of an import.
    /// No architecture is listed: this ABI was taken.
    NoArchitecture(Abi),
    /// A machine's own ABI takes part unlisted.
    UnlistedAbi(Abi),
    /// runc answers unknown numbers by itself.
    RuncStub,
    /// Names that an older libseccomp skips.
    NewerNames {
        /// The last kernel whose calls it knows.
        than: KernelVersion,
        /// The names.
        names: BTreeSet<String>,
    },
    /// Rules of these calls can never decide.
    IdleRules(BTreeSet<Syscall>),
    /// For which place Docker's rules were chosen.
    ChosenFor {
        /// The machine.
        arch: Arch,
        /// Its kernel; none is the newest.
        kernel: Option<KernelVersion>,
        /// What the container may do.
        capabilities: Capabilities,
    },
    /// `archMap` does not have a machine.
    NoMapEntry(Arch),
    /// Rules with the default action, against which another rule of the call stands.
    DroppedRules(BTreeSet<&'static str>),
    /// Calls with a rule without conditions, and others of another action.
    FirstDecides(BTreeSet<&'static str>),
    /// Calls with two actions for the same conditions.
    Contradicting(BTreeSet<&'static str>),
    /// An errno beside an action that has none, by its name.
    ErrnoBeside(String),
    /// A part of a profile: the default action was assumed.
    PartOfProfile {
        /// Whether it is to allow, as all rules refuse.
        allows: bool,
    },
    /// Settings above any section.
    NoSection,
    /// A unit without `SystemCallArchitectures=`.
    EveryAbi,
}

/// Why a call is allowed with any arguments.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhyAny {
    /// So many runs did not record them.
    Unrecorded(usize),
    /// It is needed for another reason than that it was observed.
    Needed,
    /// The rules would allow all.
    NothingRuledOut,
    /// Programs used more different ones than are kept.
    ManyValues(BTreeSet<Arc<Image>>),
    /// There would be more than so many rules for it.
    ManyRules(usize),
}

/// What a container may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capabilities {
    /// What Docker gives unasked, and these.
    DefaultsAnd(BTreeSet<String>),
    /// These alone.
    Only(BTreeSet<String>),
}

impl Note {
    /// The columns that a line of a terminal has behind "note: ".
    pub const COLUMNS: usize = 74;

    /// The most useful of it in so many columns, without a full stop. All of it is what it displays.
    pub fn line(&self) -> String {
        words::of(self).line
    }
}

impl fmt::Display for Note {
    /// In whole sentences.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&words::of(self).full)
    }
}

impl PartialEq for Note {
    fn eq(&self, other: &Note) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Note {}

impl PartialOrd for Note {
    fn partial_cmp(&self, other: &Note) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Note {
    fn cmp(&self, other: &Note) -> Ordering {
        self.to_string().cmp(&other.to_string())
    }
}
