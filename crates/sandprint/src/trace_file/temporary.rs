//! A file without a name until it is whole: whatever ends this process before, nothing stays behind.
//!
//! `O_TMPFILE` makes it and linkat(2) gives it its name. To take another file's place it needs a second name for an
//! instant, since only a rename replaces; and on file systems without `O_TMPFILE` (vfat, some network and FUSE file
//! systems) from its beginning. That name follows from the file's own, and whoever uses it holds a lock on the file
//! (flock(2)): what is found there unlocked was left by a process that was killed, and is removed.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::fd::AsRawFd as _;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::{self as sys, AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::content::Content;
use super::place::Place;

/// How long a name is waited for that another process uses for an instant.
const PATIENCE: Duration = Duration::from_secs(2);

/// A new file in the directory of the place that it is for; gone again when dropped.
#[derive(Debug)]
pub(super) struct Temporary<'p> {
    place: &'p Place,
    pub(super) file: File,
    /// The name that it has for now.
    name: Option<OsString>,
}

/// What came of giving it its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Done,
    /// There is a file of that name now.
    Taken,
    /// Another process took the name that it had for now.
    Lost,
}

impl<'p> Temporary<'p> {
    /// Makes it; `mode` is narrowed by the umask. `named` gives it a name from its beginning.
    pub(super) fn new(place: &'p Place, mode: Mode, named: bool) -> io::Result<Temporary<'p>> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        if !named {
            match sys::openat(&place.directory, ".", flags | OFlags::TMPFILE, mode) {
                Ok(file) => {
                    let file = File::from(file);
                    lock(&file);
                    return Ok(Temporary { place, file, name: None });
                }
                // open(2): the file system, or the kernel of what serves it, has none.
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL | Errno::NOSYS) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let (file, name) =
            take_name(place, &mut |name| sys::openat(&place.directory, name, flags, mode).map(File::from))?;
        lock(&file);
        Ok(Temporary { place, file, name: Some(name) })
    }

    /// Writes the content.
    pub(super) fn fill(&mut self, content: Content<'_>) -> io::Result<()> {
        content.write_to(&mut self.file)
    }

    /// Gives it the name of the place, where there is no file of that name.
    pub(super) fn create(mut self) -> io::Result<Named> {
        let Place { directory, name, .. } = self.place;
        let Some(own) = &self.name else {
            return match link(&self.file, self.place, name) {
                Ok(()) => Ok(Named::Done),
                Err(Errno::EXIST) => Ok(Named::Taken),
                Err(errno) => Err(errno.into()),
            };
        };
        let renamed = match sys::renameat_with(directory, own, directory, name, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::PERM | Errno::OPNOTSUPP) => {
                rename_under_lock(self.place, own)
            }
            other => other,
        };
        match renamed {
            Ok(()) => {
                self.name = None;
                Ok(Named::Done)
            }
            Err(Errno::EXIST) => Ok(Named::Taken),
            Err(Errno::NOENT) => Ok(Named::Lost),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Has it take the place of the file that is there.
    pub(super) fn replace(mut self) -> io::Result<Named> {
        let own = match self.name.take() {
            Some(own) => own,
            None => take_name(self.place, &mut |name| link(&self.file, self.place, name))?.1,
        };
        let Place { directory, name, .. } = self.place;
        match sys::renameat(directory, &own, directory, name) {
            Ok(()) => Ok(Named::Done),
            Err(Errno::NOENT) => Ok(Named::Lost),
            Err(errno) => {
                self.name = Some(own);
                Err(errno.into())
            }
        }
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // If it cannot be removed, the next writer of this file does.
            sys::unlinkat(&self.place.directory, name, AtFlags::empty()).unwrap_or_default();
        }
    }
}

/// The lock that says that somebody lives who uses it. A file system without locks has no such word, and then a name
/// in use may be taken away, which its user notices.
fn lock(file: &File) {
    sys::flock(file, FlockOperation::NonBlockingLockExclusive).unwrap_or_default();
}

/// Gives the file a name.
fn link(file: &File, place: &Place, name: &OsStr) -> Result<(), Errno> {
    // Needs CAP_DAC_READ_SEARCH before Linux 6.10, and no /proc.
    match sys::linkat(file, "", &place.directory, name, AtFlags::EMPTY_PATH) {
        Err(Errno::NOENT | Errno::PERM | Errno::INVAL | Errno::ACCESS) => {}
        other => return other,
    }
    let through = format!("/proc/self/fd/{}", file.as_raw_fd());
    sys::linkat(CWD, through, &place.directory, name, AtFlags::SYMLINK_FOLLOW)
}

/// The same as a rename that replaces nothing, where the file system has none: those who make files there keep off
/// each other by a lock on the directory.
fn rename_under_lock(place: &Place, own: &OsStr) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = sys::openat(&place.directory, ".", flags, Mode::empty())?;
    sys::flock(&directory, FlockOperation::LockExclusive)?;
    if sys::statat(&directory, &place.name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        return Err(Errno::EXIST);
    }
    sys::renameat(&directory, own, &directory, &place.name)
}

/// Makes something under the name that is for now; what was left there is removed, what is in use waited for.
fn take_name<T>(
    place: &Place,
    attempt: &mut dyn FnMut(&OsStr) -> Result<T, Errno>,
) -> io::Result<(T, OsString)> {
    let begun = Instant::now();
    let mut name = usual_name(&place.name);
    loop {
        match attempt(&name) {
            Ok(made) => return Ok((made, name)),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        match remove_left(place, &name) {
            Left::Removed => {}
            Left::InUse if begun.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(1)),
            // Somebody keeps it from us, in a directory where everybody may make files.
            Left::InUse | Left::Kept => name = another_name(),
        }
    }
}

enum Left {
    Removed,
    InUse,
    Kept,
}

/// Removes what a killed process has left.
fn remove_left(place: &Place, name: &OsStr) -> Left {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match sys::openat(&place.directory, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Left::Removed,
        Err(_) => return Left::Kept,
    };
    if sys::flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::AGAIN) {
        return Left::InUse;
    }
    let same = match (sys::fstat(&file), sys::statat(&place.directory, name, AtFlags::SYMLINK_NOFOLLOW)) {
        (Ok(a), Ok(b)) => (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino),
        _ => false,
    };
    if !same {
        return Left::Removed;
    }
    match sys::unlinkat(&place.directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Left::Removed,
        Err(_) => Left::Kept,
    }
}

/// The name that every writer of a file uses for now.
pub(super) fn usual_name(name: &OsStr) -> OsString {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    format!(".sandprint-{:016x}.tmp", hasher.finish()).into()
}

/// A name that nobody else takes: the process, and the clock for those in other PID namespaces.
fn another_name() -> OsString {
    let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!(".sandprint-{}-{nanoseconds:x}.tmp", std::process::id()).into()
}
