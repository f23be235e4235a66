//! Every emitted file is read back, compiled or run, and held against the policy that it was made of.

mod bpf;
mod conditions;
mod hosts;
mod policies;
mod seccomp_header;
