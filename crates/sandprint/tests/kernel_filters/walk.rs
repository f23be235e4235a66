//! The filters that are made of policies, in force: each rule, each edge of what it compares, in the kernel.
//!
//! Where any call is asked about, a second filter, older than the policy's, refuses what that lets through: of two
//! refusals the newer filter's errno is given, so no call is carried out and the policy's answer shows all the same.

use std::collections::BTreeSet;

use sandprint_model::{
    Abi, Action, Arch, Call, CallRules, Comparison, Condition, Policy, Rule, Syscall, Width, wire,
};
use sandprint_policy::cases;
use sandprint_policy::cbpf::Program;
use sandprint_policy::emit::{Content, by_name};
use sandprint_policy::import::{Format, Site, import};
use sandprint_policy::synth::{DefaultAction, SynthConfig, synthesize};

use crate::child::{ALLOW, Answer, ERRNO, compare, instruction, native};
use crate::programs::{argument, value};
use crate::sys;
use testkit::hostile::numbers::Numbers;

/// What the older filter answers: like those of the policies here, an errno that no call gives by itself.
const LET_THROUGH: u16 = 3999;
/// The errnos of random policies.
const REFUSALS: u16 = 4000;
/// Their default.
const DEFAULT: u16 = 4095;

/// Calls that give a number and nothing else, whatever their arguments.
const HARMLESS: [&str; 7] = ["getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid"];

/// The program as it is emitted.
fn emitted(policy: &Policy) -> Program {
    match by_name("bpf").unwrap().emit(policy).unwrap().content {
        Content::Binary(bytes) => Program::from_bytes(&bytes).unwrap(),
        Content::Text(text) => panic!("{text}"),
    }
}

/// Refuses all but seccomp, by which the policy's filter is installed after it.
fn last_resort() -> Program {
    let seccomp = u32::try_from(libc::SYS_seccomp).unwrap();
    Program(vec![
        instruction(0x20, 0, 0, 0),
        instruction(0x15, 0, 1, seccomp),
        instruction(0x06, 0, 0, ALLOW),
        instruction(0x06, 0, 0, ERRNO | u32::from(LET_THROUGH)),
    ])
}

/// The calls that tell a policy's rules apart, and each rule's number, from 0, where one decides.
fn calls(policy: &Policy, abis: &[Abi]) -> Vec<(Call, Option<usize>)> {
    let mut calls = Vec::new();
    for abi in abis {
        let mut numbers: BTreeSet<u32> = Syscall::all(*abi).map(|syscall| syscall.nr).collect();
        let named = policy.calls.rules.keys().filter(|syscall| syscall.abi == *abi);
        numbers
            .extend(named.flat_map(|Syscall { nr, .. }| [nr.saturating_sub(1), *nr, nr.saturating_add(1)]));
        numbers.extend([1000, 0x3fff_ffff]);
        calls.extend(numbers.into_iter().map(|nr| Call { syscall: Syscall { abi: *abi, nr }, args: [0; 6] }));
    }
    for (syscall, rules) in policy.calls.rules.iter().filter(|(syscall, _)| abis.contains(&syscall.abi)) {
        let (arguments, _) = cases::arguments(rules.iter().flat_map(|rule| &rule.conditions));
        calls.extend(arguments.into_iter().map(|args| Call { syscall: *syscall, args }));
    }
    calls.retain(|call| i64::from(call.syscall.nr) != libc::SYS_seccomp && !is_unfiltered(call.syscall));
    calls.into_iter().map(|call| (call, policy.calls.deciding_rule(&call).map(|(rule, _)| rule))).collect()
}

/// Whether kernels carry it out without asking any filter: uretprobe since Linux 6.14, and uprobe since it came with
/// 6.18, both made by probes that were put into a program (`__secure_computing`, kernel/seccomp.c).
fn is_unfiltered(syscall: Syscall) -> bool {
    syscall.abi == Abi::X86_64 && matches!(syscall.nr, 335 | 336)
}

/// As a native program makes it.
fn as_made(call: Call) -> sys::Call {
    let bit = if call.syscall.abi == Abi::X32 { Abi::X32_BIT } else { 0 };
    (call.syscall.nr | bit, call.args)
}

/// The ABIs that a native program can use.
fn reachable() -> &'static [Abi] {
    if native() == Abi::X86_64 { &[Abi::X86_64, Abi::X32] } else { &[Abi::Aarch64] }
}

/// Holds every decision of a policy against the kernel, carrying out no call. How many calls were made, and how many
/// rules decided one of them.
fn decided(policy: &Policy, may_die: bool, name: &str) -> (usize, usize) {
    let calls = calls(policy, reachable());
    let let_through = i32::from(LET_THROUGH);
    let expected: Vec<_> = calls
        .iter()
        .map(|(call, _)| (as_made(*call), Answer::of(policy.calls.decide(call), let_through, let_through)))
        .collect();
    let made = compare(&[&last_resort(), &emitted(policy)], &expected, may_die, &|| {
        format!("{name}: {}", wire::encode_policy(policy))
    });
    let rules: BTreeSet<_> =
        calls.iter().filter_map(|(call, rule)| rule.map(|rule| (call.syscall, rule))).collect();
    (made, rules.len())
}

fn rule(conditions: Vec<Condition>, action: Action) -> Rule {
    Rule { conditions, action, reasons: BTreeSet::new() }
}

fn condition(numbers: &mut Numbers, index: u8) -> Condition {
    let wide = numbers.below(2) == 0;
    let word = |numbers: &mut Numbers| if wide { argument(numbers) } else { u64::from(value(numbers)) };
    let (first, mask) = (word(numbers), word(numbers));
    let comparison = match numbers.below(8) {
        0 => Comparison::NotEqual(first),
        1 => Comparison::Less(first),
        2 => Comparison::LessOrEqual(first),
        3 => Comparison::Greater(first),
        4 => Comparison::GreaterOrEqual(first),
        5 => Comparison::MaskedEqual { mask, value: first & mask },
        _ => Comparison::Equal(first),
    };
    Condition { index, width: if wide { Width::Bits64 } else { Width::Bits32 }, comparison }
}

/// Rules for one call: each with an errno of its own, or one that lets it through, so that the answer tells the rule.
fn rules(numbers: &mut Numbers, actions: &[Action]) -> Vec<Rule> {
    // Two arguments at most: every combination of their edges is then few calls.
    let indices = [0; 2].map(|_: u8| u8::try_from(numbers.below(6)).unwrap());
    let count = 1 + numbers.below(3);
    let rules = (0..count).map(|place| {
        let conditions = (0..numbers.below(3)).map(|_| {
            let index = indices[numbers.below(2)];
            condition(numbers, index)
        });
        let conditions = conditions.collect();
        let errno = REFUSALS + u16::try_from(place).unwrap();
        let action = actions.get(numbers.below(actions.len() * 2)).copied().unwrap_or(Action::Errno(errno));
        rule(conditions, action)
    });
    rules.collect()
}

fn empty(default_action: Action) -> Policy {
    Policy {
        kernel: None,
        calls: CallRules {
            default_action,
            foreign_action: Action::KillProcess,
            rules: std::collections::BTreeMap::new(),
        },
        notes: BTreeSet::new(),
    }
}

#[test]
fn random_policies_decide_every_call_of_the_machine_in_the_kernel_as_they_say() {
    let mut numbers = Numbers::new(0x9011_c7e5);
    let actions =
        [Action::Allow, Action::Allow, Action::Log, Action::Trace(7), Action::Notify, Action::KillProcess];
    let (mut made, mut walked, mut written) = (0, 0, 0);
    for round in 0..120 {
        let default = [Action::Errno(DEFAULT), Action::Allow][numbers.below(2)];
        let mut policy = empty(default);
        policy.calls.foreign_action = [Action::KillProcess, Action::Errno(DEFAULT - 1)][numbers.below(2)];
        for _ in 0..=numbers.below(30) {
            let abi = reachable()[numbers.below(8).saturating_sub(6) % reachable().len()];
            let nr = u32::try_from(numbers.below(if round % 3 == 0 { 0x3fff_0000 } else { 460 })).unwrap();
            let rules = rules(&mut numbers, &actions);
            policy.calls.rules.insert(Syscall { abi, nr }, rules);
        }
        let (calls, rules) = decided(&policy, round % 8 == 0, "random");
        made += calls;
        walked += rules;
        written += policy.calls.rules.values().map(Vec::len).sum::<usize>();
    }
    // The others stand behind one that always matches, or ask for what cannot be.
    assert!(made > 50_000 && walked * 2 > written, "{made} {walked} {written}");
}

#[test]
fn profiles_that_are_in_use_decide_in_the_kernel_as_they_were_read() {
    let docker = include_bytes!("../../../../corpus/profiles/docker-20.10.24.json");
    let podman = include_bytes!("../../../../corpus/profiles/podman-0.50.1.json");
    let unit = b"[Service]\nSystemCallFilter=@system-service\nSystemCallFilter=~@privileged @resources:ENOMEM\n\
                 SystemCallErrorNumber=EPERM\nRestrictAddressFamilies=AF_UNIX AF_INET\nRestrictRealtime=yes\n";
    for (format, bytes) in
        [(Format::Docker, &docker[..]), (Format::Docker, &podman[..]), (Format::Systemd, &unit[..])]
    {
        let imported = import(format, bytes, &Site::new(native().arch())).unwrap();
        let (made, rules) = decided(&imported.policy, true, format.name());
        assert!(made > 400 && rules > 200, "{format:?} {made} {rules}");
    }
}

#[test]
fn the_policies_of_recordings_decide_in_the_kernel_as_they_say() {
    for recording in [
        include_str!("../../../../corpus/traces/ls.json"),
        include_str!("../../../../corpus/traces/pipeline.json"),
        include_str!("../../../../corpus/traces/python3.json"),
        include_str!("../../../../corpus/traces/sqlite3.json"),
    ] {
        let trace = wire::decode_trace(recording.as_bytes()).unwrap();
        for default_action in DefaultAction::ALL {
            for portable in [false, true] {
                let config = SynthConfig {
                    default_action,
                    portable,
                    allow_incomplete: true,
                    ..SynthConfig::default()
                };
                let policy = synthesize(&trace, &config).unwrap();
                let (_, rules) = decided(&policy, true, "recording");
                if native().arch() == Arch::X86_64 {
                    assert!(rules > 20, "{rules}");
                }
            }
        }
    }
}

/// The calls are carried out here.
#[test]
fn an_allowed_call_succeeds_and_each_that_is_perturbed_is_refused() {
    let mut numbers = Numbers::new(0x3a1c);
    let (mut succeeded, mut allowing, mut refused) = (0, 0, 0);
    for _ in 0..100 {
        let mut policy = empty(Action::Errno(DEFAULT));
        for name in HARMLESS {
            let syscall = Syscall::from_name(native(), name).unwrap();
            let rules = rules(&mut numbers, &[Action::Allow, Action::Allow, Action::Allow]);
            policy.calls.rules.insert(syscall, rules);
        }
        let harmless = |call: &Call| HARMLESS.contains(&call.syscall.name().unwrap_or_default());
        let calls: Vec<_> =
            calls(&policy, &[native()]).into_iter().filter(|(call, _)| harmless(call)).collect();
        let expected: Vec<_> = calls
            .iter()
            .map(|(call, _)| (as_made(*call), Answer::of(policy.calls.decide(call), 0, 0)))
            .collect();
        compare(&[&emitted(&policy)], &expected, false, &|| wire::encode_policy(&policy));
        let ways: BTreeSet<_> = calls
            .iter()
            .filter(|(call, _)| policy.calls.decide(call) == Action::Allow)
            .filter_map(|(call, rule)| rule.map(|rule| (call.syscall, rule)))
            .collect();
        succeeded += ways.len();
        allowing += policy.calls.rules.values().flatten().filter(|rule| rule.action == Action::Allow).count();
        refused += expected.iter().filter(|(_, answer)| *answer != Answer::Errno(0)).count();
    }
    assert!(succeeded * 2 > allowing && refused > 5_000, "{succeeded} of {allowing}, {refused}");
}

#[test]
fn a_socket_of_the_allowed_kind_is_made_and_no_other() {
    let equal =
        |index, value| Condition { index, width: Width::Bits32, comparison: Comparison::Equal(value) };
    let masked = |value| Comparison::MaskedEqual { mask: 0xf, value };
    let socket = Syscall::from_name(native(), "socket").unwrap();
    let kind = |value| Condition { index: 1, width: Width::Bits32, comparison: masked(value) };
    let mut policy = empty(Action::Errno(REFUSALS));
    // AF_UNIX with SOCK_STREAM or SOCK_DGRAM, whatever its flags.
    let rules = [1, 2].map(|value| rule(vec![equal(0, 1), kind(value), equal(2, 0)], Action::Allow));
    policy.calls.rules.insert(socket, rules.to_vec());
    let (made, refused) = (Answer::Errno(0), Answer::Errno(i32::from(REFUSALS)));
    let expected = [
        ([1, 1, 0], made),
        ([1, 2, 0], made),
        ([1, 0x8_0801, 0], made),
        // The kernel looks at 32 bits of each.
        ([1 | 1 << 32, 2 | 7 << 40, 1 << 63], made),
        ([2, 1, 0], refused),
        ([0, 1, 0], refused),
        ([1 | 1 << 31, 1, 0], refused),
        ([1, 3, 0], refused),
        ([1, 0x8_0800, 0], refused),
        ([1, 5, 0], refused),
        ([1, 1, 1], refused),
        ([1, 1, 1 << 31], refused),
    ];
    let expected = expected.map(|([a, b, c], answer)| ((socket.nr, [a, b, c, 0, 0, 0]), answer));
    compare(&[&emitted(&policy)], &expected, false, &String::new);
}
