//! The programs that profiles are made for take them: the recorded workload runs under its own profile, and
//! something that asks for more is refused, by that profile. And what they make of profiles of their own is what the
//! importers say.
//!
//! - [`oci`]: runc and crun, with and without `no_new_privs`.
//! - [`systemd`]: a real one, as PID 1 of its own namespaces.
//! - [`header`]: a C program with libseccomp.
//! - [`bwrap`]: bubblewrap, with the raw filter.
//! - [`inits`]: tini and catatonit, which run under the filter, before the workload.
//! - [`docker`]: the structure that Docker's own types ask for.
//!
//! The workload is an applet of a static busybox, recorded once. A test that this machine cannot run says why
//! and passes as skipped: see [`testkit::expect`]. Nothing of the machine is changed: cgroups, mounts and processes
//! are gone when a test ends.

#[cfg(test)]
mod installed;
#[cfg(test)]
mod waits;
#[cfg(test)]
mod workload;

#[cfg(test)]
mod bwrap;
#[cfg(test)]
mod docker;
#[cfg(test)]
mod header;
#[cfg(test)]
mod inits;
#[cfg(test)]
mod oci;
#[cfg(test)]
mod systemd;
