//! A call that a task is in, as the tracer keeps it from its way in to its way out.

use sandprint_model::Syscall;
use sandprint_sandbox::notify::{Answered, Heard, Notification};
use sandprint_sandbox::ptrace::Tracer;

use crate::books::kinds::Kind;
use crate::books::look::{Found, Look, Wanted};
use crate::books::{Caller, Key};

/// include/linux/errno.h: what a call returns within the kernel to be made again.
pub(super) const ERESTARTSYS: i64 = -512;
pub(super) const ERESTARTNOINTR: i64 = -513;

/// A call that a task is in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inside {
    pub(super) call: Syscall,
    pub(super) kind: Kind,
    /// The program that it counts for.
    pub(super) image: usize,
    /// The number as it is in its register.
    pub(super) nr: u64,
    pub(super) args: [u64; 6],
    pub(super) instruction_pointer: u64,
    pub(super) stack_pointer: u64,
    /// When it began, of a call that may have to be made again.
    pub(super) since_ns: u64,
    /// An argument that we have changed, by its position, and what it was.
    pub(super) changed: Option<(usize, u64)>,
    /// It is reported to a supervisor, who has not heard of it yet.
    pub(super) unheard: Option<Unheard>,
    /// What there is to be looked at when it ends, and when it began.
    pub(super) wanted: Option<(Wanted, Option<(i64, i64)>)>,
}

/// linux/sched.h.
const CLONE_UNTRACED: u64 = 0x0080_0000;

impl Inside {
    pub(super) fn new(
        Key { image, call }: Key,
        kind: Kind,
        nr: u64,
        args: [u64; 6],
        instruction_pointer: u64,
        stack_pointer: u64,
    ) -> Inside {
        Inside {
            call,
            kind,
            image,
            nr,
            args,
            instruction_pointer,
            stack_pointer,
            since_ns: 0,
            changed: None,
            unheard: None,
            wanted: None,
        }
    }

    /// What it counts as.
    pub(super) fn key(&self) -> Key {
        Key { image: self.image, call: self.call }
    }

    /// Sets one of its arguments.
    pub(super) fn change(&mut self, tracer: &Tracer, tid: u32, position: usize, value: u64) {
        let Ok(mut registers) = tracer.registers(tid) else { return };
        registers.set_argument(self.call.abi, position, value);
        if tracer.set_registers(tid, &registers).is_ok()
            && let Some(&before) = self.args.get(position)
        {
            self.changed = Some((position, before));
        }
    }

    /// Gives a changed argument back: a program may rely on registers that calls leave alone.
    pub(super) fn put_back(&self, tracer: &Tracer, tid: u32) {
        if let Some((position, before)) = self.changed
            && let Ok(mut registers) = tracer.registers(tid)
        {
            registers.set_argument(self.call.abi, position, before);
            tracer.set_registers(tid, &registers).unwrap_or_default();
        }
    }

    /// Without us the flag is of no effect: it keeps tracers off.
    pub(super) fn follow_untraced(&mut self, tracer: &Tracer, tid: u32) {
        let [flags, ..] = self.args;
        if self.call.name() == Some("clone") && flags & CLONE_UNTRACED != 0 {
            self.change(tracer, tid, 0, flags & !CLONE_UNTRACED);
        }
    }

    /// Looks at what it had to do with files and sockets, at its end, if that is wanted.
    pub(super) fn look(&self, who: Caller, result: i64) -> Option<Found> {
        let (wanted, began) = self.wanted?;
        let look = Look { call: self.call, args: self.args, who, result: Some(result), began };
        Some(look.at(wanted))
    }

    /// Whether it made a task that is not followed. clone3 has its flags in memory.
    pub(super) fn leaves_untraced(&self, result: i64, created: u32) -> bool {
        result > 0 && created == 0 && self.call.name() == Some("clone3")
    }
}

/// A call that is reported, as long as nobody lets it go on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unheard {
    /// What was the task's last answer then.
    before: Answered,
}

impl Unheard {
    /// A call that goes in, if it is reported.
    pub(super) fn of(heard: &Heard, tid: u32, audit_arch: u32, inside: &Inside) -> Option<Unheard> {
        let call = Notification {
            id: 0,
            tid,
            audit_arch,
            nr: u32::try_from(inside.nr & u64::from(u32::MAX)).unwrap_or_default(),
            instruction_pointer: inside.instruction_pointer,
            args: inside.args,
        };
        heard.is_reported(&call).then(|| Unheard { before: heard.last(tid) })
    }

    /// Has a call made again that a signal has ended before it was answered: what its result is now.
    pub(super) fn make_again(self, heard: &Heard, tracer: &Tracer, tid: u32, result: i64) -> i64 {
        if result != ERESTARTSYS || heard.went_on_since(self.before, tid) {
            return result;
        }
        let Ok(mut registers) = tracer.registers(tid) else { return result };
        registers.set_result(ERESTARTNOINTR);
        tracer.set_registers(tid, &registers).map_or(result, |()| ERESTARTNOINTR)
    }
}
