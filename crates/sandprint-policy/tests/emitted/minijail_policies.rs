//! minijail's policies are read as its documentation says, and each answer compared with the policy.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sandprint_model::{Abi, Action, Call, Policy, Syscall};
use sandprint_policy::emit::{Emitted, by_name};

use crate::one_machine::of_one_machine;
use testkit::policies::{allowing, any_policy, call, ls, policy};
use testkit::policies::{grid, losses};

/// A file as libminijail reads it (minijail0(5), `syscall_filter.c`).
struct File {
    abi: Abi,
    lines: BTreeMap<Syscall, (Allowed, Action)>,
}

/// When a call is allowed: alternatives of atoms.
enum Allowed {
    Always,
    AnyOf(Vec<Vec<Atom>>),
}

struct Atom {
    index: usize,
    operator: String,
    value: u64,
}

/// What minijail does with a call that it refuses without an errno, by its options.
const BLOCKED: Action = Action::KillThread;

impl File {
    fn read(text: &str, abi: Abi) -> File {
        let mut lines = BTreeMap::new();
        let mut labels = 0;
        for line in text.lines() {
            assert!(!line.ends_with('\\'), "it would take in the next line");
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, rest) = line.split_once(':').unwrap();
            let syscall = Syscall::from_name(abi, name.trim()).unwrap_or_else(|| panic!("no {name}"));
            let rest = rest.trim();
            let decision = if rest == "1" {
                (Allowed::Always, BLOCKED)
            } else if let Some(errno) = rest.strip_prefix("return") {
                labels += 1;
                (Allowed::AnyOf(Vec::new()), Action::Errno(errno.trim().parse().unwrap()))
            } else {
                let (allowed, refusal) =
                    rest.split_once(';').map_or((rest, None), |(all, last)| (all, Some(last)));
                let refusal = refusal.map_or(BLOCKED, |refusal| {
                    Action::Errno(refusal.trim().strip_prefix("return").unwrap().trim().parse().unwrap())
                });
                let groups: Vec<Vec<Atom>> =
                    allowed.split("||").map(|group| group.split("&&").map(Atom::read).collect()).collect();
                labels += 2 + groups.len();
                (Allowed::AnyOf(groups), refusal)
            };
            assert!(lines.insert(syscall, decision).is_none(), "minijail refuses a call twice: {name}");
        }
        assert!(labels <= 512, "minijail keeps 512 labels, not {labels}");
        File { abi, lines }
    }

    fn decide(&self, call: &Call) -> Action {
        if call.syscall.abi != self.abi {
            // x32 shares the architecture, and none of the numbers.
            return BLOCKED;
        }
        match self.lines.get(&call.syscall) {
            None => BLOCKED,
            Some((Allowed::Always, _)) => Action::Allow,
            Some((Allowed::AnyOf(groups), refusal)) => {
                let holds = groups.iter().any(|group| group.iter().all(|atom| atom.holds(&call.args)));
                if holds { Action::Allow } else { *refusal }
            }
        }
    }
}

impl Atom {
    fn read(text: &str) -> Atom {
        let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        let [argument, operator, value] = words[..] else { panic!("{text}") };
        Atom {
            index: argument.strip_prefix("arg").unwrap().parse().unwrap(),
            operator: operator.to_owned(),
            value: u64::from_str_radix(value.strip_prefix("0x").unwrap(), 16).unwrap(),
        }
    }

    fn holds(&self, args: &[u64; 6]) -> bool {
        let (arg, value) = (args[self.index], self.value);
        match self.operator.as_str() {
            "==" => arg == value,
            "!=" => arg != value,
            "<" => arg < value,
            "<=" => arg <= value,
            ">" => arg > value,
            ">=" => arg >= value,
            "&" => arg & value != 0,
            "in" => arg & !value == 0,
            other => panic!("{other}"),
        }
    }
}

fn emit(policy: &Policy) -> Emitted {
    by_name("minijail").unwrap().emit(policy).unwrap()
}

#[test]
fn what_was_recorded_is_allowed_and_what_is_absent_answers_enosys() {
    for abi in [Abi::X86_64, Abi::Aarch64] {
        let policy = policy(&ls(abi));
        let emitted = emit(&policy);
        let file = File::read(emitted.content.as_text().unwrap(), abi);
        for call in grid::calls(&policy) {
            let (wanted, got) = (policy.calls.decide(&call), file.decide(&call));
            assert_eq!(got == Action::Allow, wanted == Action::Allow, "{call:x?}");
        }
        losses::check(&policy, &emitted.losses, grid::calls(&policy), |call| file.decide(call));
        let clone3 = Call { syscall: call(abi, "clone3"), args: [0; 6] };
        assert_eq!(file.decide(&clone3), Action::Errno(38));
    }
}

#[test]
fn what_minijail_cannot_be_told_at_all_is_an_error_with_a_way_out() {
    let minijail = by_name("minijail").unwrap();
    let mut open = allowing(&[call(Abi::X86_64, "read")]);
    open.calls.default_action = Action::Log;
    assert!(minijail.emit(&open).unwrap_err().hint.contains("minijail0 -L"));
    let both = allowing(&[call(Abi::X86_64, "read"), call(Abi::Aarch64, "read")]);
    assert!(minijail.emit(&both).unwrap_err().hint.contains("--arch"));
}

proptest! {
    #[test]
    fn every_difference_from_the_policy_is_a_loss(policy in any_policy().prop_filter_map("two machines", of_one_machine)) {
        let refuses = !losses::runs(policy.calls.default_action);
        let abi = policy.calls.rules.keys().map(|syscall| syscall.abi.arch().native_abi()).next().unwrap();
        match by_name("minijail").unwrap().emit(&policy) {
            Ok(emitted) => {
                prop_assert!(refuses);
                let file = File::read(emitted.content.as_text().unwrap(), abi);
                losses::check(&policy, &emitted.losses, grid::calls(&policy), |call| file.decide(call));
                let weaker: BTreeSet<_> = emitted.losses.iter().filter(|loss| loss.weaker).collect();
                prop_assert!(weaker.is_empty(), "{:?}", weaker);
            }
            Err(error) => prop_assert!(!refuses || error.what.contains("labels"), "{:?}", error),
        }
    }
}
