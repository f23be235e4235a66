//! The sentence of every kind of loss, as it follows its subject and a colon.

use std::collections::BTreeSet;
use std::fmt;

use super::{Beside, Cut, Instead, LossKind, Multiplexed, Reader, SkippedKey, Unchecked};
use crate::sentence::{listed, quoted};
use crate::{Action, errno};

impl fmt::Display for LossKind {
    #[expect(clippy::too_many_lines, reason = "one arm for each kind, to be read from top to bottom")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LossKind::NotHeld => f.write_str("nothing of them is checked"),
            LossKind::Nameless => {
                f.write_str("it has no name, and the format cannot say its number: it gets the default action")
            }
            LossKind::NobodyToAsk => f.write_str("nobody is there to be asked: it fails with ENOSYS"),
            LossKind::Answer { got, policy } => {
                write!(f, "the answer is to {}; the policy says to {}", got.in_words(), policy.in_words())
            }
            LossKind::RefusedAlike(action) => {
                write!(f, "all that its rules refuse gets one answer: to {}", action.in_words())
            }
            LossKind::RefusedByDefault => {
                f.write_str("a call has one action here: what its rules refuse gets the default action")
            }
            LossKind::LoggedWhole => {
                f.write_str("a call has one action here: logging does not depend on arguments")
            }
            LossKind::Logged(true) => f.write_str("it is logged, though the policy does not say so"),
            LossKind::Logged(false) => f.write_str("it runs without being logged"),
            LossKind::ConditionsCut { why, is_whole: true } => {
                write!(f, "{why}: it gets the default action, whatever its arguments")
            }
            LossKind::ConditionsCut { why, is_whole: false } => {
                write!(f, "{why}: it gets the default action for some arguments")
            }
            LossKind::OtherAbi { holds, got } => {
                write!(f, "the format holds calls of {holds} only: the answer to others is to {}", got.in_words())
            }
            LossKind::MachinesOwnAbi { policy } => write!(
                f,
                "the machine's own ABI always takes part: what is not listed gets the default action; the policy \
                 says to {}",
                policy.in_words()
            ),
            LossKind::DecidedByName { policy } => {
                write!(f, "one list of names decides in every ABI; the policy says to {}", policy.in_words())
            }
            LossKind::AllowedWithOtherAbi => {
                f.write_str("one list of names decides in every ABI: what another ABI allows is allowed here too")
            }
            LossKind::RefusedAsInOtherAbi => {
                f.write_str("one list of names decides in every ABI: these are refused as in another ABI")
            }
            LossKind::Multiplexer(what, calls) => multiplexer(f, *what, &calls.join(", ")),
            LossKind::MultiplexerClosed => f.write_str(
                "it fails with ENOSYS, since libseccomp would otherwise allow it on i386 with the calls that it stands for",
            ),
            LossKind::UnknownToLibseccomp => {
                f.write_str("libseccomp 2.5.4 and older cannot name them: they get the default action")
            }
            LossKind::MatchesNone => f.write_str(
                "libseccomp 2.5.4 and older may match none of its calls without a rule that has no conditions: they \
                 get the default action",
            ),
            LossKind::AddedToMatch { errno, abi } => write!(
                f,
                "it fails with {}, as no kernel has it: libseccomp 2.5.4 and older match nothing of {abi} without a \
                 rule that has no conditions",
                errno::in_words(*errno)
            ),
            LossKind::RuncStub => f.write_str("runc answers ENOSYS above the highest number that the profile names"),
            LossKind::OldDocker { errno } => write!(
                f,
                "older Docker releases, 20.10 among them, answer EPERM and not {}: they know no default errno",
                errno::in_words(*errno)
            ),
            LossKind::ValueTooLarge => f.write_str(
                "the object holds no value above 2^63 - 1: where a rule compares with one, the default action decides",
            ),
            LossKind::MatchesAlike(action) => {
                write!(f, "all calls that match get one answer: to {}", action.in_words())
            }
            LossKind::MismatchesAlike(action) => {
                write!(f, "all calls that do not match get one answer: to {}", action.in_words())
            }
            LossKind::MinijailKills { policy } => write!(
                f,
                "minijail kills the thread or the process, as its options say; the policy says to {}",
                policy.in_words()
            ),
            LossKind::NewName { reader, is_left_out } => new_name(f, *reader, *is_left_out),
            LossKind::Systemd(what, instead) => {
                match what {
                    Unchecked::Arguments => f.write_str("systemd cannot check arguments: ")?,
                    Unchecked::Action(action) => write!(f, "systemd cannot {}: ", action.in_words())?,
                }
                f.write_str(match instead {
                    Instead::Allowed => "any are allowed",
                    Instead::AllowedOnI386 => "i386 allows it with the calls that it stands for",
                    Instead::Default => "it gets the default action",
                    Instead::UnobservedDefault => "it was not observed, and gets the default action",
                    Instead::Enosys => "it fails with ENOSYS",
                })
            }
            LossKind::NewInDefaultGroup => f.write_str(
                "a systemd that knows it allows it with its group @default, an older one refuses it",
            ),
            LossKind::InDefaultGroup => f.write_str("a systemd that knows it allows it with its group @default"),
            LossKind::DefaultGroupGrows => {
                f.write_str("a systemd after 252 may have more calls in this group, and allows them")
            }
            LossKind::NeverLogged => {
                f.write_str("it is not logged: the setting must name a call, and no kernel has this one")
            }
            LossKind::OtherwiseAllowed => {
                f.write_str("systemd checks a part of its conditions only: with all other arguments it is allowed")
            }
            LossKind::SettingRefuses(beside) => f.write_str(match beside {
                Beside::FamilyUpperHalf => "with anything in the upper half of its family it fails with EAFNOSUPPORT",
                Beside::UnnamedFamily => {
                    "with a family that systemd has no name for, or anything in the upper half of that argument, it \
                     fails with EAFNOSUPPORT"
                }
                Beside::CloneSignal => {
                    "with a signal that does not exist, or anything in the upper half of its flags, it fails with EPERM"
                }
                Beside::UpperHalf => {
                    "with anything in the upper half of an argument that is compared, it fails with EPERM"
                }
            }),
            LossKind::SettingAnswers { got, policy } => write!(
                f,
                "where a setting refuses it, the answer is to {}; the policy says to {}",
                any_of(got),
                any_of(policy)
            ),
            LossKind::HasRulesThere(abi) => {
                write!(f, "it is not translated, since the policy has rules of its own for {abi}")
            }
            LossKind::NamelessThere(abi) => {
                write!(f, "it has no name, and so no known number in {abi}: it gets the default action")
            }
            LossKind::NoCounterpart(abi) => {
                write!(f, "{abi} has no call of that name or purpose: it gets the default action")
            }
            LossKind::ConditionsOf(of) => {
                write!(f, "the conditions on arguments of {of} cannot be carried over: any arguments will do")
            }
            LossKind::UnknownNames(names) => {
                write!(f, "no call of a machine that is known here has such a name: {}", listed(names))
            }
            LossKind::NewerNames { than, names } => write!(
                f,
                "systemd 252 ignores calls that came after Linux {than}, and a newer one may not: {}",
                listed(names)
            ),
            LossKind::UnknownArchitectures(names) => write!(f, "not known here: {}", listed(names)),
            LossKind::IgnoredByPodman(names) => {
                write!(f, "Podman, whose profile this is, ignores it: {}", listed(names))
            }
            LossKind::SkippedByCrun(key) => {
                f.write_str("crun knows its keys in one case only, unlike runc, Docker and Podman: to crun ")?;
                f.write_str(match key {
                    SkippedKey::Refused => "it lacks what must be there, and is refused",
                    SkippedKey::NoFilter => "there is no filter at all",
                    SkippedKey::NoRules => "there are no rules, and the default action decides",
                    SkippedKey::NoConditions => "the rules hold whatever the arguments are",
                    SkippedKey::Zero => "the comparison is with 0",
                    SkippedKey::Eperm => "the answer is EPERM",
                    SkippedKey::OwnAbi => "it is for the machine's own ABI alone",
                })
            }
            LossKind::SupervisorUnnamed => f.write_str("a policy does not name the supervisor"),
            LossKind::WordOfDocker => f.write_str("a word of Docker's profiles, which OCI runtimes ignore"),
            LossKind::UnknownWord => f.write_str("not a word of such profiles: it is ignored"),
            LossKind::LoaderFlag => {
                f.write_str("a policy has no flags of seccomp(2): give it to whoever loads the filter")
            }
            LossKind::NoAssignment => f.write_str("no `Key=value`: systemd ignores it"),
            LossKind::NotUnderstood(value) => {
                write!(f, "{} is not understood, and systemd ignores it", quoted(value))
            }
            LossKind::BreaksOff(value) => {
                write!(f, "{} breaks off, and systemd ignores its last word", quoted(value))
            }
            LossKind::UnknownGroup(name) => {
                write!(f, "{} is no group of systemd 252, which ignores it", quoted(name))
            }
            LossKind::OrderDecides => f.write_str(
                "rules with different actions may match one call, and libseccomp's order decides: the stricter one \
                 was put first",
            ),
            LossKind::MergedWrongly => f.write_str(
                "libseccomp before 2.6.1 may merge its rules wrongly, so that more runs, or never come to an end with \
                 them",
            ),
            LossKind::UnknownMachines => f.write_str(
                "the program does not treat all calls of machines that it does not know alike: the policy takes the \
                 strictest answer",
            ),
            LossKind::SignalData => {
                f.write_str("the program tells the receiver of the signal a number, which a policy does not hold")
            }
            LossKind::TooManyWays => f.write_str(
                "its arguments decide in more ways than can be listed: the policy takes the strictest answer",
            ),
            LossKind::LooksElsewhere => f.write_str(
                "the program looks at more than the call and its arguments, or calculates with them: the policy takes \
                 the strictest answer",
            ),
            LossKind::NumbersByDefault => {
                f.write_str("so many numbers without a name get the default action, not the program's answer")
            }
            LossKind::Differs => f.write_str("the program answers some calls of it otherwise than the policy"),
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cut::TooMany => "its conditions take too many entries",
            Cut::UpperHalfAlone => {
                "libseccomp mistakes conditions on an upper half alone where a 32-bit ABI takes part"
            }
            Cut::UpperHalfOfX32 => "libseccomp does not look at the upper half of an x32 argument",
        })
    }
}

fn multiplexer(f: &mut fmt::Formatter<'_>, what: Multiplexed, calls: &str) -> fmt::Result {
    match what {
        Multiplexed::Allowed => write!(f, "i386 allows it for {calls}, whatever the further arguments"),
        Multiplexed::Refused => write!(f, "i386 refuses it for {calls}"),
        Multiplexed::Logged => write!(f, "i386 logs it for {calls}"),
        Multiplexed::Unlogged => write!(f, "i386 does not log it for {calls}"),
    }
}

fn new_name(f: &mut fmt::Formatter<'_>, reader: Reader, is_left_out: bool) -> fmt::Result {
    f.write_str(match (reader, is_left_out) {
        (Reader::Minijail, true) => "a minijail built with older headers would refuse the file for its name",
        (Reader::Minijail, false) => "a minijail built with older headers refuses the file for its name",
        (Reader::Seccompiler, true) => {
            "a seccompiler that does not know it would refuse the file for its name"
        }
        (Reader::Seccompiler, false) => "a seccompiler that does not know it refuses the file for its name",
        (Reader::Systemd, true) => "an older systemd would warn of its name at every load",
        (Reader::Systemd, false) => "a systemd with an older libseccomp warns of its name, and refuses it",
    })?;
    f.write_str(if is_left_out { ", so it gets the default action" } else { "" })
}

/// Actions, any of which may be taken.
fn any_of(actions: &BTreeSet<Action>) -> String {
    actions.iter().map(|action| action.in_words()).collect::<Vec<_>>().join(" or to ")
}
