//! The cgroup2 hierarchy: where it is mounted, what lies in it, and what is merely version 1.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use sandprint_model::ByteString;

use super::{Host, Target, TargetError};

/// Where cgroup file systems are mounted.
#[derive(Debug)]
pub(super) struct Mounts {
    /// The cgroup2 mount point.
    pub(super) unified: PathBuf,
    /// Those of version 1.
    v1: Vec<PathBuf>,
}

impl Mounts {
    /// Reads them from /proc/self/mountinfo (proc(5)).
    pub(super) fn read(host: &Host) -> Result<Mounts, TargetError> {
        let path = host.path("/proc/self/mountinfo");
        let text = fs::read(&path).map_err(|source| TargetError::Read { path, source })?;
        Mounts::parse(&text).ok_or(TargetError::NoCgroup2)
    }

    /// Of several cgroup2 mounts the usual place counts, or else the first that shows the whole hierarchy.
    fn parse(mountinfo: &[u8]) -> Option<Mounts> {
        let mut unified: Vec<(bool, PathBuf)> = Vec::new();
        let mut v1 = Vec::new();
        for line in mountinfo.split(|byte| *byte == b'\n') {
            let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
            // Optional fields end with a lone dash; the file system's type follows it.
            let dash = fields.iter().skip(6).position(|field| *field == b"-");
            let kind = dash.and_then(|dash| fields.get(dash.saturating_add(7)));
            let (Some(kind), Some(root), Some(point)) = (kind, fields.get(3), fields.get(4)) else {
                continue;
            };
            let point = PathBuf::from(OsString::from_vec(unescape(point)));
            match *kind {
                b"cgroup2" => unified.push((*root == b"/", point)),
                b"cgroup" => v1.push(point),
                _ => {}
            }
        }
        let usual = |(_, point): &&(bool, PathBuf)| point == Path::new("/sys/fs/cgroup");
        let whole = |(whole, _): &&(bool, PathBuf)| *whole;
        let chosen = unified.iter().find(usual).or_else(|| unified.iter().find(whole)).or(unified.first());
        let unified = chosen.map(|(_, point)| point.clone())?;
        Some(Mounts { unified, v1 })
    }
}

/// mountinfo writes space, tab, newline and backslash as `\` and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let digit = |byte: u8| byte.is_ascii_digit().then(|| byte.wrapping_sub(b'0'));
        rest = match (*first, tail) {
            (b'\\', [a, b, c, after @ ..]) if [a, b, c].iter().all(|d| matches!(d, b'0'..=b'7')) => {
                let value = [*a, *b, *c]
                    .into_iter()
                    .filter_map(digit)
                    .fold(0_u8, |sum, digit| sum.wrapping_mul(8).wrapping_add(digit));
                bytes.push(value);
                after
            }
            (byte, tail) => {
                bytes.push(byte);
                tail
            }
        };
    }
    bytes
}

/// The cgroup that a path means: one in the file system, or one below the mount as /proc/PID/cgroup
/// writes it.
pub(super) fn find(host: &Host, path: &Path) -> Result<Target, TargetError> {
    let mounts = Mounts::read(host)?;
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

/// The cgroup2 of a process, as /proc shows it: from the root of the hierarchy, or of our cgroup namespace. None where
/// the process is gone, or in no such hierarchy.
pub(super) fn of_process(host: &Host, pid: u32) -> Option<ByteString> {
    let text = fs::read(host.path(format!("/proc/{pid}/cgroup"))).ok()?;
    let path = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"0::"))?;
    Some(ByteString::new(path))
}

/// Whether a cgroup, by its path as /proc shows it, is one that a directory of the mount holds.
pub(super) fn is_below(host: &Host, directory: &Path, cgroup: &ByteString) -> Result<bool, TargetError> {
    let mounts = Mounts::read(host)?;
    let path = PathBuf::from(OsString::from_vec(cgroup.as_bytes().to_vec()));
    let inside = host.path(mounts.unified.join(path.strip_prefix("/").unwrap_or(&path)));
    Ok(inside.starts_with(directory))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_found_with_optional_fields_and_escapes() {
        let cases: [(&str, Option<&str>); 6] = [
            ("", None),
            (
                "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup c rw,cpu",
                None,
            ),
            ("25 20 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw", Some("/sys/fs/cgroup")),
            (
                "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup c rw,cpu\n41 31 0:38 / /sys/fs/cgroup/unified rw shared:1 master:2 - cgroup2 cgroup2 rw",
                Some("/sys/fs/cgroup/unified"),
            ),
            (
                "1 1 0:1 /a /mnt/part rw - cgroup2 none rw\n2 1 0:1 / /mnt/with\\040space rw - cgroup2 none rw",
                Some("/mnt/with space"),
            ),
            ("1 1 0:1 /a /mnt/part rw - cgroup2 none rw", Some("/mnt/part")),
        ];
        for (text, expected) in cases {
            let found = Mounts::parse(text.as_bytes()).map(|mounts| mounts.unified);
            assert_eq!(found.as_deref(), expected.map(Path::new), "{text}");
        }
    }

    #[test]
    fn octal_escapes_are_read_and_the_rest_left() {
        for (field, expected) in [("a\\040b", "a b"), ("\\134", "\\"), ("\\09", "\\09"), ("\\", "\\")] {
            assert_eq!(unescape(field.as_bytes()), expected.as_bytes(), "{field}");
        }
    }
}
