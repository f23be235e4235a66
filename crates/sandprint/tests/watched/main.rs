//! `watch` from outside: processes that anyone has confined make refused calls, and exactly these are told.
//!
//! - [`confined`]: by `sandprint run`, with every action.
//! - [`answered`]: calls that a supervisor or tracer answers.
//! - [`oci`]: by runc and crun.
//! - [`systemd`]: by a real one, as PID 1 of its own namespaces.
//! - [`logged`]: the reader of audit records by itself.
//! - [`ending`]: how a watch begins and ends.
//!
//! All of them run `programs/caller.c`, which makes calls that nothing else makes. A test that this machine cannot run
//! says why and passes as skipped: see [`testkit::expect`].

/// The program under test.
#[cfg(test)]
const SANDPRINT: &str = env!("CARGO_BIN_EXE_sandprint");

#[cfg(test)]
mod caller;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod told;
#[cfg(test)]
mod watching;

#[cfg(test)]
mod answered;
#[cfg(test)]
mod confined;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod logged;
#[cfg(test)]
mod oci;
#[cfg(test)]
mod systemd;
