//! OCI, Docker and Kubernetes profiles are loaded into libseccomp as runtimes do it, and the filter that it
//! exports is compared with the policy, call by call.
//!
//! What the program below does is what runc's `InitSeccomp` and crun's `libcrun_generate_seccomp` do: the
//! architectures first, then the rules by name; a rule with the default action is left out, and so is a name
//! that libseccomp does not know.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::OnceLock;

use proptest::prelude::*;
use sandprint_model::{Abi, Action, Arch, Policy};
use sandprint_policy::emit::by_name;

use crate::bpf::Program;
use crate::oci_profiles::{Check, Profile};
use crate::policies::{any_policy, ls, policy, telling_calls};
use crate::seccomp_header::{compile, has_libseccomp};
use crate::{grid, hosts, kubernetes_objects, losses};

/// Reads `default ACTION`, `arch TOKEN` and `rule ACTION NAME COUNT {INDEX OP A B}...`, in numbers; writes the
/// filter to standard output.
const RUNTIME: &str = r#"
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    unsigned int fallback, arch, action, count;
    unsigned int keep_native = 0;
    scmp_filter_ctx filter;
    char word[16], name[64];

    if (file == NULL || fscanf(file, " default %u", &fallback) != 1)
        return 2;
    filter = seccomp_init(fallback);
    if (filter == NULL)
        return 3;
    while (fscanf(file, "%15s", word) == 1) {
        if (strcmp(word, "arch") == 0) {
            int result;
            if (fscanf(file, "%u", &arch) != 1)
                return 2;
            if (arch == seccomp_arch_native())
                keep_native = 1;
            result = seccomp_arch_add(filter, arch);
            if (result < 0 && result != -EEXIST)
                return 4;
            continue;
        }
        struct scmp_arg_cmp args[6];
        unsigned int used;
        int result, nr;
        if (fscanf(file, "%u %63s %u", &action, name, &count) != 3 || count > 6)
            return 2;
        for (used = 0; used < count; used++) {
            unsigned long long first, second;
            unsigned int index, op;
            if (fscanf(file, "%u %u %llu %llu", &index, &op, &first, &second) != 4)
                return 2;
            args[used].arg = index;
            args[used].op = (enum scmp_compare)op;
            args[used].datum_a = first;
            args[used].datum_b = second;
        }
        if (keep_native == 0 && seccomp_arch_exist(filter, seccomp_arch_native()) == 0 &&
            seccomp_arch_remove(filter, seccomp_arch_native()) < 0)
            return 5;
        nr = seccomp_syscall_resolve_name(name);
        if (nr == __NR_SCMP_ERROR || action == fallback)
            continue;
        result = seccomp_rule_add_array(filter, action, nr, count, args);
        if (result < 0) {
            fprintf(stderr, "%s: %s\n", name, strerror(-result));
            return 6;
        }
    }
    return seccomp_export_bpf(filter, STDOUT_FILENO) < 0 ? 7 : 0;
}
"#;

/// The program above, compiled once; `None` where it cannot be.
fn runtime() -> Option<&'static (tempfile::TempDir, String)> {
    static COMPILED: OnceLock<Option<(tempfile::TempDir, String)>> = OnceLock::new();
    let compiled = COMPILED.get_or_init(|| {
        has_libseccomp().then(|| {
            let folder = tempfile::tempdir().unwrap();
            let source: PathBuf = folder.path().join("runtime.c");
            hosts::write(&source, RUNTIME);
            let program = compile("cc", &["-std=gnu99", "-Wall", "-Wextra", "-Werror"], &source).unwrap();
            (folder, program)
        })
    });
    compiled.as_ref()
}

/// `SCMP_ARCH_*`: the audit architecture, and bit 30 alone for x32.
fn token(abi: Abi) -> u32 {
    if abi == Abi::X32 { 0x4000_003e } else { abi.audit_arch() }
}

/// `SCMP_ACT_*`, which is what the filter returns.
fn code(action: Action) -> u32 {
    match action {
        Action::Allow => 0x7fff_0000,
        Action::Log => 0x7ffc_0000,
        Action::Errno(number) => 0x0005_0000 | u32::from(number),
        Action::Trace(value) => 0x7ff0_0000 | u32::from(value),
        Action::Notify => 0x7fc0_0000,
        Action::Trap => 0x0003_0000,
        Action::KillThread => 0,
        Action::KillProcess => 0x8000_0000,
    }
}

fn operator(check: &Check) -> u32 {
    let names = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
    let place = names.iter().position(|name| check.op.strip_prefix("SCMP_CMP_") == Some(name));
    u32::try_from(place.unwrap()).unwrap() + 1
}

/// The filter that libseccomp exports, as bytes; none where it does not come to an end. Version 2.5.4 takes time that grows
/// exponentially with the rules of one call that have several conditions each: 64 of `openat` with two were seen to take
/// more than eight minutes.
fn export(program: &str, profile: &Profile) -> Option<Vec<u8>> {
    const TIMED_OUT: i32 = 124;

    let mut text = format!("default {}\n", code(profile.default));
    for abi in &profile.abis {
        writeln!(text, "arch {}", token(*abi)).unwrap();
    }
    for (name, rules) in &profile.rules {
        for (action, checks) in rules {
            write!(text, "rule {} {name} {}", code(*action), checks.len()).unwrap();
            for check in checks {
                let second = check.value_two.unwrap_or(0);
                write!(text, " {} {} {} {second}", check.index, operator(check), check.value).unwrap();
            }
            text.push('\n');
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    hosts::write(&rules, &text);
    let output = hosts::run("timeout", &["20", program, rules.to_str().unwrap()]).unwrap();
    if output.status.code() == Some(TIMED_OUT) {
        return None;
    }
    assert!(
        output.status.success(),
        "{:?}: {}\n{text}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Some(output.stdout)
}

/// The profile of each machine, in each format that such runtimes read.
fn profiles(format: &str, policy: &Policy) -> (BTreeSet<sandprint_model::Loss>, Vec<(Arch, Profile)>) {
    let machines: BTreeSet<Arch> = policy.rules.keys().map(|syscall| syscall.abi.arch()).collect();
    if format == "k8s" {
        let (object, losses) = kubernetes_objects::object(policy);
        let read = |machine| (machine, kubernetes_objects::profile(&object, machine));
        return (losses, machines.into_iter().map(read).collect());
    }
    let emitted = by_name(format).unwrap().emit(policy).unwrap();
    let value = serde_json::from_str(emitted.content.as_text().unwrap()).unwrap();
    let read = |machine| (machine, Profile::of(&value, machine));
    (emitted.losses, machines.into_iter().map(read).collect())
}

#[test]
fn what_libseccomp_makes_of_a_recorded_policy_is_exact() {
    let Some((_, runtime)) = runtime() else { return };
    for format in ["docker", "k8s", "oci"] {
        for abi in [Abi::X86_64, Abi::Aarch64] {
            let policy = policy(&ls(abi));
            let (losses, profiles) = profiles(format, &policy);
            let [(_, profile)] = &profiles[..] else { panic!("one machine") };
            let program = Program::parse(&export(runtime, profile).expect("it ends"));
            let here = || grid::calls(&policy).filter(|call| call.syscall.abi.arch() == abi.arch());
            for call in here().filter(|call| call.syscall.abi == abi) {
                let newer = call.syscall.since().is_some_and(|since| since > "5.17".parse().unwrap());
                let (wanted, got) = (policy.decide(&call), program.decide(&call));
                assert!(wanted == got || newer, "{format} {call:x?}: {wanted:?}, not {got:?}");
            }
            losses::check(&policy, &losses, here(), |call| program.decide(call));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_difference_of_libseccomps_filter_is_a_loss(policy in any_policy(), args in any::<[u64; 6]>()) {
        if let Some((_, runtime)) = runtime() {
            for format in ["docker", "k8s", "oci"] {
                let (losses, profiles) = profiles(format, &policy);
                for (machine, profile) in profiles {
                    let exported = export(runtime, &profile);
                    prop_assume!(exported.is_some());
                    let bytes = exported.unwrap_or_default();
                    // The kernel would refuse it; every runtime says so.
                    prop_assume!(bytes.len() <= 4096 * 8);
                    let program = Program::parse(&bytes);
                    let calls = grid::calls(&policy).chain(telling_calls(&policy, args));
                    let here = calls.filter(|call| call.syscall.abi.arch() == machine);
                    losses::check(&policy, &losses, here, |call| program.decide(call));
                }
            }
        }
    }
}
