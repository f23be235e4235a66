//! Filters that consumers export, decided by the one simulator.

use sandprint_model::{Action, Call};
use sandprint_policy::cbpf;

/// A filter as `seccomp_export_bpf` writes it.
pub(crate) struct Program(cbpf::Program);

impl Program {
    /// Reads an array of `struct sock_filter`, which must be one that the kernel would take.
    pub(crate) fn parse(bytes: &[u8]) -> Program {
        Program::new(cbpf::Program::from_bytes(bytes).unwrap())
    }

    /// A program, which must be one that the kernel would take.
    pub(crate) fn new(program: cbpf::Program) -> Program {
        cbpf::validate(&program).unwrap();
        Program(program)
    }

    /// What the filter says of a call.
    pub(crate) fn decide(&self, call: &Call) -> Action {
        cbpf::returned_action(cbpf::simulate(&self.0, &call.into()))
    }
}
