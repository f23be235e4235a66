//! The cgroup2 hierarchy: where it is mounted, which cgroup a process is in, and what lies below which.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use sandprint_model::ByteString;

/// Where cgroup file systems are mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounts {
    /// The cgroup2 mount point.
    pub unified: PathBuf,
    /// Those of version 1.
    pub v1: Vec<PathBuf>,
}

impl Mounts {
    /// Reads those of this process; none where there is no cgroup2 mount.
    pub fn here() -> Option<Mounts> {
        Mounts::parse(&fs::read("/proc/self/mountinfo").ok()?)
    }

    /// Reads them from the lines of `/proc/self/mountinfo` (proc(5)).
    ///
    /// Of several cgroup2 mounts the usual place counts, or else the first that shows the whole hierarchy.
    pub fn parse(mountinfo: &[u8]) -> Option<Mounts> {
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

    /// Whether a cgroup, by its path as /proc shows it, is one that a directory of the cgroup2 mount holds.
    pub fn is_below(&self, directory: &Path, cgroup: &ByteString) -> bool {
        let path = PathBuf::from(OsString::from_vec(cgroup.as_bytes().to_vec()));
        self.unified.join(path.strip_prefix("/").unwrap_or(&path)).starts_with(directory)
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

/// The cgroup2 of a process, as /proc shows it: from the root of the hierarchy, or of our cgroup namespace. None where
/// the process is gone, or in no such hierarchy.
pub fn of_process(pid: u32) -> Option<ByteString> {
    of_file(&fs::read(format!("/proc/{pid}/cgroup")).ok()?)
}

/// The same, of what `/proc/PID/cgroup` holds (cgroups(7)).
fn of_file(text: &[u8]) -> Option<ByteString> {
    let path = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"0::"))?;
    Some(ByteString::new(path))
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

    #[test]
    fn processes_are_found_in_their_cgroup_and_below_it() {
        assert_eq!(of_file(b"4:memory:/x\n"), None);
        let cgroup = of_file(b"4:memory:/x\n0::/a/b/c d\n").unwrap();
        assert_eq!(cgroup, ByteString::from("/a/b/c d"));
        for mount in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
            let mounts = Mounts { unified: PathBuf::from(mount), v1: Vec::new() };
            let directory = Path::new(mount).join("a/b");
            assert!(mounts.is_below(&directory, &cgroup));
            for (path, below) in [("/a/b", true), ("/a/bc", false), ("/a", false), ("/", false)] {
                assert_eq!(mounts.is_below(&directory, &ByteString::from(path)), below, "{path}");
            }
        }
        let (mounts, ours) = (Mounts::here(), of_process(std::process::id()));
        assert!(mounts.is_none_or(|mounts| mounts.is_below(&mounts.unified, &ours.unwrap_or_default())));
    }
}
