//! The time of an strace log, whichever way its lines tell it.

use super::line::Time;

/// The time of the log: nanoseconds since its first line, as far as its lines say.
#[derive(Debug, Default)]
pub(super) struct Clock {
    first: Option<Time>,
    now: Option<u64>,
    latest: u64,
}

impl Clock {
    pub(super) fn advance(&mut self, time: Option<Time>) {
        const DAY: u64 = 24 * 3600 * 1_000_000_000;
        let Some(time) = time else { return };
        let first = *self.first.get_or_insert(time);
        let now = match (first, time) {
            (Time::Unix(first), Time::Unix(time)) => time.saturating_sub(first),
            (Time::OfDay(first), Time::OfDay(time)) => {
                // The time of day begins anew at midnight. Lines of several threads may step back a little,
                // but not by half a day.
                let last = first.saturating_add(self.latest);
                let today = (last / DAY * DAY).saturating_add(time);
                let is_past_midnight = today.saturating_add(DAY / 2) < last;
                let now = if is_past_midnight { today.saturating_add(DAY) } else { today };
                now.saturating_sub(first)
            }
            (Time::SinceLast(_), Time::SinceLast(step)) if self.now.is_some() => {
                self.latest.saturating_add(step)
            }
            _ => self.latest,
        };
        self.now = Some(now);
        self.latest = self.latest.max(now);
    }

    pub(super) fn now(&self) -> Option<u64> {
        self.now
    }

    pub(super) fn duration_ms(&self) -> Option<u64> {
        self.now.map(|_| self.latest / 1_000_000)
    }

    pub(super) fn started_unix_ms(&self) -> Option<u64> {
        match self.first {
            Some(Time::Unix(first)) => Some(first / 1_000_000),
            _ => None,
        }
    }
}
