//! The sentences of all kinds of losses, in a snapshot that is read aloud.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::{Beside, Cut, Instead, LossKind, Multiplexed, Reader, SkippedKey, Unchecked};
use crate::{Abi, Action, KernelVersion, Syscall};

#[expect(clippy::too_many_lines, reason = "a list")]
fn examples() -> Vec<LossKind> {
    let names = || BTreeSet::from(["foo".to_owned(), "b\u{1b}r".to_owned()]);
    let policy = Action::KillProcess;
    let than = KernelVersion::new(6, 10);
    let mut all = vec![
        LossKind::NotHeld,
        LossKind::Nameless,
        LossKind::NobodyToAsk,
        LossKind::RefusedByDefault,
        LossKind::LoggedWhole,
        LossKind::Logged(true),
        LossKind::Logged(false),
        LossKind::OtherAbi { holds: Abi::X86_64, got: Action::KillThread },
        LossKind::MachinesOwnAbi { policy },
        LossKind::DecidedByName { policy },
        LossKind::AllowedWithOtherAbi,
        LossKind::RefusedAsInOtherAbi,
        LossKind::MultiplexerClosed,
        LossKind::UnknownToLibseccomp,
        LossKind::MatchesNone,
        LossKind::AddedToMatch { errno: 38, abi: Abi::I386 },
        LossKind::RuncStub,
        LossKind::OldDocker { errno: 13 },
        LossKind::ValueTooLarge,
        LossKind::MatchesAlike(Action::Errno(1)),
        LossKind::MismatchesAlike(Action::Errno(38)),
        LossKind::MinijailKills { policy: Action::Errno(1) },
        LossKind::Systemd(Unchecked::Action(Action::Trap), Instead::Default),
        LossKind::NewInDefaultGroup,
        LossKind::InDefaultGroup,
        LossKind::DefaultGroupGrows,
        LossKind::NeverLogged,
        LossKind::OtherwiseAllowed,
        LossKind::SettingAnswers {
            got: [Action::Errno(1)].into(),
            policy: [Action::Errno(38), policy].into(),
        },
        LossKind::HasRulesThere(Abi::Arm),
        LossKind::NamelessThere(Abi::Aarch64),
        LossKind::NoCounterpart(Abi::Aarch64),
        LossKind::UnknownNames(names()),
        LossKind::NewerNames { than, names: names() },
        LossKind::UnknownArchitectures(names()),
        LossKind::IgnoredByPodman(names()),
        LossKind::SupervisorUnnamed,
        LossKind::WordOfDocker,
        LossKind::UnknownWord,
        LossKind::LoaderFlag,
        LossKind::NoAssignment,
        LossKind::NotUnderstood("may\u{202e}be".to_owned()),
        LossKind::BreaksOff("\"read".to_owned()),
        LossKind::UnknownGroup("@nonsense".to_owned()),
        LossKind::OrderDecides,
        LossKind::MergedWrongly,
        LossKind::UnknownMachines,
        LossKind::SignalData,
        LossKind::TooManyWays,
        LossKind::LooksElsewhere,
        LossKind::NumbersByDefault,
        LossKind::Differs,
    ];
    all.extend(Syscall::from_name(Abi::X86_64, "open").map(LossKind::ConditionsOf));
    all.extend(
        [
            Action::Allow,
            Action::Log,
            Action::Errno(1),
            Action::Trace(7),
            Action::Notify,
            Action::Trap,
            Action::KillThread,
        ]
        .map(|got| LossKind::Answer { got, policy }),
    );
    all.extend([Action::Errno(1), Action::KillThread].map(LossKind::RefusedAlike));
    for is_whole in [true, false] {
        let why = [Cut::TooMany, Cut::UpperHalfAlone, Cut::UpperHalfOfX32];
        all.extend(why.map(|why| LossKind::ConditionsCut { why, is_whole }));
        let readers = [Reader::Minijail, Reader::Seccompiler, Reader::Systemd];
        all.extend(readers.map(|reader| LossKind::NewName { reader, is_left_out: is_whole }));
    }
    let what = [Multiplexed::Allowed, Multiplexed::Refused, Multiplexed::Logged, Multiplexed::Unlogged];
    all.extend(what.map(|what| LossKind::Multiplexer(what, vec!["bind", "socket"])));
    let instead = [
        Instead::Allowed,
        Instead::AllowedOnI386,
        Instead::Default,
        Instead::UnobservedDefault,
        Instead::Enosys,
    ];
    all.extend(instead.map(|instead| LossKind::Systemd(Unchecked::Arguments, instead)));
    let beside = [Beside::FamilyUpperHalf, Beside::UnnamedFamily, Beside::CloneSignal, Beside::UpperHalf];
    all.extend(beside.map(LossKind::SettingRefuses));
    let keys = [
        SkippedKey::Refused,
        SkippedKey::NoFilter,
        SkippedKey::NoRules,
        SkippedKey::NoConditions,
        SkippedKey::Zero,
        SkippedKey::Eperm,
        SkippedKey::OwnAbi,
    ];
    all.extend(keys.map(LossKind::SkippedByCrun));
    all.sort_unstable();
    all.dedup();
    all
}

/// The name of a kind, as it is declared.
fn name(kind: &LossKind) -> String {
    let shown = format!("{kind:?}");
    shown.chars().take_while(char::is_ascii_alphanumeric).collect()
}

#[test]
fn the_words_of_every_kind() {
    let mut text = String::new();
    for kind in examples() {
        writeln!(text, "{}: {kind}", name(&kind)).unwrap();
    }
    insta::assert_snapshot!("words", text);
}

/// Whoever adds a kind adds its words to the snapshot.
#[test]
fn every_kind_has_an_example() {
    let source = include_str!("kind.rs");
    let declared = source.split("pub enum LossKind {").nth(1).and_then(|rest| rest.split("\n}").next());
    let variants = declared.unwrap().lines().filter_map(|line| {
        let variant = line.strip_prefix("    ")?;
        let name: String = variant.chars().take_while(char::is_ascii_alphanumeric).collect();
        variant.starts_with(|first: char| first.is_ascii_uppercase()).then_some(name)
    });
    let variants: BTreeSet<String> = variants.collect();
    assert!(variants.len() > 50, "{variants:?}");
    assert_eq!(variants, examples().iter().map(name).collect());
}

#[test]
fn a_sentence_holds_no_line_break_no_full_stop_and_nothing_unprintable() {
    for kind in examples() {
        let words = kind.to_string();
        assert!(words.chars().all(crate::is_printable) && !words.ends_with('.'), "{words}");
        assert!(!words.contains(". ") && !words.contains("  "), "{words}");
    }
}
