//! Classic BPF, the language in which the kernel takes seccomp filters.
//!
//! - [`compile()`]: a policy becomes a program.
//! - [`simulate()`]: what a program says of a call, as the kernel would run it. The oracle for every format
//!   that ends as such a program.
//!
//! Sources: bpf(4) of BSD for the machine, seccomp(2) for the data it reads and what it returns,
//! `bpf_check_classic` in net/core/filter.c and `seccomp_check_filter` in kernel/seccomp.c for what the
//! kernel accepts.

mod assemble;
mod compile;
mod simulate;

pub use compile::{CompileError, compile};
pub use simulate::{Invalid, SeccompData, returned_action, simulate, validate};
pub(crate) use simulate::{arithmetic, compare};

/// Most instructions of one program (`BPF_MAXINSNS`, `linux/bpf_common.h`).
pub const MOST_INSTRUCTIONS: usize = 4096;

/// One instruction (`struct sock_filter`, linux/filter.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// How many instructions to skip if a condition holds.
    pub jump_true: u8,
    /// How many to skip if it does not.
    pub jump_false: u8,
    /// The operand.
    pub k: u32,
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Program(pub Vec<Instruction>);

impl Program {
    /// The bytes as `struct sock_filter` lies in memory on a little-endian machine, 8 for each instruction:
    /// what `bwrap --seccomp` and crun read.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 8);
        for instruction in &self.0 {
            bytes.extend_from_slice(&instruction.code.to_le_bytes());
            bytes.extend_from_slice(&[instruction.jump_true, instruction.jump_false]);
            bytes.extend_from_slice(&instruction.k.to_le_bytes());
        }
        bytes
    }

    /// Reads such bytes; `None` where they are not whole instructions.
    pub fn from_bytes(bytes: &[u8]) -> Option<Program> {
        let (chunks, []) = bytes.as_chunks::<8>() else { return None };
        let instructions = chunks.iter().map(|[c0, c1, jump_true, jump_false, k0, k1, k2, k3]| Instruction {
            code: u16::from_le_bytes([*c0, *c1]),
            jump_true: *jump_true,
            jump_false: *jump_false,
            k: u32::from_le_bytes([*k0, *k1, *k2, *k3]),
        });
        Some(Program(instructions.collect()))
    }
}

/// Opcodes (`linux/bpf_common.h`), by the names that assemblers give them.
pub(crate) mod op {
    /// A = the 32-bit word at offset k of the data.
    pub(crate) const LD_ABS: u16 = 0x20;
    /// A = A & k.
    pub(crate) const AND: u16 = 0x54;
    /// Skip k instructions.
    pub(crate) const JUMP: u16 = 0x05;
    /// A == k.
    pub(crate) const JEQ: u16 = 0x15;
    /// A > k, unsigned.
    pub(crate) const JGT: u16 = 0x25;
    /// A >= k, unsigned.
    pub(crate) const JGE: u16 = 0x35;
    /// Return k.
    pub(crate) const RETURN: u16 = 0x06;
    /// Return A.
    pub(crate) const RETURN_A: u16 = 0x16;
    /// A = the length of the data, 64.
    pub(crate) const LOAD_LENGTH: u16 = 0x80;
    /// X = the length of the data, 64.
    pub(crate) const LOAD_X_LENGTH: u16 = 0x81;
    /// A = k.
    pub(crate) const LOAD_IMMEDIATE: u16 = 0x00;
    /// X = k.
    pub(crate) const LOAD_X_IMMEDIATE: u16 = 0x01;
    /// A = scratch cell k.
    pub(crate) const LOAD_SCRATCH: u16 = 0x60;
    /// X = scratch cell k.
    pub(crate) const LOAD_X_SCRATCH: u16 = 0x61;
    /// Scratch cell k = A.
    pub(crate) const STORE: u16 = 0x02;
    /// Scratch cell k = X.
    pub(crate) const STORE_X: u16 = 0x03;
    /// X = A.
    pub(crate) const A_TO_X: u16 = 0x07;
    /// A = X.
    pub(crate) const X_TO_A: u16 = 0x87;
    /// A = -A.
    pub(crate) const NEGATE: u16 = 0x84;
    /// Bits of an arithmetic or jump instruction that say which.
    pub(crate) const OPERATION: u16 = 0xf0;
    /// Of an arithmetic instruction: A & operand.
    pub(crate) const OPERATION_AND: u16 = 0x50;
    /// Of a jump: A == operand.
    pub(crate) const OPERATION_JEQ: u16 = 0x10;
    /// Of a jump: A > operand.
    pub(crate) const OPERATION_JGT: u16 = 0x20;
    /// Of a jump: A >= operand.
    pub(crate) const OPERATION_JGE: u16 = 0x30;
    /// Of a jump: A & operand != 0.
    pub(crate) const OPERATION_JSET: u16 = 0x40;
    /// The operand is X instead of k.
    pub(crate) const OPERAND_X: u16 = 0x08;
    /// Bits of an instruction that say what kind it is of.
    pub(crate) const CLASS: u16 = 0x07;
    /// Arithmetic.
    pub(crate) const CLASS_ALU: u16 = 0x04;
    /// Jumps.
    pub(crate) const CLASS_JUMP: u16 = 0x05;
}

/// Offsets in `struct seccomp_data` (linux/seccomp.h), on little-endian machines.
pub(crate) mod data {
    /// The number.
    pub(crate) const NR: u32 = 0;
    /// The `AUDIT_ARCH_*` value.
    pub(crate) const ARCH: u32 = 4;

    /// The lower half of an argument.
    pub(crate) fn low(index: u8) -> u32 {
        16 + 8 * u32::from(index)
    }

    /// The upper half of an argument.
    pub(crate) fn high(index: u8) -> u32 {
        low(index) + 4
    }
}

#[cfg(test)]
mod tests;
