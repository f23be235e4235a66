//! Paths that may lead through symbolic links: where they come to, asked of the reader once they are all known.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::uses::Lead;
use sandprint_model::{ByteString, Doubt, FileSeen, Gap, GapKind, Join as _, RunId, Trace};

use crate::reader::{Question, Reader};

/// Processes that are remembered of each root. One that lives is enough.
const MOST_PROCESSES: usize = 16;

/// Paths that are asked about before their answers are waited for.
const AT_A_TIME: usize = 4096;

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
    by: BTreeMap<(Who, Root), Paths>,
    /// Through whose `/proc/PID/root` a root can be seen.
    processes: BTreeMap<Root, Vec<u32>>,
    /// What has been asked.
    known: Ends,
    /// Whether that is to be asked again, since links may have changed meanwhile.
    stale: bool,
    len: usize,
}

/// What was seen, by the path that leads there and the component behind it.
type Paths = BTreeMap<(ByteString, Option<ByteString>), FileSeen>;

/// Where the paths through links come to, by the root and the path that leads there; none where that could not be found out.
type Ends = BTreeMap<Root, BTreeMap<ByteString, Option<ByteString>>>;

/// What was found at the ends of links.
#[derive(Debug)]
pub(crate) struct Found<Who> {
    /// By whom it was used, its path, and what was seen of it.
    pub(crate) ends: Vec<(Who, ByteString, FileSeen)>,
    /// How many paths could not be followed: nobody has that root any more.
    pub(crate) unknown: u64,
}

/// Remembers that a process has a root.
pub(crate) fn remember(processes: &mut BTreeMap<Root, Vec<u32>>, root: Root, tgid: u32) {
    let processes = processes.entry(root).or_default();
    if !processes.contains(&tgid) {
        // The latest is the likeliest to live.
        processes.insert(0, tgid);
        processes.truncate(MOST_PROCESSES);
    }
}

impl<Who> Found<Who> {
    /// The gap that is left, if any.
    pub(crate) fn note_gap(&self, run: &RunId, trace: &mut Trace) {
        if self.unknown > 0 {
            let gap = Gap { kind: GapKind::LinksUnfollowed, run: *run, detail: None };
            trace.note_gap(gap, self.unknown);
        }
    }
}

impl<Who: Ord + Copy> Leads<Who> {
    /// None yet.
    pub(crate) fn none() -> Leads<Who> {
        Leads { by: BTreeMap::new(), processes: BTreeMap::new(), known: Ends::new(), stale: false, len: 0 }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Takes in one, seen by a process with that root.
    pub(crate) fn add(&mut self, who: Who, root: Root, tgid: u32, lead: Lead) {
        remember(&mut self.processes, root, tgid);
        let paths = self.by.entry((who, root)).or_default();
        // Many names in one directory: its path is kept once.
        let from = (lead.through, None);
        let kept = paths.range(&from..).next().filter(|((kept, _), _)| *kept == from.0);
        let through = kept.map(|((kept, _), _)| kept.clone()).unwrap_or(from.0);
        let before = paths.len();
        paths.entry((through, lead.last)).or_default().join(lead.seen);
        self.len += paths.len() - before;
    }

    /// What was seen by those who are wanted at the ends of links. Waits for the reader, once for each path.
    pub(crate) fn ends(&mut self, is_wanted: impl Fn(Who) -> bool, reader: &mut Reader) -> Found<Who> {
        self.ask(reader);
        let mut found = Found { ends: Vec::new(), unknown: 0 };
        let wanted = self.by.iter().filter(|((who, _), _)| is_wanted(*who));
        let wanted = wanted.flat_map(|((who, root), paths)| paths.iter().map(move |lead| (who, root, lead)));
        for (who, root, ((through, last), seen)) in wanted {
            let named = whole(through, last.as_ref());
            let goes_back = seen.doubts.has(Doubt::Unresolved);
            let end = self.known.get(root).and_then(|known| known.get(through)).and_then(Option::as_ref);
            let Some(end) = end else {
                found.unknown += 1;
                // What nobody can follow stays as it was written.
                found.ends.extend(goes_back.then(|| (*who, named, seen.clone())));
                continue;
            };
            let end = whole(end, last.as_ref());
            let is_resolved = goes_back && !goes_back_somewhere(&end);
            if named == end && !is_resolved {
                found.ends.extend(goes_back.then(|| (*who, named, seen.clone())));
            } else {
                let doubts = if is_resolved { seen.doubts.without(Doubt::Unresolved) } else { seen.doubts };
                let written = seen.written.clone().filter(|_| goes_back).or(Some(named));
                found.ends.push((*who, end, FileSeen { written, doubts, ..seen.clone() }));
            }
        }
        found
    }

    /// Has everything asked once more: at a recording's end links may lead elsewhere than at a checkpoint before.
    pub(crate) fn ask_again(&mut self) {
        self.stale = true;
    }

    /// Asks about all paths of which nothing is known yet.
    fn ask(&mut self, reader: &mut Reader) {
        let paths = self.by.iter().flat_map(|((_, root), paths)| paths.keys().map(move |key| (root, &key.0)));
        let mut asked: BTreeMap<Root, BTreeSet<ByteString>> = BTreeMap::new();
        for (root, path) in paths {
            if self.stale || !self.known.get(root).is_some_and(|known| known.contains_key(path)) {
                asked.entry(*root).or_default().insert(path.clone());
            }
        }
        for (root, paths) in asked {
            let processes = self.processes.get(&root).map_or(&[][..], Vec::as_slice);
            let known = self.known.entry(root).or_default();
            // Some at a time: a question and its answer are larger than the path.
            let paths: Vec<ByteString> = paths.into_iter().collect();
            for some in paths.chunks(AT_A_TIME) {
                reader.forget_paths();
                for (path, id) in some.iter().zip(0_u64..) {
                    let (processes, path) = (processes.to_vec(), path.as_bytes().to_vec());
                    let Root { namespace, inode } = root;
                    reader.ask(id, Question::Links { namespace, inode, processes, path });
                }
                reader.settle();
                for (path, id) in some.iter().zip(0_u64..) {
                    let end = reader.path(id).map(|end| {
                        // Most lead through no link.
                        if end == path.as_bytes() { path.clone() } else { ByteString::new(end.to_vec()) }
                    });
                    // Where nobody has the root any more, what was known before is still so.
                    if end.is_some() || !known.contains_key(path) {
                        known.insert(path.clone(), end);
                    }
                }
            }
        }
        reader.forget_paths();
        self.stale = false;
    }
}

/// A path, and what is in it.
fn whole(path: &ByteString, last: Option<&ByteString>) -> ByteString {
    let Some(last) = last else { return path.clone() };
    let mut bytes = path.as_bytes().to_vec();
    if bytes != b"/" {
        bytes.push(b'/');
    }
    bytes.extend_from_slice(last.as_bytes());
    ByteString::new(bytes)
}

fn goes_back_somewhere(path: &ByteString) -> bool {
    path.as_bytes().split(|byte| *byte == b'/').any(|name| name == b"..")
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    #[test]
    fn a_link_that_is_made_after_it_was_asked_about_is_followed_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let path = |name: &str| ByteString::new(folder.join(name).as_os_str().as_bytes());
        let namespace = std::fs::metadata("/proc/self/ns/mnt").unwrap().ino();
        let inode = std::fs::metadata("/").unwrap().ino();
        let here = Root { namespace: u32::try_from(namespace).unwrap(), inode };
        let gone = Root { namespace: 1, inode: 1 };
        let mut leads = Leads::none();
        for root in [here, gone] {
            let lead = Lead { through: path("link"), last: None, seen: FileSeen::default() };
            leads.add(1, root, u32::MAX, lead);
        }
        assert_eq!(leads.len(), 2);
        let mut reader = Reader::start();
        let mut ends = |leads: &mut Leads<u32>| {
            let found = leads.ends(|_| true, &mut reader);
            let paths: Vec<ByteString> = found.ends.into_iter().map(|(_, path, _)| path).collect();
            (paths, found.unknown)
        };
        assert_eq!(ends(&mut leads), (vec![], 1));
        std::fs::write(folder.join("target"), "").unwrap();
        symlink("target", folder.join("link")).unwrap();
        assert_eq!(ends(&mut leads), (vec![], 1));
        leads.ask_again();
        assert_eq!(ends(&mut leads), (vec![path("target")], 1));
    }
}
