//! What must hold of any bytes as a profile of another tool, one function per format. The fuzz targets call them for
//! as long as one likes, and `crates/sandprint-policy/tests/hostile_profiles.rs` for a few seconds.
//!
//! No importer panics, and what it says can be shown to people. What it accepts is a policy like any other: it is
//! written and read back in both forms, it compiles to a program that the kernel takes, and the program decides as
//! the policy does. A raw program that is imported without a loss decides as its policy does as well.

use std::collections::BTreeSet;

use sandprint_model::wire::{PolicyFile, decode_policy, encode_policy};
use sandprint_model::{Abi, Action, Arch, Call, Policy, Syscall};
use sandprint_policy::cases;
use sandprint_policy::cbpf::{
    CompileError, Program, SeccompData, compile, returned_action, simulate, validate,
};
use sandprint_policy::import::{Format, Imported, Site, import, sniff};

use super::properties::check_message;

/// Most rules of a policy that is looked at further: the largest real profiles have fewer.
const MOST_RULES: usize = 2500;

/// Anything as a raw classic BPF program.
pub fn bpf(bytes: &[u8]) {
    if let Some(imported) = check(Format::Bpf, bytes)
        && imported.losses.is_empty()
    {
        let program = Program::from_bytes(bytes).unwrap();
        assert_eq!(validate(&program), Ok(()));
        decides_as(&program, &imported.policy);
    }
}

/// Anything as a profile of Docker or Podman.
pub fn docker(bytes: &[u8]) {
    check(Format::Docker, bytes);
}

/// Anything as the profile of an OCI runtime.
pub fn oci(bytes: &[u8]) {
    check(Format::Oci, bytes);
}

/// Anything as a unit of systemd.
pub fn systemd(bytes: &[u8]) {
    check(Format::Systemd, bytes);
}

fn check(format: Format, bytes: &[u8]) -> Option<Imported> {
    sniff(bytes);
    let arch = if bytes.len().is_multiple_of(3) { Arch::Aarch64 } else { Arch::X86_64 };
    let imported = match import(format, bytes, &Site::new(arch)) {
        Ok(imported) => imported,
        Err(error) => {
            check_message(&error.to_string());
            return None;
        }
    };
    for loss in &imported.losses {
        check_message(&loss.to_string());
    }
    let policy = &imported.policy;
    // A program of a few instructions may decide thousands of numbers in ways of their own.
    if policy.calls.rules.values().map(Vec::len).sum::<usize>() > MOST_RULES {
        return None;
    }
    for note in &policy.notes {
        check_message(&note.to_string());
    }
    assert!(policy.calls.rules.values().all(|rules| !rules.is_empty()));
    assert_eq!(decode_policy(encode_policy(policy).as_bytes()).as_ref(), Ok(policy));
    let text = PolicyFile::new(policy.clone()).write();
    check_message(&text);
    let file = PolicyFile::read(&text).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
    assert_eq!(file.policy, *policy, "{text}");
    assert_eq!(file.write(), text);
    match compile(policy) {
        Ok(program) => {
            assert_eq!(validate(&program), Ok(()));
            decides_as(&program, policy);
        }
        Err(CompileError::TooLong(length)) => assert!(length > 4096),
        Err(error) => panic!("{error}"),
    }
    Some(imported)
}

/// Holds a program against a policy: around each number that has rules, and at the edges of what they compare.
fn decides_as(program: &Program, policy: &Policy) {
    const MOST: usize = 60;
    let decides = |call: Call| {
        let returned = returned_action(simulate(program, &SeccompData::from(&call)));
        assert_eq!(returned, policy.calls.decide(&call), "{call:?}\n{policy:#?}");
    };
    let mut numbers: BTreeSet<Syscall> = BTreeSet::new();
    for Syscall { abi, nr } in policy.calls.rules.keys().copied() {
        let near = [nr.saturating_sub(1), nr, nr.saturating_add(1)];
        numbers.extend(near.map(|nr| Syscall { abi, nr }));
    }
    numbers.retain(|syscall| syscall.abi != Abi::X32 || syscall.nr < Abi::X32_BIT);
    numbers.retain(|syscall| syscall.abi != Abi::X86_64 || syscall.nr & Abi::X32_BIT == 0);
    for syscall in numbers {
        decides(Call { syscall, args: [0; 6] });
    }
    for (syscall, rules) in &policy.calls.rules {
        let (arguments, _) = cases::arguments(rules.iter().flat_map(|rule| &rule.conditions));
        let step = arguments.len().div_ceil(MOST).max(1);
        for args in arguments.into_iter().step_by(step) {
            let narrow = matches!(syscall.abi, Abi::I386 | Abi::Arm);
            let args = if narrow { args.map(|arg| arg & 0xffff_ffff) } else { args };
            decides(Call { syscall: *syscall, args });
        }
    }
    // None of the rules' actions is one that cannot be said.
    assert!(policy.calls.rules.values().flatten().all(|rule| !matches!(rule.action, Action::Errno(4096..))));
}
