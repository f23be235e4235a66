//! Docker's seccomp profile: the OCI object with architectures by machine, and a comment on every rule.
//!
//! Rules that hold on one machine only are bound to it by `includes.arches`, so a policy of
//! `x86_64` and `aarch64` runs allows on each what was seen there.

use std::collections::BTreeMap;

use sandprint_model::{Abi, About, Action, Arch, Loss, LossKind, Part, Policy, Reason};
use serde::Serialize;

use super::by_name::{ByName, abis_of};
use super::oci::{
    Syscalls, action_name, architecture, consumer_losses, errno_ret, machine, syscalls, to_json,
};
use super::shape::Shape;
use super::unattended::unattended;
use super::{EmitError, Format, Written};
use crate::synth::Runtime;

/// `docker run --security-opt seccomp=FILE`.
#[derive(Debug)]
pub struct Docker;

impl Format for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn summary(&self) -> &'static str {
        "seccomp profile for Docker and Podman (archMap, a comment on every rule)"
    }

    fn file_name(&self) -> &'static str {
        "docker-seccomp.json"
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
        let machines = machines(policy);
        let lists: Vec<_> =
            machines.iter().map(|(arch, abis)| (*arch, ByName::for_libseccomp(policy, abis))).collect();
        let mut groups: BTreeMap<Group, BTreeMap<&'static str, &Shape>> = BTreeMap::new();
        for (arch, list) in &lists {
            losses.extend(list.losses.iter().cloned());
            losses.extend(consumer_losses(policy, list));
            for (name, call) in &list.calls {
                let everywhere = lists
                    .iter()
                    .all(|(_, other)| other.calls.get(name).is_some_and(|other| other.shape == call.shape));
                let group = Group {
                    arch: (!everywhere).then_some(*arch),
                    comment: comment(call.reasons.iter().copied()),
                };
                let known = everywhere
                    && groups.iter().any(|(group, calls)| group.arch.is_none() && calls.contains_key(name));
                if !known {
                    groups.entry(group).or_default().insert(name, &call.shape);
                }
            }
        }
        let default_errno_ret = errno_ret(policy.calls.default_action);
        losses.extend(default_errno_ret.filter(|errno| *errno != 1).map(default_errno_loss));
        let mut commented = Vec::new();
        for (group, calls) in groups {
            let elements = syscalls(calls.into_iter());
            commented.extend(elements.into_iter().map(|element| Commented {
                element,
                comment: group.comment.1,
                includes: group.arch.map(|arch| Includes { arches: vec![machine(arch)] }),
            }));
        }
        let profile = Profile {
            default_action: action_name(policy.calls.default_action),
            default_errno_ret,
            arch_map: machines.iter().map(|(arch, abis)| map_entry(*arch, abis)).collect(),
            syscalls: commented,
        };
        Ok(Written::text(to_json(&profile), losses))
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_errno_ret: Option<u16>,
    arch_map: Vec<MapEntry>,
    syscalls: Vec<Commented>,
}

/// Which further ABIs a machine's filter lets in. Docker takes the entry of the machine that it runs on.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MapEntry {
    architecture: &'static str,
    sub_architectures: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct Commented {
    #[serde(flatten)]
    element: Syscalls,
    comment: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    includes: Option<Includes>,
}

#[derive(Debug, Serialize)]
struct Includes {
    arches: Vec<&'static str>,
}

/// Calls that share a comment, and the only machine that they are meant for, if it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    arch: Option<Arch>,
    /// Its rank, and its words.
    comment: (u8, &'static str),
}

/// The machines of a policy, each with the ABIs that take part there, native first.
fn machines(policy: &Policy) -> BTreeMap<Arch, Vec<Abi>> {
    let mut machines: BTreeMap<Arch, Vec<Abi>> = BTreeMap::new();
    for abi in abis_of(policy) {
        machines.entry(abi.arch()).or_default().push(abi);
    }
    machines
}

fn map_entry(arch: Arch, abis: &[Abi]) -> MapEntry {
    let native = arch.native_abi();
    let others = abis.iter().filter(|abi| **abi != native);
    MapEntry {
        architecture: architecture(native),
        sub_architectures: others.map(|abi| architecture(*abi)).collect(),
    }
}

/// Why these calls are there: the strongest of their reasons, in fixed words, because the reasons' own words
/// differ for each call.
pub(super) fn comment<'r>(reasons: impl Iterator<Item = &'r Reason>) -> (u8, &'static str) {
    let ranked = reasons.map(|reason| match reason {
        Reason::Observed { .. } => (0, "observed"),
        Reason::ByHand(_) => (1, "put there by hand"),
        Reason::Decided { .. } => (1, "decided when it was refused"),
        Reason::Imported(_) => (2, "from an existing profile"),
        Reason::Runtime { .. } => (3, "the launcher needs it after it has loaded the filter"),
        Reason::Portability { .. } => {
            (4, "another libc, architecture or kernel uses it for an observed call")
        }
        Reason::Baseline(_) => (5, "every process needs it, or the kernel makes the process call it"),
        Reason::Fallback(_) => (6, "answered as absent, so that callers use the older call"),
    });
    ranked.min().unwrap_or((7, "closes a way around other rules"))
}

fn default_errno_loss(errno: u16) -> Loss {
    Loss::stricter(About::DefaultAction, LossKind::OldDocker { errno })
}
