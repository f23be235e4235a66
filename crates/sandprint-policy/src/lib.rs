//! The pure verbs of sandprint, in reading order:
//!
//! - [`cbpf`]: a policy becomes a classic BPF program, and what such a program says of a call.
//! - [`synth`]: a [`Trace`](sandprint_model::Trace) becomes a [`Policy`](sandprint_model::Policy), each rule
//!   with its reasons.
//! - [`import`]: a profile of another tool becomes a policy, with what the policy cannot hold of it.
//! - [`emit`]: a policy becomes a profile in the language of one sandbox, with the
//!   [`Loss`](sandprint_model::Loss)es that this language forces.
//!
//! This crate is pure: no IO, no clock, no environment, no threads. The same trace gives the same bytes on
//! every machine.

pub mod cbpf;
pub mod emit;
pub mod import;
pub mod synth;
