//! What a call tells of names: an answer of a resolver that it received, or a request to a proxy that it sent.

use sandprint_model::names::{Carried, Layout, answered, asked_of_proxy};
use sandprint_model::{MessageLayout, SocketType};

use super::{Found, Look};
use crate::books::memory::Memory;
use crate::books::sockets::{self, Peer};

/// The port of resolvers.
const RESOLVER: u16 = 53;
/// Bounds that the BPF recorder has too (`bpf/names.bpf.h`): of an answer, of its first part where there are two, of its
/// second, of a request, and of the messages of a call.
const MOST_ANSWER: u64 = 4096;
const MOST_FIRST: u64 = 255;
const MOST_SECOND: u64 = MOST_ANSWER - 256;
const MOST_REQUEST: u64 = 512;
const MOST_MESSAGES: u64 = 16;
/// What a request begins with.
const BEGIN: &[u8; 8] = b"CONNECT ";

/// A part of the bytes: where, and how many.
type Part = (u64, u64);

impl Look {
    pub(super) fn names(&self, carried: Carried, memory: Option<&Memory>, found: &mut Found) {
        let Some(memory) = memory.filter(|_| self.result.is_none_or(|result| result > 0)) else { return };
        if carried.sends {
            self.request(carried.layout, memory, found);
        } else if let Some(received) = self.result.and_then(|result| u64::try_from(result).ok()) {
            self.answers(carried, received, memory, found);
        }
    }

    fn request(&self, layout: Layout, memory: &Memory, found: &mut Found) {
        let Some(parts) = self.parts(layout, self.argument(1), memory) else { return };
        let mut begin = [0; BEGIN.len()];
        let begins = parts.first().is_some_and(|(at, length)| *length >= 8 && memory.read(*at, &mut begin));
        if !begins || begin != *BEGIN {
            return;
        }
        match sockets::peer_of_descriptor(self.who.tgid, self.argument(0)) {
            Ok(Some(Peer { kind: SocketType::STREAM, .. })) => {}
            Ok(_) => return,
            Err(_) => return found.names_lost += 1,
        }
        let all = parts.iter().fold(0_u64, |sum, (_, length)| sum.saturating_add(*length));
        let sent = match (layout, self.result) {
            (Layout::Messages, _) => self.length_of_message(0, memory).filter(|_| self.result.is_some()),
            (_, result) => result.and_then(|result| u64::try_from(result).ok()),
        };
        let names = gathered(&parts, sent.unwrap_or(all), MOST_REQUEST, memory)
            .and_then(|(bytes, _)| asked_of_proxy(&bytes));
        found.add_names(names);
    }

    fn answers(&self, carried: Carried, received: u64, memory: &Memory, found: &mut Found) {
        let peer = match sockets::peer_of_descriptor(self.who.tgid, self.argument(0)) {
            Ok(Some(peer)) => peer,
            Ok(None) => return,
            Err(_) => return found.names_lost += 1,
        };
        let is_resolver =
            |sender: u64| peer.port == Some(RESOLVER) || port_at(sender, memory) == Some(RESOLVER);
        let is_several = carried.layout == Layout::Messages;
        let count = if is_several { received } else { 1 };
        for nth in 0..count.min(MOST_MESSAGES) {
            let at = self.message_at(carried.layout, nth);
            let sender = match (carried.sender, carried.layout) {
                (Some(index), _) => self.argument(index),
                (None, Layout::Message | Layout::Messages) => self.pointer(at, memory).unwrap_or_default(),
                (None, _) => 0,
            };
            if !is_resolver(sender) {
                continue;
            }
            let length = if is_several { self.length_of_message(nth, memory) } else { Some(received) };
            let parts = self.parts(carried.layout, at, memory);
            // Who has no room for it (MSG_TRUNC asks for its length alone) has received nothing of it.
            if parts.as_ref().is_some_and(|parts| parts.iter().all(|(_, room)| *room == 0)) {
                continue;
            }
            let bytes = length
                .zip(parts)
                .and_then(|(length, parts)| gathered(&parts, length, MOST_ANSWER, memory))
                .filter(|(_, is_whole)| *is_whole);
            found.add_names(bytes.and_then(|(bytes, _)| answered(&bytes, peer.kind == SocketType::STREAM)));
        }
        found.names_lost += u64::from(count > MOST_MESSAGES);
    }

    /// Where a message is: several stand one behind the other.
    fn message_at(&self, layout: Layout, nth: u64) -> u64 {
        let stride = if layout == Layout::Messages { MessageLayout::of(self.call.abi).stride } else { 0 };
        self.argument(1).wrapping_add(nth.wrapping_mul(u64::from(stride)))
    }

    /// How long a message of several is, which stands behind it (`struct mmsghdr`).
    fn length_of_message(&self, nth: u64, memory: &Memory) -> Option<u64> {
        let behind = self.pointer_size().wrapping_mul(7);
        let mut bytes = [0; 4];
        let at = self.message_at(Layout::Messages, nth).wrapping_add(behind);
        memory.read(at, &mut bytes).then(|| u32::from_ne_bytes(bytes).into())
    }

    fn pointer_size(&self) -> u64 {
        u64::from(MessageLayout::of(self.call.abi).pointer)
    }

    /// A word as long as a pointer.
    fn pointer(&self, at: u64, memory: &Memory) -> Option<u64> {
        let mut bytes = [0; 8];
        let read = bytes.get_mut(..usize::try_from(self.pointer_size()).ok()?)?;
        memory.read(at, read).then(|| u64::from_le_bytes(bytes))
    }

    /// The first two parts of what the call carries.
    fn parts(&self, layout: Layout, at: u64, memory: &Memory) -> Option<Vec<Part>> {
        let size = self.pointer_size();
        let (at, count) = match layout {
            Layout::Buffer => return Some(vec![(at, self.argument(2))]),
            Layout::Parts => (at, self.argument(2)),
            // `struct msghdr`: behind the name and its length, which has room of its own.
            Layout::Message | Layout::Messages => {
                let at = at.wrapping_add(2 * size);
                (self.pointer(at, memory)?, self.pointer(at.wrapping_add(size), memory)?)
            }
        };
        let words = |nth: u64| {
            let at = at.wrapping_add(nth * 2 * size);
            Some((self.pointer(at, memory)?, self.pointer(at.wrapping_add(size), memory)?))
        };
        (0..count.min(2)).map(words).collect()
    }
}

impl Found {
    /// Takes in names; none where what tells them could not be read.
    fn add_names(&mut self, names: Option<Vec<sandprint_model::Name>>) {
        match names {
            Some(names) => self.names.extend(names),
            None => self.names_lost += 1,
        }
    }
}

/// So many bytes of the parts, and whether these are all.
fn gathered(parts: &[Part], length: u64, most: u64, memory: &Memory) -> Option<(Vec<u8>, bool)> {
    let mut parts = parts.iter();
    let mut bytes = Vec::new();
    let mut read = |(at, length): Part| {
        let begin = bytes.len();
        bytes.resize(begin + usize::try_from(length).ok()?, 0);
        memory.read(at, bytes.get_mut(begin..)?).then_some(())
    };
    let (at, room) = *parts.next()?;
    let first = length.min(room).min(most);
    read((at, first))?;
    let left = length - first;
    let mut second = 0;
    if let Some((at, room)) = parts.next().filter(|(_, room)| left > 0 && first <= MOST_FIRST && *room > 0) {
        second = left.min(*room).min(MOST_SECOND);
        read((*at, second))?;
    }
    Some((bytes, first + second == length))
}

/// The port of an address of the internet that lies there.
fn port_at(address: u64, memory: &Memory) -> Option<u16> {
    const INET: u16 = 2;
    const INET6: u16 = 10;
    let mut head = [0; 4];
    if address == 0 || !memory.read(address, &mut head) {
        return None;
    }
    let [low, high, port @ ..] = head;
    matches!(u16::from_le_bytes([low, high]), INET | INET6).then(|| u16::from_be_bytes(port))
}
