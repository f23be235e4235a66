//! Which values the arguments that select what a call does were seen with.

use std::collections::{BTreeMap, BTreeSet};

use crate::arguments::{Selected, Selecting};
use crate::{RunId, Subject, Syscall, Trace};

/// The values with which one call was made by one program in one run, and how often with each.
///
/// A call whose values are of no end, such as one made with random flags, would take memory without end too: beyond
/// [`ArgumentsSeen::MOST`] distinct ones it is only known that there were more. That is a fact, not a gap: no rule
/// about the arguments of such a call can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentsSeen {
    /// None for too many. Never empty, and never more than may be told apart.
    #[expect(clippy::box_collection, reason = "most facts have none, and there are many facts")]
    values: Option<Box<BTreeMap<Selected, u64>>>,
}

impl ArgumentsSeen {
    /// Most distinct values that are kept apart.
    pub const MOST: usize = 64;

    /// These values, seen that often.
    pub fn new(values: Selected, count: u64) -> ArgumentsSeen {
        ArgumentsSeen { values: Some(Box::new(BTreeMap::from([(values, count)]))) }
    }

    /// More distinct values than are kept apart.
    pub fn too_many() -> ArgumentsSeen {
        ArgumentsSeen { values: None }
    }

    /// The values, each with how often it was seen; none where there were too many.
    pub fn values(&self) -> Option<&BTreeMap<Selected, u64>> {
        self.values.as_deref()
    }

    /// Adds calls with these values to the others.
    pub fn add(&mut self, values: Selected, count: u64) {
        let Some(known) = &mut self.values else { return };
        if let Some(slot) = known.get_mut(&values) {
            *slot = slot.saturating_add(count);
        } else if known.len() < ArgumentsSeen::MOST {
            known.insert(values, count);
        } else {
            self.values = None;
        }
    }

    /// Adds all that another part of the same run has seen.
    pub fn add_all(&mut self, other: &ArgumentsSeen) {
        match &other.values {
            Some(others) => others.iter().for_each(|(values, count)| self.add(*values, *count)),
            None => self.values = None,
        }
    }

    /// Joins two states of the same (fact, run): all values of both, each with its larger count.
    #[must_use]
    pub fn join(mut self, other: ArgumentsSeen) -> ArgumentsSeen {
        let (Some(values), Some(others)) = (&mut self.values, other.values) else {
            return ArgumentsSeen::too_many();
        };
        for (value, count) in *others {
            let slot = values.entry(value).or_default();
            *slot = (*slot).max(count);
        }
        if values.len() > ArgumentsSeen::MOST { ArgumentsSeen::too_many() } else { self }
    }
}

/// What a trace knows of the arguments of one call, over all programs and runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallArguments<'t> {
    /// The values, and where each was seen how often.
    pub values: BTreeMap<Selected, Vec<(&'t Subject, RunId, u64)>>,
    /// Who made it with more different values than were kept apart.
    pub too_many: BTreeSet<&'t Subject>,
    /// The runs in which it was made and its arguments were not recorded.
    pub unrecorded: BTreeSet<RunId>,
}

impl CallArguments<'_> {
    /// Whether every value is known.
    pub fn is_complete(&self) -> bool {
        self.too_many.is_empty() && self.unrecorded.is_empty()
    }

    /// Whether some run recorded them, though it may not have been able to keep them apart.
    pub fn is_recorded(&self) -> bool {
        !self.values.is_empty() || !self.too_many.is_empty()
    }
}

impl Trace {
    /// The arguments of every observed call that has some by which a rule can tell calls apart, and of those facts
    /// that `wanted` picks.
    pub fn arguments(
        &self,
        wanted: impl Fn(&Subject, Syscall) -> bool,
    ) -> BTreeMap<Syscall, CallArguments<'_>> {
        let mut calls: BTreeMap<Syscall, CallArguments<'_>> = BTreeMap::new();
        for (subject, syscall, runs) in self.calls.iter().filter(|(subject, call, _)| wanted(subject, **call))
        {
            let selects = Selecting::of(*syscall).is_some();
            // What another version's tables knew of the call was recorded all the same.
            for (run, seen) in runs.iter().filter(|(_, seen)| selects || seen.arguments.is_some()) {
                let call = calls.entry(*syscall).or_default();
                match seen.arguments.as_ref().map(ArgumentsSeen::values) {
                    None => drop(call.unrecorded.insert(run)),
                    Some(None) => drop(call.too_many.insert(subject)),
                    Some(Some(values)) => {
                        for (value, count) in values {
                            call.values.entry(*value).or_default().push((subject, run, *count));
                        }
                    }
                }
            }
        }
        calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(first: u64) -> Selected {
        Selected([Some(first), None, None, None, None, None])
    }

    fn first(count: u64) -> ArgumentsSeen {
        let mut seen = ArgumentsSeen::new(value(0), 1);
        (1..count).for_each(|other| seen.add(value(other), 1));
        seen
    }

    #[test]
    fn what_is_kept_has_an_end_and_says_when_it_is_reached() {
        let most = u64::try_from(ArgumentsSeen::MOST).unwrap();
        let mut full = first(most);
        full.add(value(3), 4);
        assert_eq!(full.values().unwrap().len(), ArgumentsSeen::MOST);
        assert_eq!(full.values().unwrap()[&value(3)], 5);
        full.add(value(most), 1);
        assert_eq!(full, ArgumentsSeen::too_many());
        full.add(value(0), 1);
        assert_eq!(full, ArgumentsSeen::too_many());
        assert_eq!(first(most).join(ArgumentsSeen::new(value(most), 1)), ArgumentsSeen::too_many());
        assert_eq!(first(2).join(ArgumentsSeen::too_many()), ArgumentsSeen::too_many());
        assert_eq!(ArgumentsSeen::too_many().join(first(2)), ArgumentsSeen::too_many());
    }

    #[test]
    fn states_of_a_run_are_joined_and_parts_of_it_added() {
        let mut more = ArgumentsSeen::new(value(1), 5);
        more.add(value(2), 1);
        let joined = ArgumentsSeen::new(value(1), 3).join(more.clone());
        assert_eq!(joined, more);
        let mut sum = ArgumentsSeen::new(value(1), 3);
        sum.add_all(&more);
        assert_eq!(sum.values().unwrap()[&value(1)], 8);
        sum.add_all(&ArgumentsSeen::too_many());
        assert_eq!(sum, ArgumentsSeen::too_many());
    }
}
