//! What a watch tells, for people: a few lines for each kind of call. Text from processes is escaped.

use std::fmt::{self, Write as _};
use std::time::Duration;

use sandprint_model::import::SeccompRecord;
use sandprint_model::{Action, ByteString, Syscall, errno};
use sandprint_record::refused::{Outcome, Refused};
use sandprint_trial::watch::judge::{By, Verdict};
use sandprint_trial::watch::{Seen, Totals};
use sandprint_view::count::counted;
use sandprint_view::origin::{ancestry_in_words, location_in_words, process_in_words};
use sandprint_view::{call, rule};

use super::stamp;
use super::suggest::{Says, Suggestion};
use super::told::Told;
use crate::target::Place;

/// A process that ends this soon after a refused call may well have ended because of it.
const SOON: Duration = Duration::from_secs(1);

/// A call that did not run, of a kind that is new.
pub(super) fn seen(told: &Told<'_>) -> String {
    let refused = &told.seen.refused;
    let mut text = String::new();
    let mut line = |words: fmt::Arguments<'_>| writeln!(text, "{words}").unwrap_or_default();
    let times = if refused.count == 1 { String::new() } else { format!("{}x  ", refused.count) };
    line(format_args!(
        "#{}  {}  {times}{}  -> {}",
        told.number,
        stamp::of(refused.first),
        call_in_words(refused),
        answer_in_words(told.seen)
    ));
    line(format_args!("    by    {}", caller_in_words(refused)));
    if let Some(place) = place_in_words(&refused.cgroup, told.place) {
        line(format_args!("    in    {place}"));
    }
    line(format_args!("    from  {}", location_in_words(&told.seen.location)));
    if let Some(after) = refused.ended {
        line(format_args!("    then  the process ended {} later", duration_in_words(after)));
    }
    if let Some(doubt) = told.seen.judgement.doubt {
        line(format_args!("    note  not certain: {doubt}"));
    }
    if matches!(told.seen.judgement.verdict, Verdict::Denied { .. }) && !has_no_number(refused) {
        line(format_args!("    rule  {}", rule_in_words(told.seen)));
    }
    if let Some(suggestion) = &told.suggestion {
        let mut rows = suggestion_in_words(suggestion).into_iter();
        line(format_args!("    file  {}", rows.next().unwrap_or_default()));
        for row in rows {
            line(format_args!("          {row}"));
        }
    }
    text
}

/// A call that ran and was logged.
pub(super) fn logged(number: u64, record: &SeccompRecord, count: u64, pid: Option<u32>) -> String {
    let times = if count == 1 { String::new() } else { format!("{count}x  ") };
    let time = record.at_ms.map_or_else(|| "at an unknown time".to_owned(), stamp::of_unix_ms);
    let image = if record.exe.is_empty() { "a program".to_owned() } else { record.exe.escaped() };
    let number_of = match pid {
        Some(pid) => format!("pid {pid}"),
        None => format!("pid {} of the host", record.pid),
    };
    format!(
        "#{number}  {time}  {times}{}(...)  -> ran, and was logged\n    by    {image} ({}, {number_of})\n",
        named(record.syscall),
        record.comm
    )
}

/// More of what was told.
pub(super) fn repeated(number: u64, more: u64, count: u64, processes: u64) -> String {
    let by = if processes > 1 { format!(", by {processes} processes") } else { String::new() };
    format!("#{number}  {more} more, {count} in all{by}\n")
}

/// The end of the process whose call was told; nothing where that says nothing.
pub(super) fn ended(number: u64, after: Duration) -> Option<String> {
    (after < SOON).then(|| format!("#{number}  its process ended {} later\n", duration_in_words(after)))
}

/// What the whole came to, in one sentence.
pub(super) fn summary(totals: Totals, logged: u64) -> String {
    let mut text = if totals.denied == 0 {
        "No call was seen refused".to_owned()
    } else {
        format!("{} refused, of {}", counted(totals.denied, "call"), counted(totals.denials, "kind"))
    };
    if totals.emulated > 0 {
        write!(text, "; {} answered by a supervisor or tracer", counted(totals.emulated, "call"))
            .unwrap_or_default();
    }
    if logged > 0 {
        write!(text, "; {} ran and logged", counted(logged, "call")).unwrap_or_default();
    }
    text
}

fn named(syscall: Syscall) -> String {
    let native = syscall.abi.arch().native_abi();
    if syscall.abi == native { syscall.to_string() } else { format!("{}: {syscall}", syscall.abi) }
}

fn call_in_words(refused: &Refused) -> String {
    if has_no_number(refused) {
        return "a call whose number its tracer replaced".to_owned();
    }
    call::in_words(&refused.call)
}

/// Whether a tracer made the number -1, so that no call is made; no rule is about that.
fn has_no_number(refused: &Refused) -> bool {
    refused.traced && refused.call.syscall.nr == u32::MAX
}

/// What came of it, and from whom.
fn answer_in_words(seen: &Seen) -> String {
    let value = match seen.refused.outcome {
        Outcome::Returned(value) => match value.checked_neg().and_then(|value| u16::try_from(value).ok()) {
            Some(number) if (1..=4095).contains(&number) => errno::name_or_number(number),
            _ => value.to_string(),
        },
        Outcome::Trapped | Outcome::KilledProcess | Outcome::KilledThread => "SIGSYS".to_owned(),
    };
    match seen.judgement.verdict {
        Verdict::Denied { action: Action::Notify, by: By::Filter } => {
            format!("notify: {value}, since there is no supervisor")
        }
        Verdict::Denied { action: action @ Action::Trace(_), by: By::Filter } => {
            format!("{action}: {value}, since there is no tracer")
        }
        Verdict::Denied { action, by: By::Filter } => action.to_string(),
        Verdict::Denied { action, by } => format!("{action}: {value}, by its {}", by.name()),
        Verdict::Emulated { by } => format!("{value}, by its {} in its place", by.name()),
        Verdict::Probe | Verdict::BrokenOff | Verdict::NotRefused => value,
    }
}

fn caller_in_words(refused: &Refused) -> String {
    let image = if refused.image.is_empty() { "a program".to_owned() } else { refused.image.escaped() };
    // Numbers are those that we see; one in brackets, where there is none, is the host's.
    let number = |ours: Option<u32>, host: Option<u32>| match (ours, host) {
        (Some(pid), _) => pid.to_string(),
        (None, Some(pid)) => format!("({pid})"),
        (None, None) => "?".to_owned(),
    };
    let tree = if refused.ancestry.is_empty() {
        process_in_words(&refused.comm, &number(refused.tgid, Some(refused.host_tgid)))
    } else {
        ancestry_in_words(&refused.ancestry, |process| number(process.tgid, process.host_tgid))
    };
    format!("{image} ({tree})")
}

fn place_in_words(cgroup: &ByteString, place: &Place) -> Option<String> {
    let mut words = Vec::new();
    if let Some(container) = &place.container {
        let escaped = |text: &str| ByteString::from(text).escaped();
        let id = escaped(container.id.get(..12).unwrap_or(&container.id));
        let names: Vec<String> = container.names.iter().map(|name| escaped(name)).collect();
        words.push(if names.is_empty() {
            format!("container {id}")
        } else {
            format!("container {id} ({})", names.join(" "))
        });
    }
    if let Some(unit) = &place.unit {
        words.push(format!("unit {}", ByteString::from(unit.as_str())));
    }
    // The place says more of a cgroup than its path, which is long.
    if words.is_empty() && !matches!(cgroup.as_bytes(), b"" | b"/") {
        words.push(format!("cgroup {cgroup}"));
    }
    (!words.is_empty()).then(|| words.join(", "))
}

fn rule_in_words(seen: &Seen) -> String {
    let syscall = seen.refused.call.syscall;
    rule::when(&format!("allow {}", named(syscall)), &rule::conditions(syscall, &seen.rule.conditions))
}

/// What the policy says, and the lines that would change that.
fn suggestion_in_words(suggestion: &Suggestion) -> Vec<String> {
    let Suggestion { policy, says, action, at, lines } = suggestion;
    let first = match (says, at) {
        (Says::Allows, Some(at)) => {
            format!("the rule at {at} allows it already: the process runs under another profile")
        }
        (Says::Allows, None) => {
            format!("{policy} allows it already ({action}): the process runs under another profile")
        }
        (Says::Refuses, Some(at)) => {
            format!("the rule at {at} refuses it ({action}); to allow it, before that rule:")
        }
        (Says::Refuses | Says::Lacks, _) => {
            format!("{policy} has no rule for it ({action}); to allow it, add:")
        }
    };
    let lines = lines.iter().flat_map(|lines| lines.lines().map(str::to_owned));
    std::iter::once(first).chain(lines).collect()
}

fn duration_in_words(duration: Duration) -> String {
    if duration < SOON {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}
