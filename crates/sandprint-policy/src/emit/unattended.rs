//! Policies for formats that start nobody who could be asked.
//!
//! Without a supervisor, and without a tracer, the kernel does not run such a call and answers ENOSYS
//! (seccomp(2), `SECCOMP_RET_USER_NOTIF` and `SECCOMP_RET_TRACE`). So that is what these formats say.

use std::borrow::Cow;
use std::collections::BTreeSet;

use sandprint_model::errno::ENOSYS;
use sandprint_model::{About, Action, Loss, LossKind, Policy, Syscall};

/// The policy with ENOSYS wherever `asks` says that somebody would have to be asked, and what is lost by it.
pub(super) fn unattended(policy: &Policy, asks: fn(Action) -> bool) -> (Cow<'_, Policy>, BTreeSet<Loss>) {
    let asking: BTreeSet<Syscall> = policy
        .calls
        .rules
        .iter()
        .filter(|(_, rules)| rules.iter().any(|rule| asks(rule.action)))
        .map(|(syscall, _)| *syscall)
        .collect();
    let lost = |about| Loss::stricter(about, LossKind::NobodyToAsk);
    let mut losses: BTreeSet<Loss> = asking.iter().map(|syscall| lost(About::Call(*syscall))).collect();
    for (about, action) in [
        (About::DefaultAction, policy.calls.default_action),
        (About::WithoutRules, policy.calls.foreign_action),
    ] {
        if asks(action) {
            losses.insert(lost(about));
        }
    }
    if losses.is_empty() {
        return (Cow::Borrowed(policy), losses);
    }
    let answer = |action| if asks(action) { Action::Errno(ENOSYS) } else { action };
    let mut policy = policy.clone();
    policy.calls.default_action = answer(policy.calls.default_action);
    policy.calls.foreign_action = answer(policy.calls.foreign_action);
    for rule in policy.calls.rules.values_mut().flatten() {
        rule.action = answer(rule.action);
    }
    (Cow::Owned(policy), losses)
}
