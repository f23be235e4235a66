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
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
        thread::sleep(PAUSE);
    }
}
