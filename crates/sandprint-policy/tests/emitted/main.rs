//! Every emitted file is read back, compiled or run, and held against the policy that it was made of.

mod bpf;
mod conditions;
mod hostile;
mod hosts;
mod losses;
mod oci_profiles;
mod policies;
mod seccomp_header;
mod snapshots;
mod systemd_dropin;
