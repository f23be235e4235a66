//! Observes what a workload asks of the kernel.
//!
//! - [`audit`]: calls that filters let run and had logged.
//! - [`host`]: facts about this machine, found by trying.
//! - [`ebpf`]: the BPF driver: who is followed, what was counted.
//! - [`notify`]: the recorder by seccomp user notification, for where neither can be had.
//! - `books`: what those recorders keep that see calls from outside the kernel.
//! - [`cgroup`]: which one a process is in.
//! - `descriptors`: file descriptors, as many as they need.
//! - `driver`: all of them, as a session sees them.
//! - `followed`: how much is followed, as each of them tells it.
//! - `image`: build ids of executables.
//! - `reader`: who looks into them.
//! - [`refused`]: what [`ebpf::Watcher`] sees: calls that filters kept from running.
//! - [`tracer`]: the recorder by tracing, where that is allowed.
//! - [`session`]: one recording from its start to its [`Trace`](sandprint_model::Trace).
//! - [`target`]: what is observed.
//!
//! Nothing here prints, knows policies or the command line.

pub mod audit;
mod books;
pub mod cgroup;
mod descriptors;
pub mod detail;
mod driver;
pub mod ebpf;
mod followed;
pub mod host;
mod hosts;
mod image;
mod links;
pub mod notify;
mod reader;
pub mod refused;
pub mod session;
pub mod target;
pub mod tracer;
