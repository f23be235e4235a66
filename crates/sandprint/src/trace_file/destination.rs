//! Where output goes: a file, a device or pipe, or standard output.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use super::atomic::{self, Privacy};
use super::content::Content;
use super::place::{self, Found, Stream};
use super::write_error::WriteError;
use crate::output;

/// Where output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// Standard output: `-`, or one of its names under /dev and /proc.
    Stdout,
    /// A device, a pipe or an open file, such as /dev/null or a shell's `>(command)`: written as it is,
    /// for there is nothing to replace.
    Stream(PathBuf),
    /// A regular file, or one that is still to be made. What the path leads to is found anew when it is written.
    File(PathBuf),
}

impl Destination {
    /// Finds out what a path means.
    ///
    /// A symbolic link is followed, as a shell's `>` does: the file that it names is replaced and the
    /// link stays. What a careful kernel refuses in directories where everybody may make files is refused.
    pub(crate) fn resolve(path: &Path) -> Result<Destination, WriteError> {
        if path == Path::new("-") || is_stdout(path) {
            return Ok(Destination::Stdout);
        }
        match place::find(path)? {
            Found::File(_) => Ok(Destination::File(path.to_owned())),
            Found::Stream(_) => Ok(Destination::Stream(path.to_owned())),
        }
    }

    /// Writes the whole output there.
    pub(crate) fn write<'c>(&self, content: impl Into<Content<'c>>, privacy: Privacy) -> anyhow::Result<()> {
        let content = content.into();
        match self {
            Destination::Stdout => output::data_by(|out| content.write_to(out))?,
            Destination::Stream(path) => match place::find(path)? {
                Found::Stream(stream) => write_stream(path, &stream, content, privacy)?,
                Found::File(_) => return Err(WriteError::NotRegular(path.clone()).into()),
            },
            Destination::File(path) => atomic::replace(path, content, privacy)?,
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
fn write_stream(
    path: &Path,
    stream: &Stream,
    content: Content<'_>,
    privacy: Privacy,
) -> Result<(), WriteError> {
    if privacy == Privacy::Private && !stream.is_device {
        output::note(&format!(
            "{} is no file of ours: who reads it reads the trace, which holds command lines and paths",
            output::quote(path)
        ));
    }
    match stream.open().and_then(|file| content.write_to(file)) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|source| WriteError::write(path, source)),
    }
}

fn is_stdout(path: &Path) -> bool {
    ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn paths_mean_what_they_are() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("file");
        for (path, expected) in [
            (PathBuf::from("-"), Some(Destination::Stdout)),
            (PathBuf::from("/dev/stdout"), Some(Destination::Stdout)),
            (PathBuf::from("/dev/null"), Some(Destination::Stream("/dev/null".into()))),
            (file.clone(), Some(Destination::File(file))),
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
