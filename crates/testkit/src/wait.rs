//! Waiting for what has to come: events decide tests, never times.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take before its test fails: much longer than a busy machine needs, so it is for what hangs.
pub const DEADLINE: Duration = Duration::from_mins(10);

/// How often it is looked for.
const PAUSE: Duration = Duration::from_millis(3);

/// Waits until something is there.
///
/// # Panics
///
/// If it is not there in time.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(DEADLINE, look).unwrap_or_else(|| panic!("{what}: not within {DEADLINE:?}"))
}

/// Waits until something is so.
///
/// # Panics
///
/// If it is not so in time.
pub fn until_so(what: &str, mut is_so: impl FnMut() -> bool) {
    until(what, || is_so().then_some(()));
}

/// What is there in this time. `None` must decide nothing but what is tried next.
pub fn within<T>(time: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if begin.elapsed() >= time {
            return None;
        }
        thread::sleep(PAUSE);
    }
}

/// Tests a time limit of ours that is to be up only once a command is ready: `attempt` is given a limit, and says by
/// `None` that the command was not. Then it is tried with a limit that is twice as long.
///
/// # Panics
///
/// If no limit is long enough.
pub fn long_enough<T>(first: Duration, mut attempt: impl FnMut(Duration) -> Option<T>) -> T {
    let mut limit = first;
    loop {
        if let Some(done) = attempt(limit) {
            return done;
        }
        limit *= 2;
        assert!(limit < DEADLINE, "not ready within {limit:?}");
    }
}
