//! The values of one argument that satisfy its conditions, whatever these are: as masked comparisons, and as ordered
//! ones where those are fewer.
//!
//! Several values that are refused share most of what tells them from all others; so the complement of a set is one
//! walk down its bits, from the highest to the lowest, and not a product of the complements of each value: 34
//! comparisons for two values of 32 bits, not 32 times 32. The same set gives the same comparisons, whatever the
//! conditions that it came from.

use sandprint_model::{Abi, Comparison, Width};

use super::alternatives::{Atom, Test};

/// How many steps a walk may take: conditions on bits that have nothing to do with each other double it at each.
const MOST_STEPS: usize = 1 << 13;

/// The lower half of an argument.
pub(super) const LOWER_HALF: u64 = 0xffff_ffff;

/// The values whose bits under `mask` are `value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Block {
    /// The bits that are looked at.
    pub(super) mask: u64,
    /// What they are; zero elsewhere.
    pub(super) value: u64,
}

impl Block {
    /// As a comparison of 64 bits.
    pub(super) fn comparison(self) -> Comparison {
        match self.mask {
            u64::MAX => Comparison::Equal(self.value),
            mask => Comparison::MaskedEqual { mask, value: self.value },
        }
    }

    fn without(self, bit: u64) -> Block {
        Block { mask: self.mask & !bit, value: self.value & !bit }
    }

    fn lower_half(self) -> Block {
        Block { mask: self.mask & LOWER_HALF, value: self.value & LOWER_HALF }
    }
}

/// The blocks, none of which meets another, that together hold the values for which all atoms of any of these
/// conjunctions hold; `None` where there are more than `most`, or it takes too long to find them.
pub(super) fn blocks(abi: Abi, any_of: &[Vec<Atom>], most: usize) -> Option<Vec<Block>> {
    let mut walk = Walk { any_of, steps: 0, most };
    // The upper half of a 32-bit register is always zero.
    let is_narrow = is_32_bit(abi);
    let known = Block { mask: if is_narrow { !LOWER_HALF } else { 0 }, value: 0 };
    let mut found = walk.below(known)?;
    if is_narrow {
        found = found.into_iter().map(Block::lower_half).collect();
    }
    found.sort_unstable();
    Some(found)
}

/// Whether the ABI's argument registers hold 32 bits: libseccomp then looks at the lower half only.
pub(super) fn is_32_bit(abi: Abi) -> bool {
    matches!(abi, Abi::Arm | Abi::I386)
}

/// The 64-bit comparisons, each on its own, that together hold for the values of these blocks; fewer than the blocks
/// where the values are those at an end, or all but one.
pub(super) fn comparisons(blocks: &[Block]) -> Vec<Comparison> {
    let mut intervals: Vec<(u64, u64)> = Vec::new();
    let mut sorted: Vec<&Block> = blocks.iter().collect();
    sorted.sort_unstable_by_key(|block| block.value);
    for block in sorted {
        let is_interval = !block.mask == 0 || (!block.mask).wrapping_add(1).is_power_of_two();
        if !is_interval {
            return blocks.iter().map(|block| block.comparison()).collect();
        }
        let (first, last) = (block.value, block.value | !block.mask);
        match intervals.last_mut() {
            Some((_, end)) if end.checked_add(1) == Some(first) => *end = last,
            _ => intervals.push((first, last)),
        }
    }
    if let [(0, before), (after, u64::MAX)] = intervals[..]
        && before + 2 == after
    {
        return vec![Comparison::NotEqual(before + 1)];
    }
    let mut found = Vec::new();
    for (first, last) in intervals {
        match (first, last) {
            (0, last) if last > 0 && last < u64::MAX => found.push(Comparison::Less(last + 1)),
            (first, u64::MAX) if first > 0 && first < u64::MAX => found.push(Comparison::Greater(first - 1)),
            _ => {
                let within = blocks.iter().filter(|block| block.value >= first && block.value <= last);
                found.extend(within.map(|block| block.comparison()));
            }
        }
    }
    found
}

struct Walk<'a> {
    any_of: &'a [Vec<Atom>],
    steps: usize,
    most: usize,
}

impl Walk<'_> {
    /// The blocks among the values of which so much is known.
    fn below(&mut self, known: Block) -> Option<Vec<Block>> {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return None;
        }
        let bit = match self.decided(known) {
            Decided::All => return Some(vec![known]),
            Decided::None => return Some(Vec::new()),
            Decided::ByBits(bits) => 1_u64 << bits.ilog2(),
        };
        let mask = known.mask | bit;
        let clear = self.below(Block { mask, value: known.value })?;
        let set = self.below(Block { mask, value: known.value | bit })?;
        // What is in both does not depend on the bit.
        let (mut found, mut others) = (Vec::new(), Vec::new());
        for block in set {
            if clear.contains(&Block { value: block.value & !bit, ..block }) {
                found.push(block.without(bit));
            } else {
                others.push(block);
            }
        }
        others.extend(clear.into_iter().filter(|block| !found.contains(&block.without(bit))));
        found.extend(others);
        (found.len() <= self.most).then_some(found)
    }

    fn decided(&self, known: Block) -> Decided {
        let mut open = 0;
        for conjunction in self.any_of {
            let mut bits = 0;
            let mut holds = Some(true);
            for atom in conjunction {
                match decided(atom, known) {
                    Some(true) => {}
                    Some(false) => {
                        holds = Some(false);
                        break;
                    }
                    None => {
                        holds = None;
                        bits |= looked_at(atom) & !known.mask;
                    }
                }
            }
            match holds {
                Some(true) => return Decided::All,
                Some(false) => {}
                None => open |= bits,
            }
        }
        if open == 0 { Decided::None } else { Decided::ByBits(open) }
    }
}

/// Whether values of which so much is known satisfy the conjunctions.
enum Decided {
    All,
    None,
    /// It depends on these bits.
    ByBits(u64),
}

fn width_mask(atom: &Atom) -> u64 {
    match atom.width {
        Width::Bits32 => LOWER_HALF,
        Width::Bits64 => u64::MAX,
    }
}

/// The bits that an atom depends on.
fn looked_at(atom: &Atom) -> u64 {
    match atom.test {
        Test::Is(Comparison::MaskedEqual { mask, .. }) | Test::MaskedNotEqual { mask, .. } => {
            mask & width_mask(atom)
        }
        Test::Is(_) => width_mask(atom),
    }
}

/// Whether an atom holds for the values of which so much is known; `None` where that depends.
fn decided(atom: &Atom, known: Block) -> Option<bool> {
    let all = width_mask(atom);
    let least = known.value & all;
    let most = (known.value | !known.mask) & all;
    let equal = |mask: u64, value: u64| {
        if (known.value ^ value) & known.mask & mask != 0 || value & !mask != 0 {
            Some(false)
        } else {
            (mask & !known.mask == 0).then_some(true)
        }
    };
    // Whether all values are below a limit, or none.
    let below = |limit: u64| match (most < limit, least >= limit) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    let not = |it: Option<bool>| it.map(|holds| !holds);
    match atom.test {
        Test::Is(Comparison::Equal(value)) => equal(all, value & all),
        Test::Is(Comparison::NotEqual(value)) => not(equal(all, value & all)),
        Test::Is(Comparison::Less(limit)) => below(limit & all),
        Test::Is(Comparison::GreaterOrEqual(limit)) => not(below(limit & all)),
        Test::Is(Comparison::LessOrEqual(limit)) if limit & all == all => Some(true),
        Test::Is(Comparison::LessOrEqual(limit)) => below((limit & all) + 1),
        Test::Is(Comparison::Greater(limit)) if limit & all == all => Some(false),
        Test::Is(Comparison::Greater(limit)) => not(below((limit & all) + 1)),
        Test::Is(Comparison::MaskedEqual { mask, value }) => equal(mask & all, value & all),
        Test::MaskedNotEqual { mask, value } => not(equal(mask & all, value & all)),
    }
}

#[cfg(test)]
mod tests;
