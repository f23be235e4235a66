//! A policy as formats see it that go by name: one list of names for every ABI that takes part.
//!
//! Such a list cannot say that a name is allowed in one ABI and not in another, nor hold a number without a
//! name. Where the ABIs differ, the call is allowed in all of them, because the workload must run, and the
//! difference is a loss that names every call.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::errno::{ENOSYS, EPERM};
use sandprint_model::loss::{self, Multiplexed};
use sandprint_model::multiplexed::{MULTIPLEXERS, SUB_CALLS};
use sandprint_model::{
    Abi, About, Action, Condition, KernelVersion, Loss, LossKind, Policy, Reason, Rule, Syscall,
};

use super::left_to_default;
use super::shape::{Cut, Shape, shape};
use crate::enforce::runs;
use crate::libseccomp::{OLD_LIBSECCOMP, loads_with_first_call};

/// What a list of names can hold of a policy.
#[derive(Debug)]
pub(super) struct ByName<'p> {
    /// The ABIs that the list speaks for, native ones first.
    pub(super) abis: Vec<Abi>,
    /// The calls that are not left to the default action.
    pub(super) calls: BTreeMap<&'static str, NamedCall<'p>>,
    /// What does not fit.
    pub(super) losses: BTreeSet<Loss>,
}

/// One name, and what happens to it in every ABI.
#[derive(Debug)]
pub(super) struct NamedCall<'p> {
    /// What happens.
    pub(super) shape: Shape,
    /// Why, over all ABIs.
    pub(super) reasons: BTreeSet<&'p Reason>,
    /// The kernel that brought it, where the table says.
    pub(super) since: Option<KernelVersion>,
}

/// The ABIs that a policy has rules for and the native ABIs of their machines, native ones first.
pub(super) fn abis_of(policy: &Policy) -> Vec<Abi> {
    let used: BTreeSet<Abi> = policy.calls.rules.keys().map(|syscall| syscall.abi).collect();
    let native: BTreeSet<Abi> = used.iter().map(|abi| abi.arch().native_abi()).collect();
    native.iter().copied().chain(used.difference(&native).copied()).collect()
}

impl<'p> ByName<'p> {
    /// The list for these ABIs, of which rules of others are left out.
    pub(super) fn new(policy: &'p Policy, abis: &[Abi]) -> ByName<'p> {
        let mut list = ByName { abis: abis.to_vec(), calls: BTreeMap::new(), losses: BTreeSet::new() };
        let mut names = BTreeSet::new();
        for (syscall, rules) in policy.calls.rules.iter().filter(|(syscall, _)| abis.contains(&syscall.abi)) {
            match syscall.name() {
                Some(name) => {
                    names.insert(name);
                }
                None => {
                    list.lose_number(policy, *syscall, rules);
                }
            }
        }
        let mut differences = Differences::default();
        for name in names {
            list.add(policy, name, &mut differences);
        }
        list.losses.extend(differences.losses());
        list.lose_foreign_action(policy);
        if list.abis.contains(&Abi::I386) {
            let shapes = list.calls.iter().map(|(name, call)| (*name, &call.shape)).collect();
            for name in close_multiplexers(&shapes, policy.calls.default_action, &mut list.losses) {
                let shape = Shape::Always(Action::Errno(ENOSYS));
                list.calls.insert(name, NamedCall { shape, reasons: BTreeSet::new(), since: None });
            }
        }
        list
    }

    /// The list as libseccomp reads it: with a call that each ABI has and that has no conditions.
    pub(super) fn for_libseccomp(policy: &'p Policy, abis: &[Abi]) -> ByName<'p> {
        let mut list = ByName::new(policy, abis);
        for abi in abis {
            list.add_first_call(*abi, policy.calls.default_action);
        }
        list
    }

    /// A call without conditions comes first, and that the ABI has it keeps the number loaded.
    fn add_first_call(&mut self, abi: Abi, default: Action) {
        let in_abi = |name: &str| Syscall::from_name(abi, name);
        let surely_first = |(name, call): (&&'static str, &NamedCall<'_>)| {
            matches!(call.shape, Shape::Always(_))
                && in_abi(name).is_some_and(|syscall| syscall.since() <= Some(OLD_LIBSECCOMP))
        };
        let is_met = loads_with_first_call(abi, &self.abis)
            && self.calls.keys().any(|name| in_abi(name).is_none())
            && self.calls.keys().any(|name| in_abi(name).is_some())
            && !self.calls.iter().any(surely_first);
        if !is_met {
            return;
        }
        let free = |name: &&&str| in_abi(name).is_some() && !self.calls.contains_key(**name);
        let Some(name) = NEVER_IMPLEMENTED.iter().find(free).copied() else {
            self.losses.insert(Loss::weaker_if(runs(default), About::Abi(abi), LossKind::MatchesNone));
            return;
        };
        // A rule that equals the default action would be dropped.
        let errno = if default == Action::Errno(ENOSYS) { EPERM } else { ENOSYS };
        self.losses.insert(Loss::stricter(About::Name(name), LossKind::AddedToMatch { errno, abi }));
        let shape = Shape::Always(Action::Errno(errno));
        self.calls.insert(name, NamedCall { shape, reasons: BTreeSet::new(), since: None });
    }

    /// A machine's own ABI takes part even where the policy has no rules for it.
    fn lose_foreign_action(&mut self, policy: &Policy) {
        let (default, foreign) = (policy.calls.default_action, policy.calls.foreign_action);
        for abi in &self.abis {
            if default == foreign || policy.calls.rules.keys().any(|syscall| syscall.abi == *abi) {
                continue;
            }
            let kind = LossKind::MachinesOwnAbi { policy: foreign };
            let allows_more = runs(default) && !runs(foreign);
            self.losses.insert(Loss::weaker_if(allows_more, About::Abi(*abi), kind));
        }
    }

    fn lose_number(&mut self, policy: &Policy, syscall: Syscall, rules: &[Rule]) {
        let (about, default) = (About::Call(syscall), policy.calls.default_action);
        self.losses.insert(left_to_default(about, LossKind::Nameless, rules, default));
    }

    fn add(&mut self, policy: &'p Policy, name: &'static str, differences: &mut Differences) {
        let default = policy.calls.default_action;
        let mut own = Vec::new();
        let mut reasons = BTreeSet::new();
        let mut since = None;
        for abi in &self.abis {
            let Some(syscall) = Syscall::from_name(*abi, name) else { continue };
            let rules = policy.calls.rules.get(&syscall).map_or(&[][..], Vec::as_slice);
            let shaped = shape(*abi, rules, default);
            if let Some(cut) = shaped.cut {
                self.losses.insert(cut_loss(syscall, cut, rules, default));
            }
            self.losses
                .extend(shaped.lost.into_iter().map(|lost| Loss::stricter(About::Call(syscall), lost)));
            reasons.extend(rules.iter().flat_map(|rule| &rule.reasons));
            since = since.max(syscall.since());
            let beside_narrow = self.abis.iter().any(|other| matches!(other, Abi::Arm | Abi::I386));
            let whole = shaped.shape.clone();
            let shape = if beside_narrow { shaped.shape.without_upper_halves() } else { shaped.shape };
            if shape != whole {
                let cut = Cut { why: loss::Cut::UpperHalfAlone, is_whole: shape == Shape::Default };
                self.losses.insert(cut_loss(syscall, cut, rules, default));
            }
            own.push((*abi, shape));
        }
        let common = join(&own, default);
        for (abi, own) in own {
            let there = common.as_seen_through(abi);
            if own != there {
                differences.note(abi, name, own.runs(default) || there.runs(default));
            }
        }
        if common != Shape::Default {
            self.calls.insert(name, NamedCall { shape: common, reasons, since });
        }
    }

    /// Calls that a consumer with an older libseccomp does not know, and what that does there.
    pub(super) fn newer_than(
        &self,
        known: KernelVersion,
    ) -> impl Iterator<Item = (&'static str, &NamedCall<'p>)> {
        self.calls
            .iter()
            .filter(move |(_, call)| call.since.is_some_and(|since| since > known))
            .map(|(name, call)| (*name, call))
    }
}

/// Calls that have a number and that no kernel since 3.1 answers but with ENOSYS (syscalls(2), "unimplemented").
/// Each ABI has one of them.
pub(super) const NEVER_IMPLEMENTED: [&str; 2] = ["nfsservctl", "getpmsg"];

/// The calls that stand for others on i386, each with those that it stands for, in name order.
pub(super) fn multiplexed() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    MULTIPLEXERS.into_iter().map(|multiplexer| {
        let parts = SUB_CALLS.into_iter().filter(|sub_call| sub_call.multiplexer == multiplexer);
        let mut parts: Vec<&'static str> = parts.map(|sub_call| sub_call.name).collect();
        parts.sort_unstable();
        (multiplexer, parts)
    })
}

/// On i386 libseccomp allows `socketcall` for `socket`, and `ipc` for `semget`, without looking at their
/// further arguments. Unless the policy has one action for the multiplexer, it must be refused: which ones.
pub(super) fn close_multiplexers(
    shapes: &BTreeMap<&'static str, &Shape>,
    default: Action,
    losses: &mut BTreeSet<Loss>,
) -> Vec<&'static str> {
    let mut refused = Vec::new();
    for (multiplexer, parts) in multiplexed() {
        let with = |wanted: fn(Action) -> bool| -> Vec<&'static str> {
            let has = |part: &&&str| shapes.get(**part).and_then(|shape| shape.action()).is_some_and(wanted);
            parts.iter().filter(has).copied().collect()
        };
        let (opened, closed) = (with(runs), with(|action| !runs(action)));
        let own = shapes.get(multiplexer);
        if matches!(own, Some(Shape::Always(_))) {
            continue;
        }
        if !closed.is_empty() {
            let kind = LossKind::Multiplexer(Multiplexed::Refused, closed);
            losses.insert(Loss::stricter(About::Name(multiplexer), kind));
        }
        if runs(default) {
            let is_other = |part: &&str| shapes.get(part).and_then(|shape| shape.action()) != Some(default);
            let others: Vec<&'static str> = opened.into_iter().filter(is_other).collect();
            if !others.is_empty() {
                let how = if default == Action::Log { Multiplexed::Unlogged } else { Multiplexed::Logged };
                let kind = LossKind::Multiplexer(how, others);
                losses.insert(Loss::stricter(About::Name(multiplexer), kind));
            }
            continue;
        }
        if opened.is_empty() {
            continue;
        }
        if own.is_some() || default == Action::Errno(ENOSYS) {
            // Conditions would be OR-ed with the opening; a rule that equals the default would be dropped.
            let kind = LossKind::Multiplexer(Multiplexed::Allowed, opened);
            losses.insert(Loss::weaker(About::Name(multiplexer), kind));
            continue;
        }
        losses.insert(Loss::stricter(About::Name(multiplexer), LossKind::MultiplexerClosed));
        refused.push(multiplexer);
    }
    refused
}

/// The loss of what [`shape`] cut off.
pub(super) fn cut_loss(syscall: Syscall, cut: Cut, rules: &[Rule], default: Action) -> Loss {
    let Cut { why, is_whole } = cut;
    let (about, kind) = (About::Call(syscall), LossKind::ConditionsCut { why, is_whole });
    if runs(default) { Loss::weaker(about, kind) } else { left_to_default(about, kind, rules, default) }
}

/// What a name means for all ABIs together: whatever one of them lets run, runs in all.
fn join(own: &[(Abi, Shape)], default: Action) -> Shape {
    let shapes = || own.iter().map(|(_, shape)| shape);
    if let Some(first) = shapes().next()
        && shapes().all(|shape| shape == first)
    {
        return first.clone();
    }
    if runs(default) {
        return Shape::Default;
    }
    let mut running = shapes().filter(|shape| shape.runs(default)).peekable();
    if running.peek().is_none() {
        // It runs nowhere: any refusal will do for all.
        return shapes().find(|shape| **shape != Shape::Default).cloned().unwrap_or(Shape::Default);
    }
    let allow = |conditions: &[Condition]| Rule {
        conditions: conditions.to_vec(),
        action: Action::Allow,
        reasons: BTreeSet::new(),
    };
    let rules: Vec<Rule> = running
        .flat_map(|shape| match shape {
            Shape::When(_, entries) => entries.iter().map(|entry| allow(entry)).collect(),
            _ => vec![allow(&[])],
        })
        .collect();
    let common = shape(Abi::X86_64, &rules, default);
    // Too many entries together: then it runs whatever its arguments.
    if common.cut.is_some() { Shape::Always(Action::Allow) } else { common.shape }
}

/// The calls that mean something else in one ABI than the common list says.
#[derive(Debug, Default)]
struct Differences {
    allowed_too: BTreeMap<Abi, BTreeSet<&'static str>>,
    otherwise_refused: BTreeMap<Abi, BTreeSet<&'static str>>,
}

impl Differences {
    fn note(&mut self, abi: Abi, name: &'static str, runs: bool) {
        let side = if runs { &mut self.allowed_too } else { &mut self.otherwise_refused };
        side.entry(abi).or_default().insert(name);
    }

    fn losses(self) -> impl Iterator<Item = Loss> {
        let calls = |(abi, names): (Abi, BTreeSet<&str>)| {
            About::Calls(abi, names.into_iter().filter_map(|name| Syscall::from_name(abi, name)).collect())
        };
        let allowed = self.allowed_too.into_iter();
        let allowed = allowed.map(move |of_abi| Loss::weaker(calls(of_abi), LossKind::AllowedWithOtherAbi));
        let refused = self.otherwise_refused.into_iter();
        let refused = refused.map(move |of_abi| Loss::stricter(calls(of_abi), LossKind::RefusedAsInOtherAbi));
        allowed.chain(refused)
    }
}
