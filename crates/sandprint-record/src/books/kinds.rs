//! Calls by what they mean to whoever follows tasks: few mean anything. Beside it, what of their arguments is kept.

use sandprint_model::arguments::{Selected, Selecting};
use sandprint_model::{Abi, Arch, Syscall};

use super::look::Wanted;
use crate::detail::Detail;

/// What a call means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing.
    Other,
    /// A task may come of it.
    Create,
    /// Another program may come of it.
    Execute,
    /// The end of a thread.
    Exit,
    /// The end of a process.
    ExitGroup,
    /// Setting a signal's handler.
    Handle,
    /// seccomp(2).
    Seccomp,
    /// prctl(2), which knows a way to seccomp.
    Prctl,
    /// ptrace(2).
    Trace,
    /// `io_uring_setup(2)`.
    UringSetup,
    /// `io_uring_enter(2)`.
    UringEnter,
}

/// Numbers beyond every table's end mean nothing.
const NUMBERS: u32 = 1024;

/// The meaning of every call of one machine's ABIs.
#[derive(Debug)]
pub(crate) struct Kinds {
    arch: Arch,
    by_abi: Vec<(Abi, Vec<Known>)>,
}

/// What is known of a number, found once.
#[derive(Debug, Clone, Copy)]
struct Known {
    kind: Kind,
    /// Its arguments that are worth a rule; none where it has none, which then cost nothing.
    selecting: Option<Selecting>,
    /// What else there is to be looked at, where that is wanted.
    wanted: Option<Wanted>,
}

impl Kinds {
    pub(crate) fn new(arch: Arch, detail: Detail) -> Kinds {
        let wanted = |call| if detail == Detail::Full { Wanted::of(call) } else { None };
        let known = |call| Known { kind: kind(call), selecting: Selecting::of(call), wanted: wanted(call) };
        let of = |abi| (0..NUMBERS).map(|nr| known(Syscall { abi, nr })).collect();
        Kinds { arch, by_abi: arch.abis().iter().map(|&abi| (abi, of(abi))).collect() }
    }

    pub(crate) fn of(&self, call: Syscall) -> Kind {
        self.known(call).map_or(Kind::Other, |known| known.kind)
    }

    /// What is kept of a call's arguments.
    pub(crate) fn selected(&self, call: Syscall, args: &[u64; 6]) -> Option<Selected> {
        self.known(call)?.selecting.map(|selecting| selecting.values(args))
    }

    /// What there is to be looked at beside that.
    pub(crate) fn wanted(&self, call: Syscall) -> Option<Wanted> {
        self.known(call)?.wanted
    }

    fn known(&self, call: Syscall) -> Option<&Known> {
        let (_, numbers) = self.by_abi.iter().find(|(abi, _)| *abi == call.abi)?;
        numbers.get(usize::try_from(call.nr).ok()?)
    }

    /// The native execve.
    pub(crate) fn execve(&self) -> Syscall {
        let nr = match self.arch {
            Arch::Aarch64 => 221,
            Arch::X86_64 => 59,
        };
        Syscall { abi: self.arch.native_abi(), nr }
    }

    /// The call of an entry into the kernel (`AUDIT_ARCH_*`, linux/audit.h) and a number.
    pub(crate) fn call(&self, audit_arch: u32, nr: u32) -> Syscall {
        Syscall::entered(self.arch, audit_arch, nr)
    }
}

/// Whether a signal's handler returns by this call. Its result is a register of whoever was interrupted.
pub(crate) fn is_return(call: Syscall) -> bool {
    matches!(call.name(), Some("rt_sigreturn" | "sigreturn"))
}

/// The call by which a handler returns that was set by `call`, with `SA_SIGINFO` or without.
pub(crate) fn return_of(call: Syscall, information: bool) -> Option<Syscall> {
    let old = matches!(call.abi, Abi::I386 | Abi::Arm) && !information;
    let name = if old { "sigreturn" } else { "rt_sigreturn" };
    let mut numbers = (0..NUMBERS).map(|nr| Syscall { abi: call.abi, nr });
    numbers.find(|call| call.name() == Some(name))
}

fn kind(call: Syscall) -> Kind {
    match call.name() {
        Some("clone" | "clone3" | "fork" | "vfork") => Kind::Create,
        Some("execve" | "execveat") => Kind::Execute,
        Some("exit") => Kind::Exit,
        Some("exit_group") => Kind::ExitGroup,
        Some("rt_sigaction" | "sigaction" | "signal") => Kind::Handle,
        Some("seccomp") => Kind::Seccomp,
        Some("prctl") => Kind::Prctl,
        Some("ptrace") => Kind::Trace,
        Some("io_uring_setup") => Kind::UringSetup,
        Some("io_uring_enter") => Kind::UringEnter,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_mean_what_their_names_say_in_every_abi() {
        let kinds = Kinds::new(Arch::X86_64, Detail::Calls);
        for (abi, nr, kind) in [
            (Abi::X86_64, 59, Kind::Execute),
            (Abi::I386, 11, Kind::Execute),
            (Abi::X32, 520, Kind::Execute),
            (Abi::X86_64, u32::MAX, Kind::Other),
            (Abi::I386, 59, Kind::Other),
        ] {
            assert_eq!(kinds.of(Syscall { abi, nr }), kind, "{abi} {nr}");
        }
        for arch in Arch::ALL {
            assert_eq!(Kinds::new(arch, Detail::Calls).execve().name(), Some("execve"));
        }
        for (abi, nr) in
            [(Abi::X86_64, 15), (Abi::X32, 513), (Abi::I386, 119), (Abi::Arm, 119), (Abi::Aarch64, 139)]
        {
            // The numbers that sandbox::notify lets pass.
            assert_eq!(return_of(Syscall { abi, nr: 0 }, false), Some(Syscall { abi, nr }));
        }
        assert_eq!(
            Kinds::new(Arch::Aarch64, Detail::Calls).of(Syscall { abi: Abi::Arm, nr: 11 }),
            Kind::Execute
        );
    }
}
