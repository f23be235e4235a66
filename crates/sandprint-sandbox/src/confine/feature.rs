//! What a kernel may offer for confining a process: since when, and whether this one does.

use std::fmt;

use sandprint_model::KernelVersion;

use crate::{probe, seccomp};

/// Something of seccomp(2) that a kernel may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Feature {
    /// The system call seccomp.
    Seccomp,
    /// Filters (`SECCOMP_SET_MODE_FILTER`), which a kernel may be built without.
    Filter,
    /// `SECCOMP_FILTER_FLAG_TSYNC`.
    Tsync,
    /// `SECCOMP_FILTER_FLAG_LOG`.
    LogFlag,
    /// `SECCOMP_FILTER_FLAG_NEW_LISTENER`.
    Listener,
    /// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`.
    WaitKillable,
    /// An action, by its value (`SECCOMP_RET_*`).
    Action(u32),
}

impl Feature {
    /// The mainline release that was the first to have it, as seccomp(2) and linux/seccomp.h tell. `None` for an
    /// action that no kernel is known to have.
    pub fn since(self) -> Option<KernelVersion> {
        let (major, minor) = match self {
            Feature::Seccomp | Feature::Tsync => (3, 17),
            Feature::Filter => (3, 5),
            Feature::LogFlag => (4, 14),
            Feature::Listener => (5, 0),
            Feature::WaitKillable => (5, 19),
            Feature::Action(action) => named(action)?.1,
        };
        Some(KernelVersion::new(major, minor))
    }

    /// Whether this kernel has it, found by asking for it in a way that changes nothing.
    ///
    /// True too where a filter that is in force already keeps us from asking: then only the attempt tells.
    pub fn works(self) -> bool {
        if probe::survive(probe::FILTERS).is_err() {
            return false;
        }
        let flag = match self {
            Feature::Seccomp => return seccomp::try_filter(0) != libc::ENOSYS,
            Feature::Action(action) => return seccomp::action_available(action) != libc::EOPNOTSUPP,
            Feature::Filter => 0,
            Feature::Tsync => 1,
            Feature::LogFlag => 1 << 1,
            Feature::Listener => 1 << 3,
            // It goes with a listener only.
            Feature::WaitKillable => 1 << 5 | 1 << 3,
        };
        !matches!(seccomp::try_filter(flag), libc::ENOSYS | libc::EINVAL)
    }
}

/// Name and first release of an action (seccomp(2)).
fn named(action: u32) -> Option<(&'static str, (u16, u16))> {
    Some(match action {
        0x8000_0000 => ("KILL_PROCESS", (4, 14)),
        0x0000_0000 => ("KILL_THREAD", (3, 5)),
        0x0003_0000 => ("TRAP", (3, 5)),
        0x0005_0000 => ("ERRNO", (3, 5)),
        0x7fc0_0000 => ("USER_NOTIF", (5, 0)),
        0x7ff0_0000 => ("TRACE", (3, 5)),
        0x7ffc_0000 => ("LOG", (4, 14)),
        0x7fff_0000 => ("ALLOW", (3, 5)),
        _ => return None,
    })
}

impl fmt::Display for Feature {
    /// What it is, and since which release.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Feature::Seccomp => f.write_str("the system call seccomp")?,
            Feature::Filter => f.write_str("seccomp filters (CONFIG_SECCOMP_FILTER)")?,
            Feature::Tsync => f.write_str("seccomp filters for all threads at once (TSYNC)")?,
            Feature::LogFlag => f.write_str("the logging of denials (SECCOMP_FILTER_FLAG_LOG)")?,
            Feature::Listener => f.write_str("seccomp notifications (SECCOMP_FILTER_FLAG_NEW_LISTENER)")?,
            Feature::WaitKillable => {
                f.write_str("seccomp notifications that signals do not interrupt (WAIT_KILLABLE_RECV)")?;
            }
            Feature::Action(action) => match named(*action) {
                Some((name, _)) => write!(f, "the seccomp action {name}")?,
                None => write!(f, "the seccomp action {action:#x}")?,
            },
        }
        match self.since() {
            Some(since) => write!(f, ", there since Linux {since}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Feature; 6] = [
        Feature::Seccomp,
        Feature::Filter,
        Feature::Tsync,
        Feature::LogFlag,
        Feature::Listener,
        Feature::WaitKillable,
    ];

    #[test]
    fn what_a_kernel_must_have_by_its_release_it_has() {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let Ok(kernel) = release.trim().parse::<KernelVersion>() else { return };
        for feature in ALL {
            assert!(feature.works() || feature.since().unwrap() > kernel, "{feature} on {kernel}");
        }
        for action in [0x8000_0000, 0, 0x0003_0000, 0x0005_0000, 0x7fc0_0000, 0x7ff0_0000, 0x7ffc_0000] {
            assert!(Feature::Action(action).works(), "{}", Feature::Action(action));
        }
        assert!(!Feature::Action(0x1234_0000).works());
    }

    #[test]
    fn a_feature_says_since_when_it_is_there() {
        for (feature, expected) in [
            (Feature::LogFlag, "the logging of denials (SECCOMP_FILTER_FLAG_LOG), there since Linux 4.14"),
            (Feature::Action(0x8000_0000), "the seccomp action KILL_PROCESS, there since Linux 4.14"),
            (Feature::Action(0x1234_0000), "the seccomp action 0x12340000"),
        ] {
            assert_eq!(feature.to_string(), expected);
        }
    }
}
