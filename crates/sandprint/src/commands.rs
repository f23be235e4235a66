//! The commands, one file each: its arguments, its help, and what it does.

pub(crate) mod attach;
pub(crate) mod completions;
pub(crate) mod confined;
pub(crate) mod coverage;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod generate;
pub(crate) mod import;
pub(crate) mod man;
pub(crate) mod merge;
pub(crate) mod policy;
pub(crate) mod refine;
pub(crate) mod run;
pub(crate) mod show;
pub(crate) mod subtract;
pub(crate) mod verify;
pub(crate) mod watch;

mod confined_landlock;
mod differences;
mod images;
mod not_started;
mod observer;
mod recording;

pub(crate) use recording::Failed;
pub(crate) use show::Sort;
