//! Formats that hold the native ABI of one machine, and nothing of the others.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::{Abi, About, Action, Arch, Loss, Policy, Rule};

use super::{EmitError, action_in_words, breaking, stricter, weaker};
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
        let text = format!(
            "this format holds the calls of {abi} only; what it does to these: {}",
            action_in_words(got)
        );
        let about = About::Abi(*other);
        let any = |wanted: fn(Action) -> bool| rules.iter().any(|rule| wanted(rule.action));
        losses.insert(if *other == Abi::X32 && runs(got) && any(|action| !runs(action)) {
            weaker(about, text)
        } else if !runs(got) && any(runs) {
            breaking(about, text)
        } else {
            stricter(about, text)
        });
    }
    let mut lose = |about: About, text: String, allows_more: bool| {
        losses.insert(if allows_more { weaker(about, text) } else { stricter(about, text) });
    };
    if foreign != elsewhere {
        let text = format!(
            "what this format does to a call through another ABI: {}; the policy says: {}",
            action_in_words(elsewhere),
            action_in_words(foreign)
        );
        lose(About::OtherAbis, text, runs(elsewhere) && !runs(foreign));
    }
    if abi == Abi::X86_64 && !further.contains_key(&Abi::X32) && unlisted != foreign {
        let text = format!(
            "they look like unknown numbers to this format, which does this to them: {}; the policy says: {}",
            action_in_words(unlisted),
            action_in_words(foreign)
        );
        lose(About::Abi(Abi::X32), text, runs(unlisted) && !runs(foreign));
    }
    losses
}
