//! `--append`: merging into a trace that others may append to at the same time.
//!
//! The lock is flock(2) on the trace itself, not on a second file that would stay behind. Since the file
//! is replaced under the lock, a lock counts only when the path still names the locked file; otherwise
//! somebody else was faster, and the new file is locked. A first writer makes the file by a step that
//! fails when another was first.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use sandprint_model::Trace;

use super::{Privacy, TraceOutputError, WriteError, atomic, read};
use crate::output;

/// How long to wait for other writers, each of whom needs milliseconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// Merges a recording into the trace at the path, or makes the file.
pub(super) fn append(path: &Path, recording: &Trace) -> Result<(), TraceOutputError> {
    loop {
        let place = atomic::place_of(path)?;
        if place.existing.is_none() {
            if atomic::create(&place, recording, Privacy::Private)? {
                return Ok(());
            }
            continue;
        }
        // Also for writing, without which network file systems give no exclusive lock (flock(2)).
        let Some(file) = place.open(OFlags::RDWR)? else { continue };
        lock(&file, path, PATIENCE)?;
        if !place.is_still(&file) {
            continue;
        }
        let mut trace = read::read_open(&file, path).map_err(TraceOutputError::Read)?;
        trace.merge(recording.clone());
        if atomic::put(&place, &trace, Privacy::Private)? {
            return Ok(());
        }
    }
}

/// Locks the file against other writers. The lock ends with the file's last descriptor.
fn lock(file: &File, path: &Path, patience: Duration) -> Result<(), WriteError> {
    let begun = Instant::now();
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => {
                return Err(WriteError::Open { path: path.to_owned(), source });
            }
        }
        if begun.elapsed() >= patience {
            return Err(WriteError::Locked { path: path.to_owned(), seconds: patience.as_secs() });
        }
        if !told && begun.elapsed() >= Duration::from_secs(2) {
            told = true;
            output::talk(&format!("Waiting for another process to finish with {}.", output::quote(path)));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_never_given_back_is_an_error_and_not_a_hang() {
        let scratch = tempfile::NamedTempFile::new().unwrap();
        let holder = File::open(scratch.path()).unwrap();
        holder.lock().unwrap();
        let waiter = File::open(scratch.path()).unwrap();
        let result = lock(&waiter, scratch.path(), Duration::from_millis(50));
        assert!(matches!(result, Err(WriteError::Locked { .. })), "{result:?}");
        drop(holder);
        lock(&waiter, scratch.path(), Duration::from_millis(50)).unwrap();
    }
}
