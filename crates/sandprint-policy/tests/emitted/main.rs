//! Every emitted file is read back, compiled or run, and held against the policy that it was made of.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may fail where tests may"
)]

mod bpf;
mod conditions;
mod firecracker_filters;
mod hostile;
mod kafel_policies;
mod kubernetes_objects;
mod libseccomp_runtime;
mod minijail_policies;
mod oci_profiles;
mod one_machine;
mod refused_values;
mod seccomp_header;
mod snapshots;
mod systemd_dropin;
