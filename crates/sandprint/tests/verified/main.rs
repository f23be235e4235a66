//! `profile verify` and `profile refine` from outside: what they say of refused calls, and what they make of a policy.

#[cfg(test)]
mod asked;
#[cfg(test)]
mod bounds;
#[cfg(test)]
mod deadly;
#[cfg(test)]
mod ends;
#[cfg(test)]
#[path = "../support/expect.rs"]
mod expect;
#[cfg(test)]
mod handed_on;
#[cfg(test)]
#[path = "../support/signals/sys.rs"]
mod inherited;
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
mod support;
#[cfg(test)]
#[path = "../support/terminal.rs"]
mod terminals;
#[cfg(test)]
mod verdicts;
