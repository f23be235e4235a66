//! A child that makes calls, and how far it came.
#![expect(unsafe_code, reason = "std wraps neither fork nor calls by number")]

use std::ptr;
use std::sync::atomic::Ordering;

use super::Harmless;
use crate::shared::SharedWords;
use crate::signals::SignalSet;
use crate::signals::sys::{block, set_mask};

/// The index of the call of which a child died; `None` if it made them all.
pub(super) fn died_at(calls: &[Harmless], reached: &SharedWords) -> Option<usize> {
    let word = reached.first()?;
    word.store(0, Ordering::Release);
    // No handler of ours is to run in it, and a call that sleeps is not to.
    let mask = block(SignalSet::ALL).ok()?;
    // SAFETY: without CLONE_VM the child has its own copy of all memory, and a null stack means that it goes on with
    // this one. It makes only system calls, and ends.
    let pid = unsafe { libc::syscall(libc::SYS_clone, 0_usize, 0_usize, 0_usize, 0_usize, 0_usize) };
    if pid == 0 {
        for (index, call) in (0_u64..).zip(calls) {
            word.store(index, Ordering::Release);
            let [first, second, third, fourth] = call.arguments;
            // SAFETY: the arguments are addresses and descriptors of nothing.
            unsafe { libc::syscall(call.number, first, second, third, fourth, 0_usize, 0_usize) };
        }
        word.store(u64::MAX, Ordering::Release);
        // SAFETY: no memory is involved.
        unsafe { libc::_exit(0) };
    }
    set_mask(mask).unwrap_or_default();
    let pid = libc::pid_t::try_from(pid).ok().filter(|&pid| pid > 0)?;
    // SAFETY: without a place for a status, no memory is involved.
    unsafe { libc::waitpid(pid, ptr::null_mut(), libc::__WALL) };
    usize::try_from(word.load(Ordering::Acquire)).ok().filter(|&index| index < calls.len())
}
