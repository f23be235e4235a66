//! Where a call comes from: the processes down to the one that made it, and the code that did.
//!
//! A recorder finds it out, and so does a trial; a [`Denial`](crate::Denial) holds it.

use crate::ByteString;

/// A process above another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ancestor {
    /// Its number in the initial PID namespace; only the kernel tells it.
    pub host_tgid: Option<u32>,
    /// Its number in our PID namespace; none where it has none there.
    pub tgid: Option<u32>,
    /// The name of its main thread.
    pub comm: ByteString,
}

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
