//! What is learnt from a call of an strace log beside that it was made.

use std::sync::Arc;

use super::Log;
use super::called::{Called, Spoken};
use super::follow::{Done, is_followed};
use super::held::Held;
use super::parts::Parts;
use super::reading::{Ended, Lost, Meaning, Outcome, Said};
use super::thread::Pending;
use crate::Abi;

/// Most calls whose meanings are kept at hand.
const MOST_MEANINGS: usize = 1 << 14;
/// The longest text of a call that is kept until the call ends.
const LONGEST_BEGUN: usize = 1 << 16;
/// Most text of calls that have not ended.
const MOST_BEGUN: usize = 1 << 26;

/// What is to be read of a call, on each ABI that it can be of.
#[derive(Debug, Clone, Default)]
pub(super) struct Meanings {
    all: Arc<[Meaning]>,
    /// The ABIs that it cannot be of, though others have it; none where its own is said.
    excludes: Arc<[Abi]>,
    /// Whether it says anything of what its process holds open.
    is_followed: bool,
}

impl Meanings {
    /// Whether nothing is to be read.
    fn is_nothing(&self) -> bool {
        self.all.is_empty() && !self.is_followed
    }
}

impl Log {
    /// What is to be read of a call.
    pub(super) fn meanings(&mut self, called: Called) -> Meanings {
        if let Some(known) = self.meanings.get(&called) {
            return known.clone();
        }
        let calls = called.candidates(&self.names, self.arch);
        let has = |abi: &Abi| called.can_be_of(*abi, &self.names);
        let abis = self.arch.abis();
        let is_silent = called.spoken == Spoken::Silent && abis.iter().any(has);
        let meanings = Meanings {
            all: calls.into_iter().filter_map(Meaning::of).collect(),
            excludes: abis.iter().copied().filter(|abi| is_silent && !has(abi)).collect(),
            is_followed: is_followed(self.names.of(called.name)),
        };
        if self.meanings.len() < MOST_MEANINGS {
            self.meanings.insert(called, meanings.clone());
        }
        meanings
    }

    /// The ABIs that a segment cannot be of, as it has made this call.
    pub(super) fn rule_out(&mut self, segment: usize, called: Called) {
        let meanings = self.meanings(called);
        if let Some(segment) = self.segments.get_mut(segment) {
            segment.rule_out(meanings.excludes.iter().copied());
        }
    }

    /// The text of a call that has not ended, as far as it must be kept until then.
    pub(super) fn begun(&mut self, called: Called, text: &[u8]) -> Option<Box<[u8]>> {
        if self.meanings(called).is_nothing() {
            return Some(Box::default());
        }
        let fits = text.len() <= LONGEST_BEGUN && self.begun + text.len() <= MOST_BEGUN;
        fits.then(|| {
            self.begun += text.len();
            text.into()
        })
    }

    /// A call has ended: the arguments and the rest of its text, if they are whole.
    pub(super) fn learn(
        &mut self,
        pid: u32,
        pending: &Pending,
        parts: Option<&Parts<'_>>,
        outcome: Outcome<'_>,
    ) {
        let meanings = self.meanings(pending.called);
        if meanings.is_nothing() {
            return;
        }
        let is_full = self.is_full();
        let Some(mut held) = self.threads.get(&pid).and_then(|thread| thread.held) else { return };
        let Some((table, position)) = self.held.of(held) else { return };
        let Some(segment) = self.segments.get_mut(pending.segment) else { return };
        let mut opened = None;
        let mut abi = None;
        let mut grown = 0;
        // A program that mixes ABIs makes of each what is the machine's own, if that can be.
        let native = self.arch.native_abi();
        let is_only = meanings.all.len() == 1;
        for meaning in meanings.all.iter() {
            if !(is_only || meaning.call.abi == native || segment.may_be_of(meaning.call.abi)) {
                continue;
            }
            let mut said = match parts {
                Some(parts) => meaning.read(Ended { parts, outcome, table, position }),
                // Its text is not there.
                None if meaning.has_uses() && outcome != Outcome::Unknown => {
                    let is_socket = u64::from(meaning.is_of_sockets());
                    let lost = Lost { unread: 1 - is_socket, sockets: is_socket, ..Lost::default() };
                    Said { lost, ..Said::default() }
                }
                None => Said::default(),
            };
            abi = abi.or(Some(meaning.call.abi));
            opened = opened.or(said.opened.take());
            grown += segment.take(pending.called, meaning, said, is_full);
        }
        self.unsettled += grown;
        if let (Some(parts), Outcome::Succeeded(result)) = (parts, outcome) {
            let abi = abi.unwrap_or(native);
            let name = self.names.of(pending.called.name);
            Done { abi, name, parts, result, opened }.follow(&mut self.held, &mut held);
            self.hold(pid, held);
        }
    }

    /// A call has not ended where its thread or the log does: its arguments are known all the same.
    pub(super) fn learn_unended(&mut self, pid: u32, pending: &Pending) {
        let begun = pending.begun.as_deref();
        let parts = begun.and_then(Parts::of);
        self.learn(pid, pending, parts.as_ref(), Outcome::Unknown);
        self.forget_begun(pending);
    }

    /// The text of a call need not be kept any more.
    pub(super) fn forget_begun(&mut self, pending: &Pending) {
        let length = pending.begun.as_ref().map_or(0, |text| text.len());
        self.begun = self.begun.saturating_sub(length);
    }

    /// What a thread holds from here on.
    pub(super) fn hold(&mut self, pid: u32, held: Held) {
        if let Some(thread) = self.threads.get_mut(&pid) {
            thread.held = Some(held);
        }
    }

    /// A thread holds nothing any more.
    pub(super) fn let_go(&mut self, pid: u32) {
        if let Some(held) = self.threads.get_mut(&pid).and_then(|thread| thread.held.take()) {
            self.held.release(held);
        }
    }
}
