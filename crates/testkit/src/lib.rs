//! What the tests of several crates share. No other code may use it: it fails by panicking, as tests do.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

pub mod beside;
pub mod bpf;
pub mod cgroup;
pub mod container;
pub mod ended;
pub mod event_schema;
pub mod expect;
pub mod gcc;
pub mod hostile;
pub mod hosts;
pub mod instants;
pub mod mounts;
pub mod output;
pub mod policies;
pub mod process;
pub mod scratch;
pub mod shell;
pub mod signals;
pub mod systemd;
pub mod terminal;
pub mod users;
pub mod wait;
