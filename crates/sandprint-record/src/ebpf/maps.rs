//! The table of maps: who needs each, and how user space gets at it; and the maps of a loaded object.

use std::collections::BTreeMap;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU64, Ordering};

use libbpf_rs::{MapCore as _, MapFlags, MapHandle, Object, OpenMapMut, OpenObject};

use super::decode::{Config, State};
use super::error::LoadError;
use super::program::{Concern, Tasks, Wanted};
use super::sys;
use Concern::{Calls, Capabilities, Cgroups, Details, Follow, Members, Uring, Walk, WatchCalls, WatchTasks};

/// How user space gets at a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Only programs do.
    Programs,
    /// By bpf(2), or by a program that reads it.
    Calls,
    /// As memory.
    Memory,
}

/// A row of the table.
struct Row {
    /// Its own name, or the section of one that is named after the object too.
    name: &'static str,
    access: Access,
    /// Which concerns need it; none for all. A map that nobody needs is not made.
    concerns: &'static [Concern],
    /// Where only other concerns than these need it, which name it and make no use of it, one entry will do; none for
    /// all.
    large_for: &'static [Concern],
}

const fn row(name: &'static str, access: Access, concerns: &'static [Concern]) -> Row {
    Row { name, access, concerns, large_for: &[] }
}

#[rustfmt::skip]
static MAPS: [Row; 39] = [
    row(".rodata", Access::Programs, &[]),
    row(".bss", Access::Memory, &[]),
    row(".data.control", Access::Memory, &[]),
    row("lost", Access::Memory, &[]),
    row("events", Access::Calls, &[]),
    row("images", Access::Programs, &[]),
    row("image_info", Access::Calls, &[]),
    row("blank_image", Access::Programs, &[]),
    row("perf_events", Access::Calls, &[]),
    Row { name: "cgroups", access: Access::Calls, concerns: &[Cgroups, Calls, Follow, WatchCalls, WatchTasks], large_for: &[Cgroups] },

    Row { name: "selected", access: Access::Memory, concerns: &[Calls, Details, WatchTasks, WatchCalls], large_for: &[Details, WatchTasks, WatchCalls] },
    Row { name: "deciding", access: Access::Calls, concerns: &[Calls, Details, WatchTasks, WatchCalls], large_for: &[Details, WatchTasks, WatchCalls] },

    row("components", Access::Calls, &[Cgroups]),
    row("on_path", Access::Calls, &[Cgroups]),

    row("tasks", Access::Programs, &[Follow]),
    row("tids", Access::Programs, &[Follow]),
    row("wanted", Access::Calls, &[Follow]),
    row("targets", Access::Calls, &[Follow]),
    row("execs", Access::Programs, &[Follow]),
    row("calls", Access::Calls, &[Follow, Calls]),
    Row { name: "arguments", access: Access::Calls, concerns: &[Calls, Details], large_for: &[Details] },
    row("results", Access::Calls, &[Details]),
    row("operands", Access::Memory, &[Details]),
    row("known_uses", Access::Programs, &[Details]),
    row("known_names", Access::Programs, &[Details]),
    row("known_sockets", Access::Programs, &[Details]),
    Row { name: "live_processes", access: Access::Programs, concerns: &[Follow, Walk, Calls, WatchTasks], large_for: &[Details] },
    row("uses", Access::Calls, &[Details]),
    row("scratch", Access::Programs, &[Details]),
    row("rings", Access::Programs, &[Uring]),
    row("uring_ops", Access::Calls, &[Uring]),
    row("asked", Access::Calls, &[Capabilities]),

    row("marks", Access::Programs, &[WatchTasks, WatchCalls]),
    row("refused", Access::Calls, &[WatchTasks, WatchCalls]),
    row("blank_refused", Access::Programs, &[WatchTasks, WatchCalls]),
    row("processes", Access::Calls, &[WatchTasks, WatchCalls]),
    row("code", Access::Calls, &[WatchTasks, WatchCalls]),
    row("told_filters", Access::Programs, &[WatchTasks, WatchCalls]),
    Row { name: "members", access: Access::Calls, concerns: &[Members, WatchTasks, WatchCalls], large_for: &[Members] },
];

/// The map of an object that has this name there: internal ones are named after the object and their section.
fn find(name: &str) -> Option<&'static Row> {
    let is = |row: &&Row| if row.name.starts_with('.') { name.ends_with(row.name) } else { name == row.name };
    MAPS.iter().find(is)
}

/// Writes the configuration, and makes only those maps that are wanted, as large as they need be.
pub(super) fn choose(open: &mut OpenObject, config: &Config, wanted: &Wanted) -> Result<(), LoadError> {
    let mut configured = false;
    for mut map in open.maps_mut() {
        let name = map.name().to_string_lossy().into_owned();
        if name.ends_with(".rodata") {
            let bytes = config.encode();
            let Some(value) = map.initial_value_mut() else { continue };
            let Some(slot) = value.get_mut(..bytes.len()) else { continue };
            slot.copy_from_slice(&bytes);
            configured = true;
        } else if let Some(row) = find(&name) {
            size(row, wanted, &mut map).map_err(|source| LoadError::Map { map: name, source })?;
        }
    }
    if configured { Ok(()) } else { Err(LoadError::Missing("the configuration".to_owned())) }
}

/// The kernel sets up every bucket of a hash at creation.
fn size(row: &Row, wanted: &Wanted, map: &mut OpenMapMut<'_>) -> libbpf_rs::Result<()> {
    let is_wanted = |concern: &Concern| wanted.concerns.contains(concern);
    if !row.concerns.is_empty() && !row.concerns.iter().any(is_wanted) {
        return map.set_autocreate(false);
    }
    if !row.large_for.is_empty() && !row.large_for.iter().any(is_wanted) {
        return map.set_max_entries(1);
    }
    match (row.name, wanted.tasks) {
        ("tasks", Tasks::ByTid) => map.set_autocreate(false),
        // Only for tasks whose storage could not be created.
        ("tids", Tasks::Storage) => map.set_max_entries(4096),
        _ => Ok(()),
    }
}

/// The maps of a loaded object that user space has to do with.
#[derive(Debug)]
pub(super) struct Maps {
    handles: BTreeMap<&'static str, MapHandle>,
    arrays: BTreeMap<&'static str, sys::Mapped>,
}

impl Maps {
    /// Opens and maps them.
    pub(super) fn of(object: &Object) -> Result<Maps, LoadError> {
        let mut handles = BTreeMap::new();
        let mut arrays = BTreeMap::new();
        for map in object.maps().filter(libbpf_rs::Map::autocreate) {
            let name = map.name().to_string_lossy().into_owned();
            let Some(row) = find(&name) else { continue };
            match row.access {
                Access::Programs => {}
                Access::Calls => {
                    let handle = MapHandle::try_from(&map)
                        .map_err(|source| LoadError::Map { map: name.clone(), source })?;
                    handles.insert(row.name, handle);
                }
                Access::Memory => {
                    let bytes = map.value_size().next_multiple_of(8).saturating_mul(map.max_entries());
                    let mapped = sys::Mapped::new(map.as_fd(), usize::try_from(bytes).unwrap_or(usize::MAX))
                        .map_err(|source| LoadError::Array { map: name.clone(), source })?;
                    arrays.insert(row.name, mapped);
                }
            }
        }
        Ok(Maps { handles, arrays })
    }

    /// A map by name.
    pub(super) fn get(&self, name: &'static str) -> Result<&MapHandle, LoadError> {
        self.handles.get(name).ok_or_else(|| LoadError::Missing(format!("map {name}")))
    }

    /// The value at one key of a map; `None` where there is none.
    pub(super) fn lookup(&self, name: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, LoadError> {
        self.get(name)?
            .lookup(key, MapFlags::ANY)
            .map_err(|source| LoadError::Map { map: name.to_owned(), source })
    }

    /// Puts a value into a map.
    pub(super) fn update(&self, name: &'static str, key: &[u8], value: &[u8]) -> Result<(), LoadError> {
        self.get(name)?
            .update(key, value, MapFlags::ANY)
            .map_err(|source| LoadError::Map { map: name.to_owned(), source })
    }

    /// What the programs know of the recording or the watch as a whole.
    pub(super) fn state(&self) -> Result<State, LoadError> {
        let words = self.array(".bss")?.iter();
        let bytes: Vec<u8> = words.flat_map(|word| word.load(Ordering::SeqCst).to_ne_bytes()).collect();
        State::decode(&bytes).ok_or_else(|| LoadError::Missing("the state".to_owned()))
    }

    /// The words of an array, which change at any time.
    pub(super) fn array(&self, name: &'static str) -> Result<&[AtomicU64], LoadError> {
        let mapped = self.arrays.get(name).ok_or_else(|| LoadError::Missing(format!("map {name}")))?;
        Ok(mapped.words())
    }
}

/// The name in the table of a map with this name in an object.
#[cfg(test)]
pub(super) fn known_as(name: &str) -> Option<&'static str> {
    find(name).map(|row| row.name)
}

/// The names in the table.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    MAPS.iter().map(|row| row.name)
}
