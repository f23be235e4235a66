//! What is run, and with what: the command, its signals, its input and its time.

use std::io;
use std::time::Duration;

use sandprint_record::tracer::Shield;
use sandprint_sandbox::foreground::Foreground;
use sandprint_sandbox::input::{Fed, Input};
use sandprint_sandbox::launch::Launch;

use crate::error::{TrialError, unrepeatable_in_words};

/// A command that is run, perhaps several times, and what is the same in each run.
#[derive(Debug)]
pub struct Trial {
    /// The command.
    pub launch: Launch,
    /// Installed before any thread was started.
    pub foreground: Foreground,
    /// Its standard input.
    pub input: Input,
    /// End the command and its descendants after this time, in each run.
    pub timeout: Option<Duration>,
    /// Keeps signals from ending calls that sandprint has not heard of yet, while those are reported to it. Started before
    /// any other thread; or why there is none.
    pub shield: io::Result<Shield>,
    /// Says something to the user before a run begins.
    pub tell: fn(&str),
}

/// Whether a run's input is read again, by a run before it or after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feeding {
    /// It is the only run: its input is what we have.
    Once,
    /// There are others.
    Again,
}

impl Trial {
    /// Says, before the first of several runs, what the others will not have as it has it.
    pub(crate) fn tell_what_is_gone(&self) {
        if let Some(why) = self.input.unrepeatable() {
            let why = unrepeatable_in_words(why);
            (self.tell)(&format!("the command is run more than once: {why}"));
        }
    }

    /// Children of ours that are none of the workload's, with the one that feeds it.
    pub(crate) fn others(&self, reader: Option<u32>) -> Vec<u32> {
        self.shield.as_ref().ok().map(Shield::pid).into_iter().chain(reader).collect()
    }

    /// The input of the next run.
    pub(crate) fn feed(&mut self, feeding: Feeding) -> Result<Fed, TrialError> {
        match feeding {
            Feeding::Once => Ok(Fed { stdin: None, reader: None }),
            Feeding::Again => self.input.feed().map_err(TrialError::Input)?.map_err(TrialError::Unrepeatable),
        }
    }
}
