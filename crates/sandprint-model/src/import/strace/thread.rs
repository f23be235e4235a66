//! A thread of an strace log: what it is in the middle of, and how far it has come.

use std::borrow::Cow;

use super::called::Called;
use super::held::{Held, Shares};
use super::line::{self, Call};

use super::start::Sign;
use crate::{Abi, ByteString};

/// A thread, named by its id.
#[derive(Debug)]
pub(super) struct Thread {
    /// Its current segment.
    pub segment: usize,
    /// The ABI that was announced for it.
    pub spoken: Option<Abi>,
    pub pending: Option<Pending>,
    pub ending: Ending,
    /// Whether it has called `exit_group`, which ends its process.
    pub left_group: bool,
    /// What it holds open, and where it is; none where it has ended.
    pub held: Option<Held>,
    /// The segment that it began with, as long as its parent is not known.
    pub unexplained: Option<usize>,
}

/// How far a thread has come.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum Ending {
    /// It lives.
    None,
    /// It has called exit.
    Called,
    /// The log shows its end.
    Seen,
}

/// A call that has been entered and has not ended, as far as its end matters.
#[derive(Debug)]
pub(super) struct Pending {
    /// The call. One that only its end shows has been counted as none.
    pub called: Called,
    pub effect: Effect,
    /// The segment that made it.
    pub segment: usize,
    /// The text of its arguments so far; none where that is not there, or too long.
    pub begun: Option<Box<[u8]>>,
}

impl Pending {
    /// The text of its arguments and its end, which comes with this. None where its beginning is not there.
    pub(super) fn with<'t>(&self, rest: &'t [u8]) -> Option<Cow<'t, [u8]>> {
        match self.begun.as_deref()? {
            b"" => Some(Cow::Borrowed(rest)),
            begun => Some(Cow::Owned([begun, rest].concat())),
        }
    }
}

/// What comes of a call if it succeeds, as far as that matters.
#[derive(Debug)]
pub(super) enum Effect {
    Nothing,
    /// execve: the program of that path runs, if the log has told it.
    Exec(Option<ByteString>),
    /// clone and its relatives: a child, or a thread.
    Clone {
        is_thread: bool,
        shares: Shares,
    },
    /// `io_uring` is set up, with a kernel thread that submits by itself or without.
    Uring {
        polls: bool,
    },
    /// The thread is told its own id; where a program starts, it shows something too.
    OwnId(Option<Sign>),
    /// It is told that of its process.
    OwnProcess,
    /// A filter of the workload's own is there.
    Filter,
    /// Something that the start of a program shows.
    Shows(Sign),
}

/// What a child inherits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parent {
    pub segment: usize,
    pub is_thread: bool,
    pub spoken: Option<Abi>,
    /// What the child holds when it begins, until it has been seen.
    pub held: Option<Held>,
    /// Whether the child has been seen.
    pub seen: bool,
}

/// What a call will do.
pub(super) fn effect_of(call: &Call<'_>) -> Effect {
    let holds = |wanted: &[u8]| line::find(call.text, wanted).is_some();
    match call.name {
        b"clone" | b"clone3" | b"fork" | b"vfork" => {
            Effect::Clone { is_thread: line::makes_thread(call.text), shares: line::shares(call.text) }
        }
        b"execve" | b"execveat" => {
            exec_of(call).map_or(Effect::Nothing, |exec| Effect::Exec(Some(exec.path)))
        }
        b"io_uring_setup" => Effect::Uring { polls: holds(b"IORING_SETUP_SQPOLL") },
        b"seccomp" if holds(b"SECCOMP_SET_MODE_FILTER") => Effect::Filter,
        b"prctl" if holds(b"PR_SET_SECCOMP") && holds(b"SECCOMP_MODE_FILTER") => Effect::Filter,
        b"set_tid_address" | b"gettid" => Effect::OwnId(Sign::of(call)),
        b"getpid" => Effect::OwnProcess,
        _ => Sign::of(call).map_or(Effect::Nothing, Effect::Shows),
    }
}

/// What execve was asked to run.
pub(super) struct Exec {
    pub path: ByteString,
    pub arguments: Vec<ByteString>,
}

/// What a call of execve or execveat asks to run. An unreadable path is an unknown image.
pub(super) fn exec_of(call: &Call<'_>) -> Option<Exec> {
    let text = match call.name {
        b"execve" => call.text,
        b"execveat" => call.text.get(line::find(call.text, b", ")? + 2..)?,
        _ => return None,
    };
    // With `-N`, `pathname="/bin/ls", argv=["ls"]`.
    let (mut path, rest) = line::c_string(line::unnamed(text)).unwrap_or_default();
    if path.is_empty()
        && let Some(start) = line::find(call.text, b"<")
        && let Some(end) = line::find(call.text, b">, ")
        && let Some(behind) = call.text.get(start + 1..end)
    {
        // execveat(3</usr/bin/true>, "", ...): the descriptor's path, which -y gives.
        path = ByteString::new(behind);
    }
    let arguments = rest.strip_prefix(b", ").map(line::unnamed).and_then(line::c_strings).unwrap_or_default();
    Some(Exec { path, arguments })
}

/// Whether a call of `io_uring_enter` submits something: its second argument is not 0.
pub(super) fn submits(call: &Call<'_>) -> bool {
    let second = call.text.split(|byte| *byte == b',').nth(1).unwrap_or_default();
    call.name == b"io_uring_enter" && line::unnamed(second.trim_ascii()) != b"0"
}
