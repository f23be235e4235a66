//! The nouns of sandprint, and nothing that acts on the outside world.
//!
//! Glossary, in reading order:
//!
//! - [`Arch`], [`Abi`]: a machine, and a way of making system calls on it.
//! - [`Syscall`]: a system call: an [`Abi`] and a number, never a bare number.
//! - [`arguments`]: what is known of a call's arguments, and a call with them in one line.
//! - [`errno`]: the errors that calls answer with, by number and by name.
//! - [`Trace`]: what was observed in one or more [`Run`]s, with its [`Gap`]s.
//! - [`Right`], [`Rights`]: what is done to files.
//! - [`operands`]: which arguments of a call name files, and the rights that the call uses.
//! - [`Socket`]: what is done with sockets: an [`Operation`], and the [`Address`] that it is given.
//! - [`Name`]: a name that stands for an address, and its [`Meaning`]; [`names`]: where it is read from.
//! - [`uses`]: from what was seen of a call to what it did to which files and sockets.
//! - [`Capability`]: a right that the kernel asks a process for; [`capability::noise`]: where that means nothing.
//! - [`Outcomes`]: whether something succeeded, failed, or both at different times.
//! - [`Facts`]: one kind of fact in a trace: what a [`Subject`] did, and what was seen of it in each run.
//! - *Target*: what is observed: a command, processes, a cgroup, every process (`sandprint_record::target`).
//! - [`Image`]: an executable that ran in the target's tree.
//! - [`Gap`]: something that may have been missed, as data.
//! - [`Policy`]: what is allowed, in parts: today [`CallRules`], [`Rule`]s with [`Reason`]s, whose meaning is
//!   [`CallRules::decide`].
//! - [`Note`]: what a reader of a policy should know, as data.
//! - [`Loss`]: what one output language cannot say of a policy, as data.
//! - [`Verdict`]: what a trial of a policy showed; a [`Denial`] is a call that it refused.
//! - [`Ancestor`], [`Code`], [`Location`]: where a call comes from.
//! - [`multiplexed`]: the calls of i386 that stand for others.
//! - [`markdown`]: text of others as Markdown shows it as it is.
//! - [`import`]: recordings of other tools, read as traces.
//! - [`wire`]: the serialized form of traces and policies.
//!
//! This crate is pure: no IO, no clock, no environment, no threads.

#[cfg(test)]
mod arbitrary;
mod arch;
pub mod arguments;
mod bytes;
pub mod capability;
mod date;
mod denial;
pub mod errno;
mod files;
mod gap;
pub mod import;
mod kernel;
pub mod loss;
pub mod markdown;
pub mod multiplexed;
pub mod names;
pub mod note;
pub mod operands;
mod origin;
mod outcomes;
mod policy;
mod printable;
pub mod sentence;
mod sockets;
mod syscall;
mod trace;
pub mod uses;
mod verdict;
pub mod wire;

pub use arch::{Abi, Arch};
pub use bytes::ByteString;
pub use capability::Capability;
pub use date::{Date, ParseDateError};
pub use denial::{Denial, Next};
pub use files::{Right, Rights};
pub use gap::{Gap, GapKind};
pub use kernel::{KernelVersion, ParseKernelVersionError};
pub use loss::{About, Loss, LossKind};
pub use names::{Meaning, Name};
pub use note::Note;
pub use origin::{Ancestor, Code, Location};
pub use outcomes::Outcomes;
pub use policy::{Action, Call, CallRules, Comparison, Condition, Part, Policy, Reason, Rule, Width};
pub use printable::{is_printable, json_line, json_pretty};
pub use sockets::{
    Address, AddressOperand, Family, MessageLayout, Operation, Socket, SocketType, address_operand,
};
pub use syscall::{PROBE_NUMBERS, Syscall};
pub use trace::{
    ArgumentsSeen, CallArguments, CallDiff, CallSeen, Count, Cover, Coverage, Doubt, Doubts, Exit, FactKind,
    Facts, FailureDiff, Failures, FileSeen, FirstSeen, Host, Image, InputCoverage, Join, Key, Memory,
    MemoryKind, Merger, Peak, PerRun, Recorder, Run, RunCoverage, RunId, Subject, Trace, TraceDiff,
};
pub use verdict::{Expected, Pass, Verdict};
