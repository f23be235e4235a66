//! Puts a program together from its end to its start, so that every jump goes to what is there already.
//!
//! A conditional jump reaches 255 instructions; where its target is further, an unconditional one, which
//! reaches any, stands in between.

use super::{Instruction, Program, op};

/// A place in the program: how many instructions follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Label(usize);

impl Label {
    /// Whether at most that many instructions lie between this place and a later one.
    pub(super) fn is_within(self, later: Label, instructions: usize) -> bool {
        self.0.saturating_sub(later.0) <= instructions
    }
}

/// The farthest that a conditional jump reaches.
const REACH: usize = 255;

#[derive(Debug, Default)]
pub(super) struct Assembler {
    /// Last instruction first.
    reversed: Vec<Instruction>,
}

impl Assembler {
    /// Puts an instruction before all others; control goes on to what was first.
    pub(super) fn push(&mut self, code: u16, k: u32) -> Label {
        self.reversed.push(Instruction { code, jump_true: 0, jump_false: 0, k });
        Label(self.reversed.len() - 1)
    }

    /// The place of what is first now.
    pub(super) fn first(&self) -> Option<Label> {
        self.reversed.len().checked_sub(1).map(Label)
    }

    /// Makes sure that control, falling through from what is pushed next, arrives at `target`.
    pub(super) fn fall_into(&mut self, target: Label) {
        if self.first() != Some(target) {
            self.jump(target);
        }
    }

    fn jump(&mut self, target: Label) -> Label {
        let distance = self.distance(target);
        // A program has at most 4096 instructions, or is refused as a whole.
        self.push(op::JUMP, u32::try_from(distance).unwrap_or(u32::MAX))
    }

    /// How many instructions the next pushed one would skip to arrive at `target`.
    fn distance(&self, target: Label) -> usize {
        self.reversed.len() - 1 - target.0
    }

    /// Puts a comparison of the accumulator before all others.
    pub(super) fn branch(&mut self, code: u16, k: u32, if_true: Label, if_false: Label) -> Label {
        if if_true == if_false {
            self.fall_into(if_true);
            return if_true;
        }
        // The far one first: putting a jump for one in between takes the other one further away.
        let mut targets = [if_true, if_false];
        for index in [0, 1] {
            // One more for a jump that the other target may still need.
            if let Some(target) = targets.get_mut(index)
                && self.distance(*target) + 1 > REACH
            {
                *target = self.jump(*target);
            }
        }
        let [if_true, if_false] = targets;
        let (jump_true, jump_false) = (self.distance(if_true), self.distance(if_false));
        self.reversed.push(Instruction {
            code,
            jump_true: u8::try_from(jump_true).unwrap_or(u8::MAX),
            jump_false: u8::try_from(jump_false).unwrap_or(u8::MAX),
            k,
        });
        Label(self.reversed.len() - 1)
    }

    /// How many instructions there are.
    pub(super) fn len(&self) -> usize {
        self.reversed.len()
    }

    /// The program, first instruction first.
    pub(super) fn finish(mut self) -> Program {
        self.reversed.reverse();
        Program(self.reversed)
    }
}
