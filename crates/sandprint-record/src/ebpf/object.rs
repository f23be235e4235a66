//! Loads the BPF object and attaches its programs: the part that decides what the kernel is asked for.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::sync::Mutex;

use libbpf_rs::{
    Link, MapCore, MapFlags, MapHandle, Object, ObjectBuilder, OpenMapMut, OpenObject, PrintLevel,
};

use super::decode::{Config, Control};
use super::sys;

/// The committed object; `cargo xtask bpf --check` rebuilds and compares it.
static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!("bpf/recorder.bpf.o"));

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

/// The last thing libbpf had to say, on one line.
fn last_words() -> String {
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
    submit: &'static [(&'static str, &'static str)],
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
                submit: &[("handle__submit", "io_uring_submit_req")],
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
                    ("handle__submit_by_tid", "io_uring_submit_req"),
                    // In this order: the kernel refuses the older form where it does not fit, not the newer.
                    ("handle__old_submit_sqe_by_tid", "io_uring_submit_sqe"),
                    ("handle__submit_sqe_by_tid", "io_uring_submit_sqe"),
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
const MAPS: [&str; 11] = [
    "calls",
    "image_info",
    "lost",
    "events",
    "wanted",
    "uring_ops",
    "targets",
    ".bss",
    ".data.control",
    "tids",
    "cgroup",
];

/// The loaded object and what is attached of it.
pub(super) struct Programs {
    object: Object,
    tasks: Tasks,
    maps: BTreeMap<&'static str, MapHandle>,
    sys_enter: Option<Link>,
    others: Vec<Link>,
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
    /// Loads what `tasks` needs; `walks` for a target that already runs.
    pub(super) fn load(config: &Config, tasks: Tasks, walks: bool) -> Result<Programs, LoadError> {
        if let Ok(mut log) = LOG.lock() {
            log.clear();
        }
        libbpf_rs::set_print(Some((PrintLevel::Warn, remember)));
        let mut open = ObjectBuilder::default().open_memory(&OBJECT.0).map_err(LoadError::Open)?;
        choose_programs(&mut open, tasks, walks);
        choose_maps(&mut open, config, tasks)?;
        let object = open.load().map_err(|source| LoadError::Load { source, log: last_words() })?;
        let mut maps = BTreeMap::new();
        for map in object.maps() {
            let name = map.name().to_string_lossy().into_owned();
            if let Some(known) = MAPS.iter().find(|known| is_map(&name, known)) {
                let handle = MapHandle::try_from(&map)
                    .map_err(|source| LoadError::Map { map: name.clone(), source })?;
                maps.insert(*known, handle);
            }
        }
        Ok(Programs {
            object,
            tasks,
            maps,
            sys_enter: None,
            others: Vec::new(),
            walks: OnceCell::new(),
            hides_uring: false,
        })
    }

    /// How followed tasks are kept.
    pub(super) fn tasks(&self) -> Tasks {
        self.tasks
    }

    /// Attaches fork, exec, exit, `io_uring` and at last the calls themselves.
    pub(super) fn attach(&mut self) -> Result<(), LoadError> {
        let names = self.tasks.names();
        for name in names.lifecycle {
            let link = self.attach_one(name)?;
            self.others.push(link);
        }
        // Missing tracepoints mean a kernel without io_uring, or one that cannot show what it does.
        let ring = self.program(names.ring)?.attach_raw_tracepoint("io_uring_create");
        if let Ok(ring) = ring {
            self.others.push(ring);
            self.hides_uring = true;
            for (program, tracepoint) in names.submit {
                if let Ok(link) = self.program(program)?.attach_raw_tracepoint(tracepoint) {
                    self.others.push(link);
                    self.hides_uring = false;
                    break;
                }
            }
        }
        self.sys_enter = Some(self.attach_one(names.sys_enter)?);
        Ok(())
    }

    /// Counts no more calls; the end of tasks is still seen.
    pub(super) fn stop_counting(&mut self) {
        self.sys_enter = None;
    }

    /// Detaches everything.
    pub(super) fn detach(&mut self) {
        self.sys_enter = None;
        self.others.clear();
    }

    fn program(&self, name: &str) -> Result<libbpf_rs::ProgramMut<'_>, LoadError> {
        find(&self.object, name)
    }

    fn attach_one(&self, name: &str) -> Result<Link, LoadError> {
        attach(&self.program(name)?, name)
    }

    /// The object with the walks that are loaded late.
    ///
    /// Loading them costs as much as loading all the rest, and most recordings end with nothing left to walk.
    fn walks(&self) -> Result<&Object, LoadError> {
        if let Some(loaded) = self.walks.get() {
            return Ok(loaded);
        }
        let mut open = ObjectBuilder::default().open_memory(&OBJECT.0).map_err(LoadError::Open)?;
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
        let link = attach(&find(object, name)?, name)?;
        let mut iterator = libbpf_rs::Iter::new(&link).map_err(|source| LoadError::Attach {
            program: name.to_owned(),
            source,
            log: last_words(),
        })?;
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut iterator, &mut bytes).map_err(LoadError::Walk)?;
        Ok(bytes)
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
        loaded
            .flat_map(Object::progs_mut)
            .filter(|program| program.autoload())
            .filter_map(|program| {
                let misses = sys::recursion_misses(program.as_fd()).ok()?;
                (misses > 0).then(|| (program.name().to_string_lossy().into_owned(), misses))
            })
            .collect()
    }

    /// A map by name.
    pub(super) fn map(&self, name: &'static str) -> Result<&MapHandle, LoadError> {
        self.maps.get(name).ok_or_else(|| LoadError::Missing(format!("map {name}")))
    }

    /// The value at one key of a map; `None` where there is none.
    pub(super) fn lookup(&self, name: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, LoadError> {
        self.map(name)?
            .lookup(key, MapFlags::ANY)
            .map_err(|source| LoadError::Map { map: name.to_owned(), source })
    }

    /// Puts a value into a map.
    pub(super) fn update(&self, name: &'static str, key: &[u8], value: &[u8]) -> Result<(), LoadError> {
        self.map(name)?
            .update(key, value, MapFlags::ANY)
            .map_err(|source| LoadError::Map { map: name.to_owned(), source })
    }

    /// Writes the part of the shared state that is user space's.
    pub(super) fn control(&self, control: Control) -> Result<(), LoadError> {
        self.update(".data.control", &0_u32.to_ne_bytes(), &control.encode())
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

/// Internal maps are named after the object and their section; others by their own name.
fn is_map(actual: &str, wanted: &str) -> bool {
    if wanted.starts_with('.') { actual.ends_with(wanted) } else { actual == wanted }
}

fn choose_programs(open: &mut OpenObject, tasks: Tasks, walks: bool) {
    let names = tasks.names();
    let mut wanted = vec![names.sys_enter, names.ring];
    wanted.extend(names.lifecycle);
    wanted.extend(names.submit.iter().map(|(program, _)| *program));
    if walks {
        wanted.extend([RESOLVE, names.admit]);
    }
    for mut program in open.progs_mut() {
        let load = wanted.iter().any(|name| program.name() == *name);
        program.set_autoload(load);
    }
}

fn choose_maps(open: &mut OpenObject, config: &Config, tasks: Tasks) -> Result<(), LoadError> {
    let mut configured = false;
    for mut map in open.maps_mut() {
        let name = map.name().to_string_lossy().into_owned();
        if name.ends_with(".rodata") {
            let bytes = config.encode();
            let Some(value) = map.initial_value_mut() else { continue };
            let Some(slot) = value.get_mut(..bytes.len()) else { continue };
            slot.copy_from_slice(&bytes);
            configured = true;
        } else if let Some(result) = size_for(&name, tasks, &mut map) {
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
