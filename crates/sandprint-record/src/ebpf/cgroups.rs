//! Which cgroups are followed or watched, as far as they are there before the programs that see them come and go.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::{fs, io};

use super::TargetId;
use super::error::RecorderError;
use super::maps::Maps;

/// Enters a target's own cgroup. Then the programs are to be attached that see cgroups come and go, and after that
/// [`enter_below`] is to be called: what is made meanwhile enters itself.
pub(super) fn enter(maps: &Maps, directory: &Path, target: TargetId) -> Result<(), RecorderError> {
    let failed = |source| RecorderError::Cgroup { directory: directory.to_owned(), source };
    let kind = rustix::fs::statfs(directory).map_err(|error| failed(error.into()))?;
    if kind.f_type != CGROUP2_SUPER_MAGIC {
        return Err(failed(io::Error::other("it is no directory of the cgroup2 hierarchy")));
    }
    let id = id_of(directory).map_err(failed)?;
    put(maps, id, target)
}

/// Of `linux/magic.h`.
const CGROUP2_SUPER_MAGIC: rustix::fs::FsWord = 0x6367_7270;

/// Enters what is below the cgroups of these targets, by their directories. Where one is in another, what is below both
/// is the inner one's.
pub(super) fn enter_below(maps: &Maps, targets: &BTreeMap<&Path, TargetId>) -> Result<(), RecorderError> {
    for (directory, target) in targets {
        below(maps, targets, directory, *target)?;
    }
    Ok(())
}

fn below(
    maps: &Maps,
    targets: &BTreeMap<&Path, TargetId>,
    directory: &Path,
    target: TargetId,
) -> Result<(), RecorderError> {
    // A directory that is removed meanwhile holds nobody.
    let Ok(entries) = fs::read_dir(directory) else { return Ok(()) };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_directory || targets.contains_key(path.as_path()) {
            continue;
        }
        if let Ok(id) = id_of(&path) {
            put(maps, id, target)?;
            below(maps, targets, &path, target)?;
        }
    }
    Ok(())
}

/// A cgroup's id is the inode number of its directory (`kernfs_id_ino`, 5.5 on: 67c0496e87d1).
fn id_of(directory: &Path) -> io::Result<u64> {
    Ok(fs::metadata(directory)?.ino())
}

fn put(maps: &Maps, id: u64, target: TargetId) -> Result<(), RecorderError> {
    Ok(maps.update("cgroups", &id.to_ne_bytes(), &target.0.to_ne_bytes())?)
}
