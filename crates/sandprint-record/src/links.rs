//! Paths that may lead through symbolic links: where they come to, asked of the reader once they are all known.

use std::collections::BTreeMap;

use sandprint_model::uses::{Lead, joined};
use sandprint_model::{ByteString, FileSeen, Join as _};

use crate::reader::{Question, Reader};

/// Processes that are remembered of each root. One that lives is enough.
const MOST_PROCESSES: usize = 16;

/// A root, as processes see it: a mount namespace, and the inode of its root directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Root {
    /// The inode of the namespace (`/proc/PID/ns/mnt`).
    pub(crate) namespace: u32,
    /// That of the root directory.
    pub(crate) inode: u64,
}

/// What was seen at the ends of paths, by whom.
#[derive(Debug, Clone)]
pub(crate) struct Leads<Who> {
    by: BTreeMap<(Who, Root, ByteString, Option<ByteString>), FileSeen>,
    /// Through whose `/proc/PID/root` a root can be seen.
    processes: BTreeMap<Root, Vec<u32>>,
}

/// Where the paths through links come to, by the root and the path that leads there.
type Ends = BTreeMap<(Root, ByteString), ByteString>;

impl<Who: Ord + Copy> Leads<Who> {
    /// None yet.
    pub(crate) fn none() -> Leads<Who> {
        Leads { by: BTreeMap::new(), processes: BTreeMap::new() }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by.len()
    }

    /// Takes in one, seen by a process with that root.
    pub(crate) fn add(&mut self, who: Who, root: Root, tgid: u32, lead: Lead) {
        let processes = self.processes.entry(root).or_default();
        if !processes.contains(&tgid) {
            // The latest is the likeliest to live.
            processes.insert(0, tgid);
            processes.truncate(MOST_PROCESSES);
        }
        self.by.entry((who, root, lead.through, lead.last)).or_default().join(lead.seen);
    }

    /// What was seen by `who` at the ends of links. Waits for the reader.
    pub(crate) fn ends(
        &self,
        is_wanted: impl Fn(Who) -> bool,
        reader: &mut Reader,
    ) -> Vec<(Who, ByteString, FileSeen)> {
        let wanted = || self.by.iter().filter(|((who, ..), _)| is_wanted(*who));
        let ends = self.ask(wanted().map(|((_, root, through, _), _)| (*root, through)), reader);
        let end = |((who, root, through, last), seen): (
            &(Who, Root, ByteString, Option<ByteString>),
            &FileSeen,
        )| {
            let end = ends.get(&(*root, through.clone()))?;
            let whole = |path: &ByteString| match last {
                Some(last) => joined(path.as_bytes(), last.as_bytes()),
                None => path.clone(),
            };
            let (named, end) = (whole(through), whole(end));
            let seen = FileSeen { written: Some(named.clone()), ..seen.clone() };
            (named != end).then_some((*who, end, seen))
        };
        wanted().filter_map(end).collect()
    }

    fn ask<'l>(&self, paths: impl Iterator<Item = (Root, &'l ByteString)>, reader: &mut Reader) -> Ends {
        let mut asked: Vec<(Root, ByteString)> = paths.map(|(root, path)| (root, path.clone())).collect();
        asked.sort_unstable();
        asked.dedup();
        reader.forget_paths();
        for ((root, path), id) in asked.iter().zip(0_u64..) {
            let processes = self.processes.get(root).cloned().unwrap_or_default();
            let path = path.as_bytes().to_vec();
            reader.ask(id, Question::Links { namespace: root.namespace, inode: root.inode, processes, path });
        }
        reader.settle();
        let ends = asked.into_iter().zip(0_u64..).filter_map(|((root, path), id)| {
            Some(((root, path), ByteString::new(reader.path(id)?.to_vec())))
        });
        ends.collect()
    }
}
