//! The filter, and the calls of a listener: `seccomp_unotify(2)`.
#![expect(
    unsafe_code,
    reason = "neither std nor rustix wraps seccomp, and the inbox is memory shared with a process"
)]

use std::ffi::{c_int, c_ulong};
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, RawFd};
use std::ptr::{self, NonNull};

use super::{Key, Notification, Reported};
use crate::{probe, seccomp};

/// `AUDIT_ARCH_*` of this machine's own ABI (linux/audit.h).
const NATIVE: u32 = if cfg!(target_arch = "aarch64") { 0xc000_00b7 } else { 0xc000_003e };
/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP` (linux/seccomp.h, 6.6).
const SYNC_WAKE_UP: c_ulong = 1;
/// Bytes of the page that is shared; the kernel's struct has 80 today, and may grow.
const INBOX: usize = 4096;

/// `rt_sigreturn` of the native ABI, and of x32 where there is that (there, with its bit).
const SIGNAL_RETURNS: [u32; 2] = if cfg!(target_arch = "aarch64") { [139, 139] } else { [15, 0x4000_0201] };
/// `sigreturn` and `rt_sigreturn` of i386 and arm, which are the same.
const SIGNAL_RETURNS_32: [u32; 2] = [119, 173];
/// A filter that reports calls without the key, in the form in which the kernel wants it.
#[derive(Debug)]
pub(crate) struct Filter {
    /// `struct sock_filter` each, as it lies in memory.
    program: Vec<u64>,
    pub(crate) key: Key,
    /// Whether the kernel knows `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`.
    pub(crate) killable: bool,
}

impl Filter {
    /// Makes one. A program that is no array of instructions, or too long, is refused as the kernel would (EINVAL).
    pub(crate) fn new(reported: &Reported) -> io::Result<Filter> {
        probe::survive(probe::NOTIFICATIONS)?;
        let mut bits = [0_u8; 16];
        let mut filled = 0;
        while let Some(rest) = bits.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            // SAFETY: the address and the length are of one slice.
            let length = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
            filled += usize::try_from(length).map_err(|_negative| io::Error::last_os_error())?;
        }
        let key = Key(bits);
        Ok(Filter {
            program: program(key, reported)?,
            key,
            killable: knows_flag(libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV),
        })
    }
}

/// A `struct sock_filter` (linux/filter.h): code, jt, jf, k.
fn instruction(code: u16, then: u8, otherwise: u8, k: u32) -> u64 {
    let ([c0, c1], [k0, k1, k2, k3]) = (code.to_ne_bytes(), k.to_ne_bytes());
    u64::from_ne_bytes([c0, c1, then, otherwise, k0, k1, k2, k3])
}

/// Lets calls of the native ABI pass with the key in their fourth and fifth argument, and decides all others as asked.
fn program(key: Key, reported: &Reported) -> io::Result<Vec<u64>> {
    // BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ | BPF_K, BPF_RET | BPF_K (linux/bpf_common.h).
    let load = |offset| instruction(0x20, 0, 0, offset);
    let equals = |k, then, otherwise| instruction(0x15, then, otherwise, k);
    let give = |k| instruction(0x06, 0, 0, k);
    let [first_low, first_high, second_low, second_high] = key.words();
    // struct seccomp_data: nr at 0, arch at 4, instruction_pointer at 8, args at 16; both machines are little-endian.
    // A jump counts the instructions between itself and its target: 11 is where the rest begins.
    let mut program = vec![
        load(4),
        equals(NATIVE, 0, 9),
        load(40),
        equals(first_low, 0, 7),
        load(44),
        equals(first_high, 0, 5),
        load(48),
        equals(second_low, 0, 3),
        load(52),
        equals(second_high, 0, 1),
        give(libc::SECCOMP_RET_ALLOW),
    ];
    match reported {
        Reported::Every => {
            let ([native, x32], [old, new]) = (SIGNAL_RETURNS, SIGNAL_RETURNS_32);
            // 8 reports, 9 lets pass.
            program.extend([
                load(4),
                equals(NATIVE, 0, 3),
                load(0),
                equals(native, 5, 0),
                equals(x32, 4, 3),
                load(0),
                equals(old, 2, 0),
                equals(new, 1, 0),
                give(libc::SECCOMP_RET_USER_NOTIF),
                give(libc::SECCOMP_RET_ALLOW),
            ]);
        }
        Reported::Program(bytes) => {
            let (instructions, rest) = bytes.as_chunks::<8>();
            if instructions.is_empty() || !rest.is_empty() {
                return Err(io::Error::from_raw_os_error(libc::EINVAL));
            }
            program.extend(instructions.iter().copied().map(u64::from_ne_bytes));
        }
    }
    // BPF_MAXINSNS (linux/bpf_common.h).
    if program.len() > 4096 {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    Ok(program)
}

/// seccomp(2): a flag that is known, with a null filter, gives EFAULT; one that is not, EINVAL.
fn knows_flag(flag: c_ulong) -> bool {
    seccomp::try_filter(flag | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER) == libc::EFAULT
}

/// Whether this kernel has seccomp user notification.
pub fn is_available() -> bool {
    probe::survive(probe::NOTIFICATIONS).is_ok()
        && seccomp::action_available(libc::SECCOMP_RET_USER_NOTIF) == 0
        && knows_flag(0)
}

/// Installs the filter in this thread, and gives the listener, close-on-exec: the errno where that fails. Allocates
/// nothing: it runs between fork and execve.
///
/// Without `CAP_SYS_ADMIN` in its user namespace, a thread may install a filter only under `no_new_privs`.
pub(crate) fn install(filter: &Filter) -> Result<RawFd, i32> {
    let killable = if filter.killable { libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV } else { 0 };
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | killable;
    let mut result = seccomp::install(&filter.program, flags);
    if result == Err(libc::EACCES) {
        match seccomp::no_new_privileges() {
            0 => result = seccomp::install(&filter.program, flags),
            errno => return Err(errno),
        }
    }
    RawFd::try_from(result?).map_err(|_large| libc::EIO)
}

pub(super) fn wake_synchronously(listener: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the argument is flags, not an address.
    check(unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP) })
}

fn check(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A page into which the kernel writes what was received, shared with the [`Guardian`](crate::guardian::Guardian):
/// if this process is killed between receiving a call and answering it, the guardian knows which one waits.
#[derive(Debug)]
pub struct Inbox {
    page: NonNull<libc::seccomp_notif>,
    /// Bytes that the kernel writes.
    size: usize,
}

// SAFETY: the page belongs to whoever holds this, as a Box's memory would; nothing in it belongs to a thread.
unsafe impl Send for Inbox {}

impl Inbox {
    /// An empty one, in which the kernel's struct fits.
    pub fn new() -> io::Result<Inbox> {
        let mut sizes =
            libc::seccomp_notif_sizes { seccomp_notif: 0, seccomp_notif_resp: 0, seccomp_data: 0 };
        // SAFETY: the kernel writes our struct, which has the size of its own.
        let result = unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_NOTIF_SIZES, 0, ptr::from_mut(&mut sizes))
        };
        let size = usize::from(sizes.seccomp_notif);
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        let answer = usize::from(sizes.seccomp_notif_resp);
        if !(size_of::<libc::seccomp_notif>()..=INBOX).contains(&size)
            || answer != size_of::<libc::seccomp_notif_resp>()
        {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let page = unsafe { libc::mmap(ptr::null_mut(), INBOX, protection, flags, -1, 0) };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let page = NonNull::new(page.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Inbox { page, size })
    }

    /// As the kernel wants it: it refuses to write over anything but zeros.
    pub(crate) fn clear(&self) {
        // SAFETY: `size` bytes of the page are ours; other processes only read them, after this one's end.
        unsafe { ptr::write_bytes(self.page.as_ptr().cast::<u8>(), 0, self.size) };
    }

    fn read(&self) -> libc::seccomp_notif {
        // SAFETY: the page is at least as large, aligned, and every bit pattern is a value of this plain struct. The
        // kernel may have written it behind the compiler's back.
        unsafe { self.page.as_ptr().read_volatile() }
    }

    /// What was received and perhaps not answered. For the guardian.
    pub(crate) fn unanswered(&self) -> Option<Notification> {
        Some(self.notification()).filter(|notification| notification.id != 0)
    }

    fn notification(&self) -> Notification {
        let libc::seccomp_notif { id, pid, data, .. } = self.read();
        let libc::seccomp_data { nr, arch, instruction_pointer, args } = data;
        Notification { id, tid: pid, audit_arch: arch, nr: nr.cast_unsigned(), instruction_pointer, args }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        // SAFETY: `new` mapped exactly this, and nobody else of this process has the address.
        unsafe { libc::munmap(self.page.as_ptr().cast(), INBOX) };
    }
}

/// The next call; see [`Listener::receive`](super::Listener::receive). One receiver at a time has the inbox. Allocates
/// nothing.
pub(crate) fn receive(listener: BorrowedFd<'_>, inbox: &Inbox) -> io::Result<Option<Notification>> {
    loop {
        inbox.clear();
        // SAFETY: the page has room for what this kernel writes (Inbox::new), and lives through the call.
        let result =
            unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, inbox.page.as_ptr()) };
        if let Err(error) = check(result) {
            match error.raw_os_error() {
                Some(libc::EINTR) => continue,
                Some(libc::ENOENT) => return Ok(None),
                _ => return Err(error),
            }
        }
        return Ok(Some(inbox.notification()));
    }
}

/// Lets the call of that id go on. False if nobody waits for it any more. Allocates nothing.
pub(crate) fn go_on(listener: BorrowedFd<'_>, id: u64) -> io::Result<bool> {
    let flags = 1; // SECCOMP_USER_NOTIF_FLAG_CONTINUE
    answer(listener, libc::seccomp_notif_resp { id, val: 0, error: 0, flags })
}

/// Has the call of that id fail. False if nobody waits for it any more. Allocates nothing.
pub(crate) fn refuse(listener: BorrowedFd<'_>, id: u64, errno: u16) -> io::Result<bool> {
    answer(listener, libc::seccomp_notif_resp { id, val: 0, error: -i32::from(errno), flags: 0 })
}

/// Whether somebody still waits for the answer to that id.
pub(crate) fn still_waits(listener: BorrowedFd<'_>, id: u64) -> bool {
    let argument = ptr::from_ref(&id);
    // SAFETY: the kernel reads the id.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, argument) };
    result == 0
}

fn answer(listener: BorrowedFd<'_>, mut answer: libc::seccomp_notif_resp) -> io::Result<bool> {
    loop {
        let argument = ptr::from_mut(&mut answer);
        // SAFETY: the kernel reads a struct of ours that has the size of its own (Inbox::new).
        let result = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, argument) };
        match check(result) {
            Ok(()) => return Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}
