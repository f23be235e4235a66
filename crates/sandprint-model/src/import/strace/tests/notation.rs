//! Small logs, one peculiarity of strace each: what is counted, for which program, and what is noted.

use super::*;
use crate::errno::Errno;
use crate::import::Importer;
use crate::{Count, PerRun};

/// `program call count` of a log, and its gaps as `kind count`.
pub(super) fn check(log: &str, calls: &[&str], gaps: &[&str]) {
    let trace = read(log.as_bytes());
    let native = |abi: Abi| if abi == Abi::X86_64 { String::new() } else { format!("{abi}:") };
    let found: Vec<String> = trace
        .calls
        .iter()
        .map(|(subject, syscall, runs)| {
            let count: u64 = runs.values().map(|seen| seen.count).sum();
            format!("{} {}{syscall} {count}", subject.image, native(syscall.abi))
        })
        .collect();
    assert_eq!(found, calls, "{log}");
    // These are parts of logs, in which no program has its start.
    let found: Vec<String> = super::gaps(log.as_bytes())
        .iter()
        .filter(|(_, _, detail)| !detail.starts_with("programs that show no "))
        .map(|(kind, count, _)| format!("{} {count}", kind.name()))
        .collect();
    assert_eq!(found, gaps, "{log}");
}

#[test]
fn a_call_counts_once_however_its_line_is_torn() {
    check(
        "1 execve(\"/a\", [], 0x1) = 0
1 read(3,  <unfinished ...>
1 <... read resumed>\"\", 10)            = 0
1 read(3,  <unfinished ...>
1 <... read resumed> \"x\", 10) = 1
1 exit_group(0 <unfinished ...>
1 <... exit_group resumed>) = ?
1 +++ exited with 0 +++
",
        &["/a read 2", "/a execve 1", "/a exit_group 1"],
        &[],
    );
}

#[test]
fn a_restarted_call_counts_each_time_that_it_is_entered() {
    check(
        "1 execve(\"/a\", [], 0x1) = 0
1 nanosleep({tv_sec=5, tv_nsec=0}, {tv_sec=4, tv_nsec=1}) = ? ERESTART_RESTARTBLOCK (Interrupted by signal)
1 --- SIGCONT {si_signo=SIGCONT, si_code=SI_USER} ---
1 restart_syscall(<... resuming interrupted nanosleep ...>) = 0
1 wait4(-1, 0x7ffd, 0, NULL) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)
1 --- SIGUSR1 {si_signo=SIGUSR1} ---
1 rt_sigreturn({mask=[]}) = 61
1 wait4(-1, 0x7ffd, 0, NULL) = -1 ECHILD (No child processes)
1 exit_group(0) = ?
1 +++ exited with 0 +++
",
        &[
            "/a rt_sigreturn 1",
            "/a nanosleep 1",
            "/a execve 1",
            "/a wait4 2",
            "/a restart_syscall 1",
            "/a exit_group 1",
        ],
        &[],
    );
}

#[test]
fn a_call_that_was_entered_and_never_ended_counts() {
    check(
        "1 execve(\"/a\", [], 0x1) = 0
1 read(0,  <unfinished ...>
1 +++ killed by SIGSEGV (core dumped) +++
",
        &["/a read 1", "/a execve 1"],
        &[],
    );
}

#[test]
fn the_end_of_a_call_without_its_beginning_counts_and_is_noted() {
    check(
        "1 execve(\"/a\", [], 0x1) = 0
1 <... poll resumed>) = 1
1 exit_group(0) = ?
",
        &["/a poll 1", "/a execve 1", "/a exit_group 1"],
        &["import-incomplete 1"],
    );
}

#[test]
fn a_child_runs_its_parents_program_until_its_own_exec_succeeds() {
    check(
        "1 execve(\"/sh\", [\"sh\"], 0x1) = 0
1 fork() = 2
2 getpid() = 2
2 execve(\"/no/such\", [], 0x1) = -1 ENOENT (No such file or directory)
2 execve(\"/ls\", [], 0x1) = 0
2 getuid() = 0
1 getuid() = 0
2 exit_group(0) = ?
2 +++ exited with 0 +++
1 exit_group(0) = ?
1 +++ exited with 0 +++
",
        &[
            "/ls getuid 1",
            "/ls exit_group 1",
            "/sh getpid 1",
            "/sh fork 1",
            "/sh execve 3",
            "/sh getuid 1",
            "/sh exit_group 1",
        ],
        &[],
    );
}

#[test]
fn a_child_that_speaks_before_its_clone_returns_is_told_apart_afterwards() {
    // Two are cloning, so neither child can be guessed; the results say it.
    check(
        "1 execve(\"/sh\", [], 0x1) = 0
1 fork() = 2
2 execve(\"/b\", [], 0x1) = 0
1 fork( <unfinished ...>
2 fork( <unfinished ...>
3 getuid() = 0
4 getgid() = 0
1 <... fork resumed>) = 4
2 <... fork resumed>) = 3
3 exit_group(0) = ?
4 exit_group(0) = ?
1 exit_group(0) = ?
2 exit_group(0) = ?
",
        &[
            "/b fork 1",
            "/b getuid 1",
            "/b exit_group 2",
            "/sh fork 2",
            "/sh execve 2",
            "/sh getgid 1",
            "/sh exit_group 2",
        ],
        &[],
    );
}

#[test]
fn an_id_that_comes_again_is_another_process() {
    check(
        "1 execve(\"/sh\", [], 0x1) = 0
1 fork() = 2
2 execve(\"/b\", [], 0x1) = 0
2 exit_group(0) = ?
2 +++ exited with 0 +++
1 fork() = 2
2 getuid() = 0
2 exit_group(0) = ?
2 +++ exited with 0 +++
1 exit_group(0) = ?
",
        &["/b exit_group 1", "/sh fork 2", "/sh execve 2", "/sh getuid 1", "/sh exit_group 2"],
        &[],
    );
}

#[test]
fn ids_come_and_go_with_the_number_of_threads() {
    check(
        "execve(\"/sh\", [], 0x1) = 0
vfork(strace: Process 8 attached
 <unfinished ...>
[pid     8] execve(\"/b\", [], 0x1 <unfinished ...>
[pid     7] <... vfork resumed>)         = 8
[pid     7] wait4(-1,  <unfinished ...>
[pid     8] <... execve resumed>)        = 0
[pid     8] getuid()                     = 0
[pid     8] exit_group(0)                = ?
[pid     8] +++ exited with 0 +++
<... wait4 resumed>NULL, 0, NULL) = 8
--- SIGCHLD {si_signo=SIGCHLD} ---
getgid() = 0
exit_group(0) = ?
+++ exited with 0 +++
",
        &[
            "/b getuid 1",
            "/b exit_group 1",
            "/sh vfork 1",
            "/sh execve 2",
            "/sh wait4 1",
            "/sh getgid 1",
            "/sh exit_group 1",
        ],
        &[],
    );
}

#[test]
fn a_message_in_the_middle_of_a_line_breaks_nothing() {
    check(
        "execve(\"/sh\", [], 0x1) = 0
fork() = 8
[pid     7] rt_sigprocmask(SIG_SETMASK, [], strace: Process 8 attached
NULL, 8) = 0
[pid     8] rt_sigprocmask(SIG_BLOCK, [CHLD], strace: Process 9 attached
[], 8) = 0
[pid     8] exit_group(0) = ?
[pid     9] exit_group(0) = ?
[pid     7] exit_group(0) = ?
",
        &[
            "(unknown image) exit_group 1",
            "/sh rt_sigprocmask 2",
            "/sh fork 1",
            "/sh execve 1",
            "/sh exit_group 2",
        ],
        &["image-unreadable 1", "import-incomplete 1"],
    );
}

#[test]
fn how_long_a_call_took_is_no_part_of_its_result() {
    check(
        "1 execve(\"/sh\", [], 0x1) = 0 <0.000302>
1 fork() = 2<sh> <0.000071>
2 execve(\"/b\", [], 0x1 <unfinished ...>
2 <... execve resumed>) = 0 <0.000193>
2 exit_group(0) = ?
1 exit_group(0) = ?
",
        &["/b exit_group 1", "/sh fork 1", "/sh execve 2", "/sh exit_group 1"],
        &[],
    );
}

#[test]
fn the_first_id_names_the_thread_that_had_none() {
    // strace -q: nothing is said of attaching.
    check(
        "execve(\"/sh\", [], 0x1) = 0
clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x7) = 8
[pid     7] wait4(-1,  <unfinished ...>
[pid     8] execve(\"/b\", [], 0x1) = 0
[pid     8] exit_group(0) = ?
[pid     8] +++ exited with 0 +++
<... wait4 resumed>NULL, 0, NULL) = 8
exit_group(0) = ?
+++ exited with 0 +++
",
        &["/b exit_group 1", "/sh clone 1", "/sh execve 2", "/sh wait4 1", "/sh exit_group 1"],
        &[],
    );
}

#[test]
fn an_exec_of_a_thread_belongs_to_its_process_afterwards() {
    for (pending, superseded) in [
        ("12 execve(\"/b\", [], 0x1 <unfinished ...>", "11 +++ superseded by execve in pid 12 +++"),
        ("12 execve(\"/b\", [], 0x1 <pid changed to 11 ...>", "11 +++ superseded by execve in pid 12 +++"),
    ] {
        check(
            &format!(
                "11 execve(\"/a\", [], 0x1) = 0
11 clone3({{flags=CLONE_VM|CLONE_THREAD, stack=0x1}} => {{parent_tid=[0]}}, 88) = 12
11 pause( <unfinished ...>
{pending}
11 <... pause resumed>) = ?
{superseded}
11 <... execve resumed>) = 0
11 getuid() = 0
11 exit_group(0) = ?
11 +++ exited with 0 +++
"
            ),
            &["/a pause 1", "/a execve 2", "/a clone3 1", "/b getuid 1", "/b exit_group 1"],
            &[],
        );
    }
}

#[test]
fn what_the_workload_writes_between_the_lines_is_no_call() {
    check(
        "execve(\"/a\", [], 0x1) = 0
write(1, \"hello\\n\", 6hello
)                  = 6
write(2, \"read(3\\n\", 7read(3
) = 7
write(2, \"one\\ntwo\\nthree\", 7one
two
three) = 13
some words of the workload
exit_group(0) = ?
+++ exited with 0 +++
",
        &["/a write 3", "/a execve 1", "/a exit_group 1"],
        &["import-incomplete 1"],
    );
}

#[test]
fn exit_group_ends_the_threads_that_the_log_says_nothing_more_of() {
    // strace -qqq: no thread's end is told.
    let log = |flags: &str| {
        format!(
            "1 execve(\"/a\", [], 0x1) = 0
1 clone(child_stack=0x1, flags={flags}) = 2
2 getuid() = 0
1 exit_group(0) = ?
"
        )
    };
    let calls = ["/a clone 1", "/a execve 1", "/a getuid 1", "/a exit_group 1"];
    check(&log("CLONE_VM|CLONE_THREAD"), &calls, &[]);
    // Another process may live on.
    check(&log("SIGCHLD"), &calls, &["import-incomplete 1"]);
}

#[test]
fn an_abi_that_is_announced_is_not_doubted() {
    check(
        "1 execve(\"/a\", [], 0x1) = 0
1 [ Process PID=1 runs in 32 bit mode. ]
1 newfstatat(1, \"\", {}, 0) = 0
1 exit_group(0) = ?
",
        &["/a i386:exit_group 1", "/a execve 1"],
        &["import-incomplete 1"],
    );
}

#[test]
fn paths_are_bytes() {
    check(
        "1 execve(\"/a\\303\\277\\n\\377\\\"b\", [\"x\"], 0x1) = 0
1 exit_group(0) = ?
",
        &["/aÿ\\x0a\\xff\"b execve 1", "/aÿ\\x0a\\xff\"b exit_group 1"],
        &[],
    );
    let trace = read(b"1 execve(\"/\xff\xfe\", [], 0x1) = 0\n1 exit_group(0) = ?\n");
    assert_eq!(trace.images().first().unwrap().path, ByteString::new(*b"/\xff\xfe"));
}

#[test]
fn execveat_of_a_descriptor_is_named_by_its_decoration() {
    check(
        "1 execveat(3</bin/a b>, \"\", [\"a\"], 0x1, AT_EMPTY_PATH) = 0
1 execveat(AT_FDCWD, \"./b\", [\"b\"], 0x1, 0) = 0
1 exit_group(0) = ?
",
        &["./b exit_group 1", "/bin/a b execveat 2"],
        &[],
    );
}

#[test]
fn a_name_that_is_no_call_is_noted_with_its_name() {
    let log = "1 execve(\"/a\", [], 0x1) = 0
1 frobnicate(1) = 0
1 frobnicate(1) = 0
1 exit_group(0) = ?
";
    check(log, &["/a execve 1", "/a exit_group 1"], &["import-incomplete 2"]);
    let detail = read(log.as_bytes()).gaps.into_keys().next().unwrap().detail;
    assert_eq!(detail.as_deref(), Some("names that are no call of x86_64: frobnicate"));
}

#[test]
fn names_and_numbers_of_other_releases_are_understood() {
    check(
        "1 execve(\"/a\", [], 0x1) = 0
1 pread(3, \"\", 1, 0) = 0
1 umount(\"/m\", MNT_DETACH) = 0
1 SYS_455(0, 0) = 0
1 syscall_0x1c8(0, 0) = 0
1 exit_group(0) = ?
",
        &[
            "/a pread64 1",
            "/a execve 1",
            "/a umount2 1",
            "/a exit_group 1",
            "/a futex_wait 1",
            "/a futex_requeue 1",
        ],
        &[],
    );
}

#[test]
fn a_program_with_names_of_both_abis_is_read_name_by_name() {
    check(
        "1 execve(\"/a\", [], 0x1) = 0
1 arch_prctl(0x3001, 0x7) = -1 EINVAL (Invalid argument)
1 newfstatat(1, \"\", {}, 0) = 0
1 mmap2(NULL, 8192, PROT_READ, MAP_PRIVATE, -1, 0) = 0xf7
1 exit_group(0) = ?
",
        &["/a i386:mmap2 1", "/a execve 1", "/a arch_prctl 1", "/a exit_group 1", "/a newfstatat 1"],
        &[],
    );
}

#[test]
fn every_way_of_writing_ids_and_times_is_understood() {
    for prefix in [
        "",
        "77 ",
        "77    ",
        "[pid 77] ",
        "[pid    77] ",
        "77<sh> ",
        "[pid 77<sh>] ",
        "77 /* 2 in strace's PID NS */ ",
        "12:00:01 ",
        "77 12:00:01.000123 ",
        "1700000000.000001 ",
        "77 1700000000.000001000 ",
        "     0.000000 ",
        "[pid 77]      0.000000 ",
        "77       0.000000 ",
        "12:00:01 (+     0.000000) ",
        "[00007fc89b086c47] ",
        "77 12:00:01 [????????????????] ",
        "[0804f1e2] ",
        "77 [  12] ",
        "77 [???] ",
        "77 [unconfined_u:unconfined_r:unconfined_t:s0] ",
        // Whole seconds, which could be ids.
        "1700000000 ",
        "77 1700000000 ",
        "[pid    77] 1700000000 ",
        "     0 ",
        "77         0 ",
        "[pid 77]      0 ",
        "77      0.000 ",
        "1700000000.123 ",
        "1700000000 (+     0) ",
        "12:00:01.123456789 (+     0.000) ",
    ] {
        let number = |nr: u32| match prefix {
            "77 [  12] " => format!("77 [ {nr}] "),
            prefix => prefix.to_owned(),
        };
        let log = format!(
            "{}execve(\"/a\", [], 0x1) = 0\n{}exit_group(0) = ?\n{}+++ exited with 0 +++\n",
            number(59),
            number(231),
            number(231)
        );
        check(&log, &["/a execve 1", "/a exit_group 1"], &[]);
    }
}

#[test]
fn lines_that_cannot_be_read_are_counted_and_the_first_is_named() {
    let log = "1 execve(\"/a\", [], 0x1) = 0
what
1 exit_group(0) = ?
[pid 1 what
what
";
    check(log, &["/a execve 1", "/a exit_group 1"], &["import-incomplete 3"]);
    let detail = read(log.as_bytes()).gaps.into_keys().next().unwrap().detail;
    assert_eq!(detail.as_deref(), Some("lines that are not understood, the first is line 2"));
}

#[test]
fn a_log_on_one_endless_line_takes_no_endless_time() {
    for piece in [" = ", ") = ", "<... ", "\\", "[pid ", "[1", "strace: Process ", "\"", "read("] {
        let line = piece.repeat(40_000);
        let log = format!("1 execve(\"/a\", [], 0x1) = 0\n1 clone({line}\n{line}\n1 execve({line}\n");
        assert_eq!(read(log.as_bytes()).runs.len(), 1);
    }
}

/// A log and the id of each of its calls, as far as it is said.
#[test]
fn whole_seconds_are_no_ids() {
    for (log, expected) in [
        (
            "1700000000 execve(\"/a\", [], 0x1) = 0\n1700000001 exit_group(0) = ?\n1700000002 +++ exited with 0 +++\n",
            2000,
        ),
        (
            "     0 execve(\"/a\", [], 0x1) = 0\n     1 exit_group(0) = ?\n     1 +++ exited with 0 +++\n",
            2000,
        ),
        (
            "7 1700000000 execve(\"/a\", [], 0x1) = 0\n7 1700000003 exit_group(0) = ?\n7 1700000003 +++ exited with 0 +++\n",
            3000,
        ),
    ] {
        check(log, &["/a execve 1", "/a exit_group 1"], &[]);
        let run = read(log.as_bytes()).runs.into_values().next().unwrap();
        assert_eq!(run.duration_ms, Some(expected), "{log}");
    }
}

#[test]
fn an_exec_of_a_thread_without_ids_ends_the_others() {
    // On standard error: the leader's id is left out as soon as it is alone.
    check(
        "execve(\"/a\", [], 0x1) = 0
clone3({flags=CLONE_VM|CLONE_THREAD, stack=0x1} => {parent_tid=[0]}, 88) = 12
clone3({flags=CLONE_VM|CLONE_THREAD, stack=0x1} => {parent_tid=[0]}, 88) = 13
[pid    13] pause( <unfinished ...>
[pid    12] pause( <unfinished ...>
[pid    11] futex(0x1, FUTEX_WAIT, 12, NULL <unfinished ...>
[pid    13] execve(\"/b\", [], 0x1 <unfinished ...>
[pid    11] <... futex resumed>) = ?
[pid    12] <... pause resumed>) = ?
[pid    12] +++ exited with 0 +++
+++ superseded by execve in pid 13 +++
<... execve resumed>) = 0
getuid() = 0
exit_group(0) = ?
+++ exited with 0 +++
",
        &["/a pause 2", "/a execve 2", "/a futex 1", "/a clone3 2", "/b getuid 1", "/b exit_group 1"],
        &[],
    );
}

#[test]
fn strace_is_called_by_whatever_path_it_has() {
    check(
        "execve(\"/sh\", [], 0x1) = 0
fork(/usr/bin/strace: Process 8 attached
/usr/bin/strace: Process 9 attached
) = 8
[pid     7] fork() = 9
[pid     8] exit_group(0) = ?
[pid     9] exit_group(0) = ?
[pid     7] exit_group(0) = ?
./my-strace: Process 7 detached
",
        &["/sh fork 2", "/sh execve 1", "/sh exit_group 3"],
        &[],
    );
}

#[test]
fn names_of_arguments_and_colours_are_no_part_of_a_call() {
    let log = "7 \x1b[33mexecve\x1b[0m(\x1b[35m\x1b[39mpathname\x1b[0m=\x1b[35m\"/a\"\x1b[0m, argv=[\"a\", \"b\"], envp=0x1 /* 1 var */) \x1b[0m=\x1b[0m \x1b[32m0\x1b[0m
7 execve(pathname=\"/b\", argv=[\"b\"], envp=0x1) = 0
7 execveat(dirfd=AT_FDCWD, pathname=\"/c\", argv=[\"c\"], envp=0x1, flags=0) = 0
7 exit_group(status=0) = ?
7 +++ exited with 0 +++\x1b[0m
";
    check(log, &["/a execve 2", "/b execveat 1", "/c exit_group 1"], &[]);
    let run = read(log.as_bytes()).runs.into_values().next().unwrap();
    assert_eq!(run.command, [ByteString::from("a"), ByteString::from("b")]);
}

#[test]
fn what_strace_dumps_and_says_at_its_end_is_no_call() {
    check(
        "1 execve(\"/a\", [], 0x1) = 0
1 writev(1, [{iov_base=\"x\", iov_len=1}], 1) = 1
 * 1 bytes in buffer 0
 | 00000  78                                                x                |
1 exit_group(0) = ?
1 +++ exited with 0 +++
  ______________________________________________         ____
 /                                              \\       /    \\
 | -Y option (an alias to --decode-pids=comm)   |      |-. .-|
",
        &["/a writev 1", "/a execve 1", "/a exit_group 1"],
        &[],
    );
}

#[test]
fn every_name_that_strace_has_had_is_a_call() {
    for (abi, name, expected) in [
        (Abi::X86_64, "_exit", "exit"),
        (Abi::X86_64, "syscall_332", "statx"),
        (Abi::X86_64, "syscall_0x14c", "statx"),
        (Abi::X86_64, "SYS_332", "statx"),
        (Abi::I386, "old_mmap", "mmap"),
        (Abi::I386, "oldselect", "select"),
        (Abi::I386, "oldstat", "oldstat"),
        (Abi::Arm, "fadvise64_64", "arm_fadvise64_64"),
        (Abi::Arm, "sync_file_range2", "arm_sync_file_range"),
        (Abi::I386, "fadvise64_64", "fadvise64_64"),
    ] {
        let mode = if abi == Abi::X86_64 { "64 bit" } else { "32 bit" };
        let arch = if abi == Abi::Arm { Arch::Aarch64 } else { Arch::X86_64 };
        let log = format!(
            "1 execve(\"/a\", [], 0x1) = 0\n1 [ Process PID=1 runs in {mode} mode. ]\n1 {name}(1) = 0\n"
        );
        let trace = import(log.as_bytes(), arch).unwrap();
        let calls: Vec<Syscall> = trace.totals().into_keys().collect();
        assert!(calls.contains(&Syscall::from_name(abi, expected).unwrap()), "{name}: {calls:?}");
        assert_eq!(calls.len(), 2, "{name}: {calls:?}");
    }
    let log = b"1 execve(\"/a\", [], 0x1) = 0\n1 [ Process PID=1 runs in x32 mode. ]\n1 execve#64(1) = -1\n";
    assert!(read(log).totals().contains_key(&Syscall { abi: Abi::X32, nr: 59 }));
}

#[test]
fn what_the_recorders_would_say_of_calls_is_said() {
    let log = |lines: &str| format!("1 execve(\"/a\", [], 0x1) = 0\n{lines}1 exit_group(0) = ?\n");
    for (lines, expected) in [
        ("1 io_uring_setup(8, {flags=0}) = 3\n", "io-uring-probe 1"),
        ("1 io_uring_setup(8, {flags=0}) = -1 ENOSYS (Function not implemented)\n", "io-uring-probe 1"),
        (
            "1 io_uring_setup(8, {flags=0}) = 3\n1 io_uring_enter(3, 0, 1, 0, NULL, 8) = 0\n",
            "io-uring-probe 1",
        ),
        (
            "1 io_uring_setup(8, {flags=0}) = 3\n1 io_uring_enter(3, 1, 1, 0, NULL, 8) = 1\n",
            "io-uring-unseen 1",
        ),
        ("1 io_uring_setup(8, {flags=IORING_SETUP_SQPOLL}) = 3\n", "io-uring-unseen 1"),
        ("1 io_uring_enter(fd=3, to_submit=2, min_complete=0) = 2\n", "io-uring-unseen 1"),
        ("1 seccomp(SECCOMP_SET_MODE_FILTER, 0, {len=3}) = 0\n", "seccomp-installed 1"),
        ("1 prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, {len=3}) = 0\n", "seccomp-installed 1"),
        ("1 getuid() = -1 EPERM (Operation not permitted) (INJECTED)\n", "import-incomplete 1"),
        ("1 clone(child_stack=NULL, flags=CLONE_UNTRACED|SIGCHLD) = 9\n", "import-incomplete 1"),
    ] {
        let found: Vec<String> = super::gaps(log(lines).as_bytes())
            .into_iter()
            .filter(|(_, _, detail)| !detail.starts_with("programs that show no "))
            .map(|(kind, count, _)| format!("{} {count}", kind.name()))
            .collect();
        assert_eq!(found, [expected], "{lines}");
    }
    let refused = "1 prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, {len=3}) = -1 EACCES (Permission denied)\n";
    assert_eq!(super::gaps(log(refused).as_bytes()), []);
}

#[test]
fn processes_that_nothing_made_are_noted() {
    check(
        "1 execve(\"/sh\", [], 0x1) = 0
2 execve(\"/b\", [], 0x1) = 0
2 exit_group(0) = ?
1 exit_group(0) = ?
",
        &["(unknown image) execve 1", "/b exit_group 1", "/sh execve 1", "/sh exit_group 1"],
        &["image-unreadable 1", "import-incomplete 1"],
    );
}

#[test]
fn a_log_in_pieces_is_the_log_and_its_state_has_bounds() {
    let pipe = include_bytes!("../../../../tests/data/strace/pipe.log").as_slice();
    let config = ImportConfig { arch: Arch::X86_64 };
    for size in [1, 7, 1000] {
        let mut importer = Importer::new(Source::Strace, &config);
        for piece in pipe.chunks(size) {
            importer.take(piece).unwrap();
        }
        assert_eq!(importer.finish().unwrap(), read(pipe), "{size}");
    }
    let mut importer = Importer::new(Source::Strace, &config);
    let zeros = vec![0; 1 << 20];
    let refused = (0..100).find_map(|_| importer.take(&zeros).err());
    assert_eq!(refused, Some(ImportError::NothingFound { expected: "an strace log" }));
    let programs: Vec<String> =
        (0..MOST_IMAGES + 10).map(|at| format!("1 execve(\"/b{at}\", [], 0x1) = 0\n")).collect();
    let trace = read(programs.concat().as_bytes());
    assert_eq!(trace.images().len(), MOST_IMAGES + 1);
    assert!(trace.gaps.keys().any(|gap| gap.kind == GapKind::ImagesMerged));
    let names: Vec<String> = (0..5000).map(|at| format!("1 name{at}(1) = 0\n")).collect();
    assert!(read(names.concat().as_bytes()).gaps.values().any(|count| *count == 5000));
}

/// How calls failed, as `program call error count`.
fn failures(log: &str) -> Vec<String> {
    let trace = read(log.as_bytes());
    let row =
        |(subject, (call, error), runs): (&crate::Subject, &(crate::Syscall, Errno), &PerRun<Count>)| {
            let count: u64 = runs.values().map(|count| count.0).sum();
            format!("{} {call} {error} {count}", subject.image)
        };
    trace.results.iter().map(row).collect()
}

#[test]
fn how_calls_failed_is_kept_and_what_is_made_again_has_not_failed() {
    let log = "1 execve(\"/a\", [], 0x1) = 0
1 openat(AT_FDCWD, \"/x\", O_RDONLY) = -1 ENOENT (No such file or directory) <0.000012>
1 openat(AT_FDCWD, \"/y = -1 EPERM\", O_RDONLY) = -1 ENOENT (No such file or directory)
1 openat(AT_FDCWD, \"/z\", O_RDONLY) = 3
1 bpf(0x1, 0x2, 3) = -1 ENOTSUPP (Unknown error 524)
1 ioctl(0, 0x1) = -1 (errno 25)
1 socket(AF_INET, SOCK_STREAM, 0) = -1 EWOULDBLOCK (Resource temporarily unavailable)
1 close(5) = -1 EBADF (Bad file descriptor) (INJECTED)
1 fcntl(3, F_GETOWN) = -1
1 read(0,  <unfinished ...>
1 <... read resumed>0x7ffd, 1) = -1 EAGAIN (Resource temporarily unavailable)
1 read(0, 0x7ffd, 1) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)
1 execve(\"/none\", [], 0x1) = -1 ENOENT (No such file or directory)
1 execve(\"/b\", [], 0x1) = 0
1 openat(AT_FDCWD, \"/x\", O_RDONLY) = -1 EACCES (Permission denied)
1 exit_group(0) = ?
1 +++ exited with 0 +++
";
    assert_eq!(
        failures(log),
        [
            "/a read EAGAIN 1",
            "/a ioctl ENOTTY 1",
            "/a socket EAGAIN 1",
            "/a execve ENOENT 1",
            "/a openat ENOENT 2",
            "/a bpf 524 1",
            "/b openat EACCES 1",
        ]
    );
}
