//! bubblewrap starts the recorded workload under the raw filter, which it reads from a descriptor.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workload::{LISTED, Workload, recorded};
use testkit::expect::skip;
use testkit::shell::{Ended, find, run};

/// How often the workload is started: a call that bubblewrap's own process makes in few of its starts only must be
/// allowed too.
const STARTS: usize = 10;

/// What busybox says when `mkdir` is refused with the errno of the profiles.
const REFUSED: &str = "can't create directory '/tmp/made': Operation not permitted";

/// bubblewrap with the workload's tree as root, and with namespaces of its own, so that its init process, which is
/// under the filter too, waits for the workload. The filter comes by descriptor 9.
pub(crate) fn bwrap(workload: &Workload, filter: Option<&Path>, options: &[&str], words: &[&str]) -> Ended {
    run(&mut command(workload, filter, options, words))
}

/// The same, not started yet.
pub(crate) fn command(
    workload: &Workload,
    filter: Option<&Path>,
    options: &[&str],
    words: &[&str],
) -> Command {
    let mut command = Command::new("sh");
    match filter {
        Some(filter) => command.args(["-c", "exec bwrap --seccomp 9 \"$@\" 9< \"$0\""]).arg(filter),
        None => command.args(["-c", "exec \"$0\" \"$@\"", "bwrap"]),
    };
    command.arg("--ro-bind").arg(workload.root()).arg("/");
    command.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]).args(options).args(words);
    command
}

/// The filter as a file, made with these options.
pub(crate) fn filter(workload: &Workload, name: &str, options: &[&str]) -> PathBuf {
    let file = workload.beside(name);
    assert_eq!(workload.profile("bpf", &[options, &["-o", file.to_str().unwrap()]].concat()), "");
    file
}

/// The workload, where bubblewrap can start it.
pub(crate) fn startable() -> Option<&'static Workload> {
    if find("bwrap").is_none() {
        skip("bwrap", "there is no bwrap in PATH");
        return None;
    }
    let workload = recorded()?;
    let ended = bwrap(workload, None, &["--unshare-pid"], &["ls", "/list"]);
    if !ended.status.success() {
        skip("bwrap", &format!("bubblewrap cannot start anything here: {ended}"));
        return None;
    }
    assert_eq!(ended.stdout, LISTED);
    Some(workload)
}

#[test]
fn bwrap_starts_the_workload_and_its_filter_refuses_another() {
    let Some(workload) = startable() else { return };
    let filter = filter(workload, "bwrap.bpf", &["--runtime", "bwrap"]);
    for options in [&["--unshare-pid"][..], &["--unshare-all"], &["--unshare-pid", "--as-pid-1"], &[]] {
        for start in 0..STARTS {
            let ended = bwrap(workload, Some(&filter), options, &["ls", "/list"]);
            assert!(ended.status.success(), "{options:?}, start {start}: {ended}");
            assert_eq!(ended.stdout, LISTED, "{options:?}, start {start}: {ended}");
        }
        let arguments = ["mkdir", "/tmp/made"];
        let refused = bwrap(workload, Some(&filter), options, &arguments);
        assert_eq!(refused.status.code(), Some(1), "{options:?}: {refused}");
        assert!(refused.stderr.contains(REFUSED), "{options:?}: {refused}");
        // Nothing but the filter stood in its way.
        let allowed = bwrap(workload, None, options, &arguments);
        assert!(allowed.status.success(), "{options:?}, without a filter: {allowed}");
    }
}

/// Under a default that kills, whatever bubblewrap calls after it has loaded the filter would show.
#[test]
fn what_bwrap_needs_itself_is_all_in_the_filter() {
    let Some(workload) = startable() else { return };
    let filter = filter(workload, "killing.bpf", &["--runtime", "bwrap", "--default-action", "kill"]);
    for start in 0..STARTS {
        let ended = bwrap(workload, Some(&filter), &["--unshare-pid"], &["ls", "/list"]);
        assert!(ended.status.success(), "start {start}: {ended}");
        assert_eq!(ended.stdout, LISTED, "start {start}: {ended}");
    }
    let killed = bwrap(workload, Some(&filter), &["--unshare-pid"], &["mkdir", "/tmp/made"]);
    // 128 and SIGSYS, as its init process reports the workload's end.
    assert_eq!(killed.status.code(), Some(128 + 31), "{killed}");
}

/// The table of launchers is what makes the others pass.
#[test]
fn without_what_bwrap_needs_itself_its_end_is_not_told() {
    let Some(workload) = startable() else { return };
    let filter = filter(workload, "bare.bpf", &["--default-action", "kill"]);
    let ended = bwrap(workload, Some(&filter), &["--unshare-pid"], &["ls", "/list"]);
    assert!(!ended.status.success(), "{ended}");
}
