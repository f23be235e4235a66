//! `--landlock`: what the policy refuses stays refused through `io_uring`, and what it allows is not.

use std::fs;
use std::net::TcpListener;

use sandprint_model::{Action, Policy, Syscall};

use crate::SANDPRINT;
use crate::machine::{has_landlock, witness};
use crate::under::run_under;
use testkit::ended::Ended;
use testkit::expect::skip;
use testkit::hosts::NATIVE;
use testkit::policies::native::{all_but, allowing};
use testkit::scratch::Scratch;

const EACCES: i32 = 13;
const EXDEV: i32 = 18;
/// What a witness ends with that cannot show here what it is about.
const CANNOT: i32 = 77;

/// What the witness itself needs, and no more.
const NEEDS: [&str; 6] = ["execve", "io_uring_setup", "io_uring_enter", "mmap", "write", "exit_group"];

/// A policy that allows `io_uring`, and these calls.
fn with(names: &[&str]) -> Policy {
    allowing(&[&NEEDS, names].concat(), Action::Errno(1))
}

/// The witness in a fresh directory with a file, an empty directory and a second one; `None` where this machine
/// cannot show it.
fn through_uring(policy: &Policy, options: &[&str], words: &[&str]) -> Option<(i32, Scratch)> {
    let program = witness("through_uring")?;
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("file", "content");
    fs::create_dir(scratch.path("empty")).unwrap();
    fs::create_dir(scratch.path("other")).unwrap();
    let ended = run_under(&scratch, policy, options, &[&[program.to_str().unwrap()], words].concat());
    if ended.status == CANNOT {
        skip("io_uring", &ended.stdout);
        return None;
    }
    let lacks = ended.stderr.contains("is too old to refuse") && ended.stderr.contains(right(words));
    if ended.stderr.contains("failed to use Landlock") || lacks {
        skip("landlock", &ended.stderr);
        return None;
    }
    assert!(ended.stdout.is_empty(), "{ended:?}");
    Some((ended.status, scratch))
}

/// What a warning calls the right that came later than Landlock itself; of the others, something never said.
fn right(words: &[&str]) -> &'static str {
    match words.first() {
        Some(&"truncate") => "truncating files",
        Some(&"connect") => "connecting TCP sockets",
        Some(&"bind") => "binding TCP sockets",
        _ => "the rights of Landlock's first version",
    }
}

/// Operation, its words, the calls that a policy would have to allow for it, and whether it happened.
type Case = (&'static [&'static str], &'static [&'static str], fn(&Scratch) -> bool);

const CASES: &[Case] = &[
    (&["mkdir", "new"], &["mkdirat"], |scratch| scratch.path("new").is_dir()),
    (&["unlink", "file"], &["unlinkat"], |scratch| !scratch.path("file").exists()),
    (&["rmdir", "empty"], &["unlinkat"], |scratch| !scratch.path("empty").exists()),
    (&["create", "new"], &["openat"], |scratch| scratch.path("new").is_file()),
    (&["truncate", "file"], &["openat"], |scratch| fs::read(scratch.path("file")).unwrap().is_empty()),
    (&["symlink", "file", "new"], &["symlinkat"], |scratch| scratch.path("new").is_symlink()),
    (&["rename", "file", "new"], &["renameat"], |scratch| !scratch.path("file").exists()),
    (&["rename", "file", "other/new"], &["renameat2"], |scratch| !scratch.path("file").exists()),
    (&["rename", "empty", "new"], &["renameat"], |scratch| !scratch.path("empty").exists()),
    (&["link", "file", "new"], &["linkat"], |scratch| scratch.path("new").exists()),
    (&["link", "file", "other/new"], &["linkat"], |scratch| scratch.path("other/new").exists()),
];

#[test]
fn without_the_option_io_uring_goes_round_the_filter_and_with_it_it_does_not() {
    for (words, _, happened) in CASES {
        let Some((how, scratch)) = through_uring(&with(&[]), &[], words) else { continue };
        assert_eq!((how, happened(&scratch)), (0, true), "{words:?}");
        let Some((how, scratch)) = through_uring(&with(&[]), &["--landlock"], words) else { continue };
        assert!(matches!(how, EACCES | EXDEV), "{words:?}: {how:?}");
        assert!(!happened(&scratch), "{words:?}");
    }
}

#[test]
fn what_the_policy_allows_by_one_call_io_uring_may_do_too() {
    for (words, calls, happened) in CASES {
        let Some((how, scratch)) = through_uring(&with(calls), &["--landlock"], words) else { continue };
        assert_eq!((how, happened(&scratch)), (0, true), "{words:?} with {calls:?}");
    }
}

#[test]
fn sockets_are_refused_likewise() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    for (words, call) in [(&["connect", port.as_str()], "connect"), (&["bind", "0"], "bind")] {
        for (policy, options, status) in [
            (with(&[]), &[][..], 0),
            (with(&[]), &["--landlock"], EACCES),
            (with(&[call]), &["--landlock"], 0),
        ] {
            let Some((how, _)) = through_uring(&policy, options, words) else { continue };
            assert_eq!(how, status, "{words:?} {options:?}");
        }
    }
}

#[test]
fn a_policy_that_leaves_landlock_nothing_to_refuse_is_told_so() {
    let scratch = Scratch::of(SANDPRINT);
    if !has_landlock() {
        return;
    }
    let ended = run_under(&scratch, &all_but(&[]), &["--landlock"], &["true"]);
    let note = "note: --landlock adds nothing here: for everything that Landlock could refuse, the policy allows a call\n";
    assert_eq!(ended, Ended { stderr: note.to_owned(), ..Ended::with(0) });
}

/// Whatever a policy allows works under Landlock too: programs that make, move, link and remove files, and talk.
#[test]
fn nothing_that_the_policy_allows_is_lost() {
    const FILES: &str =
        "set -e; mkdir a a/b; echo x > a/f; truncate -s 0 a/f; mkfifo p; ln -s f a/s; rm -r a/s p;";
    const MOVES: &str = "mv a/f a/b/g; ln a/b/g h; mv a/b c; rm -r a c h;";
    const NETWORK: &str = "sleep 9 & kill $!; python3 -c 'import socket; s = socket.create_server((\"127.0.0.1\", 0)); \
                           socket.create_connection(s.getsockname())' || test $? = 127";
    const TREE: [&str; 10] = [
        "link",
        "linkat",
        "rename",
        "renameat",
        "renameat2",
        "mount",
        "move_mount",
        "fsconfig",
        "umount2",
        "pivot_root",
    ];
    if !has_landlock() {
        return;
    }
    // Each policy refuses something altogether that Landlock then refuses too: binding, connecting, and of files only
    // the making of devices.
    for (refused, script) in [
        (&["bind"][..], [FILES, MOVES].concat()),
        (&["connect"], [FILES, MOVES].concat()),
        (
            &[&TREE[..], &["mknod", "mknodat"]].concat(),
            [&FILES.replace("mkfifo p", "touch p"), NETWORK].concat(),
        ),
    ] {
        let scratch = Scratch::of(SANDPRINT);
        let there = |name: &&str| Syscall::from_name(NATIVE, name).is_some();
        let rules: Vec<_> =
            refused.iter().copied().filter(there).map(|name| (name, Action::Errno(1))).collect();
        let ended = run_under(&scratch, &all_but(&rules), &["--landlock"], &["sh", "-c", &script]);
        // On older kernels, where Landlock has no right that is left, it refuses nothing.
        assert!(!ended.stderr.contains("adds nothing"), "{refused:?}: {}", ended.stderr);
        assert_eq!(ended.status, 0, "{refused:?}: {}", ended.stderr);
    }
}
