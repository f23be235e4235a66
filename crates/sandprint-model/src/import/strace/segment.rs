//! What one thread called between two execs, and how its names become calls of an ABI.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::import::{first_few, note};
use crate::{Abi, Arch, ByteString, Exit, Fact, FirstSeen, GapKind, Image, RunId, Seen, Syscall, Trace};

/// What one thread called while it ran one image.
pub(super) struct Segment<'l> {
    /// The thread; 0 where the log has no ids.
    pub tid: u32,
    /// Its process.
    pub tgid: u32,
    /// Its name, where the log has it.
    pub comm: Option<&'l [u8]>,
    /// What it ran.
    pub image: SegmentImage,
    /// How it ended, if it ended here.
    pub exit: Option<Exit>,
    calls: HashMap<Called<'l>, Tally>,
}

/// The image of a segment.
pub(super) enum SegmentImage {
    /// This one.
    Known(Arc<Image>),
    /// That of an earlier segment, from which it was cloned.
    Inherited(usize),
    /// The log does not say.
    Unknown,
}

/// A call as the log names it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Called<'l> {
    /// The ABI.
    pub spoken: Spoken,
    /// The number that `-n` gave.
    pub number: Option<u32>,
    /// The name.
    pub name: &'l [u8],
}

/// Whether the log says which ABI a call used.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
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

#[derive(Default)]
struct Tally {
    count: u64,
    first_ns: Option<u64>,
}

impl<'l> Segment<'l> {
    pub(super) fn new(tid: u32) -> Segment<'l> {
        Segment {
            tid,
            tgid: tid,
            comm: None,
            image: SegmentImage::Unknown,
            exit: None,
            calls: HashMap::new(),
        }
    }

    /// Takes the image of an earlier segment; `at` is this one's index.
    pub(super) fn inherit(&mut self, from: usize, at: usize) {
        if from < at && !matches!(self.image, SegmentImage::Known(_)) {
            self.image = SegmentImage::Inherited(from);
        }
    }

    pub(super) fn count(&mut self, called: Called<'l>, now_ns: Option<u64>) {
        let tally = self.calls.entry(called).or_default();
        if tally.count == 0 {
            tally.first_ns = now_ns;
        }
        tally.count += 1;
    }
}

/// Enters everything that the segments hold into the trace. `assumed` is the ABI of calls of which the log
/// does not say it; without one it is inferred.
pub(super) fn observe(
    segments: &[Segment<'_>],
    arch: Arch,
    assumed: Option<Abi>,
    run: &RunId,
    trace: &mut Trace,
) {
    let unknown_image = Arc::new(Image::default());
    let mut images: Vec<Arc<Image>> = Vec::with_capacity(segments.len());
    let mut unnamed: BTreeMap<String, u64> = BTreeMap::new();
    let mut ambiguous: BTreeMap<String, u64> = BTreeMap::new();
    let mut without_image = 0;
    for segment in segments {
        let image = match &segment.image {
            SegmentImage::Known(image) => Arc::clone(image),
            // Segments inherit from earlier ones only, so that one's image is there already.
            SegmentImage::Inherited(from) => images.get(*from).unwrap_or(&unknown_image).clone(),
            SegmentImage::Unknown => Arc::clone(&unknown_image),
        };
        images.push(Arc::clone(&image));
        if segment.calls.is_empty() {
            continue;
        }
        without_image += usize::from(image.path.is_empty());
        let silent_abi = assumed.or_else(|| inferred_abi(segment, arch));
        for (called, tally) in &segment.calls {
            let found = called.resolve(arch, silent_abi);
            let name = || ByteString::new(called.name).escaped();
            match found.as_slice() {
                [] => *unnamed.entry(name()).or_default() += tally.count,
                [_] => {}
                [..] => *ambiguous.entry(name()).or_default() += tally.count,
            }
            for syscall in found {
                let fact = Fact { image: Arc::clone(&image), scope: None, syscall };
                add(trace, fact, run, segment.seen(tally));
            }
        }
    }
    let total = |counts: &BTreeMap<String, u64>| counts.values().fold(0_u64, |sum, n| sum.saturating_add(*n));
    if !unnamed.is_empty() {
        let names = first_few(unnamed.keys().cloned());
        let detail = format!("names that are no call of {arch}: {names}");
        let count = usize::try_from(total(&unnamed)).unwrap_or(usize::MAX);
        note(trace, run, GapKind::ImportIncomplete, detail, count);
    }
    if !ambiguous.is_empty() {
        let names = first_few(ambiguous.keys().cloned());
        let detail =
            format!("on i386 each of these may be the call of that name, socketcall or ipc: {names}");
        let count = usize::try_from(total(&ambiguous)).unwrap_or(usize::MAX);
        note(trace, run, GapKind::ImportAmbiguous, detail, count);
    }
    if without_image > 0 {
        let detail = "threads whose program the log does not say";
        note(trace, run, GapKind::ImageUnreadable, detail, without_image);
    }
}

/// Adds calls to what is there of the same run: segments are parts of it, not states.
fn add(trace: &mut Trace, fact: Fact, run: &RunId, seen: Seen) {
    let slot = trace.observations.entry(fact).or_default().entry(run.clone()).or_default();
    let count = slot.count.saturating_add(seen.count);
    *slot = Seen { count, ..slot.join(seen) };
}

impl Segment<'_> {
    fn seen(&self, tally: &Tally) -> Seen {
        // Without ids and times nothing is known of the first call.
        let first = tally.first_ns.filter(|_| self.tid != 0).map(|after_ns| FirstSeen {
            after_ns,
            tgid: self.tgid,
            tid: self.tid,
            comm: ByteString::new(self.comm.unwrap_or_default()),
        });
        Seen { count: tally.count, first }
    }
}

/// The one ABI that every call of a segment can be of, the native one first; `None` where there is none.
fn inferred_abi(segment: &Segment<'_>, arch: Arch) -> Option<Abi> {
    let silent = segment.calls.keys().filter(|called| called.spoken == Spoken::Silent);
    let telling: Vec<&Called<'_>> =
        silent.filter(|called| arch.abis().iter().any(|abi| called.can_be_of(*abi))).collect();
    arch.abis().iter().copied().find(|abi| telling.iter().all(|called| called.can_be_of(*abi)))
}

impl Called<'_> {
    /// Whether an ABI has a call of that name, and of that number where the log gives it.
    fn can_be_of(&self, abi: Abi) -> bool {
        let calls = str::from_utf8(self.name).map(|name| named(abi, name)).unwrap_or_default();
        match self.number {
            Some(number) => calls.iter().any(|syscall| syscall.nr == number),
            None => !calls.is_empty(),
        }
    }

    /// The calls that it can be: none where the name is unknown, two where strace's name is ambiguous.
    fn resolve(&self, arch: Arch, silent_abi: Option<Abi>) -> Vec<Syscall> {
        let Ok(name) = str::from_utf8(self.name) else { return Vec::new() };
        let abi = match self.spoken {
            Spoken::Said(abi) => Some(abi),
            Spoken::Silent => silent_abi,
        };
        if let Some(raw) = self.number.or_else(|| raw_number(name)) {
            return vec![self.numbered(raw, arch, abi)];
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
    fn numbered(&self, raw: u32, arch: Arch, abi: Option<Abi>) -> Syscall {
        let as_native = Syscall::numbered(arch.native_abi(), raw);
        if as_native.abi != arch.native_abi() {
            return as_native;
        }
        let said = match self.spoken {
            Spoken::Said(abi) => Some(abi),
            Spoken::Silent => arch.abis().iter().copied().find(|abi| self.can_be_of(*abi)),
        };
        Syscall { abi: said.or(abi).unwrap_or(arch.native_abi()), nr: raw }
    }
}

/// The number in strace's name for a call that it does not know: `syscall_0x1c7`, formerly `SYS_455`.
fn raw_number(name: &str) -> Option<u32> {
    if let Some(number) = name.strip_prefix("SYS_") {
        return number.parse().ok();
    }
    let hex = name.strip_prefix("syscall_0x")?;
    // The kernel looks at 32 bits (`nr` of struct seccomp_data).
    u32::try_from(u64::from_str_radix(hex, 16).ok()? & 0xffff_ffff).ok()
}

/// The calls of an ABI that strace prints under this name.
fn named(abi: Abi, name: &str) -> Vec<Syscall> {
    /// Names that strace gave up for the kernel's.
    const FORMER: [(&str, &str); 3] = [("pread", "pread64"), ("pwrite", "pwrite64"), ("umount", "umount2")];
    let direct = Syscall::from_name(abi, name).or_else(|| {
        let (_, present) = FORMER.into_iter().find(|(former, _)| *former == name)?;
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
