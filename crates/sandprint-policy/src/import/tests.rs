//! What each importer makes of small profiles, and what it says of what it cannot read.

use super::*;

fn target() -> Target {
    Target::new(Arch::X86_64)
}

fn read(format: Format, text: &str) -> Imported {
    import(format, text.as_bytes(), &target()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn of(policy: &Policy, abi: Abi, name: &str, arg0: u64) -> Action {
    let syscall = Syscall::from_name(abi, name).unwrap();
    policy.decide(&Call { syscall, args: [arg0, 0, 0, 0, 0, 0] })
}

#[test]
fn bare_calls_have_no_arguments() {
    assert_eq!(bare(Syscall { abi: Abi::X86_64, nr: 0 }).args, [0; 6]);
}
