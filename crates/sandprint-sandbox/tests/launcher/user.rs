//! Running as another user. Needs root, but for the first.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::program;

/// What went to stderr, and the exit status.
fn failure(output: &Output) -> (String, Option<i32>) {
    (String::from_utf8(output.stderr.clone()).unwrap(), output.status.code())
}

#[test]
fn a_user_that_does_not_exist_is_our_failure() {
    let output = program::command(&["--user", "no-such-user", "true"]).output().unwrap();
    let text = "launch: failed to find the user \"no-such-user\": not in the user database\n";
    assert_eq!(failure(&output), (text.to_owned(), Some(125)));
}

/// A directory that everybody may enter, with a copy of the launcher: the build's may be private.
fn public_directory() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let launch = directory.path().join("launch");
    install(&program::path(), &launch);
    (directory, launch)
}

/// Copies a program by another process: one that we have open for writing, nobody can execute.
fn install(from: &Path, to: &Path) {
    assert!(Command::new("install").args(["-m", "755"]).args([from, to]).status().unwrap().success());
}

/// The identity that a command's workload has, and its environment.
fn identity(command: &mut Command) -> BTreeMap<String, String> {
    let output = command.args(["cat", "/proc/self/status", "/proc/self/environ"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut facts = BTreeMap::new();
    for line in text.split(['\n', '\0']) {
        let Some((name, value)) = line.split_once([':', '=']) else { continue };
        let wanted = ["Uid", "Gid", "Groups", "HOME", "USER", "LOGNAME", "SHELL", "MARK"];
        if wanted.contains(&name) || name.starts_with("Cap") {
            facts.insert(name.to_owned(), value.trim().to_owned());
        }
    }
    facts
}

fn setpriv(arguments: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(arguments);
    command
}

#[test]
fn a_workload_of_another_user_is_as_setpriv_makes_it() {
    if program::skips_without_root() {
        return;
    }
    let environment = |command: &mut Command| {
        command.env_clear().env("PATH", "/usr/bin:/bin").env("MARK", "kept").env("HOME", "/somewhere");
        identity(command)
    };
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    for name in ["nobody", "daemon"] {
        let line = passwd.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap();
        let [_, _, uid, gid, _, home, shell] = line.split(':').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let mut expected = environment(&mut setpriv(&["--reuid", uid, "--regid", gid, "--init-groups"]));
        for (variable, value) in [("HOME", home), ("USER", name), ("LOGNAME", name), ("SHELL", shell)] {
            expected.insert(variable.to_owned(), value.to_owned());
        }
        assert_eq!(environment(&mut program::command(&["--user", name])), expected, "{name}");
        assert_eq!(environment(&mut program::command(&["--user", uid])), expected, "{uid}");
    }

    let groups = &["--reuid", "12345", "--regid", "54321", "--groups", "54321"];
    let mut expected = environment(&mut setpriv(groups));
    expected.insert("HOME".to_owned(), "/".to_owned());
    assert_eq!(environment(&mut program::command(&["--user", "12345:54321"])), expected);
    let with_own = environment(&mut program::command(&["--user", "12345:54321", "--set", "HOME=/own"]));
    assert_eq!(with_own["HOME"], "/own");
}

#[test]
fn who_may_not_become_the_user_is_told_which_call_refused() {
    if program::skips_without_root() {
        return;
    }
    let (_directory, launch) = public_directory();
    let run = |arguments: &[&str]| {
        let mut command = setpriv(&["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        failure(&command.arg(&launch).args(arguments).output().unwrap())
    };
    let text = "launch: failed to run as user id 0 and group id 0: setgroups: \
                Operation not permitted (os error 1)\n";
    assert_eq!(run(&["--user", "root", "true"]), (text.to_owned(), Some(125)));
    // Whoever is that user already needs no privilege.
    assert_eq!(run(&["--user", "65534:65534", "sh", "-c", "exit 6"]), (String::new(), Some(6)));
}

#[test]
fn a_program_is_looked_for_with_the_rights_of_the_user() {
    if program::skips_without_root() {
        return;
    }
    let (directory, _launch) = public_directory();
    let make = |name: &str, mode: u32, code: &str| {
        let place = directory.path().join(name);
        fs::create_dir(&place).unwrap();
        let script = directory.path().join(code);
        fs::write(&script, format!("#!/bin/sh\nexit {code}\n")).unwrap();
        install(&script, &place.join("which-one"));
        fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
        place
    };
    let (private, public) = (make("private", 0o700, "1"), make("public", 0o755, "2"));
    let run = |arguments: &[&str], directories: &[&Path]| {
        let path = std::env::join_paths(directories).unwrap();
        failure(&program::command(arguments).env("PATH", path).output().unwrap())
    };
    let both = [private.as_path(), public.as_path()];
    assert_eq!(run(&["which-one"], &both), (String::new(), Some(1)));
    assert_eq!(run(&["--user", "nobody", "which-one"], &both), (String::new(), Some(2)));
    let refused = format!(
        "launch: failed to execute \"{}/which-one\": Permission denied (os error 13)\n",
        private.display()
    );
    let only = [private.as_path(), directory.path()];
    assert_eq!(run(&["--user", "nobody", "which-one"], &only), (refused, Some(126)));
}
