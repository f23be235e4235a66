//! The maps of the BPF object: those that bpf(2) reads and writes, and arrays as memory.

use std::collections::BTreeMap;
use std::os::fd::AsFd as _;
use std::sync::atomic::AtomicU64;

use libbpf_rs::{MapCore as _, MapFlags, MapHandle, Object};

use super::object::LoadError;
use super::sys;

/// Maps that are read and written with bpf(2), and the iterator that reads one without it.
const MAPS: [(&str, Option<&str>); 11] = [
    ("calls", Some("handle__calls")),
    ("image_info", Some("handle__image")),
    ("events", None),
    ("wanted", None),
    ("targets", None),
    ("cgroup", None),
    ("perf_events", None),
    ("refused", Some("handle__refused")),
    ("processes", Some("handle__processes")),
    ("members", Some("handle__members")),
    ("code", None),
];
/// Arrays, which are read and written as memory.
const ARRAYS: [&str; 5] = ["lost", "uring_ops", ".bss", ".data.control", "selected"];

/// The iterator that reads the map of that name.
pub(super) fn iterator_of(map: &str) -> Option<&'static str> {
    MAPS.iter().find(|(known, _)| *known == map).and_then(|(_, iterator)| *iterator)
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
        for map in object.maps() {
            let name = map.name().to_string_lossy().into_owned();
            if let Some((known, _)) = MAPS.iter().find(|(known, _)| name == *known) {
                let handle = MapHandle::try_from(&map)
                    .map_err(|source| LoadError::Map { map: name.clone(), source })?;
                handles.insert(*known, handle);
            } else if let Some(known) = ARRAYS.iter().find(|known| is_array(&name, known)) {
                let bytes = map.value_size().next_multiple_of(8).saturating_mul(map.max_entries());
                let mapped = sys::Mapped::new(map.as_fd(), usize::try_from(bytes).unwrap_or(usize::MAX))
                    .map_err(|source| LoadError::Array { map: name.clone(), source })?;
                arrays.insert(*known, mapped);
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

    /// The words of an array, which change at any time.
    pub(super) fn array(&self, name: &'static str) -> Result<&[AtomicU64], LoadError> {
        let mapped = self.arrays.get(name).ok_or_else(|| LoadError::Missing(format!("map {name}")))?;
        Ok(mapped.words())
    }
}

/// Internal maps are named after the object and their section; others by their own name.
fn is_array(actual: &str, wanted: &str) -> bool {
    if wanted.starts_with('.') { actual.ends_with(wanted) } else { actual == wanted }
}
