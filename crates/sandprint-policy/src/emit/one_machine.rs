//! Formats that hold the native ABI of one machine, and nothing of the others.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::{Abi, About, Action, Arch, Loss, LossKind, Policy, Rule};

use super::{EmitError, answered};
use crate::enforce::runs;

/// The machine that a policy is for; an error where there are two, or only programs of 32 bits.
pub(super) fn native_abi(policy: &Policy) -> Result<Abi, EmitError> {
    let natives: BTreeSet<Abi> = policy
        .calls
        .rules
        .keys()
        .map(|syscall| syscall.abi)
        .filter(|abi| abi.arch().native_abi() == *abi)
        .collect();
    let mut natives = natives.into_iter();
    match (natives.next(), natives.next()) {
        (Some(abi), None) => Ok(abi),
        (Some(_), Some(_)) => Err(EmitError {
            what: "express the rules of two machines in one file".to_owned(),
            hint: Arch::ALL.map(|arch| format!("`--arch {arch}`")).join(" and ")
                + " make a file for each of them",
        }),
        (None, _) => Err(EmitError {
            what: "express a policy that has rules for 32-bit programs only".to_owned(),
            hint: "the formats oci, docker, seccomp-h and bpf can".to_owned(),
        }),
    }
}

/// What a filter for `abi` alone does to calls of others: `elsewhere` where the architecture differs; x32,
/// which shares it, meets what is done to `unlisted` calls, because its numbers are none of the list.
pub(super) fn other_abis(policy: &Policy, abi: Abi, elsewhere: Action, unlisted: Action) -> BTreeSet<Loss> {
    let mut losses = BTreeSet::new();
    let foreign = policy.calls.foreign_action;
    let mut further: BTreeMap<Abi, Vec<&Rule>> = BTreeMap::new();
    for (syscall, rules) in policy.calls.rules.iter().filter(|(syscall, _)| syscall.abi != abi) {
        further.entry(syscall.abi).or_default().extend(rules);
    }
    for (other, rules) in &further {
        let got = if *other == Abi::X32 { unlisted } else { elsewhere };
        let (about, kind) = (About::Abi(*other), LossKind::OtherAbi { holds: abi, got });
        let any = |wanted: fn(Action) -> bool| rules.iter().any(|rule| wanted(rule.action));
        losses.insert(if *other == Abi::X32 && runs(got) && any(|action| !runs(action)) {
            Loss::weaker(about, kind)
        } else if !runs(got) && any(runs) {
            Loss::breaking(about, kind)
        } else {
            Loss::stricter(about, kind)
        });
    }
    if foreign != elsewhere {
        losses.insert(answered(About::OtherAbis, elsewhere, foreign));
    }
    if abi == Abi::X86_64 && !further.contains_key(&Abi::X32) && unlisted != foreign {
        losses.insert(answered(About::Abi(Abi::X32), unlisted, foreign));
    }
    losses
}
