//! A call with some values refused and the rest allowed stays in every format, and lets in exactly the rest: also
//! with something in the upper half of an argument of which the kernel looks at the lower one only.

use sandprint_model::loss::Cut;
use sandprint_model::{About, Action, Call, Comparison, Condition, Loss, LossKind, Policy, Width};
use sandprint_policy::emit::by_name;

use crate::libseccomp_runtime::{export, profiles, runtime, with_rules};
use crate::oci_profiles::Profile;
use crate::seccomp_header;
use testkit::hosts::NATIVE;
use testkit::policies::call;
use testkit::policies::losses;

const EAFNOSUPPORT: Action = Action::Errno(97);

fn condition(index: u8, width: Width, comparison: Comparison) -> Condition {
    Condition { index, width, comparison }
}

/// Rules for socket: each of these refused, then the rest allowed.
fn refusing(refused: &[Vec<Condition>]) -> Policy {
    let rest: [Condition; 0] = [];
    let refused = refused.iter().map(|conditions| (EAFNOSUPPORT, conditions.as_slice()));
    let rules: Vec<(Action, &[Condition])> = refused.chain([(Action::Allow, &rest[..])]).collect();
    with_rules(Action::Errno(1), call(NATIVE, "socket"), &rules)
}

/// How each is refused, and how many entries it takes at most.
fn cases() -> Vec<(&'static str, usize, Vec<Vec<Condition>>)> {
    use Comparison::{Equal, Greater, MaskedEqual};
    use Width::{Bits32, Bits64};
    let each = |width, values: &[u64]| -> Vec<Vec<Condition>> {
        values.iter().map(|value| vec![condition(0, width, Equal(*value))]).collect()
    };
    let and_above = |width, values: &[u64], above| {
        let above = vec![condition(0, width, Greater(above))];
        each(width, values).into_iter().chain([above]).collect()
    };
    let raw_sockets = |width, families: &[u64]| {
        let raw = condition(1, Bits32, MaskedEqual { mask: 0xf, value: 3 });
        let of = |family: &u64| vec![condition(0, width, Equal(*family)), raw];
        families.iter().map(of).collect()
    };
    vec![
        ("two families", 34, each(Bits32, &[38, 40])),
        ("two families, all bits", 3, each(Bits64, &[38, 40])),
        ("values and all above, all bits", 13, and_above(Bits64, &[3, 5], 16)),
        ("values and all above", 16, and_above(Bits32, &[3, 5], 16)),
        ("six families", 60, each(Bits32, &[9, 16, 17, 38, 40, 44])),
        ("one raw socket", 36, raw_sockets(Bits32, &[2])),
        ("raw sockets of two families", 38, raw_sockets(Bits32, &[2, 10])),
        ("raw sockets of two families, all bits", 70, raw_sockets(Bits64, &[2, 10])),
        (
            "a family, and raw sockets",
            128,
            [each(Bits32, &[38]), vec![vec![condition(1, Bits32, MaskedEqual { mask: 0xf, value: 3 })]]]
                .concat(),
        ),
    ]
}

/// Calls at and beside every family and type, alone, with something in the upper halves, and with all of them.
fn calls() -> impl Iterator<Item = Call> {
    let families = (0..50_u64).chain([0x7fff_ffff, 0x8000_0000, 0xffff_ffff]);
    let with = |value: u64| [value, value | 1 << 32, value | 1 << 63, value | 0xffff_ffff << 32];
    let types = [0, 1, 2, 3, 3 | 0o2_000_000, 4, 19].map(with).concat();
    families.flat_map(with).flat_map(move |family| {
        let types = types.clone();
        types
            .into_iter()
            .map(move |kind| Call { syscall: call(NATIVE, "socket"), args: [family, kind, 0, 0, 0, 0] })
    })
}

fn check(what: &str, policy: &Policy, decide: impl Fn(&Call) -> Action) {
    for call in calls() {
        let (wanted, got) = (policy.calls.decide(&call), decide(&call));
        assert_eq!(losses::runs(got), losses::runs(wanted), "{what}: {call:x?}");
    }
}

fn entries(profile: &Profile) -> usize {
    profile.rules.iter().find(|(name, _)| *name == "socket").map_or(0, |(_, rules)| rules.len())
}

#[test]
fn values_that_are_refused_do_not_take_the_call_away() {
    for (what, most, refused) in cases() {
        let policy = refusing(&refused);
        for format in ["docker", "k8s", "oci"] {
            let (losses, profiles) = profiles(format, &policy);
            if format == "k8s" && what == "raw sockets of two families, all bits" {
                // Its masks look at the highest bit, and so are larger than the object's numbers.
                assert!(
                    losses.iter().any(|loss| loss.breaks && loss.about == About::Name("socket")),
                    "{losses:#?}"
                );
                continue;
            }
            assert!(
                losses.iter().all(|loss| !loss.weaker && !loss.breaks),
                "{what} as {format}: {losses:#?}"
            );
            let [(_, profile)] = &profiles[..] else { panic!("one machine") };
            let count = entries(profile);
            assert!((1..=most).contains(&count), "{what} as {format} takes {count} entries");
            if let Some((_, runtime)) = runtime() {
                let program = crate::bpf::Program::parse(&export(runtime, profile));
                check(&format!("{what} as {format}"), &policy, |call| program.decide(call));
            }
        }
        let header = by_name("seccomp-h").unwrap().emit(&policy).unwrap();
        assert!(header.losses.iter().all(|loss| !loss.weaker && !loss.breaks), "{what}: {header:?}");
        if seccomp_header::has_libseccomp() {
            let program = seccomp_header::export(&header);
            check(&format!("{what} as a header"), &policy, |call| program.decide(call));
        }
        for format in ["bpf", "firecracker", "kafel", "minijail", "toml"] {
            let emitted = by_name(format).unwrap().emit(&policy).unwrap();
            let of_socket = emitted.losses.iter().filter(|loss| loss.about.covers(call(NATIVE, "socket")));
            assert!(
                of_socket.clone().all(|loss| !loss.weaker && !loss.breaks),
                "{what} as {format}: {:#?}",
                emitted.losses
            );
        }
    }
}

/// 32 values of one argument with 32 of another one: no list that libseccomp takes is so long.
#[test]
fn what_cannot_be_said_without_breaking_the_workload_is_a_loss_that_breaks_it() {
    use Comparison::{Equal, NotEqual};
    let not = |index, value| condition(index, Width::Bits32, NotEqual(value));
    let is_one = [condition(2, Width::Bits32, Equal(1))];
    let both = [not(0, 38), not(1, 3)];
    for (rules, is_whole) in [
        (&[(Action::Allow, &both[..])][..], true),
        (&[(Action::Allow, &is_one[..]), (Action::Allow, &both)], false),
    ] {
        let socket = call(NATIVE, "socket");
        let policy = with_rules(Action::Errno(1), socket, rules);
        for format in ["docker", "k8s", "oci", "seccomp-h"] {
            let losses = by_name(format).unwrap().emit(&policy).unwrap().losses;
            let of_socket: Vec<_> = losses.iter().filter(|loss| loss.about == About::Call(socket)).collect();
            let [loss] = of_socket[..] else { panic!("{format}: {losses:#?}") };
            let kind = LossKind::ConditionsCut { why: Cut::TooMany, is_whole };
            assert_eq!(*loss, Loss::breaking(About::Call(socket), kind));
        }
        if let (Some((_, runtime)), (_, profiles)) = (runtime(), profiles("oci", &policy)) {
            let program = crate::bpf::Program::parse(&export(runtime, &profiles[0].1));
            let decide = |args| program.decide(&Call { syscall: socket, args });
            let is_left = rules.len() == 2;
            assert_eq!(losses::runs(decide([0, 0, 1, 0, 0, 0])), is_left, "what fits is kept");
            assert!(!losses::runs(decide([2, 1, 0, 0, 0, 0])));
        }
        // What lets a refusal go is no break, but weaker.
        let allowing = with_rules(Action::Allow, socket, &[(Action::Errno(1), &both)]);
        let losses = by_name("oci").unwrap().emit(&allowing).unwrap().losses;
        assert!(losses.iter().any(|loss| loss.weaker && !loss.breaks), "{losses:#?}");
    }
}
