//! `sandprint run` under a policy.

use std::process::Command;

use sandprint_model::Policy;
use testkit::ended::Ended;
use testkit::scratch::Scratch;

/// `sandprint run` with these words after `-p policy`.
pub(crate) fn run_command(scratch: &Scratch, words: &[&str]) -> Command {
    scratch.sandprint(&[&["run", "-p", "policy"], words].concat())
}

/// What came of it.
pub(crate) fn run(scratch: &Scratch, words: &[&str]) -> Ended {
    Ended::of(&run_command(scratch, words).output().unwrap())
}

/// The same under this policy, with options before `--` and the command behind it.
pub(crate) fn run_under(scratch: &Scratch, policy: &Policy, options: &[&str], command: &[&str]) -> Ended {
    scratch.policy(policy);
    run(scratch, &[options, &["--"], command].concat())
}
