//! A day: when a decision was made.

use std::fmt;
use std::str::FromStr;

/// A day of the proleptic Gregorian calendar, in UTC, from 1970 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// The day on which a time falls, in milliseconds since 1970-01-01T00:00:00Z; the last day of 9999 for any later.
    pub fn from_unix_ms(ms: u64) -> Date {
        let mut left = ms / (24 * 60 * 60 * 1000);
        for year in 1970..=9999 {
            let days = if is_leap(year) { 366 } else { 365 };
            if left >= days {
                left -= days;
                continue;
            }
            for month in 1..=12 {
                let days = u64::from(days_of(year, month));
                if left < days {
                    let day = u8::try_from(left + 1).unwrap_or(1);
                    return Date { year, month, day };
                }
                left -= days;
            }
        }
        Date { year: 9999, month: 12, day: 31 }
    }
}

fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of(year: u16, month: u8) -> u8 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// The text is no day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no day (expected something like 2026-11-22)")]
pub struct ParseDateError(String);

impl FromStr for Date {
    type Err = ParseDateError;

    fn from_str(text: &str) -> Result<Date, ParseDateError> {
        let error = || ParseDateError(text.chars().take(80).collect());
        let number = |from: usize, to: usize| -> Option<u16> {
            let digits = text.get(from..to)?;
            digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
        };
        let narrow = |value: Option<u16>| value.and_then(|value| u8::try_from(value).ok());
        let parts = (number(0, 4), narrow(number(5, 7)), narrow(number(8, 10)));
        let (Some(year), Some(month), Some(day)) = parts else { return Err(error()) };
        let date = Date { year, month, day };
        let possible = year >= 1970 && (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
        // What is between the numbers is held by writing it again.
        if possible && date.to_string() == text { Ok(date) } else { Err(error()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (ms, expected) in [
            (0, "1970-01-01"),
            (86_399_999, "1970-01-01"),
            (86_400_000, "1970-01-02"),
            (951_782_400_000, "2000-02-29"),
            (1_795_305_600_000, "2026-11-22"),
            (4_107_542_400_000, "2100-03-01"),
            (u64::MAX, "9999-12-31"),
        ] {
            let date = Date::from_unix_ms(ms);
            assert_eq!(date.to_string(), expected);
            assert_eq!(expected.parse(), Ok(date));
        }
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in
            ["", "2026", "2026-2-3", "2026-02-29", "2026-13-01", "2026-00-10", "2026-01-00", "1969-12-31"]
        {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
        for text in ["2026/01/01", "2026-01-011", "+026-01-01", "２026-01-01", "2026-01-1é"] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }
}
