//! The process that reads standard input in the place of a command: system calls, and nothing that allocates.
#![expect(unsafe_code, reason = "clone without execve, and the calls of a process that may use nothing else")]

use std::ffi::{c_int, c_long};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::shared::SharedWords;
use crate::signals::SignalSet;
use crate::signals::sys::{block, set_mask};

/// What a reader is known by, at most 15 bytes (`PR_SET_NAME`).
const NAME: &std::ffi::CStr = c"sandprint-stdin";
/// Bytes that are read at a time.
const PIECE: usize = 16384;

/// What was read so far, in memory that all readers share.
#[derive(Debug)]
pub(super) struct Spool {
    memory: OwnedFd,
    most: u64,
    /// How much is kept; whether the input is longer than that; whether its end was read.
    state: SharedWords,
}

impl Spool {
    pub(super) fn new(most: u64) -> io::Result<Spool> {
        // SAFETY: the name is a C string.
        let memory = unsafe { libc::memfd_create(c"stdin".as_ptr(), libc::MFD_CLOEXEC) };
        if memory < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made it, and nobody else knows it.
        let memory = unsafe { OwnedFd::from_raw_fd(memory) };
        Ok(Spool { memory, most, state: SharedWords::new(3)? })
    }

    fn word(&self, index: usize) -> u64 {
        self.state.get(index).map_or(0, |word| word.load(Ordering::Acquire))
    }

    fn set(&self, index: usize, value: u64) {
        if let Some(word) = self.state.get(index) {
            AtomicU64::store(word, value, Ordering::Release);
        }
    }

    fn kept(&self) -> u64 {
        self.word(0)
    }

    /// Whether there was more than is kept.
    pub(super) fn is_cut(&self) -> bool {
        self.word(1) != 0
    }

    fn has_end(&self) -> bool {
        self.word(2) != 0
    }
}

/// A reader just made.
#[derive(Debug)]
pub(super) struct Reader {
    pid: u32,
    pidfd: OwnedFd,
}

impl Reader {
    /// Reads standard input from now on, keeps it, and writes to `to` all that was kept and all that comes.
    pub(super) fn start(spool: &Spool, to: &io::PipeWriter) -> io::Result<Reader> {
        let mut pidfd: c_int = -1;
        // No signal at its end: the caller's SIGCHLD is about the workload.
        let flags = c_long::from(libc::CLONE_PIDFD);
        // It is to hear no signal, and no handler of ours is to run in it.
        let mask = block(SignalSet::ALL)?;
        // SAFETY: without CLONE_VM the child has its own copy of all memory, so a null stack means that it goes on with
        // this one. It makes only system calls, and never returns from `read_on`. The kernel writes the pidfd to ours.
        let pid = unsafe {
            libc::syscall(libc::SYS_clone, flags, ptr::null::<u8>(), ptr::from_mut(&mut pidfd), 0, 0)
        };
        if pid == 0 {
            read_on(spool, to.as_fd());
        }
        let error = io::Error::last_os_error();
        set_mask(mask)?;
        if pid < 0 {
            return Err(error);
        }
        // SAFETY: clone succeeded, so it made this descriptor, and nobody else knows it.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
        Ok(Reader { pid: u32::try_from(pid).map_err(io::Error::other)?, pidfd })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until it has ended, and takes note of that; whether it has.
    pub(super) fn wait_ended(&self, timeout: Duration) -> io::Result<bool> {
        crate::process::wait_for_helper(self.pidfd.as_fd(), timeout)
    }
}

// From here on, everything runs in the reader: no allocation, no lock, no panic.

fn read_on(spool: &Spool, to: BorrowedFd<'_>) -> ! {
    // SAFETY: no memory is involved.
    unsafe { libc::setsid() };
    // SAFETY: the path is a C string.
    unsafe { libc::chdir(c"/".as_ptr()) };
    // SAFETY: the name is a C string.
    unsafe { libc::prctl(libc::PR_SET_NAME, NAME.as_ptr()) };
    keep_open(&mut [libc::STDIN_FILENO, to.as_raw_fd(), spool.memory.as_raw_fd()]);
    hand_on(spool, to);
    // SAFETY: no memory is involved.
    unsafe { libc::_exit(0) }
}

fn hand_on(spool: &Spool, to: BorrowedFd<'_>) {
    let mut piece = [0_u8; PIECE];
    let mut sent = 0;
    loop {
        if sent < spool.kept() {
            let Some(length) = read_kept(spool, sent, &mut piece) else { return };
            if !write_all(to.as_raw_fd(), piece.get(..length).unwrap_or_default()) {
                return;
            }
            sent = sent.saturating_add(u64::try_from(length).unwrap_or_default());
            continue;
        }
        if spool.has_end() || !wait_for_input(to) {
            return;
        }
        let length = match read(libc::STDIN_FILENO, &mut piece) {
            Got::Bytes(length) => length,
            Got::Nothing => continue,
            Got::End => {
                spool.set(2, 1);
                return;
            }
        };
        let fresh = piece.get(..length).unwrap_or_default();
        let kept = spool.kept();
        let more = u64::try_from(length).unwrap_or_default();
        if !spool.is_cut() && kept.saturating_add(more) <= spool.most && keep(spool, kept, fresh) {
            spool.set(0, kept.saturating_add(more));
            continue;
        }
        spool.set(1, 1);
        if !write_all(to.as_raw_fd(), fresh) {
            return;
        }
    }
}

enum Got {
    Bytes(usize),
    Nothing,
    End,
}

fn read(from: RawFd, piece: &mut [u8]) -> Got {
    // SAFETY: the address and the length are of one slice.
    let length = unsafe { libc::read(from, piece.as_mut_ptr().cast(), piece.len()) };
    match usize::try_from(length) {
        Ok(0) => Got::End,
        Ok(length) => Got::Bytes(length),
        Err(_negative) if matches!(errno(), libc::EINTR | libc::EAGAIN) => Got::Nothing,
        Err(_negative) => Got::End,
    }
}

fn read_kept(spool: &Spool, at: u64, piece: &mut [u8]) -> Option<usize> {
    let most = usize::try_from(spool.kept().saturating_sub(at)).unwrap_or(usize::MAX).min(piece.len());
    let at = libc::off_t::try_from(at).ok()?;
    // SAFETY: `most` bytes fit into the slice.
    let length = unsafe { libc::pread(spool.memory.as_raw_fd(), piece.as_mut_ptr().cast(), most, at) };
    usize::try_from(length).ok().filter(|&length| length > 0)
}

/// False where it does not fit: no memory, a limit.
fn keep(spool: &Spool, at: u64, piece: &[u8]) -> bool {
    let Ok(at) = libc::off_t::try_from(at) else { return false };
    // SAFETY: the address and the length are of one slice.
    let length = unsafe { libc::pwrite(spool.memory.as_raw_fd(), piece.as_ptr().cast(), piece.len(), at) };
    usize::try_from(length) == Ok(piece.len())
}

/// False once nobody reads any more.
fn write_all(to: RawFd, mut piece: &[u8]) -> bool {
    while !piece.is_empty() {
        // SAFETY: the address and the length are of one slice. SIGPIPE is blocked.
        let length = unsafe { libc::write(to, piece.as_ptr().cast(), piece.len()) };
        match usize::try_from(length) {
            Ok(length) => piece = piece.get(length..).unwrap_or_default(),
            Err(_negative) if errno() == libc::EINTR => {}
            Err(_negative) => return false,
        }
    }
    true
}

/// Waits until there is something to read. False once nobody reads from us any more.
fn wait_for_input(to: BorrowedFd<'_>) -> bool {
    let mut polled = [
        libc::pollfd { fd: libc::STDIN_FILENO, events: libc::POLLIN, revents: 0 },
        // Nothing but its error: that nobody has the other end.
        libc::pollfd { fd: to.as_raw_fd(), events: 0, revents: 0 },
    ];
    // SAFETY: two entries, which are ours.
    unsafe { libc::poll(polled.as_mut_ptr(), 2, -1) };
    let [_, end] = polled;
    end.revents == 0
}

fn errno() -> i32 {
    // Only a number inside: nothing is allocated.
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// Closes every descriptor but these: pipes, terminals and directories of others are not to be kept.
fn keep_open(kept: &mut [RawFd; 3]) {
    kept.sort_unstable();
    let mut next = 0;
    for &descriptor in &*kept {
        close_range(next, descriptor - 1);
        next = descriptor + 1;
    }
    close_range(next, RawFd::MAX);
}

fn close_range(first: RawFd, last: RawFd) {
    if first > last {
        return;
    }
    // SAFETY: nothing here uses them any more. Since 5.9, and 5.10 is the oldest kernel that we are for.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
}
