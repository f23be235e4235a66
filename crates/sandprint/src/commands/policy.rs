//! `sandprint policy`: what is done with policies, one file each.

pub(crate) mod check;
pub(crate) mod diff;
pub(crate) mod fmt;
pub(crate) mod import;
pub(crate) mod test;
