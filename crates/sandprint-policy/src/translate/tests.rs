//! Translation: every call of one architecture has an answer in the other, and conditions keep their meaning.

use std::collections::BTreeSet;

use sandprint_model::{
    Abi, About, Action, Arch, Call, CallRules, Comparison, Condition, Policy, Reason, Rule, Syscall, Width,
};

use super::replaced::{OWN, REPLACED, STARTING};
use super::{Translated, translate};

/// The table that is part of the program can be read.
fn translated(policy: &Policy, to: Arch) -> Translated {
    translate(policy, to).unwrap()
}

/// Calls of `x86_64` for which aarch64 has neither a call nor a need: never filled, long gone, or x86 hardware.
const WITHOUT_EQUAL: &[&str] = &[
    "_sysctl",
    "afs_syscall",
    "create_module",
    "epoll_ctl_old",
    "epoll_wait_old",
    "get_kernel_syms",
    "getpmsg",
    "putpmsg",
    "query_module",
    "security",
    "sysfs",
    "tuxcall",
    "uprobe",
    "uretprobe",
    "uselib",
    "ustat",
    "vserver",
];

fn syscall(abi: Abi, name: &str) -> Syscall {
    Syscall::from_name(abi, name).unwrap_or_else(|| panic!("no {name} in {abi}"))
}

fn allowed(reason: Reason, conditions: Vec<Condition>) -> Rule {
    Rule { conditions, action: Action::Allow, reasons: BTreeSet::from([reason]) }
}

fn observed() -> Reason {
    Reason::Observed { count: 1, runs: 1, images: Vec::new() }
}

fn policy(rules: impl IntoIterator<Item = (Syscall, Vec<Rule>)>) -> Policy {
    Policy {
        kernel: None,
        calls: CallRules {
            default_action: Action::Errno(1),
            foreign_action: Action::KillProcess,
            rules: rules.into_iter().collect(),
        },
        notes: BTreeSet::new(),
    }
}

fn observing(abi: Abi, names: &[&str]) -> Policy {
    policy(names.iter().map(|name| (syscall(abi, name), vec![allowed(observed(), Vec::new())])))
}

fn names(policy: &Policy) -> Vec<&'static str> {
    let mut names: Vec<_> = policy.calls.rules.keys().map(|syscall| syscall.name().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn every_call_of_x86_64_has_an_answer_in_aarch64() {
    for of in Syscall::all(Abi::X86_64) {
        let name = of.name().unwrap();
        let Translated { policy, losses } = translated(&observing(Abi::X86_64, &[name]), Arch::Aarch64);
        let own = OWN.iter().any(|(own, _)| *own == name);
        let lost = WITHOUT_EQUAL.contains(&name);
        assert_eq!(policy.calls.rules.is_empty(), own || lost, "{name}");
        assert_eq!(
            losses.iter().any(|loss| loss.about == About::Call(syscall(Abi::X86_64, name))),
            lost,
            "{name}"
        );
        assert_eq!(policy.notes.len(), if own { 2 } else { 1 }, "{name}");
        for (there, rules) in &policy.calls.rules {
            assert_eq!(there.abi, Abi::Aarch64);
            let why = |reason: &Reason| matches!(reason, Reason::Portability { of: from, .. } if *from == of);
            assert!(rules.iter().all(|rule| rule.reasons.iter().any(why)), "{name} {there}");
        }
    }
}

#[test]
fn each_row_names_calls_that_there_are() {
    assert!(REPLACED.windows(2).all(|rows| rows[0].old < rows[1].old));
    for row in REPLACED {
        assert!(Syscall::from_name(Abi::X86_64, row.old).is_some(), "{}", row.old);
        assert!(Syscall::from_name(Abi::Aarch64, row.old).is_none(), "{}", row.old);
        assert!(Syscall::from_name(Abi::Aarch64, row.new).is_some(), "{}", row.new);
    }
    for (abi, name, _) in STARTING {
        assert!(Syscall::from_name(*abi, name).is_some(), "{abi} {name}");
    }
    for (name, _) in OWN {
        assert!(Abi::ALL.iter().any(|abi| Syscall::from_name(*abi, name).is_some()), "{name}");
    }
}

#[test]
fn purposes_are_translated_both_ways() {
    for (from, names_here, to, names_there) in [
        (
            Abi::X86_64,
            &["open", "stat", "lstat", "poll", "fork", "epoll_wait", "dup2", "pipe", "read"][..],
            Arch::Aarch64,
            &["clone", "dup3", "epoll_pwait", "newfstatat", "openat", "pipe2", "ppoll", "read"][..],
        ),
        (
            Abi::Aarch64,
            &["openat", "newfstatat", "clone", "read"],
            Arch::X86_64,
            &["clone", "creat", "fork", "lstat", "newfstatat", "open", "openat", "read", "stat", "vfork"],
        ),
        (Abi::I386, &["mmap2", "_llseek", "socketcall"], Arch::Aarch64, &[]),
    ] {
        let translated = translated(&observing(from, names_here), to).policy;
        if names_there.is_empty() {
            assert!(translated.calls.rules.keys().all(|syscall| syscall.abi == Abi::Arm));
            assert!(
                names(&translated).starts_with(&["_llseek", "accept4", "bind"]),
                "{:?}",
                names(&translated)
            );
        } else {
            assert_eq!(names(&translated), names_there);
        }
    }
}

#[test]
fn conditions_follow_their_arguments_and_open_flags_their_bits() {
    let (x86, arm) = (Abi::X86_64, Abi::Aarch64);
    let directory = Comparison::MaskedEqual { mask: 0o200_000, value: 0o200_000 };
    let condition = |index, comparison| Condition { index, width: Width::Bits32, comparison };
    let translated = translated(
        &policy([
            (syscall(x86, "open"), vec![allowed(observed(), vec![condition(1, directory)])]),
            (syscall(x86, "dup2"), vec![allowed(observed(), vec![condition(1, Comparison::Equal(2))])]),
            (syscall(x86, "socket"), vec![allowed(observed(), vec![condition(0, Comparison::Equal(1))])]),
            (
                syscall(x86, "epoll_create"),
                vec![allowed(observed(), vec![condition(0, Comparison::Equal(1))])],
            ),
        ]),
        Arch::Aarch64,
    );
    let runs = |name, args: [u64; 6]| {
        let call = Call { syscall: syscall(arm, name), args };
        translated.policy.calls.decide(&call) == Action::Allow
    };
    assert!(runs("openat", [0, 0, 0o40_000, 0, 0, 0]), "O_DIRECTORY of ARM");
    assert!(!runs("openat", [0, 0, 0o200_000, 0, 0, 0]), "O_DIRECT of ARM");
    assert!(runs("dup3", [9, 2, 0, 0, 0, 0]) && !runs("dup3", [9, 3, 0, 0, 0, 0]));
    assert!(runs("socket", [1, 0, 0, 0, 0, 0]) && !runs("socket", [2, 0, 0, 0, 0, 0]));
    assert!(runs("epoll_create1", [7, 0, 0, 0, 0, 0]), "its argument is another one");
    let weaker: Vec<_> = translated.losses.iter().map(|loss| (loss.about.clone(), loss.weaker)).collect();
    assert_eq!(weaker, [(About::Call(syscall(Abi::Aarch64, "epoll_create1")), true)]);
}

#[test]
fn what_synthesis_added_is_made_anew() {
    let baseline = || Reason::Baseline("every process ends with it".to_owned());
    let mut from = observing(Abi::X86_64, &["read", "arch_prctl"]);
    from.calls.rules.insert(syscall(Abi::X86_64, "time"), vec![allowed(baseline(), Vec::new())]);
    let absent = Rule {
        conditions: Vec::new(),
        action: Action::Errno(38),
        reasons: BTreeSet::from([Reason::Fallback("a test".to_owned())]),
    };
    from.calls.rules.insert(syscall(Abi::X86_64, "clone3"), vec![absent]);
    let there = translated(&from, Arch::Aarch64).policy;
    let action = |name| there.calls.rules.get(&syscall(Abi::Aarch64, name)).map(|rules| rules[0].action);
    assert_eq!(action("rt_sigreturn"), Some(Action::Allow), "of aarch64's baseline");
    assert_eq!(action("clone3"), Some(Action::Errno(38)));
    assert_eq!(action("faccessat2"), Some(Action::Errno(38)), "all calls of the other's fallbacks");
    let back = translated(&there, Arch::X86_64).policy;
    assert_eq!(back.calls.rules[&syscall(Abi::X86_64, "arch_prctl")][0].action, Action::Allow);
}

#[test]
fn a_policy_of_the_architecture_stays_as_it_is() {
    let here = observing(Abi::X86_64, &["read", "arch_prctl", "poll"]);
    assert_eq!(translated(&here, Arch::X86_64), Translated { policy: here.clone(), losses: BTreeSet::new() });
    let mut both = here.clone();
    both.calls.rules.extend(observing(Abi::Aarch64, &["read"]).calls.rules);
    let joined = translated(&both, Arch::X86_64).policy;
    assert_eq!(names(&joined), names(&here));
    assert!(
        translated(&both, Arch::Aarch64).policy.calls.rules.keys().all(|syscall| syscall.abi == Abi::Aarch64)
    );
}

#[test]
fn numbers_without_a_name_are_lost() {
    let numbered = Syscall { abi: Abi::X86_64, nr: 5000 };
    let translated = translated(&policy([(numbered, vec![allowed(observed(), Vec::new())])]), Arch::Aarch64);
    let about: Vec<_> = translated.losses.iter().map(|loss| loss.about.to_string()).collect();
    assert_eq!(about, ["x86_64 number 5000"]);
}

/// For every pair of ABIs of two machines: the rules that are there decide, whatever the default is.
#[test]
fn nothing_is_translated_into_an_abi_that_has_rules_of_its_own() {
    for of in Abi::ALL {
        for there in Abi::ALL.into_iter().filter(|there| there.arch() != of.arch()) {
            for default_action in [Action::Errno(1), Action::KillProcess, Action::Allow, Action::Log] {
                let (of_action, own_action) = match default_action {
                    Action::Allow | Action::Log => (Action::Errno(13), Action::Errno(1)),
                    _ => (Action::Allow, Action::Allow),
                };
                let rule = |action| vec![Rule { action, ..allowed(observed(), Vec::new()) }];
                let baseline = vec![allowed(Reason::Baseline("every process".to_owned()), Vec::new())];
                let mut policy = policy([
                    (syscall(of, "openat"), rule(of_action)),
                    (syscall(of, "exit_group"), baseline),
                    (syscall(there, "execve"), rule(own_action)),
                ]);
                policy.calls.default_action = default_action;
                let translated = translated(&policy, there.arch());
                let is_counterpart = super::counterpart(of) == there;
                let what = format!("{of} to {there} by {default_action:?}");
                let losses: Vec<_> =
                    translated.losses.iter().map(|loss| (&loss.about, loss.weaker, loss.breaks)).collect();
                let refuses = !super::runs(default_action);
                let said = [(&About::Abi(of), !refuses, refuses)];
                assert_eq!(losses, if is_counterpart { &said[..] } else { &[] }, "{what}");
                let own: Vec<_> = translated
                    .policy
                    .calls
                    .rules
                    .iter()
                    .filter(|(syscall, _)| syscall.abi == there)
                    .collect();
                assert_eq!(own, [(&syscall(there, "execve"), &rule(own_action))], "{what}");
                assert_eq!(translated.policy.calls.rules.len() == 1, is_counterpart, "{what}");
                assert_eq!(translated.policy.notes.is_empty(), is_counterpart, "{what}");
            }
        }
    }
}
