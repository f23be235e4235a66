//! Explanations of policies that are small enough to be counted by hand.

use std::sync::Arc;

use sandprint_model::{Arch, ByteString, CallSeen, Gap, GapKind, Image, RunId, Subject};

use super::*;
use crate::import::{self, Format, Site};

const POLICY: &str = r#"version = 1
default = "errno EPERM"
foreign = "kill-process"

[[x86_64.read]]
do = "allow"
why = ["it reads"]

[[x86_64.connect]]
do = "log"
why = ["watched"]

[[x86_64.socket]]
do = "allow"
when = ["arg0.u32 == AF_INET"] # AF_INET6 is what it is for
why = ["the update check"]

[[x86_64.socket]]
do = "errno EAFNOSUPPORT"
why = ["nothing else"]

[[x86_64.ptrace]]
do = "kill-process"
when = ["arg0.u32 == PTRACE_ATTACH"]
why = ["no PTRACE_ATTACH, no PTRACE_SEIZE"]
"#;

fn file() -> PolicyFile {
    PolicyFile::read(POLICY).unwrap()
}

fn call(name: &str) -> Syscall {
    Syscall::from_name(Abi::X86_64, name).unwrap()
}

fn trace(calls: &[(Syscall, u64)]) -> Trace {
    let mut trace = Trace::default();
    let image = |path: &str| Arc::new(Image { path: ByteString::from(path), build_id: None, script: None });
    for (syscall, count) in calls {
        for path in ["/bin/a", "/bin/b\x1b[2J"] {
            trace.calls.join(
                Subject::of(&image(path)),
                *syscall,
                RunId::from_bits(1),
                CallSeen::times(*count),
            );
        }
    }
    trace
}

fn names(calls: &[Explained]) -> Vec<String> {
    calls.iter().map(|call| call.syscall.to_string()).collect()
}

#[test]
fn without_a_trace_everything_allowed_is_listed_by_purpose() {
    let explanation = explain(&file(), None);
    let [part] = explanation.abis.as_slice() else { panic!() };
    assert_eq!((explanation.runs, part.abi, part.allowed, part.observed), (None, Abi::X86_64, 3, 0));
    let groups: Vec<_> =
        part.unobserved.iter().map(|(purpose, calls)| (purpose.name(), names(calls).join(" "))).collect();
    assert_eq!(groups, [("io", "read".to_owned()), ("network", "socket connect".to_owned())]);
}

#[test]
fn observed_calls_are_allowed_refused_or_left_to_their_arguments() {
    let unnamed = Syscall { abi: Abi::X86_64, nr: 400 };
    let foreign = Syscall { abi: Abi::I386, nr: 20 };
    let calls = [(call("read"), 5), (call("socket"), 2), (call("mount"), 1), (unnamed, 3), (foreign, 4)];
    let mut trace = trace(&calls);
    trace.note_gap(Gap { kind: GapKind::Unfinished, run: RunId::from_bits(1), detail: None }, 1);
    let explanation = explain(&file(), Some(&trace));
    let [i386, part] = explanation.abis.as_slice() else { panic!() };
    assert_eq!((i386.abi, i386.allowed, i386.observed, i386.refused.len()), (Abi::I386, 0, 1, 1));
    assert_eq!(i386.refused[0].call.otherwise, Some(Action::KillProcess));
    assert_eq!((part.allowed, part.observed, part.observed_allowed), (3, 4, 1));
    let seen = |seen: &[Observed]| -> Vec<(String, u64)> {
        seen.iter().map(|seen| (seen.call.syscall.to_string(), seen.count)).collect()
    };
    assert_eq!(seen(&part.refused), [("mount".to_owned(), 2), ("syscall_400".to_owned(), 6)]);
    assert_eq!(seen(&part.depends), [("socket".to_owned(), 4)]);
    assert_eq!(part.unobserved.values().map(|calls| names(calls)).collect::<Vec<_>>(), [["connect"]]);
    assert_eq!(explanation.gaps.len(), 1);
    let listed = explanation.main_abis();
    assert_eq!(listed, BTreeSet::from([Abi::I386, Abi::X86_64]));
}

#[test]
fn a_policy_that_allows_by_default_allows_every_call_that_exists() {
    let mut file = PolicyFile::read(POLICY).unwrap();
    file.policy.calls.default_action = Action::Allow;
    let explanation = explain(&file, Some(&trace(&[(call("ptrace"), 1)])));
    let [part] = explanation.abis.as_slice() else { panic!() };
    assert_eq!(part.allowed, Syscall::all(Abi::X86_64).len());
    assert_eq!(part.unobserved.values().map(Vec::len).sum::<usize>(), part.allowed - 1);
    // One request kills, all others run.
    assert_eq!((part.depends.len(), part.refused.len()), (1, 0));
}

#[test]
fn a_comment_that_names_another_constant_is_found_and_one_that_names_its_own_is_not() {
    let findings = explain(&file(), None).findings;
    let [finding] = findings.iter().collect::<Vec<_>>()[..] else { panic!("{findings:?}") };
    assert_eq!(finding.syscall, call("socket"));
    assert_eq!(finding.wrote, "AF_INET6 is what it is for");
    assert_eq!((finding.index, finding.argument), (0, "family"));
    assert_eq!(finding.compared.iter().map(ToString::to_string).collect::<Vec<_>>(), ["arg0.u32 == 2"]);
    assert_eq!(finding.named, BTreeMap::from([("AF_INET6", 10)]));
    for (when, why, found) in [
        ("arg0.u32 == AF_INET", "AF_INET only", false),
        ("arg0.u32 == AF_INET", "AF_INET, not AF_UNIX", false),
        ("arg0.u32 == AF_INET", "no constant", false),
        ("arg0.u32 == AF_INET", "SOCK_STREAM only", false),
        ("arg0.u32 == AF_INET", "XAF_UNIX", false),
        ("arg0.u32 == AF_INET", "(AF_UNIX)", true),
        ("arg0.u32 < 10", "AF_UNIX", false),
        ("arg0.u32 != AF_UNIX", "all but AF_UNIX", false),
        ("arg1.u32 & SOCK_CLOEXEC == SOCK_CLOEXEC", "SOCK_CLOEXEC", false),
        ("arg1.u32 & SOCK_CLOEXEC == SOCK_CLOEXEC", "SOCK_NONBLOCK", true),
    ] {
        let text = format!(
            "version = 1\ndefault = \"errno EPERM\"\nforeign = \"kill-process\"\n\n[[x86_64.socket]]\n\
             do = \"allow\"\nwhen = [\"{when}\"]\nwhy = [\"{why}\"]\n"
        );
        let explanation = explain(&PolicyFile::read(&text).unwrap(), None);
        assert_eq!(!explanation.findings.is_empty(), found, "{when} {why}: {:?}", explanation.findings);
    }
}

#[test]
fn dockers_default_is_explained_for_every_abi_of_the_machine() {
    let profile = include_bytes!("../../../../corpus/profiles/docker-20.10.24.json");
    let imported = import::import(Format::Docker, profile, &Site::new(Arch::X86_64)).unwrap();
    let explanation = explain(&PolicyFile::new(imported.policy.clone()), None);
    assert_eq!(explanation.findings, BTreeSet::new());
    for part in &explanation.abis {
        let allowed = imported.policy.calls.allowed().filter(|syscall| syscall.abi == part.abi).count();
        let listed: usize = part.unobserved.values().map(Vec::len).sum();
        assert_eq!((part.allowed, listed), (allowed, allowed), "{}", part.abi);
    }
    assert_eq!(explanation.main_abis(), BTreeSet::from([Abi::X86_64]));
}
