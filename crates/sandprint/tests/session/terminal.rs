//! On a terminal: whose Ctrl-C is, and when the status line shows.

use std::cell::RefCell;
use std::thread;
use std::time::{Duration, Instant};

use crate::SANDPRINT;
use crate::scratch::Scratch;
use crate::traced::rare;
use testkit::beside::Beside;
use testkit::terminal;
use testkit::wait::until;

/// A recorder that leads a session on a terminal of its own.
struct Terminal {
    seat: terminal::Terminal,
    shown: RefCell<Vec<u8>>,
    recorder: Beside,
}

impl Terminal {
    fn start(scratch: &Scratch, arguments: &[&str]) -> Terminal {
        // setsid makes its standard input the controlling terminal.
        let mut command = scratch.program("setsid", &["--ctty", "--wait", SANDPRINT, "profile"]);
        command.args(arguments).env("SANDPRINT_CHECKPOINT_MS", "50");
        let (seat, recorder) = terminal::Terminal::start(command, Beside::start);
        Terminal { seat, shown: RefCell::default(), recorder }
    }

    fn press(&mut self, keys: &str) {
        self.seat.press(keys);
    }

    fn shown(&self) -> String {
        let mut shown = self.shown.borrow_mut();
        shown.extend(self.seat.shown.try_iter().flatten());
        String::from_utf8_lossy(&shown).into_owned()
    }

    fn until_shown(&self, text: &str) {
        until(text, || self.shown().contains(text).then_some(()));
    }
}

/// What begins every drawing of the status line.
const STATUS: &str = "\r\u{1b}[K";

#[test]
fn while_its_first_process_lives_an_interrupt_is_the_workloads() {
    let Some(scratch) = Scratch::new() else { return };
    let script =
        "trap 'echo caught; ./workload rare 2; exit 5' INT; echo waiting; while :; do sleep 0.05; done";
    let mut terminal = Terminal::start(&scratch, &["run", "-o", "trace", "--", "sh", "-c", script]);
    terminal.until_shown("waiting");
    terminal.press("\x03");
    assert_eq!(terminal.recorder.wait().code(), Some(5), "{}", terminal.shown());
    assert!(terminal.shown().contains("caught"), "{}", terminal.shown());
    assert_eq!(rare(&scratch.trace("trace")), 2);
}

#[test]
fn after_that_it_ends_the_recording_and_leaves_the_rest_running() {
    let Some(scratch) = Scratch::new() else { return };
    // In a session of its own, or the terminal's end would end it.
    let script =
        "./workload rare 1; setsid sh -c 'while ! test -e go; do sleep 0.05; done; echo > ended' & exit 0";
    let mut terminal = Terminal::start(&scratch, &["run", "-o", "trace", "--", "sh", "-c", script]);
    terminal.until_shown("recording until they end");
    terminal.press("\x03");
    assert_eq!(terminal.recorder.wait().code(), Some(0), "{}", terminal.shown());
    terminal.until_shown("SIGINT ended the recording; what still runs was left running");
    assert_eq!(rare(&scratch.trace("trace")), 1);
    assert!(!scratch.path("ended").exists());
    std::fs::write(scratch.path("go"), "").unwrap();
    until("the end of what was left", || scratch.path("ended").exists().then_some(()));
}

#[test]
fn the_status_line_shows_while_nothing_else_does() {
    let Some(scratch) = Scratch::new() else { return };
    let script = "mkfifo go; read line < go";
    let begin = Instant::now();
    let mut terminal = Terminal::start(&scratch, &["run", "--", "sh", "-c", script]);
    until("two drawings", || (terminal.shown().matches(STATUS).count() >= 2).then_some(()));
    std::fs::write(scratch.path("go"), "\n").unwrap();
    assert_eq!(terminal.recorder.wait().code(), Some(0));
    let seconds = usize::try_from(begin.elapsed().as_secs()).unwrap();
    terminal.until_shown("No trace was written");
    let shown = terminal.shown();
    let lines: Vec<&str> = shown.split(STATUS).collect();
    // Once a second, and taken away at the end.
    assert!(lines.len() - 2 <= seconds, "{shown:?}");
    assert!(lines[1].contains("calls") && lines[1].ends_with('\r'), "{shown:?}");
    assert!(lines.last().unwrap().starts_with("Observed "), "{shown:?}");
}

#[test]
fn the_status_line_keeps_out_of_an_editors_way() {
    let Some(scratch) = Scratch::new() else { return };
    let mut terminal = Terminal::start(&scratch, &["run", "--", &scratch.workload(), "raw"]);
    terminal.until_shown("EDIT");
    // Time for two drawings, which would be wrong: too short a wait could only hide them.
    thread::sleep(Duration::from_millis(2300));
    assert_eq!(terminal.shown(), "EDIT");
    terminal.press("q");
    assert_eq!(terminal.recorder.wait().code(), Some(0));
    terminal.until_shown("No trace was written");
    assert!(!terminal.shown().contains(STATUS), "{:?}", terminal.shown());
}

#[test]
fn the_status_line_keeps_out_of_a_prompts_way() {
    let Some(scratch) = Scratch::new() else { return };
    let script = "printf 'name: '; read name; echo \"got $name\"";
    let mut terminal = Terminal::start(&scratch, &["run", "--", "sh", "-c", script]);
    terminal.until_shown("name: ");
    // Time for two drawings, which would be wrong: too short a wait could only hide them.
    thread::sleep(Duration::from_millis(2300));
    assert_eq!(terminal.shown(), "name: ");
    terminal.press("x\n");
    assert_eq!(terminal.recorder.wait().code(), Some(0));
    terminal.until_shown("got x");
}

#[test]
fn an_interrupt_ends_an_attached_recording() {
    let Some(scratch) = Scratch::new() else { return };
    let mut target = scratch.start_workload(&["wait-rare", "1"]);
    let pid = target.pid().to_string();
    let mut terminal = Terminal::start(&scratch, &["attach", "--pid", &pid, "-o", "trace"]);
    until("a checkpoint", || scratch.path("trace").exists().then_some(()));
    terminal.press("\x03");
    assert_eq!(terminal.recorder.wait().code(), Some(0), "{}", terminal.shown());
    assert_eq!(scratch.files(), ["trace"]);
    target.go();
    assert_eq!(target.wait().code(), Some(0));
}
