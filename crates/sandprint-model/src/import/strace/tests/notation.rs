//! Small logs, one peculiarity of strace each: what is counted, for which program, and what is noted.

use super::*;

/// `program call count` of a log, and its gaps as `kind count`.
fn check(log: &str, calls: &[&str], gaps: &[&str]) {
    let trace = read(log.as_bytes());
    let native = |abi: Abi| if abi == Abi::X86_64 { String::new() } else { format!("{abi}:") };
    let found: Vec<String> = trace
        .observations
        .iter()
        .map(|(fact, runs)| {
            let count: u64 = runs.values().map(|seen| seen.count).sum();
            format!("{} {}{} {count}", fact.image, native(fact.syscall.abi), fact.syscall)
        })
        .collect();
    assert_eq!(found, calls, "{log}");
    let found: Vec<String> =
        trace.gaps.iter().map(|(gap, count)| format!("{} {count}", gap.kind.name())).collect();
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
        &["image-unreadable 1"],
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
