//! Replacing a file in one step: a reader sees the old one or the new one, and a failure leaves the old.
//!
//! Signals wait meanwhile, so that none ends this process between the old file and the new one.

use std::fs::File;
use std::io::{self, Seek as _};
use std::path::Path;

use rustix::fs::{self as sys, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;
use sandprint_sandbox::signals;

use super::content::Content;
use super::owner;
use super::place::{self, Found, Place};
use super::temporary::{Named, Temporary};
use super::write_error::WriteError;
use crate::output;

/// Who may read a new file, and whose it is under sudo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privacy {
    /// Its owner alone, mode 0600, and under sudo the user who called it: traces hold command lines and paths.
    Private,
    /// Whoever the umask leaves in, and the owner is who runs us: profiles are read by the sandbox that they are for.
    Shared,
}

impl Privacy {
    fn mode(self) -> Mode {
        match self {
            Privacy::Private => Mode::RUSR | Mode::WUSR,
            Privacy::Shared => Mode::from_raw_mode(0o666),
        }
    }
}

/// How often a file is looked at anew that others exchange all the time.
const TURNS: usize = 100;

/// Replaces the file, or makes it, in one step.
pub(super) fn replace<'c>(
    path: &Path,
    content: impl Into<Content<'c>>,
    privacy: Privacy,
) -> Result<(), WriteError> {
    let content = content.into();
    for _ in 0..TURNS {
        if put(&place_of(path)?, content, privacy)? {
            return Ok(());
        }
    }
    Err(exchanged(path))
}

/// The place of a regular file, or of none yet.
pub(super) fn place_of(path: &Path) -> Result<Place, WriteError> {
    match place::find(path)? {
        Found::File(place) => Ok(place),
        Found::Stream(_) => Err(WriteError::NotRegular(path.to_owned())),
    }
}

pub(super) fn exchanged(path: &Path) -> WriteError {
    WriteError::open(path, io::Error::other("another process exchanges it all the time"))
}

/// Puts the content into the place, in one step; gives `false` where something else is there by now than was found.
pub(super) fn put<'c>(
    place: &Place,
    content: impl Into<Content<'c>>,
    privacy: Privacy,
) -> Result<bool, WriteError> {
    let content = content.into();
    let _held = hold(place)?;
    if place.existing.is_some() {
        put_in_its_place(place, content)
    } else {
        create_held(place, content, privacy)
    }
}

/// Makes the file in one step, if it is not there: otherwise gives `false`.
pub(super) fn create<'c>(
    place: &Place,
    content: impl Into<Content<'c>>,
    privacy: Privacy,
) -> Result<bool, WriteError> {
    let _held = hold(place)?;
    create_held(place, content.into(), privacy)
}

fn hold(place: &Place) -> Result<signals::Held, WriteError> {
    signals::hold().map_err(|source| WriteError::write(&place.path, source))
}

/// Finds out whether [`replace`] would work, as far as that can be known, and changes nothing.
pub(super) fn check(path: &Path) -> Result<bool, WriteError> {
    let place = place_of(path)?;
    let _held = hold(&place)?;
    if place.existing.is_some() {
        refuse_protected(&place)?;
    }
    match Temporary::new(&place, Privacy::Private.mode(), false) {
        Ok(_) => {}
        // Then it will be written where it is.
        Err(_) if place.existing.is_some() => {}
        Err(source) => return Err(WriteError::create(&place.parent, source)),
    }
    Ok(place.existing.is_some())
}

/// A file without any write permission is left alone, though the directory (or being root) would let us
/// replace it. So is one that this process may not write, or that lies on a read-only file system.
fn refuse_protected(place: &Place) -> Result<Option<File>, WriteError> {
    let writable = Mode::WUSR | Mode::WGRP | Mode::WOTH;
    match &place.existing {
        Some(stat) if !Mode::from_raw_mode(stat.st_mode).intersects(writable) => {
            Err(WriteError::Protected(place.path.clone()))
        }
        _ => place.open(OFlags::WRONLY),
    }
}

/// A new file takes the old one's place, if it can be made alike; otherwise the old one is written anew.
fn put_in_its_place(place: &Place, content: Content<'_>) -> Result<bool, WriteError> {
    let Some(old) = refuse_protected(place)? else { return Ok(false) };
    let error = |source| WriteError::write(&place.path, source);
    let Some(stat) = &place.existing else { return Ok(false) };
    let acl = owner::acl_of(&old);
    for named in [false, true] {
        let mut new = match Temporary::new(place, Privacy::Private.mode(), named) {
            Ok(new) => new,
            // The directory is not ours to make files in, but the file is ours to write.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
            Err(source) => return Err(WriteError::create(&place.parent, source)),
        };
        new.fill(content).map_err(error)?;
        if !owner::make_alike(&new.file, stat, acl.as_deref()).map_err(error)? {
            break;
        }
        new.file.sync_all().map_err(error)?;
        match new.replace() {
            Ok(Named::Done) => {
                sync_directory(place);
                return Ok(true);
            }
            Ok(Named::Taken | Named::Lost) => return Ok(false),
            // What has no name could not be given one.
            Err(_) if !named => {}
            Err(source) => return Err(error(source)),
        }
    }
    overwrite(&old, content).map_err(error)?;
    Ok(true)
}

fn create_held(place: &Place, content: Content<'_>, privacy: Privacy) -> Result<bool, WriteError> {
    let error = |source| WriteError::write(&place.path, source);
    let mut last = None;
    for named in [false, true] {
        let new = Temporary::new(place, privacy.mode(), named);
        let mut new = new.map_err(|source| WriteError::create(&place.parent, source))?;
        new.fill(content).map_err(error)?;
        if privacy == Privacy::Private {
            // File systems with default ACLs may have made it wider.
            sys::fchmod(&new.file, Privacy::Private.mode()).map_err(|errno| error(errno.into()))?;
            if let Err(source) = owner::hand_over(&new.file, &place.directory, &place.parent) {
                // A network file system may refuse; the content matters more.
                output::warn(&format!("the trace could not be given to the user who called sudo: {source}"));
            }
        }
        new.file.sync_all().map_err(error)?;
        match new.create() {
            Ok(Named::Done) => {
                sync_directory(place);
                return Ok(true);
            }
            Ok(Named::Taken | Named::Lost) => return Ok(false),
            Err(source) => last = Some(source),
        }
    }
    Err(error(last.unwrap_or_else(|| io::ErrorKind::Other.into())))
}

/// Writes a file that must stay the one that it is, as cp(1) does: its owner cannot be given to another, or it has a
/// directory where we may make none. Room is taken first, so that a full disk leaves the old content.
fn overwrite(mut file: &File, content: Content<'_>) -> io::Result<()> {
    let length = content.length()?;
    // Not every file system has it.
    if let Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) =
        sys::fallocate(file, FallocateFlags::KEEP_SIZE, 0, length)
    {
        return Err(error.into());
    }
    if length > file.metadata()?.len() {
        file.set_len(length)?;
    }
    file.rewind()?;
    content.write_to(file)?;
    file.set_len(length)?;
    file.sync_all()
}

/// Makes the new name itself durable, where the directory can be opened; the content already is.
fn sync_directory(place: &Place) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if let Ok(directory) = sys::openat(&place.directory, ".", flags, Mode::empty()) {
        sys::fsync(directory).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_trace_is_private_and_a_replaced_file_keeps_its_mode() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("t.json");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        replace(&path, b"one", Privacy::Private).unwrap();
        assert_eq!(mode(), 0o600);
        for kept in [0o644, 0o660, 0o200] {
            fs::set_permissions(&path, fs::Permissions::from_mode(kept)).unwrap();
            replace(&path, b"two", Privacy::Private).unwrap();
            assert_eq!(mode(), kept);
        }
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(scratch.path()), ["t.json"]);
    }

    #[test]
    fn creating_never_replaces() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("t.json");
        let place = place_of(&path).unwrap();
        assert!(create(&place, b"one", Privacy::Private).unwrap());
        assert!(!create(&place, b"two", Privacy::Private).unwrap());
        // What was found is not there any more: nothing is replaced unseen.
        assert!(!put(&place, b"two", Privacy::Private).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(names(scratch.path()), ["t.json"]);
    }

    #[test]
    fn without_nameless_files_all_is_the_same() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("t.json");
        let filled = |place: &Place, content: &[u8], replaces: bool| {
            let mut new = Temporary::new(place, Privacy::Private.mode(), true).unwrap();
            assert_eq!(
                names(scratch.path()).iter().filter(|name| name.starts_with(".sandprint-")).count(),
                1
            );
            new.fill(Content::Bytes(content)).unwrap();
            if replaces { new.replace() } else { new.create() }.unwrap()
        };
        let place = place_of(&path).unwrap();
        assert_eq!(filled(&place, b"one", false), Named::Done);
        assert_eq!(filled(&place, b"two", false), Named::Taken);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(filled(&place, b"three", true), Named::Done);
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(names(scratch.path()), ["t.json"]);
        drop(Temporary::new(&place, Privacy::Private.mode(), true).unwrap());
        assert_eq!(names(scratch.path()), ["t.json"]);
    }

    #[test]
    fn what_a_killed_writer_left_is_removed_and_what_another_uses_is_not() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("t.json");
        replace(&path, b"one", Privacy::Private).unwrap();
        let left = scratch.path().join(super::super::temporary::usual_name("t.json".as_ref()));
        fs::write(&left, "half").unwrap();
        replace(&path, b"two", Privacy::Private).unwrap();
        assert_eq!(names(scratch.path()), ["t.json"]);
        let place = place_of(&path).unwrap();
        let used = Temporary::new(&place, Privacy::Private.mode(), true).unwrap();
        replace(&path, b"three", Privacy::Private).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(names(scratch.path()).len(), 2, "the other writer's file is still there");
        drop(used);
        assert_eq!(names(scratch.path()), ["t.json"]);
    }

    #[test]
    fn a_file_that_must_stay_is_written_where_it_is() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("t.json");
        for (old, new) in [("a longer text", "short"), ("short", "a longer text"), ("", "x")] {
            fs::write(&path, old).unwrap();
            let before = fs::metadata(&path).unwrap().ino();
            overwrite(
                &fs::OpenOptions::new().write(true).open(&path).unwrap(),
                Content::Bytes(new.as_bytes()),
            )
            .unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), new);
            assert_eq!(fs::metadata(&path).unwrap().ino(), before);
        }
    }

    #[test]
    fn a_write_protected_file_stays_as_it_is() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("t.json");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        assert!(matches!(replace(&path, b"new", Privacy::Private), Err(WriteError::Protected(_))));
        assert!(matches!(check(&path), Err(WriteError::Protected(_))));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(scratch.path()), ["t.json"]);
    }

    #[test]
    fn checking_leaves_nothing_behind() {
        let scratch = tempfile::tempdir().unwrap();
        check(&scratch.path().join("t.json")).unwrap();
        assert_eq!(names(scratch.path()), [] as [&str; 0]);
        let absent = scratch.path().join("absent/t.json");
        assert!(matches!(check(&absent), Err(WriteError::Create { .. })));
    }
}
