//! What calls were made with, and how they failed: from the maps of the programs to values.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::arguments::{Selected, Selecting};
use sandprint_model::capability::noise;
use sandprint_model::{Arch, ArgumentsSeen, Capability, Syscall};

use super::TargetId;
use super::decode::{ArgumentsKey, AskedKey, CallKey, CallValue, ResultKey, UringKey};
use super::error::LoadError;
use super::programs::Programs;

/// What the maps held of one target when they were looked at.
///
/// What is kept beside the counts is read before them, so that of nothing there is more than of the calls themselves:
/// not more failures than calls, and no question of a program that has made no call yet. Arguments are read after them,
/// so that those of every call that was counted are there. A program is described before it is counted, so each that
/// is [`Content::images`] can be looked up once all this has been read.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) calls: BTreeMap<CallKey, CallValue>,
    pub(super) results: Vec<(ResultKey, u64)>,
    /// Questions for capabilities.
    pub(super) asked: Vec<AskedKey>,
    /// Operations of `io_uring`, each with how often.
    pub(super) uring: Vec<(UringKey, u64)>,
    pub(super) arguments: BTreeMap<CallKey, ArgumentsSeen>,
    /// The flags of calls that make tasks and have them in memory, each with how often: clone3(2), whose arguments no rule
    /// can be about.
    pub(super) cloned: Vec<(CallKey, u64, u64)>,
    /// Such calls with more different flags than are kept apart, and how often they were made.
    pub(super) too_many_cloned: Vec<(CallKey, u64)>,
}

impl Content {
    /// Every program that something is about.
    pub(super) fn images(&self) -> BTreeSet<u64> {
        let calls = self.calls.keys().chain(self.results.iter().map(|(key, _)| &key.call));
        let calls = calls.chain(self.asked.iter().map(|key| &key.call));
        calls.map(|call| call.image).chain(self.uring.iter().map(|(key, _)| key.image)).collect()
    }

    /// Reads the arguments of its calls, as far as a rule can tell calls apart by them.
    ///
    /// The programs keep a few values more apart than a rule can (`bpf/selected.bpf.h`), and stop where they are too many.
    /// What they kept of the same values is added up here.
    pub(super) fn read_arguments(&mut self, programs: &Programs, arch: Arch) -> Result<(), LoadError> {
        let entries = counters(programs, "arguments", ArgumentsKey::SIZE)?;
        let most = u64::try_from(ArgumentsSeen::MOST).unwrap_or(u64::MAX);
        for (key, call) in self.calls.iter().filter(|(_, call)| call.kinds > most) {
            if Selecting::of(key.syscall(arch)).is_some() {
                self.arguments.insert(*key, ArgumentsSeen::too_many());
            } else {
                self.too_many_cloned.push((*key, call.count));
            }
        }
        let decoded = entries.into_iter().filter_map(|(key, n)| Some((ArgumentsKey::decode(&key)?, n)));
        for (ArgumentsKey { call, args }, count) in decoded {
            let syscall = call.syscall(arch);
            if !self.calls.contains_key(&call) {
                // Made since, or by another target.
            } else if let Some(selecting) = Selecting::of(syscall) {
                let values = selecting.values(&args);
                let seen = self.arguments.entry(call);
                seen.and_modify(|seen| seen.add(values, count))
                    .or_insert_with(|| ArgumentsSeen::new(values, count));
            } else if syscall.name() == Some("clone3") {
                self.cloned.push((call, args[0], count));
            }
        }
        Ok(())
    }
}

/// How often calls of one target failed, or were refused.
pub(super) fn results(programs: &Programs, of: TargetId) -> Result<Vec<(ResultKey, u64)>, LoadError> {
    let entries = counters(programs, "results", ResultKey::SIZE)?;
    let decode = |(key, count): (Vec<u8>, u64)| Some((ResultKey::decode(&key)?, count));
    Ok(entries.into_iter().filter_map(decode).filter(|(key, _)| key.call.target == of).collect())
}

/// The questions for capabilities of one target.
pub(super) fn asked(programs: &Programs, of: TargetId) -> Result<Vec<AskedKey>, LoadError> {
    let entries = counters(programs, "asked", AskedKey::SIZE)?;
    let keys = entries.into_iter().filter_map(|(key, _)| AskedKey::decode(&key));
    Ok(keys.filter(|key| key.call.target == of).collect())
}

/// Whether a call of which a capability was asked for needs it: it does if it does so with any of the arguments that it was
/// made with, which may not all be known.
pub(super) fn is_need(call: Option<Syscall>, seen: Option<&ArgumentsSeen>, capability: Capability) -> bool {
    let Some(values) = seen.and_then(ArgumentsSeen::values) else {
        return noise::is_need(call, None, capability);
    };
    values.keys().any(|Selected(values)| {
        // What was not kept may have been anything.
        let args = values.map(|value| value.unwrap_or(u64::MAX));
        noise::is_need(call, Some(&args), capability)
    })
}

/// What one target submitted through `io_uring`, and how often.
pub(super) fn uring(programs: &Programs, of: TargetId) -> Result<Vec<(UringKey, u64)>, LoadError> {
    let entries = counters(programs, "uring_ops", UringKey::SIZE)?;
    let decode = |(key, count): (Vec<u8>, u64)| Some((UringKey::decode(&key)?, count));
    Ok(entries.into_iter().filter_map(decode).filter(|(key, _)| key.target == of).collect())
}

/// A map of counters.
fn counters(
    programs: &Programs,
    map: &'static str,
    key_bytes: usize,
) -> Result<Vec<(Vec<u8>, u64)>, LoadError> {
    let entries = programs.entries(map, key_bytes)?;
    let decode = |(key, value): (Vec<u8>, Vec<u8>)| Some((key, u64::from_ne_bytes(value.try_into().ok()?)));
    Ok(entries.into_iter().filter_map(decode).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_of_which_anything_is_known_is_one_of_its_images() {
        let call = |image| CallKey { image, target: TargetId::FIRST, abi: 0, nr: 1 };
        let value = CallValue::decode(&[0; 48]).expect("as many bytes as it has");
        let content = Content {
            calls: BTreeMap::from([(call(1), value)]),
            results: vec![(ResultKey { call: call(2), errno: 1, refused: true }, 1)],
            // Programs that began when the calls had been read.
            asked: vec![AskedKey { call: call(3), capability: 1, granted: true }],
            uring: vec![(UringKey { image: 4, target: TargetId::FIRST, opcode: 1 }, 1)],
            ..Content::default()
        };
        assert_eq!(content.images(), BTreeSet::from([1, 2, 3, 4]));
    }
}
