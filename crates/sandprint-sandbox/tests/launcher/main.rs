//! The crate from outside: the example `launch` in place of a recorder, run by shells, terminals, other users
//! and under SIGKILL. Needs Linux, no privileges but for the tests of `user`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the lints allow these in tests; here also in the functions that tests share"
)]

mod program;
mod signals;
mod survival;
mod system_calls;
mod terminal;
mod transparency;
mod user;
