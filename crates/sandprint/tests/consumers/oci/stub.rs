//! The filters that runc and crun load decide as the imported profile, but for the ENOSYS that runc puts before it.

use std::collections::BTreeMap;

use sandprint_model::{Abi, Action, Call, KernelVersion, Note, Syscall};
use sandprint_policy::import::{Format, Site, import};
use serde_json::{Value, json};

use super::container::Bundle;
use super::oci_profile;
use crate::installed::{ARCH, Stack};
use crate::waits;
use crate::workload::recorded;
use testkit::container::why_no_containers;
use testkit::expect::skip;
use testkit::shell::{find, is_root};
use testkit::wait::until;

/// Default actions with their errno, and whether runc answers ENOSYS above the highest number.
const DEFAULTS: &[(&str, Option<u16>, bool)] = &[
    ("SCMP_ACT_ERRNO", None, true),
    ("SCMP_ACT_ERRNO", Some(13), true),
    ("SCMP_ACT_ERRNO", Some(38), false),
    ("SCMP_ACT_KILL_PROCESS", None, true),
    ("SCMP_ACT_TRAP", None, true),
    ("SCMP_ACT_TRACE", Some(7), false),
    ("SCMP_ACT_LOG", None, false),
    ("SCMP_ACT_ALLOW", None, false),
];

/// Lists of architectures; that of the machine takes part whether it is listed or not.
const ARCHITECTURES: &[&[Abi]] = &[
    &[],
    &[Abi::X86_64],
    &[Abi::I386],
    &[Abi::X86_64, Abi::I386],
    &[Abi::X86_64, Abi::X32],
    &[Abi::X86_64, Abi::I386, Abi::X32],
];

/// The newest kernel whose calls every libseccomp here knows by name.
const OLD: KernelVersion = KernelVersion::new(5, 17);

/// A call of that kernel with the highest number but one: its rule says what the default does.
const NAMED_IN_VAIN: &str = "set_mempolicy_home_node";

#[test]
fn runc_answers_enosys_above_the_highest_number_and_as_the_imported_profile_below() {
    check("runc", true);
}

#[test]
fn crun_decides_as_the_imported_profile() {
    check("crun", false);
}

fn check(runtime: &str, patches: bool) {
    if find(runtime).is_none() {
        return skip(runtime, &format!("there is no {runtime} in PATH"));
    }
    if !is_root() {
        return skip("root", "containers are started by root");
    }
    if let Some(why) = why_no_containers() {
        return skip("runc", &why);
    }
    if !cfg!(target_arch = "x86_64") {
        return skip("debian12", "the lists of architectures are those of x86_64");
    }
    let Some(workload) = recorded() else { return };
    if !waits::build(&workload.root().join("bin/waits")) {
        return;
    }
    let mut names = allowed_names(&oci_profile(workload, &["--runtime", runtime]));
    names.push("nanosleep".to_owned());
    for (default, errno, has_stub) in DEFAULTS {
        // What is listed matters in one way for all of them.
        let lists = if errno.is_none() && *has_stub { ARCHITECTURES } else { &ARCHITECTURES[4..] };
        for architectures in lists {
            let mut profile = json!({
                "defaultAction": default,
                "architectures": architectures.iter().map(|abi| scmp_name(*abi)).collect::<Vec<_>>(),
                "syscalls": [
                    { "names": names, "action": "SCMP_ACT_ALLOW" },
                    { "names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5,
                      "args": [{ "index": 0, "value": 8, "op": "SCMP_CMP_GE" }] },
                    { "names": [NAMED_IN_VAIN], "action": default },
                ],
            });
            if let Some(errno) = errno {
                profile["defaultErrnoRet"] = json!(errno);
                profile["syscalls"][2]["errnoRet"] = json!(errno);
            }
            let imported = import(Format::Oci, profile.to_string().as_bytes(), &Site::new(ARCH));
            let policy = imported.expect("it is a profile").policy;
            let is_told = |note: &Note| matches!(note, Note::RuncStub);
            let context = format!("{runtime} {default} {errno:?} {architectures:?}");
            assert_eq!(policy.notes.iter().any(is_told), *has_stub && !architectures.is_empty(), "{context}");

            let mut highest: BTreeMap<Abi, u32> = BTreeMap::new();
            for abi in architectures.iter().filter(|_| patches && *has_stub) {
                let all = names.iter().map(String::as_str).chain(["personality", NAMED_IN_VAIN]);
                let numbers = all.filter_map(|name| Some(Syscall::from_name(*abi, name)?.nr));
                highest.extend(numbers.max().map(|highest| (*abi, highest)));
            }
            let expects = |call: &Call| match highest.get(&call.syscall.abi) {
                Some(highest) if call.syscall.nr > *highest => Action::Errno(38),
                _ => policy.calls.decide(call),
            };
            let bundle = Bundle::new(runtime, workload, true, &["waits"], Some(&profile));
            let created = bundle.create();
            let stack = filters(created.release());
            let wrong: Vec<String> =
                stack.differences_from(&policy, expects).iter().map(ToString::to_string).collect();
            assert!(wrong.is_empty(), "{context}: {wrong:#?}");
        }
    }
}

/// The names that a profile allows without conditions, as far as libseccomp knows them.
fn allowed_names(profile: &Value) -> Vec<String> {
    let entries = profile["syscalls"].as_array().expect("there are rules");
    let names = entries
        .iter()
        .filter(|entry| entry["action"] == "SCMP_ACT_ALLOW" && entry.get("args").is_none())
        .flat_map(|entry| entry["names"].as_array().expect("there are names"))
        .map(|name| name.as_str().expect("names are strings").to_owned());
    let is_old = |name: &String| {
        let everywhere = Abi::ALL.iter().filter_map(|abi| Syscall::from_name(*abi, name));
        everywhere.into_iter().all(|syscall| syscall.since() <= Some(OLD))
    };
    names.filter(is_old).collect()
}

fn scmp_name(abi: Abi) -> &'static str {
    match abi {
        Abi::Aarch64 => "SCMP_ARCH_AARCH64",
        Abi::Arm => "SCMP_ARCH_ARM",
        Abi::I386 => "SCMP_ARCH_X86",
        Abi::X32 => "SCMP_ARCH_X32",
        Abi::X86_64 => "SCMP_ARCH_X86_64",
    }
}

/// The filters of a container's process, once it executes its program.
fn filters(pid: u32) -> Stack {
    until("the container's program", || waits::is(pid).then_some(()));
    Stack::of(pid).expect("root may read filters")
}
