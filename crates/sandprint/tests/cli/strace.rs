//! Logs of the real strace, with every option that changes how they look: each gives the same calls as the plain one.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sandprint_model::{GapKind, Trace};

use crate::SANDPRINT;
use testkit::expect::skip;
use testkit::scratch::Scratch;

/// A workload whose calls do not depend on who is faster; without `-f` only the first program is seen.
const WORKLOAD: [&str; 3] = ["sh", "-c", "/bin/cat /dev/null; (exit 3); true"];
const ALONE: [&str; 2] = ["/bin/cat", "/dev/null"];

/// Every form of time, in every precision.
const TIMES: [&str; 21] = [
    "",
    "-t",
    "-tt",
    "-ttt",
    "-r",
    "--timestamps=unix,s",
    "--timestamps=unix,ms",
    "--timestamps=unix,us",
    "--timestamps=unix,ns",
    "--timestamps=time,s",
    "--timestamps=time,ms",
    "--timestamps=time,us",
    "--timestamps=time,ns",
    "--relative-timestamps=s",
    "--relative-timestamps=ms",
    "--relative-timestamps=us",
    "--relative-timestamps=ns",
    "-r -t",
    "-r --timestamps=unix,s",
    "--relative-timestamps=s --timestamps=unix,s",
    "--relative-timestamps=s -ttt -T",
];

/// Other options. Those that a version of strace does not know are passed over.
const OPTIONS: &[&str] = &[
    "-T",
    "--syscall-times=s",
    "-y",
    "-yy",
    "-Y",
    "-i",
    "-k",
    "-n",
    "-v -s 4096",
    "-xx",
    "-X raw",
    "-X verbose",
    "-C",
    "-C -U name,calls,errors",
    "-C -U calls,total-time,max-time",
    "-C -U name",
    "-e read=all -e write=all",
    "-q",
    "-qq",
    "-qqq",
    "-e signal=none",
    "--seccomp-bpf",
    "--always-show-pid",
    "-N",
    "--color=always",
    "--color=always -N -tt -y",
];

/// What to leave out, by which it is known that something is left out.
const FILTERS: [&str; 23] = [
    "trace=%process",
    "trace=!mmap,mprotect,read",
    "trace=execve,exit_group,openat",
    "trace=%file",
    "trace=%memory",
    "trace=!brk",
    "trace=!close",
    "trace=!read",
    "trace=!openat",
    "trace=!munmap",
    "trace=!mprotect",
    "trace=!set_tid_address",
    "trace=!%desc",
    "trace=!%memory,%desc",
    "trace=!mmap,close,read,openat",
    "trace=!openat,read,close,mmap,newfstatat,pread64,access",
    "trace=!exit_group",
    "trace=!execve",
    "trace=/^(exec|exit|w)",
    "trace=!clone,vfork,fork,clone3",
    "status=successful",
    "inject=getuid:error=EPERM",
    "trace-path=/dev/null",
];

/// strace, if it may trace here; `SANDPRINT_STRACE` names another one.
fn strace() -> Option<PathBuf> {
    let strace = std::env::var_os("SANDPRINT_STRACE").map_or_else(|| "strace".into(), PathBuf::from);
    let works = Command::new(&strace).args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    if works.is_ok_and(|status| status.success()) {
        return Some(strace);
    }
    skip("strace", "strace cannot trace here");
    None
}

/// Calls by program, and the gaps but the one that says that completeness is assumed.
fn read(trace: &Trace) -> (BTreeSet<String>, Vec<GapKind>) {
    let calls =
        trace.calls.iter().map(|(subject, syscall, _)| format!("{} {syscall}", subject.image)).collect();
    let kinds: Vec<GapKind> = trace.gaps.keys().map(|gap| gap.kind).collect();
    assert!(kinds.contains(&GapKind::ImportAssumed));
    (calls, kinds.into_iter().filter(|kind| *kind != GapKind::ImportAssumed).collect())
}

fn import(scratch: &Scratch) -> Trace {
    let ended = scratch.run(&["profile", "import", "--from", "strace", "log", "-o", "trace"]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    scratch.trace("trace")
}

/// Has strace write a log; whether it knows the options. `to_stderr` mixes it with what strace says.
fn log(strace: &PathBuf, scratch: &Scratch, options: &str, workload: &[&str], to_stderr: bool) -> bool {
    let mut command = Command::new(strace);
    command.args(options.split_whitespace());
    if to_stderr {
        command.stderr(std::fs::File::create(scratch.path("log")).unwrap());
    } else {
        command.arg("-o").arg(scratch.path("log")).stderr(Stdio::null());
    }
    command.args(workload).env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    let text = std::fs::read(scratch.path("log")).unwrap_or_default();
    !text.is_empty() && !String::from_utf8_lossy(&text).contains("Try 'strace -h'")
}

#[test]
fn every_form_of_a_log_gives_the_same_calls() {
    let Some(strace) = strace() else { return };
    for (follow, workload) in [("-f", &WORKLOAD[..]), ("", &ALONE[..])] {
        let mut expected = None;
        for options in TIMES.iter().chain(OPTIONS) {
            for to_stderr in [false, true] {
                let scratch = Scratch::of(SANDPRINT);
                if !log(&strace, &scratch, &format!("{follow} {options}"), workload, to_stderr) {
                    continue;
                }
                let found = read(&import(&scratch));
                let what = format!("{follow} {options}, to standard error: {to_stderr}");
                assert_eq!(found.1, [], "{what}");
                assert_eq!(&found, expected.get_or_insert_with(|| found.clone()), "{what}");
            }
        }
        assert!(expected.unwrap().0.len() > 15);
    }
}

#[test]
fn what_strace_was_told_to_leave_out_is_noticed() {
    let Some(strace) = strace() else { return };
    for filter in FILTERS {
        let scratch = Scratch::of(SANDPRINT);
        let options = match filter.strip_prefix("trace-path=") {
            Some(path) => format!("-f -P {path}"),
            None => format!("-f -e {filter}"),
        };
        if log(&strace, &scratch, &options, &WORKLOAD, false) {
            let (_, gaps) = read(&import(&scratch));
            assert!(gaps.iter().any(|kind| kind.is_blocking()), "{filter}: {gaps:?}");
        }
    }
}

#[test]
fn the_files_of_each_process_are_read_in_any_order() {
    let Some(strace) = strace() else { return };
    let scratch = Scratch::of(SANDPRINT);
    let mut command = Command::new(&strace);
    command.arg("-ff").arg("-o").arg(scratch.path("one")).args(WORKLOAD).env("LC_ALL", "C");
    assert!(command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
    let files: Vec<Vec<u8>> = scratch.files().into_iter().map(|(_, content)| content).collect();
    assert_eq!(files.len(), 3);
    assert!(log(&strace, &scratch, "-f", &WORKLOAD, false));
    let expected = read(&import(&scratch)).0;
    // `cat l.*` puts the thousandth process before the 999th.
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        scratch.write("log", order.map(|at: usize| files[at].clone()).concat());
        let (calls, gaps) = read(&import(&scratch));
        assert_eq!(gaps, [], "{order:?}");
        assert_eq!(calls, expected, "{order:?}");
    }
}
