//! `sandprint policy`: what is done with policies, one file each.

pub(crate) mod check;
pub(crate) mod diff;
pub(crate) mod explain;
pub(crate) mod fmt;
mod foreign;
pub(crate) mod import;
pub(crate) mod test;
