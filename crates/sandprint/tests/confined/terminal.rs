//! On a terminal: the command leads its session, has the terminal as it was, and its keys.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::mpsc::RecvTimeoutError;

use sandprint_model::Action;

use crate::SANDPRINT;
use testkit::policies::native::all_but;
use testkit::scratch::Scratch;
use testkit::terminal::Terminal;
use testkit::wait::DEADLINE;

/// What a command shows on a terminal of its own until it says `ready`, and how it ends when these keys are then
/// pressed.
fn on_a_terminal(scratch: &Scratch, words: &[&str], keys: &str) -> (String, ExitStatus) {
    // setsid makes its standard input the controlling terminal, env gives the keys the meaning that whoever runs the
    // tests may have taken from them (a shell, for what it starts behind itself), and both become the command.
    let around = ["--ctty", "env", "--default-signal=INT", "--default-signal=QUIT"];
    let command = scratch.program("setsid", &[&around, words].concat());
    let (mut terminal, mut child) = Terminal::start(command, |command| command.spawn().unwrap());
    let mut text = String::new();
    while !text.contains("ready") {
        match terminal.shown.recv_timeout(DEADLINE) {
            Ok(bytes) => text.push_str(&String::from_utf8_lossy(&bytes)),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                child.kill().unwrap();
                panic!("not ready: {text}");
            }
        }
    }
    terminal.press(keys);
    (text, child.wait().unwrap())
}

#[test]
fn the_terminal_is_as_it_was_and_its_keys_are_the_commands() {
    let scratch = Scratch::of(SANDPRINT);
    scratch.policy(&all_but(&[("bind", Action::Errno(1))]));
    let script = "stty -a; set -- $(cut -d ' ' -f 1,5,6,8 /proc/$$/stat); test $1 = $2 -a $2 = $3 -a $3 = $4 && \
                  echo leads; echo ready; exec sleep 60";
    let command = ["sh", "-c", script];
    for (keys, signal) in [("\u{3}", 2), ("\u{1c}", 3)] {
        let bare = on_a_terminal(&scratch, &command, keys);
        assert!(bare.0.contains("leads"), "{}", bare.0);
        assert_eq!(bare.1.signal(), Some(signal));
        let run = [&[SANDPRINT, "run", "-p", "policy", "--"], &command[..]].concat();
        assert_eq!(on_a_terminal(&scratch, &run, keys), bare);
    }
}
