//! Watches for calls that seccomp filters keep from running, anywhere on the machine.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use super::RecorderError;
use crate::host::HostFacts;
use crate::refused::{FilterId, Refused};

/// Whose calls are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// A process, by its tgid in our PID namespace, and its descendants.
    Process(u32),
    /// Whatever runs in a cgroup2 subtree, given by its directory.
    Cgroup(PathBuf),
    /// Every process.
    System,
}

/// A loaded watcher.
#[derive(Debug)]
pub struct Watcher {}

/// What the watcher may have missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// In a sentence's words, without a number.
    pub what: String,
    /// How often.
    pub count: u64,
}

impl Watcher {
    /// Loads the programs and attaches them: calls are watched from here on.
    pub fn start(watched: &Watched, facts: &HostFacts) -> Result<Watcher, RecorderError> {
        let _ = (watched, facts);
        Err(RecorderError::NoBtf)
    }

    /// Becomes readable when there is something new; repetitions of what is known do not make it so.
    pub fn fd(&self) -> Result<OwnedFd, RecorderError> {
        Err(RecorderError::NoBtf)
    }

    /// What was refused and has not been told yet, and what was told with a smaller count or before its process ended.
    /// To be called now and then, since repetitions wake nobody.
    pub fn news(&mut self) -> Result<Vec<Refused>, RecorderError> {
        Ok(Vec::new())
    }

    /// The instructions of a filter: an array of `struct sock_filter`. None where the kernel did not keep them.
    pub fn filter(&self, id: FilterId) -> Option<Arc<[u8]>> {
        let _ = id;
        None
    }

    /// What was missed so far.
    pub fn missed(&self) -> Result<Vec<Missed>, RecorderError> {
        Ok(Vec::new())
    }
}
