//! Whatever a profile decides differently from its policy must be among its losses.

use std::collections::BTreeSet;

use sandprint_model::{Abi, Action, Call, KernelVersion, Loss, Policy, Syscall};

/// Whether a call with this action runs.
pub fn runs(action: Action) -> bool {
    matches!(action, Action::Allow | Action::Log)
}

/// Holds a profile against its policy, call by call: every difference must be covered by a loss, and one
/// that lets a call run which the policy refuses by a loss that says so.
pub fn check(
    policy: &Policy,
    losses: &BTreeSet<Loss>,
    calls: impl Iterator<Item = Call>,
    profile: impl Fn(&Call) -> Action,
) {
    for call in calls {
        let (wanted, got) = (policy.calls.decide(&call), profile(&call));
        if wanted == got {
            continue;
        }
        let weaker = runs(got) && !runs(wanted);
        let covered =
            losses.iter().any(|loss| (loss.weaker || !weaker) && covers(loss, call.syscall, policy));
        let name = call.syscall;
        assert!(covered, "{} {name}: {wanted:?}, not {got:?}: {call:x?}\n{losses:#?}\n{policy:#?}", name.abi);
    }
}

/// Whether a loss speaks of a call.
fn covers(loss: &Loss, syscall: Syscall, policy: &Policy) -> bool {
    // The ABIs of the rules take part, and those that their machines are made for.
    let takes_part = |used: &Syscall| syscall.abi == used.abi || syscall.abi == used.abi.arch().native_abi();
    let is_foreign = !policy.calls.rules.keys().any(takes_part);
    // What nobody can be asked about is every call of an ABI without rules.
    let has_no_rules = !policy.calls.rules.keys().any(|used| used.abi == syscall.abi);
    let is_unasked = has_no_rules && loss.text.starts_with("no supervisor is started that could be asked");
    let subject = loss.subject.as_str();
    let name = syscall.to_string();
    let name = name.as_str();
    let listed =
        loss.text.split_once(": ").is_some_and(|(_, list)| list.split(", ").any(|listed| listed == name));
    let of_abi = subject.strip_prefix(syscall.abi.name()).map_or(subject, str::trim_start);
    let newer = of_abi.strip_prefix("calls newer than Linux ").is_some_and(|kernel| {
        let known: KernelVersion = kernel.parse().unwrap();
        Abi::ALL
            .iter()
            .any(|abi| Syscall::from_name(*abi, name).is_some_and(|here| here.since() > Some(known)))
    });
    subject == name
        || subject == format!("{} {syscall}", syscall.abi)
        || subject == format!("{} number {}", syscall.abi, syscall.nr)
        || (subject == syscall.abi.name() && listed)
        || (subject == "other ABIs" && (is_foreign || is_unasked))
        || subject == format!("all of {}", syscall.abi)
        || subject == format!("{} without rules", syscall.abi)
        || (subject == "default action" && !runs(policy.calls.default_action))
        || newer
}
