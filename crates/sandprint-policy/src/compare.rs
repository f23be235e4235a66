//! What two policies say differently. Meanings are compared, not texts: rules in another form that decide alike are
//! no difference.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::{Abi, Action, Call, KernelVersion, Policy, Rule, Syscall};

use crate::cases;

/// The differences between two policies, A and B.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyDiff {
    /// The default actions, where they differ.
    pub default_action: Option<(Action, Action)>,
    /// The foreign actions, where they differ.
    pub foreign_action: Option<(Action, Action)>,
    /// The oldest kernels, where they differ.
    pub kernel: Option<(Option<KernelVersion>, Option<KernelVersion>)>,
    /// ABIs that only A has rules for.
    pub abis_only_a: BTreeSet<Abi>,
    /// ABIs that only B has rules for.
    pub abis_only_b: BTreeSet<Abi>,
    /// The calls that are decided differently, though the defaults may be the same.
    pub calls: BTreeMap<Syscall, CallDiff>,
}

/// How one call is decided differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallDiff {
    /// Which policy allows more of it.
    pub wider: Wider,
    /// A's rules for it; none where its default decides.
    pub a: Vec<Rule>,
    /// B's rules for it.
    pub b: Vec<Rule>,
    /// A call that is decided differently, what A says of it, and what B says.
    pub example: (Call, Action, Action),
    /// Whether every kind of argument was compared; if not, there may be more.
    pub complete: bool,
}

/// Which of two policies allows more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wider {
    /// A lets calls run that B refuses, and B none that A refuses.
    A,
    /// The other way round.
    B,
    /// Each lets some run that the other refuses.
    Both,
    /// The same calls run; others are answered in another way.
    Neither,
}

impl PolicyDiff {
    /// Compares two policies: every call that either has a rule for, and the defaults for all others.
    pub fn between(a: &Policy, b: &Policy) -> PolicyDiff {
        let abis =
            |policy: &Policy| policy.calls.rules.keys().map(|syscall| syscall.abi).collect::<BTreeSet<Abi>>();
        let (abis_a, abis_b) = (abis(a), abis(b));
        let calls: BTreeSet<Syscall> = a.calls.rules.keys().chain(b.calls.rules.keys()).copied().collect();
        PolicyDiff {
            default_action: differing(a.calls.default_action, b.calls.default_action),
            foreign_action: differing(a.calls.foreign_action, b.calls.foreign_action),
            kernel: differing(a.kernel, b.kernel),
            abis_only_a: abis_a.difference(&abis_b).copied().collect(),
            abis_only_b: abis_b.difference(&abis_a).copied().collect(),
            calls: calls
                .into_iter()
                .filter_map(|syscall| Some((syscall, CallDiff::between(a, b, syscall)?)))
                .collect(),
        }
    }

    /// Whether the two mean the same. The kernel that they are made for is no part of that.
    pub fn is_empty(&self) -> bool {
        let PolicyDiff { default_action, foreign_action, kernel: _, abis_only_a, abis_only_b, calls } = self;
        default_action.is_none()
            && foreign_action.is_none()
            && abis_only_a.is_empty()
            && abis_only_b.is_empty()
            && calls.is_empty()
    }
}

fn differing<T: PartialEq>(a: T, b: T) -> Option<(T, T)> {
    (a != b).then_some((a, b))
}

impl CallDiff {
    fn between(a: &Policy, b: &Policy, syscall: Syscall) -> Option<CallDiff> {
        let rules = |policy: &Policy| policy.calls.rules.get(&syscall).cloned().unwrap_or_default();
        let (of_a, of_b) = (rules(a), rules(b));
        let conditions = of_a.iter().chain(&of_b).flat_map(|rule| &rule.conditions);
        let (cases, complete) = cases::arguments(conditions);
        let mut example = None;
        let (mut only_a, mut only_b) = (false, false);
        for args in cases {
            let call = Call { syscall, args };
            let (by_a, by_b) = (a.calls.decide(&call), b.calls.decide(&call));
            if by_a == by_b {
                continue;
            }
            let telling = by_a.lets_run() != by_b.lets_run();
            only_a |= telling && by_a.lets_run();
            only_b |= telling && by_b.lets_run();
            // A call that runs under one of them only says more than another errno.
            if example
                .as_ref()
                .is_none_or(|(_, a, b): &(_, Action, Action)| telling && a.lets_run() == b.lets_run())
            {
                example = Some((call, by_a, by_b));
            }
        }
        let wider = match (only_a, only_b) {
            (true, true) => Wider::Both,
            (true, false) => Wider::A,
            (false, true) => Wider::B,
            (false, false) => Wider::Neither,
        };
        Some(CallDiff { wider, a: of_a, b: of_b, example: example?, complete })
    }
}

#[cfg(test)]
mod tests {
    use sandprint_model::wire::PolicyFile;

    use super::*;

    fn policy(rules: &str) -> Policy {
        let head = "version = 1\ndefault = \"errno EPERM\"\nforeign = \"kill-process\"\n\
                    [[x86_64.exit]]\ndo = \"allow\"\n";
        PolicyFile::read(&format!("{head}{rules}")).unwrap().policy
    }

    fn socket(action: &str, conditions: &str) -> String {
        format!("[[x86_64.socket]]\ndo = \"{action}\"\nwhen = [{conditions}]\n")
    }

    #[test]
    fn the_same_meaning_in_another_form_is_no_difference() {
        let a = policy(&socket("allow", "\"arg0.u32 == 2\""));
        let b = policy(&format!(
            "{}{}{}",
            socket("errno EPERM", "\"arg0.u32 > 2\""),
            socket("allow", "\"arg0.u32 >= 2\""),
            socket("errno EPERM", ""),
        ));
        assert!(PolicyDiff::between(&a, &b).is_empty());
        assert!(PolicyDiff::between(&a, &policy("[[x86_64.read]]\ndo = \"errno EPERM\"\n")).calls.len() == 1);
    }

    #[test]
    fn differences_say_who_is_wider_and_give_a_call_that_shows_it() {
        for (a, b, wider, complete) in [
            (socket("allow", ""), String::new(), Wider::A, true),
            (String::new(), socket("log", "\"arg0.u32 == 2\""), Wider::B, true),
            (socket("allow", "\"arg0.u32 == 1\""), socket("allow", "\"arg0.u32 == 2\""), Wider::Both, true),
            (socket("allow", "\"arg0.u32 == 2\""), socket("allow", "\"arg0.u64 == 2\""), Wider::A, true),
            (socket("errno EIO", ""), socket("trap", ""), Wider::Neither, true),
            (socket("log", ""), socket("allow", ""), Wider::Neither, true),
        ] {
            let (a, b) = (policy(&a), policy(&b));
            let diff = PolicyDiff::between(&a, &b);
            let found = diff.calls.values().next().unwrap();
            assert_eq!((diff.calls.len(), found.wider, found.complete), (1, wider, complete));
            let (call, by_a, by_b) = found.example;
            assert_eq!((a.calls.decide(&call), b.calls.decide(&call)), (by_a, by_b));
            assert_ne!(by_a, by_b);
            assert_eq!(by_a.lets_run() == by_b.lets_run(), wider == Wider::Neither);
            let back = PolicyDiff::between(&b, &a);
            let mirrored = match wider {
                Wider::A => Wider::B,
                Wider::B => Wider::A,
                other => other,
            };
            assert_eq!(back.calls.values().next().unwrap().wider, mirrored);
        }
    }

    #[test]
    fn defaults_and_abis_are_compared() {
        let a = policy("");
        let mut b = policy("[[i386.exit]]\ndo = \"allow\"\n");
        b.calls.default_action = Action::KillProcess;
        b.kernel = Some(KernelVersion::new(5, 10));
        let diff = PolicyDiff::between(&a, &b);
        assert_eq!(diff.default_action, Some((Action::Errno(1), Action::KillProcess)));
        assert_eq!(diff.abis_only_b, BTreeSet::from([Abi::I386]));
        assert_eq!(diff.kernel, Some((None, Some(KernelVersion::new(5, 10)))));
        assert!(!diff.is_empty() && diff.calls.len() == 1);
        b.calls.rules.retain(|syscall, _| syscall.abi != Abi::I386);
        b.calls.default_action = a.calls.default_action;
        assert!(PolicyDiff::between(&a, &b).is_empty());
    }
}
