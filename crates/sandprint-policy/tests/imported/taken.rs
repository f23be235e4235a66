//! What an import makes, every other command takes: random profiles, with rules that repeat and hide each other.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use sandprint_model::wire::{PolicyFile, decode_policy, encode_policy};
use sandprint_model::{Action, Arch, Call, Policy, Syscall};
use sandprint_policy::cbpf::{
    CompileError, Program, SeccompData, compile, returned_action, simulate, validate,
};
use sandprint_policy::check::{Severity, check};
use sandprint_policy::emit::FORMATS;
use sandprint_policy::import::{Format, Imported, Site, import};
use serde_json::{Value, json};

use crate::programs::any_program;
use testkit::policies::any_policy;
use testkit::policies::{grid, losses};

const NAMES: [&str; 12] = [
    "read",
    "execve",
    "exit_group",
    "socket",
    "semget",
    "mmap",
    "clone",
    "ioctl",
    "open",
    "socketcall",
    "clone3",
    "no_such_call",
];

fn any_action() -> impl Strategy<Value = (&'static str, Option<u16>)> {
    let errno = || proptest::option::of(select(&[0_u16, 1, 38, 97, 4095][..]));
    prop_oneof![
        5 => Just(("SCMP_ACT_ALLOW", None)),
        4 => errno().prop_map(|errno| ("SCMP_ACT_ERRNO", errno)),
        1 => errno().prop_map(|errno| ("SCMP_ACT_TRACE", errno)),
        2 => select(&["SCMP_ACT_LOG", "SCMP_ACT_TRAP", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
            "SCMP_ACT_NOTIFY"][..]).prop_map(|name| (name, None)),
    ]
}

fn any_arg() -> impl Strategy<Value = Value> {
    let value = select(&[0, 1, 2, 5, 40, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0001, u64::MAX][..]);
    let mask = select(&[0, 1, 3, 0x7e02_0000, 0xffff_ffff, 0xf_0000_0000, u64::MAX][..]);
    let names = ["NE", "LT", "LE", "EQ", "EQ", "GE", "GT", "MASKED_EQ"];
    (0..3_u8, select(Vec::from(names)), mask, value).prop_map(|(index, name, mask, value)| {
        let (first, second) = if name == "MASKED_EQ" { (mask, value) } else { (value, 0) };
        json!({"index": index, "op": format!("SCMP_CMP_{name}"), "value": first, "valueTwo": second})
    })
}

fn any_entry() -> impl Strategy<Value = Value> {
    let args = prop_oneof![2 => Just(Vec::new()), 3 => vec(any_arg(), 1..4)];
    (vec(select(&NAMES[..]), 1..3), any_action(), args).prop_map(|(names, (action, errno), args)| {
        json!({"names": names, "action": action, "errnoRet": errno, "args": args})
    })
}

/// The entries, and some of them again: as they are, with one more comparison, with one less, with another action.
fn any_entries() -> impl Strategy<Value = Vec<Value>> {
    let again = vec(
        (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4_u8, any_arg(), any_action()),
        0..4,
    );
    (vec(any_entry(), 0..8), again).prop_map(|(mut entries, again)| {
        for (from, to, how, arg, (action, errno)) in again {
            if entries.is_empty() {
                break;
            }
            let mut entry = entries[from.index(entries.len())].clone();
            match how {
                0 => {}
                1 => entry["args"].as_array_mut().unwrap().push(arg),
                2 => drop(entry["args"].as_array_mut().unwrap().pop()),
                _ => {
                    entry["action"] = json!(action);
                    entry["errnoRet"] = json!(errno);
                }
            }
            entries.insert(to.index(entries.len() + 1), entry);
        }
        entries
    })
}

fn any_oci() -> impl Strategy<Value = String> {
    let machines =
        ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"];
    let machines = proptest::option::of(subsequence(Vec::from(machines), 1..4));
    (any_action(), machines, any_entries()).prop_map(|((action, errno), machines, entries)| {
        let mut profile = json!({"defaultAction": action, "defaultErrnoRet": errno, "syscalls": entries});
        if let Some(machines) = machines {
            profile["architectures"] = json!(machines);
        }
        profile.to_string()
    })
}

fn any_docker() -> impl Strategy<Value = String> {
    let filters = [
        json!({}),
        json!({"includes": {"caps": ["CAP_SYS_ADMIN"]}}),
        json!({"excludes": {"caps": ["CAP_SYS_ADMIN"]}}),
        json!({"includes": {"minKernel": "4.8"}}),
        json!({"includes": {"arches": ["amd64", "x32"]}}),
        json!({"excludes": {"arches": ["amd64"]}}),
    ];
    let filters = vec(select(Vec::from(filters)), 12);
    (any_action(), any_entries(), filters).prop_map(|((action, errno), mut entries, filters)| {
        for (entry, filter) in entries.iter_mut().zip(filters) {
            for (key, value) in filter.as_object().unwrap() {
                entry[key] = value.clone();
            }
        }
        let machines = json!([{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}]);
        json!({"defaultAction": action, "defaultErrnoRet": errno, "archMap": machines, "syscalls": entries}).to_string()
    })
}

fn any_unit() -> impl Strategy<Value = String> {
    let lines = [
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@privileged @resources",
        "SystemCallFilter=read write socket",
        "SystemCallFilter=~read ptrace:EACCES clone:kill",
        "SystemCallFilter=",
        "SystemCallFilter=~",
        "SystemCallFilter=socket:EAFNOSUPPORT ~@mount",
        "SystemCallErrorNumber=EPERM",
        "SystemCallErrorNumber=kill",
        "SystemCallArchitectures=native",
        "SystemCallArchitectures=native x86",
        "SystemCallArchitectures=x32 arm64",
        "SystemCallLog=chown mount",
        "SystemCallLog=~@system-service",
        "RestrictAddressFamilies=AF_UNIX AF_INET",
        "RestrictAddressFamilies=~AF_PACKET AF_VSOCK",
        "RestrictAddressFamilies=none",
        "RestrictNamespaces=yes",
        "RestrictNamespaces=~user net",
        "RestrictRealtime=yes",
        "LockPersonality=yes",
        "MemoryDenyWriteExecute=yes",
        "RestrictSUIDSGID=yes",
        "ProtectClock=yes",
        "ProtectHostname=yes",
        "ProtectKernelModules=yes",
        "PrivateDevices=yes",
        "ProtectKernelLogs=yes",
    ];
    vec(select(Vec::from(lines)), 1..9).prop_map(|lines| format!("[Service]\n{}\n", lines.join("\n")))
}

fn any_raw_program() -> impl Strategy<Value = Program> {
    let compiled = any_policy().prop_filter_map("too long", |policy| compile(&policy).ok());
    prop_oneof![compiled, any_program()]
}

fn lets_something_run(policy: &Policy) -> bool {
    let actions = policy.calls.rules.values().flatten().map(|rule| rule.action);
    let of_rules = actions.chain([policy.calls.foreign_action]).any(Action::lets_run);
    of_rules || policy.calls.default_action.lets_run() && !policy.calls.rules.is_empty()
}

/// One call of each kind that the two decide differently, among those at every boundary of both.
fn differing(policy: &Policy, back: &Policy, arch: Arch) -> BTreeMap<(Syscall, bool), Call> {
    let calls = grid::calls(policy).chain(grid::calls(back)).filter(|call| call.syscall.abi.arch() == arch);
    let differs = |call: &Call| policy.calls.decide(call) != back.calls.decide(call);
    let weaker =
        |call: &Call| losses::runs(back.calls.decide(call)) && !losses::runs(policy.calls.decide(call));
    calls.filter(differs).map(|call| ((call.syscall, weaker(&call)), call)).collect()
}

/// What comes back from a profile that the policy was written as, where there is a reader for it.
fn back(format: &str, bytes: &[u8], arch: Arch) -> Option<Policy> {
    if let Some(format) = Format::from_name(format) {
        return Some(import(format, bytes, &Site::new(arch)).unwrap().policy);
    }
    match format {
        "json" => Some(decode_policy(bytes).unwrap()),
        "toml" => Some(PolicyFile::read(std::str::from_utf8(bytes).unwrap()).unwrap().policy),
        _ => None,
    }
}

fn taken(imported: &Imported, source: &str) {
    let policy = &imported.policy;
    // `policy check`, and whatever reads a policy to use it.
    let errors: Vec<_> =
        check(policy).into_iter().filter(|fault| fault.severity == Severity::Error).collect();
    if lets_something_run(policy) {
        assert_eq!(errors, [], "{source}\n{policy:#?}");
    } else {
        assert!(errors.iter().all(|fault| fault.at.is_none()), "{errors:#?}\n{source}");
        assert_eq!(errors.len(), 1, "{source}\n{policy:#?}");
    }
    // Both forms of the file.
    let text = PolicyFile::new(policy.clone()).write();
    let file = PolicyFile::read(&text).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
    assert_eq!(file.policy, *policy, "{text}");
    assert_eq!(decode_policy(encode_policy(policy).as_bytes()).as_ref(), Ok(policy));
    // `policy test` says what a filter of it does.
    match compile(policy) {
        Ok(program) => {
            assert_eq!(validate(&program), Ok(()));
            for call in grid::calls(policy) {
                let returned = returned_action(simulate(&program, &SeccompData::from(&call)));
                assert_eq!(returned, policy.calls.decide(&call), "{call:x?}\n{source}");
            }
        }
        Err(CompileError::TooLong(_)) => {}
        Err(error) => panic!("{error}\n{source}"),
    }
    // `generate` in every format.
    let machines: BTreeSet<Arch> = policy.calls.rules.keys().map(|syscall| syscall.abi.arch()).collect();
    for format in FORMATS {
        let emitted = match format.emit(policy) {
            Ok(emitted) => emitted,
            Err(error) => {
                assert!(!error.what.is_empty() && !error.hint.is_empty(), "{}", format.name());
                continue;
            }
        };
        for machine in &machines {
            let Some(back) = back(format.name(), emitted.content.as_bytes(), *machine) else { continue };
            let calls = differing(policy, &back, *machine).into_values();
            losses::check(policy, &emitted.losses, calls, |call| back.calls.decide(call));
        }
    }
}

fn check_text(format: Format, text: &str) {
    for arch in Arch::ALL {
        match import(format, text.as_bytes(), &Site::new(arch)) {
            Ok(imported) => taken(&imported, text),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

proptest! {
    // Each is written in every language, and held against each at thousands of calls.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 16))]

    #[test]
    fn whatever_is_imported_of_an_oci_profile(text in any_oci()) {
        check_text(Format::Oci, &text);
    }

    #[test]
    fn whatever_is_imported_of_a_profile_of_docker(text in any_docker()) {
        check_text(Format::Docker, &text);
    }

    #[test]
    fn whatever_is_imported_of_a_unit(text in any_unit()) {
        check_text(Format::Systemd, &text);
    }

    #[test]
    fn whatever_is_imported_of_a_program(program in any_raw_program()) {
        if let Ok(imported) = import(Format::Bpf, &program.to_bytes(), &Site::new(Arch::X86_64)) {
            taken(&imported, &format!("{program:x?}"));
        }
    }
}
