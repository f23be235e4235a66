//! What a watch tells, for a log pipeline: a JSON object per line. Held by `schema/watch-event-v1.schema.json`.
//!
//! A line says what it is in `event`. Fields are never left out: what is not known is null. Text from processes is
//! escaped as in sandprint's other files, so that every line is printable.

use std::time::{Duration, SystemTime};

use sandprint_model::import::SeccompRecord;
use sandprint_model::{ByteString, Call, Rule, Syscall, arguments, json_line};
use sandprint_record::ebpf::Missed;
use sandprint_record::refused::Outcome;
use sandprint_trial::watch::Totals;
use sandprint_trial::watch::judge::Verdict;
use sandprint_view::origin::Code;
use sandprint_view::rule::conditions;
use serde::Serialize;

use super::stamp;
use super::suggest::Suggestion;
use super::told::Told;
use crate::target::Place;

/// A line.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Event<'e> {
    Denial(Box<Row<'e>>),
    Emulated(Box<Row<'e>>),
    Logged(Box<LoggedRow>),
    Repeated { id: u64, time: Option<String>, more: u64, count: u64 },
    Ended { id: u64, after_ms: u64 },
    Missed { what: &'e str, why: Option<&'e str>, count: Option<u64> },
    Summary(Summary<'e>),
}

/// A call that did not run.
#[derive(Serialize)]
struct Row<'e> {
    id: u64,
    time: String,
    #[serde(flatten)]
    call: CallRow,
    args: [u64; 6],
    action: Option<String>,
    by: &'static str,
    returned: Option<i64>,
    doubt: Option<&'static str>,
    count: u64,
    last: String,
    process: ProcessRow,
    ancestry: Vec<AncestorRow>,
    #[serde(flatten)]
    place: PlaceRow,
    location: Option<Code>,
    no_location: Option<&'e str>,
    ended_after_ms: Option<u64>,
    rule: RuleRow,
    suggestion: Option<SuggestionRow<'e>>,
}

#[derive(Serialize)]
struct CallRow {
    abi: &'static str,
    nr: u32,
    name: Option<&'static str>,
    /// Decoded; of a logged call only the name, since its arguments are not known.
    call: String,
}

#[derive(Serialize)]
struct ProcessRow {
    pid: Option<u32>,
    host_pid: u32,
    host_tid: Option<u32>,
    comm: String,
    image: Option<String>,
}

#[derive(Serialize)]
struct AncestorRow {
    pid: Option<u32>,
    host_pid: Option<u32>,
    comm: String,
}

#[derive(Serialize)]
struct PlaceRow {
    cgroup: Option<String>,
    container: Option<ContainerRow>,
    unit: Option<String>,
}

#[derive(Serialize)]
struct ContainerRow {
    id: String,
    names: Vec<String>,
}

#[derive(Serialize)]
struct RuleRow {
    r#do: String,
    when: Vec<String>,
}

#[derive(Serialize)]
struct SuggestionRow<'e> {
    policy: &'e str,
    says: &'static str,
    action: String,
    at: Option<&'e str>,
    toml: Option<&'e str>,
}

/// A call that ran.
#[derive(Serialize)]
struct LoggedRow {
    id: u64,
    time: Option<String>,
    #[serde(flatten)]
    call: CallRow,
    count: u64,
    process: ProcessRow,
    instruction_pointer: u64,
}

#[derive(Serialize)]
struct Summary<'e> {
    denials: u64,
    denied: u64,
    emulated: u64,
    logged: u64,
    missed: Vec<MissedRow<'e>>,
}

#[derive(Serialize)]
struct MissedRow<'e> {
    what: &'e str,
    count: u64,
}

fn line(event: &Event<'_>) -> String {
    // Strings and numbers cannot fail to serialize.
    json_line(event).unwrap_or_default() + "\n"
}

/// A call that did not run, of a kind that is new.
pub(super) fn seen(told: &Told<'_>) -> String {
    let refused = &told.seen.refused;
    let (action, by) = match told.seen.judgement.verdict {
        Verdict::Denied { action, by } => (Some(action.to_string()), by.name()),
        Verdict::Emulated { by } => (None, by.name()),
        Verdict::Probe | Verdict::BrokenOff | Verdict::NotRefused => (None, "nobody"),
    };
    let row = Box::new(Row {
        id: told.number,
        time: stamp::of(refused.first),
        call: call(&refused.call),
        args: refused.call.args,
        action,
        by,
        returned: match refused.outcome {
            Outcome::Returned(value) => Some(value),
            Outcome::Trapped | Outcome::KilledProcess | Outcome::KilledThread => None,
        },
        doubt: told.seen.judgement.doubt,
        count: refused.count,
        last: stamp::of(refused.last),
        process: ProcessRow {
            pid: refused.tgid,
            host_pid: refused.host_tgid,
            host_tid: Some(refused.host_tid),
            comm: refused.comm.escaped(),
            image: known(&refused.image),
        },
        ancestry: refused
            .ancestry
            .iter()
            .map(|process| AncestorRow {
                pid: process.tgid,
                host_pid: process.host_tgid,
                comm: process.comm.escaped(),
            })
            .collect(),
        place: place(&refused.cgroup, told.place),
        location: told.seen.location.as_ref().ok().map(Code::of),
        no_location: told.seen.location.as_ref().err().map(String::as_str),
        ended_after_ms: refused.ended.map(milliseconds),
        rule: rule(refused.call.syscall, &told.seen.rule),
        suggestion: told.suggestion.as_ref().map(suggestion),
    });
    line(&match told.seen.judgement.verdict {
        Verdict::Denied { .. } => Event::Denial(row),
        _ => Event::Emulated(row),
    })
}

/// A call that ran and was logged.
pub(super) fn logged(id: u64, record: &SeccompRecord, count: u64, pid: Option<u32>) -> String {
    let syscall = record.syscall;
    line(&Event::Logged(Box::new(LoggedRow {
        id,
        time: record.at_ms.map(stamp::of_unix_ms),
        call: CallRow {
            abi: syscall.abi.name(),
            nr: syscall.nr,
            name: syscall.name(),
            call: syscall.to_string(),
        },
        count,
        process: ProcessRow {
            pid,
            host_pid: record.pid,
            host_tid: None,
            comm: record.comm.escaped(),
            image: known(&record.exe),
        },
        instruction_pointer: record.instruction_pointer,
    })))
}

/// More of what was told.
pub(super) fn repeated(id: u64, more: u64, count: u64, last: Option<SystemTime>) -> String {
    line(&Event::Repeated { id, time: last.map(stamp::of), more, count })
}

/// The end of the process whose call was told.
pub(super) fn ended(id: u64, after: Duration) -> String {
    line(&Event::Ended { id, after_ms: milliseconds(after) })
}

/// Something that was missed, or cannot be seen.
pub(super) fn missed(what: &str, why: Option<&str>, count: Option<u64>) -> String {
    line(&Event::Missed { what, why, count })
}

/// The last line.
pub(super) fn summary(totals: Totals, logged: u64, missed: &[Missed]) -> String {
    line(&Event::Summary(Summary {
        denials: totals.denials,
        denied: totals.denied,
        emulated: totals.emulated,
        logged,
        missed: missed.iter().map(|item| MissedRow { what: &item.what, count: item.count }).collect(),
    }))
}

fn call(call: &Call) -> CallRow {
    CallRow {
        abi: call.syscall.abi.name(),
        nr: call.syscall.nr,
        name: call.syscall.name(),
        call: arguments::render(call.syscall, &call.args),
    }
}

fn rule(syscall: Syscall, rule: &Rule) -> RuleRow {
    RuleRow { r#do: rule.action.to_string(), when: conditions(syscall, &rule.conditions) }
}

fn place(cgroup: &ByteString, place: &Place) -> PlaceRow {
    PlaceRow {
        cgroup: known(cgroup),
        container: place.container.as_ref().map(|container| ContainerRow {
            id: escaped(&container.id),
            names: container.names.iter().map(|name| escaped(name)).collect(),
        }),
        unit: place.unit.as_deref().map(escaped),
    }
}

fn suggestion(suggestion: &Suggestion) -> SuggestionRow<'_> {
    SuggestionRow {
        policy: &suggestion.policy,
        says: suggestion.says.name(),
        action: suggestion.action.to_string(),
        at: suggestion.at.as_deref(),
        toml: suggestion.lines.as_deref(),
    }
}

fn known(text: &ByteString) -> Option<String> {
    (!text.is_empty()).then(|| text.escaped())
}

fn escaped(text: &str) -> String {
    ByteString::from(text).escaped()
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
