//! Watches for calls that seccomp filters keep from running, anywhere on the machine.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use libbpf_rs::MapCore as _;
use sandprint_model::{Arch, ByteString, Code, KernelVersion};

use super::cgroups::Cgroups;
use super::decode::{Config, Control, ImageInfo};
use super::error::{LoadError, RecorderError};
use super::lost::Lost;
use super::program::{Concern, Hooks, Tasks, Wanted};
use super::programs::Programs;
use super::rings::Rings;
use super::{TargetId, choose_hooks, selected};
use crate::host::{self, CgroupUse, HostFacts};
use crate::refused::{FilterId, Refused};
use crate::target::Target;

mod decode;
mod members;

use decode::{Key, Part, Value};

/// A loaded watcher.
pub struct Watcher {
    programs: Programs,
    rings: Rings,
    code: Rc<RefCell<BTreeMap<FilterId, Instructions>>>,
    arch: Arch,
    clock: Clock,
    /// Filters of which some part did not come.
    lacking: BTreeSet<FilterId>,
    images: BTreeMap<u64, ImageInfo>,
    told: BTreeMap<Vec<u8>, Told>,
    next_id: u64,
    /// The cgroup that is watched, where it is one.
    cgroup: Option<WatchedCgroup>,
}

/// A cgroup that is watched.
struct WatchedCgroup {
    directory: PathBuf,
    /// Whether it had processes when the watch began.
    was_used: bool,
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}

/// A filter as far as its parts have come.
#[derive(Debug, Default)]
struct Instructions {
    bytes: usize,
    parts: BTreeMap<usize, Vec<u8>>,
}

/// What was told of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    id: u64,
    count: u64,
    has_ended: bool,
}

/// How many entries are kept of processes that ended: deleting takes bpf(2), see [`Programs::entries`].
const KEPT: usize = 1024;

/// What the watcher may have missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// In a sentence's words, without a number.
    pub what: String,
    /// How often.
    pub count: u64,
}

/// What the user is told of what was lost.
const LOST: [(Lost, &str); 8] = [
    (Lost::Refused, "refused calls were not told: too many different ones at once"),
    (Lost::Filters, "filters could not be handed over: what they say is not known"),
    (Lost::Images, "programs have no path: there were too many different ones"),
    (
        Lost::Unsettled,
        "calls failed that had perhaps begun before the watcher: whether they were refused is not known",
    ),
    (Lost::Members, "processes are not watched: there were too many"),
    (Lost::Cgroups, "cgroups are not watched: there were too many"),
    (Lost::Ends, "ends of processes were not noted: there were too many"),
    (Lost::Event, "hints to look at once were dropped: what they were about was told later"),
];

impl Watcher {
    /// Loads the programs and attaches them: calls are watched from here on.
    pub fn start(target: &Target, facts: &HostFacts) -> Result<Watcher, RecorderError> {
        if *target == Target::Command {
            return Err(RecorderError::NoTarget { act: "watch", target: target.describe() });
        }
        let arch = super::ready(facts)?;
        let config = Config {
            members: matches!(target, Target::Processes(_)),
            cgroup: matches!(target, Target::Cgroup { .. }),
            ..super::config(arch)?
        };
        let mut programs = load(&config, facts.kernel())?;
        let code = Rc::new(RefCell::new(BTreeMap::new()));
        let rings = listen(&programs, &code)?;
        selected::fill(programs.maps(), arch)?;
        let mut cgroup = None;
        if let Target::Cgroup { directory, .. } = target {
            let own = [(directory.clone(), TargetId::FIRST)];
            let cgroups = Cgroups::expect(programs.maps(), own.into_iter())?;
            programs.attach(Concern::Cgroups)?;
            cgroups.enter(programs.maps())?;
            let was_used = host::cgroup_use(directory) == CgroupUse::Populated;
            cgroup = Some(WatchedCgroup { directory: directory.clone(), was_used });
        }
        if let Target::Processes(tgids) = target {
            for tgid in tgids {
                members::enter(programs.maps(), *tgid)?;
            }
        }
        programs.attach(Concern::WatchCalls)?;
        Ok(Watcher {
            programs,
            rings,
            code,
            arch,
            cgroup,
            clock: Clock::now(),
            lacking: BTreeSet::new(),
            images: BTreeMap::new(),
            told: BTreeMap::new(),
            next_id: 0,
        })
    }

    /// Becomes readable when there is something new; repetitions of what is known do not make it so.
    pub fn fd(&self) -> Result<OwnedFd, RecorderError> {
        self.rings.fd()
    }

    /// What was refused and has not been told yet, and what was told with a smaller count or before its process ended.
    /// To be called now and then, since repetitions wake nobody.
    pub fn news(&mut self) -> Result<Vec<Refused>, RecorderError> {
        self.clock.follow();
        let clock = self.clock;
        // Before the calls: who has ended makes no more of them.
        let ended_ns = self.ends()?;
        let entries = self.programs.entries("refused", Key::BYTES)?;
        self.take_code(&entries)?;
        let crowded = entries.len() > KEPT;
        let mut news = Vec::new();
        let mut over = BTreeSet::new();
        let mut going_on = BTreeSet::new();
        for (bytes, value) in entries {
            let Some(key) = Key::decode(&bytes) else { continue };
            let ended = ended_ns.get(&key.process()).copied();
            let Some(value) = Value::decode(&value) else {
                going_on.insert(key.process());
                continue;
            };
            let before = self.told.get(&bytes).copied();
            let id = before.map_or(self.next_id, |told| told.id);
            let now = Told { id, count: value.count, has_ended: ended.is_some() };
            if before != Some(now) {
                if let Some(refused) = self.refused(id, &key, value, ended, &clock)? {
                    news.push(refused);
                }
                self.next_id += u64::from(before.is_none());
            }
            if crowded && ended.is_some() {
                self.told.remove(&bytes);
                self.delete("refused", &bytes)?;
                over.insert(key.process());
            } else {
                self.told.insert(bytes, now);
                going_on.insert(key.process());
            }
        }
        for process in over.difference(&going_on) {
            self.delete("processes", process)?;
        }
        self.forget_members()?;
        news.sort_by_key(|refused| (refused.first, refused.id));
        Ok(news)
    }

    /// Takes the instructions of filters that have come. To be called with the calls at hand: an entry is ready when the
    /// parts of its filters are on their way, or are being put there by another call of that moment.
    fn take_code(&mut self, entries: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<(), RecorderError> {
        /// A processor may be taken from the call that brings them, for as long as a busy machine likes.
        const TRIES: u32 = 2000;
        /// Where some were lost, they may be these.
        const TRIES_AFTER_A_LOSS: u32 = 20;
        const BETWEEN: Duration = Duration::from_millis(1);

        self.rings.consume()?;
        let new = entries.iter().filter(|(key, _)| !self.told.contains_key(*key));
        let mut awaited: BTreeSet<FilterId> =
            new.filter_map(|(_, value)| Value::decode(value)).flat_map(|value| value.filters).collect();
        for tries in 0..TRIES {
            // 0 is a filter that cannot be read.
            awaited.retain(|id| id.0 != 0 && self.filter(*id).is_none() && !self.lacking.contains(id));
            if awaited.is_empty() {
                return Ok(());
            }
            if tries >= TRIES_AFTER_A_LOSS && self.lost(Lost::Filters)? > 0 {
                break;
            }
            std::thread::sleep(BETWEEN);
            self.rings.consume()?;
        }
        // There was no room for them, which is counted.
        self.lacking.extend(awaited);
        Ok(())
    }

    /// Makes room where many members have ended.
    fn forget_members(&self) -> Result<(), RecorderError> {
        if !self.has_members() {
            return Ok(());
        }
        let members = self.programs.entries("members", 4)?;
        if members.len() > KEPT {
            let now_ns = host::monotonic_ns();
            for (tgid, _) in members.iter().filter(|(_, value)| members::ended_long_ago(value, now_ns)) {
                self.delete("members", tgid)?;
            }
        }
        Ok(())
    }

    fn delete(&self, map: &'static str, key: &[u8]) -> Result<(), RecorderError> {
        let deleted = self.programs.maps().get(map)?.delete(key);
        Ok(deleted.map_err(|source| LoadError::Map { map: map.to_owned(), source })?)
    }

    /// When processes ended that have.
    fn ends(&self) -> Result<BTreeMap<[u8; 16], u64>, RecorderError> {
        let entries = self.programs.entries("processes", 16)?.into_iter();
        let ends = entries.filter_map(|(key, value)| {
            let ended_ns = u64::from_ne_bytes(value.try_into().ok()?);
            (ended_ns > 0).then_some((key.try_into().ok()?, ended_ns))
        });
        Ok(ends.collect())
    }

    fn refused(
        &mut self,
        id: u64,
        key: &Key,
        value: Value,
        ended: Option<u64>,
        clock: &Clock,
    ) -> Result<Option<Refused>, RecorderError> {
        let Some(outcome) = decode::outcome(key, &value) else { return Ok(None) };
        let image = self.path(value.image)?;
        let code = match (value.module, value.code_error) {
            (0, _) if !self.programs.wanted().locates => Err("kernels before 5.17 do not tell it"),
            (0, 0) => Err("it is in memory that no file was mapped to: code that was made at run time"),
            (0, _) => Err("the kernel could not look at the process's memory at that moment"),
            (module, _) => {
                Ok(Code { module: self.path(module)?, inode: value.module_inode, offset: value.offset })
            }
        };
        Ok(Some(Refused {
            id,
            call: decode::call(key, &value, self.arch),
            outcome,
            count: value.count,
            first: clock.at(value.first_ns),
            last: clock.at(value.last_ns),
            tgid: (value.our_tgid > 0).then_some(value.our_tgid),
            host_tid: value.tid,
            host_tgid: key.tgid,
            comm: value.comm,
            image,
            ancestry: value.ancestry,
            cgroup: value.cgroup,
            instruction_pointer: key.ip,
            code,
            filters: value.filters,
            more_filters: value.more_filters,
            traced: value.traced,
            supervised: value.supervised,
            ended: ended.map(|ended| Duration::from_nanos(ended.saturating_sub(value.last_ns))),
        }))
    }

    /// The path of an image; empty where it is not known.
    fn path(&mut self, id: u64) -> Result<ByteString, RecorderError> {
        if let Some(known) = self.images.get(&id) {
            return Ok(known.path.clone());
        }
        let Some(info) = self.programs.image(Control { image: id, ..Control::default() })? else {
            return Ok(ByteString::default());
        };
        Ok(self.images.entry(id).or_insert(info).path.clone())
    }

    /// The instructions of a filter: an array of `struct sock_filter`. None where the kernel did not keep them.
    pub fn filter(&self, id: FilterId) -> Option<Arc<[u8]>> {
        let code = self.code.borrow();
        let instructions = code.get(&id)?;
        let whole: Vec<u8> = instructions.parts.values().flatten().copied().collect();
        (whole.len() == instructions.bytes).then(|| whole.into())
    }

    /// Whether the watched process and all its descendants have ended. Never so for what is watched otherwise.
    pub fn is_over(&self) -> Result<bool, RecorderError> {
        if !self.has_members() {
            return Ok(false);
        }
        Ok(!self.programs.entries("members", 4)?.values().any(|value| members::lives(value)))
    }

    /// Whether the watched cgroup was in use and has no processes any more. Never so for what is watched otherwise.
    pub fn is_empty(&self) -> Result<bool, RecorderError> {
        let Some(cgroup) = &self.cgroup else { return Ok(false) };
        // In this order: who comes in between is not missed.
        let was_used = cgroup.was_used || self.programs.maps().state()?.populated > 0;
        Ok(was_used && host::cgroup_use(&cgroup.directory) != CgroupUse::Populated)
    }

    /// Whether a process is or was, a little while ago, the watched one or a descendant of it, by its tgid in our PID
    /// namespace; none where what is watched is told otherwise than by processes.
    pub fn holds(&self, tgid: u32) -> Result<Option<bool>, RecorderError> {
        if !self.has_members() {
            return Ok(None);
        }
        Ok(Some(self.programs.entries("members", 4)?.contains_key(tgid.to_ne_bytes().as_slice())))
    }

    /// Whether processes are watched by their descent.
    fn has_members(&self) -> bool {
        self.programs.wanted().concerns.contains(&Concern::Members)
    }

    fn lost(&self, what: Lost) -> Result<u64, RecorderError> {
        Ok(what.count(self.programs.maps())?)
    }

    /// What was missed so far.
    pub fn missed(&self) -> Result<Vec<Missed>, RecorderError> {
        let mut lost = Vec::new();
        for (kind, what) in LOST {
            lost.push(Missed { what: what.to_owned(), count: self.lost(kind)? });
        }
        let skipped = self.programs.misses().into_iter().map(|(program, count)| Missed {
            what: format!("times the kernel did not run the program {program}: calls may have been missed"),
            count,
        });
        Ok(lost.into_iter().chain(skipped).filter(|missed| missed.count > 0).collect())
    }
}

/// Loads the best that the kernel takes, and attaches what sees tasks come and go.
fn load(config: &Config, kernel: Option<KernelVersion>) -> Result<Programs, LoadError> {
    // bpf_find_vma: 7c7e3d31e785.
    let locates = kernel.is_none_or(|kernel| kernel >= KernelVersion::new(5, 17));
    let hooks = choose_hooks(kernel);
    let mut concerns = vec![Concern::Images, Concern::WatchTasks, Concern::WatchCalls];
    concerns.extend(config.members.then_some(Concern::Members));
    concerns.extend(config.cgroup.then_some(Concern::Cgroups));
    // A kernel that claims to be new enough for the best and still refuses gets the next.
    let ways = [(hooks, locates), (Hooks::RawTracepoints, locates), (Hooks::RawTracepoints, false)];
    let mut first = None;
    for (hooks, locates) in ways {
        // Whether perf events can be had is seen when the first is opened.
        let wanted = Wanted {
            hooks,
            tasks: Tasks::ByTid,
            locates,
            readers: true,
            concerns: concerns.clone(),
            functions: false,
            kernel: KernelVersion::new(0, 0),
        };
        let tried = Programs::load(config, wanted).and_then(|mut programs| {
            programs.attach(Concern::Members)?;
            programs.attach(Concern::WatchTasks)?;
            Ok(programs)
        });
        match tried {
            Ok(programs) => return Ok(programs),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| LoadError::Missing("a way to watch".to_owned())))
}

/// The hints, which only wake, and the parts of filters.
fn listen(
    programs: &Programs,
    code: &Rc<RefCell<BTreeMap<FilterId, Instructions>>>,
) -> Result<Rings, RecorderError> {
    let sink = Rc::clone(code);
    let mut rings = Rings::none()?;
    rings.add(programs.maps().get("events")?, |_hint| ())?;
    rings.add(programs.maps().get("code")?, move |bytes| {
        if let Some(part) = Part::decode(bytes) {
            let mut code = sink.borrow_mut();
            let instructions = code.entry(part.id).or_default();
            instructions.bytes = part.bytes;
            instructions.parts.insert(part.index, part.data.to_vec());
        }
    })?;
    Ok(rings)
}

/// What `CLOCK_MONOTONIC` says in terms of the time of day. Kept, so that one moment is the same each time it is told.
#[derive(Debug, Clone, Copy)]
struct Clock {
    monotonic_ns: u64,
    now: SystemTime,
}

impl Clock {
    fn now() -> Clock {
        Clock { monotonic_ns: host::monotonic_ns(), now: SystemTime::now() }
    }

    /// Takes a new reading where the time of day was set.
    fn follow(&mut self) {
        const SET: Duration = Duration::from_secs(1);

        let new = Clock::now();
        let (then, now) = (self.at(new.monotonic_ns), new.now);
        let apart = now.duration_since(then).unwrap_or_else(|error| error.duration());
        if apart > SET {
            *self = new;
        }
    }

    fn at(&self, ns: u64) -> SystemTime {
        match ns.checked_sub(self.monotonic_ns) {
            Some(later) => self.now + Duration::from_nanos(later),
            None => self.now - Duration::from_nanos(self.monotonic_ns.saturating_sub(ns)),
        }
    }
}
