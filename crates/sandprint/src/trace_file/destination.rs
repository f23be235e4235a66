//! Where output goes: a file, a device or pipe, or standard output.

use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::atomic::{self, Privacy, WriteError};
use crate::output;

/// Where output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// Standard output: `-`, or one of its names under /dev and /proc.
    Stdout,
    /// A device, a pipe or an open file, such as /dev/null or a shell's `>(command)`: written as it is,
    /// for there is nothing to replace.
    Stream(PathBuf),
    /// A regular file, or one that is still to be made. Symbolic links have been followed.
    File(PathBuf),
}

impl Destination {
    /// Finds out what a path means.
    ///
    /// A symbolic link is followed, as a shell's `>` does: the file that it names is replaced and the
    /// link stays. Where the kernel does not let us follow it (`fs.protected_symlinks`, proc(5)), neither
    /// do we.
    pub(crate) fn resolve(path: &Path) -> Result<Destination, WriteError> {
        if path == Path::new("-") || is_stdout(path) {
            return Ok(Destination::Stdout);
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return Err(WriteError::Directory(path.to_owned())),
            Ok(metadata) if !metadata.is_file() => return Ok(Destination::Stream(path.to_owned())),
            Ok(_) if is_descriptor(path) => return Ok(Destination::Stream(path.to_owned())),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(WriteError::Open { path: path.to_owned(), source: error });
            }
            Ok(_) | Err(_) => {}
        }
        let file = follow(path)?;
        if file.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(WriteError::Directory(path.to_owned()));
        }
        Ok(Destination::File(file))
    }

    /// Writes the whole output there.
    pub(crate) fn write(&self, bytes: &[u8], privacy: Privacy) -> anyhow::Result<()> {
        match self {
            Destination::Stdout => output::data(bytes)?,
            Destination::Stream(path) => write_stream(path, bytes)?,
            Destination::File(path) => atomic::replace(path, bytes, privacy)?,
        }
        Ok(())
    }

    /// Whether it is a terminal, which shows binary data as rubbish, or obeys it.
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self, Destination::Stdout) && io::stdout().is_terminal()
    }

    /// For a message.
    pub(crate) fn describe(&self) -> String {
        match self {
            Destination::Stdout => "standard output".to_owned(),
            Destination::Stream(path) | Destination::File(path) => output::quote(path),
        }
    }
}

/// A reader that closes a named pipe early is no more of a failure than one of standard output.
fn write_stream(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let written = OpenOptions::new().write(true).open(path).and_then(|mut file| file.write_all(bytes));
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|source| WriteError::Write { path: path.to_owned(), source }),
    }
}

fn is_stdout(path: &Path) -> bool {
    ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name))
}

/// Whether the path names an open file descriptor: it has an owner already, so it is never replaced.
fn is_descriptor(path: &Path) -> bool {
    let Some(directory) = path.parent().and_then(|parent| fs::canonicalize(parent).ok()) else {
        return false;
    };
    directory.starts_with("/proc") && directory.ends_with("fd")
}

/// The path with the symbolic links at its end followed, also to a file that is not there yet.
fn follow(path: &Path) -> Result<PathBuf, WriteError> {
    // The kernel's own limit (path_resolution(7)).
    const LIMIT: usize = 40;
    let mut current = path.to_owned();
    for _ in 0..LIMIT {
        match fs::read_link(&current) {
            Ok(target) => current = current.parent().unwrap_or(Path::new("")).join(target),
            // Not a link (EINVAL), or not there.
            Err(_) => return Ok(current),
        }
    }
    Err(WriteError::Open { path: path.to_owned(), source: io::Error::from(io::ErrorKind::InvalidInput) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn paths_mean_what_they_are() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        fs::write(at("file"), "").unwrap();
        symlink("file", at("link")).unwrap();
        symlink("absent", at("dangling")).unwrap();
        symlink(at("link"), at("chain")).unwrap();
        symlink("loop", at("loop")).unwrap();
        let file = |name| Some(Destination::File(at(name)));
        for (path, expected) in [
            (PathBuf::from("-"), Some(Destination::Stdout)),
            (PathBuf::from("/dev/stdout"), Some(Destination::Stdout)),
            (PathBuf::from("/dev/null"), Some(Destination::Stream("/dev/null".into()))),
            (at("file"), file("file")),
            (at("absent"), file("absent")),
            (at("link"), file("file")),
            (at("chain"), file("file")),
            (at("dangling"), file("absent")),
            (at("loop"), None),
            (at("absent/"), None),
            (at("."), None),
            (scratch.path().to_owned(), None),
            (PathBuf::new(), None),
        ] {
            assert_eq!(Destination::resolve(&path).ok(), expected, "{}", path.display());
        }
    }

    #[test]
    fn an_open_descriptor_is_written_and_not_replaced() {
        use std::os::fd::AsRawFd;
        use std::os::unix::fs::MetadataExt;
        let scratch = tempfile::NamedTempFile::new().unwrap();
        let before = scratch.as_file().metadata().unwrap().ino();
        let path = PathBuf::from(format!("/dev/fd/{}", scratch.as_file().as_raw_fd()));
        let destination = Destination::resolve(&path).unwrap();
        assert_eq!(destination, Destination::Stream(path));
        destination.write(b"data", Privacy::Private).unwrap();
        assert_eq!(fs::read(scratch.path()).unwrap(), b"data");
        assert_eq!(fs::metadata(scratch.path()).unwrap().ino(), before);
    }
}
