//! How much a recording follows, as every recorder can tell.

/// The tasks of a recording, and whether it still brings something new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Followed {
    /// Tasks followed now.
    pub(crate) live: u64,
    /// Tasks ever followed.
    pub(crate) admitted: u64,
    /// When a call was first seen that was not seen before, nanoseconds of `CLOCK_MONOTONIC`; 0 for never.
    pub(crate) last_new_ns: u64,
}
