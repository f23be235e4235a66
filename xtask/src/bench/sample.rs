//! The figures of one cell: one a round, their median and spread, and ratios within a round.

use std::collections::BTreeMap;

/// Figures by the number of their round.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Samples(BTreeMap<usize, f64>);

/// The middle and the ends of some figures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Samples {
    /// Adds the figure of a round.
    pub(super) fn add(&mut self, round: usize, value: f64) {
        self.0.insert(round, value);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// None if there are none.
    pub(super) fn spread(&self) -> Option<Spread> {
        let mut sorted: Vec<f64> = self.0.values().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = *sorted.get((sorted.len() - 1) / 2)?;
        Some(Spread { median: lower.midpoint(upper), least: *sorted.first()?, most: *sorted.last()? })
    }

    /// The ratios to another cell, of the rounds that both have.
    pub(super) fn ratios_to(&self, base: &Samples) -> Samples {
        self.compared(base, |value, base| value / base)
    }

    /// How much these are more than those of another cell, in the rounds that both have.
    pub(super) fn differences_to(&self, base: &Samples) -> Samples {
        self.compared(base, |value, base| value - base)
    }

    fn compared(&self, base: &Samples, compare: fn(f64, f64) -> f64) -> Samples {
        let one = |(round, value): (&usize, &f64)| Some((*round, compare(*value, *base.0.get(round)?)));
        Samples(self.0.iter().filter_map(one).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(figures: &[(usize, f64)]) -> Samples {
        Samples(figures.iter().copied().collect())
    }

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        let spread = |figures: &[(usize, f64)]| {
            samples(figures).spread().map(|spread| (spread.median, spread.least, spread.most))
        };
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[(4, 2.0)]), Some((2.0, 2.0, 2.0)));
        assert_eq!(spread(&[(0, 9.0), (1, 1.0), (2, 3.0)]), Some((3.0, 1.0, 9.0)));
        assert_eq!(spread(&[(0, 9.0), (1, 1.0), (2, 3.0), (3, 4.0)]), Some((3.5, 1.0, 9.0)));
    }

    #[test]
    fn cells_are_compared_within_a_round() {
        // A machine that is twice as slow in one round changes no ratio.
        let floor = samples(&[(0, 10.0), (1, 20.0), (2, 10.0)]);
        let ours = samples(&[(0, 12.0), (1, 24.0), (3, 99.0)]);
        assert_eq!(ours.ratios_to(&floor), samples(&[(0, 1.2), (1, 1.2)]));
        assert_eq!(ours.differences_to(&floor), samples(&[(0, 2.0), (1, 4.0)]));
        assert_eq!(ours.ratios_to(&Samples::default()).spread(), None);
    }
}
