//! Durations as people write them: `500ms`, `30s`, `5m`, `1h`; a plain number counts seconds.

use std::time::Duration;

/// Longer than any recording, and short enough for every clock and timer: ten years.
const LONGEST: Duration = Duration::from_hours(10 * 366 * 24);

/// Reads a duration of at least a millisecond. Decimals are fine: `1.5s`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "ms" => Some(0.001),
        "s" | "" => Some(1.0),
        "m" | "min" => Some(60.0),
        "h" => Some(3600.0),
        "d" => Some(86_400.0),
        _ => None,
    };
    let (Some(seconds), Ok(value)) = (seconds, number.parse::<f64>()) else {
        return Err("expected something like 500ms, 30s, 5m or 1h".to_owned());
    };
    match Duration::try_from_secs_f64(value * seconds) {
        Ok(duration) if duration < Duration::from_millis(1) => Err("must be at least 1ms".to_owned()),
        Ok(duration) if duration <= LONGEST => Ok(duration),
        _ => Err("must be at most ten years".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("30", 30_000),
            ("1.5s", 1500),
            ("5m", 300_000),
            ("5min", 300_000),
            ("1h", 3_600_000),
            ("2d", 172_800_000),
            ("1ms", 1),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "s",
            ".",
            ".s",
            "1.2.3s",
            "-1s",
            "+1s",
            "1 s",
            "1w",
            "0",
            "0s",
            "0.1ms",
            "inf",
            "nan",
            "1e3",
            "99999999d",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
