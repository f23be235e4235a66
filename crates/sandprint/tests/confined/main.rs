//! `sandprint run` from outside: what it enforces, what it leaves as it is, and what it refuses to run.

/// The program under test.
#[cfg(test)]
const SANDPRINT: &str = env!("CARGO_BIN_EXE_sandprint");

#[cfg(test)]
mod machine;
#[cfg(test)]
mod under;

#[cfg(test)]
mod enforcement;
#[cfg(test)]
mod landlock;
#[cfg(test)]
mod nested;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod transparency;
