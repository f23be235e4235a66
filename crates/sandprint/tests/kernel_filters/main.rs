//! The kernel beside what this project says of it: programs that it takes and refuses, what it answers to a call under
//! a program, and what it answers under the programs that are made of policies.
//!
//! - [`simulator`]: random programs and random calls; `validate` and `simulate` against the kernel.
//! - [`walk`]: policies, their boundary cases, and the real calls of the machine.
//!
//! A child makes the calls, since what it is told cannot be undone. No privilege is needed.

#[cfg(test)]
mod child;
#[cfg(test)]
#[cfg(test)]
mod programs;
#[cfg(test)]
mod simulator;
#[cfg(test)]
mod sys;
#[cfg(test)]
mod walk;
