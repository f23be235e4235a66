//! Loads the BPF object and attaches its programs: the part that decides what the kernel is asked for.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use libbpf_rs::{Link, MapCore as _, Object, ObjectBuilder, OpenMapMut, OpenObject, PrintLevel};

use super::decode::{CallKey, CallValue, Config, Control};
use super::maps::{self, Maps};
use super::perf::{self, PerfError};
use super::sys;

/// The committed objects; `cargo xtask bpf --check` rebuilds and compares them.
static RAW_TRACEPOINTS: &Aligned<[u8]> = &Aligned(*include_bytes!("bpf/recorder.bpf.o"));
static TRACEPOINTS: &Aligned<[u8]> = &Aligned(*include_bytes!("bpf/tracepoint.bpf.o"));
static WATCHER: &Aligned<[u8]> = &Aligned(*include_bytes!("bpf/watcher.bpf.o"));
static TRACEPOINT_WATCHER: &Aligned<[u8]> = &Aligned(*include_bytes!("bpf/watcher_tracepoint.bpf.o"));

/// ELF structures are read in place.
#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);

/// How followed tasks are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tasks {
    /// In task storage: each task has its own counters.
    Storage,
    /// In a hash by tid, counting in a shared map: slower, as exact, on every kernel.
    ByTid,
}

/// What the programs are attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hooks {
    /// Raw tracepoints: the fastest way, exact where they keep preemption off (before 7.0).
    RawTracepoints,
    /// Tracepoints through perf events, which keep preemption off on every kernel. Needs tracefs, and kernel
    /// functions that came with 6.12.
    Tracepoints,
}

impl Hooks {
    fn object(self) -> &'static [u8] {
        match self {
            Hooks::RawTracepoints => &RAW_TRACEPOINTS.0,
            Hooks::Tracepoints => &TRACEPOINTS.0,
        }
    }

    /// The watcher's object.
    pub(super) fn watcher(self) -> &'static [u8] {
        match self {
            Hooks::RawTracepoints => &WATCHER.0,
            Hooks::Tracepoints => &TRACEPOINT_WATCHER.0,
        }
    }
}

/// Loading or attaching the recorder failed.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// libbpf could not read the object.
    #[error("read the BPF object")]
    Open(#[source] libbpf_rs::Error),
    /// The kernel refused a map or a program.
    #[error("load the BPF programs{}", detail(.log))]
    Load {
        /// The kernel's answer.
        #[source]
        source: libbpf_rs::Error,
        /// What libbpf and the verifier said, last lines first cut.
        log: String,
    },
    /// A program could not be attached.
    #[error("attach the BPF program {program}{}", detail(.log))]
    Attach {
        /// The program's name.
        program: String,
        /// The kernel's answer.
        #[source]
        source: libbpf_rs::Error,
        /// What libbpf said.
        log: String,
    },
    /// The object is not the one this program was built for.
    #[error("find {0} in the BPF object")]
    Missing(String),
    /// A program could not be attached to a perf event.
    #[error(transparent)]
    Perf(#[from] PerfError),
    /// The memory of an array could not be mapped.
    #[error("map the memory of the BPF map {map}")]
    Array {
        /// The map's name.
        map: String,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
    /// A map could not be read or written.
    #[error("use the BPF map {map}")]
    Map {
        /// The map's name.
        map: String,
        /// The kernel's answer.
        #[source]
        source: libbpf_rs::Error,
    },
    /// The tasks could not be walked.
    #[error("walk the running tasks")]
    Walk(#[source] std::io::Error),
}

fn detail(log: &str) -> String {
    if log.is_empty() { String::new() } else { format!(" ({log})") }
}

/// What libbpf printed since the last load began. libbpf has one print callback for the whole process.
static LOG: Mutex<String> = Mutex::new(String::new());
/// Most bytes of it that are kept.
const LOG_KEPT: usize = 2000;

#[expect(clippy::needless_pass_by_value, reason = "libbpf-rs fixes the signature")]
fn remember(_level: PrintLevel, message: String) {
    if let Ok(mut log) = LOG.lock() {
        log.push_str(&message);
        if log.len() > LOG_KEPT * 2 {
            let cut = log.len() - LOG_KEPT;
            let cut = (cut..log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or(0);
            log.drain(..cut);
        }
    }
}

/// Forgets what libbpf said before, and listens to what it says from now on.
pub(super) fn listen() {
    if let Ok(mut log) = LOG.lock() {
        log.clear();
    }
    libbpf_rs::set_print(Some((PrintLevel::Warn, remember)));
}

/// The last thing libbpf had to say, on one line.
pub(super) fn last_words() -> String {
    let log = LOG.lock().map(|log| log.clone()).unwrap_or_default();
    let lines: Vec<_> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let from = lines.len().saturating_sub(3);
    lines.get(from..).unwrap_or_default().join("; ")
}

/// The programs of each way of keeping tasks, by the part they play.
struct Names {
    sys_enter: &'static str,
    lifecycle: [&'static str; 3],
    admit: &'static str,
    list: &'static str,
    drain: Option<&'static str>,
    collect: Option<&'static str>,
    ring: &'static str,
    submit: &'static [&'static str],
}

impl Tasks {
    fn names(self) -> Names {
        match self {
            Tasks::Storage => Names {
                sys_enter: "handle__sys_enter",
                lifecycle: ["handle__fork", "handle__exec", "handle__exit"],
                admit: "handle__admit",
                list: "handle__list",
                drain: Some("handle__drain"),
                collect: Some("handle__collect"),
                ring: "handle__ring",
                submit: &["handle__submit"],
            },
            Tasks::ByTid => Names {
                sys_enter: "handle__sys_enter_by_tid",
                lifecycle: ["handle__fork_by_tid", "handle__exec_by_tid", "handle__exit_by_tid"],
                admit: "handle__admit_by_tid",
                list: "handle__list_by_tid",
                drain: None,
                collect: None,
                ring: "handle__ring_by_tid",
                submit: &[
                    "handle__submit_by_tid",
                    // In this order: the kernel refuses the older form where it does not fit, not the newer.
                    "handle__old_submit_sqe_by_tid",
                    "handle__submit_sqe_by_tid",
                ],
            },
        }
    }
}

impl Tasks {
    /// The walks that are loaded when they are first needed.
    fn late_walks(self) -> Vec<&'static str> {
        let names = self.names();
        std::iter::once(names.list).chain(names.drain).chain(names.collect).collect()
    }
}

const RESOLVE: &str = "handle__resolve";
/// One that runs is enough, so one that was skipped is no loss; see `take_kind` in tracepoint.bpf.c.
const PREPARE: [&str; 3] = ["handle__prepare_1", "handle__prepare_2", "handle__prepare_3"];
/// What keeps a program attached.
#[derive(Debug)]
#[expect(dead_code, reason = "only to be dropped")]
pub(super) enum Attached {
    Link(Link),
    Event(OwnedFd),
}

/// The loaded object and what is attached of it.
pub(super) struct Programs {
    object: Object,
    tasks: Tasks,
    hooks: Hooks,
    maps: Maps,
    /// How many perf events were opened.
    events: Cell<u32>,
    sys_enter: Option<Attached>,
    others: Vec<Attached>,
    /// The same object once more, on the same maps, with the walks that a recording may never need; loaded
    /// when the first of them is.
    walks: OnceCell<Object>,
    /// Whether this kernel has `io_uring` and does not show what is submitted through it.
    pub(super) hides_uring: bool,
}

impl std::fmt::Debug for Programs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Programs").field("tasks", &self.tasks).finish_non_exhaustive()
    }
}

impl Programs {
    /// Loads what `tasks` and `hooks` need; `walks` for a target that already runs. With
    /// [`Hooks::Tracepoints`], also tries whether they can be attached.
    pub(super) fn load(
        config: &Config,
        tasks: Tasks,
        hooks: Hooks,
        walks: bool,
    ) -> Result<Programs, LoadError> {
        listen();
        let mut open = ObjectBuilder::default().open_memory(hooks.object()).map_err(LoadError::Open)?;
        choose_programs(&mut open, tasks, hooks, walks);
        choose_maps(&mut open, config, Some(tasks))?;
        let object = open.load().map_err(|source| LoadError::Load { source, log: last_words() })?;
        let maps = Maps::of(&object)?;
        let mut programs = Programs {
            object,
            tasks,
            hooks,
            maps,
            events: Cell::new(0),
            sys_enter: None,
            others: Vec::new(),
            walks: OnceCell::new(),
            hides_uring: false,
        };
        if hooks == Hooks::Tracepoints {
            // Nothing is followed yet, so they do nothing yet.
            programs.attach_lifecycle()?;
        }
        Ok(programs)
    }

    /// How followed tasks are kept.
    pub(super) fn tasks(&self) -> Tasks {
        self.tasks
    }

    /// What the programs are attached to.
    pub(super) fn hooks(&self) -> Hooks {
        self.hooks
    }

    fn attach_lifecycle(&mut self) -> Result<(), LoadError> {
        let prepare = if self.hooks == Hooks::Tracepoints { &PREPARE[..] } else { &[] };
        for name in prepare.iter().chain(&self.tasks.names().lifecycle) {
            let link = self.attach_one(name)?;
            self.others.push(link);
        }
        Ok(())
    }

    /// Attaches fork, exec, exit, `io_uring` and at last the calls themselves.
    pub(super) fn attach(&mut self) -> Result<(), LoadError> {
        let names = self.tasks.names();
        if self.others.is_empty() {
            self.attach_lifecycle()?;
        }
        // Missing tracepoints mean a kernel without io_uring, or one that cannot show what it does.
        if let Ok(ring) = self.attach_one(names.ring) {
            self.others.push(ring);
            self.hides_uring = true;
            for name in names.submit {
                if let Ok(link) = self.attach_one(name) {
                    self.others.push(link);
                    self.hides_uring = false;
                    break;
                }
            }
        }
        self.sys_enter = Some(self.attach_one(names.sys_enter)?);
        Ok(())
    }

    /// Counts no more calls, once `control` says so too; the end of tasks is still seen.
    pub(super) fn stop_counting(&mut self, control: Control) -> Result<(), LoadError> {
        self.control(control)?;
        self.sys_enter = None;
        Ok(())
    }

    /// Detaches everything.
    pub(super) fn detach(&mut self) {
        self.sys_enter = None;
        self.others.clear();
    }

    fn program(&self, name: &str) -> Result<libbpf_rs::ProgramMut<'_>, LoadError> {
        find(&self.object, name)
    }

    fn attach_one(&self, name: &str) -> Result<Attached, LoadError> {
        attach_anywhere(&self.program(name)?, name, &self.maps, &self.events)
    }

    /// The object with the walks that are loaded late.
    ///
    /// Loading them costs as much as loading all the rest, and most recordings end with nothing left to walk.
    fn walks(&self) -> Result<&Object, LoadError> {
        if let Some(loaded) = self.walks.get() {
            return Ok(loaded);
        }
        let mut open = ObjectBuilder::default().open_memory(self.hooks.object()).map_err(LoadError::Open)?;
        let late = self.tasks.late_walks();
        for mut program in open.progs_mut() {
            let load = late.iter().any(|name| program.name() == *name);
            program.set_autoload(load);
        }
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
        Ok(self.walks.get_or_init(|| object))
    }

    /// Runs one of the task walks to its end and returns what it wrote.
    fn walk(&self, name: &str) -> Result<Vec<u8>, LoadError> {
        let late = self.tasks.late_walks().contains(&name);
        let object = if late { self.walks()? } else { &self.object };
        read_all(&attach(&find(object, name)?, name)?, name)
    }

    /// Finds the wanted processes, and the recorder, in the initial PID namespace.
    pub(super) fn resolve(&self) -> Result<(), LoadError> {
        self.walk(RESOLVE).map(drop)
    }

    /// Follows the threads of the targets and of their descendants.
    pub(super) fn admit(&self) -> Result<(), LoadError> {
        self.walk(self.tasks.names().admit).map(drop)
    }

    /// The tgids of followed tasks in our namespace: `u32` after `u32`, with repetitions.
    pub(super) fn list(&self) -> Result<Vec<u8>, LoadError> {
        self.walk(self.tasks.names().list)
    }

    /// What live tasks have counted and not handed in: `struct sp_live` after `struct sp_live`.
    pub(super) fn drain(&self) -> Result<Vec<u8>, LoadError> {
        match self.tasks.names().drain {
            Some(name) => self.walk(name),
            None => Ok(Vec::new()),
        }
    }

    /// Moves what live tasks have counted into the calls map. Calls are no longer counted.
    pub(super) fn collect(&self) -> Result<(), LoadError> {
        self.tasks.names().collect.map_or(Ok(()), |name| self.walk(name).map(drop))
    }

    /// How often the kernel did not run each of our programs.
    pub(super) fn misses(&self) -> Vec<(String, u64)> {
        let loaded = std::iter::once(&self.object).chain(self.walks.get());
        let missed = loaded.flat_map(misses);
        missed.filter(|(program, _)| !PREPARE.contains(&program.as_str())).collect()
    }

    /// Whether the kernel did not run the program that sees tasks end, at least once.
    pub(super) fn missed_ends(&self) -> bool {
        let [_, _, exit] = self.tasks.names().lifecycle;
        let misses = self.program(exit).map(|program| sys::recursion_misses(program.as_fd()));
        !matches!(misses, Ok(Ok(0)))
    }

    /// Its maps.
    pub(super) fn maps(&self) -> &Maps {
        &self.maps
    }

    /// All entries of the calls map.
    pub(super) fn calls(&self) -> Result<BTreeMap<CallKey, CallValue>, LoadError> {
        let decode = |key: &[u8], value: &[u8]| Some((CallKey::decode(key)?, CallValue::decode(value)?));
        if let Some(bytes) = self.read_map("calls")? {
            let entries = bytes.chunks_exact(CallKey::SIZE + CallValue::SIZE);
            let entries = entries.map(|entry| entry.split_at(CallKey::SIZE));
            return Ok(entries.filter_map(|(key, value)| decode(key, value)).collect());
        }
        let mut entries = BTreeMap::new();
        // Entries are never deleted, so stepping from key to key misses none that was there before.
        for key in self.maps.get("calls")?.keys() {
            let value = self.maps.lookup("calls", &key)?;
            entries.extend(value.and_then(|value| decode(&key, &value)));
        }
        Ok(entries)
    }

    /// The description of the image that `control` names; `None` where there is none.
    pub(super) fn image(&self, control: Control) -> Result<Option<Vec<u8>>, LoadError> {
        self.control(control)?;
        match self.read_map("image_info")? {
            Some(bytes) => Ok((!bytes.is_empty()).then_some(bytes)),
            None => self.maps.lookup("image_info", &control.image.to_ne_bytes()),
        }
    }

    /// What the iterator over a map writes, where it is to be read that way.
    ///
    /// While bpf(2) reads or writes a map, the kernel runs no program of a perf event on that CPU
    /// (`bpf_disable_instrumentation`), and who does so can be preempted: what others do there meanwhile would
    /// not be recorded. Iterators and mapped memory do without.
    fn read_map(&self, name: &'static str) -> Result<Option<Vec<u8>>, LoadError> {
        let iterator = maps::iterator_of(name).filter(|_| self.hooks == Hooks::Tracepoints);
        iterator.map(|iterator| iterate(&self.object, &self.maps, name, iterator)).transpose()
    }

    /// Writes the part of the shared state that is user space's.
    pub(super) fn control(&self, control: Control) -> Result<(), LoadError> {
        for (word, value) in self.maps.array(".data.control")?.iter().zip(control.words()) {
            word.store(value, Ordering::SeqCst);
        }
        Ok(())
    }
}

/// How often the kernel did not run each program of an object.
pub(super) fn misses(object: &Object) -> impl Iterator<Item = (String, u64)> {
    object.progs_mut().filter(|program| program.autoload()).filter_map(|program| {
        let misses = sys::recursion_misses(program.as_fd()).ok()?;
        (misses > 0).then(|| (program.name().to_string_lossy().into_owned(), misses))
    })
}

pub(super) fn find<'o>(object: &'o Object, name: &str) -> Result<libbpf_rs::ProgramMut<'o>, LoadError> {
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

/// Attaches a program to what its section names. `events` counts the perf events that were opened.
pub(super) fn attach_anywhere(
    program: &libbpf_rs::ProgramMut<'_>,
    name: &str,
    maps: &Maps,
    events: &Cell<u32>,
) -> Result<Attached, LoadError> {
    let Some(event) = perf::tracepoint_of(program) else {
        return Ok(Attached::Link(attach(program, name)?));
    };
    let index = events.replace(events.get() + 1);
    Ok(Attached::Event(perf::attach(program, &event, maps.get("perf_events")?, index)?))
}

/// What an iterator writes of a map.
pub(super) fn iterate(
    object: &Object,
    maps: &Maps,
    map: &'static str,
    iterator: &str,
) -> Result<Vec<u8>, LoadError> {
    let link = find(object, iterator)?
        .attach_iter(maps.get(map)?.as_fd())
        .map_err(|source| LoadError::Attach { program: iterator.to_owned(), source, log: last_words() })?;
    read_all(&link, iterator)
}

/// Runs an iterator to its end and returns what it wrote.
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

fn choose_programs(open: &mut OpenObject, tasks: Tasks, hooks: Hooks, walks: bool) {
    let names = tasks.names();
    let mut wanted = vec![names.sys_enter, names.ring];
    wanted.extend(names.lifecycle);
    wanted.extend(names.submit);
    if hooks == Hooks::Tracepoints {
        wanted.extend(PREPARE);
        wanted.extend(["calls", "image_info"].into_iter().filter_map(maps::iterator_of));
    }
    if walks {
        wanted.extend([RESOLVE, names.admit]);
    }
    for mut program in open.progs_mut() {
        let load = wanted.iter().any(|name| program.name() == *name);
        program.set_autoload(load);
    }
}

/// Writes the configuration, and makes maps as large as they need be; `tasks` where tasks are kept.
pub(super) fn choose_maps(
    open: &mut OpenObject,
    config: &Config,
    tasks: Option<Tasks>,
) -> Result<(), LoadError> {
    let mut configured = false;
    for mut map in open.maps_mut() {
        let name = map.name().to_string_lossy().into_owned();
        if name.ends_with(".rodata") {
            let bytes = config.encode();
            let Some(value) = map.initial_value_mut() else { continue };
            let Some(slot) = value.get_mut(..bytes.len()) else { continue };
            slot.copy_from_slice(&bytes);
            configured = true;
        } else if let Some(result) = tasks.and_then(|tasks| size_for(&name, tasks, &mut map)) {
            result.map_err(|source| LoadError::Map { map: name, source })?;
        }
    }
    if configured { Ok(()) } else { Err(LoadError::Missing("the configuration".to_owned())) }
}

/// A map that only one way of keeping tasks needs is absent, or small, with the other: the kernel sets up
/// every bucket of a hash at creation.
fn size_for(name: &str, tasks: Tasks, map: &mut OpenMapMut<'_>) -> Option<libbpf_rs::Result<()>> {
    match (name, tasks) {
        ("tasks", Tasks::ByTid) => Some(map.set_autocreate(false)),
        // Only for tasks whose storage could not be created.
        ("tids", Tasks::Storage) => Some(map.set_max_entries(4096)),
        _ => None,
    }
}
