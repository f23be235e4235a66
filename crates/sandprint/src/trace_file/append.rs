//! `--append`: merging into a trace that others may append to at the same time.
//!
//! The lock is flock(2) on the trace itself, not on a second file that would stay behind. Since the file
//! is replaced under the lock, a lock counts only when the path still names the locked file; otherwise
//! somebody else was faster, and the new file is locked. A first writer makes the file by a step that
//! fails when another was first.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use sandprint_model::Trace;

use super::{Privacy, TraceOutputError, WriteError, atomic, encode, read};
use crate::output;

/// How long to wait for other writers, each of whom needs milliseconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// Merges a recording into the trace at the path, or makes the file.
pub(super) fn append(path: &Path, recording: &Trace) -> Result<(), TraceOutputError> {
    loop {
        let Some(file) = open(path)? else {
            if atomic::create(path, encode(recording).as_bytes(), Privacy::Private)? {
                return Ok(());
            }
            continue;
        };
        lock(&file, path, PATIENCE)?;
        if !is_current(&file, path) {
            continue;
        }
        let mut trace = read::read_open(&file, path).map_err(TraceOutputError::Read)?;
        trace.merge(recording.clone());
        atomic::replace(path, encode(&trace).as_bytes(), Privacy::Private)?;
        return Ok(());
    }
}

/// Opens the trace; `None` where there is none. Also for writing, without which network file systems
/// give no exclusive lock (flock(2)).
fn open(path: &Path) -> Result<Option<File>, WriteError> {
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(WriteError::Open { path: path.to_owned(), source }),
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

/// Whether the path still names this file.
fn is_current(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
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

    #[test]
    fn a_replaced_file_is_not_taken_for_the_current_one() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("t");
        fs::write(&path, "a").unwrap();
        let file = File::open(&path).unwrap();
        assert!(is_current(&file, &path));
        fs::rename(&path, scratch.path().join("old")).unwrap();
        assert!(!is_current(&file, &path));
        fs::write(&path, "b").unwrap();
        assert!(!is_current(&file, &path));
    }
}
