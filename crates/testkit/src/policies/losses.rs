//! Whatever a profile decides differently from its policy must be among its losses.

use std::collections::BTreeSet;

use sandprint_model::{About, Action, Call, Loss, Policy, Syscall};

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
    match loss.about {
        About::DefaultAction => !runs(policy.calls.default_action),
        About::OtherAbis => !policy.calls.rules.keys().any(takes_part),
        About::WithoutRules => !policy.calls.has_rules_for(syscall.abi),
        _ => loss.about.covers(syscall),
    }
}
