//! Audit logs: records of system calls (`type=1300`, SYSCALL) and of seccomp (`type=1326`, SECCOMP).
//!
//! Read are the files of auditd, ausearch's output (also `-i`, where times are text), the kernel's own lines
//! in dmesg and syslog, and journald's (`audit[12]: SECCOMP ...`). Everything else in such a file is passed
//! over: a journal is full of it.
//!
//! Such a log never holds every call, only those that a filter or a rule logged, and the kernel drops records
//! beyond a rate. So each import carries a gap for that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{ImportError, NotUnderstood, Source, first_few, imported_run, note, run_id};
use crate::{ByteString, Fact, FirstSeen, GapKind, Image, Seen, Trace};
use record::{Call, Event, Found, Record};

mod record;
mod seccomp;

pub use seccomp::{SeccompRecord, seccomp_record};

pub(super) fn import(bytes: &[u8]) -> Result<Trace, ImportError> {
    let mut log = Log::default();
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        log.read(at + 1, line);
    }
    if log.with_event.is_empty() && log.without_event.is_empty() && log.is_silent() {
        return Err(ImportError::NothingFound { expected: "an audit log about system calls" });
    }
    Ok(log.into_trace(bytes))
}

/// What is known after the lines read so far.
#[derive(Default)]
struct Log<'l> {
    /// Events that have been counted: a call may have a SYSCALL and a SECCOMP record, and a line may be
    /// there twice.
    events: BTreeSet<Event<'l>>,
    with_event: BTreeMap<Fact, Tally>,
    /// The same from lines that do not name their event, as journald writes beside the kernel's.
    without_event: BTreeMap<Fact, Tally>,
    images: BTreeMap<Image, Arc<Image>>,
    first_ms: Option<u64>,
    last_ms: Option<u64>,
    unknown_machines: BTreeMap<String, u64>,
    unknown_names: BTreeMap<String, u64>,
    suppressed: u64,
    /// The kernel's running total of lost records.
    lost_in_all: u64,
    drops: u64,
    not_understood: NotUnderstood,
}

#[derive(Default)]
struct Tally {
    count: u64,
    /// When, in milliseconds since 1970, and by whom.
    first: Option<(u64, u32, ByteString)>,
}

impl<'l> Log<'l> {
    fn read(&mut self, number: usize, line: &'l [u8]) {
        match record::find(line) {
            Found::Nothing => {}
            Found::Suppressed(count) => self.suppressed = self.suppressed.saturating_add(count),
            Found::Lost(total) => self.lost_in_all = self.lost_in_all.max(total),
            Found::Dropping => self.drops += 1,
            Found::Broken => self.not_understood.note(number),
            Found::Record(record) => self.count(record),
        }
    }

    fn count(&mut self, record: Record<'l>) {
        let syscall = match record.call {
            Call::Is(syscall) => syscall,
            Call::UnknownMachine(machine) => {
                *self.unknown_machines.entry(machine).or_default() += 1;
                return;
            }
            Call::UnknownName(name) => {
                *self.unknown_names.entry(name).or_default() += 1;
                return;
            }
        };
        if let Some(event) = record.event
            && !self.events.insert(event)
        {
            return;
        }
        let image = Image { path: record.exe, ..Image::default() };
        let image = Arc::clone(self.images.entry(image.clone()).or_insert_with(|| Arc::new(image)));
        let fact = Fact { image, scope: None, syscall };
        let tallies = if record.event.is_some() { &mut self.with_event } else { &mut self.without_event };
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
        self.unknown_machines.is_empty() && self.unknown_names.is_empty() && self.not_understood.count == 0
    }

    fn into_trace(self, bytes: &[u8]) -> Trace {
        let run = run_id(Source::Audit, None, bytes);
        let mut trace = Trace::default();
        let mut about = imported_run(Source::Audit);
        about.target = Some("audit records".to_owned());
        about.started_unix_ms = self.first_ms;
        about.duration_ms = self.first_ms.zip(self.last_ms).map(|(first, last)| last - first);
        trace.runs.insert(run.clone(), about);
        let since = self.first_ms.unwrap_or_default();
        // Both kinds of lines may be of the same calls, so the larger count of the two is kept.
        for (fact, tally) in self.with_event.into_iter().chain(self.without_event) {
            let first = tally.first.map(|(at_ms, pid, comm)| FirstSeen {
                after_ns: (at_ms - since).saturating_mul(1_000_000),
                tgid: pid,
                // Records name the process and not the thread.
                tid: pid,
                comm,
            });
            trace.observe(fact, &run, Seen { count: tally.count, first, arguments: None });
        }
        let detail = "an audit log holds only the calls that a filter or a rule logged";
        note(&mut trace, &run, GapKind::ImportSampled, detail, 0);
        let lost = self.suppressed.max(self.lost_in_all).max(self.drops);
        if lost > 0 {
            let count = usize::try_from(lost).unwrap_or(usize::MAX);
            note(
                &mut trace,
                &run,
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
                note(&mut trace, &run, GapKind::ImportIncomplete, detail, count);
            }
        }
        self.not_understood.into_gap(&run, &mut trace);
        trace
    }
}

#[cfg(test)]
mod tests;
