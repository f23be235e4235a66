//! A place in code: the file, where in it, and, once that was looked up, in which function.

use std::fmt;

use sandprint_model::ByteString;

/// Where in a file a call is made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code {
    /// The file's path, as its process sees it.
    pub module: ByteString,
    /// Its inode's number.
    pub inode: u64,
    /// Where in the file, in bytes: just behind the instruction that made the call.
    pub offset: u64,
}

impl Code {
    /// The same place, with the function there.
    pub fn within(self, function: Option<String>) -> Location {
        Location { code: self, function }
    }
}

/// A place in code, with its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The place.
    pub code: Code,
    /// The function there, where the file has a symbol for it.
    pub function: Option<String>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Code { module, offset, .. } = &self.code;
        match &self.function {
            Some(function) => write!(f, "{function} in {module} (offset {offset:#x})"),
            None => write!(f, "{module} (offset {offset:#x})"),
        }
    }
}
