//! Real programs: recorded, run under the policy that follows, and refused what was not recorded.
//!
//! - [`trial`]: by sandprint itself, which names what it refuses.
//! - [`unprivileged`]: recorded by a user without rights, who sees no difference.
//! - [`contained`]: by runc, crun and bubblewrap, with the policy in their languages.
//! - [`units`]: by a real systemd.
//! - [`another_day`]: by sandprint again, in circumstances in which it was not recorded.
//!
//! `SANDPRINT_SOAK` says how often each runs under its policy (once by default; `make soak` says 20, with other work
//! on the machine meanwhile). A test that this machine cannot run says why and passes as skipped: see [`testkit::expect`].

#[cfg(test)]
mod another_day;
#[cfg(test)]
mod contained;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod root;
#[cfg(test)]
mod trial;
#[cfg(test)]
mod units;
#[cfg(test)]
mod unprivileged;
