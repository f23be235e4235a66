//! What is not run, with its reason: policies that start nothing, files that are no policy, commands that are none.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use sandprint_model::{Abi, Action, Comparison, Condition, Policy, Syscall, Width, wire};

use crate::SANDPRINT;
use crate::under::{run, run_under};
use testkit::ended::Ended;
use testkit::hosts::NATIVE;
use testkit::policies::native::{all_but, allowing, call, policy, rule};
use testkit::scratch::Scratch;

/// A policy of other ABIs only.
fn foreign(abis: &[Abi]) -> Policy {
    let mut policy = policy(Action::Errno(1), &[]);
    for abi in abis {
        let execve = Syscall::from_name(*abi, "execve").unwrap();
        policy.calls.rules.insert(execve, vec![rule(Action::Allow, Vec::new())]);
    }
    policy
}

#[test]
fn a_policy_that_starts_nothing_is_refused_with_its_reason() {
    let other = if NATIVE == Abi::X86_64 { Abi::Aarch64 } else { Abi::X86_64 };
    let first = Condition { index: 1, width: Width::Bits64, comparison: Comparison::Equal(1) };
    let mut by_arguments = policy(Action::Errno(1), &[]);
    by_arguments.calls.rules.insert(call("execve"), vec![rule(Action::Allow, vec![first])]);
    let here = NATIVE;
    let nothing = "the policy allows no system call at all, so nothing can be started under it";
    let generate = "generate one from the recording of a run: `sandprint profile generate -f toml`";
    let foreign_hint = "generate one from a recording that was made on this kind of machine; under this one not even \
                        the command's first call would be decided by its rules";
    let refuses = "the policy refuses execve, with which the command is started";
    let recorded =
        "generate it from a recording that `sandprint profile run` made: its first call is the execve";
    for (policy, why, hint) in [
        (policy(Action::Errno(1), &[]), nothing.to_owned(), generate),
        (policy(Action::KillProcess, &[("execve", Action::Errno(1))]), nothing.to_owned(), generate),
        (
            foreign(&[other]),
            format!(
                "the policy has no rule for {here}, the ABI of this machine's programs: it is for {other}"
            ),
            foreign_hint,
        ),
        (allowing(&["read", "exit_group"], Action::Errno(1)), refuses.to_owned(), recorded),
        (allowing(&["read", "exit_group"], Action::KillProcess), refuses.to_owned(), recorded),
        (policy(Action::Allow, &[("execve", Action::Trap)]), refuses.to_owned(), recorded),
        (policy(Action::Allow, &[("execve", Action::Trace(1))]), refuses.to_owned(), recorded),
        (
            allowing(&["execveat"], Action::Errno(1)),
            refuses.to_owned(),
            "execveat is allowed, and is another call: add execve, or generate the policy with `--portable`",
        ),
        (
            by_arguments,
            "the policy refuses this execve by its arguments".to_owned(),
            "execve gets addresses, which differ from run to run: a rule for it must have no conditions",
        ),
    ] {
        let scratch = Scratch::of(SANDPRINT);
        let ended = run_under(&scratch, &policy, &[], &["touch", "ran"]);
        assert_eq!(ended, Ended::failed(125, &format!("failed to run under `policy`: {why}"), hint));
        assert!(!scratch.path("ran").exists());
    }
}

#[test]
fn a_condition_on_execve_that_holds_is_told() {
    let scratch = Scratch::of(SANDPRINT);
    let mut policy = all_but(&[]);
    // execve(2) has three arguments, and we leave zeros in the other registers.
    let fourth = Condition { index: 3, width: Width::Bits64, comparison: Comparison::Equal(0) };
    let rules = vec![rule(Action::Allow, vec![fourth]), rule(Action::KillProcess, Vec::new())];
    policy.calls.rules.insert(call("execve"), rules);
    let ended = run_under(&scratch, &policy, &[], &["true"]);
    assert_eq!(ended.status, 0);
    assert_eq!(
        ended.stderr,
        "note: the policy decides execve by its arguments, which are addresses and other ones in the next run\n"
    );
}

const CHECK: &str = "check the name; `sandprint profile generate -f toml -i TRACE -o FILE` writes a policy";
const CUT_OFF: &str = "the file was cut off, perhaps by a copy that did not end; copy or generate it again";

#[test]
fn a_file_that_is_no_policy_is_named_with_what_it_is() {
    let good = wire::encode_policy(&all_but(&[]));
    let half = good.get(..good.len() / 2).unwrap();
    for (content, error, hint) in [
        (None, "failed to read `policy`: No such file or directory (os error 2)", CHECK),
        (
            Some(""),
            "failed to read `policy`: it is empty",
            "it may have been emptied by a redirection (`> FILE`) before it was read; generate it again",
        ),
        (Some(half), "failed to read `policy` as a policy: the policy ends too early, at line ", CUT_OFF),
        (
            Some("{\"format\": \"sandprint-trace\", \"version\": 1}"),
            "failed to read `policy` as a policy: this is no sandprint policy: it is a sandprint trace",
            "make a policy of a trace: `sandprint profile generate -i TRACE -f toml`",
        ),
        (
            Some("{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": []}"),
            "failed to read `policy` as a policy: this is no sandprint policy: it looks like a seccomp profile of a \
             container runtime",
            "read the profile of a container runtime: `sandprint policy import FILE`",
        ),
        (
            Some("version = 1\nforeign = 7\ndefault = \"errno EPERM\""),
            "failed to read policy as a policy file:   policy:2:11: this is a number, not a string",
            "`sandprint policy check FILE` lists all of it",
        ),
        (
            Some("{\"format\": \"sandprint-policy\", \"version\": 99}"),
            "failed to read `policy` as a policy: this policy has version 99; this sandprint reads up to 1",
            "read it with the sandprint that wrote it, or a newer one",
        ),
    ] {
        let scratch = Scratch::of(SANDPRINT);
        if let Some(content) = content {
            scratch.write("policy", content);
        }
        let ended = run(&scratch, &["--", "touch", "ran"]);
        assert_eq!((ended.status, ended.stdout.as_str()), (125, ""), "{content:?}");
        let stderr = ended.stderr.replace(":\n  ", ":   ");
        let lines: Vec<_> = stderr.lines().collect();
        let [said, hinted] = lines[..] else { panic!("{lines:?}") };
        assert!(said.starts_with(&format!("error: {error}")), "{said}");
        assert_eq!(hinted, format!("hint: {hint}"));
        assert!(!scratch.path("ran").exists());
    }
}

#[test]
fn an_endless_policy_does_not_fill_the_memory_and_a_directory_is_none() {
    let scratch = Scratch::of(SANDPRINT);
    for (path, error) in [
        ("/dev/zero", "failed to read `/dev/zero`: it is larger than 16777216 bytes"),
        (".", "failed to read `.`: it is a directory"),
    ] {
        let ended = Ended::of(&scratch.sandprint(&["run", "-p", path, "true"]).output().unwrap());
        assert_eq!(ended.status, 125);
        assert!(ended.stderr.starts_with(&format!("error: {error}\nhint: ")), "{}", ended.stderr);
    }
}

#[test]
fn a_policy_may_come_through_standard_input() {
    let scratch = Scratch::of(SANDPRINT);
    scratch.policy(&all_but(&[]));
    let policy = fs::File::open(scratch.path("policy")).unwrap();
    let output =
        scratch.sandprint(&["run", "-p", "-", "--", "sh", "-c", "exit 5"]).stdin(policy).output().unwrap();
    assert_eq!(Ended::of(&output), Ended::with(5));
}

#[test]
fn a_command_that_cannot_be_run_has_the_statuses_of_env_and_a_reason() {
    let scratch = Scratch::of(SANDPRINT);
    scratch.policy(&all_but(&[]));
    let make = |name: &str, content: &str, mode: u32| {
        // By another process: one that we have open for writing, nobody can execute.
        let status = scratch
            .program("sh", &["-c", "printf %s \"$2\" > \"$1\"", "sh", name, content])
            .status()
            .unwrap();
        assert!(status.success());
        fs::set_permissions(scratch.path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    make("plain", "x", 0o644);
    make("no-format", "echo hello\n", 0o755);
    make("no-interpreter", "#!/no/such/interpreter\n", 0o755);
    let file = "it must be a file that may be executed (`chmod +x`), of this machine's kind; a script needs a first \
                line such as #!/bin/sh";
    let name = "check its name and PATH; sudo has a PATH of its own";
    for (command, status, reason, hint) in [
        ("no-such-command-anywhere", 127, "there is no such command", name),
        ("/no/such/command", 127, "there is no such command", name),
        ("./plain", 126, "Permission denied (os error 13)", file),
        (".", 126, "Permission denied (os error 13)", file),
        ("./no-format", 126, "the kernel does not execute it (os error 8)", file),
        (
            "./no-interpreter",
            127,
            "what its first line, or its ELF header, names as interpreter is not there (os error 2)",
            "`head -1` shows a script's interpreter, `readelf -l` a program's",
        ),
    ] {
        let ended = run(&scratch, &["--", command]);
        assert_eq!(ended, Ended::failed(status, &format!("failed to run `{command}`: {reason}"), hint));
    }
}

/// After the filter was installed: nothing but write and `exit_group` is needed, and without write the status stays.
#[test]
fn an_execve_that_fails_under_a_strict_policy_still_tells() {
    let scratch = Scratch::of(SANDPRINT);
    fs::create_dir(scratch.path("bin")).unwrap();
    let status = scratch
        .program("sh", &["-c", "printf '#!/no/such/interpreter\\n' > script && chmod +x script"])
        .status()
        .unwrap();
    assert!(status.success());
    let told = run_under(
        &scratch,
        &allowing(&["execve", "write", "exit_group"], Action::KillProcess),
        &[],
        &["./script"],
    );
    assert_eq!(told.status, 127);
    assert!(
        told.stderr.starts_with("error: failed to run `./script`: what its first line"),
        "{}",
        told.stderr
    );
    let silent =
        run_under(&scratch, &allowing(&["execve", "exit_group"], Action::Errno(1)), &[], &["./script"]);
    assert_eq!(silent, Ended::with(127));
}
