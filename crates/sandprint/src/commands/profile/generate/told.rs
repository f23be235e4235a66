//! What `generate` says beside the profile: what needs an action first, each thing once, in a line of a terminal.
//!
//! What goes on, or a list that does not fit, is told in full with `-v`.

use std::collections::BTreeMap;

use sandprint_model::sentence::few;
use sandprint_model::{About, Loss, LossKind, Note};

use crate::output;

/// The columns of a terminal.
const WIDTH: usize = 80;

/// Something to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// What fits into a line behind its label.
    line: String,
    /// All of it; the same where nothing is left out.
    full: Vec<String>,
}

impl Told {
    /// A note, whose line fits.
    fn note(note: &Note) -> Told {
        Told { line: note.line(), full: vec![note.to_string()] }
    }

    fn is_short(&self) -> bool {
        matches!(&self.full[..], [only] if only.trim_end_matches('.') == self.line)
    }
}

/// All that is to be said of a profile in one format.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    warnings: Vec<Told>,
    notes: Vec<Told>,
}

impl Report {
    /// Notes in this order, behind what was lost in translation and what the format allows or refuses otherwise; at
    /// last what else it cannot express.
    pub(super) fn new<'a>(
        format: &str,
        notes: impl Iterator<Item = &'a Note>,
        untranslated: impl Iterator<Item = &'a Loss>,
        losses: impl Iterator<Item = &'a Loss>,
    ) -> Report {
        let (weaker, others): (Vec<_>, Vec<_>) = losses.partition(|loss| loss.weaker);
        let (breaking, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|loss| loss.breaks);
        let mut report = Report::default();
        let heads = [
            (untranslated.collect(), "Not all could be translated".to_owned()),
            (weaker, format!("{format} allows more than the policy")),
            (breaking, format!("{format} refuses what the policy allows")),
        ];
        for (losses, head) in heads {
            report.warnings.extend(by_kind(&losses).into_iter().map(|(kind, about)| {
                let space = room("warning").saturating_sub(head.len() + 2);
                let full = format!("{head}: {}: {kind}", in_full(&about));
                Told { line: format!("{head}: {}", few(&in_short(about), space)), full: vec![full] }
            }));
        }
        report.notes.extend(notes.map(Told::note));
        report.notes.extend(inexpressible(format, &others));
        report
    }

    /// Says it; all of it where `verbose` says so.
    pub(super) fn say(&self, verbose: bool) {
        for (label, all) in [(output::warn as fn(&str), &self.warnings), (output::note, &self.notes)] {
            if verbose {
                all.iter().flat_map(|told| &told.full).for_each(|text| label(text));
            } else {
                let lines: Vec<String> = all.iter().map(|told| told.line.clone()).collect();
                output::say_few(&lines, label, "(`-v` says all)");
            }
        }
        if !verbose && self.is_shortened() {
            output::note("`-v` says this in full");
        }
    }

    fn is_shortened(&self) -> bool {
        self.warnings.iter().chain(&self.notes).any(|told| !told.is_short())
    }
}

/// What the format cannot express, in one line; why, for each reason.
fn inexpressible(format: &str, losses: &[&Loss]) -> Option<Told> {
    let end = format!(" cannot be expressed in {format}");
    let groups = by_kind(losses);
    let full = groups.iter().map(|(kind, about)| format!("{}{end}: {kind}", in_full(about)));
    let subjects = in_short(groups.iter().flat_map(|(_, about)| about.iter().copied()));
    let space = room("note").saturating_sub(end.len());
    (!subjects.is_empty())
        .then(|| Told { line: format!("{}{end}", few(&subjects, space)), full: full.collect() })
}

/// What each kind is about, in the order of the first.
fn by_kind<'a>(losses: &[&'a Loss]) -> Vec<(&'a LossKind, Vec<&'a About>)> {
    let mut places: BTreeMap<&LossKind, usize> = BTreeMap::new();
    let mut groups: Vec<(&LossKind, Vec<&About>)> = Vec::new();
    for loss in losses {
        let place = *places.entry(&loss.kind).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, about)) if about.contains(&&loss.about) => {}
            Some((_, about)) => about.push(&loss.about),
            None => groups.push((&loss.kind, vec![&loss.about])),
        }
    }
    groups
}

/// What a sentence is about, with every call.
fn in_full(about: &[&About]) -> String {
    about.iter().map(|about| about.in_full()).collect::<Vec<_>>().join(", ")
}

/// What sentences are about, each thing once.
fn in_short<'a>(about: impl IntoIterator<Item = &'a About>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for words in about.into_iter().map(About::to_string) {
        if !all.contains(&words) {
            all.push(words);
        }
    }
    all
}

/// Columns behind a label.
fn room(label: &str) -> usize {
    WIDTH - label.len() - ": ".len()
}

#[cfg(test)]
mod tests {
    use sandprint_model::{Abi, Syscall};

    use super::*;

    fn loss(subject: &str, kind: LossKind, weaker: bool, breaks: bool) -> Loss {
        Loss { about: About::Word(subject.to_owned()), kind, weaker, breaks }
    }

    fn lines(all: &[Told]) -> Vec<&str> {
        all.iter().map(|told| told.line.as_str()).collect()
    }

    #[test]
    fn what_needs_an_action_comes_first_and_each_reason_once() {
        let notes = [Note::Words("Do this.".to_owned()), Note::ThreadsLeft];
        let calls = "abcdefghijklmnopqrstuvwxyz"
            .chars()
            .map(|c| loss(&format!("call_{c}"), LossKind::InDefaultGroup, true, false));
        let mut losses: Vec<Loss> = calls.collect();
        losses.push(loss("x", LossKind::Nameless, false, true));
        losses.push(loss("default action", LossKind::RuncStub, false, false));
        losses.push(loss("other ABIs", LossKind::NobodyToAsk, false, false));
        let untranslated = [loss("open", LossKind::NoCounterpart(Abi::Arm), false, false)];
        let report = Report::new("f", notes.iter(), untranslated.iter(), losses.iter());
        assert_eq!(
            lines(&report.warnings),
            [
                "Not all could be translated: open",
                "f allows more than the policy: call_a, call_b, call_c and 23 more",
                "f refuses what the policy allows: x",
            ]
        );
        assert_eq!(
            lines(&report.notes),
            [
                "Do this",
                "A refused call ends one thread",
                "default action, other ABIs cannot be expressed in f"
            ]
        );
        let full = |told: &[Told]| told.iter().flat_map(|told| told.full.clone()).collect::<Vec<_>>();
        assert_eq!(
            full(&report.notes),
            [
                "Do this.",
                "A refused call ends one thread. The others may wait for it for ever.",
                "default action cannot be expressed in f: runc answers ENOSYS above the highest number that the profile \
                 names",
                "other ABIs cannot be expressed in f: nobody is there to be asked: it fails with ENOSYS",
            ]
        );
        let warned = full(&report.warnings);
        assert!(
            warned[1].ends_with("call_y, call_z: a systemd that knows it allows it with its group @default"),
            "{warned:?}"
        );
        assert!(report.is_shortened());
    }

    #[test]
    fn one_sentence_about_two_lists_is_said_once_and_one_subject_is_named_once() {
        let calls = |abi, names: &[&str]| {
            About::Calls(abi, names.iter().filter_map(|name| Syscall::from_name(abi, name)).collect())
        };
        let lists = [calls(Abi::I386, &["openat", "execve"]), calls(Abi::X86_64, &["write"])];
        let mut losses: Vec<Loss> =
            lists.into_iter().map(|about| Loss::weaker(about, LossKind::AllowedWithOtherAbi)).collect();
        let kinds = [LossKind::RuncStub, LossKind::OldDocker { errno: 38 }];
        losses.extend(kinds.map(|kind| loss("default action", kind, false, false)));
        let report = Report::new("f", [].iter(), [].iter(), losses.iter());
        assert_eq!(
            lines(&report.warnings),
            ["f allows more than the policy: calls of i386, calls of x86_64"]
        );
        let told = "f allows more than the policy: calls of i386 (execve, openat), calls of x86_64 (write): one list of \
                    names decides in every ABI: what another ABI allows is allowed here too";
        assert_eq!(report.warnings[0].full, [told]);
        assert_eq!(lines(&report.notes), ["default action cannot be expressed in f"]);
        assert_eq!(report.notes[0].full.len(), 2);
    }

    #[test]
    fn a_line_fits_a_terminal_whatever_is_in_it() {
        let long = "word ".repeat(40);
        let subjects: Vec<Loss> = (0..30)
            .map(|n| loss(&format!("{n}{long}"), LossKind::RuncStub, n % 2 == 0, n % 3 == 0))
            .collect();
        let notes = [long.clone(), "w".repeat(300), format!("{long}. {long}")].map(Note::Words);
        let report = Report::new("firecracker", notes.iter(), [].iter(), subjects.iter());
        for (label, all) in [("warning", &report.warnings), ("note", &report.notes)] {
            assert!(!all.is_empty());
            for told in all {
                assert!(label.len() + 2 + told.line.chars().count() <= WIDTH, "{label}: {}", told.line);
            }
        }
    }

    #[test]
    fn what_fits_is_not_said_to_be_more() {
        let notes = ["A.", "B"].map(|words| Note::Words(words.to_owned()));
        let report = Report::new("f", notes.iter(), [].iter(), [].iter());
        assert!(!report.is_shortened());
        assert_eq!(lines(&report.notes), ["A", "B"]);
    }
}
