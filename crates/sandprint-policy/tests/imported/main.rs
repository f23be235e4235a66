//! Profiles of other tools, imported, and held against what their own consumers make of them.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests may fail where tests may"
)]

mod back;
#[path = "../emitted/grid.rs"]
mod grid;
#[path = "../emitted/hosts.rs"]
mod hosts;
mod libseccomp;
#[path = "../emitted/losses.rs"]
mod losses;
#[path = "../emitted/policies.rs"]
mod policies;
mod profiles;
mod programs;
mod random;
mod same_language;
mod taken;
