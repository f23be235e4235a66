//! What the policy refuses is refused, in each of the ways in which it can refuse, and nothing else is.

use sandprint_model::Action;

use crate::support::{Ended, How, Scratch, allowing, has_landlock, policy, witness};

const SIGSYS: i32 = 31;
const ENOSYS: i32 = 38;

/// Under a default that kills: whatever we ourselves called after the filter was installed would show.
#[test]
fn the_witness_makes_its_calls_and_we_make_none() {
    let Some(refused) = witness("refused") else { return };
    let policy = allowing(&["execve", "getppid", "exit_group"], Action::KillProcess);
    let ended = Scratch::new().run_under(&policy, &[], &[refused.to_str().unwrap()]);
    assert_eq!(ended, Ended::status(0));
}

#[test]
fn every_action_does_what_it_says() {
    let Some(refused) = witness("refused") else { return };
    let scratch = Scratch::new();
    for (action, how) in [
        (Action::Allow, How::Status(0)),
        (Action::Log, How::Status(0)),
        (Action::Errno(1), How::Status(1)),
        (Action::Errno(38), How::Status(38)),
        (Action::Errno(77), How::Status(77)),
        (Action::Trace(5), How::Status(ENOSYS)),
        (Action::Notify, How::Status(ENOSYS)),
        (Action::Trap, How::Signal(SIGSYS)),
        (Action::KillThread, How::Signal(SIGSYS)),
        (Action::KillProcess, How::Signal(SIGSYS)),
    ] {
        // As a rule of the call, and as the default.
        let by_rule = policy(
            Action::KillProcess,
            &[("execve", Action::Allow), ("exit_group", Action::Allow), ("getppid", action)],
        );
        let by_default = allowing(&["execve", "exit_group"], action);
        for (policy, options) in [(&by_rule, &[][..]), (&by_default, &[]), (&by_rule, &["--landlock"])] {
            if options == ["--landlock"] && !has_landlock() {
                continue;
            }
            let ended = scratch.run_under(policy, options, &[refused.to_str().unwrap()]);
            assert_eq!(ended.how, how, "{action:?} {options:?}: {}", ended.stderr);
        }
    }
}

#[test]
fn a_thread_dies_alone_or_takes_its_process_along() {
    let Some(two_threads) = witness("two_threads") else { return };
    let scratch = Scratch::new();
    for (action, how) in [
        (Action::Allow, How::Status(7)),
        (Action::Errno(1), How::Status(7)),
        (Action::KillThread, How::Status(7)),
        (Action::KillProcess, How::Signal(SIGSYS)),
        (Action::Trap, How::Signal(SIGSYS)),
    ] {
        let allowed = ["execve", "clone", "exit", "exit_group"].map(|name| (name, Action::Allow));
        let policy = policy(Action::Errno(1), &[&allowed[..], &[("getppid", action)]].concat());
        let ended = scratch.run_under(&policy, &[], &[two_threads.to_str().unwrap()]);
        assert_eq!((ended.how, ended.stderr.as_str()), (how, ""), "{action:?}");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn another_abi_is_no_way_round_the_policy() {
    let Some(foreign) = witness("foreign") else { return };
    let scratch = Scratch::new();
    for abi in ["i386", "x32"] {
        let run = |foreign_action| {
            let mut policy = crate::support::all_but(&[]);
            policy.calls.foreign_action = foreign_action;
            scratch.run_under(&policy, &[], &[foreign.to_str().unwrap(), abi]).how
        };
        // x32 calls are refused by most kernels, after the filter; without i386 there is no such call to refuse.
        if abi == "i386" && run(Action::Log) != How::Status(0) {
            return testkit::expect::skip("i386", "this kernel makes no calls of i386");
        }
        assert_eq!(run(Action::KillProcess), How::Signal(SIGSYS), "{abi}");
        assert_eq!(run(Action::Errno(77)), How::Status(77), "{abi}");
    }
}

#[test]
fn the_policy_holds_for_all_that_the_command_starts() {
    let scratch = Scratch::new();
    let policy = crate::support::refusing(&["mkdir", "mkdirat"]);
    let script = "sh -c 'mkdir a; (mkdir b); setsid mkdir c' 2> /dev/null; ls";
    assert_eq!(scratch.run_under(&policy, &[], &["sh", "-c", script]).stdout, "policy\n");
}

#[test]
fn privileges_cannot_be_gained_any_more() {
    let scratch = Scratch::new();
    let ended = scratch.run_under(&crate::support::all_but(&[]), &[], &["cat", "/proc/self/status"]);
    for line in ["NoNewPrivs:\t1\n", "Seccomp:\t2\n"] {
        assert!(ended.stdout.contains(line), "{}", ended.stdout);
    }
}

#[test]
fn denials_are_logged_where_it_is_said() {
    let Some(refused) = witness("refused") else { return };
    let scratch = Scratch::new();
    let policy = allowing(&["execve", "exit_group"], Action::Errno(1));
    let ended = scratch.run_under(&policy, &["--log-denials"], &[refused.to_str().unwrap()]);
    assert_eq!(ended.how, How::Status(1));
    assert_eq!(
        ended.stderr,
        "note: the kernel logs refused calls, only so many a second: `journalctl -k --grep type=1326` shows them, or \
         `ausearch -m SECCOMP` where auditd runs\n"
    );
}
