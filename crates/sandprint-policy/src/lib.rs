//! The pure verbs of sandprint, in reading order:
//!
//! - [`cbpf`]: a policy becomes a classic BPF program, and what such a program says of a call.
//! - [`suggest`]: the smallest rule that would let a refused call run.
//! - [`risk`]: what a call lets a hostile program try.
//! - [`synth`]: a [`Trace`](sandprint_model::Trace) becomes a [`Policy`](sandprint_model::Policy), each rule
//!   with its reasons.
//! - [`mod@translate`]: a policy of one architecture becomes one of another.
//! - [`mod@check`]: what a policy says and cannot have been meant.
//! - [`compare`]: what two policies say differently; [`cases`]: the arguments that show it.
//! - [`mod@explain`]: what a policy allows, what for, and what of it was never observed.
//! - [`import`]: a profile of another tool becomes a policy, with what the policy cannot hold of it.
//! - [`emit`]: a policy becomes a profile in the language of one sandbox, with the
//!   [`Loss`](sandprint_model::Loss)es that this language forces.
//! - [`bystanders`]: programs of a recording that are not the workload.
//! - [`enforce`]: whether a process can confine itself by a policy and still start a program, and the rule that shows
//!   the filter in force.
//! - [`landlock`]: what Landlock can refuse as well without refusing anything that the policy allows.
//! - [`pattern`]: patterns of names and paths.
//!
//! This crate is pure: no IO, no clock, no environment, no threads. The same trace gives the same bytes on
//! every machine.

pub mod bystanders;
pub mod cases;
pub mod cbpf;
pub mod check;
pub mod compare;
pub mod emit;
pub mod enforce;
pub mod explain;
pub mod import;
pub mod landlock;
mod libseccomp;
pub mod pattern;
pub mod risk;
pub mod suggest;
pub mod synth;
pub mod translate;
