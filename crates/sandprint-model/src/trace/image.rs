//! A program that ran in the observed tree.

use std::fmt;

use crate::ByteString;

/// An executable that ran in the observed tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Image {
    /// Its path as the workload saw it; for a script the interpreter's. Empty where it could not be read.
    pub path: ByteString,
    /// The GNU build id of the executable, in hexadecimal, where it has one that could be read.
    pub build_id: Option<String>,
    /// For a `#!` script: the script's path as it was given to execve.
    pub script: Option<ByteString>,
}

impl fmt::Display for Image {
    /// The path in its escaped form, and the script's where there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.script, self.path.is_empty()) {
            (_, true) => f.write_str("(unknown image)"),
            (None, false) => write!(f, "{}", self.path),
            (Some(script), false) => write!(f, "{} {script}", self.path),
        }
    }
}
