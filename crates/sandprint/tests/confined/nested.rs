//! `run` within `run`: a kernel that lacks something, one that lies, and one sandbox in another.

use sandprint_model::{Action, Comparison, Condition, Policy, Syscall, Width};

use crate::SANDPRINT;
use crate::under::run_under;
use testkit::ended::Ended;
use testkit::expect::skip;
use testkit::hosts::NATIVE;
use testkit::policies::native::{all_but, call, policy, refusing, rule};
use testkit::scratch::Scratch;

/// What comes of `run` with these options, in a process where the kernel answers as the policy `outer` says.
fn within(outer: &Policy, options: &[&str]) -> Ended {
    let scratch = Scratch::of(SANDPRINT);
    scratch.policy(&all_but(&[]));
    std::fs::rename(scratch.path("policy"), scratch.path("inner")).unwrap();
    let command = [&[SANDPRINT, "run", "-p", "inner"], options, &["--", "touch", "ran"]].concat();
    let ended = run_under(&scratch, outer, &[], &command);
    assert_eq!(scratch.path("ran").exists(), ended.status == 0, "{}", ended.stderr);
    ended
}

const KERNEL: &str = "the kernel must be built with CONFIG_SECCOMP_FILTER; recording, generating and comparing work without it";
const ANSWERED: &str = "nothing was run: another filter, tracer or supervisor answers for the kernel here; run it outside of that";
const WITHOUT_LANDLOCK: &str = "leave out --landlock: the seccomp filter is enforced all the same, and only io_uring \
                                and the like go round it; to enable Landlock, boot with `landlock` in lsm=";

#[test]
fn what_a_kernel_lacks_is_named_with_the_release_that_has_it() {
    let answered = |name: &'static str, errno| all_but(&[(name, Action::Errno(errno))]);
    let mut no_log = all_but(&[]);
    let log = Condition {
        index: 1,
        width: Width::Bits32,
        comparison: Comparison::MaskedEqual { mask: 2, value: 2 },
    };
    no_log.calls.rules.insert(call("seccomp"), vec![rule(Action::Errno(22), vec![log])]);
    for (outer, options, error, hint) in [
        (
            answered("seccomp", 38),
            &[][..],
            "failed to use the system call seccomp, there since Linux 3.17: this kernel does not offer it",
            KERNEL,
        ),
        (
            answered("seccomp", 22),
            &[],
            "failed to use seccomp filters (CONFIG_SECCOMP_FILTER), there since Linux 3.5: this kernel does not offer it",
            KERNEL,
        ),
        (
            answered("landlock_create_ruleset", 38),
            &["--landlock"],
            "failed to use Landlock: this kernel does not offer it; mainline has it since Linux 5.13",
            WITHOUT_LANDLOCK,
        ),
        (
            answered("landlock_create_ruleset", 95),
            &["--landlock"],
            "failed to use Landlock: this kernel has it, but it was not enabled when the kernel was started",
            WITHOUT_LANDLOCK,
        ),
    ] {
        // All that Landlock could refuse is allowed by the inner policy, which does not keep it from being asked for.
        assert_eq!(within(&outer, options), Ended::failed(125, error, hint));
    }
    let ended = within(&no_log, &["--log-denials"]);
    let (note, error) = ended.stderr.split_once('\n').unwrap();
    assert!(note.starts_with("note: "), "{note}");
    assert_eq!(
        error,
        "error: failed to use the logging of denials (SECCOMP_FILTER_FLAG_LOG), there since Linux 4.14: this kernel \
         does not offer it\nhint: leave out --log-denials: the policy is enforced all the same\n"
    );
    assert_eq!(within(&no_log, &[]), Ended::with(0));
}

#[test]
fn a_kernel_that_only_says_that_it_installed_the_filter_is_found_out() {
    // An answer of 0, and nothing was done.
    let lying = all_but(&[("seccomp", Action::Errno(0))]);
    // The outer filter's own probe answers, so the inner one expected another answer.
    let error = "failed to find the filter in force: it was installed, but the call that only it answers came back with \
                 Unknown error 3551 (os error 3551)";
    assert_eq!(within(&lying, &[]), Ended::failed(125, error, ANSWERED));
}

#[test]
fn a_filter_that_kills_unknown_calls_is_found_out_without_dying() {
    let mut killing = all_but(&[]);
    let probe = Syscall { abi: NATIVE, nr: 0x3fff_5350 };
    for (action, signal) in [(Action::KillProcess, 31), (Action::Trap, 31)] {
        killing.calls.rules.insert(probe, vec![rule(action, Vec::new())]);
        let error = format!(
            "failed to prove that the filter is in force: this process is under another filter already, which kills the \
             caller of the unknown call 0x3fff5350 (signal {signal})"
        );
        assert_eq!(within(&killing, &[]), Ended::failed(125, &error, ANSWERED));
    }
}

#[test]
fn one_policy_in_another_is_proven_and_both_hold() {
    let scratch = Scratch::of(SANDPRINT);
    scratch.policy(&refusing(&["mkdir", "mkdirat"]));
    std::fs::rename(scratch.path("policy"), scratch.path("inner")).unwrap();
    let mut words = [SANDPRINT, "run", "-p", "inner", "--"].repeat(3);
    words.extend(["sh", "-c", "mkdir a 2> /dev/null; ln -s x b 2> /dev/null; ls"]);
    let outer = refusing(&["symlink", "symlinkat"]);
    let ended = run_under(&scratch, &outer, &[], &words);
    assert_eq!((ended.status, ended.stdout.as_str(), ended.stderr.as_str()), (0, "inner\npolicy\n", ""));
}

#[test]
fn a_domain_that_is_not_in_force_is_found_out() {
    let scratch = Scratch::of(SANDPRINT);
    let strict = policy(Action::Errno(1), &[("execve", Action::Allow), ("exit_group", Action::Allow)]);
    scratch.policy(&strict);
    std::fs::rename(scratch.path("policy"), scratch.path("inner")).unwrap();
    let lying = all_but(&[("landlock_restrict_self", Action::Errno(0))]);
    let ended =
        run_under(&scratch, &lying, &[], &[SANDPRINT, "run", "-p", "inner", "--landlock", "--", "true"]);
    if ended.stderr.contains("failed to use Landlock") {
        return skip("landlock", &ended.stderr);
    }
    let error = "failed to find the Landlock domain in force: it was entered, but this process may look into one outside \
                 of it";
    let hint = "nothing was run: another sandbox around this process may be in the way";
    // A kernel that lacks some of the rights says so before.
    let expected = Ended::failed(125, error, hint);
    assert_eq!((ended.status, ended.stdout), (expected.status, expected.stdout));
    assert!(ended.stderr.ends_with(&expected.stderr), "{}", ended.stderr);
}
