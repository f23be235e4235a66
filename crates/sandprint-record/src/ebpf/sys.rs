//! The unsafe parts of the BPF driver: what libbpf-rs has no call for.
#![expect(unsafe_code, reason = "bpf(2) commands that libbpf-rs does not wrap for a file descriptor")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use libbpf_rs::libbpf_sys;

/// How often the kernel skipped a program because it was already running on that CPU
/// (`bpf_prog_info.recursion_misses`, kernel 5.12; 0 before).
pub(super) fn recursion_misses(program: BorrowedFd<'_>) -> io::Result<u64> {
    // SAFETY: bpf_prog_info is plain integers; all zero is a valid value and asks for no arrays.
    let mut info: libbpf_sys::bpf_prog_info = unsafe { std::mem::zeroed() };
    let mut length = u32::try_from(size_of_val(&info)).map_err(io::Error::other)?;
    // SAFETY: `info` and `length` are ours, live across the call, and `length` is the size of `info`; the
    // caller's borrow keeps the descriptor open.
    let result = unsafe {
        libbpf_sys::bpf_obj_get_info_by_fd(program.as_raw_fd(), (&raw mut info).cast(), &raw mut length)
    };
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(info.recursion_misses) }
}

/// The memory of an array map (`BPF_F_MMAPABLE`, kernel 5.5), which programs change at any time.
#[derive(Debug)]
pub(super) struct Mapped {
    start: NonNull<libc::c_void>,
    bytes: usize,
}

impl Mapped {
    /// Maps the first `bytes` of it, for reading and writing.
    pub(super) fn new(map: BorrowedFd<'_>, bytes: usize) -> io::Result<Mapped> {
        // SAFETY: asks for new memory at a place that the kernel chooses, so none of ours is touched; the
        // caller's borrow keeps the descriptor open.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                map.as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start).ok_or_else(|| io::Error::other("mmap gave no address"))?;
        Ok(Mapped { start, bytes })
    }

    /// Its words. Both sides read and write them whole.
    pub(super) fn words(&self) -> &[AtomicU64] {
        // SAFETY: the memory begins at a page, is mapped as long as `self` lives, and holds this many words;
        // whoever else changes them is outside of this program, which is what atomics allow for.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.bytes / 8) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: `new` mapped exactly this, and borrows of it ended with `self`.
        unsafe { libc::munmap(self.start.as_ptr(), self.bytes) };
    }
}

/// A descriptor of our own for one that libbpf shows only as a number.
pub(super) fn duplicate(raw: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the caller holds the libbpf object that owns `raw`, open for the duration of this call.
    let borrowed = unsafe { BorrowedFd::borrow_raw(raw) };
    borrowed.try_clone_to_owned()
}

/// Waits until every BPF program that runs now has ended: they run inside RCU read sections, and this
/// command waits for all of those (membarrier(2), `synchronize_rcu` in kernel/sched/membarrier.c).
///
/// Where the kernel has no membarrier, the system calls around it take far longer than any program.
pub(super) fn wait_for_running_programs() {
    // SAFETY: membarrier takes three integers and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_GLOBAL, 0, 0) };
}
