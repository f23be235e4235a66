//! Signals that wait: while a file is written, and those that a limit of ours would send.

use std::io;

use super::{NOT_TAKEN, Signal, SignalSet, sys};

/// The signals of this thread wait until this is dropped, and then do what they do.
///
/// For work that must not stop in the middle. What nothing can hold, and faults of our own code, are not held.
#[derive(Debug)]
pub struct Held {
    previous: SignalSet,
}

/// Has signals wait.
pub fn hold() -> io::Result<Held> {
    sys::block(SignalSet::ALL.without(NOT_TAKEN)).map(|previous| Held { previous })
}

impl Drop for Held {
    fn drop(&mut self) {
        // It cannot fail with a valid operation and an address of ours, and a destructor has nobody to tell.
        sys::set_mask(self.previous).unwrap_or_default();
    }
}

/// Has a write beyond `RLIMIT_FSIZE` fail with EFBIG, where SIGXFSZ would end this process in the middle of it.
///
/// A workload started by [`launch`](crate::launch) gets the disposition that we were given.
pub fn ignore_file_size_signal() -> io::Result<()> {
    const XFSZ: Signal = Signal(25);
    sys::ignore(XFSZ)
}
