//! A real systemd, as PID 1 of namespaces of its own.
//!
//! - [`asked`]: what we make of the units that we are asked to record.
//! - [`drop_in`]: it takes what we make for it.
//! - [`filters`]: we understand what it makes of a unit.
//! - [`kinds`]: units of every kind live under the drop-in of their recording.
//! - [`threads`]: a threaded program under the drop-in, beside another filter of systemd.

mod asked;
mod drop_in;
mod filters;
mod kinds;
mod threads;
