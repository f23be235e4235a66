//! Few sets that cover all: the exact minimum where that can be found, a good answer where it cannot.
//!
//! Reductions that keep the minimum come first (a set within another is never needed; an element in one
//! set only makes that set needed; an element that another one's sets all cover comes for free). In
//! practice little is left. What is left is searched by branch and bound, up to [`MOST_WORK`]; beyond
//! that the best cover found so far is the answer, and it says that it is not proven.

use std::collections::{BTreeMap, BTreeSet};

use crate::Syscall;

/// How much the search does before it gives up on a proof, counted in looks at whether a set holds an
/// element. The same on every machine, so that the answer is the same too.
const MOST_WORK: usize = 40_000_000;

/// Some of several sets, which together hold everything that all of them hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cover {
    /// Which sets, by index, ascending.
    pub chosen: Vec<usize>,
    /// Whether no smaller selection does. Otherwise one may exist: proving it was too much work.
    pub proven: bool,
}

pub(super) fn cover(sets: &[BTreeSet<Syscall>]) -> Cover {
    let universe: BTreeSet<Syscall> = sets.iter().flatten().copied().collect();
    let number: BTreeMap<Syscall, usize> =
        universe.iter().enumerate().map(|(at, call)| (*call, at)).collect();
    let as_bits = |set: &BTreeSet<Syscall>| Bits::of(set.iter().filter_map(|call| number.get(call).copied()));
    let mut problem = Problem {
        sets: sets.iter().map(as_bits).enumerate().collect(),
        open: Bits::of(0..universe.len()),
        chosen: Vec::new(),
    };
    problem.reduce();
    let Problem { sets, open, mut chosen } = problem;

    let mut search = Search { sets: &sets, best: greedy(&sets, &open), work: 0 };
    let mut path = Vec::new();
    search.branch(&open, &mut path);
    let proven = search.work <= MOST_WORK;
    chosen.extend(search.best.iter().filter_map(|at| sets.get(*at)).map(|(index, _)| *index));
    chosen.sort_unstable();
    Cover { chosen, proven }
}

/// A set of small numbers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Bits(Vec<u64>);

impl Bits {
    fn of(numbers: impl IntoIterator<Item = usize>) -> Bits {
        let mut words = Vec::new();
        for number in numbers {
            let word = number / 64;
            if words.len() <= word {
                words.resize(word + 1, 0);
            }
            if let Some(bits) = words.get_mut(word) {
                *bits |= 1 << (number % 64);
            }
        }
        Bits(words)
    }

    fn contains(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        let word_bits = |(at, word): (usize, &u64)| {
            let word = *word;
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit)
        };
        self.0.iter().enumerate().flat_map(word_bits)
    }

    fn is_within(&self, other: &Bits) -> bool {
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        self.0.iter().zip(others).all(|(mine, theirs)| mine & !theirs == 0)
    }

    fn meets(&self, other: &Bits) -> bool {
        self.0.iter().zip(&other.0).any(|(mine, theirs)| mine & theirs != 0)
    }

    fn and(&self, other: &Bits) -> Bits {
        Bits(self.0.iter().zip(&other.0).map(|(mine, theirs)| mine & theirs).collect())
    }

    fn without(&self, other: &Bits) -> Bits {
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        Bits(self.0.iter().zip(others).map(|(mine, theirs)| mine & !theirs).collect())
    }

    fn add(&mut self, other: &Bits) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine |= theirs;
        }
    }
}

/// What is still to be covered, and with which sets.
struct Problem {
    /// The sets that may still be chosen, each with its index in the input; ascending.
    sets: Vec<(usize, Bits)>,
    /// The elements that no chosen set holds.
    open: Bits,
    /// The sets that every minimum may be taken to hold.
    chosen: Vec<usize>,
}

impl Problem {
    fn reduce(&mut self) {
        loop {
            self.drop_sets_within_others();
            let columns = self.columns();
            if self.choose_the_needed(&columns) {
                continue;
            }
            if !self.drop_elements_that_come_for_free(&columns) {
                return;
            }
        }
    }

    /// Keeps, of equal sets, the first; and no set that lies within another.
    fn drop_sets_within_others(&mut self) {
        let mut distinct: BTreeMap<Bits, usize> = BTreeMap::new();
        for (index, set) in &self.sets {
            let rest = set.and(&self.open);
            if !rest.is_empty() {
                distinct.entry(rest).or_insert(*index);
            }
        }
        let kept = distinct
            .iter()
            .filter(|(set, _)| !distinct.keys().any(|other| other != *set && set.is_within(other)));
        self.sets = kept.map(|(set, index)| (*index, set.clone())).collect();
        self.sets.sort_unstable_by_key(|(index, _)| *index);
    }

    /// For each open element, the sets that hold it, as positions in `sets`.
    fn columns(&self) -> Vec<(usize, Bits)> {
        let holders = |element| {
            let sets = self.sets.iter().enumerate();
            Bits::of(sets.filter(|(_, (_, set))| set.contains(element)).map(|(at, _)| at))
        };
        self.open.iter().map(|element| (element, holders(element))).collect()
    }

    /// Chooses every set that alone holds some element. Whether there was one.
    fn choose_the_needed(&mut self, columns: &[(usize, Bits)]) -> bool {
        let needed: BTreeSet<usize> =
            columns.iter().filter(|(_, holders)| holders.len() == 1).flat_map(|(_, h)| h.iter()).collect();
        for at in &needed {
            if let Some((index, set)) = self.sets.get(*at) {
                self.chosen.push(*index);
                self.open = self.open.without(set);
            }
        }
        !needed.is_empty()
    }

    /// Drops every element that is covered as soon as some other one is. Whether there was one.
    fn drop_elements_that_come_for_free(&mut self, columns: &[(usize, Bits)]) -> bool {
        let mut distinct: BTreeMap<&Bits, usize> = BTreeMap::new();
        for (element, holders) in columns {
            distinct.entry(holders).or_insert(*element);
        }
        let kept = distinct.iter().filter(|(holders, _)| {
            !distinct.keys().any(|other| other != *holders && other.is_within(holders))
        });
        let open = Bits::of(kept.map(|(_, element)| *element));
        let dropped = open.len() < self.open.len();
        self.open = open;
        dropped
    }
}

/// Takes the set that holds most of what is open, the first of several, again and again.
fn greedy(sets: &[(usize, Bits)], open: &Bits) -> Vec<usize> {
    let mut open = open.clone();
    let mut chosen = Vec::new();
    while !open.is_empty() {
        let gains = sets.iter().enumerate().map(|(at, (_, set))| (set.and(&open).len(), at));
        let Some((_, best)) = gains.max_by_key(|(gain, at)| (*gain, std::cmp::Reverse(*at))) else { break };
        if let Some((_, set)) = sets.get(best) {
            open = open.without(set);
        }
        chosen.push(best);
    }
    chosen
}

/// Branch and bound over which set covers the most constrained element.
struct Search<'s> {
    sets: &'s [(usize, Bits)],
    best: Vec<usize>,
    work: usize,
}

impl Search<'_> {
    fn branch(&mut self, open: &Bits, path: &mut Vec<usize>) {
        if open.is_empty() {
            if path.len() < self.best.len() {
                self.best.clone_from(path);
            }
            return;
        }
        self.work = self.work.saturating_add(open.len() * self.sets.len());
        if self.work > MOST_WORK {
            return;
        }
        let mut columns: Vec<Bits> = open
            .iter()
            .map(|element| {
                let sets = self.sets.iter().enumerate();
                Bits::of(sets.filter(|(_, (_, set))| set.contains(element)).map(|(at, _)| at))
            })
            .collect();
        columns.sort_by_key(Bits::len);
        if path.len() + at_least(&columns) >= self.best.len() {
            return;
        }
        let Some(holders) = columns.first() else { return };
        let mut choices: Vec<(usize, usize)> = holders
            .iter()
            .filter_map(|at| self.sets.get(at).map(|(_, set)| (set.and(open).len(), at)))
            .collect();
        choices.sort_by_key(|(gain, at)| (std::cmp::Reverse(*gain), *at));
        for (_, at) in choices {
            let Some((_, set)) = self.sets.get(at) else { continue };
            path.push(at);
            self.branch(&open.without(set), path);
            path.pop();
        }
    }
}

/// How many sets are needed at least: elements of which no two share a set need one set each.
fn at_least(columns: &[Bits]) -> usize {
    let mut used = Bits(Vec::new());
    let mut needed = 0;
    for holders in columns {
        if !holders.meets(&used) {
            used.add(holders);
            needed += 1;
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::Abi;

    fn calls(numbers: impl IntoIterator<Item = u32>) -> BTreeSet<Syscall> {
        numbers.into_iter().map(|nr| Syscall { abi: Abi::X86_64, nr }).collect()
    }

    fn union<'s>(sets: impl IntoIterator<Item = &'s BTreeSet<Syscall>>) -> BTreeSet<Syscall> {
        sets.into_iter().flatten().copied().collect()
    }

    proptest! {
        #[test]
        fn a_proven_cover_is_as_small_as_the_smallest_of_all_selections(
            sets in vec(btree_set(0..70_u32, 0..12).prop_map(calls), 0..10),
        ) {
            let cover = cover(&sets);
            let all = union(&sets);
            let selected = |selection: u32| {
                sets.iter().enumerate().filter(move |(at, _)| selection >> at & 1 == 1).map(|(_, set)| set)
            };
            let smallest = (0..1_u32 << sets.len())
                .filter(|selection| union(selected(*selection)) == all)
                .map(u32::count_ones)
                .min();
            prop_assert!(cover.proven);
            prop_assert_eq!(cover.chosen.len(), smallest.unwrap() as usize);
            prop_assert_eq!(union(cover.chosen.iter().map(|at| &sets[*at])), all);
        }

        #[test]
        fn many_sets_are_always_covered(
            sets in vec(btree_set(0..60_u32, 1..8).prop_map(calls), 30..60),
        ) {
            let cover = cover(&sets);
            prop_assert_eq!(&cover, &super::cover(&sets), "the same sets give the same answer");
            prop_assert_eq!(union(cover.chosen.iter().map(|at| &sets[*at])), union(&sets));
            for left_out in &cover.chosen {
                let others = cover.chosen.iter().filter(|at| *at != left_out).map(|at| &sets[*at]);
                prop_assert!(!cover.proven || union(others) != union(&sets));
            }
        }
    }

    /// Two halves cover all; greedy takes the larger middle piece first and then needs three.
    #[test]
    fn a_greedy_answer_is_not_taken_for_the_smallest() {
        let sets = [calls(0..6), calls(6..12), calls((1..5).chain(7..11)), calls([0, 11]), calls([5, 6])];
        assert_eq!(cover(&sets), Cover { chosen: vec![0, 1], proven: true });
    }

    #[test]
    fn of_equal_sets_the_first_is_chosen_and_empty_ones_never_are() {
        let sets = [calls([]), calls([1]), calls([1, 2]), calls([2, 1]), calls([])];
        assert_eq!(cover(&sets), Cover { chosen: vec![2], proven: true });
        assert_eq!(cover(&[]), Cover { chosen: vec![], proven: true });
        assert_eq!(cover(&[calls([])]), Cover { chosen: vec![], proven: true });
    }

    /// The incidence of the points and lines of projective planes and the like has no easy bound: too hard
    /// to prove, and then it says so.
    #[test]
    fn a_cover_that_is_too_hard_to_prove_says_so_and_covers_all_the_same() {
        let size = 61_u32;
        let sets: Vec<_> =
            (0..size).map(|at| calls((0..8).map(|step| (at + step * step * 5 + step) % size))).collect();
        let found = cover(&sets);
        assert!(!found.proven);
        assert_eq!(union(found.chosen.iter().map(|at| &sets[*at])), union(&sets));
    }
}
