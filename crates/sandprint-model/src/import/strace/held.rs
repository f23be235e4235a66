//! What the processes of an strace log hold open, and where they are.
//!
//! Threads of a process mostly share both; a child that is no thread has its own copy, as it was when it was made.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::descriptor::Open;
use crate::uses::Place;

/// Most descriptors that are kept of a process; of others nothing is known.
const MOST: usize = 4096;

/// The descriptors of a process, as far as the log has told of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    known: Arc<BTreeMap<i32, Entry>>,
    /// Whether it has executed something since it was a copy of another's.
    has_executed: bool,
}

#[derive(Debug, Clone)]
struct Entry {
    /// What it is of; none where that is not known, and where it is closed.
    open: Option<Open>,
    closes_on_exec: bool,
}

impl Table {
    /// What a descriptor is of, if that is known.
    pub(super) fn get(&self, descriptor: i32) -> Option<&Open> {
        self.known.get(&descriptor)?.open.as_ref()
    }

    /// A descriptor is given out. It is of something that is not known where `open` is none.
    pub(super) fn set(&mut self, descriptor: i32, open: Option<Open>, closes_on_exec: bool) {
        let is_kept = self.known.contains_key(&descriptor) || self.known.len() < MOST;
        if descriptor >= 0 && is_kept {
            Arc::make_mut(&mut self.known).insert(descriptor, Entry { open, closes_on_exec });
        }
    }

    /// A descriptor is closed.
    pub(super) fn close(&mut self, descriptor: i32) {
        self.set(descriptor, None, false);
    }

    /// Descriptors of a range are closed.
    pub(super) fn close_range(&mut self, range: std::ops::RangeInclusive<i32>) {
        if range.start() <= range.end() {
            let closed = |entry: &mut Entry| *entry = Entry { open: None, closes_on_exec: false };
            Arc::make_mut(&mut self.known).range_mut(range).for_each(|(_, entry)| closed(entry));
        }
    }

    /// A descriptor will be closed when something is executed, or not.
    pub(super) fn close_on_exec(&mut self, range: std::ops::RangeInclusive<i32>, closes: bool) {
        if range.start() <= range.end() {
            let known = Arc::make_mut(&mut self.known);
            known.range_mut(range).for_each(|(_, entry)| entry.closes_on_exec = closes);
        }
    }

    fn execute(&mut self) {
        self.has_executed = true;
        if self.known.values().any(|entry| entry.closes_on_exec) {
            for entry in Arc::make_mut(&mut self.known).values_mut().filter(|entry| entry.closes_on_exec) {
                *entry = Entry { open: None, closes_on_exec: false };
            }
        }
    }

    /// Takes over what a parent has, which was found late: whatever the child itself has done stays.
    fn inherit(&mut self, parent: &Table) {
        if self.known.is_empty() && !self.has_executed {
            self.known = Arc::clone(&parent.known);
            return;
        }
        let stays_open = |entry: &Entry| !(self.has_executed && entry.closes_on_exec);
        let others: Vec<(i32, Entry)> = parent
            .known
            .iter()
            .filter(|(descriptor, entry)| stays_open(entry) && !self.known.contains_key(descriptor))
            .map(|(descriptor, entry)| (*descriptor, entry.clone()))
            .collect();
        Arc::make_mut(&mut self.known).extend(others);
    }
}

/// Where a process is.
#[derive(Debug, Clone, Default)]
pub(super) struct Position {
    /// Its working directory, if the log has told it.
    pub directory: Option<Place>,
    /// Whether it has another root than strace, so that what `-y` says of its files are no paths of its own.
    pub is_elsewhere: bool,
}

/// A thread's descriptors and position, which others may share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    table: usize,
    position: usize,
}

/// What a clone shares with its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Shares {
    /// Its descriptors (`CLONE_FILES`).
    pub table: bool,
    /// Its position (`CLONE_FS`).
    pub position: bool,
}

/// What all threads hold.
#[derive(Debug, Default)]
pub(super) struct AllHeld {
    tables: Slots<Table>,
    positions: Slots<Position>,
}

impl AllHeld {
    /// Those of a thread of which nothing is known.
    pub(super) fn unknown(&mut self) -> Held {
        Held { table: self.tables.put(Table::default()), position: self.positions.put(Position::default()) }
    }

    /// Those of a child.
    pub(super) fn of_child(&mut self, parent: Held, shares: Shares) -> Held {
        Held {
            table: self.tables.child(parent.table, shares.table),
            position: self.positions.child(parent.position, shares.position),
        }
    }

    /// A thread has ended.
    pub(super) fn release(&mut self, held: Held) {
        self.tables.release(held.table);
        self.positions.release(held.position);
    }

    /// Some of it is the thread's own from here on.
    pub(super) fn unshare(&mut self, held: &mut Held, what: Shares) {
        if what.table {
            held.table = self.tables.own(held.table);
        }
        if what.position {
            held.position = self.positions.own(held.position);
        }
    }

    /// The thread has executed something.
    pub(super) fn execute(&mut self, held: &mut Held) {
        self.unshare(held, Shares { table: true, position: true });
        if let Some(table) = self.tables.get_mut(held.table) {
            table.execute();
        }
    }

    /// The parent of a thread has been found, of which nothing was known before.
    pub(super) fn inherit(&mut self, child: Held, parent: Held) {
        if let Some(theirs) = self.tables.get(parent.table).cloned()
            && let Some(table) = self.tables.get_mut(child.table)
        {
            table.inherit(&theirs);
        }
        if let Some(theirs) = self.positions.get(parent.position).cloned()
            && let Some(position) = self.positions.get_mut(child.position)
        {
            position.is_elsewhere |= theirs.is_elsewhere;
            position.directory = position.directory.take().or(theirs.directory);
        }
    }

    /// A thread's descriptors and position.
    pub(super) fn of(&self, held: Held) -> Option<(&Table, &Position)> {
        self.tables.get(held.table).zip(self.positions.get(held.position))
    }

    /// The same, to be changed.
    pub(super) fn of_mut(&mut self, held: Held) -> Option<(&mut Table, &mut Position)> {
        self.tables.get_mut(held.table).zip(self.positions.get_mut(held.position))
    }
}

/// Values that several may share, each with how many do.
#[derive(Debug)]
struct Slots<T> {
    all: Vec<(T, usize)>,
    free: Vec<usize>,
}

impl<T> Default for Slots<T> {
    fn default() -> Slots<T> {
        Slots { all: Vec::new(), free: Vec::new() }
    }
}

impl<T: Clone + Default> Slots<T> {
    fn put(&mut self, value: T) -> usize {
        if let Some((at, slot)) = self.free.pop().and_then(|at| Some((at, self.all.get_mut(at)?))) {
            *slot = (value, 1);
            return at;
        }
        self.all.push((value, 1));
        self.all.len() - 1
    }

    fn get(&self, at: usize) -> Option<&T> {
        self.all.get(at).map(|(value, _)| value)
    }

    fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.all.get_mut(at).map(|(value, _)| value)
    }

    /// The same once more, or a copy of it.
    fn child(&mut self, parent: usize, shares: bool) -> usize {
        match self.all.get_mut(parent) {
            Some((_, users)) if shares => {
                *users += 1;
                parent
            }
            Some((value, _)) => {
                let copy = value.clone();
                self.put(copy)
            }
            None => self.put(T::default()),
        }
    }

    /// A copy for who shares it with others; itself where nobody does.
    fn own(&mut self, at: usize) -> usize {
        match self.all.get_mut(at) {
            Some((value, users)) if *users > 1 => {
                *users -= 1;
                let copy = value.clone();
                self.put(copy)
            }
            _ => at,
        }
    }

    fn release(&mut self, at: usize) {
        let Some((value, users)) = self.all.get_mut(at) else { return };
        *users = users.saturating_sub(1);
        if *users == 0 {
            *value = T::default();
            self.free.push(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_known(all: &AllHeld, held: Held, descriptor: i32) -> bool {
        all.of(held).is_some_and(|(table, _)| table.get(descriptor).is_some())
    }

    fn open(all: &mut AllHeld, held: Held, descriptor: i32, closes: bool) {
        all.of_mut(held).unwrap().0.set(descriptor, Some(Open::Other), closes);
    }

    #[test]
    fn a_copy_is_of_its_own_and_what_is_shared_is_not() {
        let mut all = AllHeld::default();
        let parent = all.unknown();
        open(&mut all, parent, 3, true);
        let mut thread = all.of_child(parent, Shares { table: true, position: true });
        let child = all.of_child(parent, Shares::default());
        open(&mut all, thread, 4, false);
        all.of_mut(child).unwrap().0.close(3);
        let known = |all: &AllHeld, held| [3, 4].map(|descriptor| is_known(all, held, descriptor));
        assert_eq!(
            [parent, thread, child].map(|held| known(&all, held)),
            [[true, true], [true, true], [false, false]]
        );
        all.execute(&mut thread);
        assert_eq!([parent, thread].map(|held| known(&all, held)), [[true, true], [false, true]]);
        all.release(parent);
        assert_eq!(known(&all, parent), [false, false], "nobody has it");
        assert_eq!(all.unknown(), parent, "its place is free");
        assert_eq!(known(&all, thread), [false, true]);
    }

    #[test]
    fn a_parent_that_is_found_late_says_what_the_child_has_not_done_itself() {
        let mut all = AllHeld::default();
        let (parent, mut child) = (all.unknown(), all.unknown());
        for (descriptor, closes) in [(3, true), (4, false), (5, false)] {
            open(&mut all, parent, descriptor, closes);
        }
        all.of_mut(child).unwrap().0.close(4);
        all.execute(&mut child);
        all.inherit(child, parent);
        assert_eq!([3, 4, 5].map(|descriptor| is_known(&all, child, descriptor)), [false, false, true]);
    }
}
