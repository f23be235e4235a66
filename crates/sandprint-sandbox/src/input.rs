//! Standard input for a command that is run several times: each run reads the same from its beginning.
//!
//! - A file is rewound to where it was.
//! - A pipe can be read once. So a small process of ours reads it in place of the command, keeps what it read in
//!   memory, and hands it on through a pipe of its own; the next run gets what was kept, and then what comes after.
//!   What arrives is handed on at once, so that somebody may answer what the command says. A process and not a thread,
//!   since a command is to get its input also when this process has been killed.
//! - A terminal or a socket cannot be read twice: what is typed or sent is gone.
//!
//! What the command leaves unread in a pipe is read all the same, so that others who share it do not find it.

mod sys;

use std::fs::File;
use std::io::{self, IsTerminal as _, Seek as _, SeekFrom};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileTypeExt as _;
use std::sync::Arc;
use std::time::Duration;

use self::sys::{Reader, Spool};

/// Most that is kept.
pub const MOST_KEPT: u64 = 64 << 20;
/// How long a reader may take to notice that nobody reads from it any more.
const TO_END: Duration = Duration::from_secs(1);

/// Why a further run would not read what the first has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unrepeatable {
    /// It is a terminal.
    Terminal,
    /// It is a socket.
    Socket,
    /// It was longer than what is kept.
    TooLong,
    /// A process of the run before still reads from it.
    InUse,
}

/// Standard input, for one run after the other.
#[derive(Debug)]
pub struct Input {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Closed, or a device that has no end, or always is at it.
    Same,
    File {
        file: File,
        start: u64,
    },
    Pipe {
        spool: Spool,
        last: Option<Reader>,
    },
    Once(Unrepeatable),
}

/// The standard input of one run. It is kept until that has ended.
#[derive(Debug)]
pub struct Fed {
    /// What the command is to get; `None` for what this process has.
    pub stdin: Option<Arc<OwnedFd>>,
    /// Who reads in its place; to be left alone by whoever ends the command's processes.
    pub reader: Option<u32>,
}

impl Input {
    /// Looks at the standard input of this process.
    pub fn of_this_process() -> io::Result<Input> {
        let stdin = io::stdin();
        let kind = match stdin.as_fd().try_clone_to_owned().map(File::from) {
            Err(_closed) => Kind::Same,
            Ok(file) => {
                let kind = file.metadata()?.file_type();
                if kind.is_fifo() {
                    Kind::Pipe { spool: Spool::new(MOST_KEPT)?, last: None }
                } else if kind.is_socket() {
                    Kind::Once(Unrepeatable::Socket)
                } else if stdin.is_terminal() {
                    Kind::Once(Unrepeatable::Terminal)
                } else {
                    match (&file).stream_position() {
                        Ok(start) if kind.is_file() => Kind::File { file, start },
                        _ => Kind::Same,
                    }
                }
            }
        };
        Ok(Input { kind })
    }

    /// Why a second run would not read the same, as far as that is known before the first.
    pub fn unrepeatable(&self) -> Option<Unrepeatable> {
        match self.kind {
            Kind::Once(why) => Some(why),
            _ => None,
        }
    }

    /// Input for a run. An error in the place of what was read before leaves it as it is.
    pub fn feed(&mut self) -> io::Result<Result<Fed, Unrepeatable>> {
        let as_it_is = Fed { stdin: None, reader: None };
        match &mut self.kind {
            Kind::Same | Kind::Once(_) => {}
            Kind::File { file, start } => {
                file.seek(SeekFrom::Start(*start))?;
            }
            Kind::Pipe { spool, last } => {
                if let Some(reader) = last.take()
                    && !reader.wait_ended(TO_END)?
                {
                    return Ok(Err(Unrepeatable::InUse));
                }
                if spool.is_cut() {
                    return Ok(Err(Unrepeatable::TooLong));
                }
                let (theirs, ours) = io::pipe()?;
                let reader = Reader::start(spool, &ours)?;
                let pid = reader.pid();
                *last = Some(reader);
                return Ok(Ok(Fed { stdin: Some(Arc::new(theirs.into())), reader: Some(pid) }));
            }
        }
        Ok(Ok(as_it_is))
    }
}

impl Drop for Input {
    /// Takes note of the last reader's end, where it has ended or is about to.
    fn drop(&mut self) {
        if let Kind::Pipe { last: Some(reader), .. } = &self.kind {
            reader.wait_ended(TO_END).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests;
