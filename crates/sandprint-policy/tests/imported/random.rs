//! Random OCI profiles: read here, and by libseccomp through runc's steps.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sandprint_model::{Abi, About, Action, Arch, Call};
use sandprint_policy::import::{Format, Site, import};
use serde_json::json;

use crate::libseccomp::{Compared, Steps, Tool};
use crate::profiles::differing;
use testkit::hosts::NATIVE;
use testkit::policies::call;

const NAMES: [&str; 6] = ["read", "socket", "semget", "mmap", "clone", "no_such_call"];

#[derive(Debug, Clone)]
struct Entry {
    name: &'static str,
    action: Action,
    args: Vec<Compared>,
}

/// Comparisons of one kind for each call, among those that libseccomp 2.5.4 merges as it should: its faults with
/// ordered ones are none of the profile's meaning.
fn any_entries(actions: &'static [Action]) -> impl Strategy<Value = Vec<Entry>> {
    let value = select(&[0, 1, 2, 5, 0xffff_ffff, 0x1_0000_0001, 0x1_0000_0000, u64::MAX][..]);
    let mask = select(&[3, 0xff, 0xffff_ffff, 0xf_0000_0000, 0x1_0000_0001][..]);
    let equal = (0..3u8, value.clone()).prop_map(|(index, value)| (index, 4, value, 0));
    let masked = (0..3u8, mask, value).prop_map(|(index, mask, value)| (index, 7, mask, value));
    let arg = prop_oneof![2 => equal, 1 => masked];
    let args = prop_oneof![1 => Just(Vec::new()), 4 => proptest::collection::vec(arg, 1..4)];
    let entry = (select(&NAMES[..]), select(actions), args).prop_map(|(name, action, args)| Entry {
        name,
        action,
        args,
    });
    proptest::collection::vec(entry, 1..14)
}

/// Comparisons of every kind, also those that libseccomp 2.5.4 merges wrongly.
fn any_mistakable_entries(actions: &'static [Action]) -> impl Strategy<Value = Vec<Entry>> {
    let value = select(&[0, 1, 2, 5, 0xffff_ffff, 0x1_0000_0001, 0x1_0000_0000, u64::MAX][..]);
    let mask = select(&[3, 0xff, 0xffff_ffff, 0xf_0000_0000, 0x1_0000_0001][..]);
    let compared =
        (0..3u8, 1..7u8, value.clone()).prop_map(|(index, operator, value)| (index, operator, value, 0));
    let masked = (0..3u8, mask, value).prop_map(|(index, mask, value)| (index, 7, mask, value));
    let arg = prop_oneof![3 => compared, 1 => masked];
    let entry = (select(&NAMES[..]), select(actions), proptest::collection::vec(arg, 1..3));
    let entry = entry.prop_map(|(name, action, args)| Entry { name, action, args });
    proptest::collection::vec(entry, 1..5)
}

fn profile(default: Action, entries: &[Entry]) -> String {
    let name = |action| match action {
        Action::Allow => ("SCMP_ACT_ALLOW", None),
        Action::Errno(number) => ("SCMP_ACT_ERRNO", Some(number)),
        Action::Trap => ("SCMP_ACT_TRAP", None),
        other => panic!("{other:?}"),
    };
    let names = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
    let operator = |number: u8| format!("SCMP_CMP_{}", names[usize::from(number) - 1]);
    let arg = |(index, op, value, value_two): &Compared| json!({"index": index, "op": operator(*op), "value": value, "valueTwo": value_two});
    let entry = |entry: &Entry| {
        let (action, errno) = name(entry.action);
        let args: Vec<_> = entry.args.iter().map(arg).collect();
        json!({"names": [entry.name], "action": action, "errnoRet": errno, "args": args})
    };
    let (action, errno) = name(default);
    let architectures = if NATIVE == Abi::X86_64 {
        vec!["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    } else {
        vec!["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]
    };
    let entries: Vec<_> = entries.iter().map(entry).collect();
    json!({"defaultAction": action, "defaultErrnoRet": errno, "architectures": architectures, "syscalls": entries}).to_string()
}

fn calls(abis: &[Abi]) -> Vec<Call> {
    let values =
        [0, 1, 2, 3, 5, 0xff, 0x101, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0001, 0xf_0000_0001, u64::MAX];
    let mut calls = Vec::new();
    for abi in abis {
        let here = NAMES.iter().filter_map(|name| sandprint_model::Syscall::from_name(*abi, name));
        for syscall in here.chain([call(*abi, "getpid")]) {
            for a in values {
                for b in values {
                    for c in [0, 1, 5, 0x1_0000_0001] {
                        let args = [a, b, c, 0, 0, 0];
                        let narrow = matches!(abi, Abi::I386 | Abi::Arm);
                        calls.push(Call {
                            syscall,
                            args: if narrow { args.map(|arg| arg & 0xffff_ffff) } else { args },
                        });
                    }
                }
            }
        }
    }
    calls
}

fn check(default: Action, actions: &'static [Action], profiles: usize) {
    let Some(tool) = Tool::new() else { return };
    // The same profiles on every day.
    let mut runner = TestRunner::deterministic();
    let abis: &[Abi] =
        if NATIVE == Abi::X86_64 { &[Abi::X86_64, Abi::I386, Abi::X32] } else { &[Abi::Aarch64, Abi::Arm] };
    let calls = calls(abis);
    let mut compared = 0;
    for _ in 0..profiles {
        let entries = any_entries(actions).new_tree(&mut runner).unwrap().current();
        let mut steps = Steps::new(default, abis);
        for entry in &entries {
            steps.rule(entry.name, entry.action, &entry.args);
        }
        let text = profile(default, &entries);
        let imported = import(Format::Oci, text.as_bytes(), &Site::new(NATIVE.arch())).unwrap();
        let Some(program) = steps.export(&tool) else { continue };
        compared += 1;
        let differing = differing(&program, &imported.policy, calls.iter().copied());
        let told = |name| imported.losses.iter().any(|loss| loss.about == About::Name(name));
        for (syscall, (says, means)) in differing {
            assert!(means > says && told(syscall.name().unwrap()), "{syscall}: {says:?}, {means:?}\n{text}");
        }
        // The program says the same when it is imported itself.
        let again = import(Format::Bpf, &program.to_bytes(), &Site::new(Arch::X86_64)).unwrap();
        let differing = self::differing(&program, &again.policy, calls.iter().copied());
        let rules: Vec<_> = differing
            .keys()
            .map(|call| {
                again.policy.calls.rules.get(call).map(|rules| {
                    rules.iter().map(|rule| (rule.conditions.clone(), rule.action)).collect::<Vec<_>>()
                })
            })
            .collect();
        assert_eq!(differing, BTreeMap::new(), "{text}\n{rules:#x?}\n{program:x?}");
    }
    assert!(compared * 4 > profiles, "libseccomp takes most of them: {compared}");
}

#[test]
fn rules_of_one_action_are_alternatives() {
    check(Action::Errno(1), &[Action::Allow], 60);
    check(Action::Allow, &[Action::Errno(38)], 40);
}

#[test]
fn where_rules_of_several_actions_meet_the_stricter_is_taken_and_told() {
    check(
        Action::Errno(1),
        &[Action::Allow, Action::Allow, Action::Errno(38), Action::Trap, Action::Errno(1)],
        150,
    );
}

/// What libseccomp makes of rules that it merges wrongly is no meaning of theirs; but it must be told.
#[test]
fn what_libseccomp_makes_otherwise_of_the_rules_is_told() {
    let Some(tool) = Tool::new() else { return };
    let mut runner = TestRunner::deterministic();
    let abis: &[Abi] =
        if NATIVE == Abi::X86_64 { &[Abi::X86_64, Abi::I386, Abi::X32] } else { &[Abi::Aarch64, Abi::Arm] };
    let calls = calls(abis);
    let (mut told_of, mut differs) = (0, 0);
    for _ in 0..250 {
        let entries = any_mistakable_entries(&[Action::Allow]).new_tree(&mut runner).unwrap().current();
        let mut steps = Steps::new(Action::Errno(1), abis);
        for entry in &entries {
            steps.rule(entry.name, entry.action, &entry.args);
        }
        let text = profile(Action::Errno(1), &entries);
        let imported = import(Format::Oci, text.as_bytes(), &Site::new(NATIVE.arch())).unwrap();
        let told: Vec<&About> = imported.faults.iter().map(|fault| &fault.about).collect();
        told_of += usize::from(!told.is_empty());
        let Some(program) = steps.export_if_it_ends(&tool) else {
            assert!(!told.is_empty(), "it does not end: {text}");
            continue;
        };
        let differing = differing(&program, &imported.policy, calls.iter().copied());
        differs += usize::from(!differing.is_empty());
        for (syscall, (says, means)) in differing {
            assert!(
                told.contains(&&About::Name(syscall.name().unwrap())),
                "{syscall}: {says:?}, {means:?}\n{text}"
            );
        }
    }
    assert!(differs > 0 && told_of < 200, "not everything is told of: {told_of} for {differs}");
}
