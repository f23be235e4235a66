//! A `SeccompProfile` for Kubernetes, as the security-profiles-operator distributes it to every node.
//!
//! The operator writes the object's `spec` as the plain file that runtimes read, so it means what the format
//! `oci` means, with what the object cannot hold: an errno for the default action (runtimes take EPERM), an
//! errno of zero, which is left out on the way, and values above 2^63 - 1. Its head says how a pod names the
//! profile, and how to do without the operator.
//!
//! Source: security-profiles-operator, `api/seccompprofile/v1/seccompprofile_types.go`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use sandprint_model::{About, Action, Comparison, Condition, Loss, LossKind, Part, Policy, Syscall};

use super::by_name::{ByName, abis_of};
use super::oci::{Argument, action_name, architecture, consumer_losses, syscalls};
use super::shape::{MAX_ENTRIES, Shape};
use super::unattended::unattended;
use super::{EmitError, Format, Written, answered, escape, reasons};
use crate::enforce::runs;
use crate::synth::Runtime;

/// `kubectl apply -f seccompprofile.yaml`.
#[derive(Debug)]
pub struct K8s;

/// What a runtime answers where no errno is given.
const EPERM: u16 = 1;

/// The largest value of a field of the object (`int64`).
const LARGEST: u64 = i64::MAX.unsigned_abs();

/// How many values are named one by one where a mask is larger.
const FEW: u64 = 16;

/// The object's name. Users choose their own; the profile's path follows it.
const NAME: &str = "sandprint";

impl Format for K8s {
    fn name(&self) -> &'static str {
        "k8s"
    }

    fn summary(&self) -> &'static str {
        "SeccompProfile for Kubernetes' security-profiles-operator (v1)"
    }

    fn file_name(&self) -> &'static str {
        "seccompprofile.yaml"
    }

    fn launchers(&self) -> &'static [Runtime] {
        &[Runtime::Crun, Runtime::Runc]
    }

    fn holds(&self) -> &'static [Part] {
        &[Part::Calls]
    }

    fn write(&self, policy: &Policy) -> Result<Written, EmitError> {
        let (policy, mut losses) =
            unattended(policy, |action| matches!(action, Action::Notify | Action::Trace(_)));
        let policy = with_sayable_errnos(policy, &mut losses);
        let policy = policy.as_ref();
        let list = ByName::for_libseccomp(policy, &abis_of(policy));
        losses.extend(list.losses.iter().cloned());
        losses.extend(consumer_losses(policy, &list));
        let shapes: BTreeMap<&'static str, Shape> = list
            .calls
            .iter()
            .map(|(name, call)| {
                (*name, with_sayable_values(name, &call.shape, policy.calls.default_action, &mut losses))
            })
            .collect();
        let mut text = head(policy);
        let action = action_name(policy.calls.default_action);
        // Writing to a String cannot fail, here and below.
        writeln!(text, "spec:\n  defaultAction: {action}\n  architectures:").unwrap_or_default();
        for abi in &list.abis {
            writeln!(text, "  - {}", architecture(*abi)).unwrap_or_default();
        }
        let elements = syscalls(shapes.iter().map(|(name, shape)| (*name, shape)));
        text.push_str(if elements.is_empty() { "  syscalls: []\n" } else { "  syscalls:\n" });
        for element in elements {
            writeln!(text, "  - action: {}", element.action).unwrap_or_default();
            if let Some(errno) = element.errno_ret {
                writeln!(text, "    errnoRet: {errno}").unwrap_or_default();
            }
            text.push_str("    names:\n");
            for name in &element.names {
                let why = list.calls.get(name).map(|call| reasons::in_words(call.reasons.iter().copied()));
                let why = escape::line_comment(&why.unwrap_or_default());
                let why = if why.is_empty() { String::new() } else { format!(" # {why}") };
                writeln!(text, "    - {name}{why}").unwrap_or_default();
            }
            if !element.args.is_empty() {
                text.push_str("    args:\n");
                element.args.iter().for_each(|argument| write_argument(&mut text, argument));
            }
        }
        Ok(Written::text(text, losses))
    }
}

fn head(policy: &Policy) -> String {
    let mut text = format!(
        "# Made by sandprint, for the security-profiles-operator: `kubectl apply -f` this file under a name of your\n\
         # own, and let a pod or a container use it:\n\
         #   securityContext:\n\
         #     seccompProfile:\n\
         #       type: Localhost\n\
         #       localhostProfile: operator/{NAME}.json\n\
         # Without the operator: put what the format oci makes, as /var/lib/kubelet/seccomp/{NAME}.json, on every\n\
         # node, and name it by localhostProfile: {NAME}.json\n"
    );
    for note in &policy.notes {
        writeln!(text, "# Note: {}", escape::line_comment(&note.to_string())).unwrap_or_default();
    }
    writeln!(
        text,
        "apiVersion: security-profiles-operator.x-k8s.io/v1\nkind: SeccompProfile\nmetadata:\n  name: {NAME}"
    )
    .unwrap_or_default();
    text
}

fn write_argument(text: &mut String, argument: &Argument) {
    let Argument { index, value, value_two, op } = argument;
    write!(text, "    - {{index: {index}, op: {op}, value: {value}").unwrap_or_default();
    if let Some(value_two) = value_two {
        write!(text, ", valueTwo: {value_two}").unwrap_or_default();
    }
    text.push_str("}\n");
}

/// The policy with EPERM where the object cannot say another errno.
fn with_sayable_errnos<'p>(policy: Cow<'p, Policy>, losses: &mut BTreeSet<Loss>) -> Cow<'p, Policy> {
    let mut policy = policy;
    if let Action::Errno(errno) = policy.calls.default_action
        && errno != EPERM
    {
        // The object has no errno for it, and so runtimes answer this.
        let got = Action::Errno(EPERM);
        losses.insert(answered(About::DefaultAction, got, policy.calls.default_action));
        policy.to_mut().calls.default_action = got;
    }
    let zero = Action::Errno(0);
    let with_zero =
        policy.calls.rules.iter().filter(|(_, rules)| rules.iter().any(|rule| rule.action == zero));
    let answering: Vec<Syscall> = with_zero.map(|(syscall, _)| *syscall).collect();
    if !answering.is_empty() {
        for rule in policy.to_mut().calls.rules.values_mut().flatten().filter(|rule| rule.action == zero) {
            rule.action = Action::Errno(EPERM);
        }
    }
    // It is left out on the way to the runtime.
    let lost = |syscall| answered(About::Call(syscall), Action::Errno(EPERM), zero);
    losses.extend(answering.into_iter().map(lost));
    policy
}

/// The shape without the entries whose values the object cannot hold.
fn with_sayable_values(
    name: &'static str,
    shape: &Shape,
    default: Action,
    losses: &mut BTreeSet<Loss>,
) -> Shape {
    let Shape::When(action, entries) = shape else { return shape.clone() };
    if entries.iter().flatten().all(is_sayable) {
        return shape.clone();
    }
    let mut said: Vec<Vec<Condition>> = entries.iter().flat_map(|entry| one_by_one(entry)).collect();
    if said.len() > MAX_ENTRIES {
        said.clone_from(entries);
    }
    let kept: Vec<Vec<Condition>> =
        said.iter().filter(|entry| entry.iter().all(is_sayable)).cloned().collect();
    if kept.len() == said.len() {
        return Shape::When(*action, kept);
    }
    let (about, kind) = (About::Name(name), LossKind::ValueTooLarge);
    losses.insert(match (runs(default), runs(*action)) {
        (true, false) => Loss::weaker(about, kind),
        (false, true) => Loss::breaking(about, kind),
        _ => Loss::stricter(about, kind),
    });
    if kept.is_empty() { Shape::Default } else { Shape::When(*action, kept) }
}

/// An entry with each value of a few instead of a mask that is too large.
fn one_by_one(entry: &[Condition]) -> Vec<Vec<Condition>> {
    let mut entries: Vec<Vec<Condition>> = vec![Vec::new()];
    for condition in entry {
        let choices: Vec<Condition> = match condition.comparison {
            Comparison::MaskedEqual { mask, value } if !is_sayable(condition) && !mask < FEW => (0..=!mask)
                .filter(|bits| bits & mask == 0)
                .map(|bits| Condition { comparison: Comparison::Equal(value | bits), ..*condition })
                .collect(),
            _ => vec![*condition],
        };
        entries = entries
            .iter()
            .flat_map(|before| choices.iter().map(|choice| [before.as_slice(), &[*choice]].concat()))
            .collect();
    }
    entries
}

fn is_sayable(condition: &Condition) -> bool {
    match condition.comparison {
        Comparison::Equal(value)
        | Comparison::NotEqual(value)
        | Comparison::Less(value)
        | Comparison::LessOrEqual(value)
        | Comparison::Greater(value)
        | Comparison::GreaterOrEqual(value) => value <= LARGEST,
        Comparison::MaskedEqual { mask, value } => mask <= LARGEST && value <= LARGEST,
    }
}
