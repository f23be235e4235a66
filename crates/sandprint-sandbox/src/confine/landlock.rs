//! Landlock: a domain that refuses every access that it handles, without exceptions (landlock(7)).
//!
//! A domain holds for this process and all that it starts, whichever way an access is asked for: by a system
//! call, through `io_uring`, or by a call that acts through another. Besides what it handles, any domain keeps
//! its processes from tracing and looking into processes outside of it (ptrace(2), access mode checks); one
//! that handles a right of files also refuses to mount and to unmount, and to link or rename between
//! directories. Files and sockets that are open already stay as they are.

use std::io;

use sandprint_model::KernelVersion;

use super::sys;
use crate::probe;

/// What a domain handles, as bits of `struct landlock_ruleset_attr` (linux/landlock.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Handled {
    /// `LANDLOCK_ACCESS_FS_*`.
    pub filesystem: u64,
    /// `LANDLOCK_ACCESS_NET_*`, since ABI 4.
    pub network: u64,
    /// `LANDLOCK_SCOPE_*`, since ABI 6.
    pub scopes: u64,
}

/// Why a process did not enter a domain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LandlockError {
    /// The kernel is older than 5.13, was built without Landlock, or a filter answers for it.
    #[error("use Landlock: this kernel does not offer it; mainline has it since Linux 5.13")]
    Absent,
    /// It was built in and not enabled (`lsm=` on the kernel's command line, `CONFIG_LSM`).
    #[error("use Landlock: this kernel has it, but it was not enabled when the kernel was started")]
    Disabled,
    /// Sixteen domains lie within each other already (landlock(7), E2BIG).
    #[error("enter a Landlock domain: this process is in sixteen of them already, and there can be no more")]
    TooDeep,
    /// A call was refused for another reason.
    #[error("enter a Landlock domain: {operation}")]
    Refused {
        /// Which call.
        operation: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The kernel said that the domain was entered; but what every domain refuses is not refused.
    #[error(
        "find the Landlock domain in force: it was entered, but this process may look into one outside of it"
    )]
    NotInForce,
}

/// The version of Landlock's interface, 1 or more.
pub fn abi() -> Result<u32, LandlockError> {
    // Whoever dies of a call is refused it.
    if let Err(deadly) = probe::survive(probe::LANDLOCK) {
        return Err(refused(deadly.call, libc::EPERM));
    }
    match sys::landlock_abi() {
        Ok(abi) => Ok(abi),
        Err(libc::ENOSYS) => Err(LandlockError::Absent),
        Err(libc::EOPNOTSUPP) => Err(LandlockError::Disabled),
        Err(errno) => Err(refused("landlock_create_ruleset", errno)),
    }
}

/// The mainline release that brought a version of the interface (landlock(7)); `None` for unknown ones.
pub fn since(abi: u32) -> Option<KernelVersion> {
    let (major, minor) = match abi {
        1 => (5, 13),
        2 => (5, 19),
        3 => (6, 2),
        4 => (6, 7),
        5 => (6, 10),
        6 => (6, 12),
        7 => (6, 15),
        _ => return None,
    };
    Some(KernelVersion::new(major, minor))
}

/// The first version with which what a domain refuses after an execve can be logged.
const LOGS: u32 = 7;

/// Whether the kernel writes audit records of what a domain refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logging {
    /// Only until the next execve: the kernel's default.
    Default,
    /// After it too, where the interface is new enough (7); older ones log nothing.
    AfterExec,
}

/// Enters a domain that refuses all that it handles, and makes sure that it is in force. This thread, and what
/// it will start; takes [`no_new_privileges()`](super::no_new_privileges) before, or `CAP_SYS_ADMIN`.
///
/// That it is in force is shown by a child that is made before and so stays outside: this process may look at it
/// at first, and may not afterwards.
pub fn enter(handled: Handled, logging: Logging) -> Result<(), LandlockError> {
    let abi = abi()?;
    let outsider = sys::Outsider::start().map_err(|errno| refused("clone", errno))?;
    if let Err(errno) = outsider.look() {
        return Err(refused("a look at a child of our own, for comparison", errno));
    }
    let ruleset = sys::landlock_ruleset(handled.filesystem, handled.network, handled.scopes)
        .map_err(|errno| refused("landlock_create_ruleset", errno))?;
    let log = logging == Logging::AfterExec && abi >= LOGS;
    match sys::landlock_restrict(&ruleset, log) {
        0 => {}
        libc::E2BIG => return Err(LandlockError::TooDeep),
        errno => return Err(refused("landlock_restrict_self", errno)),
    }
    match outsider.look() {
        Err(libc::EPERM) => Ok(()),
        _ => Err(LandlockError::NotInForce),
    }
}

fn refused(operation: &'static str, errno: i32) -> LandlockError {
    LandlockError::Refused { operation, source: io::Error::from_raw_os_error(errno) }
}
