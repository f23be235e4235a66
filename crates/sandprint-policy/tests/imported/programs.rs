//! Programs of other makers, and of our own compiler.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sandprint_model::{Abi, About, Action, Arch, Call, Loss, Syscall};
use sandprint_policy::cbpf::{Instruction, Program, SeccompData, compile, returned_action, simulate};
use sandprint_policy::import::{Format, Imported, Site, import};

use crate::profiles::{differing, grid};
use testkit::policies::{allowing, any_policy, ls, policy, telling_calls};

fn read(program: &Program) -> Imported {
    import(Format::Bpf, &program.to_bytes(), &Site::new(Arch::X86_64)).unwrap()
}

const ALLOW: u32 = 0x7fff_0000;
const EPERM: u32 = 0x0005_0001;
const TRAP: u32 = 0x0003_0000;
const KILL: u32 = 0x8000_0000;

fn load(k: u32) -> Instruction {
    Instruction { code: 0x20, jump_true: 0, jump_false: 0, k }
}

fn and(k: u32) -> Instruction {
    Instruction { code: 0x54, jump_true: 0, jump_false: 0, k }
}

fn jump(code: u16, k: u32, jump_true: u8, jump_false: u8) -> Instruction {
    Instruction { code, jump_true, jump_false, k }
}

fn end(k: u32) -> Instruction {
    Instruction { code: 0x06, jump_true: 0, jump_false: 0, k }
}

const JEQ: u16 = 0x15;
const JGE: u16 = 0x35;
const JSET: u16 = 0x45;
const X86_64: u32 = 0xC000_003E;

/// As Chromium's policies are compiled: the bit of x32 by JSET, a tree over numbers, upper halves that must be zero, and
/// SIGSYS with a number.
fn chromium_like() -> Program {
    Program(vec![
        load(4),
        jump(JEQ, X86_64, 1, 0),
        end(TRAP),
        load(0),
        jump(JSET, Abi::X32_BIT, 15, 0),
        jump(JGE, 157, 6, 0),
        jump(JGE, 10, 2, 0),
        jump(JGE, 9, 10, 0),
        end(ALLOW),
        // mprotect: no PROT_EXEC.
        load(16 + 2 * 8),
        and(!3),
        jump(JEQ, 0, 7, 6),
        // prctl: two options.
        jump(JEQ, 157, 0, 5),
        load(16 + 4),
        jump(JEQ, 0, 0, 4),
        load(16),
        jump(JEQ, 15, 2, 0),
        jump(JEQ, 0x5356_4d41, 1, 0),
        end(EPERM),
        end(ALLOW),
        end(KILL),
    ])
}

#[test]
fn a_program_of_chromiums_kind_is_imported_exactly() {
    let program = chromium_like();
    let imported = read(&program);
    assert_eq!(differing(&program, &imported.policy, grid(&[Abi::X86_64])), BTreeMap::new());
    let prctl = Syscall::from_name(Abi::X86_64, "prctl").unwrap();
    for (arg0, expected) in [(15, Action::Allow), (14, Action::Errno(1)), (15 | 1 << 32, Action::Allow)] {
        let call = Call { syscall: prctl, args: [arg0, 0, 0, 0, 0, 0] };
        assert_eq!(returned_action(simulate(&program, &SeccompData::from(&call))), expected);
        assert_eq!(imported.policy.calls.decide(&call), expected, "{arg0:x}");
    }
}

#[test]
fn what_a_program_calculates_is_told_and_the_strictest_is_taken() {
    // Argument 0 times 3 decides about call 1; the instruction pointer about call 2.
    let program = Program(vec![
        load(0),
        jump(JEQ, 2, 5, 0),
        jump(JEQ, 1, 0, 6),
        load(16),
        Instruction { code: 0x24, jump_true: 0, jump_false: 0, k: 3 },
        jump(JEQ, 9, 3, 0),
        end(TRAP),
        load(8),
        jump(JEQ, 0, 0, 1),
        end(ALLOW),
        end(EPERM),
    ]);
    let imported = read(&program);
    for (nr, expected) in [(0, Action::Allow), (1, Action::Trap), (2, Action::Errno(1))] {
        let call = Call { syscall: Syscall { abi: Abi::X86_64, nr }, args: [3; 6] };
        assert_eq!(imported.policy.calls.decide(&call), expected, "{nr}");
    }
    let about = |nr| {
        let about = About::Call(Syscall { abi: Abi::X86_64, nr });
        imported.losses.iter().filter(|loss| loss.about == about && !loss.weaker).count()
    };
    assert_eq!([about(0), about(1), about(2)], [0, 1, 1], "{:?}", imported.losses);
}

#[test]
fn numbers_that_a_program_asks_for_bit_by_bit_are_followed_or_refused() {
    // Even numbers of each group of 2^28 are not to be listed.
    let parity = Program(vec![load(0), jump(JSET, 1, 0, 1), end(EPERM), end(ALLOW)]);
    let refused = import(Format::Bpf, &parity.to_bytes(), &Site::new(Arch::X86_64));
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the program treats numbers of system calls in more ways than can be listed"
    );
    let cleared = Program(vec![load(0), and(!Abi::X32_BIT), jump(JEQ, 5, 0, 1), end(ALLOW), end(EPERM)]);
    let imported = read(&cleared);
    assert_eq!(differing(&cleared, &imported.policy, grid(&Abi::ALL)), BTreeMap::new());
}

#[test]
fn a_policy_of_a_recording_comes_back_from_its_program() {
    for abi in [Abi::X86_64, Abi::Aarch64] {
        let policy = policy(&ls(abi));
        let imported = read(&compile(&policy).unwrap());
        assert_eq!(imported.losses, [].into());
        assert_eq!(
            (imported.policy.calls.default_action, imported.policy.calls.foreign_action),
            (policy.calls.default_action, policy.calls.foreign_action)
        );
        assert!(imported.policy.calls.rules.keys().eq(policy.calls.rules.keys()));
    }
}

#[test]
fn numbers_without_a_name_are_kept() {
    let calls = [Syscall { abi: Abi::X86_64, nr: 5000 }, Syscall { abi: Abi::I386, nr: 900 }];
    let imported = read(&compile(&allowing(&calls)).unwrap());
    assert!(imported.policy.calls.allowed().eq([calls[1], calls[0]]));
}

/// Whether a loss speaks of a call.
fn is_told(losses: &std::collections::BTreeSet<Loss>, call: &Call, weaker: bool) -> bool {
    let covers = |loss: &Loss| loss.about == About::OtherAbis || loss.about.covers(call.syscall);
    losses.iter().any(|loss| covers(loss) && (loss.weaker || !weaker))
}

proptest! {
    /// Our own compiler's programs: any policy with conditions at all.
    #[test]
    fn what_our_compiler_makes_is_imported_exactly(policy in any_policy(), args in any::<[u64; 6]>()) {
        let Ok(program) = compile(&policy) else { return Ok(()) };
        let imported = read(&program);
        // No x32 call has the bit of x32 in its own number.
        let real = |call: &Call| call.syscall.abi != Abi::X32 || call.syscall.nr < Abi::X32_BIT;
        for call in telling_calls(&policy, args).filter(real) {
            let (says, means) = (policy.calls.decide(&call), imported.policy.calls.decide(&call));
            // An ABI without rules is one with the foreign action for every number, which is the same.
            prop_assert!(says == means || is_told(&imported.losses, &call, false), "{call:x?}: {says:?}, {means:?}\n{policy:#?}\n{:#?}", imported);
        }
    }

    /// Any program that the kernel would take: exact, or told.
    #[test]
    fn whatever_a_program_is_its_import_is_exact_or_says_where_not(
        program in any_program(),
        args in any::<[u64; 6]>(),
    ) {
        let Ok(imported) = import(Format::Bpf, &program.to_bytes(), &Site::new(Arch::X86_64)) else { return Ok(()) };
        for abi in Abi::ALL {
            for nr in (0..12).chain([u32::try_from(args[0] % 65536).unwrap(), 0x3fff_ffff]) {
                for args in [[0; 6], args, [1, 2, 3, 4, 5, 6], args.map(|arg| arg % 8), args.map(|arg| (arg << 32) | (arg % 8))] {
                    let call = Call { syscall: Syscall { abi, nr }, args };
                    let says = returned_action(simulate(&program, &SeccompData::from(&call)));
                    let means = imported.policy.calls.decide(&call);
                    let weaker = matches!(means, Action::Allow) && !matches!(says, Action::Allow);
                    prop_assert!(
                        says == means || is_told(&imported.losses, &call, weaker),
                        "{call:x?}: {says:?}, {means:?}\n{program:x?}\n{imported:#?}"
                    );
                }
            }
        }
    }
}

/// Jumps stay within, and the end is a return.
pub(crate) fn any_program() -> impl Strategy<Value = Program> {
    proptest::collection::vec(any_instruction(), 1..40).prop_map(|mut body| {
        let length = body.len();
        for (at, instruction) in body.iter_mut().enumerate() {
            let room = u8::try_from(length - at - 1).unwrap();
            if instruction.code & 7 == 5 {
                instruction.jump_true %= room + 1;
                instruction.jump_false %= room + 1;
            }
        }
        body.push(end(EPERM));
        Program(body)
    })
}

fn any_instruction() -> impl Strategy<Value = Instruction> {
    let small = prop_oneof![6 => 0..9u32, 1 => Just(X86_64), 1 => Just(Abi::X32_BIT), 1 => any::<u32>()];
    let offsets = proptest::sample::select(&[0, 0, 0, 4, 16, 20, 24, 28, 8][..]);
    let jumps = proptest::sample::select(&[JEQ, JEQ, JEQ, JGE, 0x25, JSET][..]);
    let skip = || 0..6u8;
    let ends = proptest::sample::select(&[ALLOW, EPERM, TRAP, KILL, 0][..]);
    prop_oneof![
        4 => offsets.prop_map(load),
        8 => (jumps, small.clone(), skip(), skip()).prop_map(|(code, k, yes, no)| jump(code, k, yes, no)),
        1 => small.clone().prop_map(and),
        1 => proptest::sample::select(&[0x00, 0x01, 0x04, 0x14, 0x44, 0x07, 0x87, 0x84][..])
            .prop_flat_map(move |code| small.clone().prop_map(move |k| Instruction { code, jump_true: 0, jump_false: 0, k })),
        2 => ends.prop_map(end),
    ]
}
