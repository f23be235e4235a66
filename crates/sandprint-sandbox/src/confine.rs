//! Confining a process: a seccomp filter, the proof that it is in force, and Landlock.
//!
//! - [`Filter`]: a classic BPF program, given as bytes, and its installation. What the program decides is not
//!   known here.
//! - [`Proof`]: a call number with an answer that only the filter gives.
//! - [`Confinement`]: both, for [`launch`](crate::launch), which confines a process just before its execve.
//! - [`feature`]: what this kernel offers of all this, found by trying.
//! - [`landlock`]: a domain without exceptions, and the proof that it was entered.
//!
//! None of it needs a privilege: a process that gives up gaining privileges (`no_new_privs`, prctl(2)) may
//! confine itself. None of it can be undone.

mod error;
pub mod feature;
mod filter;
pub mod landlock;
pub(crate) mod sys;

pub use error::{ConfineError, FilterError};
pub use filter::{Filter, Flags};

pub(crate) use error::{Obstacle, Step};

use crate::{probe, seccomp};

/// A call that shows whether a filter is in force, because the filter answers it and the kernel does not.
///
/// The filter must have a rule for the number that answers with the errno, whatever else it does: a killing
/// default then does not end the process that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// The number, of the native ABI; one that no kernel gives to a call.
    pub number: u32,
    /// The filter's answer, 1 to 4095: not what [`answer()`] said before the filter was installed.
    pub errno: u16,
}

/// What a process takes on just before its execve.
#[derive(Debug, Clone)]
pub struct Confinement {
    /// The filter. It has to allow execve(2), or nothing is executed.
    pub filter: Filter,
    /// How it is installed. With [`Flags::NEW_LISTENER`] nobody would hold the listener.
    pub flags: Flags,
    /// How its force is shown; `None` leaves that to the caller.
    pub proof: Option<Proof>,
}

impl Confinement {
    /// Gives up new privileges, installs the filter, and has it proven.
    ///
    /// Only system calls, and no memory is asked for: this may run between fork and execve.
    pub(crate) fn take_on(&self) -> Result<(), Obstacle> {
        let step = |step, errno| if errno == 0 { Ok(()) } else { Err(Obstacle { step, errno }) };
        step(Step::NoNewPrivileges, seccomp::no_new_privileges())?;
        step(Step::Install, self.filter.install_raw(self.flags))?;
        match self.proof {
            Some(proof) => match sys::call(proof.number) {
                answer if answer == i32::from(proof.errno) => Ok(()),
                answer => Err(Obstacle { step: Step::Prove, errno: answer }),
            },
            None => Ok(()),
        }
    }
}

/// Gives up, for this thread and all that it starts, to gain privileges by execve (prctl(2),
/// `PR_SET_NO_NEW_PRIVS`): what an unprivileged process has to do before it confines itself.
pub fn no_new_privileges() -> Result<(), ConfineError> {
    match seccomp::no_new_privileges() {
        0 => Ok(()),
        errno => Err(ConfineError::of(Obstacle { step: Step::NoNewPrivileges, errno }, Flags::NONE)),
    }
}

/// What a call of that number, with zeros for arguments, is answered with now: an errno, or 0.
///
/// Where a filter is in force already, a child asks first, since the filter may kill whoever calls a number
/// that it does not know.
pub fn answer(number: u32) -> Result<i32, ConfineError> {
    if let Err(deadly) = probe::survive(probe::FILTERS) {
        return Err(ConfineError::Deadly(deadly));
    }
    if sys::may_be_filtered() {
        match sys::call_in_child(number) {
            Ok(None) => {}
            Ok(Some(signal)) => return Err(ConfineError::OuterFilter { number, signal }),
            Err(errno) => return Err(ConfineError::of(Obstacle { step: Step::Prove, errno }, Flags::NONE)),
        }
    }
    Ok(sys::call(number))
}
