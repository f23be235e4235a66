//! What books keep of files, sockets and the flags of new tasks: each use once, with a bound for what the workload can
//! fill.

use std::collections::{BTreeMap, HashMap};

use sandprint_model::Join as _;
use sandprint_model::uses::Uses;

use sandprint_model::{Address, Operation, Socket, SocketType};

use super::look::Found;
use super::{Key, places};
use crate::hosts::{Hosts, MOST_NAMES};
use crate::links::{Leads, Root};

/// Most paths by program, and most sockets: as many as the BPF recorder tells apart.
const MOST_USES: usize = 262_144;
/// Most flags by program and call.
const MOST_FLAGS: usize = 65_536;

/// What was found so far.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// By image.
    pub(crate) uses: BTreeMap<usize, Uses>,
    /// How often tasks were made with which flags in memory.
    pub(crate) flags: HashMap<(Key, u64), u64>,
    /// Paths that may lead through symbolic links.
    pub(crate) leads: Leads<usize>,
    /// By which process each image was executed, and its root.
    pub(crate) executed: BTreeMap<usize, (Root, u32)>,
    /// Who read `/etc/hosts`.
    pub(crate) hosts: Hosts<usize>,
    /// Whether somebody has asked a resolver, and whether somebody has connected a stream: before that nothing that is
    /// received or sent tells names.
    pub(super) asks_names: bool,
    pub(super) has_streams: bool,
    names: usize,
    files: usize,
    sockets: usize,
    /// Uses of files that were not kept, or not looked at.
    pub(crate) files_lost: u64,
    /// The same of sockets.
    pub(crate) sockets_lost: u64,
    /// The same of what tells names.
    pub(crate) names_lost: u64,
    /// The same of flags.
    pub(crate) flags_lost: u64,
}

impl Kept {
    pub(super) fn none() -> Kept {
        Kept {
            uses: BTreeMap::new(),
            flags: HashMap::new(),
            leads: Leads::none(),
            executed: BTreeMap::new(),
            hosts: Hosts::none(),
            asks_names: false,
            has_streams: false,
            names: 0,
            files: 0,
            sockets: 0,
            files_lost: 0,
            sockets_lost: 0,
            names_lost: 0,
            flags_lost: 0,
        }
    }

    /// Takes note of who executed an image.
    pub(super) fn run(&mut self, image: usize, process: u32) {
        if let Some(root) = places::identity_of_root(process) {
            self.executed.insert(image, (root, process));
        }
    }

    /// Takes in what was found of a call.
    pub(super) fn add(&mut self, key: Key, found: Found) {
        let uses = self.uses.entry(key.image).or_default();
        self.files_lost = self.files_lost.saturating_add(found.files_lost);
        self.sockets_lost = self.sockets_lost.saturating_add(found.sockets_lost);
        self.flags_lost = self.flags_lost.saturating_add(found.flags_lost);
        for (path, seen) in found.files {
            if let Some(known) = uses.files.get_mut(&path) {
                known.join(seen);
            } else if self.files < MOST_USES {
                self.files += 1;
                uses.files.insert(path, seen);
            } else {
                self.files_lost = self.files_lost.saturating_add(1);
            }
        }
        self.names_lost = self.names_lost.saturating_add(found.names_lost);
        for name in found.names {
            if uses.names.contains(&name) {
                continue;
            }
            if self.names < MOST_NAMES {
                self.names += 1;
                uses.names.insert(name);
            } else {
                self.names_lost = self.names_lost.saturating_add(1);
            }
        }
        if let Some((root, process)) = found.hosts {
            self.hosts.add(key.image, root, process);
        }
        for (socket, outcomes) in found.sockets {
            if !outcomes.failed {
                let (asks_names, has_streams) = leads_to_names(&socket);
                self.asks_names |= asks_names;
                self.has_streams |= has_streams;
            }
            if let Some(known) = uses.sockets.get_mut(&socket) {
                known.join(outcomes);
            } else if self.sockets < MOST_USES {
                self.sockets += 1;
                uses.sockets.insert(socket, outcomes);
            } else {
                self.sockets_lost = self.sockets_lost.saturating_add(1);
            }
        }
        for (root, process, lead) in found.leads {
            if self.leads.len() < MOST_USES {
                self.leads.add(key.image, root, process, lead);
            } else {
                self.files_lost = self.files_lost.saturating_add(1);
            }
        }
        if let Some(flags) = found.flags {
            if let Some(count) = self.flags.get_mut(&(key, flags)) {
                *count = count.saturating_add(1);
            } else if self.flags.len() < MOST_FLAGS {
                self.flags.insert((key, flags), 1);
            } else {
                self.flags_lost = self.flags_lost.saturating_add(1);
            }
        }
    }
}

/// Whether what is done with a socket asks a resolver, and whether it makes a stream that may lead to a proxy.
fn leads_to_names(socket: &Socket) -> (bool, bool) {
    const RESOLVER: u16 = 53;
    if !matches!(socket.operation, Operation::Connect | Operation::Send) {
        return (false, false);
    }
    let (port, is_known) = match &socket.address {
        Address::Inet { port, .. } | Address::Inet6 { port, .. } => (Some(*port), true),
        Address::UnixPath(_) | Address::UnixAbstract(_) => (None, true),
        _ => (None, false),
    };
    (port == Some(RESOLVER), is_known && socket.kind == SocketType::STREAM)
}

#[cfg(test)]
mod tests {
    use sandprint_model::{Abi, ByteString, Family, FileSeen, Meaning, Name, Right, Rights, Syscall};

    use super::*;

    #[test]
    fn names_without_end_too() {
        let mut kept = Kept::none();
        let key = Key { image: 2, call: Syscall { abi: Abi::X86_64, nr: 0 } };
        let name = |nth: usize| Name {
            name: ByteString::new(format!("n{nth}").into_bytes()),
            meaning: Meaning::Connect(443),
        };
        for nth in (0..MOST_NAMES + 10).chain([7]) {
            kept.add(key, Found { names: vec![name(nth)], ..Found::default() });
        }
        assert_eq!((kept.uses[&2].names.len(), kept.names_lost), (MOST_NAMES, 10));
    }

    #[test]
    fn nothing_tells_names_before_somebody_asks_or_has_a_stream() {
        let of = |kind, operation, address: &str| {
            let address = Address::parse(address).unwrap();
            leads_to_names(&Socket { family: Family(2), kind, protocol: 0, operation, address })
        };
        let (stream, datagram) = (SocketType::STREAM, SocketType(2));
        assert_eq!(of(datagram, Operation::Connect, "127.0.0.1:53"), (true, false));
        assert_eq!(of(datagram, Operation::Send, "[::1]:53"), (true, false));
        assert_eq!(of(stream, Operation::Connect, "127.0.0.1:53"), (true, true));
        assert_eq!(of(stream, Operation::Connect, "/run/proxy"), (false, true));
        assert_eq!(of(stream, Operation::Bind, "127.0.0.1:53"), (false, false));
        assert_eq!(of(datagram, Operation::Send, "127.0.0.1:5353"), (false, false));
    }

    #[test]
    fn paths_without_end_take_room_with_an_end_and_are_told() {
        let mut kept = Kept::none();
        let key = Key { image: 2, call: Syscall { abi: Abi::X86_64, nr: 2 } };
        let read = FileSeen { succeeded: Rights::from([Right::Read]), ..FileSeen::default() };
        let mut open = |nth: usize| {
            let files = vec![(ByteString::new(format!("/{nth}").into_bytes()), read.clone())];
            kept.add(key, Found { files, ..Found::default() });
        };
        (0..MOST_USES + 10).for_each(&mut open);
        // What is known is kept all the same.
        open(7);
        assert_eq!((kept.uses[&2].files.len(), kept.files_lost), (MOST_USES, 10));
    }
}
