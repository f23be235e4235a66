//! Profiles of other tools, imported, and held against what their own consumers make of them.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may fail where tests may"
)]

mod back;
mod libseccomp;
mod profiles;
mod programs;
mod random;
mod same_language;
mod taken;
