//! Formats that hold the calls of one machine only.

use sandprint_model::Policy;

/// Formats that hold the native ABI of one machine.
pub(crate) const ONE_MACHINE: &[&str] = &["firecracker", "kafel", "minijail"];

/// The part of a policy that concerns one machine, where that is not only its 32-bit ABIs.
pub(crate) fn of_one_machine(mut policy: Policy) -> Option<Policy> {
    let native =
        policy.calls.rules.keys().map(|syscall| syscall.abi).find(|abi| abi.arch().native_abi() == *abi)?;
    policy.calls.rules.retain(|syscall, _| syscall.abi.arch() == native.arch());
    Some(policy)
}
