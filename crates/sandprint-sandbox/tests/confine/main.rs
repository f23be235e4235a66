//! Confinement from outside the crate: threads and children that confine themselves. Needs Linux, no privileges.
//!
//! A filter and a domain are a thread's own, so each test takes them on in a thread that ends with it.

#[cfg(test)]
mod filter;
#[cfg(test)]
mod landlock;
#[cfg(test)]
mod launch;
#[cfg(test)]
mod program;
