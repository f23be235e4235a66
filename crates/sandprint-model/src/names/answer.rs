//! Answers of DNS (RFC 1035), as a target received them: hostile bytes.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::{BTreeMap, BTreeSet};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Label, Packet, PacketFlag, RCODE};

use super::{Meaning, Name};
use crate::ByteString;

/// Bytes of the length that stands before each message of a stream.
const LENGTH: usize = 2;
/// Bytes before the questions, and the fewest of a question and of a record.
const HEADER: usize = 12;
const LEAST_QUESTION: usize = 5;
const LEAST_RECORD: usize = 11;

/// The names that were asked for, with the addresses that these bytes give them, over all aliases (`CNAME`) between. None
/// where they are no whole messages. What is no answer, says that there is no such name, or has no addresses, names none.
///
/// In a stream each message has its length before it, which may have been read by itself.
pub fn answered(bytes: &[u8], is_stream: bool) -> Option<Vec<Name>> {
    if !is_stream {
        return of_message(bytes);
    }
    if bytes.len() == LENGTH {
        return Some(Vec::new());
    }
    match messages(bytes) {
        Some(messages) => {
            let names: Option<Vec<Vec<Name>>> = messages.into_iter().map(of_message).collect();
            names.map(|names| names.concat())
        }
        None => of_message(bytes),
    }
}

/// The messages of a stream, if nothing else is there.
fn messages(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<LENGTH>()?;
        let (message, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        if message.len() < HEADER {
            return None;
        }
        messages.push(message);
        bytes = rest;
    }
    Some(messages)
}

fn of_message(bytes: &[u8]) -> Option<Vec<Name>> {
    if !may_be_whole(bytes) {
        return None;
    }
    let packet = Packet::parse(bytes).ok()?;
    if !packet.has_flags(PacketFlag::RESPONSE) || packet.rcode() != RCODE::NoError {
        return Some(Vec::new());
    }
    let mut aliases: BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>> = BTreeMap::new();
    let mut addresses: BTreeMap<Vec<u8>, BTreeSet<IpAddr>> = BTreeMap::new();
    for record in packet.answers.iter().filter(|record| record.class == CLASS::IN) {
        let ip = match &record.rdata {
            RData::A(a) => IpAddr::V4(Ipv4Addr::from(a.address)),
            RData::AAAA(aaaa) => IpAddr::V6(Ipv6Addr::from(aaaa.address)),
            RData::CNAME(target) => {
                let target = text(target.0.get_labels());
                aliases.entry(text(record.name.get_labels())).or_default().insert(target);
                continue;
            }
            _ => continue,
        };
        addresses.entry(text(record.name.get_labels())).or_default().insert(ip);
    }
    let mut names = Vec::new();
    for question in &packet.questions {
        let asked = text(question.qname.get_labels());
        // Every alias is followed once, so that a circle ends.
        let (mut known, mut waiting) = (BTreeSet::from([asked.clone()]), vec![asked.clone()]);
        while let Some(name) = waiting.pop() {
            let found = addresses.get(&name).into_iter().flatten();
            names.extend(
                found.map(|ip| Name { name: ByteString::new(asked.clone()), meaning: Meaning::Dns(*ip) }),
            );
            for alias in aliases.get(&name).into_iter().flatten() {
                if known.insert(alias.clone()) {
                    waiting.push(alias.clone());
                }
            }
        }
    }
    Some(names)
}

/// Whether there is room for as many records as the header says: room is made for them before they are read.
fn may_be_whole(bytes: &[u8]) -> bool {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else { return false };
    let mut counts =
        header.as_chunks::<2>().0.iter().skip(2).map(|count| usize::from(u16::from_be_bytes(*count)));
    let questions = counts.next().unwrap_or_default();
    let records: usize = counts.sum();
    questions * LEAST_QUESTION + records * LEAST_RECORD <= rest.len()
}

/// A name as it is kept. Names that differ in case are the same to DNS (RFC 4343).
fn text(labels: &[Label<'_>]) -> Vec<u8> {
    let mut text = Vec::new();
    for label in labels {
        if !text.is_empty() {
            text.push(b'.');
        }
        for byte in label.as_ref() {
            if matches!(byte, b'.' | b'\\') {
                text.push(b'\\');
            }
            text.push(byte.to_ascii_lowercase());
        }
    }
    if text.is_empty() {
        text.push(b'.');
    }
    text
}

#[cfg(test)]
mod tests;
