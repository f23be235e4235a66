//! Whose a file is that was written, under sudo and without.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use crate::SANDPRINT;
use crate::machine::{is_root, mode_and_owner};
use crate::traces::trace;
use sandprint_model::wire::encode_trace;
use testkit::ended::Ended;
use testkit::expect;
use testkit::scratch::Scratch;

/// Who called sudo.
const CALLER: (u32, u32) = (1234, 2345);

/// Commands that write, with the file that they write and whether that is a trace.
const WRITERS: [(&str, bool); 8] = [
    ("profile merge a b -o OUT", true),
    ("profile subtract a b -o OUT", true),
    ("profile import --from strace log -o OUT", true),
    ("profile import --from strace log -o OUT --append", true),
    ("profile run --recorder notify -o OUT -- true", true),
    ("profile generate --no-baseline -f oci -i a -o OUT", false),
    ("profile generate -f toml -i a -o OUT", false),
    ("policy import oci -o OUT", false),
];

fn scratch() -> Option<Scratch> {
    if !is_root() {
        return None;
    }
    let scratch = Scratch::of(SANDPRINT);
    fs::set_permissions(scratch.path("."), fs::Permissions::from_mode(0o755)).unwrap();
    scratch.write("a", encode_trace(&trace(1, "a", &[(0, 3), (1, 2)])));
    scratch.write("b", encode_trace(&trace(2, "b", &[(0, 1), (9, 4)])));
    scratch.write("log", "1 execve(\"/bin/app\", [\"app\"], 0x7ffd /* 3 vars */) = 0\n1 exit_group(0) = ?\n");
    assert_eq!(scratch.run(&["profile", "generate", "-f", "oci", "-i", "a", "-o", "oci"]).status, 0);
    Some(scratch)
}

/// A directory of that owner and mode.
fn directory(scratch: &Scratch, name: &str, owner: (u32, u32), mode: u32) {
    fs::create_dir_all(scratch.path(name)).unwrap();
    chown(scratch.path(name), Some(owner.0), Some(owner.1)).unwrap();
    fs::set_permissions(scratch.path(name), fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs it as sudo would.
fn by_sudo(scratch: &Scratch, line: &str) -> Ended {
    let command = format!("umask 022; exec {SANDPRINT} {line}");
    let mut command = scratch.program("sh", &["-c", &command]);
    let (uid, gid) = CALLER;
    command.envs([("SUDO_UID", uid.to_string()), ("SUDO_GID", gid.to_string())]);
    Ended::of(&command.output().unwrap())
}

fn written(scratch: &Scratch, line: &str, path: &str) -> (u32, u32, u32) {
    let line = line.replace("OUT", path);
    let ended = by_sudo(scratch, &line);
    assert_eq!(ended.status, 0, "{line}: {}", ended.stderr);
    mode_and_owner(&scratch.path(path))
}

#[test]
fn under_sudo_only_a_new_trace_where_the_caller_could_write_is_the_callers() {
    let Some(scratch) = scratch() else { return };
    directory(&scratch, "home", CALLER, 0o755);
    directory(&scratch, "group", (0, CALLER.1), 0o775);
    directory(&scratch, "shared", (0, 0), 0o1777);
    directory(&scratch, "etc", (0, 0), 0o755);
    directory(&scratch, "other", (4242, 4242), 0o755);
    directory(&scratch, "closed", (0, 0), 0o700);
    directory(&scratch, "closed/open", (0, 0), 0o777);
    for (number, (line, is_trace)) in WRITERS.into_iter().enumerate() {
        for (place, is_theirs) in [
            ("home", true),
            ("group", true),
            ("shared", true),
            ("etc", false),
            ("other", false),
            ("closed/open", false),
        ] {
            let owner = if is_trace && is_theirs { CALLER } else { (0, 0) };
            let mode = if is_trace { 0o600 } else { 0o644 };
            let path = format!("{place}/{number}");
            assert_eq!(written(&scratch, line, &path), (mode, owner.0, owner.1), "{line} in {place}");
            // The second time there is a file, also one of the caller's in a directory of everybody's.
            let again = written(&scratch, line, &path);
            assert_eq!(again, (mode, owner.0, owner.1), "again {line} in {place}");
        }
    }
}

#[test]
fn a_file_that_is_there_keeps_its_owner_and_mode() {
    let Some(scratch) = scratch() else { return };
    directory(&scratch, "home", CALLER, 0o755);
    let existing = |path: &Path, content: &str| {
        fs::write(path, content).unwrap();
        chown(path, Some(77), Some(88)).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap();
    };
    for (line, _) in WRITERS {
        existing(&scratch.path("home/out"), &scratch.read("a"));
        assert_eq!(written(&scratch, line, "home/out"), (0o640, 77, 88), "{line}");
        // Without sudo too: root that appends to somebody's trace does not take it away.
        existing(&scratch.path("home/out"), &scratch.read("a"));
        let line = line.replace("OUT", "home/out");
        let ended = scratch.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(ended.status, 0, "{line}: {}", ended.stderr);
        assert_eq!(mode_and_owner(&scratch.path("home/out")), (0o640, 77, 88), "{line}");
    }
    scratch.run(&["profile", "generate", "-f", "toml", "-i", "a", "-o", "policy"]);
    let untidy = format!("\n\n{}", scratch.read("policy"));
    existing(&scratch.path("home/policy"), &untidy);
    assert_eq!(written(&scratch, "policy fmt home/policy", "home/policy"), (0o640, 77, 88));
    assert_ne!(scratch.read("home/policy"), untidy);
}

#[test]
fn who_may_write_a_file_but_not_own_it_writes_it_where_it_is() {
    let Some(scratch) = scratch() else { return };
    directory(&scratch, "team", (4242, 4242), 0o777);
    directory(&scratch, "closed", (4242, 4242), 0o755);
    for name in ["a", "b"] {
        fs::set_permissions(scratch.path(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let copied = scratch.program("cp", &[SANDPRINT, "sandprint"]).status();
    assert!(copied.is_ok_and(|status| status.success()));
    for path in ["team/out", "closed/out"] {
        scratch.write(path, "old");
        chown(scratch.path(path), Some(4242), Some(4242)).unwrap();
        fs::set_permissions(scratch.path(path), fs::Permissions::from_mode(0o666)).unwrap();
        let command = &["profile", "merge", "a", "b", "-o", path];
        let Ok(output) = scratch.program("./sandprint", command).uid(65_534).gid(65_534).output() else {
            expect::skip("root", "another user cannot reach the scratch directory");
            return;
        };
        assert_eq!(Ended::of(&output), Ended::printed(""), "{path}");
        assert_eq!(mode_and_owner(&scratch.path(path)), (0o666, 4242, 4242), "{path}");
        assert_eq!(scratch.trace(path).runs.len(), 2);
    }
    assert_eq!(fs::read_dir(scratch.path("team")).unwrap().count(), 1);
}

#[test]
fn in_a_user_namespace_without_the_caller_nothing_untrue_is_said() {
    let Some(scratch) = scratch() else { return };
    let line = format!("exec {SANDPRINT} profile merge a b -o out");
    let mut command = scratch.program("unshare", &["-Ur", "sh", "-c", &line]);
    let (uid, gid) = CALLER;
    let output =
        command.envs([("SUDO_UID", uid.to_string()), ("SUDO_GID", gid.to_string())]).output().unwrap();
    let ended = Ended::of(&output);
    if ended.stderr.starts_with("unshare:") {
        expect::skip("namespaces", &ended.stderr);
        return;
    }
    assert_eq!(ended, Ended::printed(""));
    assert_eq!(mode_and_owner(&scratch.path("out")), (0o600, 0, 0));
}

#[test]
fn root_of_a_user_namespace_is_told_what_it_may_not() {
    let scratch = Scratch::of(SANDPRINT);
    let said = |arguments: &str| {
        let line = format!("exec {SANDPRINT} {arguments}");
        Ended::of(&scratch.program("unshare", &["-Ur", "sh", "-c", &line]).output().unwrap())
    };
    let refused = said("profile run --recorder ebpf -- true");
    if refused.stderr.starts_with("unshare:") {
        expect::skip("namespaces", &refused.stderr);
        return;
    }
    let error = "failed to load the recorder: the kernel lets no root of a user namespace load BPF programs";
    let hint = "run it outside of that namespace (a rootless container has one); `profile run --recorder ptrace` works \
                inside";
    assert_eq!(refused, Ended::failed(125, error, hint));
    let doctor = said("doctor");
    assert!(
        doctor.stdout.contains("missing CAP_BPF and CAP_PERFMON outside of this user namespace"),
        "{doctor:?}"
    );
    assert!(!doctor.stdout.contains("RLIMIT_MEMLOCK"), "{doctor:?}");
}

#[test]
fn the_name_of_a_run_that_is_no_text_is_refused_by_name() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let scratch = Scratch::of(SANDPRINT);
    let mut command = scratch.sandprint(&["profile", "run", "--name"]);
    command.arg(OsStr::from_bytes(b"caf\xe9")).args(["--", "true"]);
    assert_eq!(
        Ended::of(&command.output().unwrap()),
        Ended::failed(
            2,
            "an argument is no UTF-8: `caf\\xe9`",
            "only file names, and the command and its arguments, may be other bytes"
        )
    );
}
