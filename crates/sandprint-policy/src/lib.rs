//! The pure verbs of sandprint, in reading order:
//!
//! - [`synth`]: a [`Trace`](sandprint_model::Trace) becomes a [`Policy`](sandprint_model::Policy), each rule
//!   with its reasons.
//! - [`emit`]: a policy becomes a profile in the language of one sandbox, with the
//!   [`Loss`](sandprint_model::Loss)es that this language forces.
//!
//! This crate is pure: no IO, no clock, no environment, no threads. The same trace gives the same bytes on
//! every machine.

pub mod emit;
pub mod synth;
