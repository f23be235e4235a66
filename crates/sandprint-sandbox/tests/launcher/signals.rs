//! Signals without a terminal: what is sent to us reaches the workload, once, and is otherwise ours.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sandprint_sandbox::process::kill_process;
use sandprint_sandbox::signals::Signal;

use crate::program;

/// A command in a process group of its own, whose output we read.
struct Job {
    child: Child,
    output: program::Output,
    /// Whether the child was reaped.
    ended: bool,
}

impl Job {
    fn start(mut command: Command) -> Job {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).spawn().unwrap();
        let output = program::Output::of(child.stdout.take().unwrap());
        Job { child, output, ended: false }
    }

    /// `launch`, with a shell script as its workload.
    fn script(script: &str) -> Job {
        Job::start(program::command(&["sh", "-c", script]))
    }

    fn expect(&mut self, line: &str) {
        assert_eq!(self.output.line(), line);
    }

    fn send(&self, signal: Signal) {
        assert!(kill_process(self.child.id(), signal).unwrap());
    }

    /// Ends the input, for which some workloads wait; gives the rest of the output, and the exit status.
    fn end(&mut self) -> (String, Option<i32>) {
        self.child.stdin = None;
        (self.output.rest(), self.status())
    }

    fn status(&mut self) -> Option<i32> {
        let status = self.child.wait().unwrap();
        self.ended = true;
        status.code()
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if !self.ended {
            // A failed test: the child leads the group of all that it started, and keeps its number.
            let group = self.child.id().to_string();
            program::kill_those(|fields| fields[5 - 3] == group);
            self.status();
        }
    }
}

#[test]
fn a_signal_sent_to_us_reaches_the_workload_once() {
    let signals = [
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("ABRT", Signal::ABRT),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
        ("ALRM", Signal::ALRM),
        ("WINCH", Signal::WINCH),
        ("URG", Signal::from_number(23).unwrap()),
        ("VTALRM", Signal::from_number(26).unwrap()),
        ("PROF", Signal::from_number(27).unwrap()),
        ("IO", Signal::from_number(29).unwrap()),
        ("PWR", Signal::from_number(30).unwrap()),
        ("40", Signal::from_number(40).unwrap()),
        ("64", Signal::from_number(64).unwrap()),
    ];
    for (name, signal) in signals {
        // The trap counts; two deliveries would make it say 2.
        let mut job = Job::script(&format!(
            "n=0; trap 'n=$((n+1)); echo got $n' {name}; trap 'exit 9' TERM; echo ready; \
             while :; do sleep 0.01; done"
        ));
        job.expect("ready");
        job.send(signal);
        job.expect("got 1");
        job.send(Signal::TERM);
        assert_eq!(job.end(), (String::new(), Some(9)), "{name}");
    }
}

#[test]
fn a_workload_that_a_signal_ends_gives_128_and_its_number() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129), (Signal::USR1, 138)] {
        let mut job = Job::script("echo ready; exec sleep 1000");
        job.expect("ready");
        job.send(signal);
        assert_eq!(job.end(), (String::new(), Some(code)), "{signal}");
    }
}

#[test]
fn a_signal_of_the_workload_to_its_own_group_does_not_come_back() {
    // The sleep gives what must not come the time to.
    let mut job =
        Job::script("n=0; trap 'n=$((n+1)); echo got $n' TERM; kill -TERM 0; sleep 0.3; echo end; exit 5");
    job.expect("got 1");
    assert_eq!(job.end(), ("end\n".to_owned(), Some(5)));
}

#[test]
fn an_alarm_set_before_us_is_the_workloads() {
    if program::skips_without("perl") {
        return;
    }
    let ended = testkit::wait::long_enough(Duration::from_secs(1), |limit| {
        let mut command = Command::new("perl");
        command.args(["-e", &format!("alarm {}; exec @ARGV", limit.as_secs())]).arg(program::path());
        command.args([
            "sh",
            "-c",
            "trap 'echo alarm; exit 4' ALRM; echo ready; while :; do sleep 0.05; done",
        ]);
        let ended = Job::start(command).end();
        // It may have come before the workload had set its trap.
        ended.0.starts_with("ready\n").then_some(ended)
    });
    assert_eq!(ended, ("ready\nalarm\n".to_owned(), Some(4)));
}

#[test]
fn what_our_caller_ignores_stays_ignored() {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP INT; exec \"$@\"", "sh"]).arg(program::path());
    // A shell cannot trap what it was given ignored (POSIX), so this proves the inheritance too.
    command.args(["sh", "-c", "trap 'echo no' HUP INT; echo ready; read line; echo end; exit 3"]);
    let mut job = Job::start(command);
    job.expect("ready");
    job.send(Signal::HUP);
    job.send(Signal::INT);
    assert_eq!(job.end(), ("end\n".to_owned(), Some(3)));

    // And for us, when there is no workload any more.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP INT; exec \"$@\"", "sh"]).arg(program::path());
    command.args(["--linger", "sh", "-c", "echo ready; exit 3"]).stderr(Stdio::piped());
    let mut job = Job::start(command);
    let mut stderr = program::Output::of(job.child.stderr.take().unwrap());
    job.expect("ready");
    assert_eq!(stderr.line(), "launch: lingers");
    job.send(Signal::HUP);
    job.send(Signal::INT);
    job.send(Signal::TERM);
    assert_eq!(job.end(), (String::new(), Some(3)));
    assert_eq!(stderr.rest(), "launch: ended by SIGTERM\n");
}

#[test]
fn a_caller_that_ignores_its_children_costs_no_exit_status() {
    let mut command = Command::new("env");
    command.arg("--ignore-signal=CHLD").arg(program::path()).args(["sh", "-c", "exit 7"]);
    assert_eq!(Job::start(command).end(), (String::new(), Some(7)));
}

#[test]
fn after_the_first_process_a_signal_is_for_us() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let mut command = program::command(&["--linger", "sh", "-c", "echo ready; exit 2"]);
        command.stderr(Stdio::piped());
        let mut job = Job::start(command);
        job.expect("ready");
        let mut stderr = program::Output::of(job.child.stderr.take().unwrap());
        assert_eq!(stderr.line(), "launch: lingers");
        job.send(Signal::USR1);
        job.send(signal);
        assert_eq!(job.end(), (String::new(), Some(2)));
        assert_eq!(stderr.rest(), format!("launch: ended by {signal}\n"));
    }
}

#[test]
fn a_stop_sent_to_us_stops_both_and_continuing_us_continues_both() {
    let mut job = Job::script("echo ready; read line; echo end; exit 8");
    job.expect("ready");
    let (us, workload) = (job.child.id(), program::child_running(job.child.id(), "sh"));
    for _ in 0..3 {
        job.send(Signal::TSTP);
        program::wait_for_state(workload, 'T');
        program::wait_for_state(us, 'T');
        job.send(Signal::CONT);
        program::wait_for("both to go on", || {
            [us, workload].iter().all(|&pid| program::state(pid) != Some('T')).then_some(())
        });
    }
    assert_eq!(job.end(), ("end\n".to_owned(), Some(8)));
}

#[test]
fn without_a_terminal_a_workload_may_stop_itself_and_be_continued_by_anybody() {
    let mut command = Command::new("setsid");
    command.arg(program::path()).args(["sh", "-c", "echo ready; kill -STOP $$; echo on; exit 6"]);
    // Not in a group of its own: setsid would have to fork.
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let output = program::Output::of(child.stdout.take().unwrap());
    let mut job = Job { child, output, ended: false };
    job.expect("ready");
    let workload = program::child_running(job.child.id(), "sh");
    program::wait_for_state(workload, 'T');
    // If we stopped too, it would be by now, or soon: too short a wait could only hide that.
    std::thread::sleep(Duration::from_millis(200));
    assert_ne!(program::state(job.child.id()), Some('T'));
    assert!(kill_process(workload, Signal::CONT).unwrap());
    assert_eq!(job.end(), ("on\n".to_owned(), Some(6)));
}

#[test]
fn exit_statuses_of_a_command_that_does_not_run_are_those_of_env() {
    for (program, code) in [("/no/such/program", 127), ("no-such-command-anywhere", 127), ("/dev/null", 126)]
    {
        let ours = program::command(&[program]).output().unwrap();
        let env = Command::new("env").arg(program).output().unwrap();
        assert_eq!((ours.status.code(), env.status.code()), (Some(code), Some(code)), "{program}");
    }
}

#[test]
fn stdin_stdout_and_stderr_are_the_workloads_own() {
    let mut command = program::command(&["sh", "-c", "cat; echo error >&2"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let data: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let sent = data.clone();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, &sent).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.stdout == data, "{} bytes came back of {}", output.stdout.len(), data.len());
    assert_eq!(output.stderr, b"error\n");
}

#[test]
fn a_reader_that_goes_away_ends_the_workload_and_not_us() {
    let mut job = Job::script("exec yes");
    assert_eq!(job.output.line(), "y");
    // Its reader ends, and with it our end of the pipe.
    job.output = program::Output::of(std::io::empty());
    // SIGPIPE is 13: had the workload inherited that we ignore it, it would fail otherwise.
    assert_eq!(job.status(), Some(141));
}
