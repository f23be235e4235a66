//! Where output goes, and what happens when it cannot go there.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;

use crate::SANDPRINT;
use crate::machine::{can_mount, is_root, mode_and_owner};
use crate::traces::trace;
use sandprint_model::wire::encode_trace;
use testkit::ended::Ended;
use testkit::expect;
use testkit::scratch::Scratch;

fn scratch_with_traces() -> Scratch {
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("a", encode_trace(&trace(1, "a", &[(0, 3), (1, 2)])));
    scratch.write("b", encode_trace(&trace(2, "b", &[(0, 1), (9, 4)])));
    scratch
}

/// Commands that write a file or standard output, without their `-o`.
const WRITERS: [&[&str]; 3] = [
    &["profile", "merge", "a", "b"],
    &["profile", "subtract", "a", "b"],
    &["profile", "generate", "-f", "oci", "-i", "a"],
];

#[test]
fn standard_output_has_many_names() {
    let scratch = scratch_with_traces();
    for writer in WRITERS {
        let plain = scratch.run(writer);
        assert_eq!(plain.status, 0, "{writer:?}: {}", plain.stderr);
        assert!(!plain.stdout.is_empty());
        for name in ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
            let named = scratch.run(&[writer, &["-o", name]].concat());
            assert_eq!(named, plain, "{writer:?} -o {name}");
        }
        let file = scratch.run(&[writer, &["-o", "out"]].concat());
        assert_eq!(file.stdout, "");
        assert_eq!(scratch.read("out"), plain.stdout);
    }
}

#[test]
fn an_output_that_cannot_be_is_a_named_error() {
    let scratch = scratch_with_traces();
    fs::create_dir(scratch.path("directory")).unwrap();
    scratch.write("protected", "precious");
    fs::set_permissions(scratch.path("protected"), fs::Permissions::from_mode(0o444)).unwrap();
    symlink("loop", scratch.path("loop")).unwrap();
    let before = scratch.files();
    for writer in WRITERS {
        for (output, error, hint) in [
            (
                "directory",
                "failed to write `directory`: it is a directory",
                "name a file in it: `directory/FILE`",
            ),
            ("absent/", "failed to write `absent/`: it is a directory", "name a file in it: `absent/FILE`"),
            (
                "absent/out",
                "failed to create a file in `absent`: No such file or directory (os error 2)",
                "make the directory first, with `mkdir -p`",
            ),
            (
                "a/out",
                "failed to open `a/out` for writing: Not a directory (os error 20)",
                "a part of the path is not a directory",
            ),
            (
                "protected",
                "failed to write `protected`: it is write-protected",
                "nothing was changed: `chmod u+w` it, or give another file",
            ),
            (
                "loop",
                "failed to open `loop` for writing: Too many levels of symbolic links (os error 40)",
                "give another file",
            ),
            (
                "/dev/full",
                "failed to write `/dev/full`: No space left on device (os error 28)",
                "nothing was changed: make room, or give a file on another file system",
            ),
        ] {
            let ended = scratch.run(&[writer, &["-o", output]].concat());
            assert_eq!(ended, Ended::failed(1, error, hint), "{writer:?} -o {output}");
            assert_eq!(scratch.files(), before, "{writer:?} -o {output}");
        }
    }
}

#[test]
fn an_output_that_cannot_be_stops_a_recording_before_the_command_runs() {
    let scratch = scratch_with_traces();
    fs::create_dir(scratch.path("directory")).unwrap();
    for (output, status, error) in [
        ("directory", 125, "error: failed to write `directory`: it is a directory\n"),
        (
            "absent/out",
            125,
            "error: failed to create a file in `absent`: No such file or directory (os error 2)\n",
        ),
        ("-", 2, "error: the trace cannot go to standard output: it belongs to the command\n"),
        ("/dev/stdout", 2, "error: the trace cannot go to `/dev/stdout`: it belongs to the command\n"),
    ] {
        let ended = scratch.run(&["profile", "run", "-o", output, "--", "touch", "the-command-ran"]);
        assert_eq!(ended.status, status, "{output}: {}", ended.stderr);
        assert!(ended.stderr.starts_with(error), "{output}: {}", ended.stderr);
        assert!(!scratch.path("the-command-ran").exists(), "{output}");
    }
}

#[test]
fn standard_output_that_is_closed_is_a_failure() {
    let scratch = scratch_with_traces();
    for arguments in ["profile show a", "profile merge a", "profile generate -q a -f oci", "man"] {
        let line = format!("exec {SANDPRINT} {arguments} >&-");
        let output = scratch.program("sh", &["-c", &line]).output().unwrap();
        let error = "failed to write to standard output: it is closed";
        let hint = "check where standard output goes";
        assert_eq!(Ended::of(&output), Ended::failed(1, error, hint), "{arguments}");
    }
}

#[test]
fn standard_output_that_is_full_is_a_failure() {
    let scratch = scratch_with_traces();
    for arguments in [
        &["profile", "show", "a"][..],
        &["profile", "merge", "a"],
        &["completions", "bash"],
        &["man"],
        &["--help"],
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = scratch.sandprint(arguments).stdout(full).output().unwrap();
        assert_eq!(
            Ended::of(&output),
            Ended::failed(
                1,
                "failed to write to standard output: No space left on device (os error 28)",
                "make room, or give a file on another file system"
            ),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_reader_that_closes_our_pipe_early_is_no_failure() {
    let scratch = scratch_with_traces();
    for arguments in [
        &["profile", "show", "-"][..],
        &["profile", "show", "--format", "tsv", "-"],
        &["profile", "show", "--format", "json", "-"],
        &["profile", "merge", "-"],
        &["profile", "subtract", "-", "b"],
        &["profile", "diff", "-", "b"],
        &["profile", "coverage", "a", "-"],
        &["profile", "generate", "-f", "oci", "-i", "-"],
    ] {
        let mut child = scratch
            .sandprint(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The pipe is closed before there is anything to write: the command still waits for its input.
        drop(child.stdout.take());
        let input = encode_trace(&trace(1, "a", &[(0, 3)]));
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(Ended::of(&output), Ended::printed(""), "{arguments:?}");
    }
}

#[test]
fn nobody_listening_on_stderr_is_no_failure() {
    let scratch = scratch_with_traces();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = scratch.sandprint(&["profile", "show", "absent"]).stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn a_symbolic_link_stays_and_its_file_is_replaced() {
    let scratch = scratch_with_traces();
    symlink("real", scratch.path("link")).unwrap();
    for _ in 0..2 {
        assert_eq!(scratch.run(&["profile", "merge", "a", "b", "-o", "link"]), Ended::printed(""));
        assert_eq!(fs::read_link(scratch.path("link")).unwrap().to_str(), Some("real"));
        assert_eq!(scratch.trace("real").runs.len(), 2);
    }
}

#[test]
fn a_trace_is_private_and_a_profile_follows_the_umask() {
    let scratch = scratch_with_traces();
    let umask = |command: &str| {
        let script = format!("umask 027; exec {SANDPRINT} {command}");
        assert!(scratch.program("sh", &["-c", &script]).status().unwrap().success(), "{command}");
    };
    umask("profile merge a b -o trace");
    umask("profile generate -f oci -i a -o profile");
    assert_eq!(mode_and_owner(&scratch.path("trace")).0, 0o600);
    assert_eq!(mode_and_owner(&scratch.path("profile")).0, 0o640);
}

/// Runs a script as root of a mount namespace of its own, in the scratch directory.
fn in_mounts(scratch: &Scratch, script: &str) -> Ended {
    let script = format!("set -e; sandprint={SANDPRINT}; {script}");
    Ended::of(&scratch.program("unshare", &["-m", "sh", "-c", &script]).output().unwrap())
}

#[test]
fn a_full_disk_leaves_the_old_file_and_no_litter() {
    if !can_mount() {
        return;
    }
    let scratch = scratch_with_traces();
    fs::create_dir(scratch.path("disk")).unwrap();
    let ended = in_mounts(
        &scratch,
        "mount -t tmpfs -o size=64k none disk; echo old > disk/trace; \
         dd if=/dev/zero of=disk/filler bs=4k status=none 2> /dev/null || true; \
         code=0; $sandprint profile merge a b -o disk/trace || code=$?; \
         cat disk/trace; ls -A disk; exit $code",
    );
    assert_eq!(
        ended,
        Ended {
            status: 1,
            stdout: "old\nfiller\ntrace\n".to_owned(),
            stderr: "error: failed to write `disk/trace`: No space left on device (os error 28)\n\
                     hint: nothing was changed: make room, or give a file on another file system\n"
                .to_owned(),
        }
    );
}

#[test]
fn a_read_only_file_system_is_named() {
    if !can_mount() {
        return;
    }
    let scratch = scratch_with_traces();
    fs::create_dir(scratch.path("disk")).unwrap();
    for (output, error) in [
        ("trace", "failed to open `disk/trace` for writing: Read-only file system (os error 30)"),
        ("new", "failed to create a file in `disk`: Read-only file system (os error 30)"),
    ] {
        let ended = in_mounts(
            &scratch,
            &format!(
                "mount -t tmpfs none disk; echo old > disk/trace; mount -o remount,ro disk; \
                 code=0; $sandprint profile merge a b -o disk/{output} || code=$?; \
                 cat disk/trace; ls -A disk; exit $code"
            ),
        );
        assert_eq!(
            ended,
            Ended {
                status: 1,
                stdout: "old\ntrace\n".to_owned(),
                stderr: format!(
                    "error: {error}\nhint: give a file on a file system that is mounted writable\n"
                ),
            }
        );
    }
}

#[test]
fn a_directory_of_somebody_else_is_named() {
    use std::os::unix::process::CommandExt;
    if !is_root() {
        return;
    }
    let scratch = scratch_with_traces();
    for name in ["a", "b"] {
        fs::set_permissions(scratch.path(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    fs::set_permissions(scratch.path("."), fs::Permissions::from_mode(0o755)).unwrap();
    // The target directory may lie where nobody else can look.
    let copied = scratch.program("cp", &[SANDPRINT, "sandprint"]).status();
    assert!(copied.is_ok_and(|status| status.success()));
    let before = scratch.files();
    let output = scratch
        .program("./sandprint", &["profile", "merge", "a", "b", "-o", "out"])
        .uid(65_534)
        .gid(65_534)
        .output();
    let Ok(output) = output else {
        expect::skip("root", "another user cannot reach the scratch directory");
        return;
    };
    assert_eq!(
        Ended::of(&output),
        Ended::failed(
            1,
            "failed to create a file in `.`: Permission denied (os error 13)",
            "give a file in a directory that you may write, or use sudo"
        )
    );
    assert_eq!(scratch.files(), before);
}
