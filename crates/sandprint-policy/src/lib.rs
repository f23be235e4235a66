//! The pure verbs of sandprint, in reading order:
//!
//! - [`cbpf`]: a policy becomes a classic BPF program, and what such a program says of a call.
//! - [`synth`]: a [`Trace`](sandprint_model::Trace) becomes a [`Policy`](sandprint_model::Policy), each rule
//!   with its reasons.
//! - [`mod@translate`]: a policy of one architecture becomes one of another.
//! - [`mod@check`]: what a policy says and cannot have been meant.
//! - [`emit`]: a policy becomes a profile in the language of one sandbox, with the
//!   [`Loss`](sandprint_model::Loss)es that this language forces.
//!
//! This crate is pure: no IO, no clock, no environment, no threads. The same trace gives the same bytes on
//! every machine.

pub mod cbpf;
pub mod check;
pub mod emit;
pub mod synth;
pub mod translate;
