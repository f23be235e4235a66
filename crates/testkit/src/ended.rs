//! How a command ended, compared whole: its status, what it printed, what it said.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Output;

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status; -N where signal N ended it, which is not the status that a shell makes of that.
    pub status: i32,
    /// What it printed.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
}

impl Ended {
    /// How this one did. Everything that it wrote must be text.
    pub fn of(output: &Output) -> Ended {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ended {
            status: output.status.code().or(output.status.signal().map(|signal| -signal)).unwrap(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Nothing but this status.
    pub fn with(status: i32) -> Ended {
        Ended { status, stdout: String::new(), stderr: String::new() }
    }

    /// Nothing but an error and its hint, each on one line.
    pub fn failed(status: i32, error: &str, hint: &str) -> Ended {
        Ended { stderr: format!("error: {error}\nhint: {hint}\n"), ..Ended::with(status) }
    }

    /// Nothing but data.
    pub fn printed(stdout: &str) -> Ended {
        Ended { stdout: stdout.to_owned(), ..Ended::with(0) }
    }

    /// The same, whatever was said on stderr.
    #[must_use]
    pub fn without_words(self) -> Ended {
        Ended { stderr: String::new(), ..self }
    }

    /// Everything, for a snapshot.
    pub fn all(&self) -> String {
        let mut text = format!("exit status {}\n", self.status);
        for (name, content) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !content.is_empty() {
                text.extend(["--- ", name, "\n", content]);
            }
        }
        text
    }
}
