//! The kinds of losses, with what their sentences need. The sentences are in `words.rs`.

use std::collections::BTreeSet;

use crate::{Abi, Action, KernelVersion, Syscall};

/// What happens instead of what was said. Several subjects may share one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LossKind {
    // Every format.
    /// The format can say nothing of a part of the policy.
    NotHeld,
    /// A number without a name, where only names can be said.
    Nameless,
    /// The policy has somebody asked, and nobody is there.
    NobodyToAsk,
    /// It is answered otherwise.
    Answer {
        /// How.
        got: Action,
        /// What the policy says.
        policy: Action,
    },
    /// What its rules refuse gets one answer.
    RefusedAlike(Action),
    /// What its rules refuse gets the default action.
    RefusedByDefault,
    /// Whether it is logged depends on its arguments, and cannot.
    LoggedWhole,
    /// It runs, and whether it is logged is not what the policy says.
    Logged(bool),
    /// Not all of its conditions can be said.
    ConditionsCut {
        /// Why.
        why: Cut,
        /// Whether none is left, so that the default action decides whatever the arguments.
        is_whole: bool,
    },

    // Formats for one machine.
    /// The format holds the calls of another ABI only.
    OtherAbi {
        /// That ABI.
        holds: Abi,
        /// What happens to a call of this one.
        got: Action,
    },

    // Formats that go by name, and libseccomp.
    /// It takes part unasked: what is not listed gets the default action.
    MachinesOwnAbi {
        /// What the policy says.
        policy: Action,
    },
    /// Calls of every ABI are decided by one list.
    DecidedByName {
        /// What the policy says of other ABIs.
        policy: Action,
    },
    /// Calls are allowed because another ABI allows them.
    AllowedWithOtherAbi,
    /// Calls are refused as in another ABI.
    RefusedAsInOtherAbi,
    /// What i386 does to a multiplexer for some of the calls that it stands for.
    Multiplexer(Multiplexed, Vec<&'static str>),
    /// It is refused, since it would be allowed with the calls that it stands for.
    MultiplexerClosed,
    /// Names that libseccomp 2.5.4 lacks.
    UnknownToLibseccomp,
    /// libseccomp 2.5.4 may match none of an ABI's calls.
    MatchesNone,
    /// A rule that was added so that libseccomp 2.5.4 matches the others.
    AddedToMatch {
        /// What the call fails with.
        errno: u16,
        /// The ABI that needs it.
        abi: Abi,
    },
    /// runc answers unknown numbers by itself.
    RuncStub,
    /// Older Docker releases have EPERM for a default errno.
    OldDocker {
        /// What it should be.
        errno: u16,
    },
    /// A Kubernetes object holds no such value.
    ValueTooLarge,

    // Formats that have one action for what matches, or for the rest.
    /// All calls that match have one action.
    MatchesAlike(Action),
    /// All calls that do not match have one action.
    MismatchesAlike(Action),
    /// minijail's options say how it kills.
    MinijailKills {
        /// What the policy says.
        policy: Action,
    },
    /// A reader that is older than the call does not know its name.
    NewName {
        /// Which.
        reader: Reader,
        /// Whether it is therefore left to the default action.
        is_left_out: bool,
    },

    // systemd.
    /// systemd cannot do what is asked.
    Systemd(Unchecked, Instead),
    /// A call of `@default` that an older systemd does not know.
    NewInDefaultGroup,
    /// A call of `@default` that cannot be taken back by name.
    InDefaultGroup,
    /// `@default` may have grown.
    DefaultGroupGrows,
    /// The name that `SystemCallLog=` must have.
    NeverLogged,
    /// Settings hold a part of its conditions.
    OtherwiseAllowed,
    /// A setting refuses more than the policy.
    SettingRefuses(Beside),
    /// A setting answers otherwise than the policy.
    SettingAnswers {
        /// How.
        got: BTreeSet<Action>,
        /// What the policy says.
        policy: BTreeSet<Action>,
    },

    // Translation.
    /// The policy speaks of the ABI that it would become.
    HasRulesThere(Abi),
    /// Nobody knows its number there.
    NamelessThere(Abi),
    /// There is no such call there.
    NoCounterpart(Abi),
    /// Conditions of this call, for which it stands, do not fit its arguments.
    ConditionsOf(Syscall),

    // Import of text.
    /// Names that no call has.
    UnknownNames(BTreeSet<String>),
    /// Names that systemd 252 does not know.
    NewerNames {
        /// The last kernel whose calls it knows.
        than: KernelVersion,
        /// The names.
        names: BTreeSet<String>,
    },
    /// Architectures that are not known here.
    UnknownArchitectures(BTreeSet<String>),
    /// Podman ignores a word in rules for these names.
    IgnoredByPodman(BTreeSet<String>),
    /// crun skips a key in another case.
    SkippedByCrun(SkippedKey),
    /// Who is asked is not said in a policy.
    SupervisorUnnamed,
    /// A word of Docker's profiles in one that is none.
    WordOfDocker,
    /// No word of such profiles.
    UnknownWord,
    /// A flag of seccomp(2).
    LoaderFlag,
    /// A line of a unit that is no assignment.
    NoAssignment,
    /// A value that systemd does not understand.
    NotUnderstood(String),
    /// A value that breaks off.
    BreaksOff(String),
    /// A group that systemd 252 does not have.
    UnknownGroup(String),
    /// Rules that meet, with different actions.
    OrderDecides,
    /// Rules that libseccomp merges wrongly.
    MergedWrongly,

    // Import of programs.
    /// Calls of unknown machines are not treated alike.
    UnknownMachines,
    /// SIGSYS comes with a number.
    SignalData,
    /// More decisions than can be listed.
    TooManyWays,
    /// The program looks at more than a policy can.
    LooksElsewhere,
    /// Too many numbers without a name.
    NumbersByDefault,
    /// The program decides some calls otherwise.
    Differs,
}

/// Why conditions cannot be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cut {
    /// They take too many entries.
    TooMany,
    /// libseccomp mistakes an upper half alone, where a 32-bit ABI takes part.
    UpperHalfAlone,
    /// libseccomp looks at no upper half of x32.
    UpperHalfOfX32,
}

/// What i386 does to a multiplexer where it does so to the calls that it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Multiplexed {
    /// It allows it.
    Allowed,
    /// It refuses it.
    Refused,
    /// It logs it.
    Logged,
    /// It does not log it.
    Unlogged,
}

/// Who reads a profile and may not know a name in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reader {
    /// minijail, which has the names of the headers that it was built with.
    Minijail,
    /// seccompiler.
    Seccompiler,
    /// systemd, which has those of its libseccomp.
    Systemd,
}

/// What systemd cannot do by `SystemCallFilter=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unchecked {
    /// Look at arguments.
    Arguments,
    /// Take this action.
    Action(Action),
}

/// What happens to the call instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Instead {
    /// It is allowed.
    Allowed,
    /// It is allowed on i386, with the calls that it stands for.
    AllowedOnI386,
    /// It gets the default action.
    Default,
    /// It gets that because nobody was seen to make it.
    UnobservedDefault,
    /// It fails with ENOSYS.
    Enosys,
}

/// What a setting of systemd refuses beside what the policy refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Beside {
    /// Anything in the upper half of a socket's family.
    FamilyUpperHalf,
    /// That, and families without a name.
    UnnamedFamily,
    /// Signals that do not exist, and anything in the upper half of `clone`'s flags.
    CloneSignal,
    /// Anything in the upper half of an argument.
    UpperHalf,
}

/// What a profile is to crun without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkippedKey {
    /// It lacks what must be there.
    Refused,
    /// There is no filter.
    NoFilter,
    /// There are no rules.
    NoRules,
    /// Rules have no conditions.
    NoConditions,
    /// A comparison is with 0.
    Zero,
    /// An errno is EPERM.
    Eperm,
    /// Only the machine's own ABI is there.
    OwnAbi,
}
