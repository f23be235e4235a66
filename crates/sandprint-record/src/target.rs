//! The target: what is observed.

use std::path::PathBuf;

/// What a recording or a watch observes. A recording cannot have the whole machine for its target, nor a watch a
/// command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A command: a child that was forked and has not yet executed, with all that it starts.
    Command,
    /// These processes, by their numbers in our PID namespace, with all their threads, descendants and what they start
    /// later.
    Processes(Vec<u32>),
    /// Every task in a cgroup2 directory and below it.
    Cgroup {
        /// The directory, below the cgroup2 mount.
        directory: PathBuf,
        /// What was asked for, in words: "unit nginx.service", "container 0123456789ab", "cgroup /x".
        words: String,
    },
    /// Every process.
    System,
}

/// From when on a task is followed that comes into a cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Entry {
    /// From its next call on.
    #[default]
    Call,
    /// From its `execve` on, that call included: before it, a service manager sets the unit up from within its cgroup.
    /// Who was there before the recording is followed from its next call on.
    Exec,
    /// The same, and who was there before is left out: the unit is restarted once the recording has begun.
    ExecAnew,
}

impl Target {
    /// It in words. Of what runs already, a trace's run keeps them.
    pub fn describe(&self) -> String {
        match self {
            Target::Command => "the command".to_owned(),
            Target::Processes(pids) => {
                let pids: Vec<_> = pids.iter().map(u32::to_string).collect();
                format!("pid {}", pids.join(", "))
            }
            Target::Cgroup { words, .. } => words.clone(),
            Target::System => "every process".to_owned(),
        }
    }
}
