//! The proof of recording: what is recorded is what was called, each call, each time.
//!
//! - [`witnesses`]: programs of ours, each with a table of its calls. strace agrees with the table, and so
//!   does the recorder.
//! - [`oracle`]: programs of this machine. The recorder agrees with strace.
//! - [`stress`]: more at once than a recorder may like.
//! - [`tracers`]: other tools trace the same processes, and neither side notices.
//!
//! A test that this machine cannot run says why and passes as skipped: see [`expect`].

#[path = "../support/expect.rs"]
mod expect;
#[path = "../support/sys.rs"]
mod sys;

mod calls;
mod header;
mod recorder;
mod run;
mod strace;
mod turns;
mod workshop;

mod oracle;
mod stress;
mod tracers;
mod witnesses;
