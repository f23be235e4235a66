//! Trace files: reading what may be anything, writing so that nobody ever sees half of one.
//!
//! - [`read()`] takes a trace from a file, or from standard input for `-`.
//! - [`Destination`] says where output goes: a file, a device or pipe, or standard output.
//! - [`TraceOutput`] is a destination for one recording: checked before it begins, written when it ends,
//!   with `--append` merged into what is there.
//!
//! A file is replaced in one step by a complete one ([`atomic`]), so a failure leaves the old one as it
//! was. What is looked at is what is written ([`place`]); [`owner`] says whose it is then. Two writers that append to one file both get in ([`append`]).

mod append;
mod atomic;
mod content;
mod destination;
mod owner;
mod partial;
mod place;
mod read;
mod temporary;
mod write_error;

use std::path::{Path, PathBuf};

use sandprint_model::Trace;

use crate::exit::Deciding;

pub(crate) use atomic::Privacy;
pub(crate) use content::Content;
pub(crate) use destination::Destination;
pub(crate) use owner::{caller as sudo_caller, is_root};
pub(crate) use read::{ReadError, read, read_bytes, read_pieces};
pub(crate) use write_error::WriteError;

/// Where one recording goes.
#[derive(Debug)]
pub(crate) struct TraceOutput {
    destination: Destination,
    append: bool,
    /// Whether something was there before the recording began.
    replaces: bool,
}

/// A trace could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TraceOutputError {
    /// `--append` needs a file to merge into.
    #[error("cannot append to {}: it is not a regular file", crate::output::quote(.0))]
    NothingToAppendTo(PathBuf),
    /// The trace to append to could not be read.
    #[error("cannot append")]
    Read(#[source] ReadError),
    /// The output could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl TraceOutput {
    /// Finds out, before a workload is started, whether its trace can be written there.
    ///
    /// A file is tried by making a temporary one beside it; with `append`, what is there must be a trace.
    pub(crate) fn prepare(path: &Path, append: bool) -> Result<TraceOutput, TraceOutputError> {
        let destination = Destination::resolve(path)?;
        let mut replaces = false;
        if let Destination::File(file) = &destination {
            replaces = atomic::check(file)?;
            if append && replaces {
                read(file).map_err(TraceOutputError::Read)?;
            }
        } else if append {
            return Err(TraceOutputError::NothingToAppendTo(path.to_owned()));
        }
        Ok(TraceOutput { destination, append, replaces })
    }

    /// Whether the trace goes to a file, so that nobody is waited for when it is written.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.destination, Destination::File(_))
    }

    /// Whether the trace goes to standard output.
    pub(crate) fn is_stdout(&self) -> bool {
        matches!(self.destination, Destination::Stdout)
    }

    /// Where the trace goes, for a message.
    pub(crate) fn describe(&self) -> String {
        self.destination.describe()
    }

    /// Writes the trace, or merges it into the one that is there.
    ///
    /// Appending is a join: the run's end takes the place of a checkpoint of it that is there.
    pub(crate) fn write(&self, trace: &Trace) -> anyhow::Result<()> {
        match &self.destination {
            Destination::File(file) if self.append => append::append(file, trace)?,
            Destination::File(file) => {
                atomic::replace(file, trace, Privacy::Private)?;
                partial::remove(file);
            }
            other => other.write(trace, Privacy::Private)?,
        }
        Ok(())
    }

    /// Writes what is known so far, so that even SIGKILL costs little.
    ///
    /// It never replaces what was there before the recording began: then it goes beside it, with
    /// `.partial` at the end of its name, until [`TraceOutput::write`] removes it. With `--append` it is
    /// merged, which loses nothing. Devices and standard output get none.
    pub(crate) fn checkpoint(&self, trace: &Trace) -> anyhow::Result<()> {
        match &self.destination {
            Destination::File(file) if self.append => append::append(file, trace)?,
            Destination::File(file) => {
                if self.replaces {
                    partial::write(file, Content::Trace(trace))?;
                } else {
                    atomic::replace(file, trace, Privacy::Private)?;
                }
            }
            Destination::Stream(_) | Destination::Stdout => {}
        }
        Ok(())
    }
}

/// Where a command's output goes: to the file that was named, or else to standard output.
pub(crate) fn destination(path: Option<&Path>) -> Result<Destination, WriteError> {
    path.map_or(Ok(Destination::Stdout), Destination::resolve)
}

/// Standard input can be read once: `-` may stand for one of several traces.
pub(crate) fn stdin_once<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<(), Deciding> {
    if paths.into_iter().filter(|path| path.as_path() == Path::new("-")).count() > 1 {
        return Err(Deciding::usage(
            "standard input cannot be read more than once",
            "give `-` once, and files for the other traces",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
