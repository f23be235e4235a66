//! What calls were made with, and how they failed: from the maps of the programs to values.

use std::collections::BTreeMap;

use sandprint_model::arguments::Selecting;
use sandprint_model::{Arch, ArgumentsSeen};

use super::TargetId;
use super::decode::{ArgumentsKey, CallKey, CallValue, ResultKey};
use super::error::LoadError;
use super::programs::Programs;

/// The arguments of those of these calls that have some by which a rule can tell them apart.
///
/// The programs keep a few values more apart than a rule can (`bpf/selected.bpf.h`), and stop where they are too many.
/// What they kept of the same values is added up here.
pub(super) fn arguments(
    programs: &Programs,
    calls: &BTreeMap<CallKey, CallValue>,
    arch: Arch,
) -> Result<BTreeMap<CallKey, ArgumentsSeen>, LoadError> {
    let mut seen: BTreeMap<CallKey, ArgumentsSeen> = BTreeMap::new();
    let most = u64::try_from(ArgumentsSeen::MOST).unwrap_or(u64::MAX);
    for (key, _) in calls.iter().filter(|(_, call)| call.kinds > most) {
        seen.insert(*key, ArgumentsSeen::too_many());
    }
    for (key, count) in counters(programs, "arguments", ArgumentsKey::SIZE)? {
        let Some(ArgumentsKey { call, args }) = ArgumentsKey::decode(&key) else { continue };
        let Some(selecting) = Selecting::of(call.syscall(arch)) else { continue };
        if calls.contains_key(&call) {
            let values = selecting.values(&args);
            seen.entry(call)
                .and_modify(|seen| seen.add(values, count))
                .or_insert_with(|| ArgumentsSeen::new(values, count));
        }
    }
    Ok(seen)
}

/// How often calls of one target failed, or were refused.
pub(super) fn results(programs: &Programs, of: TargetId) -> Result<Vec<(ResultKey, u64)>, LoadError> {
    let entries = counters(programs, "results", ResultKey::SIZE)?;
    let decode = |(key, count): (Vec<u8>, u64)| Some((ResultKey::decode(&key)?, count));
    Ok(entries.into_iter().filter_map(decode).filter(|(key, _)| key.call.target == of).collect())
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
