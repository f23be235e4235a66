//! Runs a workload under its policy, and explains what was refused.
//!
//! - [`mod@verify`]: the passes, which make a [`Verdict`](sandprint_model::Verdict) of [`Denial`](sandprint_model::Denial)s.
//! - [`refine`]: the same run again and again, where somebody decides each refused call and the policy grows by that.
//! - [`watch`]: calls that filters refuse anywhere on the machine, whoever installed these.
//!
//! Nothing here prints, or knows the command line.

mod asking;
mod denials;
mod draft;
pub mod error;
mod origin;
mod pass;
pub mod refine;
mod symbols;
mod trial;
pub mod verify;
mod wait;
pub mod watch;

pub use draft::{Answer, Decision};
pub use trial::Trial;
