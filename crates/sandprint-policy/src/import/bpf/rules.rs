//! A decision about arguments → rules of which the first that matches decides.
//!
//! `if T then A else B` becomes A's rules with T in front, then B's. Where A can come to B, B's rules are not
//! repeated: A's rules for what does not come to B stand first, and B's follow for everything. So chains of
//! alternatives, which share what follows, stay as long as they are.

use sandprint_model::Action;

use super::arguments::{Bounds, Literal, Match};
use super::decision::{Decisions, Id, Node, Test};

/// Most rules of one call.
const MOST_RULES: usize = 512;
/// Most steps in finding them.
const MOST_STEPS: usize = 4000;
/// How deep decisions may lie in each other, other than in a chain.
const DEEPEST: usize = 128;

/// The rules of a decision, the last one without conditions; none where there would be too many.
pub(super) fn rules(decisions: &Decisions, id: Id) -> Option<Vec<(Match, Action)>> {
    let mut maker = Maker { decisions, steps: 0 };
    let found = maker.total(id, &Bounds::default(), 0)?;
    let mut rules: Vec<(Match, Action)> = Vec::new();
    for (literals, action) in found {
        // What contradicts itself matches nothing.
        let Some(matched) = Match::of(&literals) else { continue };
        if let Some((before, other)) = rules.last_mut()
            && *other == action
            && before.join(&matched)
        {
            continue;
        }
        rules.push((matched, action));
    }
    Some(rules)
}

type Found = Vec<(Vec<Literal>, Action)>;

struct Maker<'d> {
    decisions: &'d Decisions,
    steps: usize,
}

impl Maker<'_> {
    fn step(&mut self, depth: usize, so_far: usize) -> Option<()> {
        self.steps += 1;
        (self.steps < MOST_STEPS && depth < DEEPEST && so_far < MOST_RULES).then_some(())
    }

    /// Rules for everything that the decision may be asked.
    fn total(&mut self, start: Id, bounds: &Bounds, depth: usize) -> Option<Found> {
        let mut found = Found::new();
        let (mut id, mut bounds) = (start, bounds.clone());
        loop {
            self.step(depth, found.len())?;
            let (half, test, yes, no) = match self.decisions.get(id) {
                Node::End { action, .. } => {
                    found.push((Vec::new(), action));
                    return Some(found);
                }
                Node::Ask { half, test, yes, no } => (half, test, yes, no),
            };
            if let Some(holds) = bounds.decide(half, test) {
                id = if holds { yes } else { no };
                continue;
            }
            let literal = |holds| Literal { half, test, holds };
            // The side that is asked for first, and whether it can come to the other.
            let (holds, shares) = if self.decisions.reaches(yes, no) {
                (true, true)
            } else if self.is_long(yes) && self.decisions.reaches(no, yes) {
                (false, true)
            } else {
                (literal(true).alternatives().len() <= literal(false).alternatives().len(), false)
            };
            let (first, second) = if holds { (yes, no) } else { (no, yes) };
            let inside = bounds.with(literal(holds));
            let part = if shares {
                self.partial(first, second, &inside, depth + 1)?
            } else {
                self.total(first, &inside, depth + 1)?
            };
            prefix(&mut found, literal(holds), part);
            if !shares {
                bounds = bounds.with(literal(!holds));
            }
            id = second;
        }
    }

    fn is_long(&self, id: Id) -> bool {
        matches!(self.decisions.get(id), Node::Ask { .. })
    }

    /// Rules for all that does not come to `stop`, and that match nothing which does.
    fn partial(&mut self, start: Id, stop: Id, bounds: &Bounds, depth: usize) -> Option<Found> {
        let mut found = Found::new();
        let (mut id, mut bounds) = (start, bounds.clone());
        loop {
            self.step(depth, found.len())?;
            if id == stop {
                return Some(found);
            }
            if !self.decisions.reaches(id, stop) {
                found.extend(self.total(id, &bounds, depth + 1)?);
                return Some(found);
            }
            let Node::Ask { half, test, yes, no } = self.decisions.get(id) else { return None };
            if let Some(holds) = bounds.decide(half, test) {
                id = if holds { yes } else { no };
                continue;
            }
            let literal = |holds| Literal { half, test, holds };
            let (yes_stops, no_stops) = (self.decisions.reaches(yes, stop), self.decisions.reaches(no, stop));
            // A side that never comes to the stop takes all of its calls, so that what follows need not say
            // that they are others.
            let (holds, first, second, alone) = match (yes_stops, no_stops) {
                (false, _) => (true, yes, no, true),
                (_, false) => (false, no, yes, true),
                _ if no == stop => (true, yes, no, false),
                _ if yes == stop => (false, no, yes, false),
                _ if self.decisions.reaches(no, yes) => (false, no, yes, false),
                _ => (true, yes, no, false),
            };
            let inside = bounds.with(literal(holds));
            if alone {
                let part = self.total(first, &inside, depth + 1)?;
                prefix(&mut found, literal(holds), part);
                bounds = bounds.with(literal(!holds));
                id = second;
                continue;
            }
            if second != stop && self.decisions.reaches(first, second) {
                let part = self.partial(first, second, &inside, depth + 1)?;
                prefix(&mut found, literal(holds), part);
                id = second;
                continue;
            }
            let part = self.partial(first, stop, &inside, depth + 1)?;
            prefix(&mut found, literal(holds), part);
            if second != stop {
                let outside = bounds.with(literal(!holds));
                let part = self.partial(second, stop, &outside, depth + 1)?;
                prefix(&mut found, literal(!holds), part);
            }
            return Some(found);
        }
    }
}

/// Puts rules of which a literal is a condition behind others.
fn prefix(found: &mut Found, literal: Literal, part: Found) {
    for (literals, action) in part {
        for alternative in literal.alternatives() {
            found.push((std::iter::once(alternative).chain(literals.iter().copied()).collect(), action));
        }
    }
}

impl Literal {
    /// Literals that together say the same, each of a kind that a condition can say.
    fn alternatives(self) -> Vec<Literal> {
        let Literal { half, test, holds } = self;
        match test {
            Test::Masked { mask: u32::MAX, value } if !holds && half.high => {
                let below = Literal { half, test: Test::AtLeast(value), holds: false };
                let above =
                    value.checked_add(1).map(|next| Literal { half, test: Test::AtLeast(next), holds: true });
                (value > 0).then_some(below).into_iter().chain(above).collect()
            }
            Test::Masked { mask, value } if !holds && mask != u32::MAX => {
                let bits = (0..32).map(|bit| 1_u32 << bit).filter(|bit| mask & bit != 0);
                let other = |bit| Test::Masked { mask: bit, value: !value & bit };
                bits.map(|bit| Literal { half, test: other(bit), holds: true }).collect()
            }
            _ => vec![self],
        }
    }
}
