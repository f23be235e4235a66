//! Random classic BPF programs: those that the kernel takes, and those with something wrong.

use sandprint_policy::cbpf::{Instruction, Program};

use crate::child::{ALLOW, ERRNO, instruction};
use testkit::hostile::numbers::Numbers;

/// Values at which something may change.
const VALUES: [u32; 16] = [
    0,
    1,
    2,
    7,
    12,
    31,
    32,
    63,
    64,
    0xff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x0005_0001,
];

/// Scratch cells that every program fills first, and so may read.
const FILLED: u32 = 4;

/// The actions of all kernels, and two values that none knows (linux/seccomp.h).
const ACTIONS: [u32; 10] = [
    0x7fff_0000,
    0x7ffc_0000,
    0x7ff0_0000,
    0x7fc0_0000,
    0x0005_0000,
    0x0003_0000,
    0x0000_0000,
    0x8000_0000,
    0x0001_0000,
    0x7ffe_0000,
];

/// A word: often one of few, so that comparisons sometimes hold.
pub(crate) fn value(numbers: &mut Numbers) -> u32 {
    match numbers.below(4) {
        0 => u32::try_from(numbers.any() & 0xffff_ffff).unwrap(),
        _ => VALUES[numbers.below(VALUES.len())],
    }
}

/// An argument register.
pub(crate) fn argument(numbers: &mut Numbers) -> u64 {
    u64::from(value(numbers)) << 32 | u64::from(value(numbers))
}

/// A number that no kernel gives to a call, in either ABI of x86-64, and as a negative one.
pub(crate) fn unused_number(numbers: &mut Numbers) -> u32 {
    let number = 1000 + u32::try_from(numbers.below(0x0fff_0000)).unwrap();
    match numbers.below(6) {
        0 => number | 1 << 30,
        1 => number | 1 << 31,
        2 => u32::MAX,
        3 => 1000 + number % 5,
        _ => number,
    }
}

/// A program that the kernel takes, of about that length.
pub(crate) fn valid(numbers: &mut Numbers, length: usize) -> Program {
    let mut code = Vec::new();
    for cell in 0..FILLED {
        // The first cell takes what A is at the start.
        if cell > 0 {
            code.push(instruction(0x20, 0, 0, 4 * u32::try_from(numbers.below(16)).unwrap()));
        }
        code.push(instruction(0x02, 0, 0, cell));
    }
    while code.len() < length {
        let room = length - code.len();
        step(numbers, room, &mut code);
    }
    // What is skipped to is always there.
    let farthest = code.iter().enumerate().map(|(at, one)| at + 1 + reach(*one)).max().unwrap();
    while code.len() < farthest {
        code.push(instruction(0xa4, 0, 0, value(numbers)));
    }
    returns(numbers, &mut code);
    Program(code)
}

/// How far an instruction may jump.
fn reach(Instruction { code, jump_true, jump_false, k }: Instruction) -> usize {
    match code {
        0x05 => usize::try_from(k).unwrap(),
        _ if code & 7 == 5 => usize::from(jump_true.max(jump_false)),
        _ => 0,
    }
}

fn step(numbers: &mut Numbers, room: usize, code: &mut Vec<Instruction>) {
    let word = value(numbers);
    let cell = u32::try_from(numbers.below(16)).unwrap();
    match numbers.below(16) {
        0..=3 => code.push(instruction(0x20, 0, 0, 4 * cell)),
        4 => code.push(instruction([0x00, 0x01, 0x80, 0x81][numbers.below(4)], 0, 0, word)),
        5 => code.push(instruction([0x60, 0x61][numbers.below(2)], 0, 0, cell % FILLED)),
        6 => code.push(instruction([0x02, 0x03][numbers.below(2)], 0, 0, cell)),
        7 => code.push(instruction([0x07, 0x87, 0x84][numbers.below(3)], 0, 0, word)),
        8..=9 => {
            let operation = [0x04, 0x14, 0x24, 0x34, 0x44, 0x54, 0x64, 0x74, 0xa4][numbers.below(9)];
            let k = match operation {
                0x34 => word.max(1),
                0x64 | 0x74 => word % 32,
                _ => word,
            };
            code.push(instruction(operation, 0, 0, k));
        }
        10 => {
            // Division by X comes seldom: an X of 0 is an end.
            let operation =
                [0x0c, 0x1c, 0x2c, 0x4c, 0x5c, 0x6c, 0x7c, 0xac, 0x6c, 0x7c, 0x3c][numbers.below(11)];
            code.push(instruction(operation, 0, 0, word));
        }
        11..=13 => {
            let operation = [0x15, 0x25, 0x35, 0x45, 0x1d, 0x2d, 0x3d, 0x4d][numbers.below(8)];
            let skip = |numbers: &mut Numbers| match numbers.below(12) {
                0 => u8::try_from(numbers.below(room.min(256))).unwrap(),
                _ => u8::try_from(numbers.below(room.min(5))).unwrap(),
            };
            let (jump_true, jump_false) = (skip(numbers), skip(numbers));
            code.push(instruction(operation, jump_true, jump_false, word));
        }
        14 => {
            let most = if numbers.below(8) == 0 { room } else { room.min(6) };
            code.push(instruction(0x05, 0, 0, u32::try_from(numbers.below(most)).unwrap()));
        }
        _ if numbers.below(3) == 0 => returns(numbers, code),
        _ => {}
    }
}

/// A return: of an errno most often, computed or not.
fn returns(numbers: &mut Numbers, code: &mut Vec<Instruction>) {
    let low = u32::try_from(numbers.below(0x1_0000)).unwrap();
    match numbers.below(20) {
        0..=11 => {
            code.push(instruction(0x54, 0, 0, 0xfff));
            code.push(instruction(0x44, 0, 0, ERRNO));
            code.push(instruction(0x16, 0, 0, 0));
        }
        12..=15 => code.push(instruction(0x06, 0, 0, ERRNO | (low % 4095 + 1))),
        16..=17 => code.push(instruction(0x06, 0, 0, ALLOW | low)),
        18 => code.push(instruction(0x06, 0, 0, ACTIONS[numbers.below(ACTIONS.len())] | low)),
        _ => code.push(instruction(0x16, 0, 0, 0)),
    }
}

/// A program with a few changes, after which the kernel may take it or not.
pub(crate) fn changed(numbers: &mut Numbers) -> Program {
    let length = 1 + numbers.below(24);
    let Program(mut code) = valid(numbers, length);
    if numbers.below(2) == 0 {
        // Without the cells that were filled.
        code.drain(..usize::try_from(2 * FILLED - 1).unwrap());
    }
    for _ in 0..numbers.below(4) {
        let at = numbers.below(code.len());
        let other = numbers.below(code.len());
        let word = value(numbers);
        match numbers.below(9) {
            0 => code[at].code = u16::try_from(word & 0xffff).unwrap(),
            1 => code[at].code = u16::try_from(numbers.below(256)).unwrap(),
            2 => code[at].code ^= 1 << numbers.below(9),
            3 => code[at].k = word,
            4 => code[at].k = u32::try_from(numbers.below(70)).unwrap(),
            5 => code[at].jump_true = u8::try_from(numbers.below(30)).unwrap(),
            6 => code[at].jump_false = u8::try_from(numbers.below(30)).unwrap(),
            7 => code.swap(at, other),
            _ if code.len() > 1 => drop(code.remove(at)),
            _ => {}
        }
    }
    // Cells are read that some path, or none, has stored something in.
    for _ in 0..numbers.below(3) {
        let at = numbers.below(code.len());
        let code_of_cell = [0x02, 0x03, 0x60, 0x61, 0x06, 0x16, 0x05][numbers.below(7)];
        code.insert(at, instruction(code_of_cell, 0, 0, u32::try_from(numbers.below(3)).unwrap()));
    }
    Program(code)
}
