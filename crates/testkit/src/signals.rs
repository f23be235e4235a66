//! Signals that the caller of the tests may have had ignored, and signals to others.

use std::process::Command;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

mod sys;

pub use sys::have_default_actions;

/// Sends a signal to a process.
pub fn send(pid: u32, signal: Signal) {
    kill_process(as_pid(pid), signal).unwrap_or_else(|error| panic!("{signal:?} to {pid}: {error}"));
}

/// Sends a signal to the process group that this process leads.
pub fn send_to_group(leader: u32, signal: Signal) {
    kill_process_group(as_pid(leader), signal)
        .unwrap_or_else(|error| panic!("{signal:?} to the group {leader}: {error}"));
}

/// Sends a signal to a process, by its name without SIG.
pub fn send_named(pid: u32, name: &str) {
    kill(&pid.to_string(), name);
}

/// The same to the process group that this process leads.
pub fn send_named_to_group(leader: u32, name: &str) {
    kill(&format!("-{leader}"), name);
}

fn kill(to: &str, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), "--", to]).status().unwrap();
    assert!(status.success(), "kill -{name} {to}");
}

fn as_pid(number: u32) -> Pid {
    Pid::from_raw(number.cast_signed()).unwrap()
}
