//! What calls were made with and did, of segments that have ended; and what of that could not be read.

use std::collections::{BTreeMap, BTreeSet};

use super::reading::{Lost, Meaning};
use super::tally::{Reading, weight};
use crate::import::{first_few, note};
use crate::uses::Uses;
use crate::{
    ArgumentsSeen, Count, FactKind, GapKind, Join as _, Right, Rights, RunId, Subject, Syscall, Trace,
};

/// The calls whose arguments make facts about memory.
const OF_MEMORY: [&str; 5] = ["mmap", "mmap2", "mprotect", "pkey_mprotect", "shmat"];
/// The same of tasks and namespaces.
const OF_NAMESPACES: [&str; 4] = ["clone", "clone3", "setns", "unshare"];

/// What is known beside calls and results.
#[derive(Debug, Default)]
pub(super) struct Details {
    arguments: BTreeMap<(Subject, Syscall), ArgumentsSeen>,
    /// Calls that were made with arguments that could not be read, and how many.
    unread: BTreeMap<(Subject, Syscall), u64>,
    flags: BTreeMap<(Subject, (Syscall, u64)), u64>,
    uses: BTreeMap<Subject, Uses>,
    lost: Lost,
    /// How much of this is kept.
    size: usize,
}

impl Details {
    /// How much is kept.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Takes what was read of a call that was made so often, if anything was.
    pub(super) fn take(&mut self, subject: &Subject, call: Syscall, count: u64, reading: Option<Reading>) {
        let Some(meaning) = Meaning::of(call) else { return };
        let read = reading.as_ref().map_or(0, |reading| reading.read);
        if meaning.has_arguments() && read < count {
            *self.unread.entry((subject.clone(), call)).or_default() += count - read;
        }
        let Some(reading) = reading else {
            if meaning.has_uses() {
                let (files, sockets) = if meaning.is_of_sockets() { (0, count) } else { (count, 0) };
                self.lost.add(Lost { unread: files, sockets, ..Lost::default() });
            }
            return;
        };
        self.lost.add(reading.lost);
        if let Some(seen) = reading.arguments {
            match self.arguments.entry((subject.clone(), call)) {
                std::collections::btree_map::Entry::Occupied(mut known) => known.get_mut().add_all(&seen),
                std::collections::btree_map::Entry::Vacant(slot) => drop(slot.insert(seen)),
            }
            self.size += 1;
        }
        for (flags, count) in reading.flags {
            *self.flags.entry((subject.clone(), (call, flags))).or_default() += count;
            self.size += 1;
        }
        if reading.uses.files.is_empty() && reading.uses.sockets.is_empty() {
            return;
        }
        let uses = self.uses.entry(subject.clone()).or_default();
        for (path, seen) in reading.uses.files {
            self.size += if uses.files.contains_key(&path) { 0 } else { weight(&path) };
            uses.files.entry(path).or_default().join(seen);
        }
        for (socket, outcomes) in reading.uses.sockets {
            self.size += usize::from(!uses.sockets.contains_key(&socket));
            uses.sockets.entry(socket).or_default().join(outcomes);
        }
    }

    /// The arguments of a call, where all that it was made with could be read.
    pub(super) fn arguments(&self, subject: &Subject, call: Syscall) -> Option<ArgumentsSeen> {
        let key = (subject.clone(), call);
        self.arguments.get(&key).filter(|_| !self.unread.contains_key(&key)).cloned()
    }

    /// Enters what else there is into the trace. `is_filtered` says that calls are known to have been left out.
    pub(super) fn observe(self, run: &RunId, trace: &mut Trace, is_filtered: bool) {
        for ((subject, call), seen) in &self.arguments {
            trace.add_what_follows_of((subject, *call), *run, seen);
        }
        for ((subject, flags), count) in &self.flags {
            trace.namespaces.add(subject.clone(), *flags, *run, Count(*count));
        }
        self.note_lost(run, trace);
        let lost = self.lost;
        let unread: BTreeSet<&str> = self.unread.keys().filter_map(|(_, call)| call.name()).collect();
        let is_unread = |names: &[&str]| names.iter().any(|name| unread.contains(name));
        for (subject, uses) in self.uses {
            for (path, seen) in uses.files {
                trace.files.join(subject.clone(), path, *run, seen);
            }
            for (socket, outcomes) in uses.sockets {
                trace.sockets.join(subject.clone(), socket, *run, outcomes);
            }
        }
        // That a program was executed says nothing of what it opened.
        let executed = Rights::from([Right::Execute]);
        let is_more = |rights: Rights| !rights.is_empty() && rights != executed;
        let has_files = trace
            .files
            .iter()
            .flat_map(|(_, _, runs)| runs.values())
            .any(|seen| is_more(seen.succeeded) || is_more(seen.all_failed()));
        for (kind, has_some, is_lost) in [
            (FactKind::Arguments, !self.arguments.is_empty(), !unread.is_empty()),
            (FactKind::Files, has_files, lost.cut + lost.unread + lost.nameless > 0),
            (FactKind::Memory, !trace.memory.is_empty(), is_unread(&OF_MEMORY)),
            (FactKind::Namespaces, !trace.namespaces.is_empty(), is_unread(&OF_NAMESPACES)),
            (FactKind::Sockets, !trace.sockets.is_empty(), lost.sockets > 0),
        ] {
            // A log that has none of a kind may have been told to leave them out, or to leave them raw.
            if !has_some
                && (is_lost || is_filtered)
                && let Some(about) = trace.runs.get_mut(run)
            {
                about.facts.remove(&kind);
            }
        }
    }

    fn note_lost(&self, run: &RunId, trace: &mut Trace) {
        let unread = self.unread.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
        let calls: BTreeSet<String> = self.unread.keys().map(|(_, call)| call.to_string()).collect();
        let calls = format!("values that are not known or not there, of {}", first_few(calls));
        for (kind, count, detail) in [
            (GapKind::ArgumentsLost, unread, calls.as_str()),
            (GapKind::FilesLost, self.lost.cut, "paths that strace cut (-s)"),
            (GapKind::FilesLost, self.lost.unread, "paths, or flags, that are not in the log (-e raw)"),
            (
                GapKind::FilesLost,
                self.lost.nameless,
                "descriptors whose files the log does not name: strace -y does",
            ),
            (
                GapKind::SocketsLost,
                self.lost.sockets,
                "sockets or addresses that are not in the log: strace -yy has more of them",
            ),
        ] {
            if count > 0 {
                note(trace, run, kind, detail, usize::try_from(count).unwrap_or(usize::MAX));
            }
        }
    }
}
