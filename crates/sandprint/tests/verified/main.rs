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
mod support;
#[cfg(test)]
mod verdicts;
