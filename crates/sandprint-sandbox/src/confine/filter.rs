//! A seccomp filter as the kernel takes it: a classic BPF program.

use std::collections::BTreeSet;
use std::io;
use std::ops::BitOr;
use std::os::fd::OwnedFd;

use super::error::{Obstacle, Step};
use super::feature::Feature;
use super::{ConfineError, FilterError, sys};
use crate::seccomp;

/// Most instructions of one program (`BPF_MAXINSNS`, `linux/bpf_common.h`).
const MOST_INSTRUCTIONS: usize = 4096;

/// `BPF_RET | BPF_K` (`linux/bpf_common.h`): return a constant.
const RETURN: u16 = 0x06;

/// The part of a returned value that is the action (`SECCOMP_RET_ACTION_FULL`, linux/seccomp.h).
const ACTION: u32 = 0xffff_0000;

/// How a filter is installed (seccomp(2), `SECCOMP_FILTER_FLAG_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u32);

impl Flags {
    /// In this thread, and in what it will start.
    pub const NONE: Flags = Flags(0);
    /// In every thread of this process, or in none.
    pub const TSYNC: Flags = Flags(1);
    /// The kernel logs every call that is not simply allowed, as far as
    /// `/proc/sys/kernel/seccomp/actions_logged` lets it.
    pub const LOG: Flags = Flags(1 << 1);
    /// The installation gives a descriptor, by which calls with the action `USER_NOTIF` are answered.
    pub const NEW_LISTENER: Flags = Flags(1 << 3);
    /// Together with [`Flags::NEW_LISTENER`]: once a call was taken from the listener, only a fatal signal
    /// interrupts its caller.
    pub const WAIT_KILLABLE_RECV: Flags = Flags(1 << 5);

    /// Whether all of those flags are set.
    pub fn contains(self, flags: Flags) -> bool {
        self.0 & flags.0 == flags.0
    }

    pub(super) fn bits(self) -> u32 {
        self.0
    }

    /// What the kernel must offer for them.
    pub(super) fn features(self) -> impl Iterator<Item = Feature> {
        [
            (Flags::TSYNC, Feature::Tsync),
            (Flags::LOG, Feature::LogFlag),
            (Flags::NEW_LISTENER, Feature::Listener),
            (Flags::WAIT_KILLABLE_RECV, Feature::WaitKillable),
        ]
        .into_iter()
        .filter(move |(flag, _)| self.contains(*flag))
        .map(|(_, feature)| feature)
    }
}

impl BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// A filter: 1 to 4096 instructions. Whether the kernel takes them, it says when they are installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// `struct sock_filter` each, as it lies in memory; a whole word is aligned for it.
    instructions: Vec<u64>,
}

impl Filter {
    /// Takes the bytes of a program: `struct sock_filter` (linux/filter.h) each 8, in this machine's order.
    pub fn new(bytes: &[u8]) -> Result<Filter, FilterError> {
        let (instructions, []) = bytes.as_chunks() else { return Err(FilterError::Size(bytes.len())) };
        if !(1..=MOST_INSTRUCTIONS).contains(&instructions.len()) {
            return Err(FilterError::Length(instructions.len()));
        }
        Ok(Filter { instructions: instructions.iter().copied().map(u64::from_ne_bytes).collect() })
    }

    /// Installs it: in this thread, and with [`Flags::TSYNC`] in the others too. It stays for ever, and goes on
    /// to every child and through every execve.
    ///
    /// Takes [`no_new_privileges()`](super::no_new_privileges) before, or `CAP_SYS_ADMIN`. Gives the listener with
    /// [`Flags::NEW_LISTENER`], close-on-exec.
    pub fn install(&self, flags: Flags) -> Result<Option<OwnedFd>, ConfineError> {
        self.check_actions()?;
        let result = seccomp::install(&self.instructions, flags.bits().into());
        let failed = |errno| ConfineError::of(Obstacle { step: Step::Install, errno }, flags);
        match result {
            Err(errno) => Err(failed(errno)),
            Ok(0) if !flags.contains(Flags::NEW_LISTENER) => Ok(None),
            Ok(descriptor) if flags.contains(Flags::NEW_LISTENER) => {
                Ok(Some(sys::owned(descriptor).map_err(|source| ConfineError::Install { source })?))
            }
            // seccomp(2): with TSYNC, and nothing was installed.
            Ok(tid) if flags.contains(Flags::TSYNC) => Err(ConfineError::Thread { tid }),
            Ok(_) => Err(ConfineError::Install { source: io::ErrorKind::InvalidData.into() }),
        }
    }

    /// Refuses a filter with actions that this kernel does not know: it would kill the thread in their place.
    pub fn check_actions(&self) -> Result<(), ConfineError> {
        match self.actions().into_iter().map(Feature::Action).find(|feature| !feature.works()) {
            Some(feature) => Err(ConfineError::Missing { feature }),
            None => Ok(()),
        }
    }

    /// Installs it in this thread; the errno, or 0. No memory is asked for.
    pub(super) fn install_raw(&self, flags: Flags) -> i32 {
        match seccomp::install(&self.instructions, flags.bits().into()) {
            Ok(0) => 0,
            Ok(_) => libc::EINVAL,
            Err(errno) => errno,
        }
    }

    /// The actions that it returns as constants (`SECCOMP_RET_*`).
    fn actions(&self) -> BTreeSet<u32> {
        let constant = |word: &u64| {
            let [c0, c1, _, _, k0, k1, k2, k3] = word.to_ne_bytes();
            let returns = u16::from_ne_bytes([c0, c1]) == RETURN;
            returns.then(|| u32::from_ne_bytes([k0, k1, k2, k3]) & ACTION)
        };
        self.instructions.iter().filter_map(constant).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `BPF_RET | BPF_K`.
    fn returns(value: u32) -> Vec<u8> {
        [&RETURN.to_ne_bytes()[..], &[0, 0], &value.to_ne_bytes()].concat()
    }

    #[test]
    fn only_whole_programs_of_a_length_that_the_kernel_takes_are_taken() {
        for (bytes, expected) in [
            (vec![], Err(FilterError::Length(0))),
            (vec![0; 7], Err(FilterError::Size(7))),
            (vec![0; 9], Err(FilterError::Size(9))),
            (returns(0).repeat(4096), Ok(4096)),
            (returns(0).repeat(4097), Err(FilterError::Length(4097))),
        ] {
            assert_eq!(Filter::new(&bytes).map(|filter| filter.instructions.len()), expected);
        }
    }

    #[test]
    fn the_actions_are_those_of_the_returns() {
        let load = [&0x20_u16.to_ne_bytes()[..], &[0, 0], &0x8000_0000_u32.to_ne_bytes()].concat();
        let program = [load, returns(0x0005_0026), returns(0x0005_0001), returns(0x7fff_0000)].concat();
        assert_eq!(Filter::new(&program).unwrap().actions(), BTreeSet::from([0x0005_0000, 0x7fff_0000]));
    }

    #[test]
    fn an_action_that_no_kernel_knows_is_refused_before_it_is_installed() {
        let filter = Filter::new(&returns(0x1234_0000)).unwrap();
        let refused = filter.install(Flags::NONE);
        assert!(
            matches!(refused, Err(ConfineError::Missing { feature: Feature::Action(0x1234_0000) })),
            "{refused:?}"
        );
    }
}
