//! Points in time, as log pipelines read them: RFC 3339, in UTC, to the millisecond.

use std::time::{SystemTime, UNIX_EPOCH};

use sandprint_model::Date;

/// A time before 1970 is shown as its begin.
pub(super) fn of(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    of_unix_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Of milliseconds since 1970.
pub(super) fn of_unix_ms(ms: u64) -> String {
    let second = ms / 1000 % 86_400;
    let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
    format!("{}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z", Date::from_unix_ms(ms), ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_full() {
        for (ms, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_317_671_620, "2026-11-22T03:21:11.620Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
        ] {
            assert_eq!(of_unix_ms(ms), expected);
            assert_eq!(of(UNIX_EPOCH + std::time::Duration::from_millis(ms)), expected);
        }
    }
}
