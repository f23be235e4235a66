//! The table of equivalents, and what it adds.

use std::collections::BTreeSet;

use sandprint_model::{Abi, Reason, Syscall};

use super::{EQUIVALENTS, equivalents};

fn call(abi: Abi, name: &str) -> Syscall {
    Syscall::from_name(abi, name).unwrap_or_else(|| panic!("no {name} in {abi}"))
}

fn added(abi: Abi, observed: &[&str]) -> BTreeSet<&'static str> {
    let observed = observed.iter().map(|name| call(abi, name)).collect();
    equivalents(&observed).filter_map(|(syscall, _)| syscall.name()).collect()
}

#[test]
fn every_name_of_the_table_exists_and_every_row_adds_something_somewhere() {
    for row in EQUIVALENTS {
        for name in row.observed.iter().chain(row.allowed) {
            assert!(Abi::ALL.iter().any(|abi| Syscall::from_name(*abi, name).is_some()), "{name}");
        }
        let adds = Abi::ALL.iter().any(|abi| {
            let here = |names: &[&'static str]| -> BTreeSet<&'static str> {
                names.iter().copied().filter(|name| Syscall::from_name(*abi, name).is_some()).collect()
            };
            let (observed, allowed) = (here(row.observed), here(row.allowed));
            observed.iter().any(|from| allowed.iter().any(|to| to != from))
        });
        assert!(adds, "{:?}", row.observed);
    }
}

#[test]
fn observed_calls_bring_their_equivalents_of_the_same_abi_and_nothing_else() {
    let cases: [(Abi, &[&str], &[&str]); 12] = [
        (Abi::X86_64, &["openat"], &["creat", "open", "openat2"]),
        (Abi::Aarch64, &["openat"], &["openat2"]),
        (Abi::X86_64, &["creat"], &["open"]),
        (Abi::X86_64, &["fstat"], &["lstat", "newfstatat", "stat", "statx"]),
        (Abi::I386, &["fstatat64"], &["fstat", "fstat64", "lstat", "lstat64", "stat", "stat64", "statx"]),
        (Abi::X86_64, &["clone3"], &["clone", "fork", "vfork"]),
        (Abi::X86_64, &["epoll_wait", "epoll_pwait"], &["epoll_pwait2"]),
        (Abi::X86_64, &["rmdir"], &["unlinkat"]),
        (Abi::X86_64, &["unlinkat"], &["rmdir", "unlink"]),
        (Abi::X86_64, &["copy_file_range", "sendfile", "fchmod", "close", "ioctl"], &[]),
        (Abi::I386, &["socket"], &[]),
        (Abi::I386, &["futex"], &["futex_time64"]),
    ];
    for (abi, observed, expected) in cases {
        assert_eq!(added(abi, observed), expected.iter().copied().collect(), "{abi} {observed:?}");
    }
}

#[test]
fn a_multiplexer_brings_the_calls_that_it_stands_for() {
    let direct = added(Abi::I386, &["socketcall"]);
    assert!(direct.contains("socket") && direct.contains("accept4"));
    assert!(!direct.contains("semget"));
}

#[test]
fn every_reason_names_the_call_that_was_observed() {
    let observed = BTreeSet::from([call(Abi::X86_64, "open"), call(Abi::X86_64, "stat")]);
    for (added, reason) in equivalents(&observed) {
        let Reason::Portability { of, why } = reason else { panic!("{reason:?}") };
        assert!(observed.contains(&of) && !observed.contains(&added) && !why.is_empty());
        assert_eq!(
            of.name() == Some("open"),
            ["openat", "openat2", "creat"].contains(&added.name().unwrap())
        );
    }
}
