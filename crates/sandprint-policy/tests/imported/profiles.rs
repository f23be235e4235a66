//! Real profiles: those of Docker and of Podman, as Debian 12 ships them.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::{Abi, About, Action, Arch, Call, KernelVersion, Policy, Syscall};
use sandprint_policy::cbpf::{Program, SeccompData, returned_action, simulate};
use sandprint_policy::import::{Format, Site, import, sniff};
use serde_json::Value;

use crate::libseccomp::{Compared, Steps, Tool};
use testkit::hosts::NATIVE;
use testkit::policies::call;

const DOCKER: &str = include_str!("../../../../corpus/profiles/docker-20.10.24.json");
const PODMAN: &str = include_str!("../../../../corpus/profiles/podman-0.50.1.json");

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().map_or(Vec::new(), |items| items.iter().map(|item| item.as_str().unwrap()).collect())
}

/// The entries that moby's code keeps for a target. An importer of its own, over plain JSON.
fn kept<'v>(root: &'v Value, target: &Site) -> Vec<&'v Value> {
    let machine = if target.arch == Arch::X86_64 { "amd64" } else { "arm64" };
    let has = |cap: &&str| target.capabilities.contains(*cap);
    let reaches = |version: &Value| {
        let version: KernelVersion = version.as_str().unwrap().parse().unwrap();
        target.kernel.is_none_or(|kernel| kernel >= version)
    };
    let keeps = |entry: &&Value| {
        let (includes, excludes) = (&entry["includes"], &entry["excludes"]);
        let arches = strings(&includes["arches"]);
        !strings(&excludes["arches"]).contains(&machine)
            && !strings(&excludes["caps"]).iter().any(has)
            && (arches.is_empty() || arches.contains(&machine))
            && strings(&includes["caps"]).iter().all(has)
            && includes.get("minKernel").is_none_or(reaches)
    };
    root["syscalls"].as_array().unwrap().iter().filter(keeps).collect()
}

fn action(name: &str, errno: Option<u64>) -> Action {
    match name {
        "SCMP_ACT_ALLOW" => Action::Allow,
        "SCMP_ACT_ERRNO" => Action::Errno(u16::try_from(errno.unwrap_or(1)).unwrap()),
        other => panic!("{other}"),
    }
}

fn compared(arg: &Value) -> Compared {
    let operators = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
    let name = arg["op"].as_str().unwrap().strip_prefix("SCMP_CMP_").unwrap();
    let operator = operators.iter().position(|operator| *operator == name).unwrap() + 1;
    let number = |key: &str| arg.get(key).map_or(0, |value| value.as_u64().unwrap());
    (
        u8::try_from(number("index")).unwrap(),
        u8::try_from(operator).unwrap(),
        number("value"),
        number("valueTwo"),
    )
}

fn abis(target: &Site) -> Vec<Abi> {
    if target.arch == Arch::X86_64 {
        vec![Abi::X86_64, Abi::I386, Abi::X32]
    } else {
        vec![Abi::Aarch64, Abi::Arm]
    }
}

/// What libseccomp makes of the profile.
fn program(text: &str, target: &Site, tool: &Tool, optimize: bool) -> Program {
    let root: Value = serde_json::from_str(text).unwrap();
    let default = action(root["defaultAction"].as_str().unwrap(), root["defaultErrnoRet"].as_u64());
    let mut steps = Steps::new(default, &abis(target));
    if optimize {
        steps.optimize();
    }
    for entry in kept(&root, target) {
        let action = action(entry["action"].as_str().unwrap(), entry["errnoRet"].as_u64());
        let args: Vec<Compared> =
            entry["args"].as_array().map_or(Vec::new(), |args| args.iter().map(compared).collect());
        for name in strings(&entry["names"]) {
            steps.rule(name, action, &args);
        }
    }
    steps.export(tool).unwrap()
}

fn target(arch: Arch) -> Site {
    Site { kernel: Some(KernelVersion::new(6, 1)), ..Site::new(arch) }
}

/// Targets that differ in each of what a profile looks at.
fn targets(arch: Arch) -> Vec<Site> {
    let mut old = target(arch);
    old.kernel = Some(KernelVersion::new(4, 7));
    let mut admin = target(arch);
    admin.capabilities.extend(["CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_AUDIT_WRITE"].map(str::to_owned));
    let mut none = target(arch);
    none.capabilities.clear();
    vec![target(arch), old, admin, none]
}

/// Every number, and arguments at and beside those that the profiles compare with.
pub(crate) fn grid(abis: &[Abi]) -> impl Iterator<Item = Call> + use<> {
    let named = [
        0,
        1,
        2,
        8,
        9,
        16,
        0x20000,
        0x20008,
        0xffff_ffff,
        0x7e02_0000,
        0x7e02_0001,
        0x0100_0000,
        0x1_0000_0008,
    ];
    let mut tried = vec![[0; 6], [u64::MAX; 6]];
    for value in named {
        tried.extend([
            [value, 0, 0, 0, 0, 0],
            [16, value, 0, 0, 0, 0],
            [16, 3, value, 0, 0, 0],
            [value, 9, 9, 0, 0, 0],
        ]);
    }
    tried.extend((0..30).map(|sub_call| [sub_call, 16, 9, 0, 0, 0]));
    let abis = abis.to_vec();
    abis.into_iter().flat_map(move |abi| {
        let tried = tried.clone();
        (0..600).chain([0xf_0001, 0xf_0005, 0x3fff_ffff]).flat_map(move |nr| {
            let narrow = matches!(abi, Abi::I386 | Abi::Arm);
            let cut = move |args: [u64; 6]| if narrow { args.map(|arg| arg & 0xffff_ffff) } else { args };
            tried.clone().into_iter().map(move |args| Call { syscall: Syscall { abi, nr }, args: cut(args) })
        })
    })
}

/// The calls that the program and the policy decide differently, each once.
pub(crate) fn differing(
    program: &Program,
    policy: &Policy,
    calls: impl Iterator<Item = Call>,
) -> BTreeMap<Syscall, (Action, Action)> {
    calls
        .map(|call| {
            let says = returned_action(simulate(program, &SeccompData::from(&call)));
            (call.syscall, (says, policy.calls.decide(&call)))
        })
        .filter(|(_, (says, means))| says != means)
        .collect()
}

/// Names that the libseccomp which is there may not know; on a machine with a newer one there are none.
fn is_old(syscall: Syscall) -> bool {
    syscall.since().is_none_or(|since| since <= KernelVersion::new(5, 17))
}

#[test]
fn docker_and_podman_decide_as_libseccomp_does_for_every_target() {
    let Some(tool) = Tool::new() else { return };
    let arch = NATIVE.arch();
    for text in [DOCKER, PODMAN] {
        for target in targets(arch) {
            let imported = import(Format::Docker, text.as_bytes(), &target).unwrap();
            for optimize in [false, true] {
                let program = program(text, &target, &tool, optimize);
                let calls = grid(&abis(&target)).filter(|call| is_old(call.syscall));
                assert_eq!(differing(&program, &imported.policy, calls), BTreeMap::new(), "{target:?}");
            }
        }
    }
}

/// The program of Docker's profile, imported again as a program, is the same policy.
#[test]
fn the_programs_of_real_profiles_are_imported_exactly() {
    let Some(tool) = Tool::new() else { return };
    for text in [DOCKER, PODMAN] {
        for optimize in [false, true] {
            let program = program(text, &target(NATIVE.arch()), &tool, optimize);
            assert_eq!(sniff(&program.to_bytes()), Some(Format::Bpf));
            let imported = import(Format::Bpf, &program.to_bytes(), &target(NATIVE.arch())).unwrap();
            assert_eq!(differing(&program, &imported.policy, grid(&Abi::ALL)), BTreeMap::new());
            let beyond =
                imported.losses.iter().all(|loss| matches!(loss.about, About::Numbers(_, _, 0xffff_fffe)));
            assert!(beyond, "{:?}", imported.losses);
        }
    }
}

/// How many calls are allowed, counted over the JSON alone.
#[test]
fn as_many_calls_are_allowed_as_the_profile_names() {
    for (text, expected) in [(DOCKER, [292, 344, 288]), (PODMAN, [312, 369, 308])] {
        let root: Value = serde_json::from_str(text).unwrap();
        let target = target(Arch::X86_64);
        let imported = import(Format::Docker, text.as_bytes(), &target).unwrap();
        let names: BTreeSet<&str> = kept(&root, &target)
            .into_iter()
            .filter(|entry| entry["action"] == "SCMP_ACT_ALLOW")
            .flat_map(|entry| strings(&entry["names"]))
            .collect();
        for (abi, expected) in [Abi::X86_64, Abi::I386, Abi::X32].into_iter().zip(expected) {
            let calls: BTreeSet<Syscall> =
                names.iter().filter_map(|name| Syscall::from_name(abi, name)).collect();
            let allowed: BTreeSet<Syscall> =
                imported.policy.calls.allowed().filter(|syscall| syscall.abi == abi).collect();
            let multiplexers: BTreeSet<Syscall> = if abi == Abi::I386 {
                [call(abi, "ipc"), call(abi, "socketcall")].into()
            } else {
                BTreeSet::new()
            };
            let extra: BTreeSet<Syscall> = allowed.difference(&calls).copied().collect();
            assert!(calls.is_subset(&allowed) && extra.is_subset(&multiplexers), "{abi} {extra:?}");
            assert_eq!(allowed.len(), expected, "{abi}");
        }
    }
}

#[test]
fn real_profiles_lose_nothing_but_names_that_no_machine_here_has() {
    for text in [DOCKER, PODMAN] {
        assert_eq!(sniff(text.as_bytes()), Some(Format::Docker));
        for arch in Arch::ALL {
            let imported = import(Format::Docker, text.as_bytes(), &target(arch)).unwrap();
            let unknown = About::Word("unknown names".to_owned());
            assert!(imported.losses.iter().all(|loss| loss.about == unknown), "{arch} {:?}", imported.losses);
            assert!(imported.losses.iter().all(|loss| !loss.weaker));
        }
    }
}
