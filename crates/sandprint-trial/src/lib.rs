//! Runs a workload under its policy, and explains what was refused.
//!
//! - [`mod@verify`]: the passes, and the [`Verdict`].
//! - [`Denial`]: a call that the policy refused: its arguments, who made it, from which code, what came of it, and
//!   the smallest rule that would allow it.
//! - [`refine`]: the same run again and again, where somebody decides each refused call and the policy grows by that.
//! - [`watch`]: calls that filters refuse anywhere on the machine, whoever installed these.
//! - [`report`]: a verdict for people, programs, pull requests and code-scanning pages.
//!
//! Nothing here prints, or knows the command line.

mod asking;
mod denial;
mod denials;
mod draft;
pub mod error;
mod origin;
mod pass;
pub mod refine;
pub mod report;
mod symbols;
mod trial;
mod verdict;
pub mod verify;
mod wait;
pub mod watch;

pub use denial::{Denial, Next};
pub use draft::{Answer, Decision};
pub use trial::Trial;
pub use verdict::{Expected, Pass, Verdict};
