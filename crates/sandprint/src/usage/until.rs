//! When what is observed in a cgroup counts as over.

use clap::ValueEnum;

/// What ends the observation of a cgroup, a unit or a container by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Until {
    /// When its last process has ended
    Empty,
}
