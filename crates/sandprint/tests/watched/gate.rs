//! Processes that wait until a watch has begun.

use std::process::{Command, ExitStatus, Stdio};

use testkit::beside::Beside;

/// A process that becomes a command as soon as it is told to.
pub(crate) struct Gate(Beside);

impl Gate {
    pub(crate) fn before(words: &[&str]) -> Gate {
        Gate::start("read line; exec \"$@\"", words, Stdio::null())
    }

    /// The same for a command below it: it stays there itself until [`Gate::go`]. What was logged is told a little after
    /// it was done, and a watch ends with the last process.
    pub(crate) fn around(words: &[&str]) -> Gate {
        let script = "read line; \"$@\" < /dev/null > /dev/null 2>&1; echo $?; read line";
        Gate::start(script, words, Stdio::piped())
    }

    fn start(script: &str, words: &[&str], stdout: Stdio) -> Gate {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).args(words);
        Gate(Beside::start(command.stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::null())))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// Lets the command below it run, waits for its end, and gives its status as a shell has it.
    pub(crate) fn run(&mut self) -> i32 {
        self.0.tell("");
        self.0.output().line().parse().unwrap()
    }

    /// Lets it go on, and waits for its end.
    pub(crate) fn go(&mut self) -> ExitStatus {
        self.0.go();
        self.0.wait()
    }
}
