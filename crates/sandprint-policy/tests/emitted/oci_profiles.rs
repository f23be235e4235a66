//! OCI and Docker profiles are read back and decided as libseccomp would.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sandprint_model::{Abi, Action, Arch, Call, CallSeen, Loss, Policy, RunId, Subject, Syscall};
use sandprint_policy::emit::by_name;
use serde_json::Value;

use testkit::policies::losses::{self, runs};
use testkit::policies::{any_policy, call, ls, policy, telling_calls};

/// A profile as a runtime on one machine reads it.
pub(crate) struct Profile {
    pub(crate) default: Action,
    pub(crate) abis: BTreeSet<Abi>,
    pub(crate) rules: BTreeMap<String, Vec<(Action, Vec<Check>)>>,
}

/// One element of `args`.
pub(crate) struct Check {
    pub(crate) index: usize,
    pub(crate) op: String,
    pub(crate) value: u64,
    pub(crate) value_two: Option<u64>,
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap())
}

fn abi(name: &str) -> Abi {
    match name {
        "SCMP_ARCH_AARCH64" => Abi::Aarch64,
        "SCMP_ARCH_ARM" => Abi::Arm,
        "SCMP_ARCH_X32" => Abi::X32,
        "SCMP_ARCH_X86" => Abi::I386,
        "SCMP_ARCH_X86_64" => Abi::X86_64,
        other => panic!("{other}"),
    }
}

/// An action and its errno. An errno beside an action that takes none is an error in every runtime.
fn action(name: &Value, errno: Option<&Value>) -> Action {
    let number = errno.map(|errno| u16::try_from(errno.as_u64().unwrap()).unwrap());
    match (name.as_str().unwrap(), number) {
        ("SCMP_ACT_ALLOW", None) => Action::Allow,
        ("SCMP_ACT_LOG", None) => Action::Log,
        ("SCMP_ACT_ERRNO", Some(number)) => Action::Errno(number),
        ("SCMP_ACT_TRACE", Some(number)) => Action::Trace(number),
        ("SCMP_ACT_TRAP", None) => Action::Trap,
        ("SCMP_ACT_KILL_THREAD", None) => Action::KillThread,
        ("SCMP_ACT_KILL_PROCESS", None) => Action::KillProcess,
        other => panic!("{other:?}"),
    }
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

impl Profile {
    fn read(text: &str, machine: Arch) -> Profile {
        Profile::of(&serde_json::from_str(text).unwrap(), machine)
    }

    /// A profile that has been read as JSON.
    pub(crate) fn of(root: &Value, machine: Arch) -> Profile {
        let known = ["defaultAction", "defaultErrnoRet", "architectures", "archMap", "syscalls"];
        assert!(keys(root).is_subset(&known.into()), "{:?}", keys(root));
        let native = machine.native_abi();
        let mut abis = BTreeSet::from([native]);
        match (root.get("architectures"), root.get("archMap")) {
            (Some(list), None) => abis.extend(strings(list).map(abi)),
            (None, Some(map)) => {
                for entry in map.as_array().unwrap() {
                    if abi(entry["architecture"].as_str().unwrap()) == native {
                        abis.extend(strings(&entry["subArchitectures"]).map(abi));
                    }
                }
            }
            other => panic!("{other:?}"),
        }
        let go_name = if machine == Arch::X86_64 { "amd64" } else { "arm64" };
        let mut rules: BTreeMap<String, Vec<(Action, Vec<Check>)>> = BTreeMap::new();
        for element in root["syscalls"].as_array().unwrap() {
            let known = ["names", "action", "errnoRet", "args", "comment", "includes"];
            assert!(keys(element).is_subset(&known.into()), "{:?}", keys(element));
            let here = element.get("includes").is_none_or(|includes| {
                assert_eq!(keys(includes), ["arches"].into());
                strings(&includes["arches"]).any(|arch| arch == go_name)
            });
            if !here {
                continue;
            }
            let args = element.get("args").map_or(&[][..], |args| args.as_array().unwrap());
            let indexes: BTreeSet<_> = args.iter().map(|arg| arg["index"].as_u64().unwrap()).collect();
            assert_eq!(indexes.len(), args.len(), "an index twice is split into alternatives by runtimes");
            let action = action(&element["action"], element.get("errnoRet"));
            for name in strings(&element["names"]) {
                let checks = args.iter().map(Check::read).collect();
                rules.entry(name.to_owned()).or_default().push((action, checks));
            }
        }
        let default = action(&root["defaultAction"], root.get("defaultErrnoRet"));
        for (name, rules) in &rules {
            assert!(
                rules.iter().all(|(action, _)| *action != default),
                "libseccomp refuses such a rule: {name}"
            );
            assert!(rules.iter().all(|(action, _)| *action == rules[0].0), "{name} has several actions");
        }
        Profile { default, abis, rules }
    }

    /// What libseccomp is documented to make of it, its multiplexing on i386 included.
    pub(crate) fn decide(&self, call: &Call) -> Action {
        let abi = call.syscall.abi;
        if !self.abis.contains(&abi) {
            return Action::KillThread;
        }
        let Some(name) = call.syscall.name() else { return self.default };
        let rules = self.rules.get(name).map_or(&[][..], Vec::as_slice);
        let matching =
            rules.iter().find(|(_, checks)| checks.iter().all(|check| check.holds(abi, &call.args)));
        if let Some((action, _)) = matching {
            return *action;
        }
        let parts: &[&str] = match (abi, name) {
            (Abi::I386, "ipc") => &["semget", "shmat"],
            (Abi::I386, "socketcall") => &["socket", "accept4", "sendto"],
            _ => &[],
        };
        let mut opened = parts.iter().filter_map(|part| self.rules.get(*part)).map(|rules| rules[0].0);
        opened.find(|action| runs(*action)).unwrap_or(self.default)
    }
}

impl Check {
    fn read(arg: &Value) -> Check {
        assert!(keys(arg).is_subset(&["index", "op", "value", "valueTwo"].into()));
        Check {
            index: usize::try_from(arg["index"].as_u64().unwrap()).unwrap(),
            op: arg["op"].as_str().unwrap().to_owned(),
            value: arg["value"].as_u64().unwrap(),
            value_two: arg.get("valueTwo").map(|value| value.as_u64().unwrap()),
        }
    }

    /// What libseccomp compares: in the ABIs that it takes for 32 bits wide, lower halves.
    fn holds(&self, abi: Abi, args: &[u64; 6]) -> bool {
        let narrow = matches!(abi, Abi::Arm | Abi::I386 | Abi::X32);
        let cut = |value: u64| if narrow { value & 0xffff_ffff } else { value };
        let (arg, value) = (cut(args[self.index]), cut(self.value));
        match (self.op.as_str(), self.value_two) {
            ("SCMP_CMP_MASKED_EQ", Some(wanted)) => arg & value == cut(wanted),
            ("SCMP_CMP_EQ", None) => arg == value,
            ("SCMP_CMP_NE", None) => arg != value,
            ("SCMP_CMP_LT", None) => arg < value,
            ("SCMP_CMP_LE", None) => arg <= value,
            ("SCMP_CMP_GT", None) => arg > value,
            ("SCMP_CMP_GE", None) => arg >= value,
            other => panic!("{other:?}"),
        }
    }
}

/// The losses of a profile and the profile itself, on each machine.
fn profiles(format: &str, policy: &Policy) -> (BTreeSet<Loss>, Vec<(Arch, Profile)>) {
    let emitted = by_name(format).unwrap().emit(policy).unwrap();
    let machines: BTreeSet<Arch> = policy.calls.rules.keys().map(|syscall| syscall.abi.arch()).collect();
    let read = |machine| (machine, Profile::read(emitted.content.as_text().unwrap(), machine));
    (emitted.losses.clone(), machines.into_iter().map(read).collect())
}

#[test]
fn a_policy_of_one_abi_is_exact_for_every_call_of_it() {
    for format in ["oci", "docker"] {
        for abi in [Abi::X86_64, Abi::Aarch64] {
            let policy = policy(&ls(abi));
            let (_, profiles) = profiles(format, &policy);
            let [(_, profile)] = &profiles[..] else { panic!("one machine") };
            assert_eq!(profile.abis, [abi].into());
            for nr in 0..600 {
                let call = Call { syscall: Syscall { abi, nr }, args: [0; 6] };
                assert_eq!(
                    profile.decide(&call),
                    policy.calls.decide(&call),
                    "{format} {abi} {}",
                    call.syscall
                );
            }
            assert!(profile.rules.values().all(|rules| rules.len() == 1), "a name is there once");
            let names: BTreeSet<_> = profile.rules.keys().map(String::as_str).collect();
            let expected: BTreeSet<_> =
                policy.calls.rules.keys().filter_map(|syscall| syscall.name()).collect();
            assert_eq!(names, expected);
        }
    }
}

/// On each machine Docker allows what was seen there.
#[test]
fn docker_keeps_machines_apart() {
    let mut both = ls(Abi::X86_64);
    let mut arm = ls(Abi::Aarch64);
    let (run, subject) = (RunId::from_bits(1), Subject::default());
    arm.calls.join(subject, call(Abi::Aarch64, "fsync"), run, CallSeen::times(1));
    both.merge(arm);
    let policy = policy(&both);
    let (_, profiles) = profiles("docker", &policy);
    assert_eq!(profiles.len(), 2);
    for (machine, profile) in profiles {
        let abi = machine.native_abi();
        for nr in 0..600 {
            let call = Call { syscall: Syscall { abi, nr }, args: [0; 6] };
            assert_eq!(profile.decide(&call), policy.calls.decide(&call), "{abi} {}", call.syscall);
        }
        assert_eq!(
            runs(profile.decide(&Call { syscall: self::call(abi, "fsync"), args: [0; 6] })),
            abi == Abi::Aarch64
        );
    }
}

proptest! {
    #[test]
    fn every_difference_from_the_policy_is_a_loss(policy in any_policy(), args in any::<[u64; 6]>()) {
        for format in ["oci", "docker"] {
            let (losses, profiles) = profiles(format, &policy);
            for (machine, profile) in profiles {
                let here = telling_calls(&policy, args).filter(|call| call.syscall.abi.arch() == machine);
                losses::check(&policy, &losses, here, |call| profile.decide(call));
            }
        }
    }
}
