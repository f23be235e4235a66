//! Runs a program for a range of numbers at once, its arguments unknown.
//!
//! Where a range does not go one way as a whole, it is split, and each part is run anew. Jumps only go forward,
//! so the states that a part can be in are found from the program's start to its end, and its decision is put
//! together from the end to the start.

use std::collections::BTreeMap;

use crate::cbpf::{Instruction, Program, op, returned_action};

use super::decision::{Decisions, Half, Id};

/// Most parts of one ABI's numbers that are tried. Parts that turn out alike are joined, and count all the same.
const MOST_TRIED: usize = 16_384;
/// Most states of one part.
const MOST_STATES: usize = 8192;
/// Most decisions of a program.
const MOST_DECISIONS: usize = 16_384;

/// The numbers from the first to the second, both included, and how they are decided.
pub(super) type Part = (u32, u32, Id);

/// A program takes too many ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooComplex;

/// What a register holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Word {
    /// Something that a policy cannot look at.
    #[default]
    Unknown,
    Constant(u32),
    /// The number and this, which does not overflow within the part.
    Number(u32),
    /// Some bits of a half of an argument.
    Bits {
        half: Half,
        mask: u32,
    },
}

/// A state of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    a: Word,
    x: Word,
    scratch: [Word; 16],
}

/// What an instruction leads to.
enum Step {
    /// On to these, all of them possible.
    Next(Vec<(usize, State)>, Branch),
    Return(u32),
    /// What A holds is returned, and it is not known.
    ReturnUnknown,
    /// The numbers from this one on go another way.
    Split(u32),
}

/// What decides between the two next states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Branch {
    None,
    Equal {
        half: Half,
        mask: u32,
        value: u32,
    },
    AtLeast {
        half: Half,
        mask: u32,
        least: u64,
    },
    /// Any of these bits is set.
    AnySet {
        half: Half,
        mask: u32,
    },
    Unknown,
}

/// How the numbers of a range are decided, in order.
pub(super) fn parts(
    program: &Program,
    arch: u32,
    range: (u32, u32),
    decisions: &mut Decisions,
) -> Result<Vec<Part>, TooComplex> {
    let mut done: Vec<Part> = Vec::new();
    let mut waiting = vec![range];
    let mut tried = 0;
    while let Some((first, last)) = waiting.pop() {
        tried += 1;
        if tried > MOST_TRIED || decisions.len() > MOST_DECISIONS {
            return Err(TooComplex);
        }
        match decide(program, arch, (first, last), decisions)? {
            Ok(id) => match done.last_mut() {
                Some((_, end, other)) if *other == id && end.checked_add(1) == Some(first) => *end = last,
                _ => done.push((first, last, id)),
            },
            Err(from) => waiting.extend([(from, last), (first, from - 1)]),
        }
    }
    Ok(done)
}

/// How a part is decided, or where to split it.
fn decide(
    program: &Program,
    arch: u32,
    part: (u32, u32),
    decisions: &mut Decisions,
) -> Result<Result<Id, u32>, TooComplex> {
    let start = State { a: Word::Constant(0), x: Word::Constant(0), scratch: [Word::Unknown; 16] };
    let mut states: BTreeMap<(usize, State), Step> = BTreeMap::new();
    let mut waiting = vec![(0, start)];
    while let Some((at, state)) = waiting.pop() {
        if states.contains_key(&(at, state)) {
            continue;
        }
        if states.len() > MOST_STATES {
            return Err(TooComplex);
        }
        let step = run(program, (at, state), arch, part);
        match &step {
            Step::Split(from) => return Ok(Err(*from)),
            Step::Next(next, _) => waiting.extend(next.iter().copied()),
            Step::Return(_) | Step::ReturnUnknown => {}
        }
        states.insert((at, state), step);
    }
    let mut decided: BTreeMap<(usize, State), Id> = BTreeMap::new();
    for (key, step) in states.iter().rev() {
        let id = match step {
            Step::Return(value) => decisions.end(returned_action(*value)),
            Step::ReturnUnknown | Step::Split(_) => {
                let (strict, other) = (
                    decisions.end(sandprint_model::Action::KillProcess),
                    decisions.end(sandprint_model::Action::Allow),
                );
                decisions.either(strict, other)
            }
            Step::Next(next, branch) => {
                let mut ids = next.iter().filter_map(|key| decided.get(key).copied());
                let (Some(yes), no) = (ids.next(), ids.next()) else { return Err(TooComplex) };
                join(decisions, *branch, yes, no.unwrap_or(yes))
            }
        };
        decided.insert(*key, id);
    }
    decided.get(&(0, start)).map(|id| Ok(*id)).ok_or(TooComplex)
}

/// Runs on to where the way parts, or ends.
fn run(program: &Program, (mut at, mut state): (usize, State), arch: u32, part: (u32, u32)) -> Step {
    loop {
        let Some(instruction) = program.0.get(at) else { return Step::Return(0) };
        match step(*instruction, at, state, arch, part) {
            Step::Next(next, Branch::None) => match next.as_slice() {
                [(after, then)] => (at, state) = (*after, *then),
                _ => return Step::Next(next, Branch::None),
            },
            other => return other,
        }
    }
}

fn join(decisions: &mut Decisions, branch: Branch, yes: Id, no: Id) -> Id {
    match branch {
        Branch::None => yes,
        Branch::Equal { half, mask, value } => decisions.masked(half, mask, value, yes, no),
        Branch::AtLeast { half, mask, least } => match u32::try_from(least) {
            Ok(least) => decisions.at_least(half, mask, least, yes, no),
            Err(_never) => no,
        },
        Branch::AnySet { half, mask } => decisions.masked(half, mask, 0, no, yes),
        Branch::Unknown => decisions.either(yes, no),
    }
}

fn step(instruction: Instruction, at: usize, mut state: State, arch: u32, part: (u32, u32)) -> Step {
    let Instruction { code, k, .. } = instruction;
    let next = at + 1;
    let cell = usize::try_from(k).unwrap_or(usize::MAX);
    let scratch = |state: &State| state.scratch.get(cell).copied().unwrap_or_default();
    match code {
        op::LD_ABS => state.a = load(k, arch),
        op::LOAD_LENGTH => state.a = Word::Constant(64),
        op::LOAD_X_LENGTH => state.x = Word::Constant(64),
        op::LOAD_IMMEDIATE => state.a = Word::Constant(k),
        op::LOAD_X_IMMEDIATE => state.x = Word::Constant(k),
        op::LOAD_SCRATCH => state.a = scratch(&state),
        op::LOAD_X_SCRATCH => state.x = scratch(&state),
        op::STORE | op::STORE_X => {
            let value = if code == op::STORE { state.a } else { state.x };
            if let Some(slot) = state.scratch.get_mut(cell) {
                *slot = value;
            }
        }
        op::A_TO_X => state.x = state.a,
        op::X_TO_A => state.a = state.x,
        op::RETURN => return Step::Return(k),
        op::RETURN_A => {
            return match state.a {
                Word::Constant(value) => Step::Return(value),
                _ => Step::ReturnUnknown,
            };
        }
        op::JUMP => return Step::Next(vec![(next.saturating_add(cell), state)], Branch::None),
        _ if code & op::CLASS == op::CLASS_JUMP => return jump(instruction, next, state, part),
        _ => match arithmetic(instruction, state, part) {
            Ok(word) => state.a = word,
            Err(from) => return Step::Split(from),
        },
    }
    Step::Next(vec![(next, state)], Branch::None)
}

/// The word at an offset of the data.
fn load(offset: u32, arch: u32) -> Word {
    match offset {
        0 => Word::Number(0),
        4 => Word::Constant(arch),
        16..=60 => {
            let index = u8::try_from((offset - 16) / 8).unwrap_or(u8::MAX);
            Word::Bits { half: Half { index, high: offset % 8 == 4 }, mask: u32::MAX }
        }
        // The instruction pointer.
        _ => Word::Unknown,
    }
}

fn operand(instruction: Instruction, state: State) -> Word {
    if instruction.code & op::OPERAND_X == 0 { Word::Constant(instruction.k) } else { state.x }
}

/// Where a part must be split so that each side has one value in each of these bits of the number and `added`;
/// none where it has that already.
fn split_at_bits((first, last): (u32, u32), added: u32, bits: u32) -> Option<u32> {
    let (low, high) = (first.wrapping_add(added), last.wrapping_add(added));
    let differ = low ^ high;
    if differ == 0 {
        return None;
    }
    let top = differ.ilog2();
    let changing = u32::MAX >> (31 - top);
    (bits & changing != 0).then(|| (high >> top << top).wrapping_sub(added))
}

fn arithmetic(instruction: Instruction, state: State, part: (u32, u32)) -> Result<Word, u32> {
    let operation = instruction.code & op::OPERATION;
    let negated = instruction.code == op::NEGATE;
    let operand = operand(instruction, state);
    Ok(match (state.a, operand) {
        (Word::Constant(a), _) if negated => Word::Constant(a.wrapping_neg()),
        _ if negated => Word::Unknown,
        (Word::Constant(a), Word::Constant(k)) => {
            crate::cbpf::arithmetic(operation, a, k).map_or(Word::Unknown, Word::Constant)
        }
        (Word::Bits { half, mask }, Word::Constant(k)) if operation == op::OPERATION_AND => {
            if mask & k == 0 {
                Word::Constant(0)
            } else {
                Word::Bits { half, mask: mask & k }
            }
        }
        (Word::Number(added), Word::Constant(k)) => match operation {
            op::OPERATION_AND => {
                if let Some(from) = split_at_bits(part, added, !k) {
                    return Err(from);
                }
                let cleared = part.0.wrapping_add(added) & !k;
                moved(part, added.wrapping_sub(cleared))
            }
            0x00 => no_overflow(part, added, added.wrapping_add(k))?,
            0x10 => no_overflow(part, added, added.wrapping_sub(k))?,
            _ => Word::Unknown,
        },
        _ => Word::Unknown,
    })
}

fn moved((first, last): (u32, u32), added: u32) -> Word {
    if first == last { Word::Constant(first.wrapping_add(added)) } else { Word::Number(added) }
}

/// The number and `added`, split where that overflows.
fn no_overflow(part: (u32, u32), _before: u32, added: u32) -> Result<Word, u32> {
    let overflows_at = 0_u32.wrapping_sub(added);
    if added != 0 && part.0 < overflows_at && overflows_at <= part.1 {
        Err(overflows_at)
    } else {
        Ok(moved(part, added))
    }
}

fn jump(instruction: Instruction, next: usize, state: State, part: (u32, u32)) -> Step {
    let to = |skip: u8| (next + usize::from(skip), state);
    let (yes, no) = (to(instruction.jump_true), to(instruction.jump_false));
    let operation = instruction.code & op::OPERATION;
    let one = |holds: bool| Step::Next(vec![if holds { yes } else { no }], Branch::None);
    let both = |branch| Step::Next(vec![yes, no], branch);
    match (state.a, operand(instruction, state)) {
        _ if yes.0 == no.0 => one(true),
        (Word::Constant(a), Word::Constant(k)) => one(crate::cbpf::compare(operation, a, k)),
        (Word::Number(added), Word::Constant(k)) => {
            let (low, high) = (part.0.wrapping_add(added), part.1.wrapping_add(added));
            let from = match operation {
                op::OPERATION_JEQ | op::OPERATION_JGE if low < k && k <= high => Some(k),
                op::OPERATION_JEQ if low == k && k < high => Some(k + 1),
                op::OPERATION_JGT if low <= k && k < high => Some(k + 1),
                op::OPERATION_JSET => split_at_bits(part, added, k).map(|from| from.wrapping_add(added)),
                _ => None,
            };
            match from {
                Some(from) => Step::Split(from.wrapping_sub(added)),
                None => one(crate::cbpf::compare(operation, low, k)),
            }
        }
        (Word::Bits { half, mask }, Word::Constant(k)) => both(match operation {
            op::OPERATION_JEQ => Branch::Equal { half, mask, value: k },
            op::OPERATION_JGT => Branch::AtLeast { half, mask, least: u64::from(k) + 1 },
            op::OPERATION_JGE => Branch::AtLeast { half, mask, least: u64::from(k) },
            _ => Branch::AnySet { half, mask: mask & k },
        }),
        _ => both(Branch::Unknown),
    }
}
