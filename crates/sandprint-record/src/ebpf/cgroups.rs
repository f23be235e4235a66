//! Which cgroups are followed or watched: what the programs are told that see cgroups come and go.
//!
//! A target is a path: when its cgroup is removed and made again, the new one is followed from its first task on. In the
//! kernel a path is a tree of components, so that neither mounts nor cgroup namespaces matter.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::TargetId;
use super::decode::component_key;
use super::error::RecorderError;
use super::maps::Maps;

/// Of `linux/magic.h`.
const CGROUP2_SUPER_MAGIC: rustix::fs::FsWord = 0x6367_7270;

/// The cgroups of targets.
#[derive(Debug)]
pub(super) struct Cgroups {
    /// The targets' own, by their directories.
    targets: BTreeMap<PathBuf, TargetId>,
    /// They and all that they lie in, up to the mount, with the number of each.
    nodes: BTreeMap<PathBuf, u32>,
}

impl Cgroups {
    /// Takes in the directories of targets, and tells the programs their paths. Then those programs are to be attached,
    /// and [`Cgroups::enter`] is to be called.
    pub(super) fn expect(
        maps: &Maps,
        targets: impl Iterator<Item = (PathBuf, TargetId)>,
    ) -> Result<Cgroups, RecorderError> {
        let mut cgroups = Cgroups { targets: targets.collect(), nodes: BTreeMap::new() };
        for directory in cgroups.targets.keys().cloned().collect::<Vec<_>>() {
            let failed = |source| RecorderError::Cgroup { directory: directory.clone(), source };
            let way = way_to(&directory).map_err(failed)?;
            let mut above = 0;
            for path in way {
                let next = u32::try_from(cgroups.nodes.len()).unwrap_or(u32::MAX).saturating_add(1);
                let node = *cgroups.nodes.entry(path.clone()).or_insert(next);
                // The root of the mount is found by its id, and is never made again.
                if let Some(name) = path.file_name().filter(|_| above > 0) {
                    let own = cgroups.targets.get(&path).map_or(0, |target| target.0);
                    let value = [node.to_ne_bytes(), own.to_ne_bytes()].concat();
                    maps.update("components", &component_key(above, name), &value)?;
                }
                above = node;
            }
        }
        cgroups.enter(maps)?;
        Ok(cgroups)
    }

    /// Enters what is there. To be called when the programs are attached: what is made from then on enters itself.
    pub(super) fn enter(&self, maps: &Maps) -> Result<(), RecorderError> {
        for (path, node) in &self.nodes {
            if let Ok(id) = id_of(path) {
                maps.update("on_path", &id.to_ne_bytes(), &node.to_ne_bytes())?;
            }
        }
        for (directory, target) in &self.targets {
            if let Ok(id) = id_of(directory) {
                maps.update("cgroups", &id.to_ne_bytes(), &target.0.to_ne_bytes())?;
                self.enter_below(maps, directory, *target)?;
            }
        }
        Ok(())
    }

    /// Where one target is in another, what is below both is the inner one's.
    fn enter_below(&self, maps: &Maps, directory: &Path, target: TargetId) -> Result<(), RecorderError> {
        // A directory that is removed meanwhile holds nobody.
        let Ok(entries) = fs::read_dir(directory) else { return Ok(()) };
        for entry in entries.flatten() {
            let path = entry.path();
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if !is_directory || self.targets.contains_key(&path) {
                continue;
            }
            if let Ok(id) = id_of(&path) {
                maps.update("cgroups", &id.to_ne_bytes(), &target.0.to_ne_bytes())?;
                self.enter_below(maps, &path, target)?;
            }
        }
        Ok(())
    }
}

/// The directories from the root of the mount to this one, whether it is there or not.
fn way_to(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut way = Vec::new();
    for path in directory.ancestors() {
        match rustix::fs::statfs(path) {
            Ok(kind) if kind.f_type == CGROUP2_SUPER_MAGIC => way.push(path.to_owned()),
            // Below here there is nothing yet.
            Err(rustix::io::Errno::NOENT) => way.push(path.to_owned()),
            _ => break,
        }
    }
    way.reverse();
    let is_there = way.first().is_some_and(|root| root.exists());
    if is_there { Ok(way) } else { Err(io::Error::other("it is no directory of the cgroup2 hierarchy")) }
}

/// A cgroup's id is the inode number of its directory (`kernfs_id_ino`, 5.5 on: 67c0496e87d1).
fn id_of(directory: &Path) -> io::Result<u64> {
    Ok(fs::metadata(directory)?.ino())
}
