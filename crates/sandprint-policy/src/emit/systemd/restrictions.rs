//! What systemd can hold of arguments: settings that narrow a call down that `SystemCallFilter=` allows whole.
//!
//! A setting is used where everything that it refuses is refused by the policy, and some call that the policy lets
//! run is narrowed down by it. What it refuses is asked of the importer, so that what is written and what is read
//! cannot differ. Settings that do more than filter (`ProtectClock=`, `PrivateDevices=` ...) are never written: they
//! refuse calls whatever their arguments, which `SystemCallFilter=` says as well.
//!
//! The settings compare whole registers. A setting is used, too, where it refuses more only for something in an upper
//! half that the policy does not look at, or for families that systemd has no name for; that is a loss.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::loss::Beside;
use sandprint_model::{Abi, About, Action, Comparison, Loss, LossKind, Policy, Reason, Rule, Syscall, Width};

use super::push_names;
use crate::emit::alternatives::{Atom, Test, When, reached, when};
use crate::emit::values::blocks;
use crate::enforce::runs;
use crate::import::groups::address_families;
use crate::import::systemd::refused_by;

/// What the settings hold of a policy.
#[derive(Debug)]
pub(super) struct Restricted {
    /// Their lines in the drop-in.
    pub(super) lines: String,
    /// The policy with what they hold taken out: the calls that they narrow down are allowed whole.
    pub(super) rest: Policy,
    /// Where they are not what the policy says.
    pub(super) losses: BTreeSet<Loss>,
}

/// Kinds of namespaces, by the names of `RestrictNamespaces=`, with their flags (linux/sched.h).
const NAMESPACES: [(&str, u64); 8] = [
    ("cgroup", 0x0200_0000),
    ("ipc", 0x0800_0000),
    ("mnt", 0x0002_0000),
    ("net", 0x4000_0000),
    ("pid", 0x2000_0000),
    ("time", NEW_TIME),
    ("user", 0x1000_0000),
    ("uts", 0x0400_0000),
];

/// In `clone` it is a bit of the signal at the child's end, and no signal has it.
const NEW_TIME: u64 = 0x80;

/// Settings that are on or off.
const SWITCHES: [&str; 4] = [
    "LockPersonality=yes\n",
    "MemoryDenyWriteExecute=yes\n",
    "RestrictRealtime=yes\n",
    "RestrictSUIDSGID=yes\n",
];

/// Settings of many calls: used only where they hold all that the policy refuses of one.
const JOINING: [&str; 3] = ["LockPersonality=", "MemoryDenyWriteExecute=", "RestrictSUIDSGID="];

/// Finds the settings that hold conditions of the policy.
pub(super) fn restrict(policy: &Policy, abis: &[Abi]) -> Restricted {
    let calls = Calls { policy, abis };
    let mut choices: Vec<Vec<String>> = vec![families(&calls), namespaces(&calls).into_iter().collect()];
    choices.extend(SWITCHES.map(|lines| vec![lines.to_owned()]));
    let mut chosen: Vec<Setting> = choices
        .into_iter()
        .filter_map(|lines| {
            let settings = lines.into_iter().filter_map(|lines| calls.setting(lines));
            let joins = |setting: &Setting| JOINING.iter().any(|key| setting.lines.starts_with(key));
            let settings = settings.filter(|setting| setting.holds || !joins(setting));
            settings.min_by_key(|setting| (setting.leaves, setting.refuses_more.len()))
        })
        .collect();
    chosen.sort_by(|one, other| one.lines.cmp(&other.lines));
    let mut refused: BTreeMap<Syscall, Vec<Rule>> = BTreeMap::new();
    let mut losses = BTreeSet::new();
    for setting in &chosen {
        for (syscall, rules) in &setting.refused {
            refused.entry(*syscall).or_default().extend(rules.iter().cloned());
        }
        let lost = |(name, beside): (&&'static str, &Beside)| {
            Loss::stricter(About::Name(name), LossKind::SettingRefuses(*beside))
        };
        losses.extend(setting.refuses_more.iter().map(lost));
    }
    let mut rest = policy.clone();
    for (syscall, refused) in &refused {
        let Some(running) = calls.narrowed(*syscall) else { continue };
        let is_left = calls.is_left(*syscall, refused);
        let is_added = calls.reasons(*syscall).iter().all(|reason| matches!(reason, Reason::Baseline(_)));
        if is_left && (!calls.sometimes(*syscall, runs) || is_added) {
            continue;
        }
        let rules = if running == policy.calls.default_action {
            Vec::new()
        } else {
            vec![Rule { conditions: Vec::new(), action: running, reasons: calls.reasons(*syscall) }]
        };
        rest.calls.rules.insert(*syscall, rules);
        let Some(name) = syscall.name() else { continue };
        let answers = calls.other_answers(*syscall, refused);
        losses.extend(answers.map(|kind| Loss::stricter(About::Name(name), kind)));
        if is_left {
            losses.insert(Loss::weaker(About::Name(name), LossKind::OtherwiseAllowed));
        }
    }
    Restricted { lines: chosen.into_iter().map(|setting| setting.lines).collect(), rest, losses }
}

/// A setting that may be used.
struct Setting {
    lines: String,
    refused: BTreeMap<Syscall, Vec<Rule>>,
    /// Calls of which it refuses more than the policy, and what.
    refuses_more: BTreeMap<&'static str, Beside>,
    /// Whether the policy refuses more of the calls that it narrows down.
    leaves: bool,
    /// Whether it holds all that the policy refuses of some call.
    holds: bool,
}

/// The calls of a policy in the ABIs that take part.
struct Calls<'p> {
    policy: &'p Policy,
    abis: &'p [Abi],
}

impl Calls<'_> {
    fn rules(&self, syscall: Syscall) -> &[Rule] {
        self.policy.calls.rules.get(&syscall).map_or(&[][..], Vec::as_slice)
    }

    fn reasons(&self, syscall: Syscall) -> BTreeSet<Reason> {
        self.rules(syscall).iter().flat_map(|rule| rule.reasons.iter().cloned()).collect()
    }

    /// What happens where no rule of a call matches.
    fn default(&self, abi: Abi) -> Action {
        let has_rules = self.policy.calls.rules.keys().any(|syscall| syscall.abi == abi);
        if has_rules { self.policy.calls.default_action } else { self.policy.calls.foreign_action }
    }

    /// When a call runs, or does not; `None` where that takes too many alternatives.
    fn when(&self, syscall: Syscall, wanted: impl Fn(Action) -> bool) -> Option<Vec<Vec<Atom>>> {
        let rules = with_default(self.rules(syscall), self.default(syscall.abi));
        Some(alternatives(when(&rules, wanted)?, syscall.abi))
    }

    fn sometimes(&self, syscall: Syscall, wanted: fn(Action) -> bool) -> bool {
        self.when(syscall, wanted).is_none_or(|found| !found.is_empty())
    }

    /// The action with which the name of a call runs, where the policy refuses a part of the call, or the call in this
    /// ABI and not in another one; none for any other.
    fn narrowed(&self, syscall: Syscall) -> Option<Action> {
        let has_rules = self.policy.calls.rules.keys().any(|other| other.abi == syscall.abi);
        if !has_rules || !self.sometimes(syscall, |action| !runs(action)) {
            return None;
        }
        let name = syscall.name()?;
        let elsewhere = syscall.abi.arch().abis().iter().filter(|abi| {
            // Without rules the ABI takes part where nothing refuses other ABIs.
            self.abis.contains(abi) || runs(self.policy.calls.foreign_action)
        });
        let mut named =
            [syscall].into_iter().chain(elsewhere.filter_map(|abi| Syscall::from_name(*abi, name)));
        let syscall = named.find(|call| self.sometimes(*call, runs))?;
        let rules = with_default(self.rules(syscall), self.default(syscall.abi));
        let actions = reached(&rules);
        let is = |wanted: Action| actions.contains(&wanted).then_some(wanted);
        is(Action::Allow).or_else(|| is(Action::Log))
    }

    /// Whether a call runs for some arguments of these.
    fn runs_with(&self, syscall: Syscall, atoms: &[Atom]) -> bool {
        self.when(syscall, runs).is_none_or(|alternatives| {
            alternatives.iter().any(|one| may_hold(syscall.abi, &[one.as_slice(), atoms].concat()))
        })
    }

    /// The calls of that name, in every ABI that takes part.
    fn named(&self, name: &str) -> impl Iterator<Item = Syscall> {
        self.abis.iter().filter_map(move |abi| Syscall::from_name(*abi, name))
    }

    /// A setting of these lines, where it refuses nothing that the workload may need and narrows a call down.
    fn setting(&self, lines: String) -> Option<Setting> {
        let refused = refused_by(&lines, self.abis);
        let mut setting = Setting {
            lines,
            refused: BTreeMap::new(),
            refuses_more: BTreeMap::new(),
            leaves: false,
            holds: false,
        };
        let mut narrows = false;
        for (syscall, rules) in &refused {
            let refused = when(&with_default(rules, Action::Allow), |action| !runs(action))?;
            let refused = alternatives(refused, syscall.abi);
            for atoms in &refused {
                if !self.runs_with(*syscall, atoms) {
                    continue;
                }
                let beside = self.more_than_needed(*syscall, atoms)?;
                setting.refuses_more.insert(syscall.name()?, beside);
            }
            if self.narrowed(*syscall).is_some() {
                narrows = true;
                let leaves = self.is_left(*syscall, rules);
                setting.leaves |= leaves;
                setting.holds |= !leaves;
            }
        }
        setting.refused = refused;
        narrows.then_some(setting)
    }

    /// What a setting refuses of a call though the policy does not; `None` where the workload may need it.
    fn more_than_needed(&self, syscall: Syscall, refused: &[Atom]) -> Option<Beside> {
        let indexes: BTreeSet<u8> = refused.iter().map(|atom| atom.index).collect();
        let mut usual = refused.to_vec();
        usual.extend(indexes.iter().map(|index| masked(*index, !LOWER_HALF, 0)));
        match syscall.name() {
            Some("socket") if !self.runs_with(syscall, &usual) => Some(Beside::FamilyUpperHalf),
            Some("socket") => {
                let named = |number: u64| {
                    let atoms = [refused, &[equal(0, number)]].concat();
                    self.runs_with(syscall, &atoms)
                };
                let is_left_open = UNNAMED.clone().all(|number| self.runs_with(syscall, &[equal(0, number)]));
                let is_needed = address_families().any(|(number, _)| named(number));
                (is_left_open && !is_needed).then_some(Beside::UnnamedFamily)
            }
            Some("clone") => {
                usual.push(masked(0, NEW_TIME, 0));
                (!self.runs_with(syscall, &usual)).then_some(Beside::CloneSignal)
            }
            Some(_) if !self.runs_with(syscall, &usual) => Some(Beside::UpperHalf),
            _ => None,
        }
    }

    /// Whether the policy refuses more of a call than these rules do.
    fn is_left(&self, syscall: Syscall, refused: &[Rule]) -> bool {
        // Three answers: refused by the setting, refused by the policy alone, and run.
        let (by_setting, by_policy) = (Action::Trap, Action::KillThread);
        let setting = refused.iter().map(|rule| Rule { action: by_setting, ..rule.clone() });
        let own = with_default(self.rules(syscall), self.default(syscall.abi));
        let own = own
            .into_iter()
            .map(|rule| Rule { action: if runs(rule.action) { Action::Allow } else { by_policy }, ..rule });
        let rules: Vec<Rule> = setting.chain(own).collect();
        when(&rules, |action| action == by_policy)
            .is_none_or(|when| !alternatives(when, syscall.abi).is_empty())
    }

    /// The loss where a setting answers otherwise than the policy.
    fn other_answers(&self, syscall: Syscall, refused: &[Rule]) -> Option<LossKind> {
        let got: BTreeSet<Action> = refused.iter().map(|rule| rule.action).collect();
        let rules = with_default(self.rules(syscall), self.default(syscall.abi));
        let policy: BTreeSet<Action> = reached(&rules).into_iter().filter(|action| !runs(*action)).collect();
        (got != policy).then_some(LossKind::SettingAnswers { got, policy })
    }
}

const LOWER_HALF: u64 = 0xffff_ffff;

/// Numbers of families beyond those with names.
const UNNAMED: std::ops::Range<u64> = 46..80;

/// The rules, and what happens where none of them matches.
fn with_default(rules: &[Rule], default: Action) -> Vec<Rule> {
    let last = Rule { conditions: Vec::new(), action: default, reasons: BTreeSet::new() };
    rules.iter().cloned().chain([last]).collect()
}

/// The alternatives that may hold.
fn alternatives(when: When, abi: Abi) -> Vec<Vec<Atom>> {
    match when {
        When::Always => vec![Vec::new()],
        When::AnyOf(alternatives) => alternatives.into_iter().filter(|atoms| may_hold(abi, atoms)).collect(),
    }
}

/// Whether some arguments satisfy all of these; also where that is too hard to say.
fn may_hold(abi: Abi, atoms: &[Atom]) -> bool {
    let mut arguments: BTreeMap<u8, Vec<Atom>> = BTreeMap::new();
    for atom in atoms {
        arguments.entry(atom.index).or_default().push(*atom);
    }
    arguments
        .into_values()
        .all(|atoms| blocks(abi, &[atoms], usize::MAX).is_none_or(|found| !found.is_empty()))
}

fn equal(index: u8, value: u64) -> Atom {
    Atom { index, width: Width::Bits64, test: Test::Is(Comparison::Equal(value)) }
}

fn masked(index: u8, mask: u64, value: u64) -> Atom {
    Atom { index, width: Width::Bits64, test: Test::Is(Comparison::MaskedEqual { mask, value }) }
}

/// `RestrictAddressFamilies=` as a list of what is refused, and as one of what is not.
fn families(calls: &Calls<'_>) -> Vec<String> {
    const KEY: &str = "RestrictAddressFamilies=";
    // On i386 the setting has no effect.
    let sockets = || calls.named("socket").filter(|socket| socket.abi != Abi::I386);
    let runs = |number: u64| sockets().any(|socket| calls.runs_with(socket, &[equal(0, number)]));
    if !sockets().any(|socket| calls.narrowed(socket).is_some()) {
        return Vec::new();
    }
    let (allowed, refused): (Vec<_>, Vec<_>) = address_families().partition(|(number, _)| runs(*number));
    let lines = |prefix: &str, names: Vec<(u64, String)>| {
        let mut text = format!("{KEY}\n");
        push_names(&mut text, &format!("{KEY}{prefix}"), names.into_iter().map(|(_, name)| name));
        text
    };
    let mut found = Vec::new();
    // Without a name, a family cannot be refused by a list of what is refused.
    if !refused.is_empty() && UNNAMED.clone().any(runs) {
        found.push(lines("~", refused));
    }
    found.push(if allowed.is_empty() { format!("{KEY}\n{KEY}none\n") } else { lines("", allowed) });
    found
}

/// `RestrictNamespaces=` with the kinds that the policy lets in.
fn namespaces(calls: &Calls<'_>) -> Option<String> {
    const KEY: &str = "RestrictNamespaces=";
    let is_kept = |flag: u64| {
        let with = |name, index| {
            calls.named(name).any(|syscall| calls.runs_with(syscall, &[masked(index, flag, flag)]))
        };
        (flag != NEW_TIME && with("clone", 0)) || with("unshare", 0)
    };
    let kept: Vec<&str> =
        NAMESPACES.iter().filter(|(_, flag)| is_kept(*flag)).map(|(kind, _)| *kind).collect();
    match kept.len() {
        0 => Some(format!("{KEY}yes\n")),
        count if count == NAMESPACES.len() => None,
        _ => Some(format!("{KEY}\n{KEY}{}\n", kept.join(" "))),
    }
}
