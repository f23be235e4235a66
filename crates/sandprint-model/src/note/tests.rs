//! The words of all kinds of notes, in a snapshot that is read aloud, and that a line fits whatever is in it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use super::{Capabilities, Note, WhyAny};
use crate::{Abi, Arch, ByteString, GapKind, Image, KernelVersion, Syscall};

fn calls(names: &[&str]) -> Vec<Syscall> {
    names.iter().filter_map(|name| Syscall::from_name(Abi::X86_64, name)).collect()
}

/// Every kind, with names that are `name` so many times.
fn examples(count: usize, name: &str) -> Vec<Note> {
    let names = || (0..count).map(|n| format!("{name}{n}")).collect::<BTreeSet<String>>();
    let many = || Syscall::all(Abi::X86_64).take(count).collect::<Vec<_>>();
    let known = || BTreeSet::from(["openat", "prctl", "rt_sigprocmask", "sched_getaffinity"]);
    let image = |path: String| Image { path: ByteString::from(path.as_str()), build_id: None, script: None };
    let kernel = KernelVersion::new(6, 1);
    let mut all = vec![
        Note::Words(format!("Words of a person. {name}")),
        Note::Gap { kind: GapKind::CallsLost, details: BTreeSet::new(), runs: 1, is_accepted: true },
        Note::KernelsUnknown { unknown: count, runs: count, oldest: None },
        Note::KernelsUnknown { unknown: count, runs: count, oldest: Some(kernel) },
        Note::ProgramsLeftOut(names().iter().map(|name| ByteString::from(name.as_str())).collect()),
        Note::ProgramsLeftOut(BTreeSet::from([ByteString::from("")])),
        Note::ThreadsLeft,
        Note::OtherAbi(Abi::I386),
        Note::Nameless(Syscall { abi: Abi::Aarch64, nr: u32::MAX }),
        Note::NotStarted(Abi::Aarch64),
        Note::SamePower { allowed: calls(&["execve"]), refused: calls(&["execveat"]) },
        Note::SamePower { allowed: calls(&["openat", "openat2"]), refused: calls(&["open"]) },
        Note::SamePower { allowed: calls(&["open"]), refused: calls(&["openat", "openat2"]) },
        Note::Added(vec![(count, "for ending processes"), (1, "for signals")]),
        Note::ObservedArguments(count),
        Note::Translated { from: BTreeSet::from([Arch::X86_64]), to: Arch::Aarch64 },
        Note::OwnCall { name: "set_thread_area", abi: Abi::I386, why: "It sets something of x86." },
        Note::LauncherUnnamed(vec!["systemd"]),
        Note::LauncherUnnamed(vec!["crun", "runc"]),
        Note::NoArchitecture(Abi::X86_64),
        Note::UnlistedAbi(Abi::Aarch64),
        Note::RuncStub,
        Note::NewerNames { than: kernel, names: names() },
        Note::IdleRules(many().into_iter().collect()),
        Note::NoMapEntry(Arch::Aarch64),
        Note::DroppedRules(known()),
        Note::FirstDecides(known()),
        Note::Contradicting(known()),
        Note::ErrnoBeside("SCMP_ACT_KILL_PROCESS".to_owned()),
        Note::PartOfProfile { allows: true },
        Note::PartOfProfile { allows: false },
        Note::NoSection,
        Note::EveryAbi,
    ];
    let capabilities = [
        Capabilities::DefaultsAnd(BTreeSet::new()),
        Capabilities::DefaultsAnd(names()),
        Capabilities::Only(BTreeSet::new()),
        Capabilities::Only(names()),
    ];
    let kernels = [None, Some(kernel)].into_iter().cycle();
    let chosen = |(capabilities, kernel)| Note::ChosenFor { arch: Arch::Aarch64, kernel, capabilities };
    all.extend(capabilities.into_iter().zip(kernels).map(chosen));
    let programs = names().into_iter().map(|name| Arc::new(image(name))).collect();
    let why = [
        WhyAny::Unrecorded(1),
        WhyAny::Unrecorded(count + 1),
        WhyAny::Needed,
        WhyAny::NothingRuledOut,
        WhyAny::ManyValues(programs),
        WhyAny::ManyRules(64),
    ];
    all.extend(why.map(|why| Note::AnyArguments(why, many())));
    for kind in GapKind::ALL {
        let is_accepted = kind.is_blocking();
        all.push(Note::Gap { kind, details: names(), runs: count, is_accepted });
    }
    all
}

/// The name of a kind, as it is declared.
fn name(note: &Note) -> String {
    format!("{note:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}

#[test]
fn the_words_of_every_kind() {
    let mut text = String::new();
    for note in examples(5, "x") {
        writeln!(text, "{}: {}\n  {note}", name(&note), note.line()).unwrap();
    }
    insta::assert_snapshot!("words", text);
}

/// Whoever adds a kind adds its words to the snapshot.
#[test]
fn every_kind_has_an_example() {
    let source = include_str!("../note.rs");
    let declared = source.split("pub enum Note {").nth(1).and_then(|rest| rest.split("\n}").next());
    let variants = declared.unwrap().lines().filter_map(|line| {
        let variant = line.strip_prefix("    ")?;
        let name: String = variant.chars().take_while(char::is_ascii_alphanumeric).collect();
        variant.starts_with(|first: char| first.is_ascii_uppercase()).then_some(name)
    });
    let variants: BTreeSet<String> = variants.collect();
    assert!(variants.len() > 20, "{variants:?}");
    assert_eq!(variants, examples(1, "x").iter().map(name).collect());
}

#[test]
fn a_line_fits_and_is_whole_where_nothing_in_it_is_long() {
    for (count, word) in [(1, "x"), (4, "clock_gettime"), (300, "a/long/path"), (40, &"word ".repeat(40))] {
        for note in examples(count, word) {
            let line = note.line();
            assert!(line.chars().count() <= Note::COLUMNS, "{line}");
            assert!(!line.is_empty() && !line.ends_with('.') || line.ends_with(" ..."), "{line}");
            let is_own = !matches!(note, Note::Words(_) | Note::ProgramsLeftOut(_) | Note::NewerNames { .. });
            assert!(!is_own || !line.ends_with(" ..."), "{line}");
            assert!(matches!(note, Note::Words(_)) || note.to_string().ends_with('.'), "{note}");
        }
    }
}

#[test]
fn a_note_that_was_read_back_is_the_same() {
    for note in examples(3, "x") {
        assert_eq!(Note::Words(note.to_string()), note);
    }
    assert_ne!(Note::ThreadsLeft, Note::RuncStub);
}
