//! Rules about arguments: all that was observed is allowed, what was not is refused, and what is not known is said.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;
use sandprint_model::arguments::Selecting;
use sandprint_model::wire::condition_in_words;
use sandprint_model::{Abi, ArgumentsSeen, Call, CallSeen, Policy, wire};

use super::*;
use crate::synth::{AllowedArguments, DefaultAction, Runtime, SynthConfig, synthesize};

fn syscall(name: &str) -> Syscall {
    Syscall::from_name(Abi::X86_64, name).unwrap_or_else(|| panic!("no {name}"))
}

fn run(id: u128) -> RunId {
    RunId::from_bits(id)
}

/// Adds a call with these registers, as a recorder does that keeps arguments.
fn observe(trace: &mut Trace, id: u128, call: &Call) {
    let values = Selecting::of(call.syscall).map(|selecting| selecting.values(&call.args));
    let arguments = values.map(|values| ArgumentsSeen::new(values, 1));
    let seen = CallSeen { arguments, ..CallSeen::times(1) };
    trace.calls.add(Subject::default(), call.syscall, run(id), seen);
}

fn trace(calls: &[(&str, [u64; 6])]) -> Trace {
    let mut trace = Trace::default();
    for (name, args) in calls {
        observe(&mut trace, 1, &Call { syscall: syscall(name), args: *args });
    }
    trace
}

fn config() -> SynthConfig {
    SynthConfig { baseline: false, arguments: AllowedArguments::Observed, ..SynthConfig::default() }
}

fn policy(trace: &Trace) -> Policy {
    synthesize(trace, &config()).unwrap()
}

fn rules(policy: &Policy, name: &str) -> Vec<Vec<String>> {
    let words = |rule: &Rule| {
        rule.conditions.iter().map(|condition| condition_in_words(syscall(name), condition)).collect()
    };
    policy.calls.rules[&syscall(name)].iter().map(words).collect()
}

fn notes(policy: &Policy) -> Vec<String> {
    let about = |note: &String| note.contains("arguments");
    policy.notes.iter().map(ToString::to_string).filter(about).collect()
}

#[test]
fn values_keep_their_company_and_flags_are_allowed_together() {
    let recorded = trace(&[
        ("socket", [1, 0x80001, 0, 0, 0, 0]),
        ("socket", [1, 1, 0, 0, 0, 0]),
        ("socket", [2, 2, 0, 0, 0, 0]),
        ("openat", [5, 6, 0x80000, 0xdead, 0, 0]),
        ("openat", [5, 6, 0x10000, 0xdead, 0, 0]),
        ("openat", [5, 6, 0x241, 0o644, 0, 0]),
        ("fcntl", [3, 1, 77, 0, 0, 0]),
        ("fcntl", [3, 2, 1, 0, 0, 0]),
        ("mmap", [0, 1, 3, 0x22, 0, 0]),
        ("clone", [0x3d_0f00, 0, 0, 0, 0, 0]),
        ("getpid", [9; 6]),
    ]);
    let policy = policy(&recorded);
    assert_eq!(
        rules(&policy, "socket"),
        [
            ["arg0.u32 == AF_UNIX", "arg1.u32 & 0xf == SOCK_STREAM", "arg2.u32 == 0"],
            ["arg0.u32 == AF_INET", "arg1.u32 & 0xf == SOCK_DGRAM", "arg2.u32 == 0"],
        ]
    );
    assert_eq!(
        rules(&policy, "fcntl"),
        [vec!["arg1.u32 == F_GETFD"], vec!["arg1.u32 == F_SETFD", "arg2.u64 == 1"]]
    );
    assert_eq!(rules(&policy, "getpid"), [Vec::<String>::new()]);
    let decide = |name, args| policy.calls.decide(&Call { syscall: syscall(name), args }) == Action::Allow;
    for (name, args, expected) in [
        ("socket", [1, 0x80801, 0, 0, 0, 0], true),
        ("socket", [1, 2, 0, 0, 0, 0], false),
        ("socket", [2, 1, 0, 0, 0, 0], false),
        ("socket", [2, 2, 1, 0, 0, 0], false),
        ("socket", [10, 2, 0, 0, 0, 0], false),
        // Upper halves that the kernel does not look at.
        ("socket", [1 << 40 | 2, 2, 0, 0, 0, 0], true),
        ("openat", [7, 8, 0x90000, 0o6777, 0, 0], true),
        ("openat", [7, 8, 0x90001, 0, 0, 0], false),
        ("openat", [7, 8, 0x90040, 0, 0, 0], false),
        ("openat", [7, 8, 0x241, 0o600, 0, 0], true),
        ("openat", [7, 8, 0x241, 0o4755, 0, 0], false),
        ("openat", [7, 8, 0x242, 0o600, 0, 0], false),
        ("fcntl", [9, 2, 0, 0, 0, 0], false),
        ("fcntl", [9, 4, 0x800, 0, 0, 0], false),
        ("mmap", [0, 9, 7, 0x22, 0, 0], false),
        ("mmap", [0, 9, 1, 0x2, 0, 0], true),
        ("mmap", [0, 9, 1, 0x1, 0, 0], false),
        ("clone", [0x11, 0, 0, 0, 0, 0], true),
        ("clone", [0x1000_0011, 0, 0, 0, 0, 0], false),
    ] {
        assert_eq!(decide(name, args), expected, "{name} {args:x?}");
    }
}

#[test]
fn a_rule_says_how_often_it_was_needed_and_by_whom() {
    let mut recorded = trace(&[("socket", [1, 1, 0, 0, 0, 0]), ("socket", [1, 1, 0, 0, 0, 0])]);
    observe(&mut recorded, 2, &Call { syscall: syscall("socket"), args: [1, 0x801, 0, 0, 0, 0] });
    observe(&mut recorded, 2, &Call { syscall: syscall("socket"), args: [2, 1, 0, 0, 0, 0] });
    let policy = policy(&recorded);
    let images = vec![Arc::new(Image::default())];
    let reasons: Vec<_> =
        policy.calls.rules[&syscall("socket")].iter().map(|rule| rule.reasons.clone()).collect();
    let observed = |count, runs| BTreeSet::from([Reason::Observed { count, runs, images: images.clone() }]);
    assert_eq!(reasons, [observed(3, 2), observed(1, 1)]);
}

#[test]
fn what_is_not_all_known_is_allowed_whole_and_said() {
    let mut recorded = trace(&[("socket", [1, 1, 0, 0, 0, 0]), ("ioctl", [1, 2, 0, 0, 0, 0])]);
    for cmd in 0..=64 {
        observe(&mut recorded, 1, &Call { syscall: syscall("ioctl"), args: [1, cmd, 0, 0, 0, 0] });
    }
    for name in ["madvise", "flock"] {
        recorded.calls.join(Subject::default(), syscall(name), run(2), CallSeen::times(1));
    }
    observe(&mut recorded, 1, &Call { syscall: syscall("flock"), args: [1, 2, 0, 0, 0, 0] });
    let of = policy(&recorded);
    for name in ["ioctl", "madvise", "flock"] {
        assert_eq!(rules(&of, name), [Vec::<String>::new()], "{name}");
    }
    assert_eq!(rules(&of, "socket").len(), 1);
    assert_eq!(
        notes(&of),
        [
            "1 call may be made only with arguments that were observed. Flags that were seen apart are allowed together; \
             other values are refused.",
            "Allowed with any arguments: ioctl. More different ones were seen than are kept, of (unknown image).",
            "Allowed with any arguments: madvise, flock. 1 run did not record them.",
        ]
    );
    // As many as are kept, by each of two programs: more rules than a filter has room for.
    let mut many = trace(&[]);
    for cmd in 0..100 {
        observe(
            &mut many,
            1 + u128::from(cmd / 60),
            &Call { syscall: syscall("ioctl"), args: [1, cmd, 0, 0, 0, 0] },
        );
    }
    let of = policy(&many);
    assert_eq!(rules(&of, "ioctl"), [Vec::<String>::new()]);
    assert_eq!(
        notes(&of),
        [
            "Allowed with any arguments: ioctl. It would take more than 64 rules each to allow only what was observed."
        ]
    );
}

#[test]
fn what_has_another_way_is_refused_so_that_it_is_taken() {
    let recorded = trace(&[("statx", [5, 6, 0x1000, 0, 0, 0]), ("socket", [1, 1, 0, 0, 0, 0])]);
    for default_action in [DefaultAction::Errno, DefaultAction::Kill] {
        let of = synthesize(&recorded, &SynthConfig { default_action, ..config() }).unwrap();
        let decide = |name, args| of.calls.decide(&Call { syscall: syscall(name), args });
        assert_eq!(decide("statx", [9, 9, 0x1000, 0, 0, 0]), Action::Allow);
        assert_eq!(decide("statx", [9, 9, 0x2000, 0, 0, 0]), Action::Errno(38));
        assert_eq!(decide("socket", [2, 1, 0, 0, 0, 0]), default_action.action());
    }
}

#[test]
fn what_is_needed_for_more_than_was_observed_is_allowed_whole() {
    let recorded = trace(&[("newfstatat", [1, 0, 0, 0, 0, 0]), ("prctl", [15, 0, 0, 0, 0, 0])]);
    let wide = SynthConfig { baseline: true, runtimes: [Runtime::Runc].into(), ..config() };
    let of = synthesize(&recorded, &wide).unwrap();
    for name in ["newfstatat", "prctl"] {
        assert_eq!(rules(&of, name), [Vec::<String>::new()], "{name}");
    }
    let needed = |of: &Policy, name: &str| {
        let calls = of.notes.iter().find_map(|note| match note {
            Note::AnyArguments(WhyAny::Needed, calls) => Some(calls),
            _ => None,
        });
        calls.is_some_and(|calls| calls.contains(&syscall(name)))
    };
    assert!(needed(&of, "newfstatat") && needed(&of, "prctl"), "{:?}", notes(&of));
    // What stands for a call is no call with its arguments.
    let file = trace(&[("openat", [0, 0, 0x80000, 0, 0, 0])]);
    let portable = synthesize(&file, &SynthConfig { portable: true, ..config() }).unwrap();
    assert!(needed(&portable, "open") && !needed(&portable, "openat"), "{:?}", notes(&portable));
}

#[test]
fn a_trace_without_arguments_makes_no_rules_about_them() {
    let mut recorded = trace(&[("socket", [1, 1, 0, 0, 0, 0])]);
    for seen in recorded.calls.values_mut() {
        seen.arguments = None;
    }
    assert_eq!(synthesize(&recorded, &config()), Err(SynthError::NoArguments));
    // Nothing is missing where there is nothing to tell apart.
    let plain = trace(&[("getpid", [0; 6])]);
    assert_eq!(
        policy(&plain).calls.rules,
        synthesize(&plain, &SynthConfig { arguments: AllowedArguments::Any, ..config() })
            .unwrap()
            .calls
            .rules
    );
}

fn any_call() -> impl Strategy<Value = Call> {
    let abi = select(&Abi::ALL[..]);
    (abi, any::<proptest::sample::Index>(), any::<[u64; 6]>(), any::<[u8; 6]>(), any::<[u8; 6]>()).prop_map(
        |(abi, at, wide, small, which)| {
            let all: Vec<Syscall> =
                Syscall::all(abi).filter(|syscall| !selectors(*syscall).is_empty()).collect();
            let syscall = all[at.index(all.len())];
            let pick = |index: usize| match which[index] % 4 {
                0 => wide[index],
                1 => 1 << (small[index] % 64),
                _ => u64::from(small[index]),
            };
            Call { syscall, args: std::array::from_fn(pick) }
        },
    )
}

/// Calls of few kinds, so that they meet.
fn any_calls() -> impl Strategy<Value = Vec<(u128, Call)>> {
    proptest::collection::vec(any_call(), 1..6).prop_flat_map(|kinds| {
        let call = (1..3_u128, select(kinds), any_call()).prop_map(|(run, kind, other)| {
            let args =
                std::array::from_fn(
                    |at| if other.args[at] % 3 == 0 { other.args[at] } else { kind.args[at] },
                );
            (run, Call { args, ..kind })
        });
        proptest::collection::vec(call, 1..40)
    })
}

proptest! {
    #[test]
    fn every_observed_call_is_allowed(
        calls in any_calls(),
        action in select(&DefaultAction::ALL[..]),
        [baseline, portable] in any::<[bool; 2]>(),
    ) {
        let mut recorded = Trace::default();
        for (run, call) in &calls {
            observe(&mut recorded, *run, call);
        }
        let config = SynthConfig { default_action: action, baseline, portable, ..config() };
        let policy = synthesize(&recorded, &config).unwrap();
        for (_, call) in &calls {
            prop_assert_eq!(policy.calls.decide(call), Action::Allow, "{:?} {:?}", call, policy.calls.rules[&call.syscall]);
        }
        for (syscall, rules) in &policy.calls.rules {
            prop_assert!(rules.iter().all(|rule| !rule.reasons.is_empty()), "{}", syscall);
            // At most one test of an argument, with the width of the argument: some formats can say no more.
            for rule in rules {
                let is_observed = rule.reasons.iter().any(|reason| matches!(reason, Reason::Observed { .. }));
                let tested: BTreeSet<u8> = rule.conditions.iter().map(|condition| condition.index).collect();
                prop_assert_eq!(tested.len(), rule.conditions.len());
                for condition in rule.conditions.iter().filter(|_| is_observed) {
                    let selector = selectors(*syscall).iter().find(|one| one.index == usize::from(condition.index));
                    prop_assert_eq!(selector.map(|one| one.width), Some(condition.width));
                }
            }
        }
    }

    #[test]
    fn the_order_of_merging_changes_no_byte(calls in any_calls(), baseline in any::<bool>()) {
        let mut parts = [Trace::default(), Trace::default(), Trace::default()];
        for (place, (run, call)) in calls.iter().enumerate() {
            observe(&mut parts[place % 3], *run, call);
        }
        let join = |order: &[usize]| {
            let mut all = Trace::default();
            for part in order {
                all.merge(parts[*part].clone());
            }
            wire::encode_policy(&synthesize(&all, &SynthConfig { baseline, ..config() }).unwrap())
        };
        prop_assert_eq!(join(&[0, 1, 2]), join(&[2, 0, 1, 0, 2]));
    }

    /// A value that stands for itself and was never seen is refused, whatever else the call has.
    #[test]
    fn a_value_that_was_not_seen_is_refused(calls in any_calls(), other in any_call()) {
        let mut recorded = Trace::default();
        for (run, call) in &calls {
            observe(&mut recorded, *run, call);
        }
        let policy = policy(&recorded);
        for (_, call) in &calls {
            for selector in selectors(call.syscall).iter().filter(|one| one.matching == Match::Exact) {
                let mut changed = *call;
                changed.args[selector.index] = other.args[selector.index];
                let known = |args: &[u64; 6]| Selecting::of(call.syscall).unwrap().values(args).0[selector.index];
                let value = known(&changed.args);
                let seen = calls.iter().any(|(_, one)| {
                    // What tells nothing is not compared.
                    one.syscall == call.syscall && [value, None].contains(&known(&one.args))
                });
                let whole = policy.calls.rules[&call.syscall].iter().any(|rule| rule.conditions.is_empty());
                if value.is_some() && !seen && !whole {
                    prop_assert_ne!(policy.calls.decide(&changed), Action::Allow, "{:?}", changed);
                }
            }
        }
    }
}
