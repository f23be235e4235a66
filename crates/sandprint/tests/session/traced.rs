//! The ways of recording, and what a trace says of the workload.

use std::time::Duration;

use sandprint_model::Trace;

/// Both ways of keeping tasks, by their name in `SANDPRINT_TASKS`.
pub(crate) const WAYS: [&str; 2] = ["storage", "tid"];
/// Every way of recording a command: both, by notification, and by tracing.
pub(crate) const RUN_WAYS: [&str; 4] = ["storage", "tid", NOTIFY, PTRACE];
/// By notification.
pub(crate) const NOTIFY: &str = "notify";
/// By tracing.
pub(crate) const PTRACE: &str = "ptrace";

/// A time for an option.
pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

/// How often a call was made in all, by its name; numbers without one are `#number`.
pub(crate) fn count(trace: &Trace, call: &str) -> u64 {
    let of_name = |(syscall, count): (_, &u64)| {
        let syscall: &sandprint_model::Syscall = syscall;
        let name = syscall.name().map_or_else(|| format!("#{}", syscall.nr), ToString::to_string);
        (name == call).then_some(*count)
    };
    trace.totals().iter().filter_map(of_name).sum()
}

/// How often the workload's rare call was made.
pub(crate) fn rare(trace: &Trace) -> u64 {
    count(trace, "sched_get_priority_max")
}

/// The gaps of a trace, by name.
pub(crate) fn gaps(trace: &Trace) -> Vec<&str> {
    trace.gaps.keys().map(|gap| gap.kind.name()).collect()
}

/// The gaps of a trace that was recorded in this way, but for one that every recording by notification may have:
/// nobody counts how often signal handlers return.
pub(crate) fn gaps_by<'a>(way: &str, trace: &'a Trace) -> Vec<&'a str> {
    let mut gaps = gaps(trace);
    gaps.retain(|gap| way != NOTIFY || *gap != "counts-inexact");
    gaps
}
