//! A process of ours that lives apart from us: for what may never return, and for what is to outlive us.
//!
//! A thread that reads a file of a file system that has stopped answering may not even end when it is killed, and its
//! process not without it. So a helper is nobody's child, holds no descriptor but its end of a socket, and hears no
//! signal: whoever started it goes on, ends, and is waited for without it. It ends when what it does returns, which is
//! to be when the other end of the socket is gone.

mod sys;

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;

pub use sys::beside;

/// Starts one, which is known by that name (at most 15 bytes, `PR_SET_NAME`) and does `work` with its end of a socket that
/// keeps messages apart; gives the other end, close-on-exec.
///
/// To be called before there are other threads: what `work` uses must not be locked by one that is not there.
pub fn start(name: &CStr, work: impl FnOnce(&OwnedFd)) -> io::Result<OwnedFd> {
    // Whoever starts a workload makes these calls too: a filter that ends us for one is found out here first.
    crate::probe::survive(crate::probe::LAUNCH)?;
    sys::start(name, work)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_helper_works_alone_and_ends_with_us() {
        let socket = start(c"sandprint-test", |socket| {
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
        let mut socket = UnixStream::from(socket.unwrap());
        socket.write_all(b"?").unwrap();
        let mut bytes = [0; 16];
        let length = socket.read(&mut bytes).unwrap();
        let said = String::from_utf8_lossy(&bytes[..length]).into_owned();
        let (pid, open) = said.split_once(' ').unwrap();
        let pid: u32 = pid.parse().unwrap();
        assert_eq!(open, "3");
        assert_ne!(crate::process::parent(pid), Some(std::process::id()));
        drop(socket);
        let process = crate::process::Process::open(pid).unwrap();
        let ended =
            process.is_none_or(|process| process.wait_ended(std::time::Duration::from_secs(10)).unwrap());
        assert!(ended);
    }
}
