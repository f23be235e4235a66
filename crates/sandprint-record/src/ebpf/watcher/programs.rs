//! The watcher's programs: which are loaded, what they are attached to, how their maps are read.

use std::cell::Cell;
use std::collections::BTreeMap;

use libbpf_rs::{MapCore as _, Object, ObjectBuilder};

use crate::ebpf::decode::Config;
use crate::ebpf::maps::{self, Maps};
use crate::ebpf::object::{
    Attached, Hooks, LoadError, attach_anywhere, choose_maps, find, iterate, last_words, listen, misses,
};

/// The loaded object and what is attached of it.
pub(super) struct Programs {
    object: Object,
    maps: Maps,
    hooks: Hooks,
    locates: bool,
    has_members: bool,
    /// How many perf events were opened.
    events: Cell<u32>,
    attached: Vec<Attached>,
}

impl Programs {
    /// Loads them. With `locates`, the code that makes a call is looked for in the kernel, as it always is with
    /// [`Hooks::Tracepoints`].
    pub(super) fn load(config: &Config, hooks: Hooks, locates: bool) -> Result<Programs, LoadError> {
        listen();
        let mut open = ObjectBuilder::default().open_memory(hooks.watcher()).map_err(LoadError::Open)?;
        choose_maps(&mut open, config, None)?;
        let has_members = config.follow_children;
        let mut wanted: Vec<&str> = lifecycle(locates, has_members).chain(calls(locates)).collect();
        if hooks == Hooks::Tracepoints {
            wanted.extend(["refused", "processes", "members"].into_iter().filter_map(maps::iterator_of));
        }
        for mut program in open.progs_mut() {
            let load = wanted.iter().any(|name| program.name() == *name);
            program.set_autoload(load);
        }
        let object = open.load().map_err(|source| LoadError::Load { source, log: last_words() })?;
        let maps = Maps::of(&object)?;
        Ok(Programs { object, maps, hooks, locates, has_members, events: Cell::new(0), attached: Vec::new() })
    }

    /// Attaches what sees tasks come and go.
    pub(super) fn attach_lifecycle(&mut self) -> Result<(), LoadError> {
        self.attach(lifecycle(self.locates, self.has_members))
    }

    /// Attaches what sees calls.
    pub(super) fn attach_calls(&mut self) -> Result<(), LoadError> {
        self.attach(calls(self.locates))
    }

    fn attach(&mut self, names: impl Iterator<Item = &'static str>) -> Result<(), LoadError> {
        for name in names {
            let attached = attach_anywhere(&find(&self.object, name)?, name, &self.maps, &self.events)?;
            self.attached.push(attached);
        }
        Ok(())
    }

    /// Whether the code that makes a call is looked for in the kernel.
    pub(super) fn locates(&self) -> bool {
        self.locates
    }

    /// Whether only members are watched.
    pub(super) fn has_members(&self) -> bool {
        self.has_members
    }

    /// Its maps.
    pub(super) fn maps(&self) -> &Maps {
        &self.maps
    }

    /// All entries of a map whose keys have that many bytes.
    ///
    /// With [`Hooks::Tracepoints`] not by bpf(2), while which the kernel runs no program of a perf event on that CPU.
    pub(super) fn entries(
        &self,
        map: &'static str,
        key_bytes: usize,
    ) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, LoadError> {
        let iterator = maps::iterator_of(map).filter(|_| self.hooks == Hooks::Tracepoints);
        if let Some(iterator) = iterator {
            let value_bytes = usize::try_from(self.maps.get(map)?.value_size()).unwrap_or(usize::MAX);
            let bytes = iterate(&self.object, &self.maps, map, iterator)?;
            let entries = bytes.chunks_exact(key_bytes.saturating_add(value_bytes));
            let entries = entries.map(|entry| entry.split_at(key_bytes));
            return Ok(entries.map(|(key, value)| (key.to_vec(), value.to_vec())).collect());
        }
        let keys: Vec<Vec<u8>> = self.maps.get(map)?.keys().collect();
        let mut entries = BTreeMap::new();
        for key in keys {
            if let Some(value) = self.maps.lookup(map, &key)? {
                entries.insert(key, value);
            }
        }
        Ok(entries)
    }

    /// How often the kernel did not run each program.
    pub(super) fn misses(&self) -> Vec<(String, u64)> {
        misses(&self.object).collect()
    }
}

fn lifecycle(locates: bool, has_members: bool) -> impl Iterator<Item = &'static str> {
    let exit = if locates { "handle__exit_located" } else { "handle__exit" };
    has_members.then_some("handle__fork").into_iter().chain(["handle__exec", exit, "handle__signal"])
}

/// In this order: a call that started before its start is seen is one that nothing is known of.
fn calls(locates: bool) -> impl Iterator<Item = &'static str> {
    ["handle__start", if locates { "handle__end_located" } else { "handle__end" }].into_iter()
}
