//! The proof of recording: what is recorded is what was called, each call, each time.
//!
//! - [`witnesses`]: programs of ours, each with a table of its calls. strace agrees with the table, and so
//!   does the recorder.
//! - [`oracle`]: programs of this machine. The recorder agrees with strace.
//! - [`notified`]: the same by the recorder that needs no rights, which agrees with the other one too.
//! - [`traced`]: the same by tracing, which disturbs nothing but tracers.
//! - [`arguments`]: what that one keeps of arguments is what strace shows of them, and policies made of it hold.
//! - [`results`]: which calls fail and how is what strace shows, and what a filter refuses is told apart.
//! - [`files`]: what is done to files and with sockets, each path and each address.
//! - [`capabilities`]: those that a program is said to need are those without which it fails.
//! - [`alike`]: what each recorder sees of files and sockets is what the others see.
//! - [`names`]: which name an address was resolved from, as resolvers, `/etc/hosts` and proxies are asked.
//! - [`long_paths`]: programs are told apart by the whole of their paths.
//! - [`harmless`]: what is no gap, by any recorder.
//! - [`refused`]: calls that filters keep from running, as the watcher sees them.
//! - [`programs`]: every BPF program is taken by every kernel that should take it.
//! - [`targets`]: one recorder follows many targets.
//! - [`stress`]: more at once than a recorder may like.
//! - [`tracers`]: other tools trace the same processes, and neither side notices.
//!
//! Attaching, ending and being killed are the subject of `tests/session`. A test that this machine cannot run says why and passes as skipped: see [`testkit::expect`].

#[cfg(test)]
mod calls;
#[cfg(test)]
mod header;
#[cfg(test)]
mod recorder;
#[cfg(test)]
mod run;
#[cfg(test)]
mod strace;
#[cfg(test)]
mod turns;
#[cfg(test)]
mod workshop;

#[cfg(test)]
mod alike;
#[cfg(test)]
mod arguments;
#[cfg(test)]
mod capabilities;
#[cfg(test)]
mod files;
#[cfg(test)]
mod harmless;
#[cfg(test)]
mod long_paths;
#[cfg(test)]
mod names;
#[cfg(test)]
mod notified;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod results;
#[cfg(test)]
mod stress;
#[cfg(test)]
mod targets;
#[cfg(test)]
mod traced;
#[cfg(test)]
mod tracers;
#[cfg(test)]
mod witnesses;
