//! Reading files that may be anything: bounded, and named in every error.

use std::fs::{self, File};
use std::io::{self, Read, Seek as _};
use std::path::{Path, PathBuf};

use sandprint_model::{Trace, wire};

use crate::file_kind::FileKind;
use crate::output::quote;

/// The largest trace that is read, in bytes. A trace of one run is some ten kilobytes; this holds
/// thousands of runs, and keeps a wrong file (a disk image, /dev/zero) from filling the memory.
pub(crate) const TRACE_LIMIT: u64 = 256 << 20;

/// From which size on a trace is read as it comes.
const AT_ONCE: u64 = 1 << 20;

/// How much of a recording of another tool is imported, in bytes: those hold every call. It is read piece by piece; the
/// limit is for what never ends.
const IMPORT_LIMIT: u64 = 64 << 30;
/// How much of it is read at a time.
const PIECE: usize = 256 << 10;

/// A file could not be read, or is no trace.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The file cannot be opened or read.
    #[error("failed to read {}", name(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The path is a directory.
    #[error("failed to read {}: it is a directory", name(.0))]
    Directory(PathBuf),
    /// The file holds nothing.
    #[error("failed to read {}: it is empty", name(.0))]
    Empty(PathBuf),
    /// The file is larger than anything that could be meant.
    #[error("failed to read {}: it is larger than {limit} bytes", name(path))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How much would have been read.
        limit: u64,
    },
    /// The file is of another kind.
    #[error("failed to read {} as a trace: it is {}", name(path), kind.noun())]
    OtherKind {
        /// The file.
        path: PathBuf,
        /// What it is.
        kind: FileKind,
    },
    /// The file holds no trace that this version can read.
    #[error("failed to read {} as a trace", name(path))]
    Decode {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: wire::DecodeError,
    },
}

/// Reads a trace from a file, or from standard input for `-`.
pub(crate) fn read(path: &Path) -> Result<Trace, ReadError> {
    if path == Path::new("-") {
        return decode(path, &read_bytes(path, TRACE_LIMIT)?);
    }
    read_open(&open(path)?, path)
}

/// Reads a trace from a file that is already open.
///
/// A large file is read as it comes. One of the usual size is faster read at once; so is what is no trace, to say what it
/// is, and what is no regular file, which cannot be read again.
pub(super) fn read_open(mut file: &File, path: &Path) -> Result<Trace, ReadError> {
    let error = |source| ReadError::Read { path: path.to_owned(), source };
    let about = file.metadata().map_err(error)?;
    if about.is_file() && (AT_ONCE..=TRACE_LIMIT).contains(&about.len()) {
        if let Ok(trace) = wire::read_trace(file).map_err(error)? {
            return Ok(trace);
        }
        file.rewind().map_err(error)?;
    }
    decode(path, &read_bounded(file, path, TRACE_LIMIT)?)
}

/// Reads a file, or standard input for `-`, of at most `limit` bytes.
pub(crate) fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    if path == Path::new("-") {
        return read_bounded(io::stdin().lock(), path, limit);
    }
    read_bounded(open(path)?, path, limit)
}

/// Reads a file, or standard input for `-`, piece by piece, until `take` refuses one.
pub(crate) fn read_pieces<E>(
    path: &Path,
    mut take: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<Result<(), E>, ReadError> {
    let error = |source| ReadError::Read { path: path.to_owned(), source };
    let mut source: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin().lock()) } else { Box::new(open(path)?) };
    let mut piece = vec![0; PIECE];
    let mut length: u64 = 0;
    loop {
        let count = match source.read(&mut piece) {
            Ok(count) => count,
            Err(interrupted) if interrupted.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(error(source)),
        };
        if count == 0 {
            return if length == 0 { Err(ReadError::Empty(path.to_owned())) } else { Ok(Ok(())) };
        }
        length += u64::try_from(count).unwrap_or(u64::MAX);
        if length > IMPORT_LIMIT {
            return Err(ReadError::TooLarge { path: path.to_owned(), limit: IMPORT_LIMIT });
        }
        if let Err(refused) = take(piece.get(..count).unwrap_or_default()) {
            return Ok(Err(refused));
        }
    }
}

/// Opens what is no directory.
fn open(path: &Path) -> Result<File, ReadError> {
    let error = |source| ReadError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(error)?;
    if file.metadata().is_ok_and(|metadata: fs::Metadata| metadata.is_dir()) {
        return Err(ReadError::Directory(path.to_owned()));
    }
    Ok(file)
}

fn read_bounded(source: impl Read, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    let mut bounded = source.take(limit.saturating_add(1));
    bounded.read_to_end(&mut bytes).map_err(|source| ReadError::Read { path: path.to_owned(), source })?;
    if bounded.limit() == 0 {
        return Err(ReadError::TooLarge { path: path.to_owned(), limit });
    }
    if bytes.is_empty() {
        return Err(ReadError::Empty(path.to_owned()));
    }
    Ok(bytes)
}

fn decode(path: &Path, bytes: &[u8]) -> Result<Trace, ReadError> {
    wire::decode_trace(bytes).map_err(|source| match (&source, FileKind::of(bytes)) {
        // What is JSON says by itself what it is.
        (wire::DecodeError::Syntax { .. }, Some(kind))
            if !matches!(kind, FileKind::OtherJson | FileKind::Trace) =>
        {
            ReadError::OtherKind { path: path.to_owned(), kind }
        }
        (_, Some(kind)) if kind.is_unread_json() => ReadError::OtherKind { path: path.to_owned(), kind },
        _ => ReadError::Decode { path: path.to_owned(), source },
    })
}

fn name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { quote(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit_and_not_beyond() {
        let read = |bytes: &[u8], limit| read_bounded(bytes, Path::new("x"), limit);
        assert_eq!(read(b"abc", 3).unwrap(), b"abc");
        assert!(matches!(read(b"abcd", 3), Err(ReadError::TooLarge { limit: 3, .. })));
        assert!(matches!(read(b"", 3), Err(ReadError::Empty(_))));
        let endless = read_bounded(io::repeat(0), Path::new("x"), 1000);
        assert!(matches!(endless, Err(ReadError::TooLarge { limit: 1000, .. })));
    }
}
