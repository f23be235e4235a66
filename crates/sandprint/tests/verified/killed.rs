//! SIGKILL of `profile verify` and `profile refine` at any instant: the command runs to its end as it would have, or
//! never ran.

use std::fs;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use sandprint_model::Action;

use crate::SANDPRINT;
use crate::observers::can_notify;
use testkit::instants::Instants;
use testkit::output::Output;
use testkit::policies::native::all_but;
use testkit::scratch::Scratch;
use testkit::wait::until_so;

/// How often each is killed, at least.
const INSTANTS: u32 = 40;

/// Makes a call that the policy refuses, again and again, and says what came of it and that it has ended.
const REFUSED: &str = "i=0; while test $i -lt 15; do \
                       mkdir made.$1 2>>said.$1; echo $? >>statuses.$1; rm -rf made.$1; i=$((i + 1)); done; \
                       echo > ended.$1";

/// Kills commands at instants that are spread over as long as one takes; those that began end, and left this behind.
fn kill_at_any_instant(scratch: &Scratch, words: &[&str], statuses: &str) {
    let start_of_whole = Instant::now();
    start(scratch, words, "whole").wait().unwrap();
    let mut instants = Instants::up_to(start_of_whole.elapsed());
    let (mut number, mut began) = (0, 0);
    while number < INSTANTS || began <= INSTANTS / 4 {
        assert!(number < 100 * INSTANTS, "{began} of {number} began: too few to mean anything");
        let name = number.to_string();
        let mut child = start(scratch, words, &name);
        thread::sleep(instants.after_start());
        let was_over = child.try_wait().unwrap().is_some();
        end(&mut child);
        let has_begun = scratch.path(&format!("statuses.{name}")).exists();
        assert_eq!(
            scratch.path(&format!("ended.{name}")).exists(),
            has_begun,
            "{name}: what began did not end"
        );
        if was_over {
            instants.earlier();
        } else if !has_begun {
            instants.later();
        }
        if has_begun {
            let found = scratch.read(&format!("statuses.{name}"));
            // It may have been killed in its second run, which then ended too.
            assert!(found == statuses || found == statuses.repeat(2), "{name}: {found}");
            let said = scratch.read(&format!("said.{name}"));
            assert!(!said.contains("not implemented"), "{name}: {said}");
            began += 1;
        }
        number += 1;
    }
}

/// Kills it, and waits until its command has ended as well, or never began: nobody is left who could write.
fn end(child: &mut Child) {
    let mut output = Output::of(child.stdout.take().unwrap());
    child.kill().unwrap();
    child.wait().unwrap();
    output.rest();
}

fn start(scratch: &Scratch, words: &[&str], name: &str) -> Child {
    let script = format!("set {name}; {REFUSED}");
    let line = [&["profile"], words, &["--", "sh", "-c", &script]].concat();
    scratch.sandprint(&line).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_killed_verification_goes_on_refusing_as_the_policy_says() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    let refused = if cfg!(target_arch = "aarch64") { "mkdirat" } else { "mkdir" };
    scratch.policy(&all_but(&[(refused, Action::Errno(30))]));
    let words = ["verify", "--observer", "notify", "-p", "policy"];
    kill_at_any_instant(&scratch, &words, &"1\n".repeat(15));
    let said = scratch.read("said.whole");
    assert!(said.lines().all(|line| line.ends_with("Read-only file system")), "{said}");
}

#[test]
fn a_killed_refinement_lets_run_what_it_would_accept() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    let words = ["refine", "--new", "--accept-all", "-p", "p.toml"];
    // With a policy from nothing each time, so that the kill comes while calls are decided about.
    scratch.write("begin", "");
    let fresh = |number: u32| {
        fs::remove_file(scratch.path("p.toml")).unwrap_or_default();
        let name = format!("fresh.{number}");
        let mut child = start(&scratch, &words, &name);
        until_so("its begin", || scratch.path(&format!("statuses.{name}")).exists());
        thread::sleep(Duration::from_millis(u64::from(number)));
        end(&mut child);
        let found = scratch.read(&format!("statuses.{name}"));
        assert!(found == "0\n".repeat(15), "{name}: {found}");
    };
    (0..INSTANTS / 2).for_each(fresh);
    kill_at_any_instant(&scratch, &words, &"0\n".repeat(15));
}

#[test]
fn what_a_killed_refinement_would_not_accept_stays_refused() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    let refused = if cfg!(target_arch = "aarch64") { "mkdirat" } else { "mkdir" };
    let mut policy = all_but(&[(refused, Action::Errno(30))]);
    // Nothing but the default refuses, but for one.
    policy.calls.default_action = Action::Errno(1);
    scratch.policy(&policy);
    let words = ["refine", "--accept", "*", "-p", "policy", "-o", "refined"];
    kill_at_any_instant(&scratch, &words, &"1\n".repeat(15));
    let said = scratch.read("said.whole");
    assert!(said.lines().all(|line| line.ends_with("Read-only file system")), "{said}");
}
