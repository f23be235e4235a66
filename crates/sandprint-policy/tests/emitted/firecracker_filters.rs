//! Firecracker's filters are compiled by seccompiler, and each answer compared with the policy.

use std::collections::BTreeSet;

use proptest::prelude::*;
use sandprint_model::{
    Abi, About, Action, Call, Comparison, Condition, KernelVersion, Policy, Reason, Rule, Syscall, Width,
};
use sandprint_policy::cbpf::Instruction;
use sandprint_policy::emit::{Emitted, by_name};
use seccompiler::TargetArch;

use crate::bpf::Program;
use crate::one_machine::of_one_machine;
use testkit::policies::{allowing, any_policy, call, ls, policy};
use testkit::policies::{grid, losses};

fn emit(policy: &Policy) -> Emitted {
    by_name("firecracker").unwrap().emit(policy).unwrap()
}

fn target(abi: Abi) -> TargetArch {
    match abi.arch() {
        sandprint_model::Arch::Aarch64 => TargetArch::aarch64,
        sandprint_model::Arch::X86_64 => TargetArch::x86_64,
    }
}

/// The filters of the three threads, as seccompiler compiles them. They must be alike.
fn compile(emitted: &Emitted, abi: Abi) -> Program {
    let text = emitted.content.as_text().unwrap();
    let filters = match seccompiler::compile_from_json(text.as_bytes(), target(abi)) {
        Ok(filters) => filters,
        Err(error) => panic!("{error}\n{text}"),
    };
    let names: BTreeSet<&str> = filters.keys().map(String::as_str).collect();
    assert_eq!(names, ["api", "vcpu", "vmm"].into());
    let filter = &filters["vmm"];
    assert!(filters.values().all(|other| other == filter));
    let instructions = filter.iter().map(|instruction| Instruction {
        code: instruction.code,
        jump_true: instruction.jt,
        jump_false: instruction.jf,
        k: instruction.k,
    });
    Program::new(sandprint_policy::cbpf::Program(instructions.collect()))
}

#[test]
fn what_was_recorded_is_allowed_and_nothing_else() {
    for abi in [Abi::X86_64, Abi::Aarch64] {
        let policy = policy(&ls(abi));
        let emitted = emit(&policy);
        let program = compile(&emitted, abi);
        for call in grid::calls(&policy) {
            let (wanted, got) = (policy.calls.decide(&call), program.decide(&call));
            assert_eq!(got == Action::Allow, wanted == Action::Allow, "{call:x?}");
        }
        losses::check(&policy, &emitted.losses, grid::calls(&policy), |call| program.decide(call));
        let clone3 = Call { syscall: call(abi, "clone3"), args: [0; 6] };
        assert_eq!(program.decide(&clone3), Action::Errno(38), "a libc must learn that it is absent");
    }
}

/// One name that seccompiler does not know, and it refuses the whole file.
#[test]
fn seccompiler_knows_every_name_that_is_written() {
    for abi in [Abi::X86_64, Abi::Aarch64] {
        let calls: Vec<Syscall> = Syscall::all(abi).collect();
        let policy = allowing(&calls);
        let emitted = emit(&policy);
        let program = compile(&emitted, abi);
        for syscall in calls {
            let got = program.decide(&Call { syscall, args: [0; 6] });
            let is_old = syscall.since().is_some_and(|since| since <= KernelVersion::new(6, 12));
            let lost = emitted.losses.iter().any(|loss| loss.about == About::Call(syscall));
            assert_eq!(got == Action::Allow, !lost, "{abi} {syscall}");
            assert_eq!(is_old, !lost, "{abi} {syscall}");
        }
    }
}

#[test]
fn conditions_of_every_kind_are_exact() {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, MaskedEqual, NotEqual};
    let values = [0, 1, 6, 0xffff_fffe, 0xffff_ffff, 1 << 32, 0x1_0000_0006, u64::MAX - 1, u64::MAX];
    let masks = [1, 0xf0, 0x7e02_0000, 0xffff_ffff, 0xffff_ffff_0000_0000, u64::MAX];
    let ordered = values.into_iter().flat_map(|value| {
        [
            Equal(value),
            NotEqual(value),
            Less(value),
            LessOrEqual(value),
            Greater(value),
            GreaterOrEqual(value),
        ]
    });
    let masked = values
        .into_iter()
        .flat_map(|value| masks.into_iter().map(move |mask| MaskedEqual { mask, value: value & mask }));
    let syscall = call(Abi::X86_64, "ioctl");
    for comparison in ordered.chain(masked) {
        for width in [Width::Bits32, Width::Bits64] {
            // Allowed under the condition; and allowed but under the condition, which needs its negation.
            for exception in [false, true] {
                let mut policy = allowing(&[syscall]);
                let rules = policy.calls.rules.get_mut(&syscall).unwrap();
                let conditions = vec![Condition { index: 1, width, comparison }];
                let action = if exception { policy.calls.default_action } else { Action::Allow };
                let reasons = BTreeSet::from([Reason::ByHand("a test".to_owned())]);
                rules.insert(0, Rule { conditions, action, reasons });
                if !exception {
                    rules.truncate(1);
                }
                let emitted = emit(&policy);
                assert!(emitted.losses.iter().all(|loss| loss.about == About::Abi(Abi::X32)), "{emitted:?}");
                let program = compile(&emitted, Abi::X86_64);
                for call in grid::boundary_calls(&policy, syscall) {
                    assert_eq!(
                        program.decide(&call),
                        policy.calls.decide(&call),
                        "{comparison:x?} {width:?} {call:x?}"
                    );
                }
            }
        }
    }
}

#[test]
fn two_machines_are_refused_and_so_is_what_has_32_bits_only() {
    let firecracker = by_name("firecracker").unwrap();
    let both = allowing(&[call(Abi::X86_64, "read"), call(Abi::Aarch64, "read")]);
    let error = firecracker.emit(&both).unwrap_err();
    assert!(error.what.contains("two machines") && error.hint.contains("--arch x86_64"), "{error:?}");
    assert!(firecracker.emit(&allowing(&[call(Abi::I386, "read")])).is_err());
}

proptest! {
    #[test]
    fn every_difference_from_the_policy_is_a_loss(policy in any_policy().prop_filter_map("two machines", of_one_machine)) {
        let native = policy.calls.rules.keys().map(|syscall| syscall.abi.arch().native_abi()).next().unwrap();
        let emitted = emit(&policy);
        let program = compile(&emitted, native);
        losses::check(&policy, &emitted.losses, grid::calls(&policy), |call| program.decide(call));
    }
}
