//! `profile verify` and `profile refine` from outside: what they say of refused calls, and what they make of a policy.

/// The program under test.
#[cfg(test)]
const SANDPRINT: &str = env!("CARGO_BIN_EXE_sandprint");

#[cfg(test)]
mod observers;
#[cfg(test)]
mod trial;

#[cfg(test)]
mod asked;
#[cfg(test)]
mod bounds;
#[cfg(test)]
mod deadly;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod handed_on;
#[cfg(test)]
mod input;
#[cfg(test)]
mod interrupted;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod refined;
mod reports;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod verdicts;
