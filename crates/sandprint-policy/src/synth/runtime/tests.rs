//! The table of launchers, its reader, and what it adds.

use std::collections::BTreeSet;

use sandprint_model::{Abi, Reason};

use super::{Runtime, TABLE, needed, parse};
use crate::synth::SynthError;

fn problem(text: &str) -> (usize, String) {
    match parse(text) {
        Err(SynthError::RuntimeTable { line, problem }) => (line, problem),
        other => panic!("{text:?} gave {other:?}"),
    }
}

fn names(runtime: Runtime, no_new_privs: Option<bool>, abi: Abi) -> BTreeSet<&'static str> {
    let calls = needed(runtime, no_new_privs, &BTreeSet::from([abi])).unwrap();
    calls.into_iter().filter_map(|(syscall, _)| syscall.name()).collect()
}

#[test]
fn the_table_reads_and_every_launcher_is_in_it() {
    let rows = parse(TABLE).unwrap();
    let in_table: BTreeSet<Runtime> = rows.iter().map(|row| row.runtime).collect();
    assert_eq!(in_table, Runtime::ALL.into_iter().collect());
}

#[test]
fn every_launcher_may_execute_the_program_on_every_machine() {
    for runtime in Runtime::ALL {
        for abi in [Abi::X86_64, Abi::Aarch64] {
            for no_new_privs in [None, Some(false), Some(true)] {
                assert!(names(runtime, no_new_privs, abi).contains("execve"), "{runtime:?} {abi}");
            }
        }
    }
}

#[test]
fn serving_both_ways_is_the_union_of_the_two() {
    for runtime in Runtime::ALL {
        let with = names(runtime, Some(true), Abi::X86_64);
        let without = names(runtime, Some(false), Abi::X86_64);
        assert_eq!(names(runtime, None, Abi::X86_64), with.union(&without).copied().collect());
    }
    let with = names(Runtime::Runc, Some(true), Abi::X86_64);
    let without = names(Runtime::Runc, Some(false), Abi::X86_64);
    assert!(
        without.contains("capset") && !with.contains("capset"),
        "capabilities are dropped before the filter"
    );
}

#[test]
fn a_launcher_is_native_whatever_the_workload_is() {
    let calls = needed(Runtime::Crun, None, &BTreeSet::from([Abi::I386])).unwrap();
    assert!(!calls.is_empty());
    for (syscall, reason) in calls {
        assert_eq!(syscall.abi, Abi::X86_64);
        let Reason::Runtime { runtime, why } = reason else { panic!("{reason:?}") };
        assert_eq!(runtime, "crun");
        assert!(why.contains("(seen in version "), "{why}");
    }
}

#[test]
fn where_a_call_is_not_there_a_libc_makes_another() {
    let there = names(Runtime::Tini, None, Abi::Aarch64);
    for call in ["readlinkat", "getpgid", "rt_sigtimedwait"] {
        assert!(there.contains(call), "{call}");
    }
    assert!(
        names(Runtime::Tini, None, Abi::X86_64).is_superset(&["readlink", "getpgrp", "arch_prctl"].into())
    );
}

#[test]
fn a_broken_line_is_named() {
    let good = "runc\t1.1.5\tyes\texecve\texecutes the program";
    assert_eq!(parse(&format!("# comment\n\n{good}\n")).unwrap().len(), 1);
    for (text, line, words) in [
        ("runc\t1.1.5\tyes\texecve", 1, "4 columns instead of 5"),
        ("runc\t1.1.5\tyes\texecve\twhy\tmore", 1, "6 columns instead of 5"),
        ("runc\t1.1.5\tmaybe\texecve\twhy", 1, "`maybe` is not yes, no or any"),
        ("docker\t1\tyes\texecve\twhy", 1, "there is no launcher `docker`"),
        ("runc\t1.1.5\tyes\tExecve\twhy", 1, "there is no call `Execve`"),
        ("runc\t\tyes\texecve\twhy", 1, "`` is empty or has blanks around it"),
        ("runc\t1.1.5\tyes\texecve\t ", 1, "` ` is empty or has blanks around it"),
        ("# x\nrunc\t1.1.5\tyes\texecve \twhy", 2, "`execve ` is empty or has blanks around it"),
    ] {
        assert_eq!(problem(text), (line, words.to_owned()), "{text:?}");
    }
    assert_eq!(problem(&format!("{good}\n{good}")), (2, "`execve` is there twice".to_owned()));
}
