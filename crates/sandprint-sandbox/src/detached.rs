//! A process of ours that lives apart from us: for what may never return, and for what is to outlive us.
//!
//! A thread that reads a file of a file system that has stopped answering may not even end when it is killed, and its
//! process not without it. So a helper holds no descriptor but its end of a socket, and hears no signal: whoever started
//! it goes on, ends, and is waited for without it. It ends when what it does returns, which is to be when the other end
//! of the socket is gone.
//!
//! It is a child of ours, so that its end is taken note of also where the first process of a container does not; among
//! the descendants of a process that starts a workload, it is none of the workload's.

mod sys;

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use crate::process::{self, Reaped};

pub use sys::beside;

/// How long a helper may take to end. Where it takes longer, whoever adopts it takes note of its end.
const TO_END: Duration = Duration::from_secs(2);
/// How often it is looked for: a helper that has nothing to do ends at once.
const PAUSE: Duration = Duration::from_micros(100);

/// Takes note of a helper's end when it is dropped, which is to be after our end of its socket.
#[derive(Debug)]
pub struct Helper(u32);

impl Helper {
    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.0
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // By wait4 alone, which whoever looks for deadly calls makes as well: any other could be one.
        let begin = Instant::now();
        while process::reap(self.0) == Reaped::Lives && begin.elapsed() < TO_END {
            thread::sleep(PAUSE);
        }
    }
}

/// Starts one, which is known by that name (at most 15 bytes, `PR_SET_NAME`) and does `work` with its end of a socket that
/// keeps messages apart; gives the other end, close-on-exec.
///
/// To be called before there are other threads: what `work` uses must not be locked by one that is not there.
pub fn start(name: &CStr, work: impl FnOnce(&OwnedFd)) -> io::Result<(OwnedFd, Helper)> {
    // Whoever starts a workload makes these calls too: a filter that ends us for one is found out here first.
    crate::probe::survive(crate::probe::LAUNCH)?;
    let (socket, pid) = sys::start(name, work)?;
    Ok((socket, Helper(pid)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use crate::process::Process;

    #[test]
    fn a_helper_works_alone_and_ends_with_us() {
        let started = start(c"sandprint-test", |socket| {
            let mut socket = UnixStream::from(socket.try_clone().unwrap());
            let mut bytes = [0; 16];
            while let Ok(length) = socket.read(&mut bytes)
                && length > 0
            {
                let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
                // Its socket, a copy of that, and the folder.
                let word = format!("{} {open}", std::process::id());
                drop(socket.write(word.as_bytes()));
            }
        });
        let (socket, helper) = started.unwrap();
        let mut socket = UnixStream::from(socket);
        socket.write_all(b"?").unwrap();
        let mut bytes = [0; 16];
        let length = socket.read(&mut bytes).unwrap();
        let said = String::from_utf8_lossy(&bytes[..length]).into_owned();
        let (pid, open) = said.split_once(' ').unwrap();
        assert_eq!((pid, open), (&*helper.pid().to_string(), "3"));
        drop((socket, helper));
        // Its end has been taken note of.
        assert!(Process::open(pid.parse().unwrap()).unwrap().is_none());
    }
}
