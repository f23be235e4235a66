//! Which processes are watched where not all are: one, and its descendants.

use std::collections::BTreeSet;
use std::fs;

use sandprint_sandbox::process::Status;

use crate::ebpf::RecorderError;
use crate::ebpf::maps::Maps;
use crate::host;

/// Enters a process and all its descendants. Forks and ends of those that are entered are seen already.
pub(super) fn enter(maps: &Maps, tgid: u32) -> Result<(), RecorderError> {
    if !add(maps, tgid)? {
        return Err(RecorderError::NoProcess(tgid));
    }
    let mut known = BTreeSet::from([tgid]);
    // One that was forked before its parent was entered, after the parent's children were looked at, is found by the
    // next look: its parent is known by then.
    loop {
        let found: Vec<u32> = processes()
            .filter(|(pid, parent)| known.contains(parent) && !known.contains(pid))
            .map(|(pid, _)| pid)
            .collect();
        if found.is_empty() {
            return Ok(());
        }
        for pid in found {
            add(maps, pid)?;
            known.insert(pid);
        }
    }
}

/// What the members map says of a process that lives (`SP_MEMBER_LIVES`); else it says when the process ended, on
/// `CLOCK_MONOTONIC`.
const LIVES: u64 = 1;

/// Enters one process; whether it was there.
fn add(maps: &Maps, tgid: u32) -> Result<bool, RecorderError> {
    maps.update("members", &tgid.to_ne_bytes(), &LIVES.to_ne_bytes())?;
    // One that ended before it was entered would live for ever.
    let is_there = parent(tgid).is_some();
    if !is_there {
        maps.update("members", &tgid.to_ne_bytes(), &host::monotonic_ns().to_ne_bytes())?;
    }
    Ok(is_there)
}

/// Whether a member lives, from its value.
pub(super) fn lives(value: &[u8]) -> bool {
    value == LIVES.to_ne_bytes()
}

/// Whether a member ended longer ago than its threads can take to come to their ends, from its value.
pub(super) fn ended_long_ago(value: &[u8], now_ns: u64) -> bool {
    const LONG_NS: u64 = 10_000_000_000;
    let ended_ns = value.try_into().map_or(u64::MAX, u64::from_ne_bytes);
    !lives(value) && now_ns.saturating_sub(ended_ns) > LONG_NS
}

/// Every process with its parent.
fn processes() -> impl Iterator<Item = (u32, u32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| Some((pid, parent(pid)?)))
}

/// The parent of a process that has not ended.
fn parent(pid: u32) -> Option<u32> {
    let status = Status::of(pid)?;
    if status.has_ended()? { None } else { status.parent() }
}
