//! The words of every kind of note: a line of a terminal, and whole sentences.

use std::collections::BTreeSet;

use super::{Capabilities, Note, WhyAny};
use crate::sentence::{few, fitted, listed};
use crate::{ByteString, GapKind, Syscall};

/// How many details of a gap, and how many programs, are told.
const TOLD: usize = 3;

/// What a note says.
pub(super) struct Said {
    /// At most [`Note::COLUMNS`] columns, without a full stop.
    pub(super) line: String,
    /// Whole sentences.
    pub(super) full: String,
}

#[expect(clippy::too_many_lines, reason = "one arm for each kind, to be read from top to bottom")]
pub(super) fn of(note: &Note) -> Said {
    match note {
        Note::Words(words) => {
            Said { line: fitted(words.trim_end_matches('.'), Note::COLUMNS), full: words.clone() }
        }
        Note::Gap { kind, details, runs, is_accepted } => gap(*kind, details, *runs, *is_accepted),
        Note::KernelsUnknown { unknown, runs, oldest } => {
            let absent = match oldest {
                Some(kernel) => format!("calls newer than Linux {kernel}, the oldest of the others,"),
                None => "only calls that libraries can do without".to_owned(),
            };
            sentence(format!("{unknown} of {runs} runs do not say which kernel they ran on"))
                .and(&format!("So {absent} fail with ENOSYS; --kernel names another."))
        }
        Note::ProgramsLeftOut(paths) => {
            let path = |path: &ByteString| {
                if path.is_empty() { "an unknown program".to_owned() } else { path.to_string() }
            };
            list("The calls of these programs were left out: ", paths.iter().map(path))
        }
        Note::ThreadsLeft => {
            sentence("A refused call ends one thread").and("The others may wait for it for ever.")
        }
        Note::OtherAbi(abi) => sentence(format!("Calls of {abi} were recorded"))
            .and("So a filter must let that ABI in beside the native one."),
        Note::Nameless(Syscall { abi, nr }) => sentence(format!("Number {nr} of {abi} has no name"))
            .and("Formats that list names cannot express it."),
        Note::NotStarted(abi) => {
            sentence(format!("execve is not allowed ({abi}), so a launcher cannot start the program"))
                .and("Generate for that launcher (--runtime), or load the filter from within the program.")
        }
        Note::SamePower { allowed, refused } => same_power(allowed, refused),
        Note::Added(what) => {
            let what: Vec<String> = what.iter().map(|(count, what)| format!("{count} {what}")).collect();
            sentence("Calls were added that a run need not show; --no-baseline leaves them out")
                .and(&format!("{}.", what.join(", ")))
        }
        Note::AnyArguments(why, calls) => {
            list("Allowed with any arguments: ", calls.iter().map(Syscall::to_string)).and(&why_any(why))
        }
        Note::ObservedArguments(calls) => {
            let s = if *calls == 1 { "" } else { "s" };
            sentence(format!("{calls} call{s} may be made only with arguments that were observed"))
                .and("Flags that were seen apart are allowed together; other values are refused.")
        }
        Note::LauncherUnnamed(launchers) => {
            let options: Vec<String> = launchers.iter().map(|name| format!("`--runtime {name}`")).collect();
            let any = if launchers.len() > 1 { " `--runtime any` serves all." } else { "" };
            sentence(format!("Name what loads this profile: {}", options.join(" or "))).and(&format!(
                "It makes calls of its own before it starts the program, and these may be refused.{any}"
            ))
        }
        Note::Translated { from, to } => {
            let from: Vec<String> = from.iter().map(ToString::to_string).collect();
            let from = from.join(" and ");
            sentence(format!("Translated from {from} to {to}: nobody has seen the workload there"))
                .and("Record it there before the policy is relied on.")
        }
        Note::OwnCall { name, abi, why } => {
            sentence(format!("{name} is left out, since it is {abi}'s own")).and(why)
        }
        Note::NoArchitecture(abi) => sentence("No architecture is listed")
            .and(&format!("The profile was taken for {abi} alone, as on such a machine.")),
        Note::UnlistedAbi(abi) => sentence(format!("{abi} is not listed, and takes part all the same"))
            .and("libseccomp always adds the machine's own ABI."),
        Note::RuncStub => sentence("runc answers some calls with ENOSYS, which the policy does not")
            .and("They are above the highest number that the profile names of a listed architecture."),
        Note::NewerNames { than, names } => list(
            "A runtime with an older libseccomp skips these names: ",
            names.iter().map(|name| escaped(name)),
        )
        .and(&format!("They came after Linux {than}.")),
        Note::IdleRules(calls) => {
            list("Rules that can never decide were left out: ", calls.iter().map(Syscall::to_string))
                .and("An earlier rule matches all that they do, or nothing does.")
        }
        Note::ChosenFor { arch, kernel, capabilities } => {
            let kernel = kernel.map_or("the newest kernel".to_owned(), |kernel| format!("Linux {kernel}"));
            sentence(format!("Rules were chosen for {arch} on {kernel}"))
                .and(&format!("The container has {}.", may_do(capabilities)))
        }
        Note::NoMapEntry(arch) => sentence(format!("`archMap` has no entry for {arch}")),
        Note::DroppedRules(names) => {
            list("Rules with the default action are dropped by runtimes: ", owned(names))
                .and("Other rules of these calls stand against them.")
        }
        Note::FirstDecides(names) => list("The first rule without conditions decides alone: ", owned(names))
            .and("libseccomp drops others of the same call that have another action."),
        Note::Contradicting(names) => list("The same conditions have two actions: ", owned(names))
            .and("libseccomp refuses the profile; the first action was taken."),
        Note::ErrnoBeside(action) => {
            sentence(format!("An errno stands beside {}, which has none", escaped(action)))
                .and("Newer runtimes refuse that.")
        }
        Note::PartOfProfile { allows: true } => sentence("The file is a part of a profile")
            .and("Its default action was taken to be SCMP_ACT_ALLOW, since every rule in it refuses."),
        Note::PartOfProfile { allows: false } => sentence("The file is a part of a profile")
            .and("Its default action was taken to be SCMP_ACT_ERRNO with EPERM."),
        Note::NoSection => sentence("Settings above any section were taken for those of [Service]"),
        Note::EveryAbi => sentence("The unit has no SystemCallArchitectures=")
            .and("Each name holds for every ABI of the machine."),
    }
}

/// One sentence, which is the line.
fn sentence(words: impl Into<String>) -> Said {
    let words = words.into();
    Said { line: fitted(&words, Note::COLUMNS), full: format!("{words}.") }
}

/// One sentence that ends with a list, of which the line has as much as fits.
fn list(head: &str, names: impl Iterator<Item = String>) -> Said {
    let names: Vec<String> = names.collect();
    let space = Note::COLUMNS.saturating_sub(head.chars().count());
    Said { line: format!("{head}{}", few(&names, space)), full: format!("{head}{}.", names.join(", ")) }
}

impl Said {
    /// With further sentences.
    fn and(self, more: &str) -> Said {
        Said { full: format!("{} {more}", self.full), ..self }
    }
}

fn owned<'n>(names: &'n BTreeSet<&'static str>) -> impl Iterator<Item = String> + 'n {
    names.iter().map(|name| (*name).to_owned())
}

fn escaped(name: &str) -> String {
    ByteString::from(name).escaped()
}

fn gap(kind: GapKind, details: &BTreeSet<String>, runs: usize, is_accepted: bool) -> Said {
    let mut told: Vec<String> = details.iter().take(TOLD).cloned().collect();
    if details.len() > TOLD {
        told.push(format!("and {} more", details.len() - TOLD));
    }
    if runs > 1 {
        told.push(format!("in {runs} runs"));
    }
    let meaning = kind.meaning();
    let sentence = match meaning.strip_suffix('.') {
        Some(open) if !told.is_empty() => format!("{open} ({}).", told.join(", ")),
        _ => meaning.to_owned(),
    };
    let [short, long] = if is_accepted { ["Accepted: ", "Accepted as incomplete: "] } else { ["", ""] };
    Said {
        line: fitted(&format!("{short}{}", kind.happening()), Note::COLUMNS),
        full: format!("{long}{sentence}"),
    }
}

fn same_power(allowed: &[Syscall], refused: &[Syscall]) -> Said {
    let names = |calls: &[Syscall]| calls.iter().map(Syscall::to_string).collect::<Vec<_>>().join(" and ");
    let abi = allowed.first().map_or(String::new(), |syscall| format!(" ({})", syscall.abi));
    let (is, their) = if allowed.len() == 1 { ("is", "its") } else { ("are", "their") };
    let (are, s, them) = if refused.len() == 1 { ("is", "", "it") } else { ("are", "s", "them") };
    let (allowed, refused) = (names(allowed), names(refused));
    sentence(format!("{allowed} {is} allowed; {their} equivalent{s} {refused} {are} not{abi}"))
        .and(&format!("This adds no security, and another libc may need {them}: see --portable."))
}

/// Why any arguments are allowed, in a sentence.
fn why_any(why: &WhyAny) -> String {
    match why {
        WhyAny::Unrecorded(1) => "1 run did not record them.".to_owned(),
        WhyAny::Unrecorded(runs) => format!("{runs} runs did not record them."),
        WhyAny::Needed => "More is needed than was observed.".to_owned(),
        WhyAny::NothingRuledOut => "What was observed rules none out.".to_owned(),
        WhyAny::ManyValues(programs) => {
            let named: Vec<String> = programs.iter().take(TOLD).map(ToString::to_string).collect();
            let more = programs.len().saturating_sub(TOLD);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("More different ones were seen than are kept, of {}{more}.", named.join(", "))
        }
        WhyAny::ManyRules(most) => {
            format!("It would take more than {most} rules each to allow only what was observed.")
        }
    }
}

fn may_do(capabilities: &Capabilities) -> String {
    match capabilities {
        Capabilities::DefaultsAnd(none) if none.is_empty() => "Docker's default capabilities".to_owned(),
        Capabilities::DefaultsAnd(others) => {
            format!("Docker's default capabilities and {}", listed(others))
        }
        Capabilities::Only(none) if none.is_empty() => "no capabilities".to_owned(),
        Capabilities::Only(these) => format!("no capabilities but {}", listed(these)),
    }
}
