//! The books of a recording that is made from outside the kernel: which programs there are, and what they called.
//!
//! Whoever keeps them knows which process calls; they know what a program is, count, and have a bound for whatever the
//! workload can fill.

pub(crate) mod asked;
pub(crate) mod kinds;
pub(crate) mod look;
mod memory;
pub(crate) mod observed;
mod places;
mod sockets;
pub(crate) mod task;
mod uses;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use sandprint_model::arguments::Selected;
use sandprint_model::errno::Errno;
use sandprint_model::{Arch, ArgumentsSeen, ByteString, Syscall};
use sandprint_sandbox::process;

use crate::detail::Detail;

use kinds::Kinds;
use look::{Found, Wanted};
use task::{Identity, Program};
use uses::Kept;

/// Most images that are kept apart, as in the BPF recorder.
const MOST_IMAGES: usize = 4096;
/// Most calls by program, ABI and number, as in the BPF recorder.
const MOST_CALLS: usize = 65_536;
/// Most errors by program, call and number, as in the BPF recorder.
const MOST_ERRORS: usize = 65_536;
/// Most values of arguments that are kept in all, of which a call has 64 at most.
const MOST_VALUES: usize = 131_072;
/// The image of what could not be identified.
pub(crate) const UNKNOWN: usize = 0;
/// The image of what comes after the last that is kept apart.
const MERGED: usize = 1;
/// The first image that is a program's own.
pub(crate) const FIRST: usize = 2;

/// A program that ran.
#[derive(Debug, Default)]
pub(crate) struct Image {
    pub(crate) path: ByteString,
    pub(crate) script: Option<ByteString>,
    pub(crate) mode: u16,
    /// The file, until somebody who may wait for a file system has looked into it.
    pub(crate) file: Option<OwnedFd>,
}

/// Who made which call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) image: usize,
    pub(crate) call: Syscall,
}

/// A task, by its process and itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) tgid: u32,
    pub(crate) tid: u32,
}

/// How often, with what, and when and by whom first.
#[derive(Debug, Clone)]
pub(crate) struct Count {
    pub(crate) calls: u64,
    /// Of a call that has arguments by which a rule can tell calls apart.
    pub(crate) arguments: Option<ArgumentsSeen>,
    pub(crate) first_ns: u64,
    pub(crate) caller: Caller,
    pub(crate) comm: ByteString,
}

/// The books.
#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) kinds: Kinds,
    known: HashMap<Identity, usize>,
    images: Vec<Image>,
    calls: HashMap<Key, Count>,
    /// Values of arguments that are kept.
    values: usize,
    /// How often each call failed with each error; of recorders that see how calls end.
    failed: HashMap<(Key, Errno), u64>,
    /// Errors for which there was no room.
    pub(crate) failures_lost: u64,
    /// What calls had to do with files and sockets, where that is wanted.
    pub(crate) kept: Option<Kept>,
    /// Calls for which there was no room.
    pub(crate) lost: u64,
    /// Programs after the last that is kept apart.
    pub(crate) merged: u64,
    /// Calls of which it is not known what made them.
    pub(crate) unidentified: u64,
    /// Calls by which `io_uring` was given work.
    pub(crate) uring_submits: u64,
    pub(crate) last_new_ns: u64,
    /// Nothing is counted any more.
    pub(crate) closed: bool,
    /// Whether there are images with a file.
    pub(crate) news: bool,
}

impl Books {
    pub(crate) fn new(arch: Arch, detail: Detail) -> Books {
        Books {
            kinds: Kinds::new(arch, detail),
            known: HashMap::new(),
            images: vec![Image::default(), Image::default()],
            calls: HashMap::new(),
            values: 0,
            failed: HashMap::new(),
            failures_lost: 0,
            kept: (detail == Detail::Full).then(Kept::none),
            lost: 0,
            merged: 0,
            unidentified: 0,
            uring_submits: 0,
            last_new_ns: 0,
            closed: false,
            news: false,
        }
    }

    /// The number of a program.
    pub(crate) fn image(&mut self, program: Program) -> usize {
        if let Some(&known) = self.known.get(&program.identity) {
            return known;
        }
        if self.images.len() >= FIRST + MOST_IMAGES {
            self.merged = self.merged.saturating_add(1);
            return MERGED;
        }
        let Program { identity, path, script, mode, file } = program;
        let id = self.images.len();
        self.images.push(Image { path, script, mode, file: Some(file) });
        self.known.insert(identity, id);
        self.news = true;
        id
    }

    /// The images that are new since there were `seen` of them, with their files.
    pub(crate) fn fresh_images(&mut self, seen: usize) -> Vec<(usize, Image)> {
        let rest = self.images.iter_mut().enumerate().skip(FIRST + seen);
        let take = |(id, image): (usize, &mut Image)| {
            let (path, script) = (image.path.clone(), image.script.clone());
            (id, Image { path, script, mode: image.mode, file: image.file.take() })
        };
        rest.map(take).collect()
    }

    /// Counts a call, with what is to be kept of its arguments.
    pub(crate) fn add(&mut self, key: Key, arguments: Option<Selected>, caller: Caller, now: u64) {
        if self.closed {
            return;
        }
        self.unidentified = self.unidentified.saturating_add(u64::from(key.image == UNKNOWN));
        let full = self.values >= MOST_VALUES;
        if let Some(known) = self.calls.get_mut(&key) {
            if known.calls == 0 {
                known.first_ns = now;
            }
            known.calls = known.calls.saturating_add(1);
            if let (Some(seen), Some(arguments)) = (&mut known.arguments, arguments) {
                let before = kept(seen);
                if full && seen.values().is_some_and(|values| !values.contains_key(&arguments)) {
                    *seen = ArgumentsSeen::too_many();
                } else {
                    seen.add(arguments, 1);
                }
                self.values = (self.values + kept(seen)).saturating_sub(before);
            }
            return;
        }
        if self.calls.len() >= MOST_CALLS {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        self.last_new_ns = now;
        let arguments = arguments
            .map(|arguments| if full { ArgumentsSeen::too_many() } else { ArgumentsSeen::new(arguments, 1) });
        self.values += arguments.as_ref().map_or(0, kept);
        let comm = process::comm(caller.tid);
        self.calls.insert(key, Count { calls: 1, arguments, first_ns: now, caller, comm });
    }

    /// A call that may come, and will not be told of: it is known, with the count 0.
    pub(crate) fn expect(&mut self, key: Key, caller: Caller, now: u64) {
        if self.closed || self.calls.contains_key(&key) {
            return;
        }
        if self.calls.len() >= MOST_CALLS {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        let comm = process::comm(caller.tid);
        self.calls.insert(key, Count { calls: 0, arguments: None, first_ns: now, caller, comm });
    }

    /// Counts a call that failed.
    pub(crate) fn fail(&mut self, key: Key, error: Errno) {
        if self.closed {
            return;
        }
        if let Some(count) = self.failed.get_mut(&(key, error)) {
            *count = count.saturating_add(1);
        } else if self.failed.len() < MOST_ERRORS {
            self.failed.insert((key, error), 1);
        } else {
            self.failures_lost = self.failures_lost.saturating_add(1);
        }
    }

    /// What there is to be looked at in a call, where that is wanted.
    pub(crate) fn wanted(&self, call: Syscall) -> Option<Wanted> {
        let kept = self.kept.as_ref().filter(|_| !self.closed)?;
        self.kinds.wanted(call)?.as_far_as(kept.asks_names, kept.has_streams)
    }

    /// Takes in what was found of a call.
    pub(crate) fn find(&mut self, key: Key, found: Found) {
        if let Some(kept) = self.kept.as_mut().filter(|_| !self.closed) {
            kept.add(key, found);
        }
    }

    /// Takes in that a process has executed a program, whose number is `image` now: of whom that is told. Looks at it, if that
    /// is wanted.
    pub(crate) fn find_executed(&mut self, process: u32, by: usize, image: usize) {
        let call = self.kinds.execve();
        if self.wanted(call).is_none() {
            return;
        }
        let found = look::executed(process, call);
        if let Some(kept) = &mut self.kept {
            kept.add(Key { image: by, call }, found);
            kept.run(image, process);
        }
    }

    /// All that was seen so far.
    pub(crate) fn content(&self) -> Content {
        Content { calls: self.calls.clone(), failed: self.failed.clone(), kept: self.kept.clone() }
    }

    /// How many calls were counted, and how many distinct ones, whoever made them.
    pub(crate) fn approximate_calls(&self) -> (u64, usize) {
        let counted = self.calls.values().fold(0_u64, |sum, call| sum.saturating_add(call.calls));
        let distinct: BTreeSet<Syscall> = self.calls.keys().map(|key| key.call).collect();
        (counted, distinct.len())
    }
}

/// What books hold.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) calls: HashMap<Key, Count>,
    /// How often each call failed with each error.
    pub(crate) failed: HashMap<(Key, Errno), u64>,
    pub(crate) kept: Option<Kept>,
}

/// Values that are kept of a call.
fn kept(seen: &ArgumentsSeen) -> usize {
    seen.values().map_or(0, BTreeMap::len)
}

/// What a thread that keeps books and the session's share.
#[derive(Debug)]
pub(crate) struct Shared<B> {
    books: Mutex<B>,
    changed: Condvar,
    /// Readable when there is news: an image to be looked into, or the thread's end.
    news: OwnedFd,
    failed: Mutex<Option<io::Error>>,
}

impl<B> Shared<B> {
    pub(crate) fn new(books: B) -> io::Result<Shared<B>> {
        let flags = rustix::event::EventfdFlags::CLOEXEC | rustix::event::EventfdFlags::NONBLOCK;
        let news = rustix::event::eventfd(0, flags)?;
        Ok(Shared { books: Mutex::new(books), changed: Condvar::new(), news, failed: Mutex::new(None) })
    }

    /// The books. What holds the lock keeps the workload waiting: nothing that may wait for the workload.
    pub(crate) fn books(&self) -> MutexGuard<'_, B> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The books once this is so. Whoever makes it so says that they have [changed](Shared::changed).
    pub(crate) fn wait_until(&self, is_so: impl Fn(&B) -> bool) -> MutexGuard<'_, B> {
        let waited = self.changed.wait_while(self.books(), |books| !is_so(books));
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    /// Has who waits for something look again.
    pub(crate) fn changed(&self) {
        self.changed.notify_all();
    }

    pub(crate) fn news(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }

    /// Takes note of the news.
    pub(crate) fn heard(&self) {
        // Nothing to read: no news.
        rustix::io::read(&self.news, &mut [0_u8; 8]).unwrap_or_default();
    }

    /// Why the thread ended, if it failed.
    pub(crate) fn failure(&self) -> Option<io::Error> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn tell(&self) {
        // It fails only where news have not been heard yet 2^64 times.
        rustix::io::write(&self.news, &1_u64.to_ne_bytes()).unwrap_or_default();
    }

    pub(crate) fn fail(&self, error: io::Error) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        self.tell();
    }
}

/// Tells of a thread that ends without saying why: the workload would wait for it.
pub(crate) struct Ending<'a, B>(pub(crate) &'a Shared<B>);

impl<B> Drop for Ending<'_, B> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(io::Error::other("the recording thread panicked"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandprint_model::Abi;

    const ME: Caller = Caller { tgid: 1, tid: 1 };

    fn call(nr: u32) -> Key {
        Key { image: FIRST, call: Syscall { abi: Abi::X86_64, nr } }
    }

    #[test]
    fn calls_without_end_take_room_with_an_end_and_are_told() {
        let mut books = Books::new(Arch::X86_64, Detail::Calls);
        for nr in 0..100_000 {
            books.add(call(nr), None, ME, 1);
        }
        // What is known is counted all the same.
        books.add(call(7), None, ME, 2);
        books.expect(call(200_000), ME, 3);
        assert_eq!((books.calls.len(), books.lost), (MOST_CALLS, 100_000 - 65_536 + 1));
        assert_eq!(books.approximate_calls(), (65_537, MOST_CALLS));
    }

    #[test]
    fn arguments_without_end_take_room_with_an_end() {
        let mut books = Books::new(Arch::X86_64, Detail::Calls);
        // socket(2), by as many programs as there may be.
        for image in FIRST..FIRST + MOST_IMAGES {
            for family in 0..40 {
                let key = Key { image, ..call(41) };
                let arguments = books.kinds.selected(key.call, &[family, 1, 0, 0, 0, 0]);
                assert!(arguments.is_some());
                books.add(key, arguments, ME, 1);
            }
        }
        let kept: usize = books.calls.values().filter_map(|count| count.arguments.as_ref()).map(kept).sum();
        assert_eq!(kept, books.values);
        assert!((MOST_VALUES - 40..=MOST_VALUES).contains(&kept), "{kept}");
        let counted = |count: &Count| count.calls == 40 && count.arguments.is_some();
        assert!(books.calls.values().all(counted));
    }
}
