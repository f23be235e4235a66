//! `profile run` and `profile attach` at the command line: exit statuses, what is said, and the trace file.
//!
//! What is in a recording is the subject of other tests.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;

use sandprint_model::Exit;

use crate::SANDPRINT;
use crate::machine::{can_mount, can_record, is_root, mode_and_owner};
use crate::traces::trace;
use sandprint_model::wire::encode_trace;
use testkit::ended::Ended;
use testkit::scratch::Scratch;

const NO_TRACE: &str = "\nNo trace was written: `-o FILE` writes one, from which profiles are made.\n";

#[test]
fn the_status_is_the_commands_own() {
    if !can_record() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("not-executable", "x");
    for (command, status) in [
        (&["true"][..], 0),
        (&["sh", "-c", "exit 7"], 7),
        (&["sh", "-c", "exit 125"], 125),
        (&["sh", "-c", "exit 255"], 255),
        (&["sh", "-c", "kill -TERM $$"], -15),
        (&["sh", "-c", "kill -KILL $$"], -9),
        (&["no-such-command-anywhere"], 127),
        (&["/no/such/command"], 127),
        (&["./not-executable"], 126),
        (&["."], 126),
    ] {
        let ended = scratch.run(&[&["profile", "run", "--"], command].concat());
        assert_eq!(ended.status, status, "{command:?}: {}", ended.stderr);
        if status == 127 || status == 126 {
            let lines: Vec<&str> = ended.stderr.lines().collect();
            assert!(lines[0].starts_with("error: failed to run `"), "{lines:?}");
            assert!(lines[1].starts_with("hint: "), "{lines:?}");
            assert_eq!(lines.len(), 2);
        }
    }
}

#[test]
fn output_is_the_commands_and_the_summary_goes_to_stderr() {
    if !can_record() {
        return;
    }
    let ended = Scratch::of(SANDPRINT).run(&["profile", "run", "--", "sh", "-c", "echo data; echo talk >&2"]);
    assert_eq!(ended.stdout, "data\n");
    let rest = ended.stderr.strip_prefix("talk\nObserved ").unwrap();
    let (numbers, rest) = rest.split_once("\n\n   NR       COUNT  NAME\n").unwrap();
    assert!(numbers.ends_with(" unique syscalls)"), "{numbers}");
    let (table, also) = rest.strip_suffix(NO_TRACE).unwrap().split_once("\n\nAlso recorded").unwrap();
    assert!(also.contains("\n  arguments (") && also.contains(" files ("), "{also}");
    let counts: Vec<u64> =
        table.lines().map(|line| line.split_whitespace().nth(1).unwrap().parse().unwrap()).collect();
    assert!(counts.is_sorted_by(|a, b| a >= b));
    assert!(numbers.starts_with(&format!(
        "{} syscall events ({} ",
        counts.iter().sum::<u64>(),
        counts.len()
    )));
}

#[test]
fn input_is_the_commands() {
    if !can_record() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("input", "one\ntwo\n");
    let input = fs::File::open(scratch.path("input")).unwrap();
    let output = scratch.sandprint(&["profile", "run", "--", "cat"]).stdin(input).output().unwrap();
    assert_eq!(Ended::of(&output).stdout, "one\ntwo\n");
}

#[test]
fn every_run_that_appends_at_once_gets_in() {
    const WRITERS: usize = 8;
    if !can_record() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    let children: Vec<_> = (0..WRITERS)
        .map(|number| {
            scratch
                .sandprint(&["profile", "run", "--append", "-o", "suite", "--name"])
                .args([&number.to_string(), "--", "true"])
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    let runs = scratch.trace("suite").runs;
    assert!(runs.values().all(|run| run.exit == Some(Exit::Code(0))));
    let names: BTreeSet<String> = runs.into_values().map(|run| run.name.unwrap()).collect();
    assert_eq!(names, (0..WRITERS).map(|number| number.to_string()).collect());
    assert_eq!(scratch.files().len(), 1);
}

/// Whether stderr tells what was observed, and then this error.
fn assert_summary_then_error(ended: &Ended, error: &str) {
    assert!(ended.stderr.starts_with("Observed "), "{}", ended.stderr);
    let lines: Vec<&str> = ended.stderr.lines().collect();
    let [.., row, got, hint] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(row.starts_with("  "), "{row}");
    assert_eq!(*got, format!("error: {error}"));
    assert!(hint.starts_with("hint: "), "{hint}");
}

#[test]
fn a_trace_that_cannot_be_written_is_still_summarized_and_the_old_one_stays() {
    if !can_record() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    let old = encode_trace(&trace(1, "old", &[(0, 1)]));
    for (options, command, error) in [
        (&["-o", "t"][..], &["chmod", "0444", "t"][..], "failed to write `t`: it is write-protected"),
        (
            &["--append", "-o", "t"],
            &["sh", "-c", "echo more >> t"],
            "cannot append: failed to read `t` as a trace: the trace is no valid JSON at line LINE: trailing characters",
        ),
        (
            &["-o", "/dev/full"],
            &["true"],
            "failed to write `/dev/full`: No space left on device (os error 28)",
        ),
    ] {
        drop(fs::remove_file(scratch.path("t")));
        scratch.write("t", &old);
        let mut ended = scratch.run(&[&["profile", "run"], options, &["--"], command].concat());
        assert_eq!(ended.status, 125, "{}", ended.stderr);
        if let Some(at) = ended.stderr.find("at line ") {
            let end = ended.stderr[at..].find(": ").unwrap() + at;
            ended.stderr.replace_range(at..end, "at line LINE");
        }
        assert_summary_then_error(&ended, error);
        assert!(scratch.read("t").starts_with(&old));
        assert_eq!(scratch.files().len(), 1);
    }
}

#[test]
fn a_disk_that_fills_up_meanwhile_costs_the_trace_and_nothing_else() {
    if !can_record() || !can_mount() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    fs::create_dir(scratch.path("disk")).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=64k none disk; echo old > disk/t; code=0; \
         {SANDPRINT} profile run -o disk/t -- sh -c 'cat /dev/zero > disk/filler 2> /dev/null' || code=$?; \
         cat disk/t; ls -A disk; exit $code"
    );
    let ended = Ended::of(&scratch.program("unshare", &["-m", "sh", "-c", &script]).output().unwrap());
    assert_eq!((ended.status, ended.stdout.as_str()), (125, "old\nfiller\nt\n"), "{}", ended.stderr);
    assert_summary_then_error(&ended, "failed to write `disk/t`: No space left on device (os error 28)");
}

#[test]
fn under_sudo_the_user_learns_once_that_the_command_runs_as_root() {
    const NOTE: &str = "The command runs as root; `--user alice` would run it as the user who called sudo.\n";
    if !can_record() || !is_root() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    std::os::unix::fs::chown(scratch.path("."), Some(1234), Some(1234)).unwrap();
    let sudo = |arguments: &[&str], user: &str| {
        let mut command = scratch.sandprint(&["profile", "run"]);
        command.args(arguments).args(["--", "true"]);
        command.envs([("SUDO_UID", user), ("SUDO_GID", user), ("SUDO_USER", "alice")]);
        Ended::of(&command.output().unwrap()).stderr
    };
    let said = sudo(&["-o", "t"], "1234");
    assert_eq!(said.matches(NOTE).count(), 1, "{said}");
    assert!(said.starts_with(NOTE));
    assert_eq!(mode_and_owner(&scratch.path("t")), (0o600, 1234, 1234));
    assert_eq!(sudo(&["--user", "nobody"], "1234").matches(NOTE).count(), 0);
    assert_eq!(sudo(&[], "0").matches(NOTE).count(), 0);
    assert_eq!(sudo(&["--append", "-o", "t"], "1234").matches(NOTE).count(), 1);
    assert_eq!(mode_and_owner(&scratch.path("t")), (0o600, 1234, 1234));
    assert_eq!(scratch.trace("t").runs.len(), 2);
}

#[test]
fn an_attached_trace_is_incomplete_and_says_so() {
    if !can_record() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    let mut target = scratch.program("sh", &["-c", "while :; do sleep 0.01; done"]).spawn().unwrap();
    let pid = target.id().to_string();
    let attached = scratch.run(&["profile", "attach", "--pid", &pid, "--duration", "300ms", "-o", "t"]);
    assert!(target.try_wait().unwrap().is_none(), "what was recorded runs on");
    target.kill().unwrap();
    target.wait().unwrap();
    assert_eq!((attached.status, attached.stdout.as_str()), (0, ""), "{}", attached.stderr);
    let warned = "The recording may be incomplete:\n  - The target ran before the recording began";
    assert!(attached.stderr.contains(warned), "{}", attached.stderr);
    assert!(attached.stderr.ends_with("\nTrace written to `t`.\n"));
    let targets: Vec<_> = scratch.trace("t").runs.into_values().map(|run| run.target).collect();
    assert_eq!(targets, [Some(format!("pid {pid}"))]);
    assert_eq!(scratch.run(&["profile", "generate", "-i", "t", "-f", "oci"]).status, 1);
    let accepted = scratch.run(&["profile", "generate", "-i", "t", "-f", "oci", "--allow-incomplete"]);
    assert_eq!(accepted.status, 0, "{}", accepted.stderr);
}

#[test]
fn an_attached_trace_may_go_to_standard_output() {
    if !can_record() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    let mut target = scratch.program("sleep", &["60"]).spawn().unwrap();
    let pid = target.id().to_string();
    let attached = scratch.run(&["profile", "attach", "--pid", &pid, "--duration", "50ms", "-o", "-"]);
    target.kill().unwrap();
    target.wait().unwrap();
    assert_eq!(attached.status, 0, "{}", attached.stderr);
    scratch.write("t", &attached.stdout);
    assert_eq!(scratch.trace("t").runs.len(), 1);
}
