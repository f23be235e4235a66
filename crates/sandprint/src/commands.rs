//! The commands, one file each: its arguments, its help, and what it does.

pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod man;
pub(crate) mod policy;
pub(crate) mod profile;
pub(crate) mod run;
pub(crate) mod watch;

mod differences;
mod form;
mod not_started;
