//! A process that runs beside a test, is sent signals, and is gone when the test is.

use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, ExitStatus};

use crate::output::Output;
use crate::signals;
use crate::wait::until;

/// The process. Dropped, it is killed.
#[derive(Debug)]
pub struct Beside {
    child: Child,
    input: Option<ChildStdin>,
}

impl Beside {
    /// Starts it.
    pub fn start(command: &mut Command) -> Beside {
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let input = child.stdin.take();
        Beside { child, input }
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it and all its descendants print, which is to be piped.
    pub fn output(&mut self) -> Output {
        self.stdout().expect("it is piped, and was not taken before")
    }

    /// The same, if that is piped, and was not taken before.
    pub fn stdout(&mut self) -> Option<Output> {
        self.child.stdout.take().map(Output::of)
    }

    /// The same of what they say.
    pub fn stderr(&mut self) -> Option<Output> {
        self.child.stderr.take().map(Output::of)
    }

    /// Writes a line to its input, which is to be piped.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.input.as_mut().expect("it is piped, and has not ended"), "{line}").unwrap();
    }

    /// Ends its input, for it and for all its descendants.
    pub fn go(&mut self) {
        self.input = None;
    }

    /// How it ended, if it has.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// How it ended, at last.
    pub fn wait(&mut self) -> ExitStatus {
        until("the end of a process", || self.try_wait())
    }

    /// Sends it a signal, by its name without SIG.
    pub fn signal(&self, name: &str) {
        signals::send_named(self.pid(), name);
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
