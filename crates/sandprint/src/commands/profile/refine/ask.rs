//! A person at the terminal, who is asked about each refused call.
//!
//! The questions are said on stderr, and the answers read from /dev/tty, since standard input is the command's.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::os::fd::AsFd as _;
use std::time::Duration;

use sandprint_model::{Denial, Policy};
use sandprint_policy::risk;
use sandprint_sandbox::poll;
use sandprint_trial::Answer;
use sandprint_trial::refine::Decider;
use sandprint_view::verdict;

use super::saver::Saver;
use crate::exit::Deciding;
use crate::output;

/// How often it is looked whether the call still waits.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

const CHOICES: &str = "a: allow  w: allow with these arguments  o: allow once  r: refuse  s: skip, stays refused  q: stop\n\
                       h: allow, and all others without a known risk too";

/// The person.
#[derive(Debug)]
pub(super) struct Person {
    terminal: File,
    by: String,
    /// Whether all that is harmless is allowed without a question.
    allows_harmless: bool,
    /// Whether the last answer was given so.
    was_harmless: bool,
    saver: Saver,
}

impl Person {
    /// Finds the terminal.
    pub(super) fn at_the_terminal(saver: Saver) -> Result<Person, Deciding> {
        let hint = "without a terminal, say with `--accept` or `--accept-all` what is allowed";
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Err(Deciding::usage("`--ask` needs a terminal, as standard input and as stderr", hint));
        }
        let terminal = File::open("/dev/tty")
            .map_err(|error| Deciding::usage(format!("`--ask` needs a terminal: /dev/tty: {error}"), hint))?;
        let name = ["SUDO_USER", "USER"].into_iter().find_map(|name| std::env::var(name).ok());
        let by = match name {
            Some(name) => format!("{name} at the terminal"),
            None => "a person at the terminal".to_owned(),
        };
        Ok(Person { terminal, by, allows_harmless: false, was_harmless: false, saver })
    }

    /// A line that was typed; `None` if the call does not wait any more.
    fn line(&mut self, still_waits: &dyn Fn() -> bool) -> io::Result<Option<String>> {
        loop {
            let [ready] = poll::readable([self.terminal.as_fd()], Some(LOOK_AGAIN))?;
            if !still_waits() {
                return Ok(None);
            }
            if !ready {
                continue;
            }
            let mut typed = [0; 256];
            let read = self.terminal.read(&mut typed)?;
            let typed = typed.get(..read).unwrap_or_default();
            // The end of the terminal's input, which somebody typed.
            let text =
                if typed.is_empty() { "q".to_owned() } else { String::from_utf8_lossy(typed).into_owned() };
            return Ok(Some(text));
        }
    }
}

impl Decider for Person {
    fn decide(&mut self, denial: &Denial, still_waits: &dyn Fn() -> bool) -> Option<Answer> {
        let is_harmless = risk::is_harmless(denial.call.syscall);
        self.was_harmless = self.allows_harmless && is_harmless;
        if self.was_harmless {
            return Some(Answer::Allow);
        }
        output::talk(&question(denial));
        loop {
            output::talk(CHOICES);
            let typed = match self.line(still_waits) {
                Ok(Some(typed)) => typed,
                Ok(None) => {
                    output::note("the process that made the call is gone, and nothing was decided");
                    return None;
                }
                Err(error) => {
                    output::warn(&format!("failed to read an answer from the terminal: {error}"));
                    return Some(Answer::Stop);
                }
            };
            if typed.trim() == "h" {
                self.allows_harmless = true;
                self.was_harmless = is_harmless;
                if is_harmless {
                    return Some(Answer::Allow);
                }
                output::note(
                    "this call is not one of them, and is asked for; those without a known risk are no more",
                );
                continue;
            }
            if let Some(answer) = answer(&typed) {
                return Some(answer);
            }
        }
    }

    fn by(&self) -> String {
        if self.was_harmless {
            return format!("{}, as without a known risk", self.by);
        }
        self.by.clone()
    }

    fn decided(&mut self, policy: &Policy) {
        self.saver.checkpoint(policy);
    }
}

/// What is asked. It waits, so that nothing came of it yet.
fn question(denial: &Denial) -> String {
    let text = verdict::denial(denial);
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("then ")).map(str::to_owned);
    let risk = risk::of(denial.call.syscall);
    let risk = risk.map(|risk| format!("    risk  {}: {}", risk.severity, risk.why));
    // An empty line before it, as between the denials of a report.
    std::iter::once(String::new()).chain(lines).chain(risk).collect::<Vec<_>>().join("\n")
}

fn answer(typed: &str) -> Option<Answer> {
    Some(match typed.trim() {
        "a" => Answer::Allow,
        "w" => Answer::AllowWithArguments,
        "o" => Answer::Once,
        "r" => Answer::Refuse,
        "s" => Answer::Leave,
        "q" => Answer::Stop,
        _ => return None,
    })
}
