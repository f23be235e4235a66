//! Masks, dispositions and signalfd(2).
//!
//! Masks are read and written by the system call itself, with the kernel's 64 bits: the C library's
//! functions leave out the two signals that it keeps for itself.
#![expect(unsafe_code, reason = "std wraps no signals")]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::ptr;

use super::{Signal, SignalSet};

/// The size of the kernel's signal set in bytes, which the calls want to be told.
pub(crate) const SET_SIZE: usize = size_of::<u64>();

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn change_mask(how: libc::c_int, set: SignalSet) -> io::Result<SignalSet> {
    let mut previous = 0_u64;
    // SAFETY: both addresses are of 64-bit sets that live through the call, which is told that size.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            how,
            ptr::from_ref(&set.0),
            ptr::from_mut(&mut previous),
            SET_SIZE,
        )
    };
    check(result).map(|_zero| SignalSet(previous))
}

/// Blocks `set` too in this thread, and says what was blocked before.
pub(crate) fn block(set: SignalSet) -> io::Result<SignalSet> {
    change_mask(libc::SIG_BLOCK, set)
}

/// Unblocks `set` in this thread, and says what was blocked before.
pub(crate) fn unblock(set: SignalSet) -> io::Result<SignalSet> {
    change_mask(libc::SIG_UNBLOCK, set)
}

/// Makes `set` the mask of this thread.
pub(crate) fn set_mask(set: SignalSet) -> io::Result<()> {
    change_mask(libc::SIG_SETMASK, set).map(|_previous| ())
}

/// A signalfd for `set`: close-on-exec, non-blocking.
pub(super) fn signalfd(set: SignalSet) -> io::Result<OwnedFd> {
    let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
    // SAFETY: the address is of a 64-bit set that lives through the call, which is told that size.
    let result = unsafe { libc::syscall(libc::SYS_signalfd4, -1, ptr::from_ref(&set.0), SET_SIZE, flags) };
    let descriptor = i32::try_from(check(result)?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made it, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// One entry of a signalfd.
pub(super) struct RawEvent {
    pub(super) number: i32,
    pub(super) from_process: bool,
    pub(super) pid: u32,
}

/// The next entry of a signalfd; `None` if there is none now.
pub(super) fn read(descriptor: BorrowedFd<'_>) -> io::Result<Option<RawEvent>> {
    const SIZE: usize = size_of::<libc::signalfd_siginfo>();
    let mut entry = MaybeUninit::<libc::signalfd_siginfo>::zeroed();
    loop {
        // SAFETY: `entry` has room for SIZE bytes.
        let length = unsafe { libc::read(descriptor.as_raw_fd(), entry.as_mut_ptr().cast(), SIZE) };
        if usize::try_from(length) == Ok(SIZE) {
            break;
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::Interrupted => {}
            io::ErrorKind::WouldBlock => return Ok(None),
            _ => return Err(error),
        }
    }
    // SAFETY: it was zeroed and then filled by the kernel; every bit pattern is a value of this plain struct.
    let entry = unsafe { entry.assume_init() };
    // sigaction(2): the other codes, SI_KERNEL among them, are the kernel's.
    let from_process = matches!(entry.ssi_code, libc::SI_USER | libc::SI_QUEUE | libc::SI_TKILL);
    let number = i32::try_from(entry.ssi_signo).unwrap_or(0);
    Ok(Some(RawEvent { number, from_process, pid: entry.ssi_pid }))
}

/// Sees to it that ended children wait for us with their status: where SIGCHLD is ignored or handled with
/// `SA_NOCLDWAIT`, the kernel forgets them at once (sigaction(2)), and their number may belong to
/// another process at any time.
pub(crate) fn keep_exit_statuses() -> io::Result<()> {
    let current = action(Signal::CHLD, None)?;
    if current.sa_sigaction == libc::SIG_IGN || current.sa_flags & libc::SA_NOCLDWAIT != 0 {
        action(Signal::CHLD, Some(&default_action()))?;
    }
    Ok(())
}

/// Has SIGCHLD tell of ends only (`SA_NOCLDSTOP`). Whether it is blocked or waited for stays as it is.
pub(crate) fn tell_no_stops() -> io::Result<()> {
    let mut current = action(Signal::CHLD, None)?;
    current.sa_flags |= libc::SA_NOCLDSTOP;
    action(Signal::CHLD, Some(&current)).map(drop)
}

/// A descriptor that [`raise_event`] makes readable: close-on-exec, non-blocking.
pub(crate) fn eventfd() -> io::Result<OwnedFd> {
    // SAFETY: no memory is involved.
    let result = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    let descriptor = i32::try_from(check(result.into())?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made it, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Makes it readable for good.
pub(crate) fn raise_event(descriptor: std::os::fd::RawFd) {
    let one = 1_u64;
    // SAFETY: the address and the length are of one number.
    unsafe { libc::write(descriptor, ptr::from_ref(&one).cast(), size_of::<u64>()) };
}

/// Lets `signal`, a stop signal, have its default action on this whole process: returns when somebody has
/// continued it, or at once where the kernel refuses to stop a process group that nobody watches
/// (setpgid(2): orphaned).
pub(crate) fn stop_self(signal: Signal) -> io::Result<()> {
    let previous_action = action(signal, Some(&default_action()))?;
    // SAFETY: no memory is involved.
    let me = unsafe { libc::getpid() };
    // SAFETY: no memory is involved.
    let sent = check(unsafe { libc::kill(me, signal.raw()) }.into());
    // Where it was blocked, this is where the process stops.
    let previous_mask = unblock(SignalSet::of(&[signal]));
    let restored = previous_mask.and_then(set_mask);
    action(signal, Some(&previous_action))?;
    sent?;
    restored
}

/// Has `signal` do nothing to this process.
pub(super) fn ignore(signal: Signal) -> io::Result<()> {
    let mut ignored = default_action();
    ignored.sa_sigaction = libc::SIG_IGN;
    action(signal, Some(&ignored)).map(|_previous| ())
}

/// Lets `signal` have its default action on this whole process, without a core dump: what would be dumped is not what
/// failed.
pub(super) fn end_by(signal: Signal) -> io::Result<()> {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel reads a struct of ours.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
    // A core that goes to a program is written without regard to that limit (core(5)).
    // SAFETY: no memory is involved.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
    // SIGKILL has no other action.
    action(signal, Some(&default_action())).map(drop).unwrap_or_default();
    // SAFETY: no memory is involved.
    let me = unsafe { libc::getpid() };
    // SAFETY: no memory is involved.
    check(unsafe { libc::kill(me, signal.raw()) }.into())?;
    unblock(SignalSet::of(&[signal])).map(drop)
}

fn default_action() -> libc::sigaction {
    // SAFETY: all zero is a value of this plain C struct: SIG_DFL, no flags, no mask.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// What `signal` does in this process, replaced by `new` if that is given.
fn action(signal: Signal, new: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    let new = new.map_or(ptr::null(), ptr::from_ref);
    let mut previous = default_action();
    // SAFETY: the addresses are null or of structs that live through the call. Only SIG_DFL, SIG_IGN, or
    // what was there before, is ever installed here: no handler of ours.
    let result = unsafe { libc::sigaction(signal.raw(), new, &raw mut previous) };
    check(result.into()).map(|_zero| previous)
}
