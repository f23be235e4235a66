//! Traces of the upstream tool, version 0.1 (`schema_version` 1).
//!
//! Such a trace holds a log of events and a table of counts. The counts come from a map of the kernel and the
//! events from a ring buffer that drops what does not fit, so the counts rule. It names no program.
//!
//! That recorder stops following a process when any of its threads ends, leaves out numbers from 512 on, keeps
//! i386 calls under the number of the native ABI, and counts what it does itself between fork and exec. None
//! of this shows in its trace, so each import carries a gap for it.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{ImportError, Source, imported_run, note};
use crate::{Arch, ByteString, CallSeen, FirstSeen, GapKind, Run, RunId, Subject, Syscall, Trace};

pub(super) fn import(bytes: &[u8], run: &RunId) -> Result<Trace, ImportError> {
    let version = serde_json::from_slice::<Version>(bytes).map_err(|error| unreadable(&error))?;
    if version.schema_version != 1 {
        return Err(ImportError::SchemaVersion { found: version.schema_version });
    }
    let document: Document = serde_json::from_slice(bytes).map_err(|error| unreadable(&error))?;
    let arch = Arch::from_name(&document.arch)
        .ok_or_else(|| ImportError::UnknownArch { found: escaped(&document.arch) })?;
    Ok(document.into_trace(arch, run))
}

fn unreadable(error: &serde_json::Error) -> ImportError {
    let text = error.to_string();
    let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
    ImportError::Json { line: error.line(), column: error.column(), problem: escaped(problem) }
}

fn escaped(text: &str) -> String {
    ByteString::from(text).escaped().chars().take(120).collect()
}

#[derive(Deserialize)]
struct Version {
    schema_version: u64,
}

/// Fields that are not named here are passed over: it is not our format.
#[derive(Deserialize)]
struct Document {
    arch: String,
    target_argv: Vec<String>,
    events: Events,
    counts: Vec<Count>,
}

#[derive(Deserialize)]
struct Count {
    syscall_nr: u32,
    count: u64,
}

#[derive(Deserialize)]
struct EventRow {
    timestamp_ns: u64,
    tgid: u32,
    tid: u32,
    syscall_nr: u32,
    #[serde(rename = "syscall_name")]
    _name: IgnoredAny,
    comm: String,
}

/// The events, added up while they are read: there may be millions.
#[derive(Default)]
struct Events {
    count: u64,
    times: Option<(u64, u64)>,
    calls: BTreeMap<u32, EventTally>,
}

struct EventTally {
    count: u64,
    first_at: u64,
    tgid: u32,
    tid: u32,
    comm: String,
}

impl Events {
    fn add(&mut self, event: EventRow) {
        let EventRow { timestamp_ns: at, tgid, tid, comm, .. } = event;
        self.count += 1;
        let (first, last) = self.times.unwrap_or((at, at));
        self.times = Some((first.min(at), last.max(at)));
        match self.calls.get_mut(&event.syscall_nr) {
            None => {
                let tally = EventTally { count: 1, first_at: at, tgid, tid, comm };
                self.calls.insert(event.syscall_nr, tally);
            }
            Some(tally) => {
                tally.count += 1;
                if at < tally.first_at {
                    *tally = EventTally { count: tally.count, first_at: at, tgid, tid, comm };
                }
            }
        }
    }
}

impl<'de> Deserialize<'de> for Events {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Events, D::Error> {
        struct Rows;

        impl<'de> Visitor<'de> for Rows {
            type Value = Events;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of events")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut rows: S) -> Result<Events, S::Error> {
                let mut events = Events::default();
                while let Some(row) = rows.next_element()? {
                    events.add(row);
                }
                Ok(events)
            }
        }

        deserializer.deserialize_seq(Rows)
    }
}

impl Document {
    fn into_trace(self, arch: Arch, run: &RunId) -> Trace {
        let mut trace = Trace::default();
        let mut about = Run { tool_version: "0.1".to_owned(), ..imported_run(Source::Sandprint01) };
        // `pid:12` of an attach, `merge of: ...` of a merge: no command.
        match self.target_argv.as_slice() {
            [target] if target.starts_with("pid:") || target.starts_with("merge of: ") => {
                about.target = Some(escaped(target));
            }
            command => about.command = command.iter().map(|word| ByteString::from(word.as_str())).collect(),
        }
        about.duration_ms = self.events.times.map(|(first, last)| (last - first) / 1_000_000);
        trace.runs.insert(*run, about);

        let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
        for row in &self.counts {
            let count = counts.entry(row.syscall_nr).or_default();
            *count = count.saturating_add(row.count);
        }
        let counted = counts.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
        for (number, tally) in &self.events.calls {
            let count = counts.entry(*number).or_default();
            *count = (*count).max(tally.count);
        }
        let began = self.events.times.map_or(0, |(first, _)| first);
        let subject = Subject::default();
        for (number, count) in counts {
            let first = self.events.calls.get(&number).map(|tally| FirstSeen {
                after_ns: tally.first_at - began,
                tgid: tally.tgid,
                tid: tally.tid,
                comm: tally.comm.as_str().into(),
            });
            let syscall = Syscall::numbered(arch.native_abi(), number);
            trace.calls.join(subject.clone(), syscall, *run, CallSeen { first, ..CallSeen::times(count) });
        }

        let detail = "sandprint 0.1 stops following a process when one of its threads ends, leaves out numbers \
                      from 512 on, and takes i386 calls for native ones; its own calls before execve are counted";
        note(&mut trace, run, GapKind::ImportIncomplete, detail, 0);
        note(&mut trace, run, GapKind::ImageUnreadable, "sandprint 0.1 records no programs", 0);
        let dropped = counted.saturating_sub(self.events.count);
        if dropped > 0 {
            let dropped = usize::try_from(dropped).unwrap_or(usize::MAX);
            note(&mut trace, run, GapKind::FirstSeenLost, "counted calls without an event", dropped);
        }
        trace
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Abi, Gap, Syscall};

    const SAMPLE: &[u8] = include_bytes!("../../tests/data/sandprint01/run.json");

    fn import(bytes: &[u8]) -> Result<Trace, ImportError> {
        let config = crate::import::ImportConfig { arch: Arch::X86_64 };
        crate::import::import(Source::Sandprint01, bytes, &config)
    }

    fn calls(trace: &Trace) -> Vec<(String, u64)> {
        trace.totals().into_iter().map(|(call, count)| (format!("{}:{call}", call.abi), count)).collect()
    }

    #[test]
    fn counts_rule_and_events_tell_the_first_call() {
        let trace = import(SAMPLE).unwrap();
        let expected = [("read", 5), ("mmap", 36), ("openat", 35), ("syscall_500", 2)];
        assert_eq!(calls(&trace), expected.map(|(name, count)| (format!("x86_64:{name}"), count)));
        let (id, run) = trace.runs.first_key_value().unwrap();
        assert_eq!(run.command, [ByteString::from("ls"), ByteString::from("/tmp")]);
        assert_eq!((run.duration_ms, run.tool_version.as_str()), (Some(3), "0.1"));
        let openat = Syscall::from_name(Abi::X86_64, "openat").unwrap();
        let first = FirstSeen { after_ns: 1_000_000, tgid: 71, tid: 72, comm: "ls\u{fffd}".into() };
        let expected = CallSeen { first: Some(first), ..CallSeen::times(35) };
        assert_eq!(trace.calls.get(&Subject::default(), &openat).unwrap().get(*id), Some(&expected));
    }

    fn kinds(trace: &Trace, run: &RunId) -> Vec<(GapKind, u64)> {
        let gaps = trace.gaps.iter();
        gaps.inspect(|(gap, _)| assert_eq!(gap.run, *run)).map(|(Gap { kind, .. }, n)| (*kind, *n)).collect()
    }

    #[test]
    fn every_import_says_what_that_recorder_could_miss() {
        let trace = import(SAMPLE).unwrap();
        let id = trace.runs.keys().next().unwrap();
        assert_eq!(
            kinds(&trace, id),
            [(GapKind::ImageUnreadable, 0), (GapKind::FirstSeenLost, 74), (GapKind::ImportIncomplete, 0)]
        );
        assert!(trace.blocking_gaps().next().is_some());
    }

    #[test]
    fn a_merged_or_attached_trace_has_a_target_and_no_command() {
        for target in ["pid:12", "merge of: [a] + [b c]"] {
            let text = format!(
                "{{\"schema_version\":1,\"arch\":\"aarch64\",\"target_argv\":[\"{target}\"],\"events\":[],\
                 \"counts\":[{{\"syscall_nr\":79,\"syscall_name\":\"fstatat\",\"count\":7}}]}}"
            );
            let trace = import(text.as_bytes()).unwrap();
            let run = trace.runs.values().next().unwrap();
            assert_eq!((run.target.as_deref(), run.command.len(), run.duration_ms), (Some(target), 0, None));
            // The number decides: that tool's names are wrong on aarch64.
            assert_eq!(calls(&trace), [("aarch64:newfstatat".to_owned(), 7)]);
        }
    }

    #[test]
    fn what_is_no_such_trace_is_refused_with_its_place() {
        let text = String::from_utf8_lossy(SAMPLE);
        for (from, to, expected) in [
            (
                "\"schema_version\": 1",
                "\"schema_version\": 2",
                "the trace has `schema_version` 2, and only 1 is known",
            ),
            (
                "\"schema_version\": 1,",
                "",
                "the trace of sandprint 0.1 cannot be read at line 64, column 1: missing field `schema_version`",
            ),
            (
                "\"x86_64\"",
                "\"s390x\\u001b\"",
                "the trace was recorded on `s390x\\x1b`, whose system calls are not known here",
            ),
            (
                "\"count\": 36",
                "\"count\": -1",
                "the trace of sandprint 0.1 cannot be read at line 46, column 17: \
                 invalid value: integer `-1`, expected u64",
            ),
        ] {
            assert!(text.contains(from));
            let error = import(text.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        let cut = import(&SAMPLE[..100]).unwrap_err();
        assert!(matches!(cut, ImportError::Json { line: 8, column: 10, .. }), "{cut}");
    }
}
