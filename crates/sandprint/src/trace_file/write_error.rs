//! Why output could not be written. What was there before is still there.

use std::io;
use std::path::{Path, PathBuf};

use crate::output::quote;

/// Output could not be written. What was there before is still there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// The path is a directory.
    #[error("failed to write {}: it is a directory", quote(.0))]
    Directory(PathBuf),
    /// The file is there and nobody may write it.
    #[error("failed to write {}: it is write-protected", quote(.0))]
    Protected(PathBuf),
    /// What is there is neither ours nor the directory's owner's, and others may make files there.
    #[error(
        "failed to write {}: it is a {what} of user {owner}, in a directory where everybody may make files",
        quote(path)
    )]
    Foreign {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
        /// Whose it is.
        owner: u32,
    },
    /// There was a regular file, or none, when it was looked at first.
    #[error("failed to write {}: it is no regular file any more", quote(.0))]
    NotRegular(PathBuf),
    /// The path cannot be looked at, or the file cannot be opened.
    #[error("failed to open {} for writing", quote(path))]
    Open {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No file can be made in the directory.
    #[error("failed to create a file in {}", quote(directory))]
    Create {
        /// The directory.
        directory: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The content cannot be written.
    #[error("failed to write {}", quote(path))]
    Write {
        /// The path that was asked for.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Other writers hold the lock for too long.
    #[error("failed to lock {}: another process has held it for {seconds} seconds", quote(path))]
    Locked {
        /// The path that was asked for.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
}

impl WriteError {
    pub(super) fn open(path: &Path, source: io::Error) -> WriteError {
        WriteError::Open { path: path.to_owned(), source }
    }

    pub(super) fn write(path: &Path, source: io::Error) -> WriteError {
        WriteError::Write { path: path.to_owned(), source }
    }

    pub(super) fn create(directory: &Path, source: io::Error) -> WriteError {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        WriteError::Create { directory: directory.to_owned(), source }
    }

    pub(super) fn foreign(path: &Path, what: &'static str, owner: u32) -> WriteError {
        WriteError::Foreign { path: path.to_owned(), what, owner }
    }
}
