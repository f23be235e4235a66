//! `profile refine --ask` on a terminal.

use sandprint_model::{Action, Call, Syscall};

use crate::SANDPRINT;
use crate::observers::can_notify;
use testkit::hosts::NATIVE;
use testkit::scratch::Scratch;
use testkit::terminal::Terminal;
use testkit::wait::DEADLINE;

/// Refines `p.toml` for a command on a terminal of its own. Each question is answered by what `answer` makes of its
/// text. Gives all that was shown, and the exit status.
fn ask(scratch: &Scratch, command: &[&str], answer: impl Fn(&str) -> &'static str) -> (String, Option<i32>) {
    let words =
        ["--ctty", "env", "--default-signal=INT", SANDPRINT, "profile", "refine", "-p", "p.toml", "--new"];
    let mut asked = scratch.program("setsid", &[&words[..], &["--ask", "--"], command].concat());
    asked.env("USER", "tester");
    let (mut terminal, mut child) = Terminal::start(asked, |asked| asked.spawn().unwrap());
    let (mut text, mut answered) = (String::new(), 0);
    while let Ok(bytes) = terminal.shown.recv_timeout(DEADLINE) {
        text.push_str(&String::from_utf8_lossy(&bytes));
        while let Some(end) = text[answered..].find("q: stop") {
            let question = &text[answered..answered + end];
            terminal.press(answer(question));
            answered += end + "q: stop".len();
        }
    }
    (text, child.wait().unwrap().code())
}

fn decide(scratch: &Scratch, name: &str, args: [u64; 6]) -> Action {
    let syscall = Syscall::from_name(NATIVE, name).unwrap();
    scratch.policy_file("p.toml").calls.decide(&Call { syscall, args })
}

#[test]
fn each_new_call_is_asked_once_and_the_answers_are_written() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    let answer = |question: &str| {
        if question.contains("openat(") {
            "w\n"
        } else if question.contains("access(") {
            "r\n"
        } else if question.contains("prlimit64(") {
            "o\n"
        } else {
            "a\n"
        }
    };
    let (shown, status) = ask(&scratch, &["/bin/true"], answer);
    assert_eq!(shown.matches("mmap(").count(), 1, "{shown}");
    assert_eq!(decide(&scratch, "mmap", [0; 6]), Action::Allow);
    assert_eq!(decide(&scratch, "openat", [0, 0, 0o2_000_000, 0, 0, 0]), Action::Allow);
    assert_eq!(decide(&scratch, "openat", [0, 0, 1, 0, 0, 0]), Action::Errno(1));
    let text = scratch.read("p.toml");
    assert!(text.contains("by = \"tester at the terminal\""), "{text}");
    if NATIVE.name() == "x86_64" {
        assert!(shown.contains("access(") && shown.contains("1 refused, 1 allowed once; 2 runs"), "{shown}");
        assert!(text.contains("[[x86_64.access]]\ndo = \"errno EPERM\"\n"), "{text}");
        assert!(!text.contains("prlimit64"), "{text}");
        assert_eq!(status, Some(3));
    }
}

#[test]
fn ctrl_c_and_q_keep_what_was_decided() {
    if !can_notify() {
        return;
    }
    // By Ctrl-C it ends as the command does: a shell's loop is to end too.
    for (key, said, expected) in
        [("\u{3}", "interrupted; what was decided is kept", None), ("q\n", "stopped as wanted", Some(3))]
    {
        let scratch = Scratch::of(SANDPRINT);
        let answer = |question: &str| if question.contains("openat(") { key } else { "a\n" };
        let (shown, status) = ask(&scratch, &["/bin/true"], answer);
        assert_eq!(status, expected, "{shown}");
        assert!(shown.contains(said), "{shown}");
        assert_eq!(decide(&scratch, "brk", [0; 6]), Action::Allow, "{shown}");
        assert_eq!(decide(&scratch, "openat", [0; 6]), Action::Errno(1));
    }
}

#[test]
fn all_that_is_without_a_known_risk_is_allowed_by_one_answer() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    // The first question may be of a call with a risk: then it stays.
    let answer = |question: &str| if question.contains(" risk  ") { "r\n" } else { "h\n" };
    let (shown, _) = ask(&scratch, &["/bin/true"], answer);
    let asked: Vec<&str> = shown.split("q: stop").collect();
    let questions = asked.len() - 1;
    let harmless = asked.iter().take(questions).filter(|question| !question.contains(" risk  ")).count();
    assert_eq!(harmless, 1, "{shown}");
    for name in ["brk", "mmap", "openat", "close"] {
        assert_eq!(decide(&scratch, name, [0; 6]), Action::Allow, "{name}: {shown}");
    }
    assert_eq!(decide(&scratch, "mprotect", [0, 0, 4, 0, 0, 0]), Action::Errno(1));
    let text = scratch.read("p.toml");
    assert!(text.contains("by = \"tester at the terminal, as without a known risk\""), "{text}");
}
