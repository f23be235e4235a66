//! Real programs: recorded, run under the policy that follows, and refused what was not recorded.
//!
//! `SANDPRINT_SOAK` says how often each runs under its policy (once by default; `make soak` says 20, with other work
//! on the machine meanwhile).

#[cfg(test)]
#[path = "../support/expect.rs"]
mod expect;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod trial;
