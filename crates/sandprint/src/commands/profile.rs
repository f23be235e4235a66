//! `sandprint profile`: what is done with recordings, one file each.

pub(crate) mod attach;
pub(crate) mod coverage;
pub(crate) mod diff;
pub(crate) mod generate;
pub(crate) mod import;
pub(crate) mod merge;
pub(crate) mod recording;
pub(crate) mod refine;
pub(crate) mod run;
pub(crate) mod show;
pub(crate) mod subtract;
pub(crate) mod verify;

mod images;
mod observer;
