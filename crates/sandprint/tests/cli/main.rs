//! The binary from outside: exit statuses, what is said on stderr, and what happens to files.

/// The program under test.
#[cfg(test)]
const SANDPRINT: &str = env!("CARGO_BIN_EXE_sandprint");

#[cfg(test)]
mod machine;
#[cfg(test)]
mod traces;

#[cfg(test)]
mod append;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bad_profiles;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod help;
#[cfg(test)]
mod hostile_text;
#[cfg(test)]
mod import;
#[cfg(test)]
mod interrupted;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod output;
#[cfg(test)]
mod ownership;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod pure;
#[cfg(test)]
mod recording;
#[cfg(test)]
mod strace;
#[cfg(test)]
mod watch;
