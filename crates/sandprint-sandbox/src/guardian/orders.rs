//! How a guardian is to answer: a classic BPF program, in memory that it shares with the process that it stands in for.
//!
//! The program says of each reported call what a filter would say of it (`SECCOMP_RET_*`). It may be replaced at any
//! time while this process lives; the guardian looks at it only after that. There is room for two, so that the one in
//! force is whole at every instant.
//!
//! Deciding asks for no memory and cannot panic: it happens between a fork and its end.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::notify::Notification;
use crate::shared::SharedWords;

/// The longest program (`BPF_MAXINSNS`, `linux/bpf_common.h`).
const MOST_INSTRUCTIONS: usize = 4096;
/// A length, and the instructions.
const ROOM: usize = 1 + MOST_INSTRUCTIONS;

/// Answers, for a time when nobody of this process is left to give them.
#[derive(Debug)]
pub struct Orders {
    /// Which of the two is in force, and both.
    words: SharedWords,
}

impl Orders {
    /// As the program says: 8 bytes an instruction, as `struct sock_filter` lies in memory.
    pub fn of(program: &[u8]) -> io::Result<Orders> {
        let orders = Orders { words: SharedWords::new(1 + 2 * ROOM)? };
        orders.replace(program)?;
        Ok(orders)
    }

    /// Every call goes on.
    pub fn all_go_on() -> io::Result<Orders> {
        // BPF_RET | BPF_K, and SECCOMP_RET_ALLOW.
        let [k0, k1, k2, k3] = libc::SECCOMP_RET_ALLOW.to_ne_bytes();
        Orders::of(&[0x06, 0, 0, 0, k0, k1, k2, k3])
    }

    /// From now on as this program says. One at a time replaces it.
    pub fn replace(&self, program: &[u8]) -> io::Result<()> {
        let (instructions, rest) = program.as_chunks::<8>();
        if instructions.is_empty() || instructions.len() > MOST_INSTRUCTIONS || !rest.is_empty() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let Some((in_force, both)) = self.words.split_first() else { return Ok(()) };
        let next = 1 - in_force.load(Ordering::Relaxed).min(1);
        let Some((length, room)) = half(both, next).and_then(<[AtomicU64]>::split_first) else {
            return Ok(());
        };
        for (place, instruction) in room.iter().zip(instructions) {
            place.store(u64::from_ne_bytes(*instruction), Ordering::Relaxed);
        }
        length.store(u64::try_from(instructions.len()).unwrap_or_default(), Ordering::Relaxed);
        in_force.store(next, Ordering::Release);
        Ok(())
    }

    /// What a filter of this program would return for a call. What is no program lets everything go on.
    pub(crate) fn decide(&self, call: &Notification) -> u32 {
        let decide = || {
            let (in_force, both) = self.words.split_first()?;
            let (length, room) = half(both, in_force.load(Ordering::Acquire).min(1))?.split_first()?;
            let length = usize::try_from(length.load(Ordering::Relaxed)).ok()?;
            run(room.get(..length)?, call)
        };
        decide().unwrap_or(libc::SECCOMP_RET_ALLOW)
    }
}

fn half(both: &[AtomicU64], which: u64) -> Option<&[AtomicU64]> {
    let (first, second) = both.split_at_checked(ROOM)?;
    Some(if which == 0 { first } else { second })
}

/// A word of `struct seccomp_data`, on a little-endian machine.
fn word(call: &Notification, offset: u32) -> Option<u32> {
    let half = |value: u64, upper: bool| {
        u32::try_from(if upper { value >> 32 } else { value & u64::from(u32::MAX) }).ok()
    };
    match offset {
        0 => Some(call.nr),
        4 => Some(call.audit_arch),
        8 | 12 => half(call.instruction_pointer, offset == 12),
        16..=60 if offset.is_multiple_of(4) => {
            let index = usize::try_from((offset - 16) / 8).ok()?;
            half(*call.args.get(index)?, offset % 8 == 4)
        }
        _ => None,
    }
}

/// Runs a program of the instructions that seccomp takes (`linux/bpf_common.h`; `seccomp_check_filter` in the kernel).
/// `None` for anything else.
fn run(program: &[AtomicU64], call: &Notification) -> Option<u32> {
    let (mut a, mut x, mut scratch) = (0_u32, 0_u32, [0_u32; 16]);
    let mut at = 0_usize;
    // Jumps only go forward.
    while let Some(instruction) = program.get(at) {
        let [c0, c1, then, otherwise, k0, k1, k2, k3] = instruction.load(Ordering::Relaxed).to_ne_bytes();
        let (code, k) = (u16::from_ne_bytes([c0, c1]), u32::from_ne_bytes([k0, k1, k2, k3]));
        let index = usize::try_from(k).unwrap_or(usize::MAX);
        let operand = if code & 0x08 == 0 { k } else { x };
        at = at.checked_add(1)?;
        match code {
            0x20 => a = word(call, k)?,
            0x00 => a = k,
            0x01 => x = k,
            // The size of struct seccomp_data.
            0x80 => a = 64,
            0x81 => x = 64,
            0x60 => a = *scratch.get(index)?,
            0x61 => x = *scratch.get(index)?,
            0x02 => *scratch.get_mut(index)? = a,
            0x03 => *scratch.get_mut(index)? = x,
            0x07 => x = a,
            0x87 => a = x,
            0x06 => return Some(k),
            0x16 => return Some(a),
            0x04 | 0x0c => a = a.wrapping_add(operand),
            0x14 | 0x1c => a = a.wrapping_sub(operand),
            0x24 | 0x2c => a = a.wrapping_mul(operand),
            // As the kernel has it for a divisor in X: the program ends with 0.
            0x34 | 0x3c => match a.checked_div(operand) {
                Some(quotient) => a = quotient,
                None => return Some(0),
            },
            0x44 | 0x4c => a |= operand,
            0x54 | 0x5c => a &= operand,
            0x64 | 0x6c => a = a.wrapping_shl(operand),
            0x74 | 0x7c => a = a.wrapping_shr(operand),
            0x84 => a = a.wrapping_neg(),
            0xa4 | 0xac => a ^= operand,
            0x05 => at = at.checked_add(index)?,
            0x15 | 0x1d | 0x25 | 0x2d | 0x35 | 0x3d | 0x45 | 0x4d => {
                let holds = match code & 0xf0 {
                    0x10 => a == operand,
                    0x20 => a > operand,
                    0x30 => a >= operand,
                    _ => a & operand != 0,
                };
                at = at.checked_add(usize::from(if holds { then } else { otherwise }))?;
            }
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instruction(code: u16, then: u8, otherwise: u8, k: u32) -> [u8; 8] {
        let ([c0, c1], [k0, k1, k2, k3]) = (code.to_ne_bytes(), k.to_ne_bytes());
        [c0, c1, then, otherwise, k0, k1, k2, k3]
    }

    fn call(nr: u32, third: u64) -> Notification {
        Notification {
            id: 1,
            tid: 1,
            audit_arch: 7,
            nr,
            instruction_pointer: 0x1_0000_0002,
            args: [0, 0, third, 0, 0, 0],
        }
    }

    /// 40 fails with 5, unless the third argument's upper half is 9; all else is what A holds at the end.
    fn program(other: u32) -> Vec<u8> {
        [
            instruction(0x20, 0, 0, 0),
            instruction(0x15, 0, 3, 40),
            instruction(0x20, 0, 0, 36),
            instruction(0x15, 1, 0, 9),
            instruction(0x06, 0, 0, 0x0005_0005),
            instruction(0x00, 0, 0, other - 1),
            instruction(0x04, 0, 0, 1),
            instruction(0x16, 0, 0, 0),
        ]
        .concat()
    }

    #[test]
    fn calls_are_decided_as_the_latest_program_says() {
        let orders = Orders::of(&program(11)).unwrap();
        for other in [11, 12, 13] {
            orders.replace(&program(other)).unwrap();
            assert_eq!(orders.decide(&call(40, 9)), 0x0005_0005);
            assert_eq!(orders.decide(&call(40, 9 << 32)), other);
            assert_eq!(orders.decide(&call(41, 0)), other);
        }
        for wrong in [Vec::new(), vec![0; 7], vec![0; 8 * 4097]] {
            assert!(orders.replace(&wrong).is_err());
        }
        assert_eq!(orders.decide(&call(41, 0)), 13);
    }

    #[test]
    fn every_instruction_does_what_the_kernel_does() {
        let give = instruction(0x16, 0, 0, 0);
        let k = |code, k| instruction(code, 0, 0, k);
        let cases: [(&[[u8; 8]], u32); 18] = [
            (&[k(0x20, 4)], 7),
            (&[k(0x20, 8)], 2),
            (&[k(0x20, 12)], 1),
            (&[k(0x80, 0)], 64),
            (&[k(0x81, 0), k(0x87, 0)], 64),
            (&[k(0x00, 6), k(0x07, 0), k(0x2c, 0)], 36),
            (&[k(0x00, 6), k(0x02, 15), k(0x00, 1), k(0x61, 15), k(0x0c, 0)], 7),
            (&[k(0x01, 6), k(0x03, 0), k(0x60, 0)], 6),
            (&[k(0x00, 6), k(0x14, 7)], u32::MAX),
            (&[k(0x00, 6), k(0x34, 4)], 1),
            (&[k(0x00, 6), k(0x44, 1)], 7),
            (&[k(0x00, 6), k(0x54, 3)], 2),
            (&[k(0x00, 6), k(0x64, 2)], 24),
            (&[k(0x00, 6), k(0x74, 1)], 3),
            (&[k(0x00, 6), k(0x84, 0)], 6_u32.wrapping_neg()),
            (&[k(0x00, 6), k(0xa4, 2)], 4),
            (&[k(0x00, 6), k(0x3c, 0)], 0),
            (&[k(0x05, 1), k(0x06, 1), k(0x00, 3)], 3),
        ];
        for (instructions, expected) in cases {
            let orders = Orders::of(&[instructions.concat(), give.to_vec()].concat()).unwrap();
            assert_eq!(orders.decide(&call(0, 0)), expected, "{instructions:?}");
        }
        for (code, then) in [(0x15, 6), (0x25, 5), (0x35, 6), (0x45, 2)] {
            let words = [k(0x00, 6), instruction(code, 0, 1, then), k(0x06, 1), k(0x06, 2)];
            assert_eq!(Orders::of(&words.concat()).unwrap().decide(&call(0, 0)), 1, "{code:#x}");
            let words = [k(0x00, 0), instruction(code, 0, 1, 9), k(0x06, 1), k(0x06, 2)];
            assert_eq!(Orders::of(&words.concat()).unwrap().decide(&call(0, 0)), 2, "{code:#x}");
        }
    }

    #[test]
    fn without_orders_calls_go_on() {
        assert_eq!(Orders::all_go_on().unwrap().decide(&call(40, 0)), libc::SECCOMP_RET_ALLOW);
        // Neither an instruction of seccomp's nor an end.
        for words in [[0x30, 0, 0, 0, 0, 0, 0, 0], [0x20, 0, 0, 0, 64, 0, 0, 0], [0; 8]] {
            let orders = Orders::of(&words).unwrap();
            assert_eq!(orders.decide(&call(40, 0)), libc::SECCOMP_RET_ALLOW, "{words:?}");
        }
    }
}
