//! Replacing a file in one step: a reader sees the old one or the new one, and a failure leaves the old.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::owner;
use crate::output::{self, quote};

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privacy {
    /// Its owner alone, mode 0600: traces hold command lines and paths.
    Private,
    /// Whoever the umask leaves in: profiles are read by the sandbox that they are for.
    Shared,
}

/// Output could not be written. What was there before is still there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// The path is a directory.
    #[error("failed to write {}: it is a directory", quote(.0))]
    Directory(PathBuf),
    /// The file is there and nobody may write it.
    #[error("failed to write {}: it is write-protected", quote(.0))]
    Protected(PathBuf),
    /// The path cannot be looked at, or the file cannot be opened.
    #[error("failed to open {} for writing", quote(path))]
    Open {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No file can be made in the directory.
    #[error("failed to create a file in {}", quote(directory))]
    Create {
        /// The directory.
        directory: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The content cannot be written.
    #[error("failed to write {}", quote(path))]
    Write {
        /// The path that was asked for.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Other writers hold the lock for too long.
    #[error("failed to lock {}: another process has held it for {seconds} seconds", quote(path))]
    Locked {
        /// The path that was asked for.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
}

/// Replaces the file, or makes it, in one step. The path is no symbolic link.
pub(super) fn replace(path: &Path, bytes: &[u8], privacy: Privacy) -> Result<(), WriteError> {
    refuse_protected(path)?;
    let temporary = Temporary::filled(path, bytes, privacy)?;
    fs::rename(&temporary.path, path)
        .map_err(|source| WriteError::Write { path: path.to_owned(), source })?;
    temporary.forget();
    sync_directory(path);
    Ok(())
}

/// Makes the file in one step, if it is not there: otherwise gives `false`.
pub(super) fn create(path: &Path, bytes: &[u8], privacy: Privacy) -> Result<bool, WriteError> {
    let temporary = Temporary::filled(path, bytes, privacy)?;
    // Unlike a rename, a link never replaces anything.
    let created = match fs::hard_link(&temporary.path, path) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(_) => create_without_links(&temporary, path)?,
    };
    if created {
        sync_directory(path);
    }
    Ok(created)
}

/// The same on file systems without hard links (vfat, some network and FUSE file systems): those who make
/// files there keep off each other by a lock on the directory.
fn create_without_links(temporary: &Temporary, path: &Path) -> Result<bool, WriteError> {
    let error = |source| WriteError::Write { path: path.to_owned(), source };
    let directory = File::open(directory_of(path)).map_err(error)?;
    directory.lock().map_err(error)?;
    if fs::symlink_metadata(path).is_ok() {
        return Ok(false);
    }
    fs::rename(&temporary.path, path).map_err(error)?;
    Ok(true)
}

/// Finds out whether [`replace`] would work, as far as that can be known, and changes nothing.
pub(super) fn check(path: &Path) -> Result<(), WriteError> {
    refuse_protected(path)?;
    Temporary::new(path, Privacy::Private).map(drop)
}

/// A file without any write permission is left alone, though the directory (or being root) would let us
/// replace it. So is one that this process may not write, or that lies on a read-only file system.
fn refuse_protected(path: &Path) -> Result<(), WriteError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.permissions().readonly() => Err(WriteError::Protected(path.to_owned())),
        Ok(_) => match OpenOptions::new().append(true).open(path) {
            Ok(_) => Ok(()),
            Err(source) => Err(WriteError::Open { path: path.to_owned(), source }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(WriteError::Open { path: path.to_owned(), source }),
    }
}

/// A new file beside the one that it will become; gone again when dropped.
#[derive(Debug)]
struct Temporary {
    path: PathBuf,
    file: File,
    armed: bool,
}

impl Temporary {
    fn new(target: &Path, privacy: Privacy) -> Result<Temporary, WriteError> {
        let directory = directory_of(target);
        let mode = match privacy {
            Privacy::Private => 0o600,
            Privacy::Shared => 0o666,
        };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(mode);
        loop {
            let path = directory.join(unused_name());
            match options.open(&path) {
                Ok(file) => return Ok(Temporary { path, file, armed: true }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(WriteError::Create { directory: directory.to_owned(), source }),
            }
        }
    }

    fn filled(target: &Path, bytes: &[u8], privacy: Privacy) -> Result<Temporary, WriteError> {
        let mut temporary = Temporary::new(target, privacy)?;
        let written = temporary.file.write_all(bytes).and_then(|()| temporary.finish(privacy));
        written.map_err(|source| WriteError::Write { path: target.to_owned(), source })?;
        Ok(temporary)
    }

    fn finish(&self, privacy: Privacy) -> io::Result<()> {
        if let Err(error) = owner::hand_over(&self.file) {
            // Network file systems and user namespaces may refuse; the content matters more.
            output::warn(&format!(
                "the file stays root's: it could not be given to the user who called sudo: {error}"
            ));
        }
        if privacy == Privacy::Private {
            // File systems with default ACLs may have made it wider.
            self.file.set_permissions(fs::Permissions::from_mode(0o600))?;
        }
        self.file.sync_all()
    }

    /// Leaves the file where it is: it has been renamed.
    fn forget(mut self) {
        self.armed = false;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.armed {
            super::remove_quietly(&self.path);
        }
    }
}

/// A file name that nobody else takes: the process, a counter, and the clock for those in other PID
/// namespaces.
fn unused_name() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    format!(".sandprint-{}-{count}-{nanoseconds:09}.tmp", std::process::id())
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the new name itself durable, where the directory can be opened; the content already is.
fn sync_directory(path: &Path) {
    if let Ok(directory) = File::open(directory_of(path)) {
        drop(directory.sync_all());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn replacing_leaves_one_private_file_and_no_litter() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("t.json");
        replace(&path, b"one", Privacy::Private).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        replace(&path, b"two", Privacy::Private).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(names(scratch.path()), ["t.json"]);
    }

    #[test]
    fn creating_never_replaces() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("t.json");
        assert!(create(&path, b"one", Privacy::Private).unwrap());
        assert!(!create(&path, b"two", Privacy::Private).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(names(scratch.path()), ["t.json"]);
    }

    #[test]
    fn creating_without_links_never_replaces_either() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("t.json");
        for (content, created) in [("one", true), ("two", false)] {
            let temporary = Temporary::filled(&path, content.as_bytes(), Privacy::Private).unwrap();
            assert_eq!(create_without_links(&temporary, &path).unwrap(), created);
        }
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(names(scratch.path()), ["t.json"]);
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
