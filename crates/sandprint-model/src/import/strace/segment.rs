//! What one thread called between two execs.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::called::{Called, Spoken};
use super::names::Names;
use super::reading::{Meaning, Said};
use super::start;
use super::tally::Tally;
use crate::errno::Errno;
use crate::{Abi, Arch, ByteString, CallSeen, Exit, FirstSeen, Image};

/// What one thread called while it ran one image.
#[derive(Debug)]
pub(super) struct Segment {
    /// The thread; 0 where the log has no ids.
    pub tid: u32,
    /// Its process.
    pub tgid: u32,
    /// Its name, where the log has it.
    pub comm: Option<ByteString>,
    /// What it ran.
    pub image: SegmentImage,
    /// How it ended, if it ended here.
    pub exit: Option<Exit>,
    /// Whether it begins with the start of a program.
    pub is_start: bool,
    /// Whether it went on as another program.
    pub left_by_exec: bool,
    /// What its first calls show.
    pub seen: start::Seen,
    pub(super) calls: HashMap<Called, Tally>,
    /// The ABIs that it cannot be of, by the names of its calls.
    ruled_out: BTreeSet<Abi>,
}

/// The image of a segment.
#[derive(Debug)]
pub(super) enum SegmentImage {
    /// This one.
    Known(Arc<Image>),
    /// That of an earlier segment, from which it was cloned.
    Inherited(usize),
    /// The log does not say.
    Unknown,
}

/// What became of the count of a call that failed.
pub(super) enum Failed {
    /// It failed so for the first time.
    New,
    /// It did so before.
    Again,
    /// It is not counted, for want of room.
    Lost,
}

impl Segment {
    pub(super) fn new(tid: u32) -> Segment {
        Segment {
            tid,
            tgid: tid,
            comm: None,
            image: SegmentImage::Unknown,
            exit: None,
            is_start: false,
            left_by_exec: false,
            seen: start::Seen::default(),
            calls: HashMap::new(),
            ruled_out: BTreeSet::new(),
        }
    }

    /// Takes the image of an earlier segment; `at` is this one's index.
    pub(super) fn inherit(&mut self, from: usize, at: usize) {
        if from < at && !matches!(self.image, SegmentImage::Known(_)) {
            self.image = SegmentImage::Inherited(from);
        }
    }

    /// Counts a call; whether it is one that was not there before.
    pub(super) fn count(&mut self, called: Called, now_ns: Option<u64>) -> bool {
        let tally = self.calls.entry(called).or_default();
        let is_new = tally.count == 0;
        if is_new {
            tally.first_ns = now_ns;
        }
        tally.count += 1;
        is_new
    }

    /// Counts that a call failed, with an error that it has not failed with before only if there is room.
    pub(super) fn fail(&mut self, called: Called, error: Errno, is_full: bool) -> Failed {
        let Some(tally) = self.calls.get_mut(&called) else { return Failed::Lost };
        if let Some(count) = tally.failed.get_mut(&error) {
            *count += 1;
            return Failed::Again;
        }
        if is_full {
            return Failed::Lost;
        }
        tally.failed.insert(error, 1);
        Failed::New
    }

    /// Whether it has such a call.
    pub(super) fn has(&self, called: Called) -> bool {
        self.calls.contains_key(&called)
    }

    /// How many different calls and results it has, and how much else of them.
    pub(super) fn different(&self) -> usize {
        self.calls.len() + self.calls.values().map(Tally::size).sum::<usize>()
    }

    /// A call of which the log does not say the ABI, though some ABI has it, cannot be of these.
    pub(super) fn rule_out(&mut self, abis: impl IntoIterator<Item = Abi>) {
        self.ruled_out.extend(abis);
    }

    /// Whether it can be of an ABI, as far as it has come.
    pub(super) fn may_be_of(&self, abi: Abi) -> bool {
        !self.ruled_out.contains(&abi)
    }

    /// Takes in what a call says that has been counted, if it is one of this ABI; how much more is kept by that.
    pub(super) fn take(&mut self, called: Called, meaning: &Meaning, said: Said, is_full: bool) -> usize {
        let reading = self.calls.get_mut(&called).and_then(|tally| tally.reading(meaning.call));
        reading.map_or(0, |reading| reading.take(meaning, said, is_full))
    }

    /// Whether the ABI of every call is known, whatever the rest of the log says: it is said, or it is the machine's own,
    /// which is what is assumed where another one would have been announced.
    pub(super) fn is_settled(&self, names: &Names, arch: Arch) -> bool {
        inferred_abi(self, names, arch) == Some(arch.native_abi())
    }

    pub(super) fn call_seen(&self, tally: &Tally) -> CallSeen {
        // Without ids and times nothing is known of the first call.
        let first = tally.first_ns.filter(|_| self.tid != 0).map(|after_ns| FirstSeen {
            after_ns,
            tgid: self.tgid,
            tid: self.tid,
            comm: self.comm.clone().unwrap_or_default(),
        });
        CallSeen { first, ..CallSeen::times(tally.count) }
    }
}

/// The one ABI that every call of a segment can be of, the native one first; `None` where there is none.
pub(super) fn inferred_abi(segment: &Segment, names: &Names, arch: Arch) -> Option<Abi> {
    let silent = segment.calls.keys().filter(|called| called.spoken == Spoken::Silent);
    let telling: Vec<&Called> =
        silent.filter(|called| arch.abis().iter().any(|abi| called.can_be_of(*abi, names))).collect();
    arch.abis().iter().copied().find(|abi| telling.iter().all(|called| called.can_be_of(*abi, names)))
}
