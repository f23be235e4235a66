//! The drop-in is checked by systemd itself, and decided as systemd 252 does.
//!
//! The model below was held against the filters of a real systemd 252 (src/core/load-fragment.c and
//! src/shared/seccomp-util.c): `@default` comes with an allow-list, `~` takes away, a name with an errno or
//! `kill` has that action, and one list holds for every ABI of the machine.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sandprint_model::{
    Abi, About, Action, Arch, Call, Comparison, Condition, KernelVersion, Policy, Rule, Syscall, Width,
};
use sandprint_policy::emit::by_name;
use sandprint_policy::import::{Format, Site, import};
use sandprint_policy::synth::{DefaultAction, Runtime, SynthConfig, synthesize};

use testkit::hosts::{self, NATIVE};
use testkit::policies::{allowing, any_policy, call, ls, policy, telling_calls, trace};

use testkit::policies::{grid, losses};

static DEFAULT_GROUP: &str = include_str!("../../data/systemd-default.txt");

fn default_group() -> impl Iterator<Item = &'static str> {
    DEFAULT_GROUP.lines().filter(|line| !line.starts_with('#'))
}

/// The filters of a unit with nothing but the drop-in.
struct Unit {
    /// The ABIs that are let in; none set means all.
    abis: Option<BTreeSet<Abi>>,
    /// Whether the first `SystemCallFilter=` was without `~`.
    is_allow_list: Option<bool>,
    /// By name: what is special about it.
    filter: BTreeMap<String, Option<Action>>,
    refused: Action,
    /// Names that are logged; with `true` all others are.
    log: Option<(bool, BTreeSet<String>)>,
    families: Option<BTreeSet<u64>>,
    namespaces: bool,
    realtime: bool,
    /// What further settings refuse, as they are imported.
    others: Vec<Policy>,
}

fn family(name: &str) -> u64 {
    match name {
        "AF_UNIX" => 1,
        "AF_INET" => 2,
        "AF_INET6" => 10,
        "AF_NETLINK" => 16,
        other => panic!("{other}"),
    }
}

/// What settings of a unit refuse.
fn imported(lines: &str, machine: Arch) -> Policy {
    let text = format!("[Service]\n{lines}\n");
    import(Format::Systemd, text.as_bytes(), &Site::new(machine)).unwrap().policy
}

fn errno(word: &str) -> Action {
    match word {
        "kill" => Action::KillProcess,
        "EPERM" => Action::Errno(1),
        "ENOSYS" => Action::Errno(38),
        "EAFNOSUPPORT" => Action::Errno(97),
        number => Action::Errno(number.parse().unwrap()),
    }
}

impl Unit {
    fn read(text: &str, machine: Arch, knows: impl Fn(&str) -> bool) -> Unit {
        let mut unit = Unit {
            abis: None,
            is_allow_list: None,
            filter: BTreeMap::new(),
            refused: Action::KillProcess,
            log: None,
            families: None,
            namespaces: false,
            realtime: false,
            others: Vec::new(),
        };
        let mut families = Vec::new();
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(lines.next(), Some("[Service]"));
        for line in lines {
            assert!(line.len() <= 100, "{line}");
            let (key, value) = line.split_once('=').unwrap();
            match key {
                "SystemCallArchitectures" => unit.let_in(value, machine),
                "SystemCallFilter" => unit.add(value, &knows),
                "SystemCallErrorNumber" if value.is_empty() => unit.refused = Action::KillProcess,
                "SystemCallErrorNumber" => unit.refused = errno(value),
                "SystemCallLog" => unit.add_log(value, &knows),
                "RestrictAddressFamilies" if value.is_empty() => unit.families = None,
                "RestrictAddressFamilies" => {
                    families.push(line);
                    let modelled =
                        |name: &str| ["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"].contains(&name);
                    let listed = value.split(' ').all(modelled);
                    unit.families = listed.then(|| value.split(' ').map(family).collect());
                }
                "RestrictNamespaces" if value == "yes" => unit.namespaces = true,
                "RestrictRealtime" => unit.realtime = value == "yes",
                _ if value.is_empty() => {}
                "RestrictNamespaces" | "MemoryDenyWriteExecute" | "RestrictSUIDSGID" | "LockPersonality" => {
                    unit.others.push(imported(line, machine));
                }
                other => panic!("{other}"),
            }
        }
        if unit.families.is_none() && !families.is_empty() {
            unit.others.push(imported(&families.join("\n"), machine));
        }
        unit
    }

    fn let_in(&mut self, value: &str, machine: Arch) {
        if value.is_empty() {
            self.abis = None;
            return;
        }
        let named = value.split(' ').map(|word| match word {
            "native" => machine.native_abi(),
            "arm" => Abi::Arm,
            "x32" => Abi::X32,
            "x86" => Abi::I386,
            other => panic!("{other}"),
        });
        self.abis.get_or_insert_default().extend(named);
    }

    fn add(&mut self, value: &str, knows: impl Fn(&str) -> bool) {
        if value.is_empty() {
            self.is_allow_list = None;
            self.filter.clear();
            return;
        }
        let (inverted, names) = value.strip_prefix('~').map_or((false, value), |names| (true, names));
        if self.is_allow_list.is_none() && !inverted {
            self.filter
                .extend(default_group().filter(|name| knows(name)).map(|name| (name.to_owned(), None)));
        }
        let is_allow_list = *self.is_allow_list.get_or_insert(!inverted);
        for item in names.split(' ') {
            let (name, word) = item.split_once(':').map_or((item, None), |(name, word)| (name, Some(word)));
            if !knows(name) {
                continue;
            }
            if inverted != is_allow_list || word.is_some() {
                self.filter.insert(name.to_owned(), word.map(errno));
            } else {
                self.filter.remove(name);
            }
        }
    }

    fn add_log(&mut self, value: &str, knows: impl Fn(&str) -> bool) {
        if value.is_empty() {
            self.log = None;
            return;
        }
        let (inverted, names) = value.strip_prefix('~').map_or((false, value), |names| (true, names));
        let (_, logged) = self.log.get_or_insert((inverted, BTreeSet::new()));
        logged.extend(names.split(' ').filter(|name| knows(name)).map(str::to_owned));
    }

    /// What the filters of other settings than `SystemCallFilter=` refuse (seccomp-util.c).
    fn restrict(&self, call: &Call) -> Option<Action> {
        const NAMESPACES: u64 = 0x7e02_0000;
        match call.syscall.name()? {
            "socket" => {
                self.families.as_ref().filter(|some| !some.contains(&call.args[0])).map(|_| Action::Errno(97))
            }
            "clone" | "unshare" if self.namespaces && call.args[0] & NAMESPACES != 0 => {
                Some(Action::Errno(1))
            }
            "setns" if self.namespaces => Some(Action::Errno(1)),
            "clone3" if self.namespaces => Some(Action::Errno(38)),
            "sched_setscheduler" if self.realtime && ![0, 3, 5].contains(&call.args[1]) => {
                Some(Action::Errno(1))
            }
            _ => None,
        }
        .or_else(|| {
            self.others.iter().map(|other| other.calls.decide(call)).find(|action| !losses::runs(*action))
        })
    }

    fn decide(&self, call: &Call) -> Action {
        let decided = self.decide_by_name(call);
        match self.restrict(call) {
            Some(refusal) if losses::runs(decided) => refusal,
            _ => decided,
        }
    }

    fn decide_by_name(&self, call: &Call) -> Action {
        if self.abis.as_ref().is_some_and(|abis| !abis.contains(&call.syscall.abi)) {
            return Action::KillThread;
        }
        let name = call.syscall.name().unwrap_or("-");
        let multiplexed: &[&str] = match (call.syscall.abi, name) {
            (Abi::I386, "ipc") => &["ipc", "semget"],
            (Abi::I386, "socketcall") => &["socketcall", "socket"],
            _ => &[name],
        };
        let entry = multiplexed.iter().find_map(|name| self.filter.get(*name));
        let decided = match (self.is_allow_list, entry) {
            (None, _) | (Some(true), Some(None)) | (Some(false), None) => Action::Allow,
            (Some(true), None) | (Some(false), Some(None)) => self.refused,
            (Some(_), Some(Some(action))) => *action,
        };
        let logs = self.log.as_ref().is_some_and(|(all_others, names)| names.contains(name) != *all_others);
        if logs && decided == Action::Allow { Action::Log } else { decided }
    }
}

/// What Debian 12's systemd and libseccomp can name.
fn is_old(name: &str) -> bool {
    let since = Abi::ALL.iter().filter_map(|abi| Syscall::from_name(*abi, name)).filter_map(Syscall::since);
    since.max() <= Some(KernelVersion::new(6, 7))
}

fn dropin(policy: &Policy) -> sandprint_policy::emit::Emitted {
    by_name("systemd").unwrap().emit(policy).unwrap()
}

#[test]
fn a_policy_of_one_abi_is_exact_but_for_names_that_came_after_linux_6_7() {
    for default_action in [DefaultAction::Errno, DefaultAction::Kill, DefaultAction::Log] {
        for abi in [Abi::X86_64, Abi::Aarch64] {
            let config = SynthConfig { default_action, ..SynthConfig::default() };
            let policy = synthesize(&ls(abi), &config).unwrap();
            let unit = Unit::read(dropin(&policy).content.as_text().unwrap(), abi.arch(), |_| true);
            for nr in 0..600 {
                let call = Call { syscall: Syscall { abi, nr }, args: [0; 6] };
                let (wanted, got) = (policy.calls.decide(&call), unit.decide(&call));
                let unspoken =
                    call.syscall.since() > Some(KernelVersion::new(6, 7)) && wanted == Action::Errno(38);
                // systemd cannot check arguments: what is harmless with some only is left out.
                let mut of_call = policy.calls.rules.get(&call.syscall).into_iter().flatten();
                let left_out = of_call.any(|rule| !rule.conditions.is_empty());
                let expected = if unspoken || left_out { policy.calls.default_action } else { wanted };
                assert_eq!(got, expected, "{abi} {} by {default_action:?}", call.syscall);
            }
        }
    }
}

/// A policy that allows some calls with some arguments only: `(call, argument, comparison)`, each allowed.
fn under_conditions(conditions: &[(&str, u8, Comparison)], others: &[&str]) -> Policy {
    let names = conditions.iter().map(|(name, _, _)| *name).chain(others.iter().copied());
    let mut policy = allowing(&names.map(|name| call(NATIVE, name)).collect::<Vec<_>>());
    for syscall in conditions.iter().map(|(name, _, _)| call(NATIVE, name)).collect::<BTreeSet<_>>() {
        let whole = policy.calls.rules.remove(&syscall).unwrap().remove(0);
        let of_call = conditions.iter().filter(|(name, _, _)| call(NATIVE, name) == syscall);
        let rules = of_call.map(|(_, index, comparison)| {
            let condition = Condition { index: *index, width: Width::Bits32, comparison: *comparison };
            Rule { conditions: vec![condition], ..whole.clone() }
        });
        policy.calls.rules.insert(syscall, rules.collect());
    }
    policy
}

#[test]
fn conditions_that_a_setting_of_systemd_holds_are_held_by_it() {
    use Comparison::{Equal, MaskedEqual};
    let no_namespaces = MaskedEqual { mask: 0x7e02_0000, value: 0 };
    let held = [
        ("socket", 0, Equal(1)),
        ("socket", 0, Equal(10)),
        ("clone", 0, no_namespaces),
        ("sched_setscheduler", 1, Equal(0)),
        ("sched_setscheduler", 1, Equal(3)),
        ("sched_setscheduler", 1, Equal(5)),
    ];
    let policy = under_conditions(&held, &["read"]);
    let emitted = dropin(&policy);
    let text = emitted.content.as_text().unwrap();
    for line in
        ["RestrictAddressFamilies=AF_UNIX AF_INET6\n", "RestrictNamespaces=yes\n", "RestrictRealtime=yes\n"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    let of_the_held =
        |loss: &&sandprint_model::Loss| held.iter().any(|(name, _, _)| loss.about == About::Name(name));
    assert!(!emitted.losses.iter().filter(of_the_held).any(|loss| loss.weaker), "{:?}", emitted.losses);
    let unit = Unit::read(text, NATIVE.arch(), |_| true);
    let here = grid::calls(&policy).filter(|call| call.syscall.abi.arch() == NATIVE.arch());
    losses::check(&policy, &emitted.losses, here, |call| unit.decide(call));

    // What a setting would refuse besides, or does not hold, keeps it out.
    for (conditions, others) in [
        (&[("clone", 0, no_namespaces)][..], &["unshare"][..]),
        (&[("clone", 0, MaskedEqual { mask: 0x1000_0000, value: 0 })], &["setns"]),
        (&[("sched_setscheduler", 1, Equal(1))], &["read"]),
    ] {
        let emitted = dropin(&under_conditions(conditions, others));
        assert!(!emitted.content.as_text().unwrap().contains("Restrict"), "{emitted:?}");
        assert!(emitted.losses.iter().any(|loss| loss.weaker && loss.about == About::Name(conditions[0].0)));
    }
}

#[test]
fn a_list_that_allows_nothing_is_still_a_filter() {
    let mut policy = policy(&ls(Abi::X86_64));
    policy.calls.rules.retain(|_, rules| rules[0].action != Action::Allow);
    let unit = Unit::read(dropin(&policy).content.as_text().unwrap(), Arch::X86_64, is_old);
    assert_eq!(unit.is_allow_list, Some(true));
    for syscall in Syscall::all(Abi::X86_64) {
        assert_ne!(unit.decide(&Call { syscall, args: [0; 6] }), Action::Allow, "{syscall}");
    }
}

#[test]
fn everything_is_logged_where_nothing_is_allowed_silently() {
    let mut policy = policy(&ls(Abi::X86_64));
    policy.calls.default_action = Action::Log;
    policy.calls.rules.clear();
    policy.calls.rules.insert(call(Abi::X86_64, "read"), vec![]);
    let emitted = dropin(&policy);
    let unit = Unit::read(emitted.content.as_text().unwrap(), Arch::X86_64, is_old);
    let calls = Syscall::all(Abi::X86_64).chain([Syscall { abi: Abi::X86_64, nr: 5000 }]);
    let silent =
        calls.filter(|syscall| unit.decide(&Call { syscall: *syscall, args: [0; 6] }) != Action::Log);
    assert_eq!(silent.collect::<Vec<_>>(), [call(Abi::X86_64, "nfsservctl")]);
    assert!(
        emitted.losses.iter().any(|loss| loss.about == About::Name("nfsservctl")),
        "{:?}",
        emitted.losses
    );
}

proptest! {
    #[test]
    fn every_difference_from_the_policy_is_a_loss_with_an_old_and_with_a_new_systemd(
        policy in any_policy(),
        args in any::<[u64; 6]>(),
    ) {
        let emitted = dropin(&policy);
        let machines: BTreeSet<Arch> = policy.calls.rules.keys().map(|syscall| syscall.abi.arch()).collect();
        for machine in machines {
            for unit in [Unit::read(emitted.content.as_text().unwrap(), machine, is_old), Unit::read(emitted.content.as_text().unwrap(), machine, |_| true)] {
                let here = telling_calls(&policy, args).filter(|call| call.syscall.abi.arch() == machine);
                losses::check(&policy, &emitted.losses, here, |call| unit.decide(call));
            }
        }
    }
}

/// The version of the systemd that is installed, if it is one that the drop-in is written for.
fn version() -> Result<u32, String> {
    let output = hosts::run("systemd-analyze", &["--version"])?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    version.filter(|version| *version >= 252).ok_or(format!("252 or later is needed, this is {text}"))
}

#[test]
fn the_group_of_version_252_is_the_one_of_the_table() {
    let found = version();
    if !hosts::has("systemd", found.clone().map(drop)) || found != Ok(252) {
        return;
    }
    let output = hosts::run("systemd-analyze", &["syscall-filter", "@default"]).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let names = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['@', '#']));
    assert_eq!(names.collect::<BTreeSet<_>>(), default_group().collect());
}

/// `systemd-analyze verify` exits with 0 even when it did not understand a line: only silence is success.
#[test]
fn systemd_takes_the_dropin_without_a_word() {
    if !hosts::has("systemd", version().map(drop)) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("probe.service");
    hosts::write(&unit, "[Service]\nExecStart=/bin/true\n");
    let dropins = folder.path().join("probe.service.d");
    hosts::make_folder(&dropins);
    let verify = |text: &str| {
        hosts::write(&dropins.join("50-sandprint.conf"), text);
        let output = hosts::run("systemd-analyze", &["verify", unit.to_str().unwrap()]).unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    assert_ne!(verify("[Service]\nSystemCallFilter=no_such_call\n"), "", "the check itself can fail");

    let mut every_abi = ls(NATIVE);
    for abi in NATIVE.arch().abis() {
        every_abi.merge(ls(*abi));
    }
    let named = Abi::ALL.into_iter().flat_map(Syscall::all).filter(|call| call.name().is_some_and(is_old));
    let every_name = trace(NATIVE, "6.7", 1, b"/bin/true", &named.map(|call| (call, 1)).collect::<Vec<_>>());
    let one_call = trace(NATIVE, "5.10", 1, b"/bin/true", &[(call(NATIVE, "execve"), 1)]);
    for (trace, default_action, portable, runtime) in [
        (ls(NATIVE), DefaultAction::Errno, false, None),
        (ls(NATIVE), DefaultAction::Kill, true, Some(Runtime::Systemd)),
        (every_abi, DefaultAction::Errno, true, Some(Runtime::Runc)),
        (every_name, DefaultAction::Errno, false, None),
        (one_call, DefaultAction::KillThread, false, None),
    ] {
        let config = SynthConfig {
            default_action,
            portable,
            runtimes: runtime.into_iter().collect(),
            ..SynthConfig::default()
        };
        let text = dropin(&synthesize(&trace, &config).unwrap()).content.as_text().unwrap().to_owned();
        assert_eq!(verify(&text), "", "{text}");
    }
    let narrowed = under_conditions(&[("socket", 0, Comparison::Equal(16))], &["execve"]);
    let text = dropin(&narrowed).content.as_text().unwrap().to_owned();
    assert!(text.contains("RestrictAddressFamilies=AF_NETLINK"));
    assert_eq!(verify(&text), "", "{text}");
}
