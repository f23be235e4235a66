//! A thread of an strace log: what it is in the middle of, and how far it has come.

use super::line::{self, Call};
use crate::{Abi, ByteString};

/// A thread, named by its id.
pub(super) struct Thread<'l> {
    /// Its current segment.
    pub segment: usize,
    /// The ABI that was announced for it.
    pub spoken: Option<Abi>,
    pub pending: Option<Pending<'l>>,
    pub ending: Ending,
    /// Whether it has called `exit_group`, which ends its process.
    pub left_group: bool,
    /// The segment that it began with, as long as its parent is not known.
    pub unexplained: Option<usize>,
}

/// How far a thread has come.
#[derive(PartialEq, Eq, Clone, Copy)]
pub(super) enum Ending {
    /// It lives.
    None,
    /// It has called exit.
    Called,
    /// The log shows its end.
    Seen,
}

/// A call that has been entered and has not ended, as far as its end matters.
pub(super) struct Pending<'l> {
    pub name: &'l [u8],
    /// For execve: what it will run.
    pub exec: Option<Exec>,
    /// For clone: whether it makes a thread.
    pub is_thread: bool,
    /// The segment that made it.
    pub segment: usize,
}

/// What execve was asked to run.
pub(super) struct Exec {
    pub path: ByteString,
    pub arguments: Vec<ByteString>,
}

/// What a child inherits.
#[derive(Clone, Copy)]
pub(super) struct Parent {
    pub segment: usize,
    pub is_thread: bool,
    pub spoken: Option<Abi>,
    /// Whether the child has been seen.
    pub seen: bool,
}

pub(super) fn is_clone(name: &[u8]) -> bool {
    matches!(name, b"clone" | b"clone3" | b"fork" | b"vfork")
}

/// What a call of execve or execveat asks to run. An unreadable path is an unknown image.
pub(super) fn exec_of(call: &Call<'_>) -> Option<Exec> {
    let text = match call.name {
        b"execve" => call.text,
        b"execveat" => call.text.get(line::find(call.text, b", ")? + 2..)?,
        _ => return None,
    };
    let (mut path, rest) = line::c_string(text).unwrap_or_default();
    if path.is_empty()
        && let Some(start) = line::find(call.text, b"<")
        && let Some(end) = line::find(call.text, b">, ")
        && let Some(behind) = call.text.get(start + 1..end)
    {
        // execveat(3</usr/bin/true>, "", ...): the descriptor's path, which -y gives.
        path = ByteString::new(behind);
    }
    let arguments = rest.strip_prefix(b", ").and_then(line::c_strings).unwrap_or_default();
    Some(Exec { path, arguments })
}
