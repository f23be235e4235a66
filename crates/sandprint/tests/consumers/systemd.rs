//! A real systemd, as PID 1 of namespaces of its own.
//!
//! - [`drop_in`]: it takes what we make for it.
//! - [`filters`]: we understand what it makes of a unit.
//! - [`threads`]: a threaded program under the drop-in, beside another filter of systemd.

mod drop_in;
mod filters;
mod host;
mod threads;
