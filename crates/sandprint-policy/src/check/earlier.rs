//! The rules of a call before another one, so that the first which matches all that it does is found quickly.
//!
//! A call may have a rule for each of 100,000 values of an argument, which cannot be compared each with each other. What
//! matches all that a rule does has some of its conditions, and no other: so the rules are a tree over their conditions,
//! in one order, and only what a rule's own conditions lead to is looked at.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::{Condition, Rule};

/// The rules so far.
#[derive(Debug)]
pub(super) struct Earlier<'p> {
    /// The first is the root: no condition leads to it.
    nodes: Vec<Node<'p>>,
    /// How many rules there are.
    rules: usize,
}

/// The rules whose conditions begin with those that lead here.
#[derive(Debug)]
struct Node<'p> {
    /// The first rule with these conditions and no more.
    whole: Option<usize>,
    /// The first rule that begins so.
    first: usize,
    /// By the next condition.
    next: BTreeMap<&'p Condition, usize>,
}

impl<'p> Earlier<'p> {
    pub(super) fn new() -> Earlier<'p> {
        Earlier { nodes: vec![Node { whole: None, first: 0, next: BTreeMap::new() }], rules: 0 }
    }

    /// The place of the first rule whose conditions this one has all.
    pub(super) fn first_wider(&self, rule: &Rule) -> Option<usize> {
        let own = ordered(rule);
        let mut best: Option<usize> = None;
        // A node, and how many of the rule's own conditions come before what can lead on from it.
        let mut pending = vec![(0, 0)];
        while let Some((node, passed)) = pending.pop() {
            let Some(node) = self.nodes.get(node) else { continue };
            if best.is_some_and(|best| best <= node.first) {
                continue;
            }
            best = best.into_iter().chain(node.whole).min();
            let left = own.get(passed..).unwrap_or_default();
            // Whichever are fewer: a rule may have many conditions, and a node many that come next.
            if node.next.len() < left.len() {
                let led = node.next.iter().filter_map(|(condition, to)| {
                    left.binary_search(condition).ok().map(|at| (*to, passed + at + 1))
                });
                pending.extend(led);
            } else {
                let led = left.iter().enumerate();
                pending.extend(led.filter_map(|(at, one)| Some((*node.next.get(one)?, passed + at + 1))));
            }
        }
        best
    }

    /// Enters the next rule.
    pub(super) fn enter(&mut self, rule: &'p Rule) {
        let place = self.rules;
        self.rules += 1;
        let mut at = 0;
        for condition in ordered(rule) {
            let fresh = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else { return };
            at = *node.next.entry(condition).or_insert(fresh);
            if at == fresh {
                self.nodes.push(Node { whole: None, first: place, next: BTreeMap::new() });
            }
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.whole.get_or_insert(place);
        }
    }
}

/// A rule's conditions, in order and each once.
fn ordered(rule: &Rule) -> Vec<&Condition> {
    rule.conditions.iter().collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sandprint_model::{Action, Comparison, Width};

    use super::*;

    fn rule(values: &[u8]) -> Rule {
        let condition = |value: &u8| Condition {
            index: value % 3,
            width: Width::Bits32,
            comparison: Comparison::Equal(u64::from(*value)),
        };
        let conditions = values.iter().map(condition).collect();
        Rule { conditions, action: Action::Allow, reasons: BTreeSet::new() }
    }

    proptest! {
        /// What comparing each with each other finds.
        #[test]
        fn the_first_wider_rule_is_found(
            rules in prop::collection::vec(prop::collection::vec(0_u8..6, 0..5), 0..20),
        ) {
            let rules: Vec<Rule> = rules.iter().map(|values| rule(values)).collect();
            let mut earlier = Earlier::new();
            for (place, rule) in rules.iter().enumerate() {
                let own: BTreeSet<&Condition> = rule.conditions.iter().collect();
                let is_wider = |other: &Rule| other.conditions.iter().all(|condition| own.contains(condition));
                prop_assert_eq!(earlier.first_wider(rule), rules[..place].iter().position(is_wider));
                earlier.enter(rule);
            }
        }
    }
}
