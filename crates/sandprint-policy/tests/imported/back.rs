//! A policy → a profile → a policy: the same wherever the format lost nothing.

use std::collections::BTreeSet;

use proptest::prelude::*;
use sandprint_model::{Abi, About, Arch, Loss, Policy, Rule};
use sandprint_policy::emit::by_name;
use sandprint_policy::import::{Format, Site, import};

use testkit::policies::losses;
use testkit::policies::{any_policy, ls, policy, telling_calls};

const FORMATS: [Format; 3] = [Format::Docker, Format::Oci, Format::Systemd];

fn machines(policy: &Policy) -> BTreeSet<Arch> {
    policy.calls.rules.keys().map(|syscall| syscall.abi.arch()).collect()
}

#[test]
fn the_policy_of_a_recording_comes_back() {
    for abi in [Abi::X86_64, Abi::Aarch64] {
        let policy = policy(&ls(abi));
        for format in FORMATS {
            let text =
                by_name(format.name()).unwrap().emit(&policy).unwrap().content.as_text().unwrap().to_owned();
            let imported = import(format, text.as_bytes(), &Site::new(abi.arch())).unwrap();
            assert_eq!(imported.losses, BTreeSet::new(), "{format:?}");
            for call in telling_calls(&policy, [7; 6]).filter(|call| call.syscall.abi == abi) {
                let unspoken = format == Format::Systemd
                    && call.syscall.since() > Some(sandprint_model::KernelVersion::new(6, 7));
                // What is allowed with conditions only, and not because it was seen, systemd leaves out, and says so.
                let conditional =
                    |rules: &Vec<_>| rules.iter().all(|rule: &Rule| !rule.conditions.is_empty());
                let left_out = format == Format::Systemd
                    && policy.calls.rules.get(&call.syscall).is_some_and(conditional);
                assert!(
                    imported.policy.calls.decide(&call) == policy.calls.decide(&call) || unspoken || left_out,
                    "{format:?} {call:?}"
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn what_comes_back_differs_only_where_the_format_had_a_loss(policy in any_policy(), args in any::<[u64; 6]>()) {
        for format in FORMATS {
            let emitted = by_name(format.name()).unwrap().emit(&policy).unwrap();
            for machine in machines(&policy) {
                let imported = import(format, emitted.content.as_bytes(), &Site::new(machine)).unwrap();
                // To libseccomp a rule for socket is one for a sub-call of socketcall as well, where that is: it may
                // overlap with the policy's own rules for socketcall, and then the order is libseccomp's.
                let multiplexed = |loss: &&Loss| !loss.weaker && matches!(loss.about, About::Name("socketcall" | "ipc"));
                // What systemd 252 does not know yet, the emitter has told too.
                let newer = |loss: &&Loss| format == Format::Systemd && loss.about == About::Word("newer names".to_owned());
                let told = imported.losses.iter().all(|loss| multiplexed(&loss) || newer(&loss));
                prop_assert!(told, "{:?}", imported.losses);
                let losses: BTreeSet<Loss> = emitted.losses.union(&imported.losses).cloned().collect();
                let here = telling_calls(&policy, args).filter(|call| call.syscall.abi.arch() == machine);
                losses::check(&policy, &losses, here, |call| imported.policy.calls.decide(call));
            }
        }
    }
}
