//! Compiled programs against the policy's meaning; the simulator by hand-made programs.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sandprint_model::{
    Abi, Action, Call, CallRules, Comparison, Condition, Policy, Reason, Rule, Syscall, Width,
};

use super::*;

fn instruction(code: u16, jump_true: u8, jump_false: u8, k: u32) -> Instruction {
    Instruction { code, jump_true, jump_false, k }
}

fn seccomp_data(nr: u32, args: [u64; 6]) -> SeccompData {
    SeccompData { nr, arch: Abi::X86_64.audit_arch(), instruction_pointer: 0x1122_3344_5566_7788, args }
}

#[test]
fn every_word_of_the_data_can_be_loaded() {
    let args = [0, 1, 2, 3, 4, 5].map(|index| (0xaaaa_0000 + index) << 32 | (0xbbbb_0000 + index));
    let data = seccomp_data(7, args);
    let expected = [7, 0xC000_003E, 0x5566_7788, 0x1122_3344]
        .into_iter()
        .chain((0..6).flat_map(|index| [0xbbbb_0000 + index, 0xaaaa_0000 + index]));
    for (word, expected) in (0_u32..).zip(expected) {
        let program = Program(vec![instruction(op::LD_ABS, 0, 0, word * 4), instruction(0x16, 0, 0, 0)]);
        assert_eq!(validate(&program), Ok(()));
        assert_eq!(simulate(&program, &data), expected, "word {word}");
    }
}

#[test]
fn what_the_kernel_refuses_is_refused() {
    let end = instruction(op::RETURN, 0, 0, 0);
    let cases = [
        (vec![], Invalid::Length(0)),
        (vec![end; 4097], Invalid::Length(4097)),
        (vec![instruction(0x28, 0, 0, 0), end], Invalid::Opcode { at: 0, code: 0x28 }),
        (vec![instruction(0x94, 0, 0, 3), end], Invalid::Opcode { at: 0, code: 0x94 }),
        (vec![instruction(op::LD_ABS, 0, 0, 64), end], Invalid::Load { at: 0, offset: 64 }),
        (vec![instruction(op::LD_ABS, 0, 0, 2), end], Invalid::Load { at: 0, offset: 2 }),
        (vec![instruction(op::JEQ, 0, 1, 0), end], Invalid::Jump { at: 0 }),
        (vec![instruction(op::JUMP, 0, 0, u32::MAX), end], Invalid::Jump { at: 0 }),
        (vec![instruction(0x34, 0, 0, 0), end], Invalid::Arithmetic { at: 0 }),
        (vec![instruction(0x64, 0, 0, 32), end], Invalid::Arithmetic { at: 0 }),
        (vec![instruction(0x02, 0, 0, 16), end], Invalid::Scratch { at: 0, cell: 16 }),
        (vec![instruction(0x60, 0, 0, 3), end], Invalid::Unwritten { at: 0, cell: 3 }),
        (vec![end, instruction(op::AND, 0, 0, 0)], Invalid::Jump { at: 1 }),
        // Nothing gets there, and the kernel looks at it as if it came from the return.
        (vec![end, instruction(0x60, 0, 0, 3), end], Invalid::Unwritten { at: 1, cell: 3 }),
    ];
    for (program, expected) in cases {
        assert_eq!(validate(&Program(program.clone())), Err(expected), "{program:?}");
    }
}

#[test]
fn a_cell_that_is_written_on_one_path_only_cannot_be_read() {
    let program = |skip| {
        Program(vec![
            instruction(op::JEQ, 0, skip, 0),
            instruction(0x02, 0, 0, 1),
            instruction(0x60, 0, 0, 1),
            instruction(0x16, 0, 0, 0),
        ])
    };
    assert_eq!(validate(&program(0)), Ok(()));
    assert_eq!(validate(&program(1)), Err(Invalid::Unwritten { at: 2, cell: 1 }));
}

#[test]
fn arithmetic_is_the_kernels() {
    let run = |steps: &[(u16, u32)]| {
        let mut program: Vec<_> = steps.iter().map(|(code, k)| instruction(*code, 0, 0, *k)).collect();
        program.push(instruction(0x16, 0, 0, 0));
        let program = Program(program);
        assert_eq!(validate(&program), Ok(()));
        simulate(&program, &seccomp_data(0, [0; 6]))
    };
    for (steps, expected) in [
        (&[(0x00, 5), (0x04, 7)][..], 12),
        (&[(0x00, 5), (0x14, 7)], u32::MAX - 1),
        (&[(0x00, 1 << 31), (0x24, 2)], 0),
        (&[(0x00, 7), (0x34, 2)], 3),
        (&[(0x00, 7), (0x01, 0), (0x3c, 0)], 0),
        (&[(0x00, 6), (0x44, 1)], 7),
        (&[(0x00, 6), (0x54, 3)], 2),
        (&[(0x00, 1), (0x64, 31)], 1 << 31),
        (&[(0x00, 1 << 31), (0x74, 31)], 1),
        (&[(0x00, 6), (0xa4, 3)], 5),
        (&[(0x00, 6), (0x84, 0)], 0_u32.wrapping_sub(6)),
        (&[(0x80, 0)], 64),
        (&[(0x81, 0), (0x87, 0)], 64),
        (&[(0x00, 9), (0x07, 0), (0x00, 1), (0x0c, 0)], 10),
        (&[(0x00, 9), (0x02, 4), (0x00, 0), (0x60, 4)], 9),
    ] {
        assert_eq!(run(steps), expected, "{steps:?}");
    }
}

#[test]
fn bytes_read_back() {
    let program = Program(vec![instruction(op::JGE, 3, 250, 0xdead_beef), instruction(op::RETURN, 0, 0, 1)]);
    let bytes = program.to_bytes();
    assert_eq!(bytes[..8], [0x35, 0, 3, 250, 0xef, 0xbe, 0xad, 0xde]);
    assert_eq!(Program::from_bytes(&bytes), Some(program));
    assert_eq!(Program::from_bytes(&bytes[..9]), None);
}

/// Calls around every rule of a policy: each number and its neighbours, each compared value and its
/// neighbours in both halves, and calls that no rule names.
fn probing_calls(policy: &Policy) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut values: BTreeSet<u64> = BTreeSet::from([0, 1, u64::MAX, 1 << 32, 0xffff_ffff, 1 << 31]);
    for condition in policy.calls.rules.values().flatten().flat_map(|rule| &rule.conditions) {
        let (Comparison::Equal(value)
        | Comparison::NotEqual(value)
        | Comparison::Less(value)
        | Comparison::LessOrEqual(value)
        | Comparison::Greater(value)
        | Comparison::GreaterOrEqual(value)
        | Comparison::MaskedEqual { value, .. }) = condition.comparison;
        for near in [value.wrapping_sub(1), value, value.wrapping_add(1)] {
            values.extend([near, near ^ (1 << 32), near ^ (1 << 63), near & 0xffff_ffff]);
        }
        if let Comparison::MaskedEqual { mask, value } = condition.comparison {
            values.extend([mask, !mask, value | !mask, value ^ (mask & mask.wrapping_neg())]);
        }
    }
    for (syscall, rules) in &policy.calls.rules {
        for nr in [syscall.nr.saturating_sub(1), syscall.nr, syscall.nr.saturating_add(1)] {
            let syscall = Syscall { abi: syscall.abi, nr };
            calls.push(Call { syscall, args: [0; 6] });
        }
        let indices: BTreeSet<u8> =
            rules.iter().flat_map(|rule| &rule.conditions).map(|condition| condition.index).collect();
        for index in &indices {
            for value in &values {
                // The other compared arguments hold what most often lets a rule match.
                for other in values.iter().take(4) {
                    let mut args = [*other; 6];
                    args[usize::from(*index)] = *value;
                    calls.push(Call { syscall: *syscall, args });
                }
            }
        }
    }
    for abi in Abi::ALL {
        for nr in [0, 1, 500, 0x3fff_ffff, 0x8000_0000, u32::MAX] {
            if abi != Abi::X32 || nr < Abi::X32_BIT {
                calls.push(Call { syscall: Syscall { abi, nr }, args: [0; 6] });
            }
        }
    }
    calls
}

fn check(policy: &Policy) -> usize {
    let program = compile(policy).unwrap();
    assert_eq!(validate(&program), Ok(()));
    for call in probing_calls(policy) {
        let expected = policy.calls.decide(&call);
        let actual = returned_action(simulate(&program, &SeccompData::from(&call)));
        assert_eq!(actual, expected, "{call:?}");
    }
    program.0.len()
}

fn rule(conditions: Vec<Condition>, action: Action, count: u64) -> Rule {
    let reason = Reason::Observed { count, runs: 1, images: vec![] };
    Rule { conditions, action, reasons: BTreeSet::from([reason]) }
}

fn policy(rules: BTreeMap<Syscall, Vec<Rule>>) -> Policy {
    Policy {
        kernel: None,
        calls: CallRules { default_action: Action::Errno(1), foreign_action: Action::KillProcess, rules },
        notes: BTreeSet::new(),
    }
}

#[test]
fn jumps_over_any_distance_are_right() {
    // Each call has a rule of its own kind, so that nothing can be shared and the tree is wide.
    for size in [1, 2, 3, 40, 80, 200, 300] {
        let rules = (0..size).map(|index| {
            let nr = index * 3;
            let condition = |index, value| Condition {
                index,
                width: Width::Bits64,
                comparison: Comparison::GreaterOrEqual(value),
            };
            let conditions = vec![condition(0, u64::from(nr) << 20), condition(1, 7)];
            let rules = vec![rule(conditions, Action::Errno(u16::try_from(index + 2).unwrap()), 0)];
            (Syscall { abi: Abi::X86_64, nr }, rules)
        });
        let length = check(&policy(rules.collect()));
        assert!(length > usize::try_from(size).unwrap() * 4);
    }
}

#[test]
fn too_many_rules_are_an_error_and_not_a_wrong_program() {
    let rules = (0..900).map(|nr| {
        let conditions = vec![Condition {
            index: 0,
            width: Width::Bits64,
            comparison: Comparison::Less(u64::from(nr) << 30),
        }];
        (Syscall { abi: Abi::X86_64, nr: nr * 2 }, vec![rule(conditions, Action::Allow, 0)])
    });
    assert!(matches!(compile(&policy(rules.collect())), Err(CompileError::TooLong(length)) if length > 4096));
}

#[test]
fn a_call_that_is_made_more_than_all_others_is_found_first() {
    let rules = (0..200).map(|index| {
        let count = if index == 77 { 1_000_000 } else { 1 };
        (Syscall { abi: Abi::X86_64, nr: index * 2 }, vec![rule(vec![], Action::Allow, count)])
    });
    let policy = policy(rules.collect());
    check(&policy);
    let program = compile(&policy).unwrap();
    let path = |nr| {
        let data = seccomp_data(nr, [0; 6]);
        (1..100).find(|steps| returns_after(&program, &data, *steps)).unwrap()
    };
    // The architecture, the number, x32, the call, the return: each a load, a comparison or an end.
    assert_eq!(path(154), 6);
    assert!(path(2) <= 16, "{}", path(2));
}

/// Whether a program returns in at most that many steps: programs only go forward, so cutting them is safe.
fn returns_after(program: &Program, data: &SeccompData, steps: usize) -> bool {
    let mut at = 0;
    let mut a = 0;
    for _ in 0..steps {
        let Instruction { code, jump_true, jump_false, k } = program.0[at];
        at += 1;
        match code {
            op::LD_ABS => a = if k == 0 { data.nr } else { data.arch },
            op::RETURN => return true,
            op::JUMP => at += usize::try_from(k).unwrap(),
            op::JEQ => at += usize::from(if a == k { jump_true } else { jump_false }),
            op::JGE => at += usize::from(if a >= k { jump_true } else { jump_false }),
            _ => panic!("{code:#x} has no place in this program"),
        }
    }
    false
}

#[test]
fn values_of_one_argument_are_searched_and_not_asked_one_by_one() {
    let values: Vec<u64> = (0..64).map(|index| 0x5400 + index * 3).chain([u64::from(u32::MAX), 0]).collect();
    let rules = values.iter().map(|value| {
        let equal = Condition { index: 1, width: Width::Bits32, comparison: Comparison::Equal(*value) };
        rule(vec![equal], Action::Allow, 1)
    });
    let ioctl = Syscall { abi: Abi::X86_64, nr: 16 };
    let policy = policy(BTreeMap::from([(ioctl, rules.collect())]));
    check(&policy);
    let program = compile(&policy).unwrap();
    for value in 0..0x6000 {
        let call = Call { syscall: ioctl, args: [0, value | 7 << 40, 0, 0, 0, 0] };
        assert_eq!(
            returned_action(simulate(&program, &SeccompData::from(&call))),
            policy.calls.decide(&call)
        );
    }
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => Just(Action::Allow),
        1 => Just(Action::Log),
        2 => (0_u16..4096).prop_map(Action::Errno),
        1 => any::<u16>().prop_map(Action::Trace),
        1 => Just(Action::Notify),
        1 => Just(Action::Trap),
        1 => Just(Action::KillThread),
        1 => Just(Action::KillProcess),
    ]
}

fn any_condition() -> impl Strategy<Value = Condition> {
    let value = prop_oneof![0_u64..8, any::<u64>(), any::<u32>().prop_map(u64::from), Just(u64::MAX)];
    let comparison = (0_u8..7, value.clone(), value).prop_map(|(kind, value, mask)| match kind {
        0 => Comparison::Equal(value),
        1 => Comparison::NotEqual(value),
        2 => Comparison::Less(value),
        3 => Comparison::LessOrEqual(value),
        4 => Comparison::Greater(value),
        5 => Comparison::GreaterOrEqual(value),
        _ => Comparison::MaskedEqual { mask, value },
    });
    (0_u8..6, any::<bool>(), comparison).prop_map(|(index, wide, comparison)| Condition {
        index,
        width: if wide { Width::Bits64 } else { Width::Bits32 },
        comparison,
    })
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let syscall = (0_usize..5, prop_oneof![0_u32..480, 0_u32..0x4000_0000])
        .prop_map(|(abi, nr)| Syscall { abi: Abi::ALL[abi], nr });
    let rule = (prop::collection::vec(any_condition(), 0..4), any_action(), 0_u64..1000)
        .prop_map(|(conditions, action, count)| rule(conditions, action, count));
    let rules = prop::collection::btree_map(syscall, prop::collection::vec(rule, 0..4), 0..24);
    (rules, any_action(), any_action()).prop_map(|(rules, default_action, foreign_action)| Policy {
        calls: CallRules { default_action, foreign_action, rules },
        ..policy(BTreeMap::new())
    })
}

proptest! {
    #[test]
    fn a_compiled_policy_decides_as_the_policy_does(policy in any_policy()) {
        check(&policy);
    }
}
