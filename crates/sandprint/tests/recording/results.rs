//! Which calls failed and how is what strace shows, as often; and what a filter refuses is told apart from it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use sandprint_model::arguments::render_selected;
use sandprint_model::errno::Errno;
use sandprint_model::{Abi, Arch, FactKind, Syscall, Trace, errno};

use crate::notified::steady;
use crate::recorder::{self, FULL, FULL_BY_TID, How, TRACED};
use crate::{run, strace, turns};
use testkit::expect::skip;

/// The recorders that see how calls end.
const SEEING: [How; 3] = [FULL, FULL_BY_TID, TRACED];
/// Those that tell apart what a filter refuses.
const TELLING: [How; 2] = [FULL, FULL_BY_TID];

/// How a call that a shell makes ends depends on when its children do.
const TIMED: &[&str] = &["wait4"];
/// strace shows a register of whoever was interrupted as their result.
const RETURNS: &[&str] = &["sigreturn", "rt_sigreturn"];

type Failed = BTreeMap<String, u64>;

/// What strace shows.
fn straced(words: &[String], folder: &Path) -> (Failed, run::Ended) {
    let log = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut command = strace::command(&["setarch", "-R"], log.path());
    command.args(words);
    run::prepare(&mut command, folder);
    let ended = run::to_the_end(&mut command);
    let line = |((abi, nr, error), count): ((&str, u32, String), u64)| {
        let abi = Abi::from_name(abi).expect("strace's reader has ours");
        (line(Syscall { abi, nr }, &error), count)
    };
    let failed = strace::read_failed(log.path()).into_iter().map(line);
    (failed.filter(|(line, _)| !is_other(line)).collect(), ended)
}

/// The same, of a trace.
fn recorded(trace: &Trace) -> Failed {
    assert!(trace.shows(FactKind::Results));
    let failed = trace.failures().into_iter().map(|((call, error), count)| (line(call, &name(error)), count));
    failed.filter(|(line, _)| !is_other(line)).collect()
}

fn name(error: Errno) -> String {
    errno::name(error.0).expect("the kernel gives errors with names").to_owned()
}

fn line(call: Syscall, error: &str) -> String {
    format!("{} {call} {error}", call.abi)
}

fn is_other(line: &str) -> bool {
    TIMED.iter().chain(RETURNS).any(|name| line.contains(name))
}

#[test]
fn results_are_what_strace_shows_of_real_programs() {
    let _turn = turns::beside_others();
    if let Err(error) = Command::new("strace").arg("-V").output() {
        return skip("oracle", &format!("strace: {error}"));
    }
    if !SEEING.into_iter().all(How::can_record) {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut compared, mut kinds) = (0, 0);
    for words in steady() {
        let (strace, ended) = straced(&words, folder.path());
        for how in SEEING {
            let recording = recorder::record(&["setarch", "-R"], how, &words, folder.path());
            assert_eq!(ended.status.code(), recording.status.code(), "{words:?}");
            let trace = recording.trace.decoded();
            assert_eq!(recorded(&trace), strace, "{words:?}, {how:?}");
            assert!(trace.refused.is_empty(), "{words:?}");
        }
        compared += 1;
        kinds += strace.len();
    }
    assert!(compared >= 15 && kinds >= 2 * compared, "{compared} {kinds}");
}

/// What a shell does by itself: it signals nobody, twice, and itself, once.
const SIGNALS: &str = "kill -0 2147483646; kill -0 2147483646; kill -0 $$";

fn words(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

/// The kill of this machine.
fn kill() -> Syscall {
    let native = Arch::from_name(std::env::consts::ARCH).expect("sandprint records here").native_abi();
    Syscall::from_name(native, "kill").expect("every ABI has it")
}

#[test]
fn what_a_shell_does_is_recorded_with_values_and_errors() {
    let _turn = turns::beside_others();
    if !SEEING.into_iter().all(How::can_record) {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    for how in SEEING {
        let recording = recorder::record(&[], how, &words(SIGNALS), folder.path());
        let trace = recording.trace.decoded();
        let of_kill = trace.failures().into_iter().filter(|((call, _), _)| *call == kill());
        assert_eq!(of_kill.collect::<Vec<_>>(), [((kill(), Errno(3)), 2)], "{how:?}: {}", recording.stderr);
        let arguments = trace.arguments(|_, call| call == kill());
        let values = arguments[&kill()].values.iter().map(|(value, seen)| {
            let counts = seen.iter().map(|(_, _, count)| count).sum::<u64>();
            format!("{counts} {}", render_selected(kill(), value))
        });
        assert_eq!(values.collect::<Vec<_>>(), ["3 sig=0"], "{how:?}");
        assert!(trace.refused.is_empty() && trace.gaps.is_empty(), "{how:?} {:?}", trace.gaps);
    }
}

#[test]
fn what_a_filter_refuses_is_no_result_of_the_call() {
    let _turn = turns::beside_others();
    if !FULL.can_record() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let policy = folder.path().join("policy.toml");
    let native = kill().abi;
    fs::write(
        &policy,
        format!(
            "version = 1\ndefault = \"allow\"\nforeign = \"allow\"\n\n[[{native}.kill]]\n\
             do = \"errno EPERM\"\nwhen = [\"arg1.u32 == 0\"]\n"
        ),
    )
    .expect("the folder is ours");
    let policy = policy.to_string_lossy().into_owned();
    for how in TELLING {
        let script = "kill -0 2147483646; kill -0 $$; kill -CONT 2147483646";
        let confined = [recorder::SANDPRINT, "run", "-p", &policy, "--"].map(str::to_owned).to_vec();
        let recording = recorder::record(&[], how, &[confined, words(script)].concat(), folder.path());
        let trace = recording.trace.decoded();
        let of_kill = |errors: BTreeMap<(Syscall, Errno), u64>| -> Vec<(u16, u64)> {
            let errors = errors.into_iter().filter(|((call, _), _)| *call == kill());
            errors.map(|((_, error), count)| (error.0, count)).collect()
        };
        assert_eq!(of_kill(trace.refusals()), [(1, 2)], "{how:?}: {}", recording.stderr);
        assert_eq!(of_kill(trace.failures()), [(3, 1)], "{how:?}: {}", recording.stderr);
        assert_eq!(trace.totals()[&kill()], 1, "{how:?}");
    }
}

/// A handler runs while the shell waits: what the kernel has for the number of a call that returns from it is none, and
/// its result is a register of the call that was interrupted.
const HANDLED: &str =
    "trap : USR1; for i in 1 2 3; do (sleep 0.05; kill -USR1 $$) & wait; done; kill -0 2147483646";

#[test]
fn a_return_from_a_signals_handler_fails_nothing_and_is_refused_by_nobody() {
    let _turn = turns::beside_others();
    if !SEEING.into_iter().all(How::can_record) {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let policy = folder.path().join("policy.toml");
    let rule = format!("[[{}.acct]]\ndo = \"errno EPERM\"\n", kill().abi);
    fs::write(&policy, format!("version = 1\ndefault = \"allow\"\nforeign = \"allow\"\n\n{rule}"))
        .expect("the folder is ours");
    let policy = policy.to_string_lossy().into_owned();
    let confined = [recorder::SANDPRINT, "run", "-p", &policy, "--"].map(str::to_owned).to_vec();
    let free = Vec::new();
    for (around, hows) in [(free, &SEEING[..]), (confined, &TELLING[..])] {
        for how in hows {
            let command = [around.clone(), words(HANDLED)].concat();
            let recording = recorder::record(&[], *how, &command, folder.path());
            let trace = recording.trace.decoded();
            let returns = trace.totals().into_iter().find(|(call, _)| call.name() == Some("rt_sigreturn"));
            assert!(returns.is_some_and(|(_, count)| count >= 3), "{how:?}: {}", recording.stderr);
            let of_returns = trace
                .failures()
                .into_keys()
                .filter(|(call, _)| call.name() == Some("rt_sigreturn") || call.nr == u32::MAX);
            assert_eq!(of_returns.collect::<Vec<_>>(), [], "{how:?}");
            // Who confines makes sure of it by a call that has no name.
            let is_probe = |call: &Syscall| call.name().is_none() && call.nr != u32::MAX;
            let refused = trace.refusals().into_keys().filter(|(call, _)| !is_probe(call));
            assert_eq!(refused.collect::<Vec<_>>(), [], "{how:?} {around:?}");
            assert_eq!(trace.failures().get(&(kill(), Errno(3))), Some(&1), "{how:?}");
        }
    }
}
