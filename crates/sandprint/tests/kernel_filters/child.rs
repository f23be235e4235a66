//! What the kernel answers under a program, and the comparison with what is expected.

use std::sync::OnceLock;

use sandprint_model::{Abi, Action, Arch};
use sandprint_policy::cbpf::{Instruction, Program, SeccompData};

use crate::sys::{self, Call, Ended};

/// `SIGSYS`, by which a filter kills.
const SIGSYS: i32 = 31;

/// `SECCOMP_RET_ERRNO` and `SECCOMP_RET_ALLOW` (linux/seccomp.h).
pub(crate) const ERRNO: u32 = 0x0005_0000;
pub(crate) const ALLOW: u32 = 0x7fff_0000;

/// The ABI of this machine's programs.
pub(crate) fn native() -> Abi {
    Arch::from_name(std::env::consts::ARCH).unwrap().native_abi()
}

/// What comes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It comes back with this errno; 0 is success.
    Errno(i32),
    /// The process dies.
    Death,
}

impl Answer {
    /// What an action makes of a call: `passed` is what comes of it where it is carried out, `unanswered` what comes of
    /// it where a tracer or a listener would be asked, and there is none.
    pub(crate) fn of(action: Action, passed: i32, unanswered: i32) -> Answer {
        match action {
            Action::Allow | Action::Log => Answer::Errno(passed),
            Action::Trace(_) | Action::Notify => Answer::Errno(unanswered),
            Action::Errno(errno) => Answer::Errno(errno.into()),
            Action::Trap | Action::KillThread | Action::KillProcess => Answer::Death,
        }
    }
}

/// Makes calls under programs, the first of which is the oldest, and holds the answers against the expected ones.
/// Of those that kill, the first is made, as the last call of all, if `may_die`. How many were made.
pub(crate) fn compare(
    programs: &[&Program],
    expected: &[(Call, Answer)],
    may_die: bool,
    context: &dyn Fn() -> String,
) -> usize {
    let (dying, mut made): (Vec<_>, Vec<_>) =
        expected.iter().partition(|(_, answer)| *answer == Answer::Death);
    let dies = may_die && !dying.is_empty();
    made.extend(dying.into_iter().take(usize::from(dies)));
    let calls: Vec<Call> = made.iter().map(|(call, _)| *call).collect();
    let (errnos, ended) =
        sys::make_calls(&programs.iter().map(|program| words(program)).collect::<Vec<_>>(), &calls);
    for (place, (call, answer)) in made.iter().enumerate() {
        let got = errnos.get(place).map_or(Answer::Death, |errno| Answer::Errno(*errno));
        assert_eq!(got, *answer, "{call:x?}, {ended:?}\n{}", context());
    }
    assert_eq!(ended, if dies { Ended::Signal(SIGSYS) } else { Ended::Finished }, "{}", context());
    made.len()
}

/// As a filter sees a native call of the child.
pub(crate) fn data((nr, args): Call) -> SeccompData {
    SeccompData { nr, arch: native().audit_arch(), instruction_pointer: instruction_pointer(), args }
}

/// Where the child makes its calls: in one function of the C library, at one address. A filter tells it, 12 bits at a
/// time.
fn instruction_pointer() -> u64 {
    static LEARNED: OnceLock<u64> = OnceLock::new();
    *LEARNED.get_or_init(|| {
        let pieces = [(12, 20, 12), (12, 8, 12), (12, 0, 8), (8, 20, 12), (8, 8, 12), (8, 0, 8)];
        pieces.into_iter().fold(0, |pointer, (offset, shift, bits)| {
            let program = Program(vec![
                instruction(0x20, 0, 0, offset),
                instruction(0x74, 0, 0, shift),
                instruction(0x54, 0, 0, (1 << bits) - 1),
                instruction(0x44, 0, 0, ERRNO),
                instruction(0x16, 0, 0, 0),
            ]);
            let (errnos, ended) = sys::make_calls(&[words(&program)], &[(libc_getpid(), [0; 6])]);
            assert_eq!(ended, Ended::Finished);
            pointer << bits | u64::try_from(errnos[0]).unwrap()
        })
    })
}

fn libc_getpid() -> u32 {
    u32::try_from(libc::SYS_getpid).unwrap()
}

pub(crate) fn instruction(code: u16, jump_true: u8, jump_false: u8, k: u32) -> Instruction {
    Instruction { code, jump_true, jump_false, k }
}

/// The bytes that are given to launchers, as words.
pub(crate) fn words(program: &Program) -> Vec<u64> {
    let bytes = program.to_bytes();
    let (words, rest) = bytes.as_chunks();
    assert!(rest.is_empty());
    words.iter().copied().map(u64::from_ne_bytes).collect()
}
