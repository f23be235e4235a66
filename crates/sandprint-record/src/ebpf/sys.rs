//! The unsafe parts of the BPF driver: what libbpf-rs has no call for.
#![expect(unsafe_code, reason = "bpf(2) commands that libbpf-rs does not wrap for a file descriptor")]

use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
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

/// Of `linux/perf_event.h`.
const PERF_TYPE_TRACEPOINT: u64 = 2;
/// `PERF_FLAG_FD_CLOEXEC`.
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;

/// Opens the tracepoint of that number as a perf event, for all tasks (`perf_event_open(2)`). Programs that are
/// attached to it run on every CPU, whichever one the event is for.
pub(super) fn open_tracepoint(number: u64) -> io::Result<OwnedFd> {
    // struct perf_event_attr as it was first (PERF_ATTR_SIZE_VER0): type and size, config, nothing else.
    let mut attributes = [0_u64; 8];
    let bytes = u64::try_from(size_of_val(&attributes)).map_err(io::Error::other)?;
    let (low, high) = if cfg!(target_endian = "little") {
        (PERF_TYPE_TRACEPOINT, bytes)
    } else {
        (bytes, PERF_TYPE_TRACEPOINT)
    };
    attributes[0] = low | high << 32;
    attributes[1] = number;
    let (every_task, cpu, no_group): (libc::pid_t, libc::c_int, libc::c_int) = (-1, 0, -1);
    // SAFETY: `attributes` is ours, lives across the call, and says its own size; the rest are integers.
    let opened = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            attributes.as_ptr(),
            every_task,
            cpu,
            no_group,
            PERF_FLAG_FD_CLOEXEC,
        )
    };
    let raw = RawFd::try_from(opened).map_err(io::Error::other)?;
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// `PERF_EVENT_IOC_SET_BPF`, `_IOW('$', 8, __u32)` (`linux/perf_event.h`).
const PERF_EVENT_IOC_SET_BPF: libc::Ioctl = 0x4004_2408;

/// Attaches a BPF program to a perf event, until the event is gone.
pub(super) fn set_program(event: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: this request takes a descriptor by value and touches no memory of ours; the borrows keep both open.
    let result = unsafe { libc::ioctl(event.as_raw_fd(), PERF_EVENT_IOC_SET_BPF, program.as_raw_fd()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Memory that the kernel lent, until this is dropped.
#[derive(Debug)]
struct Mapping {
    start: NonNull<libc::c_void>,
    bytes: usize,
}

impl Mapping {
    fn new(of: BorrowedFd<'_>, bytes: usize, rights: libc::c_int, kind: libc::c_int) -> io::Result<Mapping> {
        // SAFETY: asks for new memory at a place that the kernel chooses, so none of ours is touched; the
        // caller's borrow keeps the descriptor open.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, rights, kind, of.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start).ok_or_else(|| io::Error::other("mmap gave no address"))?;
        Ok(Mapping { start, bytes })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `new` mapped exactly this, and who borrows it borrows `self`.
        unsafe { libc::munmap(self.start.as_ptr(), self.bytes) };
    }
}

/// The memory of an array map (`BPF_F_MMAPABLE`, kernel 5.5), which programs change at any time.
#[derive(Debug)]
pub(super) struct Mapped(Mapping);

impl Mapped {
    /// Maps the first `bytes` of it, for reading and writing.
    pub(super) fn new(map: BorrowedFd<'_>, bytes: usize) -> io::Result<Mapped> {
        Mapping::new(map, bytes, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED).map(Mapped)
    }

    /// Its words. Both sides read and write them whole.
    pub(super) fn words(&self) -> &[AtomicU64] {
        // SAFETY: the memory begins at a page, is mapped as long as `self` lives, and holds this many words;
        // whoever else changes them is outside of this program, which is what atomics allow for.
        unsafe { std::slice::from_raw_parts(self.0.start.as_ptr().cast(), self.0.bytes / 8) }
    }
}

/// Where the kernel shows its types.
const KERNEL_TYPES: &str = "/sys/kernel/btf/vmlinux";

/// The kernel's types, which never change while it runs.
#[derive(Debug)]
pub(super) enum KernelTypes {
    /// The kernel's own copy of them (kernel 6.17: a539e2a6d51d).
    Mapped(MappedTypes),
    /// Read, a page at a time.
    Read(Vec<u8>),
}

/// A mapping of [`KERNEL_TYPES`].
#[derive(Debug)]
pub(super) struct MappedTypes(Mapping);

impl KernelTypes {
    pub(super) fn get() -> io::Result<KernelTypes> {
        let mut file = std::fs::File::open(KERNEL_TYPES)?;
        let bytes = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        if let Ok(mapping) = Mapping::new(file.as_fd(), bytes, libc::PROT_READ, libc::MAP_PRIVATE) {
            return Ok(KernelTypes::Mapped(MappedTypes(mapping)));
        }
        let mut contents = Vec::with_capacity(bytes);
        file.read_to_end(&mut contents)?;
        Ok(KernelTypes::Read(contents))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            // SAFETY: the mapping lives as long as `self` and has these bytes; nobody can write them, since the file
            // is the kernel's read-only data, which refuses mappings that could be written.
            KernelTypes::Mapped(MappedTypes(mapping)) => unsafe {
                std::slice::from_raw_parts(mapping.start.as_ptr().cast(), mapping.bytes)
            },
            KernelTypes::Read(contents) => contents,
        }
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

/// Whether this kernel has `io_uring`: it answers a request for a ring without entries with another error than that it
/// does not know the call.
pub(super) fn has_uring() -> bool {
    // SAFETY: with a null pointer for its parameters, the call touches no memory of ours.
    let answer = unsafe { libc::syscall(libc::SYS_io_uring_setup, 0, std::ptr::null::<libc::c_void>()) };
    answer >= 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ENOSYS)
}
