//! Runs a classic BPF program on one call, as the kernel would.

use sandprint_model::{Action, Call};

use super::{Instruction, MOST_INSTRUCTIONS, Program, op};

/// What a filter sees of a call (`struct seccomp_data`, linux/seccomp.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeccompData {
    /// The number; an x32 call's has bit 30 set.
    pub nr: u32,
    /// The `AUDIT_ARCH_*` value.
    pub arch: u32,
    /// The address of the instruction after the call.
    pub instruction_pointer: u64,
    /// The argument registers.
    pub args: [u64; 6],
}

impl From<&Call> for SeccompData {
    fn from(call: &Call) -> SeccompData {
        let x32 =
            if call.syscall.abi == sandprint_model::Abi::X32 { sandprint_model::Abi::X32_BIT } else { 0 };
        SeccompData {
            nr: call.syscall.nr | x32,
            arch: call.syscall.abi.audit_arch(),
            instruction_pointer: 0,
            args: call.args,
        }
    }
}

impl SeccompData {
    /// The 32-bit word at an offset, on a little-endian machine.
    fn word(&self, offset: u32) -> Option<u32> {
        let half = |value: u64, upper: bool| {
            let shifted = if upper { value >> 32 } else { value };
            u32::try_from(shifted & 0xffff_ffff).ok()
        };
        match offset {
            0 => Some(self.nr),
            4 => Some(self.arch),
            8 | 12 => half(self.instruction_pointer, offset == 12),
            16..=60 if offset.is_multiple_of(4) => {
                let index = usize::try_from((offset - 16) / 8).ok()?;
                half(*self.args.get(index)?, offset % 8 == 4)
            }
            _ => None,
        }
    }
}

/// Why the kernel would not take a program (EINVAL).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// No instruction, or more than 4096.
    #[error("a filter has 1 to {MOST_INSTRUCTIONS} instructions, and this one has {0}")]
    Length(usize),
    /// Not an instruction that seccomp allows.
    #[error("instruction {at}: {code:#06x} is none that a seccomp filter may have")]
    Opcode {
        /// Where, from 0.
        at: usize,
        /// It.
        code: u16,
    },
    /// A jump to nowhere.
    #[error("instruction {at} jumps behind the end")]
    Jump {
        /// Where, from 0.
        at: usize,
    },
    /// A load from outside of the data, or not at a multiple of four.
    #[error("instruction {at} loads from offset {offset}, which is no word of the data")]
    Load {
        /// Where, from 0.
        at: usize,
        /// From which offset.
        offset: u32,
    },
    /// A scratch cell above 15.
    #[error("instruction {at} uses scratch cell {cell}; there are 16")]
    Scratch {
        /// Where, from 0.
        at: usize,
        /// Which.
        cell: u32,
    },
    /// A scratch cell that is read before something is stored in it, on some path.
    #[error("instruction {at} reads scratch cell {cell}, in which nothing has been stored")]
    Unwritten {
        /// Where, from 0.
        at: usize,
        /// Which.
        cell: u32,
    },
    /// A division by the constant 0, or a shift by 32 or more.
    #[error("instruction {at} divides by 0, or shifts by more than 31")]
    Arithmetic {
        /// Where, from 0.
        at: usize,
    },
    /// The last instruction is no return.
    #[error("the last instruction is no return")]
    End,
}

const SCRATCH_CELLS: u32 = 16;

/// Checks what the kernel checks when a filter is installed.
pub fn validate(program: &Program) -> Result<(), Invalid> {
    let length = program.0.len();
    if !(1..=MOST_INSTRUCTIONS).contains(&length) {
        return Err(Invalid::Length(length));
    }
    // Which scratch cells are surely written when an instruction is reached; jumps only go forward. As the kernel has
    // it (check_load_and_stores), a return also leads to the instruction after it, with what was written before.
    let mut written = vec![u16::MAX; length];
    if let Some(first) = written.first_mut() {
        *first = 0;
    }
    for (at, instruction) in program.0.iter().enumerate() {
        check_one(at, *instruction)?;
        let mut cells = written.get(at).copied().unwrap_or_default();
        let cell = 1_u16.checked_shl(instruction.k).unwrap_or(0);
        match instruction.code {
            op::STORE | op::STORE_X => cells |= cell,
            op::LOAD_SCRATCH | op::LOAD_X_SCRATCH if cells & cell == 0 => {
                return Err(Invalid::Unwritten { at, cell: instruction.k });
            }
            _ => {}
        }
        if matches!(instruction.code, op::RETURN | op::RETURN_A)
            && let Some(next) = written.get_mut(at.saturating_add(1))
        {
            *next &= cells;
        }
        for next in successors(at, *instruction) {
            let slot = usize::try_from(next).ok().and_then(|next| written.get_mut(next));
            *slot.ok_or(Invalid::Jump { at })? &= cells;
        }
    }
    match program.0.last().map(|instruction| instruction.code) {
        Some(op::RETURN | op::RETURN_A) => Ok(()),
        _ => Err(Invalid::End),
    }
}

/// Where control can go from an instruction.
fn successors(at: usize, instruction: Instruction) -> Vec<u64> {
    let next = u64::try_from(at).unwrap_or(u64::MAX).saturating_add(1);
    let skip = |count: u64| next.saturating_add(count);
    match instruction.code {
        op::RETURN | op::RETURN_A => vec![],
        op::JUMP => vec![skip(u64::from(instruction.k))],
        code if code & op::CLASS == op::CLASS_JUMP => {
            vec![skip(u64::from(instruction.jump_true)), skip(u64::from(instruction.jump_false))]
        }
        _ => vec![next],
    }
}

/// An instruction by itself.
fn check_one(at: usize, instruction: Instruction) -> Result<(), Invalid> {
    let Instruction { code, k, .. } = instruction;
    match code {
        op::LD_ABS if k > 60 || !k.is_multiple_of(4) => Err(Invalid::Load { at, offset: k }),
        op::LOAD_SCRATCH | op::LOAD_X_SCRATCH | op::STORE | op::STORE_X if k >= SCRATCH_CELLS => {
            Err(Invalid::Scratch { at, cell: k })
        }
        op::LD_ABS
        | op::LOAD_LENGTH
        | op::LOAD_X_LENGTH
        | op::LOAD_IMMEDIATE
        | op::LOAD_X_IMMEDIATE
        | op::LOAD_SCRATCH
        | op::LOAD_X_SCRATCH
        | op::STORE
        | op::STORE_X
        | op::A_TO_X
        | op::X_TO_A
        | op::RETURN
        | op::RETURN_A
        | op::NEGATE
        | op::JUMP => Ok(()),
        _ => match (code & op::CLASS, code & op::OPERATION, code & op::OPERAND_X) {
            _ if code & !(op::CLASS | op::OPERATION | op::OPERAND_X) != 0 => {
                Err(Invalid::Opcode { at, code })
            }
            // Division (and no remainder: seccomp's list has none) by a constant that is not 0.
            (op::CLASS_ALU, 0x30, 0) if k == 0 => Err(Invalid::Arithmetic { at }),
            (op::CLASS_ALU, 0x60 | 0x70, 0) if k >= 32 => Err(Invalid::Arithmetic { at }),
            (op::CLASS_JUMP, 0x10..=0x40, _) | (op::CLASS_ALU, 0x00..=0x70 | 0xa0, _) => Ok(()),
            _ => Err(Invalid::Opcode { at, code }),
        },
    }
}

/// What a program returns for a call: the kernel's 32-bit value.
///
/// A program that [`validate`] refuses, the kernel does not run; what this returns of one is unspecified
/// (0, which kills the thread, where the program runs off its end).
pub fn simulate(program: &Program, call: &SeccompData) -> u32 {
    let (mut a, mut x) = (0_u32, 0_u32);
    let mut scratch = [0_u32; 16];
    let mut at = 0;
    while let Some(instruction) = program.0.get(at) {
        at += 1;
        let Instruction { code, k, .. } = *instruction;
        let index = usize::try_from(k).unwrap_or(usize::MAX);
        match code {
            op::LD_ABS => a = call.word(k).unwrap_or(0),
            // sizeof(struct seccomp_data)
            op::LOAD_LENGTH => a = 64,
            op::LOAD_X_LENGTH => x = 64,
            op::LOAD_IMMEDIATE => a = k,
            op::LOAD_X_IMMEDIATE => x = k,
            op::LOAD_SCRATCH => a = scratch.get(index).copied().unwrap_or(0),
            op::LOAD_X_SCRATCH => x = scratch.get(index).copied().unwrap_or(0),
            op::STORE | op::STORE_X => {
                if let Some(slot) = scratch.get_mut(index) {
                    *slot = if code == op::STORE { a } else { x };
                }
            }
            op::A_TO_X => x = a,
            op::X_TO_A => a = x,
            op::RETURN => return k,
            op::RETURN_A => return a,
            op::NEGATE => a = a.wrapping_neg(),
            op::JUMP => at = at.saturating_add(index),
            _ => {
                let operand = if code & op::OPERAND_X == 0 { k } else { x };
                if code & op::CLASS == op::CLASS_JUMP {
                    let holds = compare(code & op::OPERATION, a, operand);
                    let skip = if holds { instruction.jump_true } else { instruction.jump_false };
                    at += usize::from(skip);
                } else {
                    // A division by an X of 0 ends the program (net/core/filter.c: it returns 0).
                    match arithmetic(code & op::OPERATION, a, operand) {
                        Some(value) => a = value,
                        None => return 0,
                    }
                }
            }
        }
    }
    0
}

/// Whether a conditional jump's condition holds.
pub(crate) fn compare(operation: u16, a: u32, operand: u32) -> bool {
    match operation {
        0x10 => a == operand,
        0x20 => a > operand,
        0x30 => a >= operand,
        _ => a & operand != 0,
    }
}

/// The result of an arithmetic instruction; none for a division by zero.
pub(crate) fn arithmetic(operation: u16, a: u32, operand: u32) -> Option<u32> {
    match operation {
        0x00 => Some(a.wrapping_add(operand)),
        0x10 => Some(a.wrapping_sub(operand)),
        0x20 => Some(a.wrapping_mul(operand)),
        0x30 => a.checked_div(operand),
        0x40 => Some(a | operand),
        0x50 => Some(a & operand),
        // Shifts by X take its lowest five bits, as the eBPF instructions do that the kernel runs instead.
        0x60 => Some(a.wrapping_shl(operand)),
        0x70 => Some(a.wrapping_shr(operand)),
        _ => Some(a ^ operand),
    }
}

/// The action that a returned value means. The kernel looks at the upper half, and takes any value that it
/// does not know for the one that kills the process (`seccomp_run_filters`, `__seccomp_filter`).
pub fn returned_action(value: u32) -> Action {
    let low = u16::try_from(value & 0xffff).unwrap_or(u16::MAX);
    match value & 0xffff_0000 {
        0x7fff_0000 => Action::Allow,
        0x7ffc_0000 => Action::Log,
        0x7ff0_0000 => Action::Trace(low),
        0x7fc0_0000 => Action::Notify,
        // Above MAX_ERRNO (4095) the kernel takes that.
        0x0005_0000 => Action::Errno(low.min(4095)),
        0x0003_0000 => Action::Trap,
        0x0000_0000 => Action::KillThread,
        _ => Action::KillProcess,
    }
}
