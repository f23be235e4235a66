//! Loads the programs that are wanted, attaches them, and reads what they wrote: the part that decides what the kernel is
//! asked for.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use libbpf_rs::{Link, MapCore as _, Object, ObjectBuilder, OpenObject};

use super::btf::Types;
use super::decode::{Config, Control, ImageInfo};
use super::error::LoadError;
use super::log::{last_words, listen};
use super::maps::{self, Maps};
use super::perf::PerfError;
use super::program::{Concern, FOLLOW_EXIT, Hooks, Wanted, Way};
use super::{perf, sys};

/// The committed objects; `cargo xtask bpf --check` rebuilds and compares them.
static RAW: &Aligned<[u8]> = &Aligned(*include_bytes!("bpf/raw.bpf.o"));
static PERF: &Aligned<[u8]> = &Aligned(*include_bytes!("bpf/perf.bpf.o"));

/// ELF structures are read in place.
#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);

impl Hooks {
    pub(super) fn object(self) -> &'static [u8] {
        match self {
            Hooks::RawTracepoints => &RAW.0,
            Hooks::Tracepoints => &PERF.0,
        }
    }
}

/// What keeps a program attached.
#[derive(Debug)]
#[expect(dead_code, reason = "only to be dropped")]
enum Attached {
    Link(Link),
    Event(OwnedFd),
}

/// The loaded object and what is attached of it.
pub(super) struct Programs {
    object: Object,
    wanted: Wanted,
    maps: Maps,
    /// The kernel's types that they need; `None` where libbpf looks through all of them.
    types: Option<Rc<Types>>,
    /// The perf events of the programs, by their names, until these are attached.
    events: RefCell<BTreeMap<String, Result<OwnedFd, PerfError>>>,
    attached: BTreeMap<Concern, Vec<Attached>>,
    /// The same object once more, on the same maps, with the programs of [`Concern::Gather`]; loaded when the first of
    /// them is needed.
    late: OnceCell<Object>,
}

impl std::fmt::Debug for Programs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Programs").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

impl Programs {
    /// Loads what is wanted, or what of it the kernel takes that others do without. Nothing is attached yet.
    pub(super) fn load(config: &Config, wanted: Wanted) -> Result<Programs, LoadError> {
        let types = Types::of(wanted.hooks.object()).map(Rc::new);
        let (has_functions, has_readers) = (wanted.has_functions(), wanted.has_readers());
        let mut fewer = vec![wanted];
        if has_functions {
            fewer.extend(fewer.clone().into_iter().map(Wanted::without_functions));
        }
        if has_readers {
            fewer.extend(fewer.clone().into_iter().map(Wanted::without_readers));
        }
        let mut first = None;
        for wanted in fewer {
            match Programs::load_with(config, wanted, types.clone()) {
                Err(error @ LoadError::Load { .. }) => drop(first.get_or_insert(error)),
                result => return result,
            }
        }
        // It was not for what others do without.
        Err(first.unwrap_or_else(|| LoadError::Missing("programs".to_owned())))
    }

    /// The same with these of the kernel's types.
    pub(super) fn load_with(
        config: &Config,
        wanted: Wanted,
        types: Option<Rc<Types>>,
    ) -> Result<Programs, LoadError> {
        listen();
        let mut open = open(wanted.hooks, types.as_deref())?;
        let names: Vec<_> = wanted.at_once().map(|(_, name)| name).collect();
        autoload(&mut open, |name| names.iter().any(|wanted| wanted == name));
        maps::choose(&mut open, config, &wanted)?;
        let object = open.load().map_err(|source| LoadError::Load { source, log: last_words() })?;
        let maps = Maps::of(&object)?;
        Ok(Programs {
            object,
            wanted,
            maps,
            types,
            events: RefCell::default(),
            attached: BTreeMap::new(),
            late: OnceCell::new(),
        })
    }

    /// Opens the perf events of all programs, before the first of these is attached.
    fn open_events(&self) -> Result<(), LoadError> {
        let mut events = self.events.borrow_mut();
        for ((_, name), index) in self.wanted.at_once().zip(0_u32..) {
            let program = find(&self.object, &name)?;
            if let Some(event) = perf::tracepoint_of(&program) {
                let opened = perf::open(&event, self.maps.get("perf_events")?, index);
                events.insert(name.into_owned(), opened);
            }
        }
        Ok(())
    }

    /// The names of the loaded programs, each with what `of` says of it.
    pub(super) fn each<T>(&self, of: impl Fn(&libbpf_rs::ProgramMut<'_>) -> T) -> BTreeMap<String, T> {
        let loaded = self.object.progs_mut().filter(|program| program.autoload());
        loaded.map(|program| (program.name().to_string_lossy().into_owned(), of(&program))).collect()
    }

    /// What was loaded.
    pub(super) fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Its maps.
    pub(super) fn maps(&self) -> &Maps {
        &self.maps
    }

    /// Attaches the programs of a concern, unless they are or it is not wanted; gives the names of those that are attached by this.
    pub(super) fn attach(&mut self, concern: Concern) -> Result<Vec<&'static str>, LoadError> {
        let mut names = Vec::new();
        if self.attached.contains_key(&concern) || !self.wanted.concerns.contains(&concern) {
            return Ok(names);
        }
        if self.attached.is_empty() {
            self.open_events()?;
        }
        let mut attached = Vec::new();
        let mut has_failed = false;
        for (program, name) in self.wanted.of(&[concern]) {
            let result = match program.way {
                Way::Walk | Way::Read(_) => continue,
                Way::Instead if !has_failed => continue,
                Way::Attach | Way::Spare => Some(self.attach_one(&name)?),
                Way::Try | Way::Instead => self.attach_one(&name).ok(),
            };
            has_failed = result.is_none();
            names.extend(result.is_some().then_some(program.name));
            attached.extend(result);
        }
        self.attached.insert(concern, attached);
        Ok(names)
    }

    /// Attaches a program to what its section names.
    fn attach_one(&self, name: &str) -> Result<Attached, LoadError> {
        let program = find(&self.object, name)?;
        let Some(event) = perf::tracepoint_of(&program) else {
            return Ok(Attached::Link(attach(&program, name)?));
        };
        let opened = self.events.borrow_mut().remove(name);
        let opened = opened.ok_or_else(|| LoadError::Missing(format!("the perf event of {name}")))??;
        perf::attach(&program, &event, &opened)?;
        Ok(Attached::Event(opened))
    }

    /// Detaches the programs of a concern.
    pub(super) fn detach(&mut self, concern: Concern) {
        self.attached.remove(&concern);
    }

    /// Detaches everything: what is attached last goes first.
    pub(super) fn detach_all(&mut self) {
        self.detach(Concern::Calls);
        self.attached.clear();
    }

    /// The object with the programs that are loaded late.
    fn late(&self) -> Result<&Object, LoadError> {
        if let Some(loaded) = self.late.get() {
            return Ok(loaded);
        }
        let mut open = open(self.wanted.hooks, self.types.as_deref())?;
        let names: Vec<_> = self.wanted.of(&[Concern::Gather]).map(|(_, name)| name).collect();
        autoload(&mut open, |name| names.iter().any(|wanted| wanted == name));
        for mut map in open.maps_mut() {
            let name = map.name().to_os_string();
            let same = self.object.maps().find(|candidate| candidate.name() == name);
            let failed = |source| LoadError::Map { map: name.to_string_lossy().into_owned(), source };
            match same.filter(libbpf_rs::Map::autocreate) {
                Some(same) => map.reuse_fd(same.as_fd()).map_err(failed)?,
                None => map.set_autocreate(false).map_err(failed)?,
            }
        }
        let object = open.load().map_err(|source| LoadError::Load { source, log: last_words() })?;
        Ok(self.late.get_or_init(|| object))
    }

    /// Runs one of the task walks to its end and returns what it wrote: nothing where there is none for how tasks are
    /// kept.
    pub(super) fn walk(&self, name: &str) -> Result<Vec<u8>, LoadError> {
        let Some((concern, name)) = self.wanted.walk(name) else { return Ok(Vec::new()) };
        let object = if concern == Concern::Gather { self.late()? } else { &self.object };
        read_all(&attach(&find(object, &name)?, &name)?, &name)
    }

    /// All entries of a map whose keys have that many bytes.
    pub(super) fn entries(
        &self,
        map: &'static str,
        key_bytes: usize,
    ) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, LoadError> {
        if let Some(bytes) = self.read(map)? {
            let value_bytes = usize::try_from(self.maps.get(map)?.value_size()).unwrap_or(usize::MAX);
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

    /// What the program that reads this map writes; `None` where it is to be read by bpf(2), see [`Wanted::reader_of`].
    pub(super) fn read(&self, map: &'static str) -> Result<Option<Vec<u8>>, LoadError> {
        let Some(reader) = self.wanted.reader_of(map) else { return Ok(None) };
        let link = find(&self.object, reader)?
            .attach_iter(self.maps.get(map)?.as_fd())
            .map_err(|source| LoadError::Attach { program: reader.to_owned(), source, log: last_words() })?;
        read_all(&link, reader).map(Some)
    }

    /// The description of an image, which `control` names; `None` where there is none.
    pub(super) fn image(&self, control: Control) -> Result<Option<ImageInfo>, LoadError> {
        self.control(control)?;
        let bytes = match self.read("image_info")? {
            Some(bytes) => (!bytes.is_empty()).then_some(bytes),
            None => self.maps.lookup("image_info", &control.image.to_ne_bytes())?,
        };
        Ok(bytes.as_deref().and_then(ImageInfo::decode))
    }

    /// What a program is needed for.
    pub(super) fn concern_of(&self, name: &str) -> Option<Concern> {
        let mut all = self.wanted.of(&self.wanted.concerns);
        all.find(|(_, known)| known == name).map(|(program, _)| program.concern)
    }

    /// How often the kernel did not run each of our programs, where that is a loss.
    pub(super) fn misses(&self) -> Vec<(String, u64)> {
        let loaded = [&self.object].into_iter().chain(self.late.get());
        let programs = loaded.flat_map(Object::progs_mut).filter(|program| program.autoload());
        let missed = programs.filter_map(|program| {
            let misses = sys::recursion_misses(program.as_fd()).ok()?;
            (misses > 0).then(|| (program.name().to_string_lossy().into_owned(), misses))
        });
        missed.filter(|(program, _)| !self.is_spare(program)).collect()
    }

    fn is_spare(&self, name: &str) -> bool {
        self.wanted.at_once().any(|(program, known)| known == name && program.way == Way::Spare)
    }

    /// Whether the kernel did not run the program that sees tasks end, at least once.
    pub(super) fn missed_ends(&self) -> bool {
        let mut programs = self.wanted.of(&[Concern::Follow]);
        let exit = programs.find(|(program, _)| program.name == FOLLOW_EXIT);
        let program = exit.and_then(|(_, name)| find(&self.object, &name).ok());
        !program.is_some_and(|program| matches!(sys::recursion_misses(program.as_fd()), Ok(0)))
    }

    /// Writes the part of the shared state that is user space's.
    pub(super) fn control(&self, control: Control) -> Result<(), LoadError> {
        for (word, value) in self.maps.array(".data.control")?.iter().zip(control.words()) {
            word.store(value, Ordering::SeqCst);
        }
        Ok(())
    }
}

fn open(hooks: Hooks, types: Option<&Types>) -> Result<OpenObject, LoadError> {
    let mut builder = ObjectBuilder::default();
    if let Some(types) = types {
        builder.btf_custom_path(types.path()).map_err(LoadError::Open)?;
    }
    builder.open_memory(hooks.object()).map_err(LoadError::Open)
}

fn autoload(open: &mut OpenObject, is_wanted: impl Fn(&str) -> bool) {
    for mut program in open.progs_mut() {
        let load = program.name().to_str().is_some_and(&is_wanted);
        program.set_autoload(load);
    }
}

fn find<'o>(object: &'o Object, name: &str) -> Result<libbpf_rs::ProgramMut<'o>, LoadError> {
    object
        .progs_mut()
        .find(|program| program.name() == name)
        .ok_or_else(|| LoadError::Missing(format!("program {name}")))
}

fn attach(program: &libbpf_rs::ProgramMut<'_>, name: &str) -> Result<Link, LoadError> {
    program.attach().map_err(|source| LoadError::Attach {
        program: name.to_owned(),
        source,
        log: last_words(),
    })
}

/// Runs a program to its end by reading from it, and returns what it wrote.
fn read_all(link: &Link, name: &str) -> Result<Vec<u8>, LoadError> {
    let mut iterator = libbpf_rs::Iter::new(link).map_err(|source| LoadError::Attach {
        program: name.to_owned(),
        source,
        log: last_words(),
    })?;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut iterator, &mut bytes).map_err(LoadError::Walk)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sandprint_model::KernelVersion;

    use super::*;
    use crate::ebpf::program::every_form;

    fn objects() -> [(Hooks, OpenObject); 2] {
        [Hooks::RawTracepoints, Hooks::Tracepoints].map(|hooks| (hooks, open(hooks, None).unwrap()))
    }

    #[test]
    fn the_table_has_every_program_and_no_other() {
        let kernels = [KernelVersion::new(0, 0), KernelVersion::new(u16::MAX, 0)];
        for (hooks, object) in objects() {
            let there: BTreeSet<String> =
                object.progs().map(|program| program.name().to_string_lossy().into_owned()).collect();
            let forms = kernels.into_iter().flat_map(every_form).filter(|wanted| wanted.hooks == hooks);
            let in_table: BTreeSet<String> = forms
                .flat_map(|wanted| wanted.at_once().map(|(_, name)| name.into_owned()).collect::<Vec<_>>())
                .collect();
            assert_eq!(there, in_table, "{hooks:?}");
        }
    }

    #[test]
    fn the_table_has_every_map_and_no_other() {
        let mut there = BTreeSet::new();
        for (_, object) in objects() {
            there.extend(object.maps().map(|map| {
                maps::known_as(&map.name().to_string_lossy()).unwrap_or_else(|| panic!("{map:?}"))
            }));
        }
        assert_eq!(there, maps::names().collect());
    }
}
