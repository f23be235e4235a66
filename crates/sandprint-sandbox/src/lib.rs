//! Starting a workload, and living beside it while it runs.
//!
//! - [`launch`]: [`Launch`](launch::Launch) → [`Suspended`](launch::Suspended) →
//!   [`Running`](launch::Running): a child that waits before its execve, so that a recorder can be
//!   attached to it.
//!   Or, by [`Launch::replace`](launch::Launch::replace), in our own place.
//! - [`confine`]: a seccomp filter and a Landlock domain for a process, and the proof that they are in force.
//! - [`process`]: processes held by a file descriptor, so that a signal never reaches another one that
//!   was given the same number.
//! - [`user`]: another user to run it as.
//! - [`signals`]: signals as events of a file descriptor.
//! - [`foreground`]: which of those belong to the workload, and how Ctrl-C, Ctrl-Z and `fg` work as if
//!   we were not there.
//! - [`notify`]: a filter by which every call of the workload is reported and then goes on.
//! - [`guardian`]: who answers such reports when we are gone.
//! - [`ptrace`]: a tree of processes, traced so that it outlives its tracer.
//! - [`memory`]: an end with a reason where the memory is used up.
//! - [`input`]: standard input that several runs of a command read from its beginning.
//! - [`deadline`]: when a workload that has a time limit is told to end, and when it is made to.
//! - [`detached`]: a process for what may never return.
//! - [`probe`]: calls of which a filter on this process would let it die.
//! - [`poll`]: waiting for several of these descriptors at once.
//!
//! Linux 5.10 and later. `unsafe` is only in the files named `sys.rs`.
//! Nothing here prints, knows policies, or changes what the workload would see without us, other than
//! its parent; [`launch`] lists the exceptions.

pub mod confine;
pub mod deadline;
pub mod detached;
pub mod foreground;
pub mod guardian;
mod inherited;
pub mod input;
pub mod launch;
pub mod memory;
pub mod notify;
pub mod poll;
pub mod probe;
pub mod process;
pub mod ptrace;
mod seccomp;
mod shared;
pub mod signals;
mod stop;
pub mod user;

pub use inherited::stdout_was_closed;
