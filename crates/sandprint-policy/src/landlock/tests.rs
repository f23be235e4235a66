//! Tests of the table: a right is handled exactly where no call that exercises it can run.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::{CallRules, Width};

use super::*;

fn policy(rules: BTreeMap<Syscall, Vec<Rule>>) -> Policy {
    Policy {
        kernel: None,
        calls: CallRules { default_action: Action::Errno(1), foreign_action: Action::KillProcess, rules },
        notes: BTreeSet::new(),
    }
}

fn rule(action: Action, conditions: Vec<Condition>) -> Rule {
    Rule { conditions, action, reasons: BTreeSet::new() }
}

/// A policy that allows these calls of `x86_64` and no others.
fn allowing(names: &[&str]) -> Policy {
    let rules = names
        .iter()
        .chain(&["execve"])
        .map(|name| (Syscall::from_name(Abi::X86_64, name).unwrap(), vec![rule(Action::Allow, vec![])]));
    policy(rules.collect())
}

fn names(policy: &Policy) -> Vec<&'static str> {
    derive(policy, Arch::X86_64).restrictions.iter().map(|restriction| restriction.right.name).collect()
}

const ALL: [&str; 14] = [
    "REMOVE_DIR",
    "REMOVE_FILE",
    "MAKE_CHAR",
    "MAKE_DIR",
    "MAKE_REG",
    "MAKE_SOCK",
    "MAKE_FIFO",
    "MAKE_BLOCK",
    "MAKE_SYM",
    "TRUNCATE",
    "BIND_TCP",
    "CONNECT_TCP",
    "ABSTRACT_UNIX_SOCKET",
    "SIGNAL",
];

fn all_but(without: &[&str]) -> Vec<&'static str> {
    ALL.into_iter().filter(|name| !without.contains(name)).collect()
}

/// All of which are rights of files.
const FILES: [&str; 10] = {
    let mut files = [""; 10];
    let mut at = 0;
    while at < 10 {
        files[at] = ALL[at];
        at += 1;
    }
    files
};

#[test]
fn each_allowed_call_withholds_the_rights_that_it_exercises_and_no_others() {
    let cases: &[(&[&str], &[&str])] = &[
        (&[], &[]),
        (&["read", "write", "io_uring_setup", "io_uring_enter", "exit_group"], &[]),
        (&["mkdir"], &["MAKE_DIR"]),
        (&["mkdirat"], &["MAKE_DIR"]),
        (&["rmdir"], &["REMOVE_DIR"]),
        (&["unlink"], &["REMOVE_FILE"]),
        (&["unlinkat"], &["REMOVE_DIR", "REMOVE_FILE"]),
        (&["symlinkat"], &["MAKE_SYM"]),
        (&["mknodat"], &["MAKE_CHAR", "MAKE_REG", "MAKE_SOCK", "MAKE_FIFO", "MAKE_BLOCK"]),
        (&["openat"], &["MAKE_REG", "TRUNCATE"]),
        (&["ftruncate"], &["TRUNCATE"]),
        (&["bpf"], &["MAKE_REG"]),
        (&["bind"], &["MAKE_SOCK", "BIND_TCP"]),
        (&["listen"], &[]),
        (&["connect"], &["CONNECT_TCP", "ABSTRACT_UNIX_SOCKET"]),
        (&["sendmsg"], &["ABSTRACT_UNIX_SOCKET"]),
        (&["kill"], &["SIGNAL"]),
        (&["pidfd_send_signal"], &["SIGNAL"]),
        (&["fcntl"], &["SIGNAL"]),
        (&["ioctl"], &["SIGNAL"]),
        (&["rename"], &FILES),
        (&["linkat"], &FILES),
        (&["mount"], &FILES),
        (&["fsconfig"], &FILES),
        (&["umount2"], &FILES),
    ];
    for (allowed, withheld) in cases {
        assert_eq!(names(&allowing(allowed)), all_but(withheld), "{allowed:?}");
    }
}

#[test]
fn a_call_that_a_tracer_or_a_supervisor_may_let_run_counts_as_allowed() {
    let mkdir = Syscall::from_name(Abi::X86_64, "mkdir").unwrap();
    for (action, handled) in [
        (Action::Allow, false),
        (Action::Log, false),
        (Action::Trace(3), false),
        (Action::Notify, false),
        (Action::Errno(1), true),
        (Action::Trap, true),
        (Action::KillThread, true),
        (Action::KillProcess, true),
    ] {
        let mut policy = allowing(&[]);
        policy.calls.rules.insert(mkdir, vec![rule(action, vec![])]);
        assert_eq!(names(&policy).contains(&"MAKE_DIR"), handled, "{action:?}");
        let mut policy = allowing(&[]);
        policy.calls.default_action = action;
        assert_eq!(!names(&policy).is_empty(), handled, "{action:?}");
    }
}

#[test]
fn another_abi_of_the_machine_counts_and_that_of_another_machine_does_not() {
    for (abi, name, withheld) in [
        (Abi::I386, "mkdir", &["MAKE_DIR"][..]),
        (Abi::X32, "mkdir", &["MAKE_DIR"]),
        (Abi::Aarch64, "mkdirat", &[]),
        (Abi::I386, "umount", &FILES),
        (Abi::I386, "socketcall", &["MAKE_SOCK", "BIND_TCP", "CONNECT_TCP", "ABSTRACT_UNIX_SOCKET"]),
    ] {
        let mut policy = allowing(&[]);
        policy.calls.rules.insert(Syscall::from_name(abi, name).unwrap(), vec![rule(Action::Allow, vec![])]);
        assert_eq!(names(&policy), all_but(withheld), "{abi} {name}");
    }
    let mut policy = allowing(&[]);
    policy.calls.foreign_action = Action::Log;
    assert_eq!(names(&policy), [] as [&str; 0], "i386 may do anything");
}

#[test]
fn conditions_on_a_selector_are_understood_and_others_are_not_trusted() {
    let fcntl = Syscall::from_name(Abi::X86_64, "fcntl").unwrap();
    let condition = |index, width, comparison| Condition { index, width, comparison };
    let command = |value| condition(1, Width::Bits32, Comparison::Equal(value));
    let allow = |conditions| vec![rule(Action::Allow, conditions)];
    let refuse = |conditions| rule(Action::Errno(1), conditions);
    for (rules, handled) in [
        (allow(vec![command(3)]), true),
        (allow(vec![command(8)]), false),
        (allow(vec![command(15)]), false),
        (allow(vec![condition(1, Width::Bits32, Comparison::Less(8))]), true),
        (allow(vec![condition(1, Width::Bits32, Comparison::LessOrEqual(8))]), false),
        // The kernel looks at 32 bits; what 64 hold is not known.
        (allow(vec![condition(1, Width::Bits64, Comparison::Equal(3))]), false),
        (allow(vec![condition(1, Width::Bits64, Comparison::MaskedEqual { mask: 0xff, value: 3 })]), true),
        // The descriptor may be anything.
        (allow(vec![condition(0, Width::Bits32, Comparison::Equal(5))]), false),
        ([vec![refuse(vec![command(8)]), refuse(vec![command(15)])], allow(vec![])].concat(), true),
        ([vec![refuse(vec![command(8)])], allow(vec![])].concat(), false),
        (
            [
                vec![refuse(vec![command(8), condition(0, Width::Bits32, Comparison::Equal(1))])],
                vec![refuse(vec![command(15)])],
                allow(vec![]),
            ]
            .concat(),
            false,
        ),
    ] {
        let mut policy = allowing(&[]);
        policy.calls.rules.insert(fcntl, rules.clone());
        assert_eq!(names(&policy).contains(&"SIGNAL"), handled, "{rules:?}");
    }
}

#[test]
fn every_name_of_the_table_is_a_call_and_every_bit_stands_once() {
    let mut bits = BTreeSet::new();
    for right in RIGHTS {
        assert!(bits.insert((right.kind, right.bit)), "{right:?}");
        assert_eq!(right.bit.count_ones(), 1);
        for call in right.exercised_by.iter().chain(ANY_FILESYSTEM_RIGHT) {
            let known = Abi::ALL.iter().any(|abi| Syscall::from_name(*abi, call.name()).is_some());
            assert!(known, "{}", call.name());
        }
    }
    for name in LOOKS_OUTSIDE {
        assert!(Syscall::from_name(Abi::X86_64, name).is_some(), "{name}");
    }
}

#[test]
fn what_is_handled_and_what_is_not_has_its_reason() {
    let derived = derive(&allowing(&["connect", "ptrace"]), Arch::X86_64);
    let bind = derived.restrictions.iter().find(|restriction| restriction.right.name == "BIND_TCP").unwrap();
    assert_eq!(bind.reason(), "the policy refuses bind, socketcall");
    let withheld: Vec<_> = derived
        .withheld
        .iter()
        .map(|withheld| (withheld.right.name, withheld.for_the_sake_of.to_string()))
        .collect();
    let connect = || "connect".to_owned();
    assert_eq!(withheld, [("CONNECT_TCP", connect()), ("ABSTRACT_UNIX_SOCKET", connect())]);
    let also: Vec<_> = derived.also_refused.iter().map(ToString::to_string).collect();
    assert_eq!(also, ["ptrace"]);
}
