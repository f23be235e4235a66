//! Points in time and durations, for people.

use sandprint_model::Date;

/// A point in time, in milliseconds since 1970 UTC, to the second.
pub(crate) fn date(unix_ms: u64) -> String {
    let second = unix_ms / 1000 % 86_400;
    let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
    format!("{} {hours:02}:{minutes:02}:{seconds:02} UTC", Date::from_unix_ms(unix_ms))
}

/// A duration in milliseconds, to three digits or so.
pub(crate) fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        1000..60_000 => format!("{seconds}.{} s", milliseconds / 100 % 10),
        60_000..3_600_000 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_around_leap_days() {
        // From `date -u -d @N`.
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (1_798_761_599, "2026-12-31 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(date(seconds * 1000 + 999), expected);
        }
        // A hostile trace may say anything.
        assert!(date(u64::MAX).ends_with(" UTC"));
    }

    #[test]
    fn durations_are_readable() {
        for (milliseconds, expected) in
            [(0, "0 ms"), (999, "999 ms"), (1234, "1.2 s"), (61_000, "1 min 1 s"), (7_260_000, "2 h 1 min")]
        {
            assert_eq!(duration(milliseconds), expected);
        }
    }
}
