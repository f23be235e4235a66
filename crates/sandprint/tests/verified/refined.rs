//! `profile refine` with rules: from nothing to the policy that a recording gives, and never wider than was accepted.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;

use sandprint_model::{Action, Reason, Syscall, wire};

use crate::SANDPRINT;
use crate::observers::can_notify;
use testkit::ended::Ended;
use testkit::hosts::NATIVE;
use testkit::scratch::Scratch;
use testkit::wait::until_so;

fn allowed(scratch: &Scratch, policy: &str) -> BTreeSet<String> {
    scratch.policy_file(policy).calls.allowed().map(|syscall| syscall.to_string()).collect()
}

fn refine(scratch: &Scratch, words: &[&str]) -> Ended {
    scratch.profile(&[&["refine", "-p", "p.toml"], words].concat())
}

#[test]
fn from_nothing_it_reaches_the_recorded_policy_and_stays_there() {
    if !can_notify() {
        return;
    }
    for command in [&["/bin/true"][..], &["head", "-c", "3", "input"], &["sh", "-c", "ls -l input | cat"]] {
        let scratch = Scratch::of(SANDPRINT);
        scratch.write("input", "abcdef");
        let ended = refine(&scratch, &[&["--new", "--accept-all", "--"], command].concat());
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        assert!(ended.stderr.contains("; 2 runs\n"), "{}", ended.stderr);
        // A shell's handler has calls fail that a signal meets: notification is not for a pipeline.
        let record = ["run", "--recorder", "ptrace", "-o", "trace", "--"];
        assert_eq!(scratch.profile(&[&record, command].concat()).status, 0);
        assert_eq!(scratch.profile(&["generate", "-i", "trace", "-f", "toml", "-o", "recorded"]).status, 0);
        assert_eq!(allowed(&scratch, "p.toml"), allowed(&scratch, "recorded"), "{command:?}");

        let before = scratch.read("p.toml");
        let again = refine(&scratch, &[&["--accept-all", "--"], command].concat());
        assert_eq!(again.status, 0, "{}", again.stderr);
        assert!(again.stderr.contains("0 allowed, 0 refused, 0 allowed once; 1 run\n"), "{}", again.stderr);
        assert_eq!(scratch.read("p.toml"), before);
        let verified = scratch.profile(&[&["verify", "-p", "p.toml", "--"], command].concat());
        assert_eq!(verified.status, 0, "{}", verified.stderr);
    }
}

#[test]
fn what_was_observed_is_accepted_and_nothing_else() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    let record = ["run", "--recorder", "notify", "-o", "trace", "--", "/bin/true"];
    assert_eq!(scratch.profile(&record).status, 0);
    let accept = ["--new", "--accept", "observed", "--trace", "trace", "--"];
    assert_eq!(refine(&scratch, &[&accept[..], &["/bin/true"]].concat()).status, 0);
    let before = allowed(&scratch, "p.toml");
    let ended = refine(&scratch, &[&accept[1..], &["mkdir", "made"]].concat());
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    assert!(!scratch.path("made").exists());
    assert_eq!(allowed(&scratch, "p.toml"), before);
}

#[test]
fn patterns_accept_what_they_match_and_the_rest_stays_refused_and_unwritten() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    let ended = refine(&scratch, &["--new", "--accept", "mm?p,brk", "--", "/bin/true"]);
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("\n    rule  allow openat when "), "{}", ended.stderr);
    let policy = scratch.policy_file("p.toml");
    let decided: BTreeSet<String> = policy
        .calls
        .rules
        .iter()
        .filter(|(_, rules)| {
            rules.iter().flat_map(|rule| &rule.reasons).any(|reason| matches!(reason, Reason::Decided { .. }))
        })
        .map(|(syscall, _)| syscall.to_string())
        .collect();
    assert_eq!(decided, BTreeSet::from(["mmap".to_owned()]));
    let mmap = Syscall::from_name(NATIVE, "mmap").unwrap();
    let Some(Reason::Decided { words, by, .. }) = policy.calls.rules[&mmap][0].reasons.first() else {
        panic!()
    };
    assert_eq!(by, "--accept mm?p,brk");
    assert!(words.starts_with("allowed: /"), "{words}");
}

#[test]
fn what_no_run_needs_is_added_unless_it_is_not_wanted() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    let command = ["--accept-all", "--", "sh", "-c", "ls | cat"];
    let ended = refine(&scratch, &[&["--new"], &command[..]].concat());
    let note = "note: allowed beside that, since a run need not show it (--no-baseline leaves it out): ";
    assert!(ended.stderr.contains(note) && ended.stderr.contains("madvise"), "{}", ended.stderr);
    let all = allowed(&scratch, "p.toml");
    for name in ["futex", "getpid", "rt_sigsuspend", "madvise"] {
        assert!(all.contains(name), "{name}: {all:?}");
    }
    std::fs::remove_file(scratch.path("p.toml")).unwrap();
    let ended = refine(&scratch, &[&["--new", "--no-baseline"], &command[..]].concat());
    assert!(!ended.stderr.contains(note), "{}", ended.stderr);
    let bare = allowed(&scratch, "p.toml");
    assert!(!bare.contains("rt_sigsuspend") && !bare.contains("madvise"), "{bare:?}");
    // A policy that was made without it stays so.
    refine(&scratch, &["--accept-all", "--", "sh", "-c", "ls | cat; mkdir made"]);
    let more = allowed(&scratch, "p.toml");
    assert!(more.len() > bare.len() && !more.contains("rt_sigsuspend"), "{more:?}");
}

#[test]
fn with_arguments_other_arguments_stay_refused() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    let ended = refine(&scratch, &["--new", "--accept-all", "--with-arguments", "--", "/bin/true"]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    let policy = scratch.policy_file("p.toml");
    let openat = Syscall::from_name(NATIVE, "openat").unwrap();
    let open =
        |flags| policy.calls.decide(&sandprint_model::Call { syscall: openat, args: [0, 0, flags, 0, 0, 0] });
    // O_RDONLY | O_CLOEXEC as loaders do, and O_WRONLY | O_CREAT.
    assert_eq!((open(0o2_000_000), open(0o101)), (Action::Allow, Action::Errno(1)));
    // What is added is told apart as well: to wait, and not the operations with priorities.
    let futex = Syscall::from_name(NATIVE, "futex").unwrap();
    let does = |op| policy.calls.decide(&sandprint_model::Call { syscall: futex, args: [0, op, 0, 0, 0, 0] });
    assert_eq!((does(0x80), does(0x86)), (Action::Allow, Action::Errno(1)));
}

#[test]
fn comments_survive_and_rules_that_refuse_are_not_weakened() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    assert_eq!(refine(&scratch, &["--new", "--accept-all", "--", "/bin/true"]).status, 0);
    let mkdir = if cfg!(target_arch = "aarch64") { "mkdirat" } else { "mkdir" };
    let abi = NATIVE.name();
    let text = format!(
        "# kept by the tests\n{}\n[[{abi}.{mkdir}]] # nobody makes directories\ndo = \"errno EROFS\"\n",
        scratch.read("p.toml")
    );
    scratch.write("p.toml", &text);
    let ended = refine(&scratch, &["--accept-all", "-o", "other.toml", "--", "mkdir", "made"]);
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("-> errno EROFS"), "{}", ended.stderr);
    assert!(!scratch.path("made").exists());
    assert_eq!(scratch.read("p.toml"), text);
    let written = scratch.read("other.toml");
    assert!(written.starts_with("# kept by the tests\n"), "{written}");
    assert!(written.contains("# nobody makes directories"), "{written}");
    assert!(allowed(&scratch, "other.toml").len() > allowed(&scratch, "p.toml").len());
}

#[test]
fn the_json_form_stays_json() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    assert_eq!(refine(&scratch, &["--new", "--accept-all", "--", "/bin/true"]).status, 0);
    assert_eq!(scratch.profile(&["generate", "-p", "p.toml", "-f", "json", "-o", "p.json"]).status, 0);
    let words = ["refine", "-p", "p.json", "--accept-all", "--", "mkdir", "made"];
    let ended = scratch.profile(&words);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(scratch.path("made").is_dir());
    let policy = wire::decode_policy(scratch.read("p.json").as_bytes()).unwrap();
    let before = scratch.policy_file("p.toml");
    assert!(before.calls.rules.iter().all(|(syscall, rules)| policy.calls.rules.get(syscall) == Some(rules)));
    assert!(policy.calls.rules.len() > before.calls.rules.len());
}

#[test]
fn an_interruption_keeps_what_was_decided() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    let mut command = scratch.sandprint(&[
        "profile",
        "refine",
        "-p",
        "p.toml",
        "--new",
        "--accept-all",
        "--",
        "sleep",
        "100",
    ]);
    let log = File::create(scratch.path("log")).unwrap();
    let mut child = command.stderr(log).spawn().unwrap();
    let sleeps = || {
        scratch.path("p.toml").exists()
            && scratch.read("p.toml").contains(".clock_nanosleep]]\ndo = \"allow\"\nwhy = [\n    { decided")
    };
    until_so("the sleep", || {
        let ended = child.try_wait().unwrap();
        assert_eq!(ended, None, "{}", scratch.read("log"));
        sleeps()
    });
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    // As the command did, so that a loop of a shell ends too.
    assert_eq!(child.wait().unwrap().signal(), Some(2), "{}", scratch.read("log"));
    assert!(
        scratch.read("log").contains("note: interrupted; what was decided is kept"),
        "{}",
        scratch.read("log")
    );
    assert!(sleeps());
}

#[test]
fn used_up_rounds_are_told() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    let ended = refine(&scratch, &["--new", "--accept-all", "--rounds", "1", "--", "/bin/true"]);
    assert_eq!(ended.status, 3);
    assert!(ended.stderr.contains("note: the rounds are used up"), "{}", ended.stderr);
    assert_eq!(refine(&scratch, &["--accept-all", "--rounds", "1", "--", "/bin/true"]).status, 0);
}

#[test]
fn wrong_words_are_refused_before_anything_runs() {
    let scratch = Scratch::of(SANDPRINT);
    for (words, error) in [
        (&["--new", "--", "touch", "ran"][..], "the following required arguments"),
        (&["--new", "--ask", "--accept-all", "--", "touch", "ran"], "cannot be used with"),
        (&["--new", "--ask", "--", "touch", "ran"], "`--ask` needs a terminal"),
        (&["--new", "--accept", "raed", "--", "touch", "ran"], "no system call has a name like `raed`"),
        (&["--new", "--accept", "observed", "--", "touch", "ran"], "go together"),
        (&["--new", "--accept-all", "-o", "-", "--", "touch", "ran"], "needs a file"),
        (&["--new", "--accept-all", "-o", "/dev/null", "--", "touch", "ran"], "is no regular file"),
    ] {
        let ended = refine(&scratch, words);
        assert_eq!(ended.status, 2, "{words:?}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("error: ") && ended.stderr.contains(error), "{}", ended.stderr);
        assert!(!scratch.path("ran").exists());
        assert!(!scratch.path("p.toml").exists(), "{words:?}");
    }
    assert_eq!(refine(&scratch, &["--accept-all", "--", "true"]).status, 125);
}

#[test]
fn the_harmless_rule_accepts_what_has_no_known_risk_and_nothing_else() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    let ended = refine(&scratch, &["--new", "--accept-harmless", "--", "/bin/true"]);
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    let allowed = allowed(&scratch, "p.toml");
    assert!(["brk", "mmap", "openat"].iter().all(|name| allowed.contains(*name)), "{allowed:?}");
    assert!(!allowed.contains("mprotect"), "{allowed:?}");
    let decided = scratch.read("p.toml");
    assert!(decided.contains("by = \"--accept-harmless\""), "{decided}");
}
