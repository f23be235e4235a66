//! Where a path comes to, in the root of some processes: by opening it for nothing, which follows every link and waits for
//! nothing that lies at its end.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// How often a path is looked up at most, where somebody renames directories meanwhile.
const MOST_TRIES: usize = 100;
/// The longest path, and its NUL (`PATH_MAX`).
const MOST_PATH: usize = 4096;

/// The path without symbolic links, as that root shows it. What of it is not there stays as it is, after the links of what
/// is. None where no process shows the root.
pub(super) fn follow(namespace: u32, inode: u64, processes: &[u32], path: &[u8]) -> Option<Vec<u8>> {
    let root = root(namespace, inode, processes)?;
    let mut here = path;
    loop {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        // A descriptor of whoever asks is another one of ours.
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let name = Path::new(OsStr::from_bytes(if here.is_empty() { b"/" } else { here }));
        let open = || rustix::fs::openat2(&root, name, flags, Mode::empty(), resolve);
        // Whoever renames a directory meanwhile makes the kernel say that a `..` may lead elsewhere (openat2(2)).
        let opened = (0..MOST_TRIES).map(|_| open()).find(|opened| !matches!(opened, Err(Errno::AGAIN)));
        if let Some(Ok(opened)) = opened {
            let end = of_whoever_asks(&root, name, below(&root, &opened)?);
            let mut end = end.into_os_string().into_vec();
            let left = path.get(here.len()..).unwrap_or_default();
            if end == b"/" && left.starts_with(b"/") {
                end.clear();
            }
            end.extend_from_slice(left);
            return Some(end).filter(|end| end.len() < MOST_PATH);
        }
        // A `..` too: it goes back over what is not there, and stays.
        let at = here.iter().rposition(|byte| *byte == b'/')?;
        here = here.get(..at)?;
    }
}

/// Most bytes of a file that are read, and of them that are told.
const MOST_READ: u64 = 4 << 20;
pub(super) const MOST_TEXT: usize = 128 << 10;

/// The lines of a file as that root shows it, without comments and without those about no address at all, of which lists of
/// what is not to be found have very many. None where no process shows the root, or they are too long.
pub(super) fn text(namespace: u32, inode: u64, processes: &[u32], path: &[u8]) -> Option<Vec<u8>> {
    let root = root(namespace, inode, processes)?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let path = Path::new(OsStr::from_bytes(path));
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let place = rustix::fs::openat2(&root, path, flags, Mode::empty(), resolve).ok()?;
    let file = crate::image::open_regular(&File::from(place))?;
    let mut all = Vec::new();
    let read = file.take(MOST_READ + 1).read_to_end(&mut all).ok()?;
    if u64::try_from(read).ok()? > MOST_READ {
        return None;
    }
    let mut told = Vec::new();
    for line in all.split(|byte| *byte == b'\n') {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default().trim_ascii();
        let first = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        if !matches!(first, b"" | b"0.0.0.0" | b"::") {
            told.extend_from_slice(line);
            told.push(b'\n');
        }
    }
    Some(told).filter(|told| told.len() <= MOST_TEXT)
}

/// The root directory: our own where it is the same, or that of a process which has it.
fn root(namespace: u32, inode: u64, processes: &[u32]) -> Option<OwnedFd> {
    let open = |path: &Path| {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty()).ok()
    };
    let is_it = |process: &Path| {
        let namespaces = std::fs::metadata(process.join("ns/mnt")).ok();
        let root = std::fs::metadata(process.join("root")).ok();
        namespaces.is_some_and(|found| found.ino() == u64::from(namespace))
            && root.is_some_and(|found| found.ino() == inode)
    };
    let others = processes.iter().map(|pid| PathBuf::from(format!("/proc/{pid}")));
    let all = std::iter::once(PathBuf::from("/proc/self")).chain(others);
    all.into_iter().find(|process| is_it(process)).and_then(|process| open(&process.join("root")))
}

/// The end of the path as it is to every process, where that is below our own directory of `/proc`: `self` led there,
/// unless the path has our number.
fn of_whoever_asks(root: &OwnedFd, path: &Path, end: PathBuf) -> PathBuf {
    for name in ["thread-self", "self"] {
        let link = rustix::fs::readlinkat(root, Path::new("proc").join(name), Vec::new());
        let own = link.ok().map(|link| Path::new("/proc").join(OsStr::from_bytes(link.as_bytes())));
        let own = own.filter(|own| !path.starts_with(own));
        if let Some(rest) = own.and_then(|own| end.strip_prefix(own).ok()) {
            return Path::new("/proc").join(name).components().chain(rest.components()).collect();
        }
    }
    end
}

/// The path of what was opened, from the root on.
fn below(root: &OwnedFd, opened: &OwnedFd) -> Option<PathBuf> {
    let path = |file: &OwnedFd| {
        let link = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
        std::fs::read_link(link).ok()
    };
    let (root, opened) = (path(root)?, path(opened)?);
    let rest = opened.strip_prefix(&root).ok()?;
    Some(Path::new("/").join(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> (u32, u64) {
        let namespace = std::fs::metadata("/proc/self/ns/mnt").unwrap().ino();
        (u32::try_from(namespace).unwrap(), std::fs::metadata("/").unwrap().ino())
    }

    #[test]
    fn the_lines_of_a_file_are_read_unless_they_are_too_many() {
        let (namespace, inode) = ours();
        let file = std::env::temp_dir().join(format!("sandprint-hosts-{}", std::process::id()));
        let of = |text: &[u8]| {
            std::fs::write(&file, text).unwrap();
            super::text(namespace, inode, &[], file.as_os_str().as_bytes())
        };
        let lines = of(b"# x\n 127.0.0.1 a # b\n\n0.0.0.0 bad\n:: bad\n::1 b");
        assert_eq!(lines.as_deref(), Some(&b"127.0.0.1 a\n::1 b\n"[..]));
        assert_eq!(of(&b"0.0.0.0 bad\n".repeat(200_000)), Some(Vec::new()));
        assert_eq!(of(&b"127.0.0.1 good\n".repeat(10_000)), None);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(super::text(namespace, inode, &[], b"/"), None);
    }

    #[test]
    fn links_are_followed_and_what_is_not_there_stays() {
        let scratch = std::env::temp_dir().join(format!("sandprint-links-{}", std::process::id()));
        let real = scratch.join("real");
        std::fs::create_dir_all(&real).unwrap();
        std::os::unix::fs::symlink("real", scratch.join("link")).unwrap();
        std::fs::create_dir(real.join("deep")).unwrap();
        std::os::unix::fs::symlink("real/deep", scratch.join("far")).unwrap();
        std::os::unix::fs::symlink("/nowhere/at/all", scratch.join("dangling")).unwrap();
        let scratch = scratch.canonicalize().unwrap();
        let (namespace, inode) = ours();
        let ours_of_proc = PathBuf::from(format!("/proc/{}/stat", std::process::id()));
        let follow = |path: PathBuf| {
            let found = follow(namespace, inode, &[], path.as_os_str().as_bytes()).unwrap();
            PathBuf::from(OsStr::from_bytes(&found))
        };
        for (path, expected) in [
            (scratch.join("link"), scratch.join("real")),
            (scratch.join("link/none/x"), scratch.join("real/none/x")),
            (scratch.join("dangling"), scratch.join("dangling")),
            (scratch.join("link/../none"), scratch.join("none")),
            (scratch.join("far/../none"), scratch.join("real/none")),
            (scratch.join("far/.."), scratch.join("real")),
            // What is not there may have been a link.
            (scratch.join("none/../link"), scratch.join("none/../link")),
            (PathBuf::from("/none/../x"), PathBuf::from("/none/../x")),
            (PathBuf::from("/"), PathBuf::from("/")),
            // What is there for us is there for nobody else.
            (PathBuf::from("/proc/self/fd/0"), PathBuf::from("/proc/self/fd/0")),
            (PathBuf::from("/proc/self"), PathBuf::from("/proc/self")),
            (PathBuf::from("/proc/self/exe"), PathBuf::from("/proc/self/exe")),
            (PathBuf::from("/proc/thread-self/stat"), PathBuf::from("/proc/thread-self/stat")),
            (PathBuf::from("/dev/fd/0"), PathBuf::from("/proc/self/fd/0")),
            (ours_of_proc.clone(), ours_of_proc),
        ] {
            assert_eq!(follow(path.clone()).as_os_str(), expected.as_os_str(), "{}", path.display());
        }
        std::fs::remove_dir_all(scratch).unwrap();
    }

    #[test]
    fn a_root_that_nobody_shows_leads_nowhere() {
        let (namespace, inode) = ours();
        assert_eq!(follow(namespace, inode.wrapping_add(1), &[std::process::id()], b"/usr"), None);
        assert!(follow(namespace, inode, &[], b"/usr").is_some());
    }
}
