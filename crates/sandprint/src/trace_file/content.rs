//! What is written to a file: bytes, or a trace that is written as it comes.

use std::io::{self, BufWriter, Write};

use sandprint_model::{Trace, wire};

/// What is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Content<'c> {
    /// These bytes.
    Bytes(&'c [u8]),
    /// A trace. Its text may be larger than the memory that it would need.
    Trace(&'c Trace),
}

impl Content<'_> {
    /// Writes all of it.
    pub(crate) fn write_to(self, mut out: impl Write) -> io::Result<()> {
        match self {
            Content::Bytes(bytes) => out.write_all(bytes).and_then(|()| out.flush()),
            Content::Trace(trace) => wire::write_trace(trace, BufWriter::with_capacity(64 << 10, out)),
        }
    }

    /// How many bytes it is.
    pub(super) fn length(self) -> io::Result<u64> {
        let mut counted = Counted(0);
        self.write_to(&mut counted)?;
        Ok(counted.0)
    }
}

/// Counts what is written to it.
struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += u64::try_from(bytes.len()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'c> From<&'c [u8]> for Content<'c> {
    fn from(bytes: &'c [u8]) -> Content<'c> {
        Content::Bytes(bytes)
    }
}

impl<'c, const N: usize> From<&'c [u8; N]> for Content<'c> {
    fn from(bytes: &'c [u8; N]) -> Content<'c> {
        Content::Bytes(bytes)
    }
}

impl<'c> From<&'c Trace> for Content<'c> {
    fn from(trace: &'c Trace) -> Content<'c> {
        Content::Trace(trace)
    }
}

impl<'c> From<&'c Vec<u8>> for Content<'c> {
    fn from(bytes: &'c Vec<u8>) -> Content<'c> {
        Content::Bytes(bytes)
    }
}
