//! What a call asks of seccomp for the workload itself: a filter, a listener, strict mode, or nothing that any kernel
//! does. What every kernel refuses was not refused because of us.

use std::os::raw::c_ulong;

use sandprint_sandbox::notify::refuses_flags;

use super::task;

/// linux/prctl.h.
const PR_SET_SECCOMP: u32 = 22;
/// linux/seccomp.h: `SECCOMP_SET_MODE_*`.
const SET_STRICT: u32 = 0;
const SET_FILTER: u32 = 1;
/// linux/seccomp.h: `SECCOMP_MODE_*`.
const STRICT: u64 = 1;
const FILTER: u64 = 2;
/// `BPF_MAXINSNS` (`linux/bpf_common.h`).
const LONGEST: u16 = 4096;

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A question, a mistake, or something else.
    Nothing,
    /// `SECCOMP_SET_MODE_STRICT`.
    Strict,
    /// A filter.
    Filter,
    /// A filter, and the listener of those calls that it reports.
    Listener,
}

/// By seccomp(2), in the thread that waits in it: operation and flags are 32 bits wide there.
pub(crate) fn by_seccomp(tid: u32, args: &[u64; 6]) -> Asked {
    decide(args, refuses_flags, |at| length(tid, at))
}

/// By prctl(2), whose option is 32 bits wide, and whose mode is not.
pub(crate) fn by_prctl(tid: u32, args: &[u64; 6]) -> Asked {
    let [option, mode, program, ..] = *args;
    match (low(option), mode) {
        (PR_SET_SECCOMP, STRICT) => Asked::Strict,
        (PR_SET_SECCOMP, FILTER) => {
            decide(&[u64::from(SET_FILTER), 0, program, 0, 0, 0], |_| false, |at| length(tid, at))
        }
        _ => Asked::Nothing,
    }
}

/// The lower half of a register, which is all that the kernel looks at where an argument is an int.
pub(crate) fn low(register: u64) -> u32 {
    let [a, b, c, d, ..] = register.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// As the kernel does, in its order (`do_seccomp`, kernel/seccomp.c). What cannot be read is taken for the worse: it may
/// be there when the kernel looks.
fn decide(
    args: &[u64; 6],
    refuses: impl FnOnce(u32) -> bool,
    length: impl FnOnce(u64) -> Option<u16>,
) -> Asked {
    let [operation, flags, program, ..] = *args;
    let flags = low(flags);
    match low(operation) {
        SET_STRICT if flags == 0 && program == 0 => Asked::Strict,
        SET_FILTER if program != 0 && !refuses(flags) => match length(program) {
            Some(length) if length == 0 || length > LONGEST => Asked::Nothing,
            _ if c_ulong::from(flags) & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER != 0 => Asked::Listener,
            _ => Asked::Filter,
        },
        _ => Asked::Nothing,
    }
}

/// The number of instructions of a `struct sock_fprog`, which begins with it in every ABI.
fn length(tid: u32, address: u64) -> Option<u16> {
    let mut bytes = [0; 2];
    task::read_memory(tid, address, &mut bytes).then(|| u16::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_kernel_would_do_is_asked_for() {
        const TSYNC: u64 = 1;
        const LISTENER: u64 = 8;
        let of = |args: [u64; 3], refused: &[u32], length: Option<u16>| {
            let [operation, flags, program] = args;
            decide(&[operation, flags, program, 0, 0, 0], |flags| refused.contains(&flags), |_| length)
        };
        let high = 1 << 32;
        for (args, refused, length, expected) in [
            ([0, 0, 0], &[][..], None, Asked::Strict),
            ([high, high, 0], &[], None, Asked::Strict),
            ([0, 1, 0], &[], None, Asked::Nothing),
            ([0, 0, 8], &[], None, Asked::Nothing),
            ([1, 0, 8], &[], Some(3), Asked::Filter),
            ([1, 0, 8], &[], None, Asked::Filter),
            ([1 | high, TSYNC | high, 8], &[], Some(3), Asked::Filter),
            ([1, 0, 0], &[], None, Asked::Nothing),
            ([1, 0, 8], &[], Some(0), Asked::Nothing),
            ([1, 0, 8], &[], Some(4096), Asked::Filter),
            ([1, 0, 8], &[], Some(4097), Asked::Nothing),
            ([1, LISTENER, 8], &[], Some(3), Asked::Listener),
            ([1, LISTENER, 8], &[8], Some(3), Asked::Nothing),
            ([1, LISTENER, 0], &[], None, Asked::Nothing),
            ([1, 0xffff, 8], &[0xffff], Some(3), Asked::Nothing),
            ([2, 0, 8], &[], None, Asked::Nothing),
        ] {
            assert_eq!(of(args, refused, length), expected, "{args:?} {length:?}");
        }
    }

    #[test]
    fn options_of_prctl_are_32_bits_wide_and_modes_are_not() {
        let high = 1 << 32;
        let of = |option: u64, mode: u64| by_prctl(std::process::id(), &[option, mode, 8, 0, 0, 0]);
        // Nothing can be read at that address.
        assert_eq!(of(22, 2), Asked::Filter);
        assert_eq!(of(high + 22, 2), Asked::Filter);
        assert_eq!(of(22, 1), Asked::Strict);
        assert_eq!(of(22, 1 | high), Asked::Nothing);
        assert_eq!(of(22, 2 | high), Asked::Nothing);
        assert_eq!(of(21, 2), Asked::Nothing);
    }
}
