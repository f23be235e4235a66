//! What came of all runs, as the page that stands in the documents.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Made;
use super::circumstances::{CIRCUMSTANCES, Circumstance};
use super::refused::Refused;
use crate::programs::Program;

/// The runs of a program in a circumstance, under a policy.
pub(crate) struct Case {
    program: &'static str,
    circumstance: &'static Circumstance,
    made: Made,
    runs: Vec<usize>,
    /// In words, what was not as without the policy.
    differences: Vec<String>,
}

impl Case {
    pub(crate) fn new(program: &Program, circumstance: &'static Circumstance, made: Made) -> Case {
        Case { program: program.name, circumstance, made, runs: Vec::new(), differences: Vec::new() }
    }

    pub(crate) fn add(&mut self, run: usize, difference: Option<String>) {
        self.runs.push(run);
        self.differences.extend(difference);
    }

    fn why_on_purpose(&self) -> Option<&'static str> {
        let (made, circumstance, programs, why) = ON_PURPOSE;
        let is_it = made == self.made && circumstance == self.circumstance.name;
        (is_it && programs.contains(&self.program)).then_some(why)
    }
}

const CLOSED: &str =
    "it opens a device in place of a standard descriptor that is closed: see the runs that differ";

/// Why a call that some program makes is refused on purpose: the call, the program's name or `*`, the reason.
const REASONS: &[(&str, &str, &str)] = &[
    ("copy_file_range, arg5.u32 == 0", "cat", "it reads and writes where that is refused"),
    ("ioctl, arg1.u32 == TIOCGPGRP", "gdb", "it goes on as if the terminal were another's"),
    ("ioctl, arg1.u32 == TIOCSWINSZ", "gdb", "the terminal stays as large as it is"),
    ("madvise, arg2.u32 == MADV_HUGEPAGE", "*", "a hint: without it memory is in small pages"),
    ("dup2", "node", "it has no number to give away, since its opening was refused"),
    ("ioctl, arg1.u32 == TCSETS", "node", "the terminal stays set as it is"),
    ("ioctl, arg1.u32 == TIOCGPTN", "node", "the terminal is not opened again, so writing to it may block"),
    (
        "openat, arg2.u32 & 0xfff7feff == O_RDWR",
        "node",
        "the terminal is not opened again, so writing to it may block",
    ),
    ("openat, arg2.u32 & 0xffffffff == O_RDWR", "node", CLOSED),
    ("openat, arg2.u32 & 0xffffffff == O_WRONLY", "tar", CLOSED),
    ("openat, arg2.u32 & 0xfffffeff == O_WRONLY", "xz", CLOSED),
    ("readlink", "make", "the name of its terminal stays unknown to its children"),
    ("setgid", "busybox", "it sets the id that it has already, where it was not started by root"),
    ("setuid", "busybox", "it sets the id that it has already, where it was not started by root"),
];

/// Under which policy, where, and why some programs do something else on purpose.
const ON_PURPOSE: (Made, &str, &[&str], &str) = (
    Made::WithArguments,
    "standard input closed",
    &["node", "tar", "xz", "xz_threads"],
    "it opens a device in its place, also for writing, and ends where it may not; a filter sees no names of files, \
     and a program that was not seen to open a file for writing is not allowed to",
);

/// All of them.
pub(crate) struct Table {
    cases: Vec<(Case, BTreeSet<Refused>)>,
    missed: Vec<String>,
    rounds: usize,
}

/// One kind of refused call: under which policy, of which program, and where.
type Kinds<'t> = BTreeMap<(&'t Refused, Made), BTreeMap<&'t str, BTreeSet<&'t str>>>;

impl Table {
    pub(crate) fn new(
        mut cases: Vec<Case>,
        refused: &BTreeMap<usize, BTreeSet<Refused>>,
        missed: Vec<String>,
        rounds: usize,
    ) -> Table {
        cases.sort_by_key(|case| (case.program, case.made));
        let with_refused = |case: Case| {
            let seen = case.runs.iter().filter_map(|run| refused.get(run)).flatten().cloned().collect();
            (case, seen)
        };
        Table { cases: cases.into_iter().map(with_refused).collect(), missed, rounds }
    }

    /// What is not as it should be, each in one sentence.
    pub(crate) fn failures(&self) -> Vec<String> {
        let differing = self.cases.iter().flat_map(|(case, _)| {
            let on_purpose = case.why_on_purpose().is_some();
            let stale = on_purpose && case.differences.len() < case.runs.len();
            let differences = case.differences.iter().filter(move |_| !on_purpose).cloned();
            differences.chain(stale.then(|| "does not differ always, as it is said to".to_owned())).map(
                |what| format!("{}, {}, {}: {what}", case.program, case.circumstance.name, case.made.name()),
            )
        });
        let kinds = self.kinds();
        let unexplained = kinds.keys().filter(|(refused, _)| reason(refused).is_none());
        let unexplained = unexplained.map(|(refused, made)| {
            let call = &refused.call;
            format!(
                "{call} of {} is refused ({}), and no reason is known for that",
                refused.program,
                made.name()
            )
        });
        let missed = self.missed.iter().map(|missed| format!("the watcher missed something: {missed}"));
        differing.chain(unexplained).chain(missed).collect()
    }

    fn kinds(&self) -> Kinds<'_> {
        let mut kinds = Kinds::new();
        for (case, refused) in &self.cases {
            for one in refused {
                let programs = kinds.entry((one, case.made)).or_default();
                programs.entry(case.program).or_default().insert(case.circumstance.name);
            }
        }
        kinds
    }

    /// Runs, those that differ, and those circumstances in which something was refused: of one group, or of all.
    fn cell(&self, program: &str, group: Option<&str>) -> String {
        let here = || {
            let is_here = |case: &Case| {
                case.program == program && group.is_none_or(|group| case.circumstance.group == group)
            };
            self.cases.iter().filter(move |(case, _)| is_here(case))
        };
        let runs: usize = here().map(|(case, _)| case.runs.len()).sum();
        let differing: usize = here().map(|(case, _)| case.differences.len()).sum();
        let refused = here().filter(|(_, refused)| !refused.is_empty()).count();
        format!("{runs} / {differing} / {refused}")
    }
}

fn reason(refused: &Refused) -> Option<&'static str> {
    let is_it = |(call, program, _): &&(&str, &str, &str)| {
        *call == refused.call && (*program == "*" || *program == refused.program)
    };
    REASONS.iter().find(is_it).map(|(_, _, why)| *why)
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let programs: BTreeSet<&str> = self.cases.iter().map(|(case, _)| case.program).collect();
        let used =
            |one: &&Circumstance| self.cases.iter().any(|(case, _)| case.circumstance.name == one.name);
        let circumstances: Vec<&Circumstance> = CIRCUMSTANCES.iter().filter(used).collect();
        let mut groups: Vec<&str> = circumstances.iter().map(|one| one.group).collect();
        groups.dedup();
        let runs: usize = self.cases.iter().map(|(case, _)| case.runs.len()).sum();
        let differing: usize = self.cases.iter().map(|(case, _)| case.differences.len()).sum();

        writeln!(f, "# A policy on another day\n")?;
        writeln!(
            f,
            "Each program was recorded once, before the other work began, with nothing in its environment but PATH.\n\
             Under the policies that follow, and without one, it then ran beside other work in {} circumstances: {} \
             times in each, half of them with rules about arguments (`--arguments`). That is {} runs of each program \
             under a policy, and two in each circumstance without one.\n\
             A run differs when its status, its output or its errors are not those that two runs without a policy, in the \
             same circumstance, have in common.\n\
             `make soak` writes this page; crates/sandprint/tests/soak/another_day.rs says how.\n",
            circumstances.len(),
            self.rounds,
            circumstances.len() * self.rounds
        )?;
        writeln!(f, "{} programs, {runs} runs, {differing} of them differ.\n", programs.len())?;
        writeln!(
            f,
            "In each field: runs, those that differ, policies and circumstances in which a call was refused.\n"
        )?;
        writeln!(f, "| program | in all | {} |", groups.join(" | "))?;
        writeln!(f, "| --- | --- |{}", " --- |".repeat(groups.len()))?;
        for program in &programs {
            let cells: Vec<String> = groups.iter().map(|group| self.cell(program, Some(group))).collect();
            writeln!(f, "| {program} | {} | {} |", self.cell(program, None), cells.join(" | "))?;
        }
        writeln!(f, "\n## Circumstances\n")?;
        for group in &groups {
            let names = circumstances.iter().filter(|one| one.group == *group);
            let names: Vec<String> = names.map(|one| format!("`{}`", one.name)).collect();
            writeln!(f, "- {group}: {}", names.join("; "))?;
        }
        writeln!(f, "\n## Refused calls\n")?;
        let kinds = self.kinds();
        if kinds.is_empty() {
            writeln!(f, "None was seen.")?;
        } else {
            writeln!(f, "| call | of | policy | program: circumstances | why it is refused |")?;
            writeln!(f, "| --- | --- | --- | --- | --- |")?;
        }
        for ((refused, made), programs) in &kinds {
            let place = |(program, names): (&&str, &BTreeSet<&str>)| {
                let names: Vec<&str> = names.iter().copied().collect();
                format!(
                    "{program}: {}",
                    if names.len() > 4 { format!("{} of them", names.len()) } else { names.join("; ") }
                )
            };
            let places: Vec<String> = programs.iter().map(place).collect();
            let why = reason(refused).unwrap_or("not known");
            let call = refused.call.replace('|', "\\|");
            writeln!(
                f,
                "| `{call}` | {} | {} | {} | {why} |",
                refused.program,
                made.name(),
                places.join(". ")
            )?;
        }
        let on_purpose = |case: &Case| {
            let why = case.why_on_purpose().filter(|_| !case.differences.is_empty())?;
            Some(format!("- {}, {}, {}: {why}.", case.program, case.circumstance.name, case.made.name()))
        };
        let on_purpose: Vec<String> = self.cases.iter().filter_map(|(case, _)| on_purpose(case)).collect();
        if !on_purpose.is_empty() {
            writeln!(f, "\n## Runs that differ on purpose\n")?;
            on_purpose.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        }
        let failures: Vec<String> = self.failures();
        if !failures.is_empty() {
            writeln!(f, "\n## Failures\n")?;
            failures.iter().try_for_each(|failure| writeln!(f, "- {failure}"))?;
        }
        Ok(())
    }
}
