//! Processes by number.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use super::{Host, Target, TargetError};

/// These processes, each once, if all of them are there and none is a mere thread.
pub(super) fn find(host: &Host, pids: &[u32]) -> Result<Target, TargetError> {
    let pids: BTreeSet<u32> = pids.iter().copied().collect();
    for pid in &pids {
        let path = host.path(format!("/proc/{pid}/status"));
        let status = match fs::read(&path) {
            Ok(status) => status,
            // ESRCH: it ended between open and read.
            Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(3) => {
                return Err(TargetError::NoProcess(*pid));
            }
            Err(source) => return Err(TargetError::Read { path, source }),
        };
        match tgid(&status) {
            Some(tgid) if tgid != *pid => return Err(TargetError::Thread { tid: *pid, tgid }),
            _ => {}
        }
    }
    Ok(Target::Processes(pids.into_iter().collect()))
}

/// The `Tgid:` line of /proc/PID/status (proc(5)): threads can be looked up there, but are not listed.
fn tgid(status: &[u8]) -> Option<u32> {
    let status = String::from_utf8_lossy(status);
    status.lines().find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok())
}
