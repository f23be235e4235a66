//! The crate from outside: the example `launch` in place of a recorder, run by shells, terminals, other users
//! and under SIGKILL. Needs Linux, no privileges but for the tests of `user`.

mod program;
mod signals;
mod survival;
mod system_calls;
mod terminal;
mod transparency;
mod user;
