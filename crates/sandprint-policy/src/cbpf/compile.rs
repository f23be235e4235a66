//! A policy → a classic BPF program that decides every call as the policy does.
//!
//! The architecture comes first, then the number, searched in a tree that is shallow where calls are many
//! (the counts are in the rules' reasons), then the arguments. Numbers that lie together and end alike are one
//! leaf. 64-bit comparisons look at both halves.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sandprint_model::{Abi, Action, Comparison, Condition, Policy, Reason, Rule, Width};

use super::assemble::{Assembler, Label};
use super::{MOST_INSTRUCTIONS, Program, data, op};

/// A policy that cannot be said in classic BPF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// More than 4096 instructions.
    #[error("express the policy in {MOST_INSTRUCTIONS} instructions: it takes {0}")]
    TooLong(usize),
    /// An argument that does not exist.
    #[error("compare argument {0}: there are six, 0 to 5")]
    Argument(u8),
}

/// Compiles a policy.
pub fn compile(policy: &Policy) -> Result<Program, CompileError> {
    for condition in policy.calls.rules.values().flatten().flat_map(|rule| &rule.conditions) {
        if condition.index > 5 {
            return Err(CompileError::Argument(condition.index));
        }
    }
    let mut compiler = Compiler { out: Assembler::default(), returns: HashMap::new() };
    compiler.arches(policy);
    let length = compiler.out.len();
    if length > MOST_INSTRUCTIONS {
        return Err(CompileError::TooLong(length));
    }
    Ok(compiler.out.finish())
}

/// How far away a return may be to be used again instead of being put there anew: with room for what may come
/// between it and the jump.
const NEAR: usize = 200;

struct Compiler {
    out: Assembler,
    /// Returns that are there already.
    returns: HashMap<Action, Label>,
}

/// How an ABI decides numbers: from each of these on, up to the next, in one way.
#[derive(Debug)]
struct Span<'p> {
    from: u32,
    leaf: Leaf<'p>,
    /// How many calls were observed.
    weight: u64,
}

#[derive(Debug, Clone, Copy)]
enum Leaf<'p> {
    /// Whatever the arguments.
    Action(Action),
    /// Rules in order, all with conditions, and what happens when none matches.
    Rules(&'p [Rule], Action),
}

impl Compiler {
    fn arches(&mut self, policy: &Policy) {
        let abis: BTreeSet<Abi> = policy.calls.rules.keys().map(|syscall| syscall.abi).collect();
        let mut next = self.give(policy.calls.foreign_action);
        // x32 and x86_64 share an architecture: bit 30 of the number tells them apart.
        let mut arches: BTreeMap<u32, Vec<Abi>> = BTreeMap::new();
        for abi in &abis {
            arches.entry(abi.audit_arch()).or_default().push(*abi);
        }
        // The native one is asked first, so it is put there last.
        let mut ordered: Vec<_> = arches.into_iter().collect();
        ordered.sort_by_key(|(_, abis)| abis.iter().any(|abi| abi.arch().native_abi() == *abi));
        for (arch, abis) in ordered {
            let body = self.numbers_of_arch(policy, arch, &abis);
            next = self.out.branch(op::JEQ, arch, body, next);
        }
        self.out.fall_into(next);
        self.out.push(op::LD_ABS, data::ARCH);
    }

    fn numbers_of_arch(&mut self, policy: &Policy, arch: u32, abis: &[Abi]) -> Label {
        let other = policy.calls.foreign_action;
        let tree = |compiler: &mut Compiler, abi: Abi| {
            if abis.contains(&abi) { compiler.numbers(policy, abi) } else { compiler.give(other) }
        };
        let body = if arch == Abi::X86_64.audit_arch() {
            let native = tree(self, Abi::X86_64);
            let x32 = self.x32(policy, abis.contains(&Abi::X32));
            // Negative numbers are no x32 calls, though bit 30 is set in them.
            let positive = self.out.branch(op::JGE, 0x8000_0000, native, x32);
            self.out.branch(op::JGE, Abi::X32_BIT, positive, native)
        } else {
            match abis.first() {
                Some(abi) => self.numbers(policy, *abi),
                None => self.give(other),
            }
        };
        self.out.fall_into(body);
        self.out.push(op::LD_ABS, data::NR)
    }

    fn x32(&mut self, policy: &Policy, has_rules: bool) -> Label {
        if !has_rules {
            return self.give(policy.calls.foreign_action);
        }
        let numbers = self.numbers(policy, Abi::X32);
        self.out.fall_into(numbers);
        self.out.push(op::AND, !Abi::X32_BIT)
    }

    /// Decides a number, which is in the accumulator.
    fn numbers(&mut self, policy: &Policy, abi: Abi) -> Label {
        let spans = spans(policy, abi);
        self.search(&spans)
    }

    /// A tree over spans. The accumulator holds a number not below the first one's start, and below what
    /// follows the last one.
    fn search(&mut self, spans: &[Span<'_>]) -> Label {
        let (first, rest) = match spans {
            [] => return self.give(Action::KillProcess),
            [only] => return self.leaf(only.leaf),
            [first, rest @ ..] => (first, rest),
        };
        let total: u64 = spans.iter().map(|span| span.weight).fold(0, u64::saturating_add);
        // One call that is made more than all others together is asked for by itself, first.
        let heavy = spans.iter().enumerate().max_by_key(|(_, span)| span.weight);
        if let Some((index, span)) = heavy
            && spans.len() > 2
            && span.weight > total / 2
            && let Some(after) = spans.get(index + 1)
            && after.from == span.from + 1
            && let Some((before, [_, behind @ ..])) = spans.split_at_checked(index)
        {
            // What is left is searched as if that number went to a neighbour.
            let others = before.iter().chain(behind).map(Span::borrowed).collect();
            let others = merged(lowered(others, first.from));
            let miss = self.search(&others);
            let hit = self.leaf(span.leaf);
            return self.out.branch(op::JEQ, span.from, hit, miss);
        }
        let middle = split(spans, total);
        let Some((left, right)) = spans.split_at_checked(middle) else { return self.leaf(first.leaf) };
        let from = right.first().or(rest.first()).map_or(0, |span| span.from);
        let upper = self.search(right);
        let lower = self.search(left);
        self.out.branch(op::JGE, from, upper, lower)
    }

    fn leaf(&mut self, leaf: Leaf<'_>) -> Label {
        match leaf {
            Leaf::Action(action) => self.give(action),
            Leaf::Rules(rules, otherwise) => self.rules(rules, otherwise),
        }
    }

    fn rules(&mut self, rules: &[Rule], otherwise: Action) -> Label {
        let mut next = self.give(otherwise);
        let mut rest = rules;
        while let Some((rule, before)) = rest.split_last() {
            let set = equal_set(rest);
            if let Some((index, values, count)) = set.filter(|(_, values, _)| values.len() > 1) {
                let hit = self.give(rule.action);
                next = self.one_of(index, &values, hit, next);
                rest = rest.split_at_checked(rest.len() - count).map_or(&[], |(before, _)| before);
            } else {
                next = self.rule(rule, next);
                rest = before;
            }
        }
        next
    }

    /// All conditions of a rule, else `miss`.
    fn rule(&mut self, rule: &Rule, miss: Label) -> Label {
        let mut next = self.give(rule.action);
        for condition in rule.conditions.iter().rev() {
            next = self.condition(*condition, next, miss);
        }
        next
    }

    fn load(&mut self, offset: u32, then: Label) -> Label {
        self.out.fall_into(then);
        self.out.push(op::LD_ABS, offset)
    }

    fn condition(&mut self, condition: Condition, hit: Label, miss: Label) -> Label {
        let Condition { index, width, comparison } = condition;
        let (low, high) = (data::low(index), data::high(index));
        let wide = width == Width::Bits64;
        let (code, value, hit, miss) = match comparison {
            Comparison::Equal(value) => (op::JEQ, value, hit, miss),
            Comparison::NotEqual(value) => (op::JEQ, value, miss, hit),
            Comparison::Greater(value) => (op::JGT, value, hit, miss),
            Comparison::GreaterOrEqual(value) => (op::JGE, value, hit, miss),
            Comparison::Less(value) => (op::JGE, value, miss, hit),
            Comparison::LessOrEqual(value) => (op::JGT, value, miss, hit),
            Comparison::MaskedEqual { mask, value } => {
                return self.masked(condition, (mask, value), hit, miss);
            }
        };
        let below = self.out.branch(code, lower_half(value), hit, miss);
        let below = self.load(low, below);
        if !wide {
            return below;
        }
        let upper = upper_half(value);
        let decided = if code == op::JEQ {
            self.out.branch(op::JEQ, upper, below, miss)
        } else {
            let not_above = self.out.branch(op::JEQ, upper, below, miss);
            self.out.branch(op::JGT, upper, hit, not_above)
        };
        self.load(high, decided)
    }

    fn masked(&mut self, condition: Condition, (mask, value): (u64, u64), hit: Label, miss: Label) -> Label {
        let halves = [
            (data::low(condition.index), lower_half(mask), lower_half(value)),
            (data::high(condition.index), upper_half(mask), upper_half(value)),
        ];
        let looked_at = if condition.width == Width::Bits64 { 2 } else { 1 };
        let mut next = hit;
        for (offset, mask, value) in halves.into_iter().take(looked_at) {
            if mask == 0 && value == 0 {
                continue;
            }
            let compared = self.out.branch(op::JEQ, value, next, miss);
            self.out.fall_into(compared);
            let anded = if mask == u32::MAX { compared } else { self.out.push(op::AND, mask) };
            next = self.load(offset, anded);
        }
        next
    }

    /// Whether the lower half of an argument is one of some values: a tree over runs of them.
    fn one_of(&mut self, index: u8, values: &BTreeSet<u32>, hit: Label, miss: Label) -> Label {
        let mut edges: Vec<(u32, Label)> = vec![(0, miss)];
        for value in values {
            match edges.last_mut() {
                Some((from, label)) if *from == *value => *label = hit,
                _ => edges.push((*value, hit)),
            }
            if let Some(after) = value.checked_add(1) {
                edges.push((after, miss));
            }
        }
        edges.dedup_by_key(|(_, label)| *label);
        let tree = self.edges(&edges);
        self.load(data::low(index), tree)
    }

    fn edges(&mut self, edges: &[(u32, Label)]) -> Label {
        match edges {
            [] => unreachable_label(self),
            [(_, label)] => *label,
            _ => {
                let (left, right) = edges.split_at(edges.len() / 2);
                let from = right.first().map_or(0, |(from, _)| *from);
                let upper = self.edges(right);
                let lower = self.edges(left);
                self.out.branch(op::JGE, from, upper, lower)
            }
        }
    }

    /// The return of an action. One that is near is used again.
    fn give(&mut self, action: Action) -> Label {
        let near =
            |label: &Label, out: &Assembler| out.first().is_some_and(|first| first.is_within(*label, NEAR));
        if let Some(label) = self.returns.get(&action)
            && near(label, &self.out)
        {
            return *label;
        }
        let label = self.out.push(op::RETURN, value_of(action));
        self.returns.insert(action, label);
        label
    }
}

/// There is always a first edge; a program without one would kill.
fn unreachable_label(compiler: &mut Compiler) -> Label {
    compiler.give(Action::KillProcess)
}

/// The values of the longest run of rules, at the end of these, that each ask for one value of the lower half
/// of one argument and end alike; with the argument and how many rules that are.
fn equal_set(rules: &[Rule]) -> Option<(u8, BTreeSet<u32>, usize)> {
    let single = |rule: &Rule| match rule.conditions.as_slice() {
        [Condition { index, width: Width::Bits32, comparison: Comparison::Equal(value) }] => {
            Some((*index, lower_half(*value), rule.action))
        }
        _ => None,
    };
    let (index, _, action) = single(rules.last()?)?;
    let run = rules.iter().rev().map_while(single).take_while(|(i, _, a)| *i == index && *a == action);
    let values: Vec<u32> = run.map(|(_, value, _)| value).collect();
    let count = values.len();
    Some((index, values.into_iter().collect(), count))
}

impl<'p> Span<'p> {
    fn borrowed(&self) -> Span<'p> {
        Span { from: self.from, leaf: self.leaf, weight: self.weight }
    }
}

/// Spans whose first one starts at `from`, or lower.
fn lowered(mut spans: Vec<Span<'_>>, from: u32) -> Vec<Span<'_>> {
    if let Some(first) = spans.first_mut() {
        first.from = from;
    }
    spans
}

/// Where to cut spans in two, so that both halves weigh the same as far as can be, and never an empty one.
fn split(spans: &[Span<'_>], total: u64) -> usize {
    // Spans that nobody was seen to use weigh a little too, so that the tree stays shallow there.
    let little = total / 64 / u64::try_from(spans.len()).unwrap_or(1).max(1) + 1;
    let weight = |span: &Span<'_>| span.weight.saturating_add(little);
    let half = spans.iter().map(weight).fold(0, u64::saturating_add) / 2;
    let mut sum = 0_u64;
    let mut at = 0;
    for span in spans {
        let with = sum.saturating_add(weight(span));
        if with > half {
            // On whichever side of this span the cut is nearer to the half.
            if with - half < half.saturating_sub(sum) {
                at += 1;
            }
            break;
        }
        sum = with;
        at += 1;
    }
    at.clamp(1, spans.len() - 1)
}

/// How an ABI decides all numbers from 0 on.
fn spans(policy: &Policy, abi: Abi) -> Vec<Span<'_>> {
    let mut spans = vec![Span { from: 0, leaf: Leaf::Action(policy.calls.default_action), weight: 0 }];
    for (syscall, rules) in policy.calls.rules.iter().filter(|(syscall, _)| syscall.abi == abi) {
        let Some(leaf) = leaf_of(rules, policy.calls.default_action) else { continue };
        let weight = observed(rules);
        let starts_here = spans.last().is_some_and(|last| last.from == syscall.nr);
        if starts_here {
            spans.pop();
        }
        spans.push(Span { from: syscall.nr, leaf, weight });
        if let Some(after) = syscall.nr.checked_add(1) {
            spans.push(Span { from: after, leaf: Leaf::Action(policy.calls.default_action), weight: 0 });
        }
    }
    merged(spans)
}

/// Neighbours that end alike become one.
fn merged(spans: Vec<Span<'_>>) -> Vec<Span<'_>> {
    let mut merged: Vec<Span<'_>> = Vec::with_capacity(spans.len());
    for span in spans {
        match (merged.last_mut(), span.leaf) {
            (Some(last), Leaf::Action(action)) if matches!(last.leaf, Leaf::Action(same) if same == action) =>
            {
                last.weight = last.weight.saturating_add(span.weight);
            }
            _ => merged.push(span),
        }
    }
    merged
}

/// What a call's rules come to; `None` where none matters.
fn leaf_of(rules: &[Rule], default: Action) -> Option<Leaf<'_>> {
    // Nothing after a rule without conditions is ever asked.
    let last = rules.iter().position(|rule| rule.conditions.is_empty());
    match last {
        Some(0) => rules.first().map(|rule| Leaf::Action(rule.action)),
        Some(last) => {
            let otherwise = rules.get(last).map_or(default, |rule| rule.action);
            rules.get(..last).map(|rules| Leaf::Rules(rules, otherwise))
        }
        None if rules.iter().all(|rule| rule.action == default) => None,
        None => Some(Leaf::Rules(rules, default)),
    }
}

/// How often a call was seen.
fn observed(rules: &[Rule]) -> u64 {
    let count = |reason: &Reason| match reason {
        Reason::Observed { count, .. } => *count,
        _ => 0,
    };
    let of_rule = |rule: &Rule| rule.reasons.iter().map(count).max().unwrap_or(0);
    // Each rule has the calls that it allows.
    rules.iter().fold(0, |sum, rule| sum.saturating_add(of_rule(rule)))
}

fn lower_half(value: u64) -> u32 {
    u32::try_from(value & 0xffff_ffff).unwrap_or(u32::MAX)
}

fn upper_half(value: u64) -> u32 {
    u32::try_from(value >> 32).unwrap_or(u32::MAX)
}

/// The value that the kernel takes for an action (linux/seccomp.h).
fn value_of(action: Action) -> u32 {
    match action {
        Action::Allow => 0x7fff_0000,
        Action::Log => 0x7ffc_0000,
        Action::Trace(value) => 0x7ff0_0000 | u32::from(value),
        Action::Notify => 0x7fc0_0000,
        Action::Errno(errno) => 0x0005_0000 | u32::from(errno),
        Action::Trap => 0x0003_0000,
        Action::KillThread => 0,
        Action::KillProcess => 0x8000_0000,
    }
}
