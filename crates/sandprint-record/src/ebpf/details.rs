//! What calls were made with, and how they failed: from the maps of the programs to values.

use std::collections::BTreeMap;

use sandprint_model::arguments::{Selected, Selecting};
use sandprint_model::capability::noise;
use sandprint_model::{Arch, ArgumentsSeen, Capability, Syscall};

use super::TargetId;
use super::decode::{ArgumentsKey, AskedKey, CallKey, CallValue, ResultKey, UringKey};
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
        if Selecting::of(key.syscall(arch)).is_some() {
            seen.insert(*key, ArgumentsSeen::too_many());
        }
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

/// The flags of calls that make tasks and have them in memory, each with how often: clone3(2), whose arguments no rule can be
/// about.
pub(super) fn cloned(
    programs: &Programs,
    of: TargetId,
    arch: Arch,
) -> Result<Vec<(CallKey, u64, u64)>, LoadError> {
    let entries = counters(programs, "arguments", ArgumentsKey::SIZE)?;
    let decode = |(key, count): (Vec<u8>, u64)| {
        let ArgumentsKey { call, args } = ArgumentsKey::decode(&key)?;
        let is_clone = call.target == of && call.syscall(arch).name() == Some("clone3");
        is_clone.then_some((call, args[0], count))
    };
    Ok(entries.into_iter().filter_map(decode).collect())
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

/// What was submitted through `io_uring`, by whom, and how often.
pub(super) fn uring(programs: &Programs) -> Result<Vec<(UringKey, u64)>, LoadError> {
    let entries = counters(programs, "uring_ops", UringKey::SIZE)?;
    Ok(entries.into_iter().filter_map(|(key, count)| Some((UringKey::decode(&key)?, count))).collect())
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
