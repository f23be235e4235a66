//! The line that a terminal shows while something is recorded.

use std::fmt::Write;
use std::time::Duration;

use sandprint_record::session::Progress;

/// The line, without a newline and of at most `width` columns.
///
/// The time since the last new call is what tells when to stop exercising a workload.
pub(super) fn line(progress: Progress, width: usize) -> String {
    let calls = grouped(progress.calls);
    let mut text =
        format!("recording {}  {calls} calls  {} distinct", clock(progress.elapsed), progress.distinct);
    if let Some(since) = progress.since_new {
        write!(text, "  last new {} ago", clock(since)).unwrap_or_default();
    }
    // All of it is ASCII, so columns are bytes.
    text.truncate(width);
    text
}

/// Minutes and seconds, with hours where there are any.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours == 0 { format!("{minutes}:{seconds:02}") } else { format!("{hours}:{minutes:02}:{seconds:02}") }
}

/// A number with a comma between groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && digits.len().saturating_sub(index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_when_nothing_new_comes_any_more() {
        let progress = Progress {
            elapsed: Duration::from_secs(3725),
            calls: 1_234_567,
            distinct: 87,
            since_new: Some(Duration::from_secs(64)),
            live: 3,
        };
        assert_eq!(line(progress, 80), "recording 1:02:05  1,234,567 calls  87 distinct  last new 1:04 ago");
        assert_eq!(line(progress, 12), "recording 1:");
        let begun = Progress { elapsed: Duration::ZERO, calls: 0, distinct: 0, since_new: None, live: 1 };
        assert_eq!(line(begun, 80), "recording 0:00  0 calls  0 distinct");
    }

    #[test]
    fn numbers_are_grouped_by_three() {
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (123_456, "123,456"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(grouped(number), expected);
        }
    }
}
