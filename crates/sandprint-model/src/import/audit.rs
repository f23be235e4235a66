//! Audit logs: records of system calls (`type=1300`, SYSCALL) and of seccomp (`type=1326`, SECCOMP).
//!
//! Read are the files of auditd, ausearch's output (also `-i`, where times are text), the kernel's own lines
//! in dmesg and syslog, and journald's (`audit[12]: SECCOMP ...`) in every form of journalctl; each of them also in
//! strings of JSON. Everything else in such a file is passed over: a journal is full of it.
//!
//! Such a log never holds every call, only those that a filter or a rule logged, and the kernel drops records
//! beyond a rate. So each import carries a gap for that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{ImportError, MOST_FACTS, MOST_IMAGES, NotUnderstood, Source, first_few, imported_run, note};
use crate::{ByteString, CallSeen, FirstSeen, GapKind, Image, PROBE_NUMBERS, RunId, Subject, Syscall, Trace};
use json::{Array, InArray};
use record::{Call, Event, Found, Record};

mod json;
mod record;
mod seccomp;

pub use seccomp::{SeccompRecord, seccomp_record};

/// Most events that are remembered, so that none counts twice.
const MOST_EVENTS: usize = 1 << 20;
/// Most machines of one log that are told apart.
const MOST_NODES: usize = 1024;
/// Most words of one kind that are kept for a message.
const MOST_WORDS: usize = 64;
/// How deep wrappings of JSON may lie in each other.
const DEEPEST: u8 = 3;

/// What is known after the lines read so far.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Events that have been counted, by machine, time and number: a call may have a SYSCALL and a SECCOMP record, and a
    /// line may be there twice.
    events: BTreeSet<(usize, Option<u64>, u64)>,
    nodes: BTreeMap<Vec<u8>, usize>,
    /// Text of which each line of JSON holds one byte.
    array: Array,
    /// Whether more events came than are remembered.
    forgets_events: bool,
    with_event: BTreeMap<(Subject, Syscall), Tally>,
    /// The same from lines that do not name their event, as journald writes beside the kernel's.
    without_event: BTreeMap<(Subject, Syscall), Tally>,
    images: BTreeMap<Image, Arc<Image>>,
    first_ms: Option<u64>,
    last_ms: Option<u64>,
    unknown_machines: BTreeMap<String, u64>,
    unknown_names: BTreeMap<String, u64>,
    /// Operations of `io_uring`.
    operations: BTreeMap<String, u64>,
    /// Setups of `io_uring`, and calls that submitted to one: from lines that name their event, and from others.
    urings: [(u64, u64); 2],
    suppressed: u64,
    /// The kernel's running total of lost records.
    lost_in_all: u64,
    drops: u64,
    /// Whether calls of sandprint's own were passed over.
    found_probe: bool,
    facts_lost: usize,
    images_merged: usize,
    not_understood: NotUnderstood,
}

#[derive(Debug, Default)]
struct Tally {
    count: u64,
    /// When, in milliseconds since 1970, and by whom.
    first: Option<(u64, u32, ByteString)>,
}

impl Log {
    /// Takes a line; lines count from 1.
    pub(super) fn line(&mut self, number: usize, line: &[u8]) {
        match self.array.take(line) {
            InArray::Part => {}
            InArray::Whole(text) => self.read(number, &text, 1),
            InArray::No => self.read(number, line, 0),
        }
    }

    /// Whether anything of such a log was found.
    pub(super) fn found(&self) -> bool {
        !self.with_event.is_empty() || !self.without_event.is_empty() || !self.is_silent()
    }

    fn read(&mut self, number: usize, line: &[u8], depth: u8) {
        if depth < DEEPEST
            && let Some(strings) = json::unwrapped(line)
        {
            for string in strings {
                self.read(number, &string, depth + 1);
            }
            return;
        }
        match record::find(line) {
            Found::Nothing => {}
            Found::Suppressed(count) => self.suppressed = self.suppressed.saturating_add(count),
            Found::Lost(total) => self.lost_in_all = self.lost_in_all.max(total),
            Found::Dropping => self.drops += 1,
            Found::Broken => self.not_understood.note(number),
            Found::Uring(event, operation) => {
                if event.is_none_or(|event| self.is_new(event)) {
                    add_word(&mut self.operations, operation);
                }
            }
            Found::Record(record) => self.count(record),
        }
    }

    /// Whether an event was not there before.
    fn is_new(&mut self, event: Event<'_>) -> bool {
        let count = self.nodes.len();
        let node = match self.nodes.get(event.node) {
            Some(node) => *node,
            None if count < MOST_NODES => *self.nodes.entry(event.node.to_vec()).or_insert(count),
            None => MOST_NODES,
        };
        if self.events.len() >= MOST_EVENTS {
            // The records of one event stand together.
            self.events.clear();
            self.forgets_events = true;
        }
        self.events.insert((node, event.at_ms, event.serial))
    }

    fn count(&mut self, record: Record<'_>) {
        let syscall = match record.call {
            // The call by which sandprint makes sure that a filter is there is none of the workload's.
            Call::Is(syscall) if PROBE_NUMBERS.contains(&syscall.nr) => {
                self.found_probe = true;
                return;
            }
            Call::Is(syscall) => syscall,
            Call::UnknownMachine(machine) => return add_word(&mut self.unknown_machines, machine),
            Call::UnknownName(name) => return add_word(&mut self.unknown_names, name),
        };
        if let Some(event) = record.event
            && !self.is_new(event)
        {
            return;
        }
        let [named, unnamed] = &mut self.urings;
        let (setups, submits) = if record.event.is_some() { named } else { unnamed };
        *setups += u64::from(syscall.name() == Some("io_uring_setup"));
        *submits += u64::from(syscall.name() == Some("io_uring_enter") && record.submits);
        let mut image = Image { path: record.exe, ..Image::default() };
        if self.images.len() >= MOST_IMAGES && !self.images.contains_key(&image) {
            self.images_merged += 1;
            image = Image::default();
        }
        let image = Arc::clone(self.images.entry(image.clone()).or_insert_with(|| Arc::new(image)));
        let fact = (Subject::of(&image), syscall);
        let kept = self.with_event.len() + self.without_event.len();
        let tallies = if record.event.is_some() { &mut self.with_event } else { &mut self.without_event };
        if kept >= MOST_FACTS && !tallies.contains_key(&fact) {
            self.facts_lost += 1;
            return;
        }
        let tally = tallies.entry(fact).or_default();
        tally.count += 1;
        if let Some(at_ms) = record.event.and_then(|event| event.at_ms) {
            self.first_ms = Some(self.first_ms.map_or(at_ms, |first| first.min(at_ms)));
            self.last_ms = self.last_ms.max(Some(at_ms));
            let this = (at_ms, record.pid, record.comm);
            tally.first = Some(tally.first.take().map_or(this.clone(), |first| first.min(this)));
        }
    }

    /// Whether the log holds nothing that an audit log would.
    fn is_silent(&self) -> bool {
        self.unknown_machines.is_empty()
            && self.unknown_names.is_empty()
            && self.operations.is_empty()
            && !self.found_probe
            && self.not_understood.count == 0
    }

    pub(super) fn into_trace(self, run: &RunId) -> Result<Trace, ImportError> {
        if !self.found() {
            return Err(ImportError::NothingFound { expected: "an audit log about system calls" });
        }
        let mut trace = Trace::default();
        let mut about = imported_run(Source::Audit);
        about.target = Some("audit records".to_owned());
        about.started_unix_ms = self.first_ms;
        about.duration_ms = self.first_ms.zip(self.last_ms).map(|(first, last)| last - first);
        trace.runs.insert(*run, about);
        let since = self.first_ms.unwrap_or_default();
        // Both kinds of lines may be of the same calls, so the larger count of the two is kept.
        for ((subject, syscall), tally) in self.with_event.into_iter().chain(self.without_event) {
            let first = tally.first.map(|(at_ms, pid, comm)| FirstSeen {
                after_ns: (at_ms - since).saturating_mul(1_000_000),
                tgid: pid,
                // Records name the process and not the thread.
                tid: pid,
                comm,
            });
            trace.calls.join(subject, syscall, *run, CallSeen { first, ..CallSeen::times(tally.count) });
        }
        let detail = "an audit log holds only the calls that a filter or a rule logged";
        note(&mut trace, run, GapKind::ImportSampled, detail, 0);
        let lost = self.suppressed.max(self.lost_in_all).max(self.drops);
        if lost > 0 {
            let count = usize::try_from(lost).unwrap_or(usize::MAX);
            note(
                &mut trace,
                run,
                GapKind::ImportSampled,
                "records that the kernel suppressed or lost",
                count,
            );
        }
        let unknown = [
            ("machines that are not known here", self.unknown_machines),
            ("names that are no call", self.unknown_names),
        ];
        for (what, words) in unknown {
            let count = words.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
            if count > 0 {
                let detail = format!("{what}: {}", first_few(words.into_keys()));
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                note(&mut trace, run, GapKind::ImportIncomplete, detail, count);
            }
        }
        let operations = self.operations.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
        if operations > 0 {
            let detail = format!("operations {}", first_few(self.operations.into_keys()));
            let count = usize::try_from(operations).unwrap_or(usize::MAX);
            note(&mut trace, run, GapKind::IoUringOperations, detail, count);
        }
        // As of an strace log, whose rules these are. A record does not hold the flags of a setup, so that the kernel
        // submits by itself (SQPOLL) cannot be seen; the calls that are seen have to say it.
        let [(setups, submits), (other_setups, other_submits)] = self.urings;
        let (setups, submits) = (setups.max(other_setups), submits.max(other_submits));
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        if submits > 0 {
            let detail = "an audit log does not show them";
            note(&mut trace, run, GapKind::IoUringUnseen, detail, count(submits));
        } else if setups > 0 && operations == 0 {
            let detail = "an audit log does not show the flags of the setup";
            note(&mut trace, run, GapKind::IoUringProbe, detail, count(setups));
        }
        if self.forgets_events {
            let detail = format!("of more than {MOST_EVENTS} records some may be counted twice");
            note(&mut trace, run, GapKind::CountsInexact, detail, 0);
        }
        if self.facts_lost > 0 {
            let detail = "the log has more different calls than are kept";
            note(&mut trace, run, GapKind::CallsLost, detail, self.facts_lost);
        }
        if self.images_merged > 0 {
            let detail = "the log has more programs than are kept apart";
            note(&mut trace, run, GapKind::ImagesMerged, detail, self.images_merged);
        }
        self.not_understood.into_gap(run, &mut trace);
        Ok(trace)
    }
}

/// Counts a word, up to some number of different ones.
fn add_word(words: &mut BTreeMap<String, u64>, word: String) {
    let word =
        if words.len() >= MOST_WORDS && !words.contains_key(&word) { "others".to_owned() } else { word };
    *words.entry(word).or_default() += 1;
}

#[cfg(test)]
mod tests;
