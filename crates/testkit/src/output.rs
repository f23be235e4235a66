//! What a process writes, read by a thread, so that a test that waits in vain fails and does not hang.

use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;

use crate::wait::DEADLINE;

/// What is written to one end of a pipe.
#[derive(Debug)]
pub struct Output {
    bytes: Receiver<Vec<u8>>,
    unread: Vec<u8>,
}

impl Output {
    /// Reads from there until its end.
    pub fn of(mut source: impl Read + Send + 'static) -> Output {
        let (sender, bytes) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = source.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Output { bytes, unread: Vec::new() }
    }

    /// The next line, without its end.
    pub fn line(&mut self) -> String {
        self.next_line().unwrap_or_else(|| panic!("no line, but the end after {:?}", self.unread))
    }

    /// The same; none at the end.
    pub fn next_line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.iter().position(|&byte| byte == b'\n') {
                let rest = self.unread.split_off(end + 1);
                let line = std::mem::replace(&mut self.unread, rest);
                return Some(String::from_utf8(line).unwrap().trim_end().to_owned());
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// The whole lines that have come by now, and stay to be read.
    pub fn so_far(&mut self) -> &str {
        self.unread.extend(self.bytes.try_iter().flatten());
        let end = self.unread.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        str::from_utf8(&self.unread[..end]).unwrap()
    }

    /// All that comes until the last process that could write has ended.
    pub fn rest(&mut self) -> String {
        while self.more() {}
        String::from_utf8(std::mem::take(&mut self.unread)).unwrap()
    }

    fn more(&mut self) -> bool {
        match self.bytes.recv_timeout(DEADLINE) {
            Ok(bytes) => self.unread.extend(bytes),
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => panic!("nothing more came after {:?}", self.unread),
        }
        true
    }
}
