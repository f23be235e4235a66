//! The `linux.seccomp` object of the OCI runtime specification, as runc, crun, youki and containerd read it.
//!
//! What it cannot say: which ABI a name is meant for, a number without a name, what happens to calls of an
//! ABI that is not listed (libseccomp kills the thread), and the reasons.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::errno::ENOSYS;
use sandprint_model::{
    Abi, About, Action, Arch, Comparison, Condition, Loss, LossKind, Part, Policy, json_pretty,
};
use serde::Serialize;

use super::by_name::{ByName, NamedCall, abis_of};
use super::shape::Shape;
use super::unattended::unattended;
use super::{EmitError, Format, Written, answered};
use crate::enforce::runs;
use crate::libseccomp::OLD_LIBSECCOMP;
use crate::synth::Runtime;

/// The OCI runtime specification's `linux.seccomp`.
#[derive(Debug)]
pub struct Oci;

impl Format for Oci {
    fn name(&self) -> &'static str {
        "oci"
    }

    fn summary(&self) -> &'static str {
        "seccomp profile for OCI runtimes, containerd and Kubernetes (runtime-spec linux.seccomp)"
    }

    fn file_name(&self) -> &'static str {
        "seccomp.json"
    }

    fn launchers(&self) -> &'static [Runtime] {
        &[Runtime::Crun, Runtime::Runc]
    }

    fn holds(&self) -> &'static [Part] {
        &[Part::Calls]
    }

    fn write(&self, policy: &Policy) -> Result<Written, EmitError> {
        let (policy, mut losses) = unattended(policy, |action| action == Action::Notify);
        let policy = policy.as_ref();
        let list = ByName::for_libseccomp(policy, &abis_of(policy));
        losses.extend(list.losses.iter().cloned());
        losses.extend(consumer_losses(policy, &list));
        let entries = list.calls.iter().map(|(name, call)| (*name, &call.shape));
        let profile = Profile {
            default_action: action_name(policy.calls.default_action),
            default_errno_ret: errno_ret(policy.calls.default_action),
            architectures: list.abis.iter().map(|abi| architecture(*abi)).collect(),
            syscalls: syscalls(entries),
        };
        Ok(Written::text(to_json(&profile), losses))
    }
}

/// The object itself, its fields in the specification's order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_errno_ret: Option<u16>,
    architectures: Vec<&'static str>,
    syscalls: Vec<Syscalls>,
}

/// One element of `syscalls`: what happens to these names.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Syscalls {
    pub(super) names: Vec<&'static str>,
    pub(super) action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) errno_ret: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) args: Vec<Argument>,
}

/// A comparison. For `SCMP_CMP_MASKED_EQ`, `value` is the mask and `valueTwo` what the bits must be.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Argument {
    pub(super) index: u8,
    pub(super) value: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value_two: Option<u64>,
    pub(super) op: &'static str,
}

/// JSON as people read it, with a newline at its end.
pub(super) fn to_json(profile: &impl Serialize) -> String {
    // Structures of strings and numbers always serialize.
    let mut text = json_pretty(profile).unwrap_or_default();
    text.push('\n');
    text
}

/// The elements for these calls: those that run first, then those that are refused.
///
/// Names with one and the same action share an element; every set of conditions has one of its own, because
/// conditions of one element are AND-ed.
pub(super) fn syscalls<'s>(calls: impl Iterator<Item = (&'static str, &'s Shape)>) -> Vec<Syscalls> {
    let mut plain: BTreeMap<Action, Vec<&'static str>> = BTreeMap::new();
    let mut conditioned: BTreeMap<Action, Vec<(&'static str, &[Condition])>> = BTreeMap::new();
    for (name, shape) in calls {
        let Some(action) = shape.action() else { continue };
        match shape {
            Shape::When(_, entries) => conditioned
                .entry(action)
                .or_default()
                .extend(entries.iter().map(|entry| (name, entry.as_slice()))),
            _ => plain.entry(action).or_default().push(name),
        }
    }
    let actions: BTreeSet<Action> = plain.keys().chain(conditioned.keys()).copied().collect();
    let mut elements = Vec::new();
    for action in actions {
        let element =
            |names, args| Syscalls { names, action: action_name(action), errno_ret: errno_ret(action), args };
        elements.extend(plain.remove(&action).map(|names| element(names, Vec::new())));
        for (name, conditions) in conditioned.remove(&action).unwrap_or_default() {
            elements.push(element(vec![name], conditions.iter().map(argument).collect()));
        }
    }
    elements
}

/// What every consumer of such a list does that the policy does not say.
pub(super) fn consumer_losses(policy: &Policy, list: &ByName<'_>) -> BTreeSet<Loss> {
    let mut losses = BTreeSet::new();
    if policy.calls.foreign_action != Action::KillThread {
        losses.insert(answered(About::OtherAbis, Action::KillThread, policy.calls.foreign_action));
    }
    let stub = !matches!(
        policy.calls.default_action,
        Action::Allow | Action::Log | Action::Trace(_) | Action::Errno(ENOSYS)
    );
    if stub {
        losses.insert(Loss::stricter(About::DefaultAction, LossKind::RuncStub));
    }
    losses.extend(unknown_losses(policy, list));
    losses
}

/// Names that an older libseccomp does not know are skipped there.
fn unknown_losses(policy: &Policy, list: &ByName<'_>) -> BTreeSet<Loss> {
    let default = policy.calls.default_action;
    // What the default action takes away is the call's own action, whether or not it depends on arguments.
    let (running, refused): (Vec<_>, Vec<_>) =
        list.newer_than(OLD_LIBSECCOMP).partition(|(_, call)| call.shape.action().is_some_and(runs));
    let names = |calls: Vec<(&'static str, &NamedCall<'_>)>| -> Vec<&'static str> {
        calls.into_iter().map(|(name, _)| name).collect()
    };
    let (running, refused) = (names(running), names(refused));
    let loss = |names: &[&'static str], is_weaker: bool| {
        let about = About::Newer { abi: None, than: OLD_LIBSECCOMP, names: names.to_vec() };
        (!names.is_empty()).then(|| Loss::weaker_if(is_weaker, about, LossKind::UnknownToLibseccomp))
    };
    if runs(default) {
        return loss(&running, false).into_iter().chain(loss(&refused, true)).collect();
    }
    // Neither lets more run than the policy does: one list.
    let mut all = [running, refused].concat();
    all.sort_unstable();
    loss(&all, false).into_iter().collect()
}

/// The specification's name of an ABI.
pub(super) fn architecture(abi: Abi) -> &'static str {
    match abi {
        Abi::Aarch64 => "SCMP_ARCH_AARCH64",
        Abi::Arm => "SCMP_ARCH_ARM",
        Abi::I386 => "SCMP_ARCH_X86",
        Abi::X32 => "SCMP_ARCH_X32",
        Abi::X86_64 => "SCMP_ARCH_X86_64",
    }
}

/// Docker's name of a machine (Go's).
pub(super) fn machine(arch: Arch) -> &'static str {
    match arch {
        Arch::Aarch64 => "arm64",
        Arch::X86_64 => "amd64",
    }
}

/// `SCMP_ACT_KILL` is never used: it means the thread, and readers take it for the process.
pub(super) fn action_name(action: Action) -> &'static str {
    match action {
        Action::Allow => "SCMP_ACT_ALLOW",
        Action::Log => "SCMP_ACT_LOG",
        Action::Errno(_) => "SCMP_ACT_ERRNO",
        Action::Trace(_) => "SCMP_ACT_TRACE",
        Action::Notify => "SCMP_ACT_NOTIFY",
        Action::Trap => "SCMP_ACT_TRAP",
        Action::KillThread => "SCMP_ACT_KILL_THREAD",
        Action::KillProcess => "SCMP_ACT_KILL_PROCESS",
    }
}

/// Always given where the action takes one: without it a runtime answers EPERM. Refused elsewhere.
pub(super) fn errno_ret(action: Action) -> Option<u16> {
    match action {
        Action::Errno(value) | Action::Trace(value) => Some(value),
        _ => None,
    }
}

fn argument(condition: &Condition) -> Argument {
    let (op, value, value_two) = match condition.comparison {
        Comparison::Equal(value) => ("SCMP_CMP_EQ", value, None),
        Comparison::NotEqual(value) => ("SCMP_CMP_NE", value, None),
        Comparison::Less(value) => ("SCMP_CMP_LT", value, None),
        Comparison::LessOrEqual(value) => ("SCMP_CMP_LE", value, None),
        Comparison::Greater(value) => ("SCMP_CMP_GT", value, None),
        Comparison::GreaterOrEqual(value) => ("SCMP_CMP_GE", value, None),
        Comparison::MaskedEqual { mask, value } => ("SCMP_CMP_MASKED_EQ", mask, Some(value)),
    };
    Argument { index: condition.index, value, value_two, op }
}
