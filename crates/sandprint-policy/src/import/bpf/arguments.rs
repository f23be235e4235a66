//! What is known of the six arguments on a path, and the conditions that say it.

use sandprint_model::{Comparison, Condition, Width};

use super::decision::{Half, Test};

/// A test and its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) half: Half,
    pub(super) test: Test,
    pub(super) holds: bool,
}

/// The values that one half may have.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Values {
    first: u32,
    last: u32,
    /// Bits that are known, and what they are.
    mask: u32,
    value: u32,
    /// Single values that it does not have.
    others: Vec<u32>,
}

impl Default for Values {
    fn default() -> Values {
        Values { first: 0, last: u32::MAX, mask: 0, value: 0, others: Vec::new() }
    }
}

impl Values {
    fn is_any(&self) -> bool {
        *self == Values::default()
    }

    /// Its one value.
    fn single(&self) -> Option<u32> {
        (self.first == self.last).then_some(self.first)
    }

    /// Whether nothing but its range is known.
    fn is_range(&self) -> bool {
        self.mask == 0 && self.others.is_empty()
    }

    /// Whether nothing but some bits is known.
    fn is_bits(&self) -> bool {
        self.first == 0 && self.last == u32::MAX && self.others.is_empty()
    }

    /// Whether the one value that is left is not one of those that it can have.
    fn contradict(&self) -> bool {
        self.single().is_some_and(|value| value & self.mask != self.value || self.others.contains(&value))
    }

    fn decide(&self, test: Test) -> Option<bool> {
        if let Some(value) = self.single() {
            return Some(test.holds(value));
        }
        match test {
            Test::AtLeast(least) if self.first >= least => Some(true),
            Test::AtLeast(least) if self.last < least => Some(false),
            Test::AtLeast(_) => None,
            Test::Masked { mask, value } => {
                if (self.value ^ value) & self.mask & mask != 0 {
                    return Some(false);
                }
                if mask & !self.mask == 0 {
                    return Some(true);
                }
                let out = value < self.first || value > self.last || self.others.contains(&value);
                (mask == u32::MAX && out).then_some(false)
            }
        }
    }

    /// Takes a literal in, as far as it can be said here: a group of bits that is not some value cannot.
    fn take(&mut self, test: Test, holds: bool) {
        match (test, holds) {
            (Test::AtLeast(least), true) => self.first = self.first.max(least),
            (Test::AtLeast(least), false) => self.last = self.last.min(least.saturating_sub(1)),
            (Test::Masked { mask: u32::MAX, value }, true) => {
                self.first = value;
                self.last = value;
            }
            (Test::Masked { mask, value }, true) => {
                self.mask |= mask;
                self.value |= value;
            }
            (Test::Masked { mask: u32::MAX, value }, false) => {
                if value == self.first && value < self.last {
                    self.first += 1;
                } else if value == self.last && value > self.first {
                    self.last -= 1;
                } else if !self.others.contains(&value) {
                    self.others.push(value);
                }
            }
            (Test::Masked { mask, value }, false) if mask.is_power_of_two() => {
                self.mask |= mask;
                self.value |= !value & mask;
            }
            (Test::Masked { .. }, false) => {}
        }
    }
}

impl Test {
    fn holds(self, half: u32) -> bool {
        match self {
            Test::Masked { mask, value } => half & mask == value,
            Test::AtLeast(least) => half >= least,
        }
    }
}

/// What is known of every half on a path, used to leave out what is decided already.
#[derive(Debug, Clone, Default)]
pub(super) struct Bounds([[Values; 2]; 6]);

impl Bounds {
    fn half(&self, half: Half) -> Option<&Values> {
        let [low, high] = self.0.get(usize::from(half.index))?;
        Some(if half.high { high } else { low })
    }

    /// How a test ends, where that is known.
    pub(super) fn decide(&self, half: Half, test: Test) -> Option<bool> {
        self.half(half)?.decide(test)
    }

    /// With one more literal.
    pub(super) fn with(&self, literal: Literal) -> Bounds {
        let mut bounds = self.clone();
        if let Some([low, high]) = bounds.0.get_mut(usize::from(literal.half.index)) {
            let values = if literal.half.high { high } else { low };
            values.take(literal.test, literal.holds);
        }
        bounds
    }
}

/// What one argument must be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Argument {
    Any,
    /// From the first to the second, both included, of all 64 bits.
    Range(u64, u64),
    Conditions(Vec<Condition>),
}

/// What all arguments must be, for one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Match([Argument; 6]);

const LOW: u64 = 0xffff_ffff;

impl Match {
    /// What literals say together; none where they contradict each other. Each is one that a condition can say.
    pub(super) fn of(literals: &[Literal]) -> Option<Match> {
        let mut bounds = Bounds::default();
        for literal in literals {
            if bounds.decide(literal.half, literal.test) == Some(!literal.holds) {
                return None;
            }
            bounds = bounds.with(*literal);
        }
        if bounds.0.iter().flatten().any(Values::contradict) {
            return None;
        }
        let mut index = 0_u8;
        Some(Match(bounds.0.map(|[low, high]| {
            let argument = argument(index, &low, &high);
            index += 1;
            argument
        })))
    }

    /// Makes this what it or the other is, where one match can say that.
    pub(super) fn join(&mut self, other: &Match) -> bool {
        let mut differing =
            (0..6).filter(|at| self.0.get(*at) != other.0.get(*at)).collect::<Vec<usize>>().into_iter();
        let (Some(at), None) = (differing.next(), differing.next()) else { return false };
        let (Some(mine), Some(Argument::Range(first, last))) = (self.0.get_mut(at), other.0.get(at)) else {
            return false;
        };
        let Argument::Range(my_first, my_last) = *mine else { return false };
        let touch = *first <= my_last.saturating_add(1) && my_first <= last.saturating_add(1);
        if touch {
            let (first, last) = (my_first.min(*first), my_last.max(*last));
            *mine = if (first, last) == (0, u64::MAX) { Argument::Any } else { Argument::Range(first, last) };
        }
        touch
    }

    /// As conditions.
    pub(super) fn conditions(&self) -> Vec<Condition> {
        (0_u8..)
            .zip(&self.0)
            .flat_map(|(index, argument)| match argument {
                Argument::Any => Vec::new(),
                Argument::Range(first, last) => range(index, Width::Bits64, (*first, *last), u64::MAX),
                Argument::Conditions(conditions) => conditions.clone(),
            })
            .collect()
    }
}

/// The conditions of a range of a width whose greatest value is `most`.
fn range(index: u8, width: Width, (first, last): (u64, u64), most: u64) -> Vec<Condition> {
    let condition = |comparison| Condition { index, width, comparison };
    if first == last {
        return vec![condition(Comparison::Equal(first))];
    }
    if first == 0 && last == most - 1 {
        return vec![condition(Comparison::NotEqual(most))];
    }
    let at_least = (first > 0).then(|| condition(Comparison::GreaterOrEqual(first)));
    let at_most = (last < most).then(|| condition(Comparison::LessOrEqual(last)));
    at_least.into_iter().chain(at_most).collect()
}

/// What the lower half alone must be.
fn lower(index: u8, low: &Values) -> Vec<Condition> {
    let condition = |comparison| Condition { index, width: Width::Bits32, comparison };
    let mut conditions = range(index, Width::Bits32, (u64::from(low.first), u64::from(low.last)), LOW);
    if low.single().is_some() {
        return conditions;
    }
    if low.mask != 0 {
        let (mask, value) = (u64::from(low.mask), u64::from(low.value));
        conditions.push(condition(Comparison::MaskedEqual { mask, value }));
    }
    conditions.extend(low.others.iter().map(|other| condition(Comparison::NotEqual(u64::from(*other)))));
    conditions
}

fn argument(index: u8, low: &Values, high: &Values) -> Argument {
    if high.is_any() {
        return if low.is_any() { Argument::Any } else { Argument::Conditions(lower(index, low)) };
    }
    let wide = |comparison| Condition { index, width: Width::Bits64, comparison };
    let whole = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
    if low.is_range()
        && let Some(value) = high.single()
    {
        return Argument::Range(whole(value, low.first), whole(value, low.last));
    }
    if low.is_any() && high.is_range() {
        return Argument::Range(whole(high.first, 0), whole(high.last, u32::MAX));
    }
    // Bits of both halves are one comparison.
    let bits = |values: &Values| match values.single() {
        Some(value) => Some((u32::MAX, value)),
        None => values.is_bits().then_some((values.mask, values.value)),
    };
    if let (Some((high_mask, high_value)), Some((low_mask, low_value))) = (bits(high), bits(low)) {
        let (mask, value) = (whole(high_mask, low_mask), whole(high_value, low_value));
        return Argument::Conditions(vec![wide(Comparison::MaskedEqual { mask, value })]);
    }
    let mut conditions = Vec::new();
    let (first, last) = (whole(high.first, 0), whole(high.last, u32::MAX));
    conditions.extend(range(index, Width::Bits64, (first, last), u64::MAX));
    if high.mask != 0 && high.single().is_none() {
        let (mask, value) = (whole(high.mask, 0), whole(high.value, 0));
        conditions.push(wide(Comparison::MaskedEqual { mask, value }));
    }
    conditions.extend(lower(index, low));
    Argument::Conditions(conditions)
}
