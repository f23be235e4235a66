//! A cgroup by its path, and what lies in the hierarchies.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use sandprint_model::ByteString;

use sandprint_record::cgroup::Mounts;

use super::{Host, Target, TargetError};

/// Where they are mounted.
pub(super) fn mounts(host: &Host) -> Result<Mounts, TargetError> {
    let path = host.path("/proc/self/mountinfo");
    let text = fs::read(&path).map_err(|source| TargetError::Read { path, source })?;
    Mounts::parse(&text).ok_or(TargetError::NoCgroup2)
}

/// The cgroup that a path means: one in the file system, or one below the mount as /proc/PID/cgroup
/// writes it.
pub(super) fn find(host: &Host, path: &Path) -> Result<Target, TargetError> {
    let mounts = mounts(host)?;
    let missing = || TargetError::NoCgroup { path: path.to_owned(), mount: mounts.unified.clone() };
    let inside = if path.starts_with(&mounts.unified) {
        path.to_owned()
    } else if mounts.v1.iter().any(|mount| path.starts_with(mount)) {
        return Err(TargetError::CgroupV1(path.to_owned()));
    } else {
        mounts.unified.join(path.strip_prefix("/").unwrap_or(path))
    };
    if inside.components().any(|component| component == Component::ParentDir) {
        return Err(missing());
    }
    let directory = host.path(&inside);
    match fs::metadata(directory.join("cgroup.procs")) {
        Ok(_) => {}
        Err(error) if is_absent(&error) => return Err(missing()),
        Err(source) => return Err(TargetError::Read { path: directory, source }),
    }
    let shown = inside.strip_prefix(&mounts.unified).unwrap_or(&inside);
    let words = format!("cgroup /{}", ByteString::new(shown.as_os_str().as_encoded_bytes()));
    Ok(Target::Cgroup { directory, words })
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Every cgroup below a directory for which `take` says so; below one that is taken nothing is looked at.
///
/// `take` gets the path below the top. Groups that vanish meanwhile, or may not be read, are passed over.
pub(super) fn search(top: &Path, take: &mut dyn FnMut(&Path) -> bool) {
    let mut pending = vec![PathBuf::new()];
    while let Some(below) = pending.pop() {
        let Ok(entries) = fs::read_dir(top.join(&below)) else { continue };
        for entry in entries.flatten() {
            // The type comes with the entry: links, which no cgroup has, are not followed.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let child = below.join(entry.file_name());
                if !take(&child) {
                    pending.push(child);
                }
            }
        }
    }
}

/// Processes with a cgroup of version 1 for which `matches` says so, by number.
pub(super) fn v1_processes(host: &Host, matches: &dyn Fn(&str) -> bool) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(host.path("/proc")) else { return Vec::new() };
    let mut pids: Vec<u32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            let Ok(text) = fs::read(host.path(format!("/proc/{pid}/cgroup"))) else { return false };
            // Lines are `HIERARCHY:CONTROLLERS:PATH` (cgroups(7)); hierarchy 0 is cgroup2.
            String::from_utf8_lossy(&text).lines().any(|line| {
                let mut fields = line.splitn(3, ':');
                let hierarchy = fields.next();
                fields.next();
                hierarchy != Some("0") && fields.next().is_some_and(matches)
            })
        })
        .collect();
    pids.sort_unstable();
    pids
}
