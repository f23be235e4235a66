//! Calls that end early only since they are traced are made again.
//!
//! A signal that a process ignores, be it by its own will or by default, is not even sent to it, but to a traced one
//! it is: to show it to the tracer, its call is interrupted. Most calls are then made again by the kernel, which is
//! not to be counted. Some fail with EINTR, whatever is done with the signal (signal(7), "Interruption of system calls
//! and library functions by stop signals"): these we have made again, with what is left of their time.

use sandprint_model::errno::Errno;
use sandprint_model::{Abi, Syscall};
use sandprint_sandbox::ptrace::{Registers, Tracer};

use super::inside::{ERESTARTNOINTR, ERESTARTSYS, Inside};
use crate::books::look::Found;
use crate::books::{Key, task};
use crate::host;

/// include/linux/errno.h: what a call returns within the kernel to be made again.
const ERESTARTNOHAND: i64 = -514;
const ERESTART_RESTARTBLOCK: i64 = -516;
const EINTR: i64 = -4;

/// A call that ended early, while nobody has gone on since.
#[derive(Debug)]
pub(super) struct Interrupted {
    inside: Inside,
    result: i64,
    /// A signal came that the process ignores.
    ignored: bool,
    /// Something came that would have interrupted it without us too.
    meant: bool,
    /// The registers with which it had failed, where it is to be made again.
    failed: Option<Registers>,
    /// What it had to do with files and sockets, if it has failed for good.
    pub(super) found: Option<Found>,
}

impl Interrupted {
    /// A call that had this result, if it ended early.
    pub(super) fn of(inside: Inside, result: i64) -> Option<Interrupted> {
        let early = match result {
            EINTR => fails_for_good(inside.call),
            ERESTARTSYS | ERESTARTNOINTR | ERESTARTNOHAND | ERESTART_RESTARTBLOCK => true,
            _ => false,
        };
        early.then_some(Interrupted {
            inside,
            result,
            ignored: false,
            meant: false,
            failed: None,
            found: None,
        })
    }

    /// The error that it gave, as which call, if it gave one to its program.
    pub(super) fn failed(&self) -> Option<(Key, Errno)> {
        Errno::of_result(self.result).map(|error| (self.inside.key(), error))
    }

    /// What it had to do with files and sockets, as which call.
    pub(super) fn found(&self) -> Option<(Key, &Found)> {
        self.found.as_ref().map(|found| (self.inside.key(), found))
    }

    /// A signal is delivered that the process ignores.
    pub(super) fn by_ignored(&mut self, tracer: &Tracer, tid: u32) {
        self.ignored = true;
        if self.result != EINTR || self.meant || self.failed.is_some() {
            return;
        }
        let Ok(registers) = tracer.registers(tid) else { return };
        let mut again = registers;
        again.rewind(self.inside.nr, self.inside.args);
        if tracer.set_registers(tid, &again).is_ok() {
            self.failed = Some(registers);
        }
    }

    /// Something comes that interrupts calls without us too.
    pub(super) fn meant(&mut self, tracer: &Tracer, tid: u32) {
        self.meant = true;
        if let Some(registers) = self.failed.take() {
            tracer.set_registers(tid, &registers).unwrap_or_default();
        }
    }

    /// Whether the call that is about to be made is that one, made again for our sake.
    pub(super) fn is_made_again_by(&self, next: &Inside) -> bool {
        let same = next.nr == self.inside.nr || next.call.name() == Some("restart_syscall");
        let here = next.instruction_pointer == self.inside.instruction_pointer;
        self.ignored && !self.meant && same && here && (self.result != EINTR || self.failed.is_some())
    }

    /// Goes on with it: with what is left of its time, where it would have all of it once more.
    pub(super) fn resume(self, next: Inside, tracer: &Tracer, tid: u32) -> Inside {
        if self.result != EINTR {
            return Inside { kind: self.inside.kind, ..next };
        }
        let mut inside = Inside { since_ns: self.inside.since_ns, args: self.inside.args, ..next };
        inside.changed = None;
        let passed = host::monotonic_ns().saturating_sub(inside.since_ns);
        match time_out(inside.call) {
            Some((position, Unit::Milliseconds)) => {
                if let Some(limit) = inside.args.get(position).and_then(|&limit| milliseconds(limit)) {
                    inside.change(tracer, tid, position, limit.saturating_sub(passed / 1_000_000));
                }
            }
            Some((position, Unit::Timespec)) => {
                let at = inside.args.get(position).copied().filter(|&at| at != 0);
                if let Some(limit) = at.and_then(|at| timespec(tid, at)) {
                    let left = limit.saturating_sub(passed);
                    let words = [left / 1_000_000_000, left % 1_000_000_000];
                    // Below what the stack is used for (the red zone of x86_64 is 128 bytes), where a signal's frame
                    // comes; the kernel has read it by then.
                    let free = inside.stack_pointer.saturating_sub(1024) & !0xf;
                    if tracer.write(tid, free, &words).is_ok() {
                        inside.change(tracer, tid, position, free);
                    }
                }
            }
            None => {}
        }
        inside
    }
}

/// Calls that fail with EINTR though their process goes on ignoring the signal: signal(7), and where the kernel
/// returns it (Linux 6.18). All of them can be made again: they have done nothing.
pub(super) fn fails_for_good(call: Syscall) -> bool {
    matches!(
        call.name(),
        Some(
            "epoll_wait"
                | "epoll_wait_old"
                | "epoll_pwait"
                | "epoll_pwait2"
                | "rt_sigtimedwait"
                | "rt_sigtimedwait_time64"
                | "semop"
                | "semtimedop"
                | "semtimedop_time64"
                | "ipc"
                | "io_getevents"
                | "io_pgetevents"
                | "io_pgetevents_time64"
                | "io_uring_enter"
                // Sockets with a time-out (SO_RCVTIMEO, SO_SNDTIMEO).
                | "accept"
                | "accept4"
                | "connect"
                | "recv"
                | "recvfrom"
                | "recvmsg"
                | "recvmmsg"
                | "recvmmsg_time64"
                | "send"
                | "sendto"
                | "sendmsg"
                | "sendmmsg"
                | "socketcall"
                | "read"
                | "readv"
                | "write"
                | "writev"
                // Where the time that is left cannot be written back.
                | "select"
                | "_newselect"
                | "pselect6"
                | "pselect6_time64"
                | "ppoll"
                | "ppoll_time64"
        )
    )
}

/// How a call takes its time-out.
enum Unit {
    Milliseconds,
    /// The address of two numbers of 64 bits.
    Timespec,
}

/// The time-out of a call that takes all of it once more when it is made again: by position. What 32-bit programs have
/// in memory is left alone.
fn time_out(call: Syscall) -> Option<(usize, Unit)> {
    let wide = matches!(call.abi, Abi::X86_64 | Abi::Aarch64 | Abi::X32);
    match call.name()? {
        "epoll_wait" | "epoll_pwait" => Some((3, Unit::Milliseconds)),
        "rt_sigtimedwait" if wide => Some((2, Unit::Timespec)),
        "semtimedop" | "epoll_pwait2" if wide => Some((3, Unit::Timespec)),
        "io_getevents" | "io_pgetevents" if wide => Some((4, Unit::Timespec)),
        _ => None,
    }
}

/// A time-out of 32 bits with a sign; none for one without end, and for one that is over at once.
fn milliseconds(register: u64) -> Option<u64> {
    let low = u32::try_from(register & u64::from(u32::MAX)).ok()?.cast_signed();
    u64::try_from(low).ok().filter(|&limit| limit > 0)
}

/// In nanoseconds.
fn timespec(tid: u32, at: u64) -> Option<u64> {
    let mut bytes = [0; 16];
    if !task::read_memory(tid, at, &mut bytes) {
        return None;
    }
    let (words, _) = bytes.as_chunks::<8>();
    let [seconds, nanoseconds] = words else { return None };
    u64::from_ne_bytes(*seconds).checked_mul(1_000_000_000)?.checked_add(u64::from_ne_bytes(*nanoseconds))
}
