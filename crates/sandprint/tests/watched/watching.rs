//! A watch beside the test.

use std::process::{Command, Stdio};

use testkit::beside::Beside;
use testkit::event_schema::event;
use testkit::output::Output;
use testkit::wait::until;

use crate::SANDPRINT;
use crate::caller::can_see_logged;
use crate::gate::Gate;
use crate::told::{Told, calls};

/// A `sandprint watch` that has begun.
pub(crate) struct Watching {
    watch: Beside,
    stdout: Option<Output>,
    stderr: Output,
    /// What it has said before it began.
    said: String,
}

impl Watching {
    /// Starts it with these arguments, and waits until it says that it has begun.
    pub(crate) fn start(arguments: &[&str]) -> Watching {
        let mut command = Command::new(SANDPRINT);
        command.arg("watch").args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Watching::begin(command)
    }

    /// The same with a command that was put together otherwise.
    pub(crate) fn begin(mut command: Command) -> Watching {
        let mut watch = Beside::start(&mut command);
        let (stdout, mut stderr) = (watch.stdout(), watch.stderr().expect("it is piped"));
        let mut said = String::new();
        while !said.lines().last().is_some_and(|line| line.starts_with("watching ")) {
            let line = stderr.next_line().unwrap_or_else(|| panic!("the watch did not begin: {said}"));
            said += &line;
            said.push('\n');
        }
        Watching { watch, stdout, stderr, said }
    }

    /// Waits until it ends by itself.
    pub(crate) fn end(mut self) -> Told {
        let status = self.watch.wait();
        let stdout = self.stdout.as_mut().map(Output::rest).unwrap_or_default();
        Told { status, stdout, stderr: self.said + &self.stderr.rest() }
    }

    /// Whether it has not ended.
    pub(crate) fn goes_on(&mut self) -> bool {
        self.watch.try_wait().is_none()
    }

    /// Runs the command in the gate, waits until so many of its calls were told that were logged, and until the watch
    /// ends with it. Gives the status of the command too.
    pub(crate) fn over(mut self, gate: &mut Gate, logged: u64) -> (i32, Told) {
        let status = gate.run();
        self.until_logged(logged);
        gate.go();
        (status, self.end())
    }

    /// Waits until it has told that so many calls were logged, where this machine can see them.
    pub(crate) fn until_logged(&mut self, count: u64) {
        if !can_see_logged() {
            return;
        }
        let told = self.stdout.as_mut().expect("it is piped");
        until("the logged calls", || {
            let calls = calls(&told.so_far().lines().map(event).collect::<Vec<_>>());
            let logged = calls.iter().filter(|((_, answer), _)| answer == "logged").map(|(_, count)| *count);
            (logged.sum::<u64>() >= count).then_some(())
        });
    }

    /// Tells it to end.
    pub(crate) fn stop(self, signal: &str) -> Told {
        self.signal(signal);
        self.end()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        self.watch.signal(name);
    }
}
