//! Where a path leads, found once and then held by descriptors, so that what is checked is what is written.
//!
//! The path is followed name by name, each in the directory that is held: a link is read from the very descriptor that
//! was looked at, and what is found at the end is a name in a directory, or a descriptor. So nobody who may change a directory on the way can
//! have us write somewhere else than where we looked. What the kernel refuses for the sake of shared directories
//! (`fs.protected_symlinks`, `protected_fifos` and `protected_regular`, proc(5)) is refused also where the
//! administrator has not asked the kernel for it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{self as sys, AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use sandprint_sandbox::probe;

use super::owner;
use super::write_error::WriteError;

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Found {
    /// A regular file, or a name that is still free.
    File(Place),
    /// A device, a pipe or an open file, which is written as it is.
    Stream(Stream),
}

/// A name in a directory that is held.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) directory: OwnedFd,
    pub(super) name: OsString,
    /// What was there when it was looked at.
    pub(super) existing: Option<Stat>,
    /// What the user calls it.
    pub(super) path: PathBuf,
    /// What leads to the directory.
    pub(super) parent: PathBuf,
}

/// A device, a pipe or an open file that is held.
#[derive(Debug)]
pub(super) struct Stream {
    node: OwnedFd,
    /// Whether what is written can be read by nobody later on: a device.
    pub(super) is_device: bool,
    directory: OwnedFd,
    name: OsString,
}

/// Finds out where a path leads, and whether that may be written on behalf of who runs us.
pub(super) fn find(path: &Path) -> Result<Found, WriteError> {
    let open_error = |errno: Errno| WriteError::open(path, errno.into());
    // Before there is anything to be lost.
    probe::survive(probe::OUTPUT).map_err(|deadly| WriteError::open(path, deadly.into()))?;
    if names_a_directory(path) {
        return Err(WriteError::Directory(path.to_owned()));
    }
    let mut walk = Walk { directory: directory(CWD, ".").map_err(open_error)?, shown: PathBuf::new() };
    let mut rest = path.as_os_str().as_bytes().to_vec();
    let mut links = 0;
    loop {
        if rest.starts_with(b"/") {
            walk = Walk { directory: directory(CWD, "/").map_err(open_error)?, shown: "/".into() };
        }
        let (first, others) = take_first(&rest);
        let name = OsStr::from_bytes(first);
        let next = match others {
            _ if first.is_empty() => return Err(WriteError::Directory(path.to_owned())),
            Some(_) => walk.enter(name),
            None if first == b".." => return Err(WriteError::Directory(path.to_owned())),
            None => walk.look(name, path)?,
        };
        let target = match next {
            Ok(Step::Into(inner)) => {
                walk = inner;
                rest = others.unwrap_or_default().to_vec();
                continue;
            }
            Ok(Step::End(found)) => return Ok(found),
            Ok(Step::Link { target, may_be_followed: true, .. }) => {
                links += 1;
                // The kernel's own limit (path_resolution(7)).
                if links > 40 {
                    return Err(open_error(Errno::LOOP));
                }
                target
            }
            Ok(Step::Link { owner, .. }) => return Err(WriteError::foreign(path, "link", owner)),
            // As if the whole directory were missing, which is what the user has to make.
            Err(Errno::NOENT) => {
                return Err(WriteError::create(path.parent().unwrap_or(path), Errno::NOENT.into()));
            }
            Err(errno) => return Err(open_error(errno)),
        };
        rest = match others {
            Some(others) => [&target, &b"/"[..], others].concat(),
            None => target,
        };
    }
}

/// How far a path has been followed.
struct Walk {
    directory: OwnedFd,
    shown: PathBuf,
}

/// What a name on the way is.
enum Step {
    Into(Walk),
    Link { target: Vec<u8>, owner: u32, may_be_followed: bool },
    End(Found),
}

impl Walk {
    /// Goes into a directory, or reads the link that stands there.
    fn enter(&self, name: &OsStr) -> Result<Step, Errno> {
        let into = |directory| Step::Into(Walk { directory, shown: self.shown.join(name) });
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match sys::openat(&self.directory, name, flags, Mode::empty()) {
            Ok(inner) => return Ok(into(inner)),
            Err(Errno::NOTDIR | Errno::LOOP) => {}
            Err(errno) => return Err(errno),
        }
        let (node, stat) = self.node(name)?;
        match FileType::from_raw_mode(stat.st_mode) {
            // What links in /proc say is not where they lead.
            FileType::Symlink if is_proc(&self.directory) => Ok(into(directory(&self.directory, name)?)),
            FileType::Symlink => self.link(&node, &stat),
            _ => Err(Errno::NOTDIR),
        }
    }

    /// Looks at what the path ends with.
    fn look(&self, name: &OsStr, path: &Path) -> Result<Result<Step, Errno>, WriteError> {
        let (node, stat) = match self.node(name) {
            Ok(found) => found,
            Err(Errno::NOENT) => return Ok(self.place(name, None, path)),
            Err(errno) => return Ok(Err(errno)),
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Symlink {
            if is_proc(&self.directory) {
                return open_file(&self.directory, name, path).map(|found| Ok(Step::End(found)));
            }
            return Ok(self.link(&node, &stat));
        }
        let around = match sys::fstat(&self.directory) {
            Ok(around) => around,
            Err(errno) => return Ok(Err(errno)),
        };
        match kind {
            FileType::Directory => Err(WriteError::Directory(path.to_owned())),
            FileType::RegularFile if !may_write(&around, &stat, "protected_regular") => {
                Err(WriteError::foreign(path, "file", stat.st_uid))
            }
            FileType::RegularFile => Ok(self.place(name, Some(stat), path)),
            FileType::Fifo if !may_write(&around, &stat, "protected_fifos") => {
                Err(WriteError::foreign(path, "named pipe", stat.st_uid))
            }
            kind => {
                Ok(Stream::new(node, kind, &self.directory, name)
                    .map(|stream| Step::End(Found::Stream(stream))))
            }
        }
    }

    fn node(&self, name: &OsStr) -> Result<(OwnedFd, Stat), Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let node = sys::openat(&self.directory, name, flags, Mode::empty())?;
        let stat = sys::fstat(&node)?;
        Ok((node, stat))
    }

    fn link(&self, node: &OwnedFd, stat: &Stat) -> Result<Step, Errno> {
        let may_be_followed = may_follow(&sys::fstat(&self.directory)?, stat);
        let target = sys::readlinkat(node, "", Vec::new())?.into_bytes();
        // symlink(2) makes none that is empty.
        if target.is_empty() {
            return Err(Errno::NOENT);
        }
        Ok(Step::Link { target, owner: stat.st_uid, may_be_followed })
    }

    fn place(&self, name: &OsStr, existing: Option<Stat>, path: &Path) -> Result<Step, Errno> {
        let directory = rustix::io::fcntl_dupfd_cloexec(&self.directory, 0)?;
        let (name, path, parent) = (name.to_owned(), path.to_owned(), self.shown.clone());
        Ok(Step::End(Found::File(Place { directory, name, existing, path, parent })))
    }
}

fn directory(at: impl AsFd, name: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    sys::openat(at, name, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// The open file that a link in /proc stands for: it has an owner already, so it is never replaced.
fn open_file(directory: &OwnedFd, name: &OsStr, path: &Path) -> Result<Found, WriteError> {
    let open_error = |errno: Errno| WriteError::open(path, errno.into());
    let node = sys::openat(directory, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let node = node.map_err(open_error)?;
    let kind = FileType::from_raw_mode(sys::fstat(&node).map_err(open_error)?.st_mode);
    if kind == FileType::Directory {
        return Err(WriteError::Directory(path.to_owned()));
    }
    Stream::new(node, kind, directory, name).map(Found::Stream).map_err(open_error)
}

impl Place {
    /// Another name in the same directory, where a link is nothing that is followed.
    pub(super) fn beside(&self, name: OsString, path: PathBuf) -> Result<Place, WriteError> {
        let directory = self.directory.try_clone().map_err(|error| WriteError::open(&path, error))?;
        let existing = match sys::statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Some(stat),
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(WriteError::open(&path, errno.into())),
        };
        if let Some(stat) = &existing {
            let around = sys::fstat(&directory).map_err(|errno| WriteError::open(&path, errno.into()))?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                return Err(WriteError::NotRegular(path));
            }
            if !may_write(&around, stat, "protected_regular") {
                return Err(WriteError::foreign(&path, "file", stat.st_uid));
            }
        }
        Ok(Place { directory, name, existing, path, parent: self.parent.clone() })
    }

    /// Opens the file that is there; `None` where it is no longer the one that was looked at.
    pub(super) fn open(&self, access: OFlags) -> Result<Option<File>, WriteError> {
        let Some(expected) = &self.existing else { return Ok(None) };
        // Not to wait: a pipe may have taken its place.
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        match sys::openat(&self.directory, &self.name, flags, Mode::empty()) {
            Ok(file) => {
                let stat = sys::fstat(&file).map_err(|errno| WriteError::open(&self.path, errno.into()))?;
                Ok(is_same(&stat, expected).then(|| File::from(file)))
            }
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO | Errno::ISDIR) => Ok(None),
            Err(errno) => Err(WriteError::open(&self.path, errno.into())),
        }
    }

    /// Whether the name still stands for this file.
    pub(super) fn is_still(&self, file: &File) -> bool {
        match (sys::fstat(file), sys::statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW)) {
            (Ok(file), Ok(named)) => is_same(&file, &named),
            _ => false,
        }
    }
}

impl Stream {
    fn new(node: OwnedFd, kind: FileType, directory: &OwnedFd, name: &OsStr) -> Result<Stream, Errno> {
        let is_device = matches!(kind, FileType::CharacterDevice | FileType::BlockDevice);
        let directory = rustix::io::fcntl_dupfd_cloexec(directory, 0)?;
        Ok(Stream { node, is_device, directory, name: name.to_owned() })
    }

    /// Opens it for writing: the very node that was found.
    pub(super) fn open(&self) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
        let through = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&self.node));
        match sys::openat(CWD, through, flags, Mode::empty()) {
            // Without /proc, by its name.
            Err(Errno::NOENT) => {
                let file = sys::openat(&self.directory, &self.name, flags | OFlags::NOFOLLOW, Mode::empty())?;
                if is_same(&sys::fstat(&file)?, &sys::fstat(&self.node)?) {
                    return Ok(File::from(file));
                }
                Err(io::Error::other("another file has taken its place"))
            }
            other => Ok(File::from(other?)),
        }
    }
}

/// Whether a path says by its form that it means a directory.
fn names_a_directory(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    let last = bytes.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    matches!(last, b"" | b"." | b"..")
}

/// The first name of a path and what comes after it, if anything does.
fn take_first(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    let trimmed = without_slashes(path);
    match trimmed.iter().position(|byte| *byte == b'/') {
        Some(at) => {
            let (first, others) = trimmed.split_at(at);
            (first, Some(without_slashes(others)))
        }
        None => (trimmed, None),
    }
}

fn without_slashes(path: &[u8]) -> &[u8] {
    let first = path.iter().position(|byte| *byte != b'/').unwrap_or(path.len());
    path.get(first..).unwrap_or_default()
}

fn is_same(a: &Stat, b: &Stat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
        && FileType::from_raw_mode(a.st_mode) == FileType::from_raw_mode(b.st_mode)
}

fn is_proc(directory: &OwnedFd) -> bool {
    sys::fstatfs(directory).is_ok_and(|system| system.f_type == sys::PROC_SUPER_MAGIC)
}

/// Sticky, and others may make files there.
fn is_shared(directory: &Stat) -> bool {
    let mode = Mode::from_raw_mode(directory.st_mode);
    mode.contains(Mode::SVTX | Mode::WOTH)
}

/// Whether a link may be followed (`may_follow_link` in the kernel's fs/namei.c).
fn may_follow(directory: &Stat, link: &Stat) -> bool {
    !is_shared(directory) || link.st_uid == directory.st_uid || owner::is_ours(link.st_uid)
}

/// Whether what is there may be written (`may_create_in_sticky` in the kernel's fs/namei.c).
fn may_write(directory: &Stat, file: &Stat, limit: &str) -> bool {
    let mode = Mode::from_raw_mode(directory.st_mode);
    let by_a_group = || mode.contains(Mode::SVTX | Mode::WGRP) && asks_for_groups(limit);
    !(is_shared(directory) || by_a_group()) || file.st_uid == directory.st_uid || owner::is_ours(file.st_uid)
}

/// Whether directories that a group may write count as well.
fn asks_for_groups(limit: &str) -> bool {
    std::fs::read_to_string(format!("/proc/sys/fs/{limit}")).is_ok_and(|value| value.trim() == "2")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn shown(path: &Path) -> String {
        match find(path) {
            Ok(Found::File(place)) => {
                let there = if place.existing.is_some() { "file" } else { "free" };
                format!("{there} {}", place.name.display())
            }
            Ok(Found::Stream(_)) => "stream".to_owned(),
            Err(error) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                source.unwrap_or_else(|| "directory".to_owned())
            }
        }
    }

    #[test]
    fn paths_lead_where_the_kernel_would_go() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        fs::write(at("file"), "").unwrap();
        fs::create_dir(at("inner")).unwrap();
        for (target, link) in [
            ("file", "link"),
            ("absent", "dangling"),
            ("loop", "loop"),
            ("../file", "inner/up"),
            ("inner/up", "two"),
            ("inner", "to-directory"),
            ("/dev/null", "to-device"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        symlink(at("link"), at("chain")).unwrap();
        for (path, expected) in [
            ("file", "file file"),
            ("absent", "free absent"),
            ("link", "file file"),
            ("chain", "file file"),
            ("two", "file file"),
            ("to-directory/up", "file file"),
            ("to-directory/new", "free new"),
            ("dangling", "free absent"),
            ("to-device", "stream"),
            ("loop", "Too many levels of symbolic links (os error 40)"),
            ("absent/new", "No such file or directory (os error 2)"),
            ("file/new", "Not a directory (os error 20)"),
            ("absent/", "directory"),
            (".", "directory"),
            ("inner/..", "directory"),
            ("to-directory", "directory"),
            ("", "directory"),
        ] {
            assert_eq!(shown(&at(path)), expected, "{path}");
        }
        assert_eq!(shown(Path::new("")), "directory");
        assert_eq!(shown(Path::new("/")), "directory");
        assert_eq!(shown(Path::new("/dev/null")), "stream");
    }

    #[test]
    fn what_was_exchanged_meanwhile_is_not_opened() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("t");
        fs::write(&path, "a").unwrap();
        let Ok(Found::File(place)) = find(&path) else { panic!("a file is a file") };
        let file = place.open(OFlags::WRONLY).unwrap().unwrap();
        assert!(place.is_still(&file));
        fs::rename(&path, scratch.path().join("old")).unwrap();
        assert!(place.open(OFlags::WRONLY).unwrap().is_none());
        assert!(!place.is_still(&file));
        symlink("old", &path).unwrap();
        assert!(place.open(OFlags::WRONLY).unwrap().is_none());
        assert!(!place.is_still(&file));
    }
}
