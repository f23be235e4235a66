//! Processes by number.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use sandprint_sandbox::process::Status;

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
        // Threads can be looked up there too, but are not listed.
        match Status::from_bytes(status).tgid() {
            Some(tgid) if tgid != *pid => return Err(TargetError::Thread { tid: *pid, tgid }),
            _ => {}
        }
    }
    Ok(Target::Processes(pids.into_iter().collect()))
}
