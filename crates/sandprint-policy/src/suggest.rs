//! The smallest rule that would let a refused call run.

use std::collections::BTreeSet;

use sandprint_model::arguments::{self, Kind, Match, Selector};
use sandprint_model::{Action, Call, Comparison, Condition, Reason, Rule, Width};

/// A rule that allows this call, and as little more as its arguments can tell.
///
/// Arguments that select what a call does (a family, a command, flags) are compared; addresses, descriptors, sizes
/// and ids are not, since they differ from run to run. A call without such arguments is allowed whole.
pub fn allowing(call: &Call, reason: Reason) -> Rule {
    let selectors = arguments::selectors(call.syscall);
    let mut conditions: Vec<Condition> = Vec::new();
    for selector in selectors {
        // An argument that has a meaning only beside another one's value is worth nothing without that.
        let has_company = selector.with.is_none_or(|with| {
            conditions.iter().any(|condition| {
                usize::from(condition.index) == with && matches!(condition.comparison, Comparison::Equal(_))
            })
        });
        if has_company && tells(call, selector) {
            let value = call.args.get(selector.index).copied();
            conditions.extend(value.and_then(|value| condition(selector, value, value)));
        }
    }
    Rule { conditions, action: Action::Allow, reasons: BTreeSet::from([reason]) }
}

/// The same, with nothing said of who wants it.
pub fn smallest_rule(call: &Call) -> Rule {
    Rule { reasons: BTreeSet::new(), ..allowing(call, Reason::ByHand(String::new())) }
}

/// Whether an argument, in this very call, is one that would be the same in the next run.
fn tells(call: &Call, selector: &Selector) -> bool {
    let kind = arguments::kind_given(call.syscall, selector.index, &call.args);
    kind.is_some_and(|kind| selector.tells(kind) && !matches!(kind, Kind::Uid | Kind::Gid))
}

/// The condition that a value of a selector gives; none where it would hold for every value. `bits` are those of all
/// the values that the rule is for.
pub(crate) fn condition(selector: &Selector, value: u64, bits: u64) -> Option<Condition> {
    let comparison = comparison(selector, value, bits);
    let compares = !matches!(comparison, Comparison::MaskedEqual { mask: 0, .. });
    let index = u8::try_from(selector.index).ok().filter(|_| compares)?;
    Some(Condition { index, width: selector.width, comparison })
}

/// How a selector is compared that held this value, or others of which these are all bits.
pub(crate) fn comparison(selector: &Selector, value: u64, bits: u64) -> Comparison {
    let all = match selector.width {
        Width::Bits32 => u64::from(u32::MAX),
        Width::Bits64 => u64::MAX,
    };
    let seen = value & all;
    let masked =
        |mask: u64, value: u64| Comparison::MaskedEqual { mask: mask & all, value: value & mask & all };
    match selector.matching {
        Match::AllowedBits => masked(!bits, 0),
        // One value in the field, and around it no other bits than these.
        Match::Field(field) => masked(field | !bits, seen & field),
        Match::Masked(mask) => masked(mask, seen),
        Match::ForbiddenBits(bits) if seen & bits == 0 => masked(bits, 0),
        Match::RequiredBits(bits) if seen & bits == bits => masked(bits, bits),
        // The lowest of the bits that is not there keeps them from being together.
        Match::NotTogether(bits) if seen & bits != bits => {
            let absent = bits & !seen;
            masked(absent & absent.wrapping_neg(), 0)
        }
        Match::Exact
        | Match::Zero
        | Match::ForbiddenBits(_)
        | Match::RequiredBits(_)
        | Match::NotTogether(_) => Comparison::Equal(seen),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sandprint_model::wire::condition_in_words;
    use sandprint_model::{Abi, Syscall};

    use super::*;

    fn words(name: &str, args: [u64; 6]) -> Vec<String> {
        let syscall = Syscall::from_name(Abi::X86_64, name).unwrap();
        let rule = allowing(&Call { syscall, args }, Reason::ByHand("a test".to_owned()));
        assert!(rule.matches(&args), "{name}");
        rule.conditions.iter().map(|condition| condition_in_words(syscall, condition)).collect()
    }

    #[test]
    fn selectors_are_compared_and_nothing_else() {
        for (name, args, expected) in [
            ("getpid", [7; 6], &[][..]),
            ("read", [3, 0x7fff_0000, 100, 0, 0, 0], &[]),
            (
                "socket",
                [2, 0x80001, 0, 0, 0, 0],
                &["arg0.u32 == AF_INET", "arg1.u32 & 0xf == SOCK_STREAM", "arg2.u32 == 0"],
            ),
            ("ioctl", [0, 0x5401, 0x7ffd_0000, 0, 0, 0], &["arg1.u32 == TCGETS"]),
            ("clock_gettime", [4, 0x7ffd_0000, 0, 0, 0, 0], &["arg0.u32 == CLOCK_MONOTONIC_RAW"]),
            ("prctl", [15, 0x7ffd_0000, 0, 0, 0, 0], &["arg0.u32 == PR_SET_NAME"]),
            // Any capability may be looked at; what is not passed is what the register held before.
            ("prctl", [23, 5, 0, 0x7ffd_0000, 0, 0], &["arg0.u32 == PR_CAPBSET_READ"]),
            ("prctl", [3, 5, 0, 0x7ffd_0000, 0, 0], &["arg0.u32 == PR_GET_DUMPABLE"]),
            ("prctl", [38, 1, 0, 0, 0, 0], &["arg0.u32 == PR_SET_NO_NEW_PRIVS", "arg1.u64 == 1"]),
        ] {
            assert_eq!(words(name, args), expected, "{name}");
        }
    }

    #[test]
    fn a_harmless_clone_is_no_reason_to_allow_namespaces() {
        let syscall = Syscall::from_name(Abi::X86_64, "clone").unwrap();
        let rule =
            allowing(&Call { syscall, args: [0x0120_0011, 0, 0, 0, 0, 0] }, Reason::ByHand(String::new()));
        assert!(rule.matches(&[0x003d_0f00, 0, 0, 0, 0, 0]));
        assert!(!rule.matches(&[0x1000_0011, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn memory_that_is_written_is_no_reason_to_let_it_be_executed() {
        let syscall = Syscall::from_name(Abi::X86_64, "mmap").unwrap();
        let rule =
            allowing(&Call { syscall, args: [0, 4096, 3, 0x22, u64::MAX, 0] }, Reason::ByHand(String::new()));
        assert!(!rule.matches(&[0, 4096, 7, 0x22, u64::MAX, 0]), "{:?}", rule.conditions);
        assert!(rule.matches(&[0, 8192, 3, 0x22, u64::MAX, 0]));
    }

    proptest! {
        #[test]
        fn the_rule_lets_its_call_run(
            abi in proptest::sample::select(&Abi::ALL[..]),
            at in any::<proptest::sample::Index>(),
            args in any::<[u64; 6]>(),
            small in any::<[u8; 6]>(),
            which in any::<[bool; 6]>(),
        ) {
            let all: Vec<Syscall> = Syscall::all(abi).collect();
            let syscall = all[at.index(all.len())];
            let args = std::array::from_fn(|i| if which[i] { args[i] } else { u64::from(small[i]) });
            let rule = allowing(&Call { syscall, args }, Reason::ByHand(String::new()));
            prop_assert!(rule.matches(&args));
            prop_assert!(rule.conditions.iter().all(|condition| condition.index < 6));
        }
    }
}
