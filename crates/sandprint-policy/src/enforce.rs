//! What must hold of a policy before a process confines itself by it and executes a program.
//!
//! - [`check()`]: whether the policy can start anything on this machine.
//! - [`of_execve()`]: whether it lets that one call happen.
//! - [`probe_number()`], [`with_probe()`] and [`is_probe()`]: a rule of its own for a call that nobody makes, so that the filter's
//!   force can be shown without harm.

use std::collections::BTreeSet;

use sandprint_model::{Abi, Action, Call, PROBE_NUMBERS, Policy, Reason, Rule, Syscall};

/// Why a policy can start nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It has no rule for the ABI of this machine's programs.
    #[error("the policy has no rule for {native}, the ABI of this machine's programs: {}", has(.found))]
    Foreign {
        /// The ABI.
        native: Abi,
        /// The ABIs that have rules.
        found: BTreeSet<Abi>,
    },
    /// No rule and no default lets any call run.
    #[error("the policy allows no system call at all, so nothing can be started under it")]
    AllowsNothing,
}

fn has(found: &BTreeSet<Abi>) -> String {
    if found.is_empty() {
        return "it has no rule at all".to_owned();
    }
    let names: Vec<_> = found.iter().map(|abi| abi.name()).collect();
    format!("it is for {}", names.join(" and "))
}

/// Whether a call with this action runs, with nobody there to be asked.
pub fn runs(action: Action) -> bool {
    matches!(action, Action::Allow | Action::Log)
}

/// Whether the policy can start anything on a machine whose programs use `native`.
pub fn check(policy: &Policy, native: Abi) -> Result<(), Unfit> {
    let found: BTreeSet<Abi> = policy.calls.rules.keys().map(|syscall| syscall.abi).collect();
    let actions = policy.calls.rules.values().flatten().map(|rule| rule.action);
    let mut decided = actions.chain([policy.calls.default_action, policy.calls.foreign_action]);
    if !decided.any(runs) {
        return Err(Unfit::AllowsNothing);
    }
    if !found.contains(&native) {
        return Err(Unfit::Foreign { native, found });
    }
    let native_rules =
        policy.calls.rules.iter().filter(|(syscall, _)| syscall.abi == native).flat_map(|(_, rules)| rules);
    if !native_rules.map(|rule| rule.action).chain([policy.calls.default_action]).any(runs) {
        return Err(Unfit::AllowsNothing);
    }
    Ok(())
}

/// What a policy says of one execve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execve {
    /// What happens to it.
    pub action: Action,
    /// Whether its arguments were asked. They are addresses, so that the next execve may be decided otherwise.
    pub by_arguments: bool,
    /// Whether execveat is allowed, whatever its conditions: it does the same, and is another call.
    pub execveat: bool,
}

/// What the policy says of an execve with these argument registers. A policy without a call of that name in the ABI
/// does not exist: every ABI has execve.
pub fn of_execve(policy: &Policy, native: Abi, args: [u64; 6]) -> Option<Execve> {
    let syscall = Syscall::from_name(native, "execve")?;
    let conditions = |rules: &Vec<Rule>| rules.iter().any(|rule| !rule.conditions.is_empty());
    Some(Execve {
        action: policy.calls.decide(&Call { syscall, args }),
        by_arguments: policy.calls.rules.get(&syscall).is_some_and(conditions),
        execveat: policy.calls.allowed().any(|call| call.abi == native && call.name() == Some("execveat")),
    })
}

/// Where probes begin, downwards.
const FIRST_PROBE: u32 = *PROBE_NUMBERS.end();

/// A number that the policy has no rule for, and that is no call.
pub fn probe_number(policy: &Policy, native: Abi) -> u32 {
    let is_free = |nr: &u32| !policy.calls.rules.contains_key(&Syscall { abi: native, nr: *nr });
    (0..=FIRST_PROBE).rev().find(is_free).unwrap_or(FIRST_PROBE)
}

/// Answers that no call gives: Linux has some 130 errnos, and 512 to 531 for its own use; a filter may answer with up
/// to 4095 (`MAX_ERRNO`). Two, for a process that is under a filter with the first already.
const ANSWERS: [u16; 2] = [3551, 3552];

/// The answer that a probe is to get, where it got `before` without the filter.
pub fn probe_answer(before: i32) -> u16 {
    let [first, second] = ANSWERS;
    if before == i32::from(first) { second } else { first }
}

/// Whether a filter that answers this call so answers a probe, and no program's own call.
pub fn is_probe(syscall: Syscall, answer: Action) -> bool {
    PROBE_NUMBERS.contains(&syscall.nr) && matches!(answer, Action::Errno(errno) if ANSWERS.contains(&errno))
}

/// The policy with a rule that answers the probe.
pub fn with_probe(policy: &Policy, native: Abi, nr: u32, answer: u16) -> Policy {
    let mut policy = policy.clone();
    let why = "the probe by which sandprint makes sure that the filter is in force".to_owned();
    let rule = Rule {
        conditions: Vec::new(),
        action: Action::Errno(answer),
        reasons: BTreeSet::from([Reason::ByHand(why)]),
    };
    policy.calls.rules.insert(Syscall { abi: native, nr }, vec![rule]);
    policy
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sandprint_model::{CallRules, Comparison, Condition, Width};

    use super::*;
    use crate::cbpf::{SeccompData, compile, returned_action, simulate};

    fn rule(action: Action, conditions: Vec<Condition>) -> Rule {
        Rule { conditions, action, reasons: BTreeSet::new() }
    }

    fn policy(default_action: Action, rules: &[(Abi, &str, Action)]) -> Policy {
        let rules = rules.iter().map(|(abi, name, action)| {
            (Syscall::from_name(*abi, name).unwrap(), vec![rule(*action, Vec::new())])
        });
        Policy {
            kernel: None,
            calls: CallRules { default_action, foreign_action: Action::KillProcess, rules: rules.collect() },
            notes: BTreeSet::new(),
        }
    }

    #[test]
    fn a_policy_that_starts_nothing_is_refused_with_its_reason() {
        use Action::{Allow, Errno, KillProcess, Log, Notify, Trace};
        type Case = (Action, &'static [(Abi, &'static str, Action)], Result<(), Unfit>);
        let foreign = |found: &[Abi]| {
            Err(Unfit::Foreign { native: Abi::X86_64, found: found.iter().copied().collect() })
        };
        let cases: [Case; 9] = [
            (Errno(1), &[(Abi::X86_64, "execve", Allow)], Ok(())),
            (Log, &[(Abi::X86_64, "mount", Errno(1))], Ok(())),
            (Errno(1), &[], Err(Unfit::AllowsNothing)),
            (KillProcess, &[(Abi::X86_64, "read", Errno(1))], Err(Unfit::AllowsNothing)),
            (
                Errno(1),
                &[(Abi::X86_64, "read", Trace(1)), (Abi::X86_64, "write", Notify)],
                Err(Unfit::AllowsNothing),
            ),
            (Errno(1), &[(Abi::Aarch64, "read", Allow)], foreign(&[Abi::Aarch64])),
            (
                Errno(1),
                &[(Abi::I386, "read", Allow), (Abi::X32, "read", Allow)],
                foreign(&[Abi::I386, Abi::X32]),
            ),
            (
                Errno(1),
                &[(Abi::I386, "read", Allow), (Abi::X86_64, "read", Errno(38))],
                Err(Unfit::AllowsNothing),
            ),
            (Allow, &[], foreign(&[])),
        ];
        for (default, rules, expected) in cases {
            assert_eq!(check(&policy(default, rules), Abi::X86_64), expected, "{default:?} {rules:?}");
        }
        let text =
            check(&policy(Errno(1), &[(Abi::Aarch64, "read", Allow)]), Abi::X86_64).unwrap_err().to_string();
        let expected =
            "the policy has no rule for x86_64, the ABI of this machine's programs: it is for aarch64";
        assert_eq!(text, expected);
    }

    #[test]
    fn execve_is_decided_with_its_registers() {
        let mut policy = policy(Action::Errno(1), &[(Abi::X86_64, "execveat", Action::Allow)]);
        let of = |policy: &Policy, path| of_execve(policy, Abi::X86_64, [path, 2, 3, 0, 0, 0]).unwrap();
        let expected = Execve { action: Action::Errno(1), by_arguments: false, execveat: true };
        assert_eq!(of(&policy, 1), expected);
        let only = Condition { index: 0, width: Width::Bits64, comparison: Comparison::Equal(1) };
        let execve = Syscall::from_name(Abi::X86_64, "execve").unwrap();
        policy.calls.rules = BTreeMap::from([(execve, vec![rule(Action::Allow, vec![only])])]);
        for (path, action) in [(1, Action::Allow), (2, Action::Errno(1))] {
            assert_eq!(of(&policy, path), Execve { action, by_arguments: true, execveat: false });
        }
    }

    #[test]
    fn a_probe_is_known_by_its_number_and_its_answer() {
        let policy = policy(Action::KillProcess, &[]);
        for abi in Abi::ALL {
            let nr = probe_number(&policy, abi);
            for (nr, errno, expected) in [
                (nr, probe_answer(-1), true),
                (nr, probe_answer(i32::from(ANSWERS[0])), true),
                (nr - 1, ANSWERS[0], true),
                (nr, 38, false),
                (nr + 1, ANSWERS[0], false),
                (83, ANSWERS[0], false),
            ] {
                assert_eq!(
                    is_probe(Syscall { abi, nr }, Action::Errno(errno)),
                    expected,
                    "{abi} {nr} {errno}"
                );
            }
            assert!(!is_probe(Syscall { abi, nr }, Action::KillProcess));
        }
    }

    #[test]
    fn the_probe_is_no_call_of_any_abi_and_no_rule_is_lost_to_it() {
        let mut policy = policy(Action::KillProcess, &[(Abi::X86_64, "read", Action::Allow)]);
        assert_eq!(probe_number(&policy, Abi::X86_64), FIRST_PROBE);
        policy
            .calls
            .rules
            .insert(Syscall { abi: Abi::X86_64, nr: FIRST_PROBE }, vec![rule(Action::Allow, vec![])]);
        assert_eq!(probe_number(&policy, Abi::X86_64), FIRST_PROBE - 1);
        for abi in Abi::ALL {
            assert_eq!(FIRST_PROBE & Abi::X32_BIT, 0);
            assert!(Syscall::all(abi).all(|call| call.nr < FIRST_PROBE - 1000), "{abi}");
        }
    }

    #[test]
    fn only_the_probe_is_answered_otherwise_than_without_it() {
        let native = Abi::X86_64;
        for default in [Action::KillProcess, Action::Errno(1), Action::Trap] {
            let plain = policy(default, &[(native, "read", Action::Allow), (Abi::I386, "read", Action::Log)]);
            let number = probe_number(&plain, native);
            let probed = with_probe(&plain, native, number, probe_answer(38));
            let program = compile(&probed).unwrap();
            let says = |abi, nr| {
                let call = Call { syscall: Syscall { abi, nr }, args: [0; 6] };
                let action = returned_action(simulate(&program, &SeccompData::from(&call)));
                (action, plain.calls.decide(&call))
            };
            assert_eq!(says(native, number).0, Action::Errno(3551));
            for abi in Abi::ALL {
                for nr in (0..500).chain([number - 1, number + 1, 0x3fff_ffff]) {
                    let (got, expected) = says(abi, nr);
                    assert_eq!(got, expected, "{abi} {nr}");
                }
            }
        }
        assert_eq!([probe_answer(38), probe_answer(3551), probe_answer(3552)], [3551, 3552, 3551]);
    }
}
