//! What was seen of one fact, run by run.

use crate::{Join, RunId};

/// A value for each run of a few, ordered by run.
///
/// A trace holds millions of these, most of them with one run: so it is a vector, as long as it needs to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PerRun<V>(Vec<(RunId, V)>);

impl<V> Default for PerRun<V> {
    fn default() -> PerRun<V> {
        PerRun(Vec::new())
    }
}

impl<V> PerRun<V> {
    /// How many runs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of that run.
    pub fn get(&self, run: RunId) -> Option<&V> {
        let at = self.0.binary_search_by_key(&run, |(run, _)| *run).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// The runs, in their order.
    pub fn runs(&self) -> impl Iterator<Item = RunId> {
        self.0.iter().map(|(run, _)| *run)
    }

    /// The values, in the order of the runs.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// The values, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// Every run with its value, in the order of the runs.
    pub fn iter(&self) -> impl Iterator<Item = (RunId, &V)> {
        self.0.iter().map(|(run, value)| (*run, value))
    }

    /// What becomes of each value, without those of which nothing does.
    pub(super) fn filter_map(&self, becomes: impl Fn(&V) -> Option<V>) -> PerRun<V> {
        PerRun(self.iter().filter_map(|(run, value)| Some((run, becomes(value)?))).collect())
    }

    /// Puts in the value of a run; where there is one, `meet` says what becomes of the two.
    pub(super) fn put(&mut self, run: RunId, value: V, meet: impl FnOnce(&mut V, V)) {
        match self.0.binary_search_by_key(&run, |(run, _)| *run) {
            Ok(at) => {
                if let Some((_, known)) = self.0.get_mut(at) {
                    meet(known, value);
                }
            }
            Err(at) => {
                if self.0.is_empty() {
                    // A vector's own first step is room for four.
                    self.0.reserve_exact(1);
                }
                self.0.insert(at, (run, value));
            }
        }
    }
}

impl<V: Join> PerRun<V> {
    /// Takes in what another state knows of each run.
    pub(super) fn merge(&mut self, other: PerRun<V>) {
        if other.len() == 1 {
            other.0.into_iter().for_each(|(run, value)| self.put(run, value, V::join));
            return;
        }
        let mut both = Vec::with_capacity(self.len() + other.len());
        let mut theirs = other.0.into_iter().peekable();
        for (run, mut value) in std::mem::take(&mut self.0) {
            while let Some(earlier) = theirs.next_if(|(their, _)| *their < run) {
                both.push(earlier);
            }
            if let Some((_, same)) = theirs.next_if(|(their, _)| *their == run) {
                value.join(same);
            }
            both.push((run, value));
        }
        both.extend(theirs);
        self.0 = both;
    }
}
