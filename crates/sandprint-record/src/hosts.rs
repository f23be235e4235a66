//! The files `/etc/hosts` that were read, as the roots of who read them show them: asked of the reader at the end.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::names::{address_of, entries};
use sandprint_model::uses::Uses;
use sandprint_model::{FileSeen, Gap, GapKind, Name, Operation, Right, RunId, Trace};

use crate::links::{Root, remember};
use crate::reader::{Question, Reader};

/// Most names in all: answers without end have as many as they like.
pub(crate) const MOST_NAMES: usize = 65_536;
/// Most roots whose file is read. Of others, it is as if nobody had them any more.
const MOST_ROOTS: usize = 256;
/// The file.
const PATH: &[u8] = b"/etc/hosts";

/// Who read the file, from which root.
#[derive(Debug, Clone)]
pub(crate) struct Hosts<Who> {
    by: BTreeSet<(Who, Root)>,
    /// Through whose `/proc/PID/root` a root can be seen.
    processes: BTreeMap<Root, Vec<u32>>,
    /// The text of each file; none where it could not be read.
    known: BTreeMap<Root, Option<Vec<u8>>>,
    /// Whether they are to be read again, since they may have changed meanwhile.
    stale: bool,
}

/// What the files say of the addresses that were used.
#[derive(Debug)]
pub(crate) struct Found<Who> {
    pub(crate) names: Vec<(Who, Name)>,
    /// How many files could not be read or are not kept whole: nobody has that root any more, or they are too long.
    pub(crate) unknown: u64,
}

impl<Who> Found<Who> {
    /// The gap that is left, if any.
    pub(crate) fn note_gap(&self, run: &RunId, trace: &mut Trace) {
        if self.unknown > 0 {
            let gap = Gap { kind: GapKind::NamesLost, run: *run, detail: Some("/etc/hosts".to_owned()) };
            trace.note_gap(gap, self.unknown);
        }
    }
}

/// Whether this is the file, and it was read.
pub(crate) fn is_read(path: &[u8], seen: &FileSeen) -> bool {
    path == PATH && seen.succeeded.and(seen.tried).has(Right::Read)
}

impl<Who: Ord + Copy> Hosts<Who> {
    /// Nobody yet.
    pub(crate) fn none() -> Hosts<Who> {
        Hosts { by: BTreeSet::new(), processes: BTreeMap::new(), known: BTreeMap::new(), stale: false }
    }

    /// Takes in that somebody read the file, in a process with that root.
    pub(crate) fn add(&mut self, who: Who, root: Root, tgid: u32) {
        remember(&mut self.processes, root, tgid);
        self.by.insert((who, root));
    }

    /// The names of the addresses that those used who are wanted and read the file. Waits for the reader, once for each
    /// root.
    pub(crate) fn names(
        &mut self,
        is_wanted: impl Fn(Who) -> bool,
        uses: &BTreeMap<Who, Uses>,
        reader: &mut Reader,
    ) -> Found<Who> {
        self.ask(reader);
        let mut found = Found { names: Vec::new(), unknown: 0 };
        for (who, root) in self.by.iter().filter(|(who, _)| is_wanted(*who)) {
            let Some(Some(text)) = self.known.get(root) else {
                found.unknown += 1;
                continue;
            };
            let is_use = |operation| matches!(operation, Operation::Connect | Operation::Send);
            let sockets = uses.get(who).into_iter().flat_map(|uses| uses.sockets.keys());
            let addresses: BTreeSet<_> = sockets
                .filter(|socket| is_use(socket.operation))
                .filter_map(|socket| address_of(&socket.address))
                .collect();
            let room = MOST_NAMES.saturating_sub(found.names.len());
            let mut names =
                entries(text).filter(|(ip, _)| addresses.contains(ip)).map(|(_, name)| (*who, name));
            found.names.extend(names.by_ref().take(room));
            found.unknown += u64::from(names.next().is_some());
        }
        found
    }

    /// Has all files read once more.
    pub(crate) fn ask_again(&mut self) {
        self.stale = true;
    }

    /// Asks for the files of all roots of which nothing is known yet.
    fn ask(&mut self, reader: &mut Reader) {
        let roots: BTreeSet<Root> = self.by.iter().map(|(_, root)| *root).collect();
        let is_asked = |root: &Root| self.stale || !self.known.contains_key(root);
        // Each file may be long.
        let asked: Vec<Root> = roots.into_iter().filter(is_asked).take(MOST_ROOTS).collect();
        self.stale = false;
        if asked.is_empty() {
            return;
        }
        reader.forget_paths();
        for (root, id) in asked.iter().zip(0_u64..) {
            let processes = self.processes.get(root).cloned().unwrap_or_default();
            let (namespace, inode, path) = (root.namespace, root.inode, PATH.to_vec());
            reader.ask(id, Question::Text { namespace, inode, processes, path });
        }
        reader.settle();
        for (root, id) in asked.into_iter().zip(0_u64..) {
            let text = reader.path(id).map(<[u8]>::to_vec);
            if text.is_some() || !self.known.contains_key(&root) {
                self.known.insert(root, text);
            }
        }
        reader.forget_paths();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use sandprint_model::{Address, Family, Outcomes, Rights, Socket, SocketType};

    use super::*;

    #[test]
    fn addresses_that_were_used_have_the_names_of_the_file() {
        let namespace = std::fs::metadata("/proc/self/ns/mnt").unwrap().ino();
        let (namespace, inode) = (u32::try_from(namespace).unwrap(), std::fs::metadata("/").unwrap().ino());
        let here = Root { namespace, inode };
        let text = std::fs::read(std::str::from_utf8(PATH).unwrap()).unwrap();
        let (ip, _) = entries(&text).find(|(ip, _)| ip.is_ipv4()).unwrap();
        let std::net::IpAddr::V4(v4) = ip else { panic!("{ip}") };
        let socket = Socket {
            family: Family::INET,
            kind: SocketType(1),
            protocol: 6,
            operation: Operation::Connect,
            address: Address::Inet { ip: v4, port: 1 },
        };
        let mut uses: BTreeMap<u32, Uses> = BTreeMap::new();
        uses.entry(1).or_default().sockets.insert(socket, Outcomes::SUCCEEDED);
        let mut hosts = Hosts::none();
        hosts.add(1, here, 1);
        hosts.add(2, here, 1);
        hosts.add(2, Root { namespace: 1, inode: 1 }, u32::MAX);
        let mut reader = Reader::start();
        let found = hosts.names(|_| true, &uses, &mut reader);
        let expected: Vec<_> =
            entries(&text).filter(|(other, _)| *other == ip).map(|(_, name)| (1, name)).collect();
        assert!(!expected.is_empty());
        assert_eq!((found.names, found.unknown), (expected, 1));
        assert_eq!(hosts.names(|who| who != 1, &uses, &mut reader).names, []);
    }

    #[test]
    fn only_this_file_and_only_reading_it_counts() {
        let seen = |rights: &[Right]| FileSeen {
            succeeded: rights.iter().copied().collect(),
            ..FileSeen::default()
        };
        assert!(is_read(PATH, &seen(&[Right::Read])) && !is_read(PATH, &seen(&[Right::Metadata])));
        assert!(!is_read(b"/etc/passwd", &seen(&[Right::Read])));
        assert!(is_read(PATH, &FileSeen { tried: Rights::from([Right::Read]), ..FileSeen::default() }));
    }
}
