//! The fork, and what the child does until its execve.
//!
//! The child is the copy of one thread of a process that may have others: whatever lock they held stays
//! locked. So from the fork to the execve it makes nothing but system calls, on memory that was prepared
//! before. For identities and dispositions it makes them itself: the C library's setresuid would tell
//! threads that do not exist here, and its sigaction may take a lock.
#![expect(unsafe_code, reason = "clone, execve, and the calls of a child that may use nothing else")]

use std::ffi::{CStr, c_char, c_int, c_long};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use super::prepare::Plan;
use crate::confine::Obstacle;
use crate::inherited::Limit;
use crate::notify::install;
use crate::signals::sys::{SET_SIZE, set_mask};
use crate::signals::{Signal, SignalSet};
use crate::user::User;

/// `PR_SET_PTRACER` (linux/prctl.h).
const SET_PTRACER: c_int = 0x5961_6d61;

/// How far the child came: what a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// All is done but the execve; the detail is the number of the candidate.
    Ready,
    /// setrlimit failed; the detail is the resource.
    Limit,
    /// setgroups failed.
    Groups,
    /// setresgid failed.
    Gid,
    /// setresuid failed.
    Uid,
    /// The filter could not be installed.
    Filter,
    /// No candidate can be executed; the detail is the candidate to name, if it is one's number.
    Find,
    /// The process could not be confined; the detail says at which step.
    Confine,
    /// execve failed.
    Execute,
}

impl Stage {
    const ALL: [Stage; 9] = [
        Stage::Ready,
        Stage::Limit,
        Stage::Groups,
        Stage::Gid,
        Stage::Uid,
        Stage::Filter,
        Stage::Find,
        Stage::Confine,
        Stage::Execute,
    ];
}

/// What the child says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) stage: Stage,
    pub(super) errno: i32,
    pub(super) detail: u32,
}

/// A report on its way: stage, errno, detail.
const REPORT_SIZE: usize = 12;

impl Report {
    fn encode(self) -> [u8; REPORT_SIZE] {
        let words = [(self.stage as u32).to_ne_bytes(), self.errno.to_ne_bytes(), self.detail.to_ne_bytes()];
        let mut bytes = [0; REPORT_SIZE];
        for (place, byte) in bytes.iter_mut().zip(words.as_flattened()) {
            *place = *byte;
        }
        bytes
    }

    fn decode(bytes: [u8; REPORT_SIZE]) -> Option<Report> {
        let (&[stage, errno, detail], []) = bytes.as_chunks() else { return None };
        let number = u32::from_ne_bytes(stage);
        let stage = Stage::ALL.into_iter().find(|&stage| stage as u32 == number)?;
        Some(Report { stage, errno: i32::from_ne_bytes(errno), detail: u32::from_ne_bytes(detail) })
    }
}

/// The parent's end of the line to a child.
#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

impl Socket {
    /// Lets the child go.
    pub(super) fn send_go(&self) -> io::Result<()> {
        loop {
            if send(self.0.as_raw_fd(), b"g") >= 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    /// The next report, waiting for it, with the descriptor that came with it; `None` if the child has closed its
    /// end.
    pub(super) fn receive(&self) -> io::Result<Option<(Report, Option<OwnedFd>)>> {
        let mut bytes = [0; REPORT_SIZE];
        loop {
            let (length, descriptor) = receive_descriptor(self.0.as_raw_fd(), &mut bytes);
            if length == 0 {
                return Ok(None);
            }
            if usize::try_from(length) == Ok(REPORT_SIZE) {
                let report = Report::decode(bytes).ok_or(io::ErrorKind::InvalidData)?;
                return Ok(Some((report, descriptor)));
            }
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::Interrupted => {}
                // The child ended without reading the byte that lets it go.
                io::ErrorKind::ConnectionReset => return Ok(None),
                _ => return Err(error),
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A child just made.
pub(super) struct Forked {
    pub(super) pid: u32,
    pub(super) pidfd: OwnedFd,
    pub(super) socket: Socket,
}

/// Makes a child that carries `plan` out as far as it can, reports, and waits.
pub(super) fn fork(plan: &Plan) -> io::Result<Forked> {
    // Two children at once would each get a copy of the other's end, and keep it while they wait: the
    // parent would not hear of the other's execve. What holds the lock cannot panic, so it is never poisoned.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (ours, theirs) = socket_pair()?;
    let mut pidfd: c_int = -1;
    let flags = c_long::from(libc::CLONE_PIDFD | libc::SIGCHLD);
    // A signal handler of ours must not run in the child: it would speak for the parent.
    let mask = block_all()?;
    // SAFETY: without CLONE_VM the child has its own copy of all memory, so a null stack means that it goes
    // on with this one. It makes only system calls, and never returns from `child`. The kernel writes the
    // pidfd, close-on-exec, to our variable.
    let pid =
        unsafe { libc::syscall(libc::SYS_clone, flags, ptr::null::<u8>(), ptr::from_mut(&mut pidfd), 0, 0) };
    if pid == 0 {
        child(plan, ours.as_raw_fd(), theirs.as_raw_fd());
    }
    let error = io::Error::last_os_error();
    drop(theirs);
    set_mask(mask)?;
    if pid < 0 {
        return Err(error);
    }
    // SAFETY: clone succeeded, so it made this descriptor, and nobody else knows it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Forked { pid: u32::try_from(pid).map_err(io::Error::other)?, pidfd, socket: Socket(ours) })
}

/// Blocks every signal in this thread, and says what was blocked.
fn block_all() -> io::Result<SignalSet> {
    crate::signals::sys::block(SignalSet::ALL)
}

/// Two connected sockets, close-on-exec, that keep messages apart and know when the other end is gone.
fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends: [c_int; 2] = [-1; 2];
    // SAFETY: there is room for the two descriptors.
    let result = unsafe {
        libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0, ends.as_mut_ptr())
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let [first, second] = ends;
    // SAFETY: the kernel has just made it, and nobody else knows it.
    let first = unsafe { OwnedFd::from_raw_fd(first) };
    // SAFETY: the same.
    let second = unsafe { OwnedFd::from_raw_fd(second) };
    Ok((first, second))
}

/// A control message with one descriptor: struct cmsghdr and what it carries, as 64-bit kernels have it.
#[repr(C)]
struct Rights {
    length: usize,
    level: c_int,
    kind: c_int,
    descriptor: c_int,
    padding: c_int,
}

impl Rights {
    fn new(descriptor: RawFd) -> Rights {
        let length = std::mem::offset_of!(Rights, padding);
        Rights { length, level: libc::SOL_SOCKET, kind: libc::SCM_RIGHTS, descriptor, padding: 0 }
    }

    fn nothing() -> Rights {
        Rights { length: 0, level: 0, kind: 0, descriptor: -1, padding: 0 }
    }
}

/// A message of `length` bytes at `bytes`, with `rights`. Allocates nothing.
fn message(part: &mut libc::iovec, rights: &mut Rights) -> libc::msghdr {
    // SAFETY: a plain struct of integers and addresses, for which zero means "none".
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = part;
    message.msg_iovlen = 1;
    message.msg_control = ptr::from_mut(rights).cast();
    message.msg_controllen = size_of::<Rights>();
    message
}

/// Receives bytes and at most one descriptor, which is then close-on-exec.
fn receive_descriptor(socket: RawFd, bytes: &mut [u8]) -> (isize, Option<OwnedFd>) {
    let mut rights = Rights::nothing();
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    let mut message = message(&mut part, &mut rights);
    // SAFETY: the message names one part and one control message with their lengths, which live through the call.
    let length = unsafe { libc::recvmsg(socket, &raw mut message, libc::MSG_CMSG_CLOEXEC) };
    if length < 0 || rights.kind != libc::SCM_RIGHTS || rights.descriptor < 0 {
        return (length, None);
    }
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    (length, Some(unsafe { OwnedFd::from_raw_fd(rights.descriptor) }))
}

fn send(socket: RawFd, bytes: &[u8]) -> isize {
    // SAFETY: the address and the length are of one slice.
    unsafe { libc::send(socket, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) }
}

// From here on, everything runs in the child, or in a process that is about to execute in its own place: no
// allocation, no lock, no panic.

/// The child's end of the socket, and its way to make calls that a filter does not report.
#[derive(Clone, Copy)]
struct Line {
    socket: RawFd,
    /// The fourth and fifth argument of every call: zero, or what the filter lets pass.
    key: [u64; 2],
}

impl Line {
    /// A call of at most three arguments.
    fn call(self, nr: c_long, [first, second, third]: [usize; 3]) -> c_long {
        let [key, more] = self.key;
        // SAFETY: the callers pass what the call wants, in three arguments; the kernel does not look at more.
        unsafe { libc::syscall(nr, first, second, third, key, more) }
    }

    /// Says a report, with a descriptor or without.
    fn say(self, report: Report, descriptor: Option<RawFd>) -> bool {
        let mut bytes = report.encode();
        let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        let mut rights = Rights::new(descriptor.unwrap_or(-1));
        let mut message = message(&mut part, &mut rights);
        if descriptor.is_none() {
            message.msg_control = ptr::null_mut();
            message.msg_controllen = 0;
        }
        let arguments = [number(self.socket), (&raw const message).addr(), number(libc::MSG_NOSIGNAL)];
        self.call(libc::SYS_sendmsg, arguments) >= 0
    }

    /// Whether the parent says go. False if it is gone.
    fn wait_for_go(self) -> bool {
        let mut byte = [0_u8];
        loop {
            match self.call(libc::SYS_read, [number(self.socket), byte.as_mut_ptr().addr(), 1]) {
                1 => return true,
                -1 if errno() == libc::EINTR => {}
                _ => return false,
            }
        }
    }

    fn close(self, descriptor: RawFd) {
        self.call(libc::SYS_close, [number(descriptor), 0, 0]);
    }

    /// Ends the child, which has executed nothing: nobody will run its destructors.
    fn end(self) -> ! {
        loop {
            self.call(libc::SYS_exit_group, [125, 0, 0]);
        }
    }

    fn fail(self, stage: Stage, errno: i32, detail: u32) -> ! {
        // If nobody hears it, there is nobody left to tell.
        self.say(Report { stage, errno, detail }, None);
        self.end()
    }
}

/// A descriptor or flags as an argument.
fn number(number: c_int) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The errno of the last failed call.
fn errno() -> i32 {
    // Only a number inside: nothing is allocated.
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// Calls that return zero on success.
fn check(stage: Stage, detail: u32, result: c_long) -> Result<(), Report> {
    if result == 0 { Ok(()) } else { Err(Report { stage, errno: errno(), detail }) }
}

fn close(descriptor: RawFd) {
    // SAFETY: nothing in the process uses it any more.
    unsafe { libc::close(descriptor) };
}

fn child(plan: &Plan, parents_end: RawFd, socket: RawFd) -> ! {
    let mut line = Line { socket, key: [0; 2] };
    line.close(parents_end);
    let (number, path) = match become_and_find(plan) {
        Ok(found) => found,
        Err(Report { stage, errno, detail }) => line.fail(stage, errno, detail),
    };
    put_back(plan);
    // From here on, signals do to the child what they will do to the workload.
    if set_mask(plan.blocked).is_err() {
        line.end();
    }
    if let Some(tracer) = plan.tracer {
        // It fails where nothing forbids tracing; and where it should not have, tracing does.
        // SAFETY: no memory is involved.
        unsafe { libc::prctl(SET_PTRACER, libc::c_ulong::from(tracer), 0, 0, 0) };
    }
    let mut listener = None;
    if let Some(filter) = &plan.filter {
        match install(filter) {
            Ok(descriptor) => listener = Some(descriptor),
            Err(errno) => line.fail(Stage::Filter, errno, 0),
        }
        line.key = filter.key.arguments();
    }
    if !line.say(Report { stage: Stage::Ready, errno: 0, detail: number }, listener) {
        line.end();
    }
    if let Some(listener) = listener {
        // Whoever is reported must not hold the listener: it would wait for its own answer when all others are gone.
        line.close(listener);
    }
    if !line.wait_for_go() {
        line.end();
    }
    if let Some(confinement) = &plan.confinement
        && let Err(Obstacle { step, errno }) = confinement.take_on()
    {
        line.fail(Stage::Confine, errno, step as u32);
    }
    let errno = execute(plan, path);
    line.fail(Stage::Execute, errno, number)
}

/// Takes on limits and user, and finds the program with that user's rights.
pub(super) fn become_and_find(plan: &Plan) -> Result<(u32, &CStr), Report> {
    for &(resource, limit) in &plan.limits {
        check(Stage::Limit, resource, set_limit(resource, limit))?;
    }
    if let Some(user) = &plan.user {
        become_user(user)?;
    }
    find(plan).map_err(|(detail, errno)| Report { stage: Stage::Find, errno, detail })
}

/// Gives signals and standard descriptors back the state in which they came; but for the mask.
pub(super) fn put_back(plan: &Plan) {
    for signal in (1..=64).filter_map(Signal::from_number) {
        set_disposition(signal, plan.ignored.contains(signal));
    }
    for &descriptor in &plan.closed {
        close(descriptor);
    }
    if let Some(stdin) = &plan.stdin {
        // SAFETY: no memory is involved. It cannot fail: what we hold is no standard descriptor, which std keeps open.
        unsafe { libc::dup2(stdin.as_raw_fd(), libc::STDIN_FILENO) };
    }
}

/// The registers that [`execute`] fills: those that execve does not read are 0.
pub(super) fn execve_registers(plan: &Plan, path: &CStr) -> [usize; 6] {
    [path.as_ptr().addr(), plan.arguments.as_ptr().addr(), plan.environment.as_ptr().addr(), 0, 0, 0]
}

/// Executes; returns only the errno of a failure.
pub(super) fn execute(plan: &Plan, path: &CStr) -> i32 {
    // By the call itself, so that a filter sees zeros in the registers that it does not use.
    // SAFETY: the path is a C string, both lists end with null, and all of it lives in `plan`.
    unsafe {
        libc::syscall(
            libc::SYS_execve,
            path.as_ptr(),
            plan.arguments.as_ptr(),
            plan.environment.as_ptr(),
            0_usize,
            0_usize,
            0_usize,
        )
    };
    errno()
}

/// Writes to stderr as far as that can be done, and ends the process at once: nothing but write and `exit_group`.
pub(super) fn say_and_end(parts: &[&[u8]], status: i32) -> ! {
    for part in parts {
        // SAFETY: the address and the length are of one slice.
        unsafe { libc::write(libc::STDERR_FILENO, part.as_ptr().cast(), part.len()) };
    }
    // SAFETY: no memory is involved.
    unsafe { libc::_exit(status) }
}

pub(super) fn set_limit(resource: u32, limit: Limit) -> c_long {
    let limit = libc::rlimit64 { rlim_cur: limit.soft, rlim_max: limit.hard };
    let no_previous = ptr::null_mut::<libc::rlimit64>();
    // SAFETY: the kernel reads a struct of ours, and writes nothing.
    unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource, ptr::from_ref(&limit), no_previous) }
}

fn become_user(user: &User) -> Result<(), Report> {
    // SAFETY: the address and the length are of one list.
    let result = unsafe { libc::syscall(libc::SYS_setgroups, user.groups.len(), user.groups.as_ptr()) };
    check(Stage::Groups, 0, result)?;
    // SAFETY: no memory is involved.
    let result = unsafe { libc::syscall(libc::SYS_setresgid, user.gid, user.gid, user.gid) };
    check(Stage::Gid, 0, result)?;
    // SAFETY: no memory is involved.
    let result = unsafe { libc::syscall(libc::SYS_setresuid, user.uid, user.uid, user.uid) };
    check(Stage::Uid, 0, result)
}

/// Gives `signal` its default action, or has it ignored.
fn set_disposition(signal: Signal, ignored: bool) {
    // The kernel's struct: the handler first, then flags, restorer and mask, all of them zero here.
    let handler = if ignored { libc::SIG_IGN } else { libc::SIG_DFL };
    let action = [handler, 0, 0, 0];
    let no_previous = ptr::null_mut::<usize>();
    // SAFETY: the kernel reads at most these four words. KILL and STOP are refused, which is well.
    unsafe {
        libc::syscall(libc::SYS_rt_sigaction, signal.raw(), action.as_ptr(), no_previous, SET_SIZE);
    }
}

/// The first candidate that is a regular file and that this user may execute.
///
/// As execvp(3): what is not there is passed over; a refusal (EACCES) is remembered and told if nothing else
/// is found; any other error ends the search.
fn find(plan: &Plan) -> Result<(u32, &CStr), (u32, i32)> {
    let mut refused = None;
    let only = plan.candidates.len() == 1;
    for (number, path) in (0_u32..).zip(&plan.candidates) {
        match executable(path) {
            0 => return Ok((number, path)),
            errno @ libc::EACCES => refused = refused.or(Some((number, errno))),
            errno if only => return Err((number, errno)),
            libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT => {}
            errno => return Err((number, errno)),
        }
    }
    // No number: it is not about one of them.
    Err(refused.unwrap_or((u32::MAX, libc::ENOENT)))
}

/// Zero, or the errno with which execve would refuse the file.
fn executable(path: &CStr) -> i32 {
    let mut status = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the path is a C string, and the kernel fills our struct.
    if unsafe { libc::stat(path.as_ptr(), status.as_mut_ptr()) } < 0 {
        return errno();
    }
    // SAFETY: it was zeroed, and every bit pattern is a value of this plain struct.
    let status = unsafe { status.assume_init() };
    if status.st_mode & libc::S_IFMT != libc::S_IFREG {
        return libc::EACCES;
    }
    match may_execute(path.as_ptr()) {
        // Kernels before 5.8, and filters that do not know the call. Real and effective ids differ only in
        // setuid programs, which we are not.
        libc::ENOSYS | libc::EPERM => {
            // SAFETY: the path is a C string.
            let result = unsafe { libc::access(path.as_ptr(), libc::X_OK) };
            if result == 0 { 0 } else { errno() }
        }
        result => result,
    }
}

/// faccessat2(2), with the effective ids, as execve checks: zero, or the errno.
fn may_execute(path: *const c_char) -> i32 {
    // SAFETY: the path is a C string.
    let result =
        unsafe { libc::syscall(libc::SYS_faccessat2, libc::AT_FDCWD, path, libc::X_OK, libc::AT_EACCESS) };
    if result == 0 { 0 } else { errno() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_survive_the_way() {
        for stage in Stage::ALL {
            for (errno, detail) in [(0, 0), (libc::E2BIG, 7), (i32::MAX, u32::MAX)] {
                let report = Report { stage, errno, detail };
                assert_eq!(Report::decode(report.encode()), Some(report));
            }
        }
        assert_eq!(Report::decode([0xff; REPORT_SIZE]), None);
    }
}
