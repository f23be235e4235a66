//! What a program does with a call's arguments: tests of their halves, and actions at the ends.
//!
//! Equal parts are kept once, so that what paths share can be seen, and ids grow from the ends upwards.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::Action;

/// A test or an end.
pub(super) type Id = usize;

/// A 32-bit half of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Half {
    pub(super) index: u8,
    pub(super) high: bool,
}

/// What is asked of a half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Test {
    /// The bits of `mask` equal `value`.
    Masked { mask: u32, value: u32 },
    /// At least this.
    AtLeast(u32),
}

/// A part of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    /// The end. Not exact where something that no policy can look at decides between several actions: then
    /// it is the strictest of them.
    End { action: Action, exact: bool },
    /// A test, and where it leads.
    Ask { half: Half, test: Test, yes: Id, no: Id },
}

/// All parts.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    nodes: Vec<Node>,
    ids: BTreeMap<Node, Id>,
}

impl Decisions {
    pub(super) fn get(&self, id: Id) -> Node {
        self.nodes.get(id).copied().unwrap_or(Node::End { action: Action::KillProcess, exact: false })
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    fn intern(&mut self, node: Node) -> Id {
        if let Some(id) = self.ids.get(&node) {
            return *id;
        }
        let id = self.nodes.len();
        self.nodes.push(node);
        self.ids.insert(node, id);
        id
    }

    pub(super) fn end(&mut self, action: Action) -> Id {
        self.intern(Node::End { action, exact: true })
    }

    /// The action of an end that is exact.
    pub(super) fn action(&self, id: Id) -> Option<Action> {
        match self.get(id) {
            Node::End { action, exact: true } => Some(action),
            _ => None,
        }
    }

    /// The bits of `mask` of a half equal `value`.
    pub(super) fn masked(&mut self, half: Half, mask: u32, value: u32, yes: Id, no: Id) -> Id {
        if value & !mask != 0 || yes == no {
            return no;
        }
        if mask == 0 {
            return yes;
        }
        self.intern(Node::Ask { half, test: Test::Masked { mask, value }, yes, no })
    }

    /// The bits of `mask` of a half are, as a number, at least `least`.
    pub(super) fn at_least(&mut self, half: Half, mask: u32, least: u32, yes: Id, no: Id) -> Id {
        let Some(least) = next_within(mask, least) else { return no };
        if least == 0 || yes == no {
            return yes;
        }
        if mask == u32::MAX {
            return self.intern(Node::Ask { half, test: Test::AtLeast(least), yes, no });
        }
        // Bit by bit, from the lowest: what lies above decides first.
        let mut node = yes;
        for bit in (0..32).map(|bit| 1_u32 << bit).filter(|bit| mask & bit != 0) {
            node = if least & bit != 0 {
                self.masked(half, bit, bit, node, no)
            } else {
                self.masked(half, bit, bit, yes, node)
            };
        }
        node
    }

    /// Whatever decides between these is not known: the strictest end of both.
    pub(super) fn either(&mut self, one: Id, other: Id) -> Id {
        if one == other {
            return one;
        }
        let action = self.strictest(one).max(self.strictest(other));
        self.intern(Node::End { action, exact: false })
    }

    /// All that a decision can come to, itself included.
    pub(super) fn below(&self, id: Id) -> BTreeSet<Id> {
        let mut found = BTreeSet::new();
        let mut waiting = vec![id];
        while let Some(id) = waiting.pop() {
            if found.insert(id)
                && let Node::Ask { yes, no, .. } = self.get(id)
            {
                waiting.extend([yes, no]);
            }
        }
        found
    }

    /// Whether `other` can come after `id`, or is it.
    pub(super) fn reaches(&self, id: Id, other: Id) -> bool {
        id == other || (other < id && self.below(id).contains(&other))
    }

    /// The strictest of its ends.
    pub(super) fn strictest(&self, id: Id) -> Action {
        let ends = self.below(id).into_iter().filter_map(|id| match self.get(id) {
            Node::End { action, .. } => Some(action),
            Node::Ask { .. } => None,
        });
        ends.max().unwrap_or(Action::KillProcess)
    }

    /// Whether every end is exact.
    pub(super) fn is_exact(&self, id: Id) -> bool {
        self.below(id).into_iter().all(|id| !matches!(self.get(id), Node::End { exact: false, .. }))
    }
}

/// The smallest number not below `least` that has no bits outside of `mask`.
fn next_within(mask: u32, least: u32) -> Option<u32> {
    let outside = least & !mask;
    if outside == 0 {
        return Some(least);
    }
    // The highest bit that cannot be had: a free bit above it must be set, and nothing below that one.
    let top = outside.ilog2();
    let free = (top + 1..32).find(|bit| mask >> bit & 1 == 1 && least >> bit & 1 == 0)?;
    let above = u64::from(least) >> free << free;
    u32::try_from(above).ok().map(|above| above | 1 << free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_within_a_mask() {
        for (mask, least) in
            [(0xf0_u32, 0x01_u32), (0x0f, 0x10), (0x5, 0x2), (0xa, 0x3), (0xa, 0xb), (u32::MAX, 7)]
        {
            let expected = (least..=0xff).find(|number| number & !mask == 0);
            assert_eq!(next_within(mask, least), expected, "{mask:x} {least:x}");
        }
    }

    #[test]
    fn comparing_masked_bits_is_comparing_the_number_that_they_are() {
        let half = Half { index: 0, high: false };
        for mask in 0..32_u32 {
            for least in 0..34_u32 {
                let mut all = Decisions::default();
                let (yes, no) = (all.end(Action::Allow), all.end(Action::Trap));
                let id = all.at_least(half, mask, least, yes, no);
                for value in 0..64_u32 {
                    let mut at = id;
                    while let Node::Ask { test, yes, no, .. } = all.get(at) {
                        let holds = match test {
                            Test::Masked { mask, value: wanted } => value & mask == wanted,
                            Test::AtLeast(least) => value >= least,
                        };
                        at = if holds { yes } else { no };
                    }
                    assert_eq!(at == yes, value & mask >= least, "{mask:x} {least:x} {value:x}");
                }
            }
        }
    }
}
