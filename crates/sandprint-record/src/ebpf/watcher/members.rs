//! Which processes are watched where not all are: one, and its descendants.

use std::collections::BTreeSet;
use std::fs;

use libbpf_rs::{MapCore as _, MapFlags};

use crate::ebpf::RecorderError;
use crate::ebpf::maps::Maps;
use crate::ebpf::object::LoadError;

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

/// Enters one process; whether it was there.
fn add(maps: &Maps, tgid: u32) -> Result<bool, RecorderError> {
    let key = tgid.to_ne_bytes();
    maps.update("members", &key, &1_u32.to_ne_bytes())?;
    // One that ended before it was entered would stay for ever.
    if parent(tgid).is_some() {
        return Ok(true);
    }
    let members = maps.get("members")?;
    let known = members.lookup(&key, MapFlags::ANY);
    if known.is_ok_and(|known| known.is_some()) {
        // The kernel may have been first, once it had seen the end.
        members.delete(&key).or_else(|error| match error.kind() {
            libbpf_rs::ErrorKind::NotFound => Ok(()),
            _ => Err(LoadError::Map { map: "members".to_owned(), source: error }),
        })?;
    }
    Ok(false)
}

/// Every process with its parent.
fn processes() -> impl Iterator<Item = (u32, u32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| Some((pid, parent(pid)?)))
}

/// The parent of a process that has not ended.
fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if field("State:")?.starts_with(['Z', 'X']) {
        return None;
    }
    field("PPid:")?.parse().ok()
}
