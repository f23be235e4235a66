//! Becoming the workload: this process executes it in its own place, so that no other process stays.

use std::convert::Infallible;
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::prepare::{self, Plan};
use super::{Launch, LaunchError, failure, sys};
use crate::confine::ConfineError;
use crate::signals::sys::set_mask;

impl Launch {
    /// Prepares this process to become the workload: takes on its limits and its user, and finds the program.
    ///
    /// For a process with one thread: identities are those of this thread alone.
    pub fn replace(&self) -> Result<Replacement, LaunchError> {
        let plan = prepare::plan(self)?;
        match sys::become_and_find(&plan) {
            Ok((number, _path)) => Ok(Replacement { plan, number }),
            Err(report) => Err(failure(self, &plan, report)),
        }
    }
}

/// A process that is about to become its workload.
#[expect(missing_debug_implementations, reason = "it holds addresses, and nothing that anybody could read")]
pub struct Replacement {
    plan: Plan,
    /// Which candidate the program is.
    number: u32,
}

/// What is said, and how the process ends, where the execve fails at last: under a filter nothing is certain, so this
/// takes no call but write(2) and `exit_group(2)`, and no memory.
#[derive(Debug)]
pub struct LastWords {
    /// What comes before the reason.
    pub before: Vec<u8>,
    /// Of an errno: the reason, what to do about it, and the exit status. Asks for no memory.
    pub words: fn(i32) -> (&'static str, &'static str, u8),
}

impl Replacement {
    /// The file that will be executed.
    pub fn program(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.path().to_bytes()))
    }

    fn path(&self) -> &CStr {
        usize::try_from(self.number)
            .ok()
            .and_then(|number| self.plan.candidates.get(number))
            .map_or(c"", |path| path)
    }

    /// The argument registers of the execve, as a filter will see them: addresses, which differ from run to run,
    /// and zeros.
    pub fn execve_registers(&self) -> [u64; 6] {
        sys::execve_registers(&self.plan, self.path())
            .map(|register| u64::try_from(register).unwrap_or(u64::MAX))
    }

    /// Puts back what our own start has changed (ignored signals, closed descriptors), confines this process as the
    /// [`Launch`] says, and executes. Returns only when it could not be confined; when the execve fails, says the
    /// last words and ends.
    ///
    /// Between confinement and execve this makes no call but the proof's.
    pub fn execute(self, last_words: &LastWords) -> Result<Infallible, ConfineError> {
        sys::put_back(&self.plan);
        // sigprocmask(2) does not fail for a set of ours.
        set_mask(self.plan.blocked).unwrap_or_default();
        if let Some(confinement) = &self.plan.confinement {
            confinement.filter.check_actions()?;
            confinement.take_on().map_err(|obstacle| ConfineError::of(obstacle, confinement.flags))?;
        }
        let errno = sys::execute(&self.plan, self.path());
        let (reason, hint, status) = (last_words.words)(errno);
        let mut room = [0; 10];
        let digits = decimal(errno.unsigned_abs(), &mut room);
        let parts: [&[u8]; 7] = [
            &last_words.before,
            reason.as_bytes(),
            b" (os error ",
            digits,
            b")\nhint: ",
            hint.as_bytes(),
            b"\n",
        ];
        sys::say_and_end(&parts, status.into())
    }
}

/// A number as text, without asking for memory.
fn decimal(mut number: u32, room: &mut [u8; 10]) -> &[u8] {
    let mut length = 0;
    for place in room.iter_mut().rev() {
        *place = b'0'.saturating_add(u8::try_from(number % 10).unwrap_or(0));
        length += 1;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    room.get(10 - length..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_usual() {
        for number in [0, 7, 10, 133, 4095, u32::MAX] {
            assert_eq!(decimal(number, &mut [0; 10]), number.to_string().as_bytes());
        }
    }
}
