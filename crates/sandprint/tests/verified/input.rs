//! Standard input of a command that is run more than once: each run reads the same, as soon as it is there.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use crate::SANDPRINT;
use crate::observers::can_notify;
use testkit::ended::Ended;
use testkit::policies::native::all_but;
use testkit::scratch::Scratch;

/// Copies what it reads to the end of a file, and says how much it was.
const COPIES: &str = "cat > piece; cat piece >> copies; wc -c < piece >> sizes";

/// Runs `profile verify` by notification with this input, through a pipe.
fn verify_with(scratch: &Scratch, input: &[u8], script: &str) -> Ended {
    let words = ["profile", "verify", "--observer", "notify", "-p", "policy", "--", "sh", "-c", script];
    let mut child = scratch
        .sandprint(&words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Who does not read it all ends it early.
    let written = stdin.write_all(input);
    assert!(written.is_ok() || !script.contains("cat"), "{written:?}");
    drop(stdin);
    Ended::of(&child.wait_with_output().unwrap())
}

#[test]
fn every_pass_reads_the_whole_of_a_pipe() {
    if !can_notify() {
        return;
    }
    for size in [0, 1, 4096, 65_536, 65_537, 3_000_000] {
        let scratch = Scratch::of(SANDPRINT);
        scratch.policy(&all_but(&[]));
        let input: Vec<u8> = (0..size).map(|number: u32| u8::try_from(number % 251).unwrap()).collect();
        let ended = verify_with(&scratch, &input, COPIES);
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        assert_eq!(scratch.read("sizes"), format!("{size}\n").repeat(2));
        assert!(fs::read(scratch.path("copies")).unwrap() == [input.clone(), input].concat(), "{size}");
        assert!(!ended.stderr.contains("note: "), "{}", ended.stderr);
    }
}

#[test]
fn a_pass_that_reads_more_or_less_than_the_one_before_reads_on() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    scratch.policy(&all_but(&[]));
    // The first reads a line, the second all.
    let script = "if test -e again; then cat >> lines; else read line; echo $line > lines; echo > again; fi";
    let ended = verify_with(&scratch, b"one\ntwo\nthree\n", script);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert_eq!(scratch.read("lines"), "one\none\ntwo\nthree\n");
}

#[test]
fn every_pass_reads_a_file_from_where_it_was() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    scratch.policy(&all_but(&[]));
    scratch.write("input", "skipped\nread\nnot read\n");
    let words = "profile verify --observer notify -p policy -- sh -c 'read line; echo $line >> lines'";
    let script = format!("exec < input; read skipped; {SANDPRINT} {words}");
    let ended = Ended::of(&scratch.program("sh", &["-c", &script]).output().unwrap());
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert_eq!(scratch.read("lines"), "read\nread\n");
}

#[test]
fn somebody_may_answer_what_the_command_says() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    scratch.policy(&all_but(&[]));
    let script = "echo first?; read first; echo second to $first?; read second; echo $first $second >> read";
    let words = ["profile", "verify", "--observer", "notify", "-p", "policy", "--", "sh", "-c", script];
    let mut child = scratch
        .sandprint(&words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut said = BufReader::new(stdout).lines().map(Result::unwrap);
    assert_eq!(said.next().unwrap(), "first?");
    stdin.write_all(b"a\n").unwrap();
    assert_eq!(said.next().unwrap(), "second to a?");
    stdin.write_all(b"b\n").unwrap();
    // The second pass has its answers already, though the pipe stays open.
    assert_eq!(said.next().unwrap(), "first?");
    assert_eq!(said.next().unwrap(), "second to a?");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(scratch.read("read"), "a b\na b\n");
}

#[test]
fn what_is_longer_than_can_be_kept_has_no_second_pass_and_that_is_said() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    scratch.policy(&all_but(&[]));
    let ended = verify_with(&scratch, &vec![b'x'; (64 << 20) + 1], "cat | wc -c >> sizes");
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    let told = "note: the pass under the filter itself was not made: its standard input is longer than 64 MiB, and a \
                pipe cannot be read twice\n";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    // The one pass had it all.
    assert_eq!(scratch.read("sizes"), format!("{}\n", (64 << 20) + 1));
}

#[test]
fn what_cannot_be_read_twice_is_told_before() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    scratch.policy(&all_but(&[]));
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let words = ["profile", "verify", "--observer", "notify", "-p", "policy", "--", "true"];
    let output = scratch.sandprint(&words).stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs))).output();
    drop(ours);
    let ended = Ended::of(&output.unwrap());
    assert_eq!(ended.status, 0);
    let told = "note: the command is run more than once: its standard input is a socket, and what one run reads is not \
                there for the next\n";
    assert!(ended.stderr.starts_with(told), "{}", ended.stderr);
}

#[test]
fn every_round_of_a_refinement_reads_the_same() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    let words = ["profile", "refine", "-p", "p.toml", "--new", "--accept-all", "--", "sh", "-c", COPIES];
    let mut child = scratch.sandprint(&words).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"hello\n").unwrap();
    let ended = Ended::of(&child.wait_with_output().unwrap());
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    let sizes = scratch.read("sizes");
    assert!(sizes.lines().count() >= 2 && sizes.lines().all(|size| size == "6"), "{sizes}");
}
