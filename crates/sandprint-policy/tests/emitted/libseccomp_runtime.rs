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

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sandprint_model::{
    Abi, About, Action, Arch, Comparison, Condition, Policy, Reason, Rule, Syscall, Width,
};
use sandprint_policy::emit::by_name;

use crate::bpf::Program;
use crate::kubernetes_objects;
use crate::oci_profiles::{Check, Profile};
use crate::seccomp_header::{compile, has_libseccomp};
use testkit::hosts;
use testkit::policies::{allowing, any_policy, call, ls, policy, telling_calls};
use testkit::policies::{grid, losses};

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
pub(crate) fn runtime() -> Option<&'static (tempfile::TempDir, String)> {
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

/// The filter that libseccomp exports, as bytes.
pub(crate) fn export(program: &str, profile: &Profile) -> Vec<u8> {
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
    // It takes a hundredth of a second.
    let output = hosts::run_within("20", program, &[rules.to_str().unwrap()])
        .unwrap_or_else(|| panic!("it has not ended\n{text}"));
    assert!(
        output.status.success(),
        "{:?}: {}\n{text}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// The profile of each machine, in each format that such runtimes read.
pub(crate) fn profiles(
    format: &str,
    policy: &Policy,
) -> (BTreeSet<sandprint_model::Loss>, Vec<(Arch, Profile)>) {
    let machines: BTreeSet<Arch> = policy.calls.rules.keys().map(|syscall| syscall.abi.arch()).collect();
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
            let program = Program::parse(&export(runtime, profile));
            let here = || grid::calls(&policy).filter(|call| call.syscall.abi.arch() == abi.arch());
            for call in here().filter(|call| call.syscall.abi == abi) {
                let newer = call.syscall.since().is_some_and(|since| since > "5.17".parse().unwrap());
                let (wanted, got) = (policy.calls.decide(&call), program.decide(&call));
                assert!(wanted == got || newer, "{format} {call:x?}: {wanted:?}, not {got:?}");
            }
            losses::check(&policy, &losses, here(), |call| program.decide(call));
        }
    }
}

/// Holds what libseccomp makes of each machine's profile, in each format, against the policy.
fn check(runtime: &str, policy: &Policy, args: [u64; 6]) {
    /// Instructions are 8 bytes long, and the kernel takes 4096 (`BPF_MAXINSNS`): every runtime says so.
    const MOST_BYTES: usize = 4096 * 8;

    for format in ["docker", "k8s", "oci"] {
        let (losses, profiles) = profiles(format, policy);
        for (machine, profile) in profiles {
            let bytes = export(runtime, &profile);
            if bytes.len() > MOST_BYTES {
                continue;
            }
            let program = Program::parse(&bytes);
            let calls = grid::calls(policy).chain(telling_calls(policy, args));
            let here = calls.filter(|call| call.syscall.abi.arch() == machine);
            losses::check(policy, &losses, here, |call| program.decide(call));
        }
    }
}

/// A policy with these rules for one call.
pub(crate) fn with_rules(
    default_action: Action,
    syscall: Syscall,
    rules: &[(Action, &[Condition])],
) -> Policy {
    let mut policy = allowing(&[call(syscall.abi, "exit_group")]);
    let rule = |(action, conditions): &(Action, &[Condition])| Rule {
        conditions: conditions.to_vec(),
        action: *action,
        reasons: BTreeSet::from([Reason::ByHand("a test".to_owned())]),
    };
    policy.calls.default_action = default_action;
    policy.calls.rules.insert(syscall, rules.iter().map(rule).collect());
    policy
}

fn wide(index: u8, comparison: Comparison) -> Condition {
    Condition { index, width: Width::Bits64, comparison }
}

/// libseccomp 2.5.4 never ends for two entries that begin with the same `!=` and go on with different upper halves.
#[test]
fn entries_that_begin_with_the_same_inequality_are_exact() {
    use Comparison::{Equal, Greater, MaskedEqual, NotEqual};

    let Some((_, runtime)) = runtime() else { return };
    let top = 1 << 63;
    let other = wide(0, NotEqual(0));
    let followed_by: [&[Condition]; 6] = [
        &[wide(1, MaskedEqual { mask: top, value: top })],
        &[wide(1, Equal(3 | 1 << 32))],
        &[wide(1, NotEqual(1 << 32))],
        &[wide(1, Greater(3))],
        &[wide(2, Equal(3))],
        &[wide(1, NotEqual(4)), wide(2, Equal(1 << 32))],
    ];
    for abi in [Abi::X86_64, Abi::Aarch64] {
        for more in followed_by {
            let (first, second) = ([other, wide(1, Equal(3))], [&[other], more].concat());
            let rules: [(Action, &[Condition]); 2] = [(Action::Allow, &first), (Action::Allow, &second)];
            let policy = with_rules(Action::Errno(1), call(abi, "openat"), &rules);
            check(runtime, &policy, [1, 3, 1 << 32, 0, 0, 0]);
        }
    }
    // As it was found: `arg1 > 2` is 63 entries.
    let rules: [(Action, &[Condition]); 2] =
        [(Action::Errno(1), &[other, wide(1, Comparison::LessOrEqual(2))]), (Action::Allow, &[])];
    check(runtime, &with_rules(Action::Errno(1), call(Abi::Aarch64, "openat"), &rules), [1, 3, 0, 0, 0, 0]);
}

/// libseccomp 2.5.4 refuses `arg2 == 1` with `arg1 == 1` in a list of these two, though the first entry allows it.
#[test]
fn an_inequality_beside_an_equality_of_the_same_value_is_exact() {
    use Comparison::{Equal, NotEqual};

    let Some((_, runtime)) = runtime() else { return };
    let rules: [(Action, &[Condition]); 2] =
        [(Action::Allow, &[wide(1, Equal(1)), wide(2, Equal(1))]), (Action::Allow, &[wide(2, NotEqual(1))])];
    for abi in [Abi::X86_64, Abi::Aarch64] {
        let policy = with_rules(Action::Errno(1), call(abi, "openat"), &rules);
        check(runtime, &policy, [0, 1, 1, 0, 0, 0]);
    }
}

/// A refusal that depends on an argument is lost, too, where the name is not known: the call then runs.
#[test]
fn a_newer_call_refused_by_its_arguments_is_a_loss_that_allows_more() {
    let refused = [wide(0, Comparison::LessOrEqual(0))];
    let rules: [(Action, &[Condition]); 1] = [(Action::Errno(1), &refused)];
    for (default, weaker) in [(Action::Allow, true), (Action::KillProcess, false)] {
        let policy = with_rules(default, call(Abi::Aarch64, "mseal"), &rules);
        for format in ["docker", "k8s", "oci"] {
            let (losses, _) = profiles(format, &policy);
            let found = losses
                .iter()
                .find(|loss| matches!(&loss.about, About::Newer { names, .. } if names == &["mseal"]));
            assert_eq!(found.map(|loss| loss.weaker), Some(weaker), "{format} {default:?} {losses:#?}");
        }
        if let Some((_, runtime)) = runtime() {
            check(runtime, &policy, [0; 6]);
        }
    }
}

/// libseccomp 2.5.4 then never loads the number, unless an unconditional call of the ABI is there.
#[test]
fn an_abi_whose_calls_all_have_conditions_is_matched_beside_calls_that_it_lacks() {
    let Some((_, runtime)) = runtime() else { return };
    let conditions = [wide(1, Comparison::Equal(5))];
    for (default, action) in [
        (Action::Allow, Action::Errno(1)),
        (Action::Errno(38), Action::Allow),
        (Action::KillProcess, Action::Allow),
    ] {
        for (abi, name, other, lacking) in [
            (Abi::Aarch64, "mmap", Abi::Arm, "futex_time64"),
            (Abi::Arm, "mmap2", Abi::Aarch64, "newfstatat"),
            (Abi::I386, "mmap2", Abi::X86_64, "newfstatat"),
        ] {
            let mut policy = with_rules(default, call(abi, name), &[(action, &conditions)]);
            policy.calls.rules.remove(&call(abi, "exit_group"));
            let rules = with_rules(default, call(other, lacking), &[(action, &[])]).calls.rules;
            policy
                .calls
                .rules
                .extend(rules.into_iter().filter(|(syscall, _)| *syscall == call(other, lacking)));
            check(runtime, &policy, [0, 5, 0, 0, 0, 0]);
        }
    }
}

/// Several rules of one call, which compare 64 bits of a few arguments with values that are often the same in one half.
fn any_wide_policy() -> impl Strategy<Value = Policy> {
    let value = select(&[0, 1, 1 << 32, 1 | 1 << 32, u64::MAX][..]);
    let comparison = (0..9u8, value.clone(), value).prop_map(|(kind, value, mask)| match kind {
        0 | 1 => Comparison::Equal(value),
        2..=4 => Comparison::NotEqual(value),
        5 => Comparison::LessOrEqual(value),
        6 => Comparison::Greater(value),
        _ => Comparison::MaskedEqual { mask, value: value & mask },
    });
    let condition = (0..3u8, comparison).prop_map(|(index, comparison)| wide(index, comparison));
    let action =
        prop_oneof![4 => Just(Action::Allow), 1 => Just(Action::Errno(1)), 1 => Just(Action::Errno(38))];
    let default = prop_oneof![3 => Just(Action::Errno(1)), 1 => Just(Action::Allow)];
    let rules = vec((action, vec(condition, 1..4)), 2..5);
    (select(&[Abi::X86_64, Abi::Aarch64][..]), default, rules).prop_map(|(abi, default, rules)| {
        let rules: Vec<(Action, &[Condition])> =
            rules.iter().map(|(action, conditions)| (*action, conditions.as_slice())).collect();
        with_rules(default, call(abi, "openat"), &rules)
    })
}

proptest! {
    // A case that does not end takes its whole time limit, so that a search for a smaller one is limited too.
    #![proptest_config(ProptestConfig { max_shrink_time: 120_000, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn every_difference_of_libseccomps_filter_is_a_loss(policy in any_policy(), args in any::<[u64; 6]>()) {
        if let Some((_, runtime)) = runtime() {
            check(runtime, &policy, args);
        }
    }

    #[test]
    fn rules_of_one_call_that_share_their_beginnings_are_exact(policy in any_wide_policy()) {
        if let Some((_, runtime)) = runtime() {
            check(runtime, &policy, [1, 3, 1 << 32, 0, 0, 0]);
        }
    }
}
