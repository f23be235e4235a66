//! The system's service manager, asked through systemctl: what a unit is, where its cgroup is, and having it started.

mod call;
mod path;
mod unit;

pub(crate) use call::Call;
pub(crate) use unit::{Footing, Unit};

use std::io;

use sandprint_model::{ByteString, Trace};

/// A unit cannot be asked for, or had started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SystemdError {
    /// systemctl could not be run.
    #[error("failed to run systemctl")]
    NoSystemctl(#[source] io::Error),
    /// It runs, and the manager did not answer.
    #[error("failed to ask systemd: {0}")]
    NoManager(String),
    /// What was given is a pattern, or nothing.
    #[error("{0} is no name of a unit")]
    BadName(String),
    /// There is no such unit.
    #[error("there is no unit {0}")]
    NoUnit(String),
    /// It may not be started.
    #[error("the unit {0} is masked")]
    Masked(String),
    /// Its file cannot be used.
    #[error("systemd cannot load the unit {unit}: {state}")]
    NotLoaded {
        /// Its name.
        unit: String,
        /// What systemd calls that.
        state: String,
    },
    /// It runs no programs of its own that could be recorded.
    #[error("{0} is neither a service nor a socket")]
    NoService(String),
    /// It is not one unit.
    #[error("{0} is a template, which cannot be started")]
    Template(String),
    /// They are where they cannot be followed.
    #[error("systemd keeps its units in cgroup v1 hierarchies here; only cgroup2 can be recorded")]
    OnlyV1,
    /// Its cgroup holds others too.
    #[error("the instances of {unit} have no slice of their own: they are in {slice}")]
    SharedSlice {
        /// The template.
        unit: String,
        /// Where they are.
        slice: String,
    },
}

impl SystemdError {
    /// What the user can do about it.
    pub(crate) fn hint(&self) -> String {
        match self {
            SystemdError::NoSystemctl(_) => {
                "systemd must be installed; `sandprint profile run -- CMD` records a command without it".to_owned()
            }
            SystemdError::NoManager(_) => {
                "systemd must run here as the first process, and this user must be allowed to ask it; \
                 `sandprint profile run -- CMD` records a command without it"
                    .to_owned()
            }
            SystemdError::BadName(_) => "give one unit, such as `nginx` or `nginx.service`".to_owned(),
            SystemdError::NoUnit(unit) => format!(
                "`systemctl list-unit-files` lists the units; one that was just written is found after \
                 `systemctl daemon-reload`; `systemctl cat {unit}` shows it"
            ),
            SystemdError::Masked(unit) => format!("`systemctl unmask {unit}` allows to start it"),
            SystemdError::NotLoaded { unit, .. } => {
                format!("`systemctl status {unit}` and `systemd-analyze verify {unit}` say what is wrong with it")
            }
            SystemdError::NoService(_) => {
                "give the service that it starts: `systemctl list-dependencies` and `systemctl list-timers` name it"
                    .to_owned()
            }
            SystemdError::Template(unit) => format!(
                "give an instance, such as `{}`, or the socket whose connections start it",
                unit.replacen('@', "@NAME", 1)
            ),
            SystemdError::OnlyV1 => {
                "boot with `systemd.unified_cgroup_hierarchy=1`; `sandprint profile run -- CMD` needs no cgroup"
                    .to_owned()
            }
            SystemdError::SharedSlice { .. } => {
                "`sandprint profile attach --cgroup` records one, while it runs".to_owned()
            }
        }
    }
}

/// What systemctl said, on one line and fit for a terminal.
fn in_one_line(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    // The lines after the first name commands that tell more, which our hints do.
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
    // What failed is said by whoever tells this.
    let why =
        first.strip_prefix("Failed to ").and_then(|rest| rest.split_once(": ")).map_or(first, |(_, why)| why);
    ByteString::from(why).escaped()
}

/// A recording of a unit without the program that systemd, from version 255 on, executes in the unit's cgroup to set it up.
/// What that calls under the unit's filter is known.
pub(crate) fn without_executor(trace: &Trace) -> Trace {
    trace.of_images(|image| !image.path.as_bytes().ends_with(b"/systemd-executor"))
}

/// Whether units are in hierarchies of cgroup version 1 only, by what `/proc/1/cgroup` says (cgroups(7)).
pub(crate) fn is_in_v1(first_process: &str) -> bool {
    let path = |hierarchy: &str| {
        first_process
            .lines()
            .find_map(|line| line.split_once(':')?.1.strip_prefix(hierarchy)?.strip_prefix(':'))
    };
    // The manager has put itself into a cgroup of its own, where it manages.
    let manages = |hierarchy| path(hierarchy).is_some_and(|path| path.ends_with("/init.scope"));
    manages("name=systemd") && !manages("")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sandprint_model::{Abi, CallSeen, Image, RunId, Subject, Syscall};

    use super::*;

    #[test]
    fn what_systemctl_said_is_told_once() {
        for (said, told) in [
            ("Failed to restart x.service: Access denied\nSee system logs.\n", "Access denied"),
            ("Job for x.service failed.\nSee \"systemctl status\".\n", "Job for x.service failed."),
            ("\n", "it said nothing"),
            ("a\u{1b}[31mb", "a\\x1b[31mb"),
        ] {
            assert_eq!(in_one_line(said.as_bytes()), told);
        }
    }

    #[test]
    fn what_sets_a_unit_up_is_no_part_of_it() {
        let mut trace = Trace::default();
        for (path, name) in [
            ("/usr/lib/systemd/systemd-executor", "mount"),
            ("/usr/lib/systemd/systemd", "read"),
            ("/usr/bin/app", "write"),
        ] {
            let image = Image { path: path.into(), build_id: None, script: None };
            let call = Syscall::from_name(Abi::X86_64, name).unwrap();
            trace.calls.join(Subject::of(&Arc::new(image)), call, RunId::from_bits(1), CallSeen::times(1));
        }
        let names: Vec<_> = without_executor(&trace).syscalls().iter().map(ToString::to_string).collect();
        // A manager may be the unit itself: that of a user.
        assert_eq!(names, ["read", "write"]);
    }

    #[test]
    fn hierarchies_of_version_1_are_told_by_where_the_manager_is() {
        for (cgroups, is_in_v1) in [
            ("0::/init.scope\n", false),
            ("4:memory:/\n1:name=systemd:/init.scope\n0::/init.scope\n", false),
            ("4:memory:/\n1:name=systemd:/init.scope\n0::/\n", true),
            ("1:name=systemd:/init.scope\n", true),
            ("1:name=systemd:/\n0::/init.scope\n", false),
            ("1:name=systemd:/\n0::/\n", false),
            ("", false),
        ] {
            assert_eq!(super::is_in_v1(cgroups), is_in_v1, "{cgroups}");
        }
    }
}
