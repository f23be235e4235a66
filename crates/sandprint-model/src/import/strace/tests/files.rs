//! The files of `strace -ff`, one after the other in any order.

use super::notation::check;
use super::*;

#[test]
fn files_of_several_processes_may_follow_each_other() {
    // strace -ff: no file has ids.
    check(
        "execve(\"/sh\", [], 0x1) = 0
fork() = 12
fork() = 13
exit_group(0) = ?
+++ exited with 0 +++
execve(\"/b\", [], 0x1) = 0
exit_group(0) = ?
+++ exited with 0 +++
getuid() = 0
exit_group(0) = ?
+++ exited with 0 +++
",
        &["/b exit_group 1", "/sh fork 2", "/sh execve 2", "/sh getuid 1", "/sh exit_group 2"],
        &[],
    );
    // What a thread's execve started is named where the thread's own file comes.
    check(
        "execve(\"/a\", [], 0x1) = 0
clone(child_stack=0x1, flags=CLONE_VM|CLONE_THREAD) = 12
pause() = ?
+++ superseded by execve in pid 12 +++
<... execve resumed>) = 0
getuid() = 0
exit_group(0) = ?
+++ exited with 0 +++
getpid() = 11
execve(\"/b\", [], 0x1 <pid changed to 11 ...>
",
        &["/a pause 1", "/a getpid 1", "/a clone 1", "/a execve 2", "/b getuid 1", "/b exit_group 1"],
        &[],
    );
}

/// Every order of some files.
fn orders(files: &[&str]) -> Vec<String> {
    if files.is_empty() {
        return vec![String::new()];
    }
    let others = |at: usize| [&files[..at], &files[at + 1..]].concat();
    let behind = |at: usize| orders(&others(at)).into_iter().map(move |rest| format!("{}{rest}", files[at]));
    (0..files.len()).flat_map(behind).collect()
}

#[test]
fn files_of_several_processes_may_come_in_any_order() {
    // A shell that starts a program, a child that goes on as another one and has a thread, and a child of its own.
    let files = [
        "execve(\"/sh\", [\"sh\"], 0x1) = 0
set_tid_address(0x1) = 11
vfork() = 998
fork() = 999
exit_group(3) = ?
+++ exited with 3 +++
",
        "execve(\"/b\", [\"b\"], 0x1) = 0
set_tid_address(0x1) = 998
exit_group(0) = ?
+++ exited with 0 +++
",
        "close(3) = 0
execve(\"/c\", [\"c\"], 0x1) = 0
set_tid_address(0x1) = 999
fork() = 1000
exit_group(0) = ?
+++ exited with 0 +++
",
        "getuid() = 0
exit_group(0) = ?
+++ exited with 0 +++
",
    ];
    for log in orders(&files) {
        check(
            &log,
            &[
                "/b set_tid_address 1",
                "/b exit_group 1",
                "/c fork 1",
                "/c getuid 1",
                "/c set_tid_address 1",
                "/c exit_group 2",
                "/sh close 1",
                "/sh fork 1",
                "/sh vfork 1",
                "/sh execve 3",
                "/sh set_tid_address 1",
                "/sh exit_group 1",
            ],
            &[],
        );
        let run = read(log.as_bytes()).runs.into_values().next().unwrap();
        assert_eq!((run.exit, run.command), (Some(Exit::Code(3)), vec!["sh".into()]), "{log}");
    }
    // Where no file tells an id, the one that clones is the target's.
    let files = [
        "execve(\"/sh\", [], 0x1) = 0\nfork() = 12\nfork() = 13\nexit_group(0) = ?\n+++ exited with 0 +++\n",
        "execve(\"/b\", [], 0x1) = 0\nexit_group(0) = ?\n+++ exited with 0 +++\n",
        "getuid() = 0\nexit_group(0) = ?\n+++ exited with 0 +++\n",
    ];
    for log in orders(&files) {
        check(
            &log,
            &["/b exit_group 1", "/sh fork 2", "/sh execve 2", "/sh getuid 1", "/sh exit_group 2"],
            &[],
        );
    }
    // A thread's execve.
    let files = [
        "execve(\"/a\", [], 0x1) = 0
set_tid_address(0x1) = 11
clone(child_stack=0x1, flags=CLONE_VM|CLONE_THREAD) = 12
pause() = ?
+++ superseded by execve in pid 12 +++
<... execve resumed>) = 0
getuid() = 0
exit_group(0) = ?
+++ exited with 0 +++
",
        "getpid() = 11\nexecve(\"/b\", [], 0x1 <pid changed to 11 ...>\n",
    ];
    for log in orders(&files) {
        check(
            &log,
            &[
                "/a pause 1",
                "/a getpid 1",
                "/a clone 1",
                "/a execve 2",
                "/a set_tid_address 1",
                "/b getuid 1",
                "/b exit_group 1",
            ],
            &[],
        );
    }
}

#[test]
fn files_without_that_of_the_target_are_said_to_begin_too_late() {
    let child =
        "execve(\"/b\", [], 0x1) = 0\nset_tid_address(0x1) = 12\nexit_group(0) = ?\n+++ exited with 0 +++\n";
    let attached = "fork() = 12\nexit_group(0) = ?\n+++ exited with 0 +++\n";
    let calls = [
        "(unknown image) fork 1",
        "(unknown image) execve 1",
        "(unknown image) exit_group 1",
        "/b set_tid_address 1",
        "/b exit_group 1",
    ];
    for log in orders(&[child, attached]) {
        check(&log, &calls, &["attached-mid-run 0", "image-unreadable 2"]);
    }
    // A process that nothing made is noted, wherever its file stands.
    let target =
        "execve(\"/a\", [], 0x1) = 0\nset_tid_address(0x1) = 11\nexit_group(0) = ?\n+++ exited with 0 +++\n";
    let stray = "getuid() = 0\nexit_group(0) = ?\n+++ exited with 0 +++\n";
    for log in orders(&[target, stray]) {
        let found: Vec<GapKind> = super::gaps(log.as_bytes()).into_iter().map(|(kind, _, _)| kind).collect();
        assert!(found.contains(&GapKind::ImportIncomplete), "{log}: {found:?}");
        assert!(!found.contains(&GapKind::AttachedMidRun), "{log}: {found:?}");
    }
}
