//! What the tables of facts share: the runs and images that their rows refer to, and groups by run, image, scope and ABI.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::errno::Errno;
use crate::wire::ContentProblem;
use crate::wire::content::{self, Images, Refused};
use crate::{
    Abi, ByteString, Capability, Facts, Image, Key, Memory, Name, RunId, Socket, Subject, Syscall, Trace,
};

/// A key of facts that are written in groups.
pub(super) trait Grouped: Key {
    /// The ABI of its group; none where a group is of every ABI.
    fn abi(&self) -> Option<Abi>;
}

impl Grouped for Syscall {
    fn abi(&self) -> Option<Abi> {
        Some(self.abi)
    }
}

impl Grouped for (Syscall, Errno) {
    fn abi(&self) -> Option<Abi> {
        Some(self.0.abi)
    }
}

/// Keys whose groups are of every ABI.
macro_rules! of_every_abi {
    ($($key:ty),+) => {
        $(impl Grouped for $key {
            fn abi(&self) -> Option<Abi> {
                None
            }
        })+
    };
}

of_every_abi!(ByteString, Socket, Name, (Capability, Option<Syscall>), Memory, (Syscall, u64), u8);

/// The rows of the tables of runs and images, for writing.
pub(super) struct Indexes<'t> {
    /// Every run that the trace mentions, also one of which only the id is known; in order.
    pub(super) run_ids: Vec<RunId>,
    /// Every image, in order.
    pub(super) images: Vec<&'t Arc<Image>>,
    /// Every path, in order.
    pub(super) paths: Vec<&'t ByteString>,
}

impl<'t> Indexes<'t> {
    pub(super) fn of(trace: &'t Trace) -> Indexes<'t> {
        let mut run_ids = trace.calls.runs();
        run_ids.extend(trace.results.runs());
        run_ids.extend(trace.refused.runs());
        run_ids.extend(trace.files.runs());
        run_ids.extend(trace.sockets.runs());
        run_ids.extend(trace.names.runs());
        run_ids.extend(trace.capabilities.runs());
        run_ids.extend(trace.memory.runs());
        run_ids.extend(trace.namespaces.runs());
        run_ids.extend(trace.uring.runs());
        run_ids.extend(trace.runs.keys());
        run_ids.extend(trace.gaps.keys().map(|gap| gap.run));
        let mut images: BTreeSet<_> = trace.calls.images().collect();
        images.extend(trace.results.images().chain(trace.refused.images()));
        images.extend(trace.files.images().chain(trace.sockets.images()).chain(trace.memory.images()));
        images.extend(trace.capabilities.images().chain(trace.names.images()));
        images.extend(trace.namespaces.images().chain(trace.uring.images()));
        let mut paths: BTreeSet<&ByteString> = BTreeSet::new();
        for (_, path, runs) in trace.files.iter() {
            paths.insert(path);
            paths.extend(runs.values().filter_map(|seen| seen.written.as_ref()));
        }
        paths.extend(trace.memory.iter().filter_map(|(_, memory, _)| memory.path.as_ref()));
        Indexes {
            run_ids: run_ids.into_iter().collect(),
            images: images.into_iter().collect(),
            paths: paths.into_iter().collect(),
        }
    }

    /// The row of a path.
    pub(super) fn path(&self, path: &ByteString) -> u32 {
        self.paths.binary_search(&path).map_or(u32::MAX, content::index)
    }

    /// The row of a run.
    pub(super) fn run(&self, run: RunId) -> u32 {
        self.run_ids.binary_search(&run).map_or(u32::MAX, content::index)
    }

    /// Every fact of a table in every run, with the rows that it refers to.
    pub(super) fn seen<'f, K: Grouped, V>(&self, facts: &'f Facts<K, V>) -> Seen<'f, K, V> {
        // A vector that grows by itself may end with twice the room.
        let pairs = facts.iter().map(|(_, _, runs)| runs.len()).sum();
        let mut seen = Seen { facts: Vec::with_capacity(facts.len()), rows: Vec::with_capacity(pairs) };
        let mut last: Option<(&Arc<Image>, u32)> = None;
        for (subject, key, runs) in facts.iter() {
            let image = match last {
                Some((image, index)) if Arc::ptr_eq(image, &subject.image) => index,
                _ => self.images.binary_search(&&subject.image).map_or(u32::MAX, content::index),
            };
            last = Some((&subject.image, image));
            let fact = content::index(seen.facts.len());
            seen.rows.extend(runs.iter().map(|(run, value)| (self.run(run), fact, value)));
            seen.facts.push(Fact { image, subject, key });
        }
        seen.rows.sort_unstable_by_key(|(run, fact, _)| (*run, *fact));
        seen
    }
}

/// A fact, and the row of its image.
pub(super) struct Fact<'t, K> {
    image: u32,
    subject: &'t Subject,
    key: &'t K,
}

/// A table of facts as it is written: by run, then in the order of the table.
///
/// There may be millions of pairs of a fact and a run, so each takes no more than it must.
pub(super) struct Seen<'t, K, V> {
    facts: Vec<Fact<'t, K>>,
    /// The run, the fact by its place, and what was seen of it in that run.
    rows: Vec<(u32, u32, &'t V)>,
}

/// The facts of one run, image, scope and ABI.
pub(super) struct Group<'s, 't, K, V> {
    pub(super) run: u32,
    pub(super) image: u32,
    pub(super) scope: Option<&'t str>,
    pub(super) abi: Option<Abi>,
    facts: &'s [Fact<'t, K>],
    rows: &'s [(u32, u32, &'t V)],
}

impl<'t, K: Grouped, V> Seen<'t, K, V> {
    /// The groups, in their order.
    pub(super) fn groups<'s>(&'s self) -> impl Iterator<Item = Group<'s, 't, K, V>> {
        let is_beside = |(run, fact, _): &(u32, u32, &V), (next_run, next_fact, _): &(u32, u32, &V)| {
            let pair = fact_at(&self.facts, *fact).zip(fact_at(&self.facts, *next_fact));
            run == next_run && pair.is_some_and(|(fact, next)| fact.is_beside(next))
        };
        self.rows.chunk_by(is_beside).filter_map(|rows| {
            let (run, fact, _) = rows.first()?;
            let Fact { image, subject, key } = fact_at(&self.facts, *fact)?;
            let (scope, abi) = (subject.scope.as_deref(), key.abi());
            Some(Group { run: *run, image: *image, scope, abi, facts: &self.facts, rows })
        })
    }
}

impl<'s, 't, K, V> Group<'s, 't, K, V> {
    /// What was seen, by key.
    pub(super) fn values(&self) -> impl Iterator<Item = (&'t K, &'t V)> + use<'s, 't, K, V> {
        let facts = self.facts;
        self.rows.iter().filter_map(|(_, fact, value)| Some((fact_at(facts, *fact)?.key, *value)))
    }
}

impl<K: Grouped> Fact<'_, K> {
    fn is_beside(&self, other: &Fact<'_, K>) -> bool {
        (self.image, self.key.abi()) == (other.image, other.key.abi())
            && self.subject.scope == other.subject.scope
    }
}

fn fact_at<'f, 't, K>(facts: &'f [Fact<'t, K>], at: u32) -> Option<&'f Fact<'t, K>> {
    facts.get(usize::try_from(at).ok()?)
}

/// The rows of the tables of runs and images, for reading.
#[derive(Default)]
pub(super) struct Heads {
    pub(super) run_ids: Vec<RunId>,
    pub(super) images: Images,
    pub(super) paths: Vec<ByteString>,
    known_runs: BTreeSet<RunId>,
    scopes: BTreeSet<Arc<str>>,
}

/// What a group of facts says of all of them.
pub(super) struct Place {
    pub(super) run: RunId,
    pub(super) subject: Subject,
    pub(super) abi: Abi,
}

impl Heads {
    /// Takes a row of the table of runs.
    pub(super) fn take_run(&mut self, run: RunId) -> Result<(), Refused> {
        if !self.known_runs.insert(run) {
            return Err(Refused::new("id", ContentProblem::Repeated));
        }
        self.run_ids.push(run);
        Ok(())
    }

    /// The run of that row.
    pub(super) fn run(&self, row: u32) -> Result<RunId, Refused> {
        content::row("run", "runs", &self.run_ids, row).copied()
    }

    /// What the beginning of a group says.
    pub(super) fn place(
        &mut self,
        (run, image): (u32, u32),
        scope: Option<&str>,
        abi: &str,
    ) -> Result<Place, Refused> {
        let (run, subject) = self.subject((run, image), scope)?;
        let abi = content::word("abi", "ABI", abi, Abi::from_name)?;
        Ok(Place { run, subject, abi })
    }

    /// The run of these rows, and who did something in it.
    pub(super) fn subject(
        &mut self,
        (run, image): (u32, u32),
        scope: Option<&str>,
    ) -> Result<(RunId, Subject), Refused> {
        let run = self.run(run)?;
        let image = Arc::clone(content::row("image", "images", self.images.rows(), image)?);
        let scope = scope.map(|name| self.scope(name));
        Ok((run, Subject { image, scope }))
    }

    /// The path of that row.
    pub(super) fn path(&self, field: &str, row: u32) -> Result<ByteString, Refused> {
        content::row(field, "paths", &self.paths, row).cloned()
    }

    /// The one allocation of a scope's name.
    fn scope(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.scopes.get(name) {
            return Arc::clone(known);
        }
        let scope: Arc<str> = name.into();
        self.scopes.insert(Arc::clone(&scope));
        scope
    }
}
