//! What the programs send of files and sockets: from the ring buffer to facts.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::errno::Errno;
use sandprint_model::names::{answered, asked_of_proxy};
use sandprint_model::uses::{FileUse, How, Lead, Place, SocketUse, Uses, joined};
use sandprint_model::{
    Address, Arch, ByteString, Doubt, Doubts, Family, FileSeen, Join as _, Name, Operation, Right, Rights,
    Socket, SocketType, Syscall, address_operand,
};

use super::TargetId;
use super::decode::{Fields, path_from_components, syscall};
use crate::hosts::{self, Hosts, MOST_NAMES};
use crate::links::{Leads, Root};
use crate::reader::Reader;

/// Bytes of `struct sp_use`, which the paths and the text follow.
const HEAD: usize = 88;

/// Most bytes of records that are taken in. As many uses as the programs tell apart, whose paths are not very long; a
/// program that makes longest names for it would have the recorder need gigabytes.
const MOST_BYTES: usize = 256 << 20;
/// There is a path (`SP_PATH_KNOWN`).
const KNOWN: u8 = 16;

// `enum sp_use_kind`
const PATH: u8 = 0;
const SECOND_PATH: u8 = 1;
const DESCRIPTOR: u8 = 2;
const EXEC: u8 = 3;
const SCRIPT: u8 = 4;
const SOCKET: u8 = 5;
const ANSWER: u8 = 6;
const REQUEST: u8 = 7;

/// What was sent so far, by image and target.
#[derive(Debug)]
pub(super) struct Sent {
    arch: Arch,
    pub(super) by: BTreeMap<(u64, TargetId), Uses>,
    /// Paths that may lead through links.
    pub(super) leads: Leads<(u64, TargetId)>,
    /// What was executed, by its path: whose root it was seen from.
    executed: BTreeMap<ByteString, (Root, u32)>,
    /// Bytes that were taken in.
    bytes: usize,
    /// What was not taken in, since it was too much: of files, and of sockets.
    pub(super) lost_files: u64,
    pub(super) lost_sockets: u64,
    /// Of what tells names, also what could not be read.
    pub(super) lost_names: u64,
    /// Names that were taken in.
    names: usize,
    /// Who read `/etc/hosts`.
    pub(super) hosts: Hosts<(u64, TargetId)>,
}

/// `struct sp_use`, and what follows it.
struct Record<'a> {
    image: u64,
    target: TargetId,
    call: Syscall,
    root: Root,
    tgid: u32,
    kind: u8,
    told: u64,
    result: u64,
    mode: u16,
    made: bool,
    error: Option<Errno>,
    family: u16,
    protocol: u16,
    found: Option<Place>,
    base: Option<Place>,
    text: &'a [u8],
}

impl<'a> Record<'a> {
    fn decode(bytes: &'a [u8], arch: Arch) -> Option<Record<'a>> {
        let (head, data) = bytes.split_at_checked(HEAD)?;
        let mut fields = Fields(head);
        let image = fields.u64()?;
        let (told, result, _ino, root_ino) = (fields.u64()?, fields.u64()?, fields.u64()?, fields.u64()?);
        let (mnt_ns, target, tgid, nr, _magic) =
            (fields.u32()?, TargetId(fields.u32()?), fields.u32()?, fields.u32()?, fields.u32()?);
        let (mode, error) = (fields.u16()?, fields.u16()?);
        let [found, base, text] = [fields.u16()?, fields.u16()?, fields.u16()?].map(usize::from);
        let [abi, kind, found_flags, base_flags] = [fields.u8()?, fields.u8()?, fields.u8()?, fields.u8()?];
        let is_new = fields.u8()? != 0;
        let (_, protocol, family) = (fields.u8()?, fields.u16()?, fields.u16()?);
        let (found, data) = data.split_at_checked(found)?;
        let (base, data) = data.split_at_checked(base)?;
        let place = |components: &[u8], flags: u8| (flags & KNOWN != 0).then(|| place(components, flags));
        Some(Record {
            image,
            target,
            call: syscall(abi.into(), nr, arch),
            root: Root { namespace: mnt_ns, inode: root_ino },
            tgid,
            kind,
            told,
            result,
            mode,
            made: is_new,
            error: (error != 0).then_some(Errno(error)),
            family,
            protocol,
            found: place(found, found_flags),
            base: place(base, base_flags),
            text: data.get(..text)?,
        })
    }
}

/// A path as the programs write it; the root itself has no components.
fn place(components: &[u8], flags: u8) -> Place {
    let reasons = [(1, Doubt::Cut), (2, Doubt::Torn), (4, Doubt::Unlinked), (8, Doubt::Outside)];
    let doubts: Doubts =
        reasons.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, doubt)| doubt).collect();
    let path = path_from_components(components);
    Place { path: if path.is_empty() { ByteString::from("/") } else { path }, doubts }
}

impl Sent {
    /// Nothing yet.
    pub(super) fn none(arch: Arch) -> Sent {
        Sent {
            arch,
            by: BTreeMap::new(),
            leads: Leads::none(),
            executed: BTreeMap::new(),
            bytes: 0,
            lost_files: 0,
            lost_sockets: 0,
            lost_names: 0,
            names: 0,
            hosts: Hosts::none(),
        }
    }

    /// The programs of which something was sent.
    pub(super) fn images(&self, of: TargetId) -> BTreeSet<u64> {
        self.by.keys().filter(|(_, target)| *target == of).map(|(image, _)| *image).collect()
    }

    /// Takes in a record. One that is too short for what it says is none of ours.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let Some(record) = Record::decode(bytes, self.arch) else { return };
        if self.bytes.saturating_add(bytes.len()) > MOST_BYTES {
            let lost = match record.kind {
                SOCKET => &mut self.lost_sockets,
                ANSWER | REQUEST => &mut self.lost_names,
                _ => &mut self.lost_files,
            };
            *lost = lost.saturating_add(1);
            return;
        }
        self.bytes = self.bytes.saturating_add(bytes.len());
        let how = match record.kind {
            PATH => How::Path(0),
            SECOND_PATH => How::Path(1),
            DESCRIPTOR => How::Descriptor,
            EXEC => How::Executed,
            SCRIPT => How::Interpreter,
            SOCKET => return self.take_socket(record),
            ANSWER | REQUEST => return self.take_names(&record),
            _ => return,
        };
        if let (EXEC | SCRIPT, Some(found)) = (record.kind, &record.found) {
            self.executed.insert(found.path.clone(), (record.root, record.tgid));
        }
        let (who, root, tgid) = ((record.image, record.target), record.root, record.tgid);
        let of = FileUse {
            call: record.call,
            how,
            told: record.told,
            error: record.error,
            mode: (record.mode != 0).then_some(record.mode),
            made: record.made,
            found: record.found,
            base: record.base,
            text: record.text,
        };
        let (facts, leads) = of.facts_and_leads();
        if facts.iter().any(|(path, seen)| hosts::is_read(path.as_bytes(), seen)) {
            self.hosts.add(who, root, tgid);
        }
        let uses = self.by.entry(who).or_default();
        uses.add_facts(facts);
        for mut lead in leads {
            lead.through = uses.kept(lead.through);
            self.leads.add(who, root, tgid, lead);
        }
    }

    /// Has what links and files of names say asked once more, at the end.
    pub(super) fn ask_again(&mut self) {
        self.leads.ask_again();
        self.hosts.ask_again();
    }

    /// Takes in that a program of that path asks for this interpreter, which the kernel opens with it (elf(5)).
    pub(super) fn add_interpreter(&mut self, who: (u64, TargetId), program: &ByteString, interpreter: &[u8]) {
        let Some((root, tgid)) = self.executed.get(program).copied() else { return };
        // Relative to the working directory of each time, which nobody knows any more.
        if !interpreter.starts_with(b"/") {
            return;
        }
        let path = joined(b"", interpreter);
        let seen = FileSeen { succeeded: Rights::from([Right::Execute]), ..FileSeen::default() };
        self.by.entry(who).or_default().files.entry(path.clone()).or_default().join(seen.clone());
        self.leads.add(who, root, tgid, Lead { through: path, last: None, seen });
    }

    fn take_names(&mut self, record: &Record<'_>) {
        let is_whole = u64::try_from(record.text.len()).is_ok_and(|length| length == record.result);
        let names = match record.kind {
            REQUEST => asked_of_proxy(record.text),
            _ if !is_whole => None,
            _ => answered(record.text, SocketType(record.mode.into()) == SocketType::STREAM),
        };
        let Some(names) = names else {
            self.lost_names = self.lost_names.saturating_add(1);
            return;
        };
        let known = &mut self.by.entry((record.image, record.target)).or_default().names;
        for name in names.into_iter().filter(|name| !known.contains(name)).collect::<BTreeSet<Name>>() {
            if self.names < MOST_NAMES {
                self.names += 1;
                known.insert(name);
            } else {
                self.lost_names = self.lost_names.saturating_add(1);
            }
        }
    }

    /// The names that `/etc/hosts` has for what those used who are wanted. Waits for the reader.
    pub(super) fn ask_hosts(&mut self, of: TargetId, reader: &mut Reader) -> hosts::Found<(u64, TargetId)> {
        self.hosts.names(|(_, target)| target == of, &self.by, reader)
    }

    fn take_socket(&mut self, record: Record<'_>) {
        let Some(operand) = address_operand(record.call) else { return };
        let operation = operand.operation();
        let has_address = matches!(operation, Operation::Bind | Operation::Connect | Operation::Send);
        let address = if has_address { Address::given_to(operation, record.text) } else { Address::None };
        let socket = Socket {
            family: Family(record.family),
            kind: SocketType(record.mode.into()),
            protocol: record.protocol.into(),
            operation,
            address,
        };
        let who = (record.image, record.target);
        let of = SocketUse { socket, error: record.error, base: record.base };
        let uses = self.by.entry(who).or_default();
        uses.sockets.entry(of.socket.clone()).or_default().join(of.outcomes());
        let (file, lead) = of.file_and_lead();
        uses.add_facts(file);
        if let Some(lead) = lead {
            self.leads.add(who, record.root, record.tgid, lead);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of a request to a proxy, or of an answer, of which so many bytes were there.
    fn told(kind: u8, text: &[u8], length: usize) -> Vec<u8> {
        const LENGTH: usize = 16;
        const TEXT_LENGTH: usize = 68;
        const KIND: usize = 71;
        let mut bytes = vec![0; HEAD];
        bytes[KIND] = kind;
        bytes[LENGTH..][..8].copy_from_slice(&u64::try_from(length).unwrap().to_ne_bytes());
        bytes[TEXT_LENGTH..][..2].copy_from_slice(&u16::try_from(text.len()).unwrap().to_ne_bytes());
        bytes.extend(text);
        bytes
    }

    #[test]
    fn names_without_end_take_room_with_an_end_and_are_told() {
        let mut sent = Sent::none(Arch::X86_64);
        let request = |nth: usize| format!("CONNECT n{nth}.test:443 HTTP/1.1\r\n");
        for nth in 0..MOST_NAMES + 10 {
            sent.take(&told(REQUEST, request(nth).as_bytes(), 4000));
        }
        // What is known is kept all the same.
        sent.take(&told(REQUEST, request(7).as_bytes(), 4000));
        let known: usize = sent.by.values().map(|uses| uses.names.len()).sum();
        assert_eq!((known, sent.lost_names), (MOST_NAMES, 10));
        // An answer that says that there is no such name; the same where not all of it was there; and what is none.
        let answer = [0, 7, 0x81, 0x83, 0, 0, 0, 0, 0, 0, 0, 0];
        for (text, length, lost) in [(&answer[..], 12, 10), (&answer, 13, 11), (b"nonsense", 8, 12)] {
            sent.take(&told(ANSWER, text, length));
            assert_eq!(sent.lost_names, lost);
        }
    }

    #[test]
    fn what_is_too_much_is_counted_by_kind() {
        const KIND: usize = 71;
        let mut sent = Sent::none(Arch::X86_64);
        let of = |kind| {
            let mut bytes = vec![0; HEAD];
            bytes[KIND] = kind;
            bytes
        };
        assert_eq!(Record::decode(&of(EXEC), Arch::X86_64).unwrap().kind, EXEC);
        sent.bytes = MOST_BYTES - HEAD;
        for kind in [EXEC, EXEC, PATH, SOCKET, ANSWER] {
            sent.take(&of(kind));
        }
        assert_eq!((sent.by.len(), sent.lost_files, sent.lost_sockets, sent.lost_names), (1, 2, 1, 1));
    }
}
