//! A terminal for a command of a test, and what is shown on it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// The side of a terminal on which somebody sits.
#[derive(Debug)]
pub struct Terminal {
    keys: File,
    /// What is shown, piece by piece, until nobody has the terminal open any more.
    pub shown: Receiver<Vec<u8>>,
}

impl Terminal {
    /// Starts a command whose standard streams are a new terminal.
    pub fn start<Started>(
        mut command: Command,
        start: impl FnOnce(&mut Command) -> Started,
    ) -> (Terminal, Started) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let open = || File::options().read(true).write(true).open(&name).unwrap();
        command.stdin(open()).stdout(open()).stderr(open());
        let started = start(&mut command);
        // It has the terminal open too.
        drop(command);
        let mut screen = File::from(master.try_clone().unwrap());
        let (sender, shown) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // EIO is the end of a terminal that nobody has open any more.
            while let Ok(length @ 1..) = screen.read(&mut bytes) {
                if sender.send(bytes[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        (Terminal { keys: File::from(master), shown }, started)
    }

    /// Types.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }
}
