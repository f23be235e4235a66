//! A command that has its work done by a daemon is told at once, at the end, and where a profile is made of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::SANDPRINT;
use crate::observers::can_notify;
use testkit::scratch::Scratch;

/// A program of that name that does nothing, as a copy of one that is there.
fn program(scratch: &Scratch, name: &str) {
    fs::copy("/bin/true", scratch.path(name)).unwrap();
    fs::set_permissions(scratch.path(name), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_client_of_a_daemon_is_told_at_the_start_and_by_generate() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    program(&scratch, "docker");
    program(&scratch, "systemctl");
    scratch.write("deploy", "./systemctl status x; ./docker ps\n");
    let docker = "warning: docker has its work done by Docker's daemon, which is not recorded with it: `sandprint profile \
                  attach --container NAME`, beside the running container records that\n";
    let systemctl = "warning: systemctl has its work done by systemd, which is not recorded with it: `sandprint profile run \
                     --unit UNIT` records that\n";
    for (command, at_once, later) in [
        (&["./docker", "run", "debian"][..], &[docker][..], &[docker][..]),
        (&["env", "A=b", "./docker", "run", "debian"], &[docker], &[docker]),
        (&["sh", "-c", "./docker run debian"], &[docker], &[docker]),
        (&["./docker", "ps"], &[], &[]),
        (&["sh", "deploy"], &[docker, systemctl], &[docker, systemctl]),
        (&["true"], &[], &[]),
    ] {
        let record = ["run", "--recorder", "notify", "-o", "trace", "--"];
        let recorded = scratch.profile(&[&record, command].concat());
        assert_eq!(recorded.status, 0, "{}", recorded.stderr);
        let said = |text: &str| {
            [docker, systemctl]
                .into_iter()
                .filter(|warning| text.matches(warning).count() == 1)
                .collect::<Vec<_>>()
        };
        assert_eq!(said(&recorded.stderr), at_once, "{command:?}: {}", recorded.stderr);
        let is_at_once = recorded.stderr.starts_with("warning: ");
        assert_eq!(is_at_once, !at_once.is_empty() && command != ["sh", "deploy"], "{}", recorded.stderr);
        let generated = scratch.profile(&["generate", "-i", "trace", "-f", "toml", "-o", "policy"]);
        assert_eq!(said(&generated.stderr), later, "{command:?}: {}", generated.stderr);
    }
}

#[test]
fn a_launcher_is_told_and_left_out() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    fs::copy("/usr/bin/env", scratch.path("runc")).unwrap();
    let recorded =
        scratch.profile(&["run", "--recorder", "notify", "-o", "trace", "--", "./runc", "ls", "-l"]);
    assert_eq!(recorded.status, 0, "{}", recorded.stderr);
    let generate = |more: &[&str]| {
        let ended =
            scratch.profile(&[&["generate", "-i", "trace", "-f", "toml", "-o", "policy"], more].concat());
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        (ended.stderr, scratch.policy_file("policy"))
    };
    let (said, whole) = generate(&[]);
    assert!(said.contains("warning: the recording holds calls of programs that start others: "), "{said}");
    assert!(said.contains("`--without-image runc` leaves their calls out"), "{said}");
    let (said, without) = generate(&["--without-image", "runc"]);
    assert!(!said.contains("start others"), "{said}");
    assert!(said.contains("The calls of these programs were left out: "), "{said}");
    assert!(without.notes.iter().any(|note| note.to_string().contains("/runc")), "{:?}", without.notes);
    let allowed = |policy: &sandprint_model::Policy| policy.calls.allowed().count();
    assert!(allowed(&without) <= allowed(&whole));
    let (said, only) = generate(&["--image", "ls"]);
    assert!(!said.contains("start others"), "{said}");
    assert_eq!(only.calls.rules, without.calls.rules);
    let shown = scratch.profile(&["show", "--by", "image", "--image", "ls", "-f", "tsv", "trace"]);
    assert!(shown.stdout.lines().skip(1).all(|line| line.contains("/ls\t")), "{}", shown.stdout);
    let none = scratch.profile(&["generate", "-i", "trace", "-f", "toml", "--image", "nothing"]);
    assert_eq!(none.status, 2, "{}", none.stderr);
    assert!(
        none.stderr.starts_with("error: no program of the recording is called `nothing`\nhint: "),
        "{}",
        none.stderr
    );
}
