//! Whole sessions of `profile run` and `profile attach`: who is followed, from when to when, and what is left
//! behind.
//!
//! What a recording says of each call is the subject of `tests/recording`, statuses and files that of
//! `tests/cli`. A test that this machine cannot run says why and passes as skipped: see [`testkit::expect`].

/// The program under test.
#[cfg(test)]
const SANDPRINT: &str = env!("CARGO_BIN_EXE_sandprint");

#[cfg(test)]
mod scratch;
#[cfg(test)]
mod traced;

#[cfg(test)]
mod attach;
#[cfg(test)]
mod cgroup;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod hidden;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod namespaces;
#[cfg(test)]
mod privilege;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod size;
#[cfg(test)]
mod stuck;
#[cfg(test)]
mod sys;
#[cfg(test)]
mod terminal;
