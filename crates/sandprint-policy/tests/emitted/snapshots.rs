//! Every format as a file: read them before accepting a change.

use std::sync::Arc;

use sandprint_model::{
    Abi, Action, ByteString, CallSeen, Comparison, Condition, Gap, GapKind, Image, Policy, Reason, RunId,
    Subject, Syscall, Trace, Width,
};
use sandprint_policy::cbpf::{Instruction, Program};
use sandprint_policy::emit::{Content, FORMATS, by_name};
use sandprint_policy::synth::{DefaultAction, SynthConfig, synthesize};

use crate::one_machine::ONE_MACHINE;
use testkit::policies::{allowing, call, ls, policy, trace};

/// A path that tries to end every kind of quotes.
const HOSTILE: &[u8] = b"/tmp/*/ \"evil\" `|<b>&amp;\n\\\xff\xe2\x80\xae]*/";

fn check(case: &str, formats: &[&str], policy: &Policy) {
    for format in formats {
        let emitted = by_name(format).unwrap().emit(policy).unwrap();
        let mut text = match emitted.content {
            Content::Text(text) => text,
            // As other tools list such a program: one instruction a line.
            Content::Binary(bytes) => listing(&bytes),
        };
        for loss in emitted.losses {
            text += if loss.weaker { "~~~ weaker: " } else { "~~~ loss: " };
            text += &loss.to_string();
            text += "\n";
        }
        insta::assert_snapshot!(format!("{case}-{format}"), text);
    }
}

fn listing(bytes: &[u8]) -> String {
    let program = Program::from_bytes(bytes).unwrap();
    let lines = program.0.iter().enumerate().map(|(at, instruction)| {
        let Instruction { code, jump_true, jump_false, k } = instruction;
        format!("{at:4}: {code:#06x} {jump_true:3} {jump_false:3} {k:#010x}\n")
    });
    lines.collect()
}

fn every_format() -> Vec<&'static str> {
    FORMATS.iter().map(|format| format.name()).collect()
}

#[test]
fn ls_without_options() {
    check("ls", &every_format(), &policy(&ls(Abi::X86_64)));
}

#[test]
fn ls_with_every_option() {
    let config = SynthConfig {
        default_action: DefaultAction::Kill,
        kernel: Some("5.10".parse().unwrap()),
        portable: true,
        ..SynthConfig::default()
    };
    let mut policy = synthesize(&ls(Abi::X86_64), &config).unwrap();
    // By hand: the table of launchers changes with every new release of one.
    let why = "drops capabilities (seen in version 1.2)".to_owned();
    let reason = Reason::Runtime { runtime: "crun".to_owned(), why };
    let capset = allowing(&[call(Abi::X86_64, "capset")]).calls.rules;
    policy.calls.rules.extend(capset.into_iter().map(|(syscall, mut rules)| {
        rules[0].reasons = [reason.clone()].into();
        (syscall, rules)
    }));
    check("ls-options", &["oci", "docker", "systemd", "markdown"], &policy);
}

/// Formats that hold one machine refuse two.
fn formats_of_several_machines() -> Vec<&'static str> {
    every_format().into_iter().filter(|name| !ONE_MACHINE.contains(name)).collect()
}

/// Two machines, three ABIs, a number without a name, a hostile path, gaps.
fn mixed() -> Trace {
    let mut mixed = trace(
        Abi::X86_64,
        "6.12.1",
        2,
        HOSTILE,
        &[
            (call(Abi::X86_64, "openat"), 2),
            (call(Abi::X86_64, "execve"), 1),
            (Syscall { abi: Abi::X86_64, nr: 5000 }, 1),
            (call(Abi::I386, "write"), u64::MAX),
            (call(Abi::I386, "socket"), 1),
        ],
    );
    let arm = trace(
        Abi::Aarch64,
        "not a kernel",
        3,
        b"",
        &[(call(Abi::Aarch64, "openat"), 1), (call(Abi::Aarch64, "mmap"), 3)],
    );
    mixed.merge(arm);
    let script = Image {
        path: ByteString::from("/bin/sh"),
        build_id: Some("0badcafe".to_owned()),
        script: Some(ByteString::new(HOSTILE)),
    };
    let run = RunId::from_bits(2);
    let subject = Subject::of(&Arc::new(script));
    mixed.calls.join(subject, call(Abi::X86_64, "openat"), run, CallSeen::times(4));
    let gap = |kind, detail: &str| Gap { kind, run, detail: Some(detail.to_owned()) };
    mixed.note_gap(gap(GapKind::AttachedMidRun, "pid 12 */ [x](y)"), 1);
    mixed.note_gap(gap(GapKind::IoUringProbe, "IORING_OP_NOP"), 1);
    mixed
}

#[test]
fn two_machines_three_abis_and_hostile_paths() {
    let config = SynthConfig { allow_incomplete: true, baseline: false, ..SynthConfig::default() };
    let mut policy = synthesize(&mixed(), &config).unwrap();
    // The long list of absent calls is in the other snapshots.
    policy
        .calls
        .rules
        .retain(|syscall, rules| rules[0].action == Action::Allow || syscall.name() == Some("clone3"));
    check("mixed", &formats_of_several_machines(), &policy);
}

#[test]
fn conditions_on_arguments() {
    use Comparison::{Equal, Less, MaskedEqual};
    let mut policy =
        allowing(&["socket", "clone", "ioctl", "lseek", "exit_group"].map(|name| call(Abi::X86_64, name)));
    let mut add = |name: &str, sets: &[&[(u8, Width, Comparison)]], then: Option<Action>| {
        let rules = policy.calls.rules.get_mut(&call(Abi::X86_64, name)).unwrap();
        let always = rules.pop().unwrap();
        for set in sets {
            let conditions = set.iter().map(|(index, width, comparison)| Condition {
                index: *index,
                width: *width,
                comparison: *comparison,
            });
            let mut rule = always.clone();
            rule.conditions = conditions.collect();
            rule.reasons.insert(Reason::ByHand("an argument was seen".to_owned()));
            rules.push(rule);
        }
        rules.extend(then.map(|action| sandprint_model::Rule { action, ..always }));
    };
    let (b32, b64) = (Width::Bits32, Width::Bits64);
    let stream = MaskedEqual { mask: 0xf, value: 1 };
    add("socket", &[&[(0, b32, Equal(1))], &[(0, b32, Equal(2)), (1, b32, stream)]], Some(Action::Errno(97)));
    add("clone", &[&[(0, b64, MaskedEqual { mask: 0x7e02_0000, value: 0 })]], None);
    add("ioctl", &[&[(1, b32, Equal(0x5401))], &[(1, b32, Equal(0x5413))]], None);
    add("lseek", &[&[(1, b64, Less(1 << 40))]], None);
    check("conditions", &every_format(), &policy);
}
