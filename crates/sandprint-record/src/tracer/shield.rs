//! A tracer beside a supervisor: whoever answers seccomp notifications cannot keep a signal from ending a call before it
//! is answered, and a tracer can.
//!
//! Such a call fails with EINTR where the signal's handler was set without `SA_RESTART`, be it one that never does (a
//! fork, a close), and programs take that for their own failure. The tracer sees how each call ends, and has those made
//! again that nobody has let go on, as the kernel does by itself for other handlers.
//!
//! A signal that would end a task is first shown to its tracer, and no reason for the kernel to end its wait for an answer:
//! who answers late has to look for such a signal ([`is_about_to_end`](sandprint_sandbox::process::is_about_to_end)).
//!
//! It is a process of its own, so that it goes on when the supervisor has been killed and a
//! [guardian](sandprint_sandbox::guardian) answers. If it is killed, its tree is as it would be without it.

use std::ffi::CStr;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use sandprint_model::Arch;
use sandprint_sandbox::detached::{self, Helper};
use sandprint_sandbox::launch::Watched;
use sandprint_sandbox::notify::Heard;
use sandprint_sandbox::probe;
use sandprint_sandbox::ptrace::Followed;

use super::serve;
use super::tree::Tree;
use crate::books::Shared;
use crate::detail::Detail;

/// What it is known by.
const NAME: &CStr = c"sandprint-trace";

/// What is said of an error without a number (linux/errno.h).
const EIO: i32 = 5;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A helper that traces whatever it is asked to.
#[derive(Debug)]
pub struct Shield {
    line: UnixStream,
    heard: Arc<Heard>,
    /// Dropped after the line.
    helper: Helper,
}

impl Shield {
    /// Starts the helper: before there are other threads.
    pub fn start(arch: Arch) -> io::Result<Shield> {
        probe::survive(probe::TRACING)?;
        let heard = Arc::new(Heard::new()?);
        let (socket, helper) = detached::start(NAME, |socket| help(arch, &heard, socket))?;
        let line = UnixStream::from(socket);
        line.set_read_timeout(Some(PATIENCE))?;
        Ok(Shield { line, heard, helper })
    }

    /// Its process number: a child that it is to trace allows that ([`Launch::tracer`]).
    ///
    /// [`Launch::tracer`]: sandprint_sandbox::launch::Launch::tracer
    pub fn pid(&self) -> u32 {
        self.helper.pid()
    }

    /// Traces a suspended child and all that comes of it, whose calls are reported by this program
    /// ([`Reported::Program`](sandprint_sandbox::notify::Reported)). Its listener
    /// [is to note](sandprint_sandbox::notify::Listener::note_in) what goes on in what this gives.
    pub fn trace(&mut self, first: u32, program: &[u8]) -> io::Result<Arc<Heard>> {
        self.heard.report(program)?;
        self.line.write_all(&first.to_ne_bytes())?;
        let answer = word(&mut self.line).inspect_err(|_| {
            // What comes late would be taken for the answer to the next.
            self.line.shutdown(Shutdown::Both).unwrap_or_default();
        })?;
        match i32::from_ne_bytes(answer) {
            0 => Ok(Arc::clone(&self.heard)),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

/// A message.
fn word(line: &mut UnixStream) -> io::Result<[u8; 4]> {
    let mut bytes = [0; 4];
    line.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// What the helper does until nobody asks any more. Each tree has a tracer of its own, which ends with it.
fn help(arch: Arch, heard: &Heard, socket: &OwnedFd) {
    let Ok(mut line) = socket.try_clone().map(UnixStream::from) else { return };
    while let Ok(first) = word(&mut line) {
        let first = u32::from_ne_bytes(first);
        let traced = detached::beside(|| trace(arch, heard, socket, first));
        if let Err(error) = traced
            && answer(socket, Err(error)).is_err()
        {
            return;
        }
    }
}

fn trace(arch: Arch, heard: &Heard, socket: &OwnedFd, first: u32) {
    let mut tree = Tree::new(arch, Detail::Calls, first);
    tree.books.closed = true;
    let prepared = Watched::new().and_then(|watched| Ok((watched, Shared::new(tree)?)));
    // If nobody hears it, there is nobody left to be traced for.
    let say = |seized| answer(socket, seized).unwrap_or_default();
    match prepared {
        Ok((watched, shared)) => {
            serve::run(first, Followed::Processes, &watched, &shared, Some(heard), say);
        }
        Err(error) => say(Err(error)),
    }
}

fn answer(socket: &OwnedFd, seized: io::Result<()>) -> io::Result<()> {
    let errno = seized.map_or_else(|error| error.raw_os_error().unwrap_or(EIO), |()| 0);
    UnixStream::from(socket.try_clone()?).write_all(&errno.to_ne_bytes())
}
