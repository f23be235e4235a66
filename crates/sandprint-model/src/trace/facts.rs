//! One table of a trace, for each kind of fact: who did what, and what was seen of it in which run.

use std::cmp::Ordering;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, RangeInclusive};
use std::sync::Arc;

use super::seen::Join;
use crate::errno::Errno;
use crate::{Abi, ByteString, Capability, Image, PerRun, RunId, Syscall};

/// Who did something: a program, in a part of a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Subject {
    /// The program.
    pub image: Arc<Image>,
    /// The named part of the run, if the run has parts.
    pub scope: Option<Arc<str>>,
}

impl Subject {
    /// A program, in a run without parts.
    pub fn of(image: &Arc<Image>) -> Subject {
        Subject { image: Arc::clone(image), scope: None }
    }
}

impl Ord for Subject {
    /// By image, then by scope. Equal images mostly are one allocation, which saves comparing them.
    fn cmp(&self, other: &Subject) -> Ordering {
        let by_image = || self.image.cmp(&other.image);
        let by_image = if Arc::ptr_eq(&self.image, &other.image) { Ordering::Equal } else { by_image() };
        by_image.then_with(|| self.scope.cmp(&other.scope))
    }
}

impl PartialOrd for Subject {
    fn partial_cmp(&self, other: &Subject) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What a table of facts is about, beside who it was.
pub trait Key: Ord + Clone {
    /// The first of all.
    fn first() -> Self;
}

impl Key for Syscall {
    fn first() -> Syscall {
        let [abi, ..] = Abi::ALL;
        Syscall { abi, nr: 0 }
    }
}

/// A call, and an error that it failed with.
impl Key for (Syscall, Errno) {
    fn first() -> (Syscall, Errno) {
        (Syscall::first(), Errno(0))
    }
}

/// A call, and flags that it was made with.
impl Key for (Syscall, u64) {
    fn first() -> (Syscall, u64) {
        (Syscall::first(), 0)
    }
}

/// A capability, and the call in which it was asked for.
impl Key for (Capability, Option<Syscall>) {
    fn first() -> (Capability, Option<Syscall>) {
        (Capability::first(), None)
    }
}

/// A path.
impl Key for ByteString {
    fn first() -> ByteString {
        ByteString::default()
    }
}

/// An opcode of `io_uring`.
impl Key for u8 {
    fn first() -> u8 {
        0
    }
}

/// What was seen of one kind of fact: a value for each subject, key and run of which anything was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts<K, V> {
    rows: BTreeMap<(Subject, K), PerRun<V>>,
}

impl<K, V> Default for Facts<K, V> {
    fn default() -> Facts<K, V> {
        Facts { rows: BTreeMap::new() }
    }
}

impl<K: Key, V> Facts<K, V> {
    /// How many facts there are, whatever the number of runs.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Every fact, by subject, then by key.
    pub fn iter(&self) -> impl Iterator<Item = (&Subject, &K, &PerRun<V>)> {
        self.rows.iter().map(|((subject, key), runs)| (subject, key, runs))
    }

    /// The runs of one fact.
    pub fn get(&self, subject: &Subject, key: &K) -> Option<&PerRun<V>> {
        self.rows.get(&(subject.clone(), key.clone()))
    }

    /// The facts of one subject, of the keys from that to that.
    pub(super) fn range(
        &self,
        subject: &Subject,
        keys: RangeInclusive<K>,
    ) -> impl Iterator<Item = (&K, &PerRun<V>)> {
        let (from, to) = keys.into_inner();
        let facts = self.rows.range((subject.clone(), from)..=(subject.clone(), to));
        facts.map(|((_, key), runs)| (key, runs))
    }

    /// Every value, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.rows.values_mut().flat_map(PerRun::values_mut)
    }

    /// Every run of which something was seen.
    pub fn runs(&self) -> BTreeSet<RunId> {
        self.rows.values().flat_map(PerRun::runs).collect()
    }

    /// The facts that are wanted.
    #[must_use]
    pub fn filtered(&self, is_wanted: impl Fn(&Subject, &K) -> bool) -> Facts<K, V>
    where
        V: Clone,
    {
        let wanted = self.rows.iter().filter(|((subject, key), _)| is_wanted(subject, key));
        Facts { rows: wanted.map(|(fact, runs)| (fact.clone(), runs.clone())).collect() }
    }

    /// What becomes of each fact in each run, without those of which nothing does.
    #[must_use]
    pub(super) fn filter_map(&self, becomes: impl Fn(&K, &V) -> Option<V>) -> Facts<K, V> {
        let rows =
            self.rows.iter().map(|(fact, runs)| (fact.clone(), runs.filter_map(|v| becomes(&fact.1, v))));
        Facts { rows: rows.filter(|(_, runs)| !runs.is_empty()).collect() }
    }

    /// Every program that did something.
    pub fn images(&self) -> impl Iterator<Item = &Arc<Image>> {
        let mut last = None;
        self.rows
            .keys()
            .map(|(subject, _)| &subject.image)
            .filter(move |image| last.replace(*image) != Some(*image))
    }

    /// Enters what was seen of a fact in one run, if nothing is known of it yet: otherwise gives `false`.
    pub(crate) fn enter(&mut self, subject: Subject, key: K, run: RunId, value: V) -> bool {
        let mut is_new = true;
        self.rows.entry((subject, key)).or_default().put(run, value, |_, _| is_new = false);
        is_new
    }

    /// The allocation of an equal image that is here already.
    fn shared(&self, image: &Arc<Image>) -> Option<&Arc<Image>> {
        let first = (Subject::of(image), K::first());
        let ((subject, _), _) = self.rows.range((Bound::Included(first), Bound::Unbounded)).next()?;
        (subject.image == *image).then_some(&subject.image)
    }
}

impl<K: Key, V: Join> Facts<K, V> {
    /// Joins what was seen of a fact in one run with what is known of it.
    pub fn join(&mut self, subject: Subject, key: K, run: RunId, value: V) {
        self.rows.entry((subject, key)).or_default().put(run, value, V::join);
    }

    /// Adds what was seen of a fact in another part of one run to what is known of it.
    pub fn add(&mut self, subject: Subject, key: K, run: RunId, value: V) {
        self.rows.entry((subject, key)).or_default().put(run, value, V::add);
    }

    /// Takes in all that another table knows. Equal images share one allocation afterwards.
    pub(super) fn merge(&mut self, other: Facts<K, V>) {
        let mut last: Option<(Arc<Image>, Arc<Image>)> = None;
        for ((mut subject, key), runs) in other.rows {
            // Facts come ordered by image, so one look-up per image is enough.
            let ours = match &last {
                Some((theirs, ours)) if Arc::ptr_eq(theirs, &subject.image) => Arc::clone(ours),
                _ => {
                    let ours = Arc::clone(self.shared(&subject.image).unwrap_or(&subject.image));
                    last = Some((Arc::clone(&subject.image), Arc::clone(&ours)));
                    ours
                }
            };
            subject.image = ours;
            match self.rows.entry((subject, key)) {
                Entry::Vacant(slot) => drop(slot.insert(runs)),
                Entry::Occupied(mut slot) => slot.get_mut().merge(runs),
            }
        }
    }
}
