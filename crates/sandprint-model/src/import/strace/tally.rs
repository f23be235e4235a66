//! What is known of one call as one segment has made it: how often, how it failed, what it was made with and what for.

use std::collections::BTreeMap;

use super::reading::{Lost, Meaning, Said};
use crate::errno::Errno;
use crate::uses::Uses;
use crate::{ArgumentsSeen, Join as _, Syscall};

/// A call as a segment has made it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub count: u64,
    pub first_ns: Option<u64>,
    /// With which errors it failed, and how often.
    pub failed: BTreeMap<Errno, u64>,
    /// What was read of it, for each call that it can be.
    pub readings: Vec<Reading>,
}

impl Tally {
    /// How much of it is kept, beside that it was made.
    pub(super) fn size(&self) -> usize {
        self.failed.len() + self.readings.iter().map(|reading| reading.size).sum::<usize>()
    }

    /// What was read of it as this call.
    pub(super) fn reading(&mut self, call: Syscall) -> Option<&mut Reading> {
        let known = self.readings.iter().position(|reading| reading.call == call);
        let at = known.unwrap_or_else(|| {
            self.readings.push(Reading::new(call));
            self.readings.len() - 1
        });
        self.readings.get_mut(at)
    }
}

/// What was read of a call on one ABI.
#[derive(Debug)]
pub(super) struct Reading {
    pub call: Syscall,
    /// How many times its arguments were read.
    pub read: u64,
    pub arguments: Option<ArgumentsSeen>,
    /// The flags of clone3(2), and how often.
    pub flags: BTreeMap<u64, u64>,
    pub uses: Uses,
    pub lost: Lost,
    /// How much of this is kept.
    size: usize,
}

/// How much a path weighs: what is kept is bounded by its length too.
pub(super) fn weight(path: &crate::ByteString) -> usize {
    1 + path.as_bytes().len() / 64
}

impl Reading {
    fn new(call: Syscall) -> Reading {
        Reading {
            call,
            read: 0,
            arguments: None,
            flags: BTreeMap::new(),
            uses: Uses::default(),
            lost: Lost::default(),
            size: 0,
        }
    }

    /// Takes in what the next call says; how much more is kept by that. Nothing is where it is full.
    pub(super) fn take(&mut self, meaning: &Meaning, said: Said, is_full: bool) -> usize {
        self.lost.add(said.lost);
        if is_full {
            self.lost.add(Lost { unread: u64::from(!said.uses.files.is_empty()), ..Lost::default() });
            self.lost.add(Lost { sockets: u64::from(!said.uses.sockets.is_empty()), ..Lost::default() });
            return 0;
        }
        let before = self.size;
        if let Some(values) = said.arguments {
            self.read += 1;
            let distinct = |seen: &Option<ArgumentsSeen>| {
                seen.as_ref().and_then(ArgumentsSeen::values).map_or(0, BTreeMap::len)
            };
            let known = distinct(&self.arguments);
            match &mut self.arguments {
                Some(seen) => seen.add(values, 1),
                None => self.arguments = Some(ArgumentsSeen::new(values, 1)),
            }
            self.size += distinct(&self.arguments).saturating_sub(known);
        } else if meaning.selecting.is_none()
            && let Some(flags) = said.flags
            && (self.flags.contains_key(&flags) || self.flags.len() < ArgumentsSeen::MOST)
        {
            self.read += 1;
            self.size += usize::from(!self.flags.contains_key(&flags));
            *self.flags.entry(flags).or_default() += 1;
        }
        for (path, seen) in said.uses.files {
            self.size += if self.uses.files.contains_key(&path) { 0 } else { weight(&path) };
            self.uses.files.entry(path).or_default().join(seen);
        }
        for (socket, outcomes) in said.uses.sockets {
            self.size += usize::from(!self.uses.sockets.contains_key(&socket));
            self.uses.sockets.entry(socket).or_default().join(outcomes);
        }
        self.size - before
    }
}
