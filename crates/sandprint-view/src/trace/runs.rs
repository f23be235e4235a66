//! A trace's runs, in plain words.

use std::fmt::Write;

use sandprint_model::{ByteString, Exit, Run, Trace};

use crate::count::counted;
use crate::time;

/// How many runs are told one by one.
const TOLD: usize = 20;

/// A line for each run, for the first ones of many.
pub(super) fn words(trace: &Trace, all: bool) -> String {
    let told = if all { usize::MAX } else { TOLD };
    if trace.runs.is_empty() {
        return String::new();
    }
    let count = trace.runs.len();
    let mut out = format!("{}:\n", counted(count, "run"));
    let mut runs: Vec<&Run> = trace.runs.values().collect();
    runs.sort_by_key(|run| run.started_unix_ms);
    for run in runs.iter().take(told) {
        writeln!(out, "  - {}", sentence(run)).unwrap_or_default();
    }
    if count > told {
        writeln!(out, "  - and {} more", count.saturating_sub(told)).unwrap_or_default();
    }
    out
}

/// What ran, when, for how long, how it ended, and what recorded it where.
fn sentence(run: &Run) -> String {
    let mut parts = vec![subject(run)];
    if let Some(started) = run.started_unix_ms {
        parts.push(format!("at {}", time::date(started)));
    }
    if let Some(duration) = run.duration_ms {
        parts.push(format!("for {}", time::duration(duration)));
    }
    match run.exit {
        Some(Exit::Code(code)) => parts.push(format!("exit status {code}")),
        Some(Exit::Signal(signal)) => parts.push(format!("ended by signal {signal}")),
        None => {}
    }
    let host = run.host.as_ref().map(|host| format!(" on {} {}", ByteString::from(&*host.kernel), host.arch));
    parts.push(format!("recorded by {}{}", run.recorder.name(), host.unwrap_or_default()));
    parts.join(", ")
}

/// What ran: the run's name, and its command or what was attached to.
pub(super) fn subject(run: &Run) -> String {
    let what = match (&run.target, run.command.is_empty()) {
        (_, false) => command_line(&run.command),
        (Some(target), true) => ByteString::from(&**target).escaped(),
        (None, true) => "(command not recorded)".to_owned(),
    };
    match &run.name {
        Some(name) => format!("{}: {what}", ByteString::from(&**name)),
        None => what,
    }
}

/// The command as one could type it, as far as that is readable: words with spaces in quotes, and the
/// escapes of [`ByteString`].
fn command_line(command: &[ByteString]) -> String {
    let words: Vec<String> = command
        .iter()
        .map(|word| {
            let word = word.escaped();
            let plain = |c: char| c.is_alphanumeric() || "-_=+,./:@%^".contains(c);
            if !word.is_empty() && word.chars().all(plain) {
                word
            } else {
                format!("'{}'", word.replace('\'', "'\\''"))
            }
        })
        .collect();
    words.join(" ")
}
