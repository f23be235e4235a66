//! What one thread called between two execs, and how its names become calls of an ABI.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::names::{Name, Names};
use super::start;
use crate::errno::Errno;
use crate::import::{first_few, note};
use crate::{
    Abi, Arch, ByteString, CallSeen, Count, Exit, FirstSeen, GapKind, Image, Join, RunId, Subject, Syscall,
    Trace,
};

/// What one thread called while it ran one image.
#[derive(Debug)]
pub(super) struct Segment {
    /// The thread; 0 where the log has no ids.
    pub tid: u32,
    /// Its process.
    pub tgid: u32,
    /// Its name, where the log has it.
    pub comm: Option<ByteString>,
    /// What it ran.
    pub image: SegmentImage,
    /// How it ended, if it ended here.
    pub exit: Option<Exit>,
    /// Whether it begins with the start of a program.
    pub is_start: bool,
    /// Whether it went on as another program.
    pub left_by_exec: bool,
    /// What its first calls show.
    pub seen: start::Seen,
    calls: HashMap<Called, Tally>,
}

/// The image of a segment.
#[derive(Debug)]
pub(super) enum SegmentImage {
    /// This one.
    Known(Arc<Image>),
    /// That of an earlier segment, from which it was cloned.
    Inherited(usize),
    /// The log does not say.
    Unknown,
}

/// A call as the log names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Called {
    /// The ABI.
    pub spoken: Spoken,
    /// The number that `-n` gave.
    pub number: Option<u32>,
    /// The name.
    pub name: Name,
}

/// Whether the log says which ABI a call used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Spoken {
    /// It does.
    Said(Abi),
    /// It does not.
    Silent,
}

impl Spoken {
    pub(super) fn of(abi: Option<Abi>) -> Spoken {
        abi.map_or(Spoken::Silent, Spoken::Said)
    }
}

#[derive(Debug, Default)]
struct Tally {
    count: u64,
    first_ns: Option<u64>,
    /// With which errors it failed, and how often.
    failed: BTreeMap<Errno, u64>,
}

/// What became of the count of a call that failed.
pub(super) enum Failed {
    /// It failed so for the first time.
    New,
    /// It did so before.
    Again,
    /// It is not counted, for want of room.
    Lost,
}

impl Segment {
    pub(super) fn new(tid: u32) -> Segment {
        Segment {
            tid,
            tgid: tid,
            comm: None,
            image: SegmentImage::Unknown,
            exit: None,
            is_start: false,
            left_by_exec: false,
            seen: start::Seen::default(),
            calls: HashMap::new(),
        }
    }

    /// Takes the image of an earlier segment; `at` is this one's index.
    pub(super) fn inherit(&mut self, from: usize, at: usize) {
        if from < at && !matches!(self.image, SegmentImage::Known(_)) {
            self.image = SegmentImage::Inherited(from);
        }
    }

    /// Counts a call; whether it is one that was not there before.
    pub(super) fn count(&mut self, called: Called, now_ns: Option<u64>) -> bool {
        let tally = self.calls.entry(called).or_default();
        let is_new = tally.count == 0;
        if is_new {
            tally.first_ns = now_ns;
        }
        tally.count += 1;
        is_new
    }

    /// Counts that a call failed, with an error that it has not failed with before only if there is room.
    pub(super) fn fail(&mut self, called: Called, error: Errno, is_full: bool) -> Failed {
        let Some(tally) = self.calls.get_mut(&called) else { return Failed::Lost };
        if let Some(count) = tally.failed.get_mut(&error) {
            *count += 1;
            return Failed::Again;
        }
        if is_full {
            return Failed::Lost;
        }
        tally.failed.insert(error, 1);
        Failed::New
    }

    /// Whether it has such a call.
    pub(super) fn has(&self, called: Called) -> bool {
        self.calls.contains_key(&called)
    }

    /// How many different calls and results it has.
    pub(super) fn different(&self) -> usize {
        self.calls.len() + self.calls.values().map(|tally| tally.failed.len()).sum::<usize>()
    }

    /// Whether the ABI of every call is known, whatever the rest of the log says: it is said, or it is the machine's own,
    /// which is what is assumed where another one would have been announced.
    pub(super) fn is_settled(&self, names: &Names, arch: Arch) -> bool {
        inferred_abi(self, names, arch) == Some(arch.native_abi())
    }

    fn call_seen(&self, tally: &Tally) -> CallSeen {
        // Without ids and times nothing is known of the first call.
        let first = tally.first_ns.filter(|_| self.tid != 0).map(|after_ns| FirstSeen {
            after_ns,
            tgid: self.tgid,
            tid: self.tid,
            comm: self.comm.clone().unwrap_or_default(),
        });
        CallSeen { first, ..CallSeen::times(tally.count) }
    }
}

/// What is known of segments that have ended: facts, and what could not become one.
#[derive(Debug, Default)]
pub(super) struct Settled {
    calls: BTreeMap<(Subject, Syscall), CallSeen>,
    results: BTreeMap<(Subject, (Syscall, Errno)), Count>,
    unnamed: BTreeMap<String, u64>,
    ambiguous: BTreeMap<String, u64>,
    without_image: usize,
    /// Programs whose start lacks calls, and those calls.
    incomplete_starts: usize,
    missing: BTreeSet<&'static str>,
}

impl Settled {
    /// How many different calls and results there are.
    pub(super) fn different(&self) -> usize {
        self.calls.len() + self.results.len()
    }

    /// Takes the calls of a segment. `assumed` is the ABI of calls of which the log does not say it; without one it is
    /// inferred.
    pub(super) fn take(
        &mut self,
        segment: &mut Segment,
        image: &Arc<Image>,
        names: &Names,
        (arch, assumed): (Arch, Option<Abi>),
    ) {
        if segment.calls.is_empty() {
            return;
        }
        self.without_image += usize::from(image.path.is_empty());
        let silent_abi = assumed.or_else(|| inferred_abi(segment, names, arch));
        self.look_at_start(segment, names, silent_abi.unwrap_or(arch.native_abi()));
        for (called, tally) in std::mem::take(&mut segment.calls) {
            let name = || ByteString::new(names.of(called.name)).escaped();
            let found = called.resolve(names, arch, silent_abi);
            match found.as_slice() {
                [] => *self.unnamed.entry(name()).or_default() += tally.count,
                [_] => {}
                [..] => *self.ambiguous.entry(name()).or_default() += tally.count,
            }
            for syscall in found {
                let call = self.calls.entry((Subject::of(image), syscall)).or_default();
                // Segments are parts of one run, not states of it.
                call.add(segment.call_seen(&tally));
                for (error, count) in &tally.failed {
                    let result = self.results.entry((Subject::of(image), (syscall, *error))).or_default();
                    result.add(Count(*count));
                }
            }
        }
    }

    /// Whether a program that came to its own end shows what it cannot have come there without.
    fn look_at_start(&mut self, segment: &Segment, names: &Names, abi: Abi) {
        let came_to_its_end =
            segment.left_by_exec || matches!(segment.exit, Some(Exit::Code(code)) if code != NO_LIBRARY);
        if !segment.is_start || !came_to_its_end {
            return;
        }
        let calls = segment.calls.keys().filter_map(|called| str::from_utf8(names.of(called.name)).ok());
        let missing = start::missing(segment.seen, abi, calls);
        self.incomplete_starts += usize::from(!missing.is_empty());
        self.missing.extend(missing);
    }

    /// Enters it all into the trace.
    pub(super) fn observe(self, arch: Arch, run: &RunId, trace: &mut Trace) {
        for ((subject, syscall), seen) in self.calls {
            trace.calls.join(subject, syscall, *run, seen);
        }
        for ((subject, result), count) in self.results {
            trace.results.join(subject, result, *run, count);
        }
        let total =
            |counts: &BTreeMap<String, u64>| counts.values().fold(0_u64, |sum, n| sum.saturating_add(*n));
        if !self.unnamed.is_empty() {
            let detail =
                format!("names that are no call of {arch}: {}", first_few(self.unnamed.keys().cloned()));
            let count = usize::try_from(total(&self.unnamed)).unwrap_or(usize::MAX);
            note(trace, run, GapKind::ImportIncomplete, detail, count);
        }
        if !self.ambiguous.is_empty() {
            let names = first_few(self.ambiguous.keys().cloned());
            let detail =
                format!("on i386 each of these may be the call of that name, socketcall or ipc: {names}");
            let count = usize::try_from(total(&self.ambiguous)).unwrap_or(usize::MAX);
            note(trace, run, GapKind::ImportAmbiguous, detail, count);
        }
        if self.without_image > 0 {
            let detail = "threads whose program the log does not say";
            note(trace, run, GapKind::ImageUnreadable, detail, self.without_image);
        }
        if self.incomplete_starts > 0 {
            let names = first_few(self.missing.iter().map(|name| (*name).to_owned()));
            let detail = format!(
                "programs that show no {names}, without which none starts: strace was told to leave calls out (-e)"
            );
            note(trace, run, GapKind::ImportIncomplete, detail, self.incomplete_starts);
        }
    }
}

/// What a loader ends with that does not find a library, and a shell that does not find a program.
const NO_LIBRARY: u8 = 127;

/// The one ABI that every call of a segment can be of, the native one first; `None` where there is none.
fn inferred_abi(segment: &Segment, names: &Names, arch: Arch) -> Option<Abi> {
    let silent = segment.calls.keys().filter(|called| called.spoken == Spoken::Silent);
    let telling: Vec<&Called> =
        silent.filter(|called| arch.abis().iter().any(|abi| called.can_be_of(*abi, names))).collect();
    arch.abis().iter().copied().find(|abi| telling.iter().all(|called| called.can_be_of(*abi, names)))
}

impl Called {
    /// Whether an ABI has a call of that name, and of that number where the log gives it.
    fn can_be_of(&self, abi: Abi, names: &Names) -> bool {
        let calls = str::from_utf8(names.of(self.name)).map(|name| named(abi, name)).unwrap_or_default();
        match self.number {
            Some(number) => calls.iter().any(|syscall| syscall.nr == number),
            None => !calls.is_empty(),
        }
    }

    /// The calls that it can be: none where the name is unknown, two where strace's name is ambiguous.
    fn resolve(&self, names: &Names, arch: Arch, silent_abi: Option<Abi>) -> Vec<Syscall> {
        let Ok(name) = str::from_utf8(names.of(self.name)) else { return Vec::new() };
        let abi = match self.spoken {
            Spoken::Said(abi) => Some(abi),
            Spoken::Silent => silent_abi,
        };
        if let Some(raw) = self.number.or_else(|| raw_number(name)) {
            return vec![self.numbered(raw, names, arch, abi)];
        }
        let abis = abi.into_iter().chain(arch.abis().iter().copied());
        let candidates = abis.map(|abi| named(abi, name));
        // An ABI that is said is not doubted; one that is not may differ from call to call.
        let mut candidates: Box<dyn Iterator<Item = Vec<Syscall>>> = match self.spoken {
            Spoken::Said(_) => Box::new(candidates.take(1)),
            Spoken::Silent => Box::new(candidates),
        };
        candidates.find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// The call of a number that the log gives: with the name, it says the ABI too.
    fn numbered(&self, raw: u32, names: &Names, arch: Arch, abi: Option<Abi>) -> Syscall {
        let as_native = Syscall::numbered(arch.native_abi(), raw);
        if as_native.abi != arch.native_abi() {
            return as_native;
        }
        let said = match self.spoken {
            Spoken::Said(abi) => Some(abi),
            Spoken::Silent => arch.abis().iter().copied().find(|abi| self.can_be_of(*abi, names)),
        };
        Syscall { abi: said.or(abi).unwrap_or(arch.native_abi()), nr: raw }
    }
}

/// The number in strace's name for a call that it does not know: `syscall_0x1c7`, formerly `SYS_455` and `syscall_455`.
fn raw_number(name: &str) -> Option<u32> {
    if let Some(number) = name.strip_prefix("SYS_") {
        return number.parse().ok();
    }
    let number = name.strip_prefix("syscall_")?;
    // The kernel looks at 32 bits (`nr` of struct seccomp_data).
    let low = |number: u64| u32::try_from(number & 0xffff_ffff).ok();
    match number.strip_prefix("0x") {
        Some(digits) => low(u64::from_str_radix(digits, 16).ok()?),
        None => number.parse::<u64>().ok().and_then(low),
    }
}

/// The calls of an ABI that strace prints under this name.
fn named(abi: Abi, name: &str) -> Vec<Syscall> {
    /// Names that are strace's own, or that it gave up for the kernel's.
    const OTHERWISE: &[(&str, &str)] = &[
        ("_exit", "exit"),
        ("fadvise64_64", "arm_fadvise64_64"),
        ("old_getrlimit", "getrlimit"),
        ("old_mmap", "mmap"),
        ("oldselect", "select"),
        ("pread", "pread64"),
        ("pwrite", "pwrite64"),
        ("sync_file_range2", "arm_sync_file_range"),
        ("umount", "umount2"),
    ];
    // x32's way of calling what has a number of its own there.
    if let Some(name) = name.strip_suffix("#64") {
        let native = Syscall::from_name(Abi::X86_64, name).filter(|_| abi == Abi::X32);
        return native.map(|syscall| Syscall { abi, nr: syscall.nr }).into_iter().collect();
    }
    let direct = Syscall::from_name(abi, name).or_else(|| {
        let (_, present) = OTHERWISE.iter().find(|(other, _)| *other == name)?;
        Syscall::from_name(abi, present)
    });
    let multiplexer = match abi {
        Abi::I386 if SOCKETCALLS.contains(&name) => Syscall::from_name(abi, "socketcall"),
        Abi::I386 if IPC_CALLS.contains(&name) => Syscall::from_name(abi, "ipc"),
        _ => None,
    };
    multiplexer.into_iter().chain(direct).collect()
}

/// What socketcall(2) multiplexes.
const SOCKETCALLS: [&str; 20] = [
    "accept",
    "accept4",
    "bind",
    "connect",
    "getpeername",
    "getsockname",
    "getsockopt",
    "listen",
    "recv",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "send",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    "socket",
    "socketpair",
];

/// What ipc(2) multiplexes.
const IPC_CALLS: [&str; 12] = [
    "msgctl",
    "msgget",
    "msgrcv",
    "msgsnd",
    "semctl",
    "semget",
    "semop",
    "semtimedop",
    "shmat",
    "shmctl",
    "shmdt",
    "shmget",
];
