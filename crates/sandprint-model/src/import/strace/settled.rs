//! What is known of segments that have ended, as facts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::details::Details;
use super::names::Names;
use super::segment::{Segment, inferred_abi};
use super::start;
use crate::errno::Errno;
use crate::import::{first_few, note};
use crate::{
    Abi, Arch, ByteString, CallSeen, Count, Exit, GapKind, Image, Join as _, RunId, Subject, Syscall, Trace,
};

/// What is known of segments that have ended: facts, and what could not become one.
#[derive(Debug, Default)]
pub(super) struct Settled {
    calls: BTreeMap<(Subject, Syscall), CallSeen>,
    results: BTreeMap<(Subject, (Syscall, Errno)), Count>,
    details: Details,
    unnamed: BTreeMap<String, u64>,
    ambiguous: BTreeMap<String, u64>,
    without_image: usize,
    /// Programs whose start lacks calls, and those calls.
    incomplete_starts: usize,
    missing: BTreeSet<&'static str>,
}

impl Settled {
    /// How many different calls and results there are, and how much else of them.
    pub(super) fn different(&self) -> usize {
        self.calls.len() + self.results.len() + self.details.size()
    }

    /// Whether a program shows that strace was told to leave calls out.
    pub(super) fn lacks_calls(&self) -> bool {
        self.incomplete_starts > 0
    }

    /// Takes the calls of a segment. `assumed` is the ABI of calls of which the log does not say it; without one it is
    /// inferred.
    pub(super) fn take(
        &mut self,
        segment: &mut Segment,
        image: &Arc<Image>,
        names: &Names,
        (arch, assumed): (Arch, Option<Abi>),
    ) {
        if segment.calls.is_empty() {
            return;
        }
        self.without_image += usize::from(image.path.is_empty());
        let silent_abi = assumed.or_else(|| inferred_abi(segment, names, arch));
        self.look_at_start(segment, names, silent_abi.unwrap_or(arch.native_abi()));
        for (called, mut tally) in std::mem::take(&mut segment.calls) {
            let name = || ByteString::new(names.of(called.name)).escaped();
            let found = called.resolve(names, arch, silent_abi);
            match found.as_slice() {
                [] => *self.unnamed.entry(name()).or_default() += tally.count,
                [_] => {}
                [..] => *self.ambiguous.entry(name()).or_default() += tally.count,
            }
            for syscall in found {
                let call = self.calls.entry((Subject::of(image), syscall)).or_default();
                // Segments are parts of one run, not states of it.
                call.add(segment.call_seen(&tally));
                for (error, count) in &tally.failed {
                    let result = self.results.entry((Subject::of(image), (syscall, *error))).or_default();
                    result.add(Count(*count));
                }
                let reading = tally.readings.iter().position(|reading| reading.call == syscall);
                let reading = reading.map(|at| tally.readings.swap_remove(at));
                self.details.take(&Subject::of(image), syscall, tally.count, reading);
            }
        }
    }

    /// Whether a program that came to its own end shows what it cannot have come there without.
    fn look_at_start(&mut self, segment: &Segment, names: &Names, abi: Abi) {
        let came_to_its_end =
            segment.left_by_exec || matches!(segment.exit, Some(Exit::Code(code)) if code != NO_LIBRARY);
        if !segment.is_start || !came_to_its_end {
            return;
        }
        let calls = segment.calls.keys().filter_map(|called| str::from_utf8(names.of(called.name)).ok());
        let missing = start::missing(segment.seen, abi, calls);
        self.incomplete_starts += usize::from(!missing.is_empty());
        self.missing.extend(missing);
    }

    /// Enters it all into the trace. `is_filtered` says that calls are known to have been left out.
    pub(super) fn observe(self, arch: Arch, run: &RunId, trace: &mut Trace, is_filtered: bool) {
        for ((subject, syscall), mut seen) in self.calls {
            seen.arguments = self.details.arguments(&subject, syscall);
            trace.calls.join(subject, syscall, *run, seen);
        }
        for ((subject, result), count) in self.results {
            trace.results.join(subject, result, *run, count);
        }
        self.details.observe(run, trace, is_filtered);
        let total =
            |counts: &BTreeMap<String, u64>| counts.values().fold(0_u64, |sum, n| sum.saturating_add(*n));
        if !self.unnamed.is_empty() {
            let detail =
                format!("names that are no call of {arch}: {}", first_few(self.unnamed.keys().cloned()));
            let count = usize::try_from(total(&self.unnamed)).unwrap_or(usize::MAX);
            note(trace, run, GapKind::ImportIncomplete, detail, count);
        }
        if !self.ambiguous.is_empty() {
            let names = first_few(self.ambiguous.keys().cloned());
            let detail =
                format!("on i386 each of these may be the call of that name, socketcall or ipc: {names}");
            let count = usize::try_from(total(&self.ambiguous)).unwrap_or(usize::MAX);
            note(trace, run, GapKind::ImportAmbiguous, detail, count);
        }
        if self.without_image > 0 {
            let detail = "threads whose program the log does not say";
            note(trace, run, GapKind::ImageUnreadable, detail, self.without_image);
        }
        if self.incomplete_starts > 0 {
            let names = first_few(self.missing.iter().map(|name| (*name).to_owned()));
            let detail = format!(
                "programs that show no {names}, without which none starts: strace was told to leave calls out (-e)"
            );
            note(trace, run, GapKind::ImportIncomplete, detail, self.incomplete_starts);
        }
    }
}

/// What a loader ends with that does not find a library, and a shell that does not find a program.
const NO_LIBRARY: u8 = 127;
