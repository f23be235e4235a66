//! Finds on this host what `profile attach` and `watch` were asked to observe: processes, or a cgroup2 directory; and
//! back: whose a cgroup is.
//!
//! Everything is read below one root directory, so that tests can bring their own tree.

mod cgroup;
mod container;
mod container_names;
mod pid;
mod place;
mod unit;

use std::io;
use std::path::{Path, PathBuf};

use sandprint_model::ByteString;
use sandprint_record::target::Target;

use crate::output::{self, quote};
use crate::systemd::SystemdError;

pub(crate) use place::Place;

/// The target was not found, or cannot be observed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    /// No such process.
    #[error("there is no process {0}")]
    NoProcess(u32),
    /// The number is that of a thread.
    #[error("{tid} is a thread of process {tgid}, not a process")]
    Thread {
        /// The number that was given.
        tid: u32,
        /// The process that it belongs to.
        tgid: u32,
    },
    /// A file under /proc or /sys cannot be read.
    #[error("failed to read {}", quote(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No cgroup2 file system is mounted.
    #[error("no cgroup2 file system is mounted")]
    NoCgroup2,
    /// The path is no cgroup.
    #[error("there is no cgroup {}", quote(path))]
    NoCgroup {
        /// The path as it was given.
        path: PathBuf,
        /// Where cgroup2 is mounted.
        mount: PathBuf,
    },
    /// The path is in a hierarchy of cgroup version 1.
    #[error("{} is in a cgroup v1 hierarchy; only cgroup2 can be observed", quote(.0))]
    CgroupV1(PathBuf),
    /// No cgroup belongs to the unit.
    #[error("no running unit {unit} was found")]
    NoUnit {
        /// The unit, with its suffix.
        unit: String,
        /// Where it was looked for.
        mount: PathBuf,
    },
    /// Several cgroups belong to units of that name.
    #[error("{unit} is not one unit but {}: {}", found.len(), list(found))]
    ManyUnits {
        /// The unit, with its suffix.
        unit: String,
        /// Its cgroups, below the mount.
        found: Vec<String>,
    },
    /// The unit does not run, and the manager knows none that could be waited for.
    #[error(transparent)]
    Systemd(SystemdError),
    /// No container has that id or name.
    #[error("no running container {container} was found")]
    NoContainer {
        /// What was asked for, escaped.
        container: String,
    },
    /// No container has that name, and it is too short for an id.
    #[error("no running container is called {container}, and an id needs at least {fewest} digits")]
    ShortId {
        /// What was asked for, escaped.
        container: String,
        /// The fewest digits of an id that are taken for one.
        fewest: usize,
    },
    /// Several containers have ids that begin so, or have that name.
    #[error("{container} is not one container but {}: {}", found.len(), list(found))]
    ManyContainers {
        /// What was asked for, escaped.
        container: String,
        /// Their ids, with their names where known.
        found: Vec<String>,
    },
    /// The unit or container runs, but only in cgroup v1 hierarchies.
    #[error("{what} is in cgroup v1 hierarchies only; only cgroup2 can be observed")]
    OnlyV1 {
        /// The unit or container.
        what: String,
        /// Its processes.
        pids: Vec<u32>,
    },
}

fn list(found: &[String]) -> String {
    found.join(", ")
}

impl TargetError {
    /// What the user can do about it.
    pub(crate) fn hint(&self) -> String {
        match self {
            TargetError::NoProcess(_) => {
                "`pgrep -a NAME` lists processes; in a container the numbers are other ones".to_owned()
            }
            TargetError::Thread { tgid, .. } => {
                format!("attach to the whole process: `--pid {tgid}`")
            }
            TargetError::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "run it with sudo".to_owned()
            }
            TargetError::Read { .. } => "is /proc mounted here?".to_owned(),
            TargetError::NoCgroup2 => {
                "`mount -t cgroup2 none /sys/fs/cgroup/unified` mounts one; `--pid` needs none".to_owned()
            }
            TargetError::NoCgroup { mount, .. } => format!(
                "give a directory below {}, or what `cat /proc/PID/cgroup` shows after `0::`",
                quote(mount)
            ),
            TargetError::CgroupV1(_) => {
                "give its processes instead: `--pid`, with the numbers in its cgroup.procs file".to_owned()
            }
            TargetError::NoUnit { unit, .. } => format!(
                "`systemctl status {unit}` says whether it runs, and `systemctl show -P ControlGroup {unit}` \
                 gives a path for `--cgroup`"
            ),
            TargetError::Systemd(error) => error.hint(),
            TargetError::ManyUnits { .. } => "give one of these paths to `--cgroup`".to_owned(),
            TargetError::NoContainer { .. } => {
                "give the id that `docker ps`, `podman ps` or `crictl ps` shows, \
                 or a name; a stopped container has nothing to observe"
                    .to_owned()
            }
            TargetError::ShortId { .. } => {
                "give more digits of the id that `docker ps`, `podman ps` or `crictl ps` shows".to_owned()
            }
            TargetError::ManyContainers { .. } => {
                "give more digits of the id, or its cgroup's path to `--cgroup`".to_owned()
            }
            TargetError::OnlyV1 { pids, .. } => {
                let pids: Vec<_> = pids.iter().take(20).map(u32::to_string).collect();
                format!("attach to its processes instead: `--pid {}`", pids.join(","))
            }
        }
    }
}

/// The host whose processes and cgroups are looked at.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    root: PathBuf,
}

impl Host {
    /// This machine.
    pub(crate) fn here() -> Host {
        Host { root: PathBuf::from("/") }
    }

    /// A tree that looks like one.
    #[cfg(test)]
    pub(crate) fn at(root: &Path) -> Host {
        Host { root: root.to_owned() }
    }

    /// An absolute path of the host, as this process reaches it.
    fn path(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let absolute = absolute.as_ref();
        self.root.join(absolute.strip_prefix("/").unwrap_or(absolute))
    }

    /// Whether cgroups of version 2 can be observed here.
    pub(crate) fn has_cgroup2(&self) -> bool {
        cgroup::mounts(self).is_ok()
    }

    /// The container and the unit that a cgroup belongs to, given by its path below the mount.
    pub(crate) fn place(&self, cgroup: &ByteString) -> Place {
        place::of(self, cgroup)
    }

    /// These processes, if all of them are there.
    pub(crate) fn processes(&self, pids: &[u32]) -> Result<Target, TargetError> {
        pid::find(self, pids)
    }

    /// The cgroup of that path: in the file system, or below the cgroup2 mount.
    pub(crate) fn cgroup(&self, path: &Path) -> Result<Target, TargetError> {
        cgroup::find(self, path)
    }

    /// The cgroup of the systemd unit of that name, of the system or of a user. Where it does not run, the one that it
    /// will have, which the user is told.
    pub(crate) fn unit(&self, name: &str) -> Result<Target, TargetError> {
        match unit::find(self, name) {
            // Another tree has no manager.
            Err(absent @ TargetError::NoUnit { .. }) if self.root == Path::new("/") => {
                let next = unit::next(self, name, absent)?;
                output::note(&format!("{} does not run; waiting for its start", next.describe()));
                Ok(next)
            }
            found => found,
        }
    }

    /// The cgroup of the running container of that id, beginning of an id, or name.
    pub(crate) fn container(&self, id: &str) -> Result<Target, TargetError> {
        container::find(self, id)
    }
}

#[cfg(test)]
mod tests;
