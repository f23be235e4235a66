//! Filters, our own and those that consumers export, decided by the one simulator.

use proptest::prelude::*;
use sandprint_model::{Abi, Action, Call};
use sandprint_policy::cbpf;
use sandprint_policy::emit::by_name;

use testkit::policies::grid;
use testkit::policies::{any_policy, ls, policy};

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

#[test]
fn our_own_filter_of_a_recorded_policy_is_exact() {
    for abi in Abi::ALL {
        let policy = policy(&ls(abi));
        let emitted = by_name("bpf").unwrap().emit(&policy).unwrap();
        let program = Program::parse(emitted.content.as_bytes());
        for call in grid::calls(&policy) {
            assert_eq!(program.decide(&call), policy.calls.decide(&call), "{call:x?}");
        }
    }
}

proptest! {
    #[test]
    fn our_own_filter_decides_every_call_as_the_policy_does(policy in any_policy()) {
        let emitted = by_name("bpf").unwrap().emit(&policy).unwrap();
        prop_assert!(emitted.losses.is_empty());
        let program = Program::parse(emitted.content.as_bytes());
        for call in grid::calls(&policy) {
            // On x86_64 bit 30 of a number is no part of it: it tells x32 from the rest.
            let shares_bit = matches!(call.syscall.abi, Abi::X32 | Abi::X86_64);
            let is_ambiguous = shares_bit && call.syscall.nr & Abi::X32_BIT != 0;
            prop_assert!(is_ambiguous || program.decide(&call) == policy.calls.decide(&call), "{:x?}", call);
        }
    }
}
