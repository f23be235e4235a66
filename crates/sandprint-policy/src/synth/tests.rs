//! Synthesis as a whole: reasons, kernels, gaps, notes, and what holds for any trace.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;
use sandprint_model::{
    Abi, Action, ByteString, Call, CallSeen, Gap, GapKind, Host, Image, KernelVersion, Policy, Reason,
    Recorder, Run, RunId, Subject, Syscall, Trace, wire,
};

use super::{
    Additions, AllowedArguments, DefaultAction, Runtime, SynthConfig, SynthError, additions, allow_runtime,
    synthesize,
};

fn call(abi: Abi, name: &str) -> Syscall {
    Syscall::from_name(abi, name).unwrap_or_else(|| panic!("no {name} in {abi}"))
}

fn run(kernel: Option<&str>) -> Run {
    let host = kernel.map(|kernel| Host { kernel: kernel.to_owned(), arch: Abi::X86_64.arch() });
    Run {
        duration_ms: None,
        exit: None,
        name: None,
        command: Vec::new(),
        target: None,
        recorder: Recorder::Ebpf,
        started_unix_ms: None,
        host,
        tool_version: "0.1.0".to_owned(),
        facts: BTreeSet::new(),
        peaks: std::collections::BTreeMap::new(),
    }
}

fn image(path: &str) -> Arc<Image> {
    Arc::new(Image { path: ByteString::from(path), build_id: None, script: None })
}

/// A trace of one run by one program, each call made once.
fn trace(id: u128, kernel: Option<&str>, path: &str, calls: &[Syscall]) -> Trace {
    let id = RunId::from_bits(id);
    let mut trace = Trace::default();
    trace.runs.insert(id, run(kernel));
    for syscall in calls {
        trace.calls.join(Subject::of(&image(path)), *syscall, id, CallSeen::times(1));
    }
    trace
}

fn x86_64(names: &[&str]) -> Trace {
    let calls: Vec<_> = names.iter().map(|name| call(Abi::X86_64, name)).collect();
    trace(1, Some("6.1.0"), "/bin/true", &calls)
}

fn policy(trace: &Trace, config: &SynthConfig) -> Policy {
    synthesize(trace, config).unwrap()
}

fn allowed(policy: &Policy) -> BTreeSet<&'static str> {
    policy.calls.allowed().filter_map(Syscall::name).collect()
}

fn absent(policy: &Policy) -> BTreeSet<&'static str> {
    let absent = policy.calls.rules.iter().filter(|(_, rules)| rules[0].action == Action::Errno(38));
    absent.filter_map(|(syscall, _)| syscall.name()).collect()
}

fn notes(policy: &Policy) -> Vec<String> {
    policy.notes.iter().map(ToString::to_string).collect()
}

fn bare() -> SynthConfig {
    SynthConfig { baseline: false, ..SynthConfig::default() }
}

#[test]
fn an_observed_call_is_allowed_with_its_sum_its_runs_and_its_programs() {
    let read = call(Abi::X86_64, "read");
    let mut merged = Trace::default();
    for (id, path, count) in [(1, "/bin/b", 5), (1, "/bin/a", 2), (2, "/bin/a", u64::MAX)] {
        let id = RunId::from_bits(id);
        merged.runs.insert(id, run(None));
        merged.calls.join(Subject::of(&image(path)), read, id, CallSeen::times(count));
    }
    let policy = policy(&merged, &bare());
    let rules = &policy.calls.rules[&read];
    assert_eq!(rules.len(), 1);
    assert_eq!((rules[0].action, rules[0].conditions.len()), (Action::Allow, 0));
    let images = vec![image("/bin/a"), image("/bin/b")];
    assert_eq!(rules[0].reasons, [Reason::Observed { count: u64::MAX, runs: 2, images }].into());
}

#[test]
fn without_options_only_observed_calls_run() {
    let policy = policy(&x86_64(&["read", "exit_group"]), &bare());
    assert_eq!(allowed(&policy), ["read", "exit_group"].into());
    assert_eq!(policy.kernel, Some(KernelVersion::new(6, 1)));
    assert_eq!(
        (policy.calls.default_action, policy.calls.foreign_action),
        (Action::Errno(1), Action::KillProcess)
    );
    let decide = |syscall| policy.calls.decide(&Call { syscall, args: [0; 6] });
    assert_eq!(decide(call(Abi::X86_64, "open")), Action::Errno(1));
    assert_eq!(decide(call(Abi::X86_64, "clone3")), Action::Errno(38));
    assert_eq!(decide(call(Abi::X86_64, "mseal")), Action::Errno(38));
    assert_eq!(decide(call(Abi::I386, "read")), Action::KillProcess);
}

#[test]
fn the_baseline_keeps_its_reason_beside_what_was_observed() {
    let policy = policy(&x86_64(&["exit_group"]), &SynthConfig::default());
    let reasons = &policy.calls.rules[&call(Abi::X86_64, "exit_group")][0].reasons;
    assert!(matches!(reasons.iter().collect::<Vec<_>>()[..], [Reason::Observed { .. }, Reason::Baseline(_)]));
    assert!(allowed(&policy).is_superset(&["restart_syscall", "rt_sigreturn", "clock_gettime"].into()));
}

#[test]
fn what_chance_decides_comes_with_the_baseline() {
    let threads = x86_64(&["clone3", "exit"]);
    let futex = call(Abi::X86_64, "futex");
    let with = policy(&threads, &SynthConfig::default());
    assert!(matches!(with.calls.rules[&futex][0].reasons.first(), Some(Reason::Baseline(_))));
    assert_eq!(allowed(&policy(&threads, &bare())), ["clone3", "exit"].into());
}

#[test]
fn the_oldest_kernel_decides_what_is_absent_unless_told_otherwise() {
    let mut two = x86_64(&["read"]);
    two.merge(trace(2, Some("5.10.223"), "/bin/true", &[call(Abi::X86_64, "read")]));
    let of = |config: &SynthConfig| {
        let policy = policy(&two, config);
        (policy.kernel, absent(&policy).contains("futex_waitv"), absent(&policy).contains("openat2"))
    };
    assert_eq!(of(&bare()), (Some(KernelVersion::new(5, 10)), true, true));
    let newer = SynthConfig { kernel: Some(KernelVersion::new(5, 16)), ..bare() };
    assert_eq!(of(&newer), (newer.kernel, false, true), "libraries fall back from openat2 on any kernel");

    let unknown = policy(&trace(1, Some("unknown"), "", &[call(Abi::X86_64, "read")]), &bare());
    assert_eq!(unknown.kernel, None);
    assert!(!absent(&unknown).contains("futex_waitv") && absent(&unknown).contains("openat2"));
    assert!(notes(&unknown)[0].starts_with("1 of 1 runs do not say which kernel they ran on. So only"));
}

#[test]
fn what_is_allowed_is_never_absent() {
    let observed = x86_64(&["clone3", "futex_waitv", "openat"]);
    let config = SynthConfig { kernel: Some(KernelVersion::new(5, 10)), portable: true, ..bare() };
    let policy = policy(&observed, &config);
    assert!(allowed(&policy).is_superset(&["clone3", "futex_waitv", "openat2"].into()));
    assert_eq!(allowed(&policy).intersection(&absent(&policy)).count(), 0);
}

#[test]
fn probes_of_newer_calls_survive_every_default_and_log_refuses_nothing() {
    for default_action in DefaultAction::ALL {
        let policy = policy(&x86_64(&["read"]), &SynthConfig { default_action, ..bare() });
        let probe = policy.calls.decide(&Call { syscall: call(Abi::X86_64, "clone3"), args: [0; 6] });
        let other = policy.calls.decide(&Call { syscall: call(Abi::X86_64, "open"), args: [0; 6] });
        let foreign = policy.calls.decide(&Call { syscall: call(Abi::I386, "open"), args: [0; 6] });
        let log = default_action == DefaultAction::Log;
        assert_eq!(probe, if log { Action::Log } else { Action::Errno(38) }, "{default_action:?}");
        assert_eq!(other, default_action.action());
        assert_eq!(foreign, if log { Action::Log } else { Action::KillProcess }, "{default_action:?}");
        assert_eq!(DefaultAction::from_name(default_action.name()), Some(default_action));
    }
}

#[test]
fn launchers_and_equivalents_bring_their_reasons() {
    let config = SynthConfig { runtimes: [Runtime::Runc].into(), portable: true, ..bare() };
    let policy = policy(&x86_64(&["openat"]), &config);
    let reasons = |name| &policy.calls.rules[&call(Abi::X86_64, name)][0].reasons;
    assert!(
        reasons("execve")
            .iter()
            .all(|reason| matches!(reason, Reason::Runtime { runtime, .. } if runtime == "runc"))
    );
    let of = call(Abi::X86_64, "openat");
    assert!(
        reasons("open")
            .iter()
            .all(|reason| matches!(reason, Reason::Portability { of: from, .. } if *from == of))
    );
    assert!(matches!(reasons("openat").first(), Some(Reason::Observed { .. })));
}

#[test]
fn an_empty_trace_makes_no_policy() {
    let mut empty = Trace::default();
    empty.runs.insert(RunId::from_bits(1), run(Some("6.1")));
    assert_eq!(synthesize(&empty, &SynthConfig::default()), Err(SynthError::Empty));
}

#[test]
fn a_blocking_gap_stops_synthesis_until_it_is_accepted() {
    let mut incomplete = x86_64(&["read"]);
    let gap = |run, kind, detail: Option<&str>| Gap {
        kind,
        run: RunId::from_bits(run),
        detail: detail.map(str::to_owned),
    };
    incomplete.note_gap(gap(1, GapKind::IoUringProbe, None), 1);
    assert_eq!(
        notes(&policy(&incomplete, &bare())),
        [
            "execve is not allowed (x86_64), so a launcher cannot start the program. Generate for that launcher \
          (--runtime), or load the filter from within the program.",
            "io_uring was set up, but no operation was submitted through it."
        ],
        "a gap that hides no call is a note"
    );

    for detail in ["pid 4", "pid 1", "pid 2", "pid 3"] {
        incomplete.note_gap(gap(1, GapKind::AttachedMidRun, Some(detail)), 1);
    }
    incomplete.note_gap(gap(2, GapKind::CallsLost, None), 7);
    incomplete.note_gap(gap(3, GapKind::CallsLost, None), 0);
    let gaps = [
        "The target ran before the recording began; calls made only at its start are missing (pid 1, pid 2, \
         pid 3, and 1 more).",
        "A map of the recorder was full; some calls were not counted (in 2 runs).",
    ];
    let refused = synthesize(&incomplete, &bare()).unwrap_err();
    let kinds = [GapKind::AttachedMidRun, GapKind::CallsLost];
    let told = kinds.into_iter().zip(gaps.map(str::to_owned)).collect();
    assert_eq!(refused, SynthError::Incomplete { gaps: told });
    assert!(refused.to_string().ends_with(gaps[1]));

    let accepted = policy(&incomplete, &SynthConfig { allow_incomplete: true, ..bare() });
    for gap in gaps {
        let note = format!("Accepted as incomplete: {gap}");
        assert!(notes(&accepted).contains(&note), "{note}");
    }
}

#[test]
fn a_reader_is_told_what_the_rules_do_not_show() {
    let mut mixed = x86_64(&["openat", "execve", "clone", "clone3"]);
    let others =
        [call(Abi::I386, "execve"), call(Abi::I386, "execveat"), Syscall { abi: Abi::X86_64, nr: 5000 }];
    mixed.merge(trace(1, Some("6.1.0"), "/bin/true", &others));
    let expected = [
        "A refused call ends one thread. The others may wait for it for ever.",
        "Calls of i386 were recorded. So a filter must let that ABI in beside the native one.",
        "Number 5000 of x86_64 has no name. Formats that list names cannot express it.",
        "execve is allowed; its equivalent execveat is not (x86_64). This adds no security, and another libc may need \
         it: see --portable.",
        "openat is allowed; its equivalents open and openat2 are not (x86_64). This adds no security, and another libc \
         may need them: see --portable.",
    ];
    let config = SynthConfig { default_action: DefaultAction::KillThread, ..bare() };
    assert_eq!(notes(&policy(&mixed, &config)), expected);
}

fn any_trace() -> impl Strategy<Value = Trace> {
    let known = select(&["openat", "clone3", "socket", "statx", "mmap2", "exit_group", "futex_waitv"][..]);
    let named = (select(&Abi::ALL[..]), known)
        .prop_filter_map("not in this ABI", |(abi, name)| Syscall::from_name(abi, name));
    let syscall = prop_oneof![4 => named, 1 => (0..700u32).prop_map(|nr| Syscall { abi: Abi::X86_64, nr })];
    let kernel = select(&[None, Some("5.10"), Some("6.18-x"), Some("?")][..]);
    let one = (1..4u128, kernel, any::<String>(), proptest::collection::vec(syscall, 1..6))
        .prop_map(|(id, kernel, path, calls)| trace(id, kernel, &path, &calls));
    proptest::collection::vec(one, 1..4).prop_map(|traces| {
        let mut all = Trace::default();
        for trace in traces {
            all.merge(trace);
        }
        all
    })
}

fn any_config() -> impl Strategy<Value = SynthConfig> {
    (
        select(&DefaultAction::ALL[..]),
        select(vec![None, Some(KernelVersion::new(4, 19)), Some(KernelVersion::new(7, 0))]),
        any::<[bool; 2]>(),
        proptest::collection::btree_set(select(&Runtime::ALL[..]), 0..3),
        any::<Option<bool>>(),
    )
        .prop_map(|(default_action, kernel, [baseline, portable], runtimes, no_new_privs)| SynthConfig {
            default_action,
            kernel,
            baseline,
            portable,
            runtimes,
            no_new_privs,
            arguments: AllowedArguments::Any,
            allow_incomplete: false,
        })
}

proptest! {
    #[test]
    fn every_rule_has_a_reason_and_does_something(trace in any_trace(), config in any_config()) {
        let policy = policy(&trace, &config);
        for (syscall, rules) in &policy.calls.rules {
            let are_told_apart = rules.iter().all(|rule| !rule.conditions.is_empty());
            prop_assert!(rules.len() == 1 || are_told_apart);
            prop_assert!(!rules[0].reasons.is_empty(), "{}", syscall);
            prop_assert_ne!(rules[0].action, policy.calls.default_action);
            let told_apart = additions::may_be_told_apart(*syscall);
            prop_assert!(rules[0].conditions.is_empty() || told_apart, "{}", syscall);
        }
        for syscall in trace.syscalls() {
            let action = policy.calls.decide(&Call { syscall, args: [0; 6] });
            prop_assert_eq!(action, Action::Allow);
        }
    }

    #[test]
    fn without_options_nothing_but_the_observed_calls_runs(trace in any_trace()) {
        let policy = policy(&trace, &bare());
        prop_assert_eq!(policy.calls.allowed().collect::<BTreeSet<_>>(), trace.syscalls());
    }

    #[test]
    fn an_option_only_adds(trace in any_trace(), config in any_config()) {
        let allowed: BTreeSet<_> = policy(&trace, &config).calls.allowed().collect();
        let fewer = [
            SynthConfig { baseline: false, ..config.clone() },
            SynthConfig { portable: false, ..config.clone() },
            SynthConfig { runtimes: BTreeSet::new(), ..config.clone() },
        ];
        for config in fewer {
            prop_assert!(policy(&trace, &config).calls.allowed().all(|syscall| allowed.contains(&syscall)));
        }
    }

    #[test]
    fn the_order_of_merging_changes_no_byte(
        traces in proptest::collection::vec(any_trace(), 1..4),
        config in any_config(),
    ) {
        let (mut forwards, mut backwards) = (Trace::default(), Trace::default());
        for trace in &traces {
            forwards.merge(trace.clone());
        }
        for trace in traces.iter().rev().chain(&traces) {
            backwards.merge(trace.clone());
        }
        let bytes = |trace| wire::encode_policy(&policy(trace, &config));
        prop_assert_eq!(bytes(&forwards), bytes(&backwards));
    }
}

#[test]
fn a_launcher_is_added_to_a_policy_that_was_made_without_it() {
    use sandprint_model::wire::PolicyFile;
    let text = "version = 1\ndefault = \"errno EPERM\"\nforeign = \"kill-process\"\n\
        [[x86_64.execve]]\ndo = \"allow\"\nwhy = [\"mine\"]\n\
        [[x86_64.prctl]]\ndo = \"errno EIO\"\nwhen = [\"arg0.u32 == 1\"]\n\
        [[x86_64.prctl]]\ndo = \"errno ENOSYS\"\n";
    let mut policy = PolicyFile::read(text).unwrap().policy;
    let prctl = Syscall::from_name(sandprint_model::Abi::X86_64, "prctl").unwrap();
    let mut unasked = policy.clone();
    assert_eq!(allow_runtime(&mut unasked, Runtime::Crun, Some(false), false), Ok([prctl].into()));
    assert_eq!(unasked.calls.rules[&prctl], policy.calls.rules[&prctl]);
    assert!(unasked.calls.rules.len() > policy.calls.rules.len());
    assert_eq!(allow_runtime(&mut policy, Runtime::Crun, Some(false), true), Ok([].into()));
    let rules =
        |name: &str| &policy.calls.rules[&Syscall::from_name(sandprint_model::Abi::X86_64, name).unwrap()];
    let is_runtime = |reason: &Reason| matches!(reason, Reason::Runtime { runtime, .. } if runtime == "crun");
    let execve = rules("execve");
    assert_eq!((execve.len(), execve[0].reasons.len()), (1, 2));
    let prctl = rules("prctl");
    assert_eq!(prctl.iter().map(|rule| rule.action).collect::<Vec<_>>(), [Action::Errno(5), Action::Allow]);
    assert!(prctl[1].reasons.iter().all(is_runtime) && prctl[0].reasons.is_empty());
    // Everything that a policy made with the launcher allows for it.
    let config =
        SynthConfig { runtimes: [Runtime::Crun].into(), no_new_privs: Some(false), ..SynthConfig::default() };
    let whole = self::policy(&x86_64(&["read"]), &config);
    for (syscall, of_whole) in &whole.calls.rules {
        if of_whole.iter().flat_map(|rule| &rule.reasons).any(is_runtime) {
            assert!(policy.calls.rules[syscall].iter().any(|rule| rule.action == Action::Allow), "{syscall}");
        }
    }
}

#[test]
fn the_policy_to_start_from_starts_a_program_and_allows_little_else() {
    for native in [Abi::X86_64, Abi::Aarch64] {
        let mut policy = super::starting_point(native);
        Additions::read().unwrap().complete(&mut policy, AllowedArguments::Any);
        assert_eq!(crate::enforce::check(&policy, native), Ok(()));
        assert_eq!(crate::check::check(&policy), []);
        assert_eq!(crate::enforce::of_execve(&policy, native, [0; 6]).unwrap().action, Action::Allow);
        assert!(policy.calls.rules.values().flatten().all(|rule| rule.reasons.len() == 1));
        for name in ["openat", "mmap", "socket", "clone", "execveat"] {
            let syscall = Syscall::from_name(native, name).unwrap();
            assert_eq!(
                policy.calls.decide(&sandprint_model::Call { syscall, args: [0; 6] }),
                Action::Errno(1)
            );
        }
    }
}
