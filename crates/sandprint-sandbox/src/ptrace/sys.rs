//! ptrace(2), and waitid(2) for what is traced.
#![expect(unsafe_code, reason = "std wraps no tracing")]

use std::ffi::{c_int, c_uint, c_ulong};
use std::io;
use std::mem::{MaybeUninit, size_of};

use sandprint_model::{Abi, Exit};

use super::{At, Change};
use crate::process::Ended;

/// What comes of a task is traced too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// Threads and processes.
    Processes,
    /// Threads.
    Threads,
}

/// Who is waited for: what this thread traces, threads among it, and no child of another thread of ours.
const OURS: c_int = libc::__WALL | libc::__WNOTHREAD;

fn number(tid: u32) -> io::Result<libc::pid_t> {
    libc::pid_t::try_from(tid).map_err(io::Error::other)
}

/// What a request is given besides the task: numbers, or the address of something of ours.
fn request(request: c_uint, tid: u32, address: usize, data: usize) -> io::Result<()> {
    let tid = number(tid)?;
    // SAFETY: the callers pass numbers, or the address of as much room as the request reads or writes.
    let result = unsafe { libc::syscall(libc::SYS_ptrace, c_ulong::from(request), tid, address, data) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

pub(super) fn seize(tid: u32, follow: Followed) -> io::Result<()> {
    let processes = libc::PTRACE_O_TRACEFORK | libc::PTRACE_O_TRACEVFORK;
    let more = if follow == Followed::Processes { processes } else { 0 };
    let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACEEXEC | libc::PTRACE_O_TRACECLONE | more;
    request(libc::PTRACE_SEIZE, tid, 0, usize::try_from(options).unwrap_or_default())
}

pub(super) fn interrupt(tid: u32) -> io::Result<()> {
    request(libc::PTRACE_INTERRUPT, tid, 0, 0)
}

pub(super) fn let_run(tid: u32) -> io::Result<()> {
    request(libc::PTRACE_CONT, tid, 0, 0)
}

pub(super) fn to_next_call(tid: u32, signal: i32) -> io::Result<()> {
    request(libc::PTRACE_SYSCALL, tid, 0, usize::try_from(signal).unwrap_or_default())
}

pub(super) fn listen(tid: u32) -> io::Result<()> {
    request(libc::PTRACE_LISTEN, tid, 0, 0)
}

pub(super) fn detach(tid: u32, signal: i32) -> io::Result<()> {
    request(libc::PTRACE_DETACH, tid, 0, usize::try_from(signal).unwrap_or_default())
}

pub(super) fn write(tid: u32, address: u64, word: u64) -> io::Result<()> {
    let (address, word) = (usize::try_from(address), usize::try_from(word));
    request(libc::PTRACE_POKEDATA, tid, address.map_err(io::Error::other)?, word.map_err(io::Error::other)?)
}

pub(super) fn message(tid: u32) -> io::Result<u64> {
    let mut message: u64 = 0;
    request(libc::PTRACE_GETEVENTMSG, tid, 0, (&raw mut message).addr())?;
    Ok(message)
}

/// struct `ptrace_syscall_info` (linux/ptrace.h): what it is and the ABI, two pointers, and what depends on the first.
type SyscallInformation = [u64; 11];

pub(super) fn call(tid: u32) -> io::Result<At> {
    const ENTRY: u64 = 1;
    const EXIT: u64 = 2;
    let mut information: SyscallInformation = [0; 11];
    let size = size_of::<SyscallInformation>();
    request(libc::PTRACE_GET_SYSCALL_INFO, tid, size, (&raw mut information).addr())?;
    let [head, instruction_pointer, stack_pointer, first, args @ .., _] = information;
    let [kind, ..] = head.to_ne_bytes();
    // A byte, three that are nothing, and 32 bits.
    let [_, _, _, _, audit_arch @ ..] = head.to_ne_bytes();
    let audit_arch = u32::from_ne_bytes(audit_arch);
    Ok(match u64::from(kind) {
        ENTRY => At::Entry { audit_arch, nr: first, args, instruction_pointer, stack_pointer },
        EXIT => At::Exit(first.cast_signed()),
        _ => At::Elsewhere,
    })
}

/// The registers of a task, as far as they matter to calls.
#[derive(Clone, Copy)]
pub struct Registers(libc::user_regs_struct);

impl std::fmt::Debug for Registers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registers").finish_non_exhaustive()
    }
}

/// x86 has two instructions that make calls, and one that leads to one of them; both have two bytes.
#[cfg(target_arch = "x86_64")]
impl Registers {
    /// Has the call be made (again) that has just returned.
    pub fn rewind(&mut self, nr: u64, _args: [u64; 6]) {
        self.0.rax = nr;
        self.0.rip = self.0.rip.wrapping_sub(2);
        self.0.orig_rax = u64::MAX;
    }

    /// The result of a call that has just returned.
    pub fn set_result(&mut self, result: i64) {
        self.0.rax = result.cast_unsigned();
    }

    /// An argument of a call that is about to be made, or has been, by its position from 0.
    pub fn set_argument(&mut self, abi: Abi, position: usize, value: u64) {
        let of = &mut self.0;
        let native = [&mut of.rdi, &mut of.rsi, &mut of.rdx, &mut of.r10, &mut of.r8, &mut of.r9];
        let register = if abi == Abi::I386 {
            [&mut of.rbx, &mut of.rcx, &mut of.rdx, &mut of.rsi, &mut of.rdi, &mut of.rbp]
                .into_iter()
                .nth(position)
        } else {
            native.into_iter().nth(position)
        };
        if let Some(register) = register {
            *register = value;
        }
    }
}

#[cfg(target_arch = "aarch64")]
impl Registers {
    /// Has the call be made (again) that has just returned.
    pub fn rewind(&mut self, _nr: u64, args: [u64; 6]) {
        self.0.regs[0] = args[0];
        self.0.pc = self.0.pc.wrapping_sub(4);
    }

    /// The result of a call that has just returned.
    pub fn set_result(&mut self, result: i64) {
        self.0.regs[0] = result.cast_unsigned();
    }

    /// An argument of a call that is about to be made, by its position from 0.
    pub fn set_argument(&mut self, _abi: Abi, position: usize, value: u64) {
        if let Some(register) = self.0.regs.get_mut(position) {
            *register = value;
        }
    }
}

/// A 32-bit program has other ones, and an error here, where the kernel does not show them as a 64-bit program's.
pub(super) fn registers(tid: u32) -> io::Result<Registers> {
    let mut registers = MaybeUninit::<libc::user_regs_struct>::zeroed();
    register_set(libc::PTRACE_GETREGSET, tid, registers.as_mut_ptr())?;
    // SAFETY: it was zeroed, and every bit pattern is a value of this plain struct.
    Ok(Registers(unsafe { registers.assume_init() }))
}

pub(super) fn set_registers(tid: u32, registers: &Registers) -> io::Result<()> {
    let mut registers = registers.0;
    register_set(libc::PTRACE_SETREGSET, tid, &raw mut registers)
}

#[cfg(target_arch = "x86_64")]
fn register_set(what: c_uint, tid: u32, registers: *mut libc::user_regs_struct) -> io::Result<()> {
    // These two show a 32-bit program's as a 64-bit program's, which the others do not.
    let what = if what == libc::PTRACE_GETREGSET { libc::PTRACE_GETREGS } else { libc::PTRACE_SETREGS };
    request(what, tid, 0, registers.addr())
}

#[cfg(not(target_arch = "x86_64"))]
fn register_set(what: c_uint, tid: u32, registers: *mut libc::user_regs_struct) -> io::Result<()> {
    /// `NT_PRSTATUS` (linux/elf.h): the registers of `struct user_regs_struct`.
    const GENERAL: usize = 1;
    let size = size_of::<libc::user_regs_struct>();
    let mut part = libc::iovec { iov_base: registers.cast(), iov_len: size };
    request(what, tid, GENERAL, (&raw mut part).addr())?;
    if part.iov_len == size { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
}

/// Waits for anything; `None` where nothing is traced any more.
pub(super) fn wait_any() -> io::Result<Option<(u32, Change)>> {
    match waitid(libc::P_ALL, 0, libc::WSTOPPED | libc::WEXITED | libc::WNOWAIT) {
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(None),
        other => other,
    }
}

/// What happened to one task; `None` where nothing did, or where it is not traced any more.
pub(super) fn wait_for(tid: u32, wait: bool) -> io::Result<Option<Change>> {
    let look = if wait { 0 } else { libc::WNOHANG };
    match waitid(libc::P_PID, tid, libc::WSTOPPED | libc::WEXITED | libc::WNOWAIT | look) {
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(None),
        other => other.map(|change| change.map(|(_, change)| change)),
    }
}

pub(super) fn take(tid: u32) {
    // It fails only where it is not there.
    waitid(libc::P_PID, tid, libc::WSTOPPED | libc::WNOHANG).map(drop).unwrap_or_default();
}

pub(super) fn reap(tid: u32) {
    // It fails only where it is not there.
    waitid(libc::P_PID, tid, libc::WEXITED | libc::WNOHANG).map(drop).unwrap_or_default();
}

fn waitid(kind: libc::idtype_t, id: libc::id_t, options: c_int) -> io::Result<Option<(u32, Change)>> {
    loop {
        let mut information = MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: the kernel fills the struct, which is ours.
        let result = unsafe { libc::waitid(kind, id, information.as_mut_ptr(), options | OURS) };
        if result < 0 {
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted {
                continue;
            }
            return Err(error);
        }
        // SAFETY: it was zeroed, and every bit pattern is a value of this plain struct.
        let information = unsafe { information.assume_init() };
        // SAFETY: waitid fills the fields of SIGCHLD, or leaves the zeros.
        let pid = unsafe { information.si_pid() };
        // SAFETY: the same.
        let status = unsafe { information.si_status() };
        // waitid(2): with WNOHANG, zero says that there is nothing to tell.
        return Ok((pid != 0).then(|| (pid.cast_unsigned(), change(information.si_code, status))));
    }
}

fn change(code: i32, status: i32) -> Change {
    let ended = |exit: fn(u8) -> Exit, core_dumped| {
        Change::Ended(Ended { exit: exit(u8::try_from(status & 0xff).unwrap_or(u8::MAX)), core_dumped })
    };
    match code {
        libc::CLD_EXITED => ended(Exit::Code, false),
        libc::CLD_KILLED => ended(Exit::Signal, false),
        libc::CLD_DUMPED => ended(Exit::Signal, true),
        _ => stop(status & 0xff, status >> 8),
    }
}

/// linux/ptrace.h.
const PTRACE_EVENT_STOP: i32 = 128;

fn stop(signal: i32, event: i32) -> Change {
    /// `PTRACE_O_TRACESYSGOOD` tells a call from SIGTRAP.
    const CALL: i32 = libc::SIGTRAP | 0x80;
    match (event, signal) {
        (0, CALL) => Change::Call,
        (0, signal) => Change::Signal(signal),
        (PTRACE_EVENT_STOP, libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU) => {
            Change::Stopped(signal)
        }
        (libc::PTRACE_EVENT_EXEC, _) => Change::Executed,
        (libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE, _) => Change::Created,
        _ => Change::Paused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stop_is_told_from_the_others() {
        let with = |event: i32, signal: i32| change(libc::CLD_TRAPPED, event << 8 | signal);
        for (event, signal, expected) in [
            (0, libc::SIGTRAP | 0x80, Change::Call),
            (0, libc::SIGTRAP, Change::Signal(libc::SIGTRAP)),
            (0, libc::SIGSTOP, Change::Signal(libc::SIGSTOP)),
            (0, 64, Change::Signal(64)),
            (PTRACE_EVENT_STOP, libc::SIGTSTP, Change::Stopped(libc::SIGTSTP)),
            (PTRACE_EVENT_STOP, libc::SIGTRAP, Change::Paused),
            (libc::PTRACE_EVENT_EXEC, libc::SIGTRAP, Change::Executed),
            (libc::PTRACE_EVENT_VFORK, libc::SIGTRAP, Change::Created),
        ] {
            assert_eq!(with(event, signal), expected, "{event} {signal}");
        }
        let core_dumped = Change::Ended(Ended { exit: Exit::Signal(6), core_dumped: true });
        assert_eq!(change(libc::CLD_DUMPED, 6), core_dumped);
    }
}
